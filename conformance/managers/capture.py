"""What a step prints reaches the store: all of it, however the step ends."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

from ..core import Contract, case, equal, raises, true
from .subject import STDERR, STDOUT, ManagerSubject, both, descriptor, emit

__all__ = ["Capture"]

LIMIT = 100_000


class _StepFailed(Exception):  # noqa: N818 - a user's own exception
    """What a failing step raises."""


class Capture(Contract):
    """Nothing is lost on the way out of the worker."""

    group = "capture"
    point = "Captured logs are stored"
    subject: ManagerSubject

    @case()
    def both_streams_come_back_unchanged(self) -> None:
        """What was printed to stdout and stderr is read back byte for byte."""
        out, err = "höhe ☃ 😀\r\n".encode() * 50, b"\x1b[31mred\x1b[0m\n" + b"x" * 3000
        manager = self.subject.manager()
        self.subject.write(manager, self.subject.key, out, err)
        equal("stdout and stderr", both(manager, self.subject.key), (out, err))

    @case()
    def another_process_reads_both_streams(self) -> None:
        """A manager with a staging folder of its own reads what the first one captured."""
        self.subject.write(self.subject.manager(), self.subject.key, b"out\n", b"err\n")
        reader = self.subject.manager()
        equal("stdout and stderr elsewhere", both(reader, self.subject.key), (b"out\n", b"err\n"))

    @case()
    def completion_is_seen_from_another_process(self) -> None:
        """`is_capture_complete` is `False` during the step and `True` after it, for writer and reader."""
        writer, reader = self.subject.manager(), self.subject.manager()
        key = self.subject.key
        with writer.capture_logs(key):
            emit(1, b"x")
            equal("the writer's answer during the step", writer.is_capture_complete(key), False)
            equal("a reader's answer during the step", reader.is_capture_complete(key), False)
        equal("the writer's answer afterwards", writer.is_capture_complete(key), True)
        equal("a reader's answer afterwards", reader.is_capture_complete(key), True)

    @case()
    def a_step_that_raises_has_its_log(self) -> None:
        """An exception that passes through the capture does not keep the log back (h1, h2)."""
        writer, key = self.subject.manager(), self.subject.key

        def run() -> None:
            with writer.capture_logs(key):
                emit(2, b"Traceback: the reason\n")
                raise _StepFailed

        raises(_StepFailed, "the step's own exception", run)
        reader = self.subject.manager()
        equal("stderr after the failure", both(reader, key)[1], b"Traceback: the reason\n")
        equal("is_capture_complete after the failure", reader.is_capture_complete(key), True)

    @case()
    def a_terminated_step_has_its_log(self) -> None:
        """An interrupt (what Dagster raises on SIGTERM) does not keep the log back (h1)."""
        writer, key = self.subject.manager(), self.subject.key

        def run() -> None:
            with writer.capture_logs(key):
                emit(1, b"the last line\n")
                raise KeyboardInterrupt

        with contextlib.suppress(KeyboardInterrupt):
            run()
        equal(
            "stdout after the interrupt", both(self.subject.manager(), key)[0], b"the last line\n"
        )

    @case()
    def an_empty_stderr_is_complete_too(self) -> None:
        """With `skip_empty_files` and nothing on stderr, other processes still see the end (c)."""
        writer = self.subject.manager(skip_empty_files=True)
        key = self.subject.key
        self.subject.write(writer, key, b"only out\n", b"")
        reader = self.subject.manager(skip_empty_files=True)
        equal("is_capture_complete", reader.is_capture_complete(key), True)
        equal("stdout and stderr", both(reader, key), (b"only out\n", b""))

    @case()
    def an_empty_stdout_is_complete_too(self) -> None:
        """With `skip_empty_files` and nothing on stdout, stderr is there and it is complete (c)."""
        writer = self.subject.manager(skip_empty_files=True)
        self.subject.write(writer, self.subject.key, b"", b"only err\n")
        reader = self.subject.manager(skip_empty_files=True)
        equal("is_capture_complete", reader.is_capture_complete(self.subject.key), True)
        equal("stdout and stderr", both(reader, self.subject.key), (b"", b"only err\n"))

    @case()
    def a_silent_step_is_complete(self) -> None:
        """A step that prints nothing is complete and empty, with and without `skip_empty_files`."""
        self.subject.write(self.subject.manager(), self.subject.key)
        reader = self.subject.manager()
        equal("is_capture_complete", reader.is_capture_complete(self.subject.key), True)
        equal("stdout and stderr", both(reader, self.subject.key), (b"", b""))

    @case()
    def staged_files_are_removed(self) -> None:
        """After the upload nothing is left in the worker's staging folder."""
        self.subject.remote_only()
        writer = self.subject.manager()
        self.subject.write(writer, self.subject.key, b"out", b"err")
        equal("what is staged afterwards", self.subject.staged(writer), [])

    @case()
    def staged_files_do_not_come_back(self) -> None:
        """A partial upload that was under way when the step ended re-creates nothing (n3)."""
        self.subject.remote_only()
        writer, key = self.subject.manager(upload_interval=1), self.subject.key
        for number in range(3):
            with writer.capture_logs([*key[:-1], f"step{number}"]):
                emit(1, b"x" * 3_000_000)
                time.sleep(0.98)
        time.sleep(1.2)
        equal("what is staged afterwards", self.subject.staged(writer), [])

    @case()
    def partial_uploads_are_removed(self) -> None:
        """When the final log is stored, its partial ones are gone (d)."""
        self.subject.remote_only()
        writer, key = self.subject.manager(upload_interval=1), self.subject.key
        reader = self.subject.manager()
        with writer.capture_logs(key):
            emit(1, b"first\n")
            emit(2, b"first\n")
            self._seen(reader, key)
        for io_type in (STDOUT, STDERR):
            left = reader.cloud_storage_has_logs(key, io_type, partial=True)
            equal(f"a partial {io_type.name} in the store afterwards", left, False)

    @case()
    def a_log_stream_keeps_the_other_stream(self) -> None:
        """`open_log_stream` for stdout and then for stderr stores both (m3)."""
        writer, key = self.subject.manager(), self.subject.key
        for io_type, text in ((STDOUT, "to out\n"), (STDERR, "to err\n")):
            with writer.open_log_stream(key, io_type) as stream:
                stream.write(text)
        equal("stdout and stderr", both(self.subject.manager(), key), (b"to out\n", b"to err\n"))

    @case()
    def a_log_past_the_limit_keeps_its_end(self) -> None:
        """Of a log longer than Dagster's upload limit the last lines, the traceback, are kept (b2)."""
        writer, key = self._truncating(), self.subject.key
        with self.subject.limit(LIMIT):
            self.subject.write(writer, key, b"begin\n" + b"x" * (3 * LIMIT) + b"\nthe error\n", b"")
        got = both(self.subject.manager(), key)[0]
        true(f"stored {len(got)} bytes of a log limited to {LIMIT}", len(got) <= LIMIT * 1.1)
        true(f"the end of the stored log is {got[-30:]!r}", got.endswith(b"the error\n"))

    @case()
    def a_log_past_the_limit_while_running_is_complete(self) -> None:
        """Passing the limit in a partial upload does not keep the final one back (b)."""
        writer, key = self._truncating(upload_interval=1), self.subject.key
        reader = self.subject.manager()
        with self.subject.limit(LIMIT):
            with writer.capture_logs(key):
                emit(2, b"x" * (2 * LIMIT) + b"\n")
                self._seen(reader, key, stream=1)
                emit(2, b"the error\n")
            equal("is_capture_complete", reader.is_capture_complete(key), True)
            got = both(self.subject.manager(), key)[1]
        true("no stderr was stored", got)
        true(f"the end of the stored log is {got[-30:]!r}", got.endswith(b"the error\n"))

    @case()
    def a_key_may_be_written_again(self) -> None:
        """A second capture under one key is stored; the text read is the second one (b3, i)."""
        writer, key = self.subject.manager(), self.subject.key
        self.subject.write(writer, key, b"first\n", b"")
        self.subject.write(writer, key, b"second\n", b"")
        got = both(self.subject.manager(), key)[0]
        true(f"after two captures stdout is {got!r}", got.endswith(b"second\n"))

    @case()
    def a_key_may_be_written_again_after_a_truncated_log(self) -> None:
        """The same, when the first log was longer than the limit (b3)."""
        writer, key = self._truncating(), self.subject.key
        with self.subject.limit(LIMIT):
            self.subject.write(writer, key, b"x" * (2 * LIMIT), b"")
        self.subject.write(writer, key, b"second\n", b"")
        got = both(self.subject.manager(), key)[0]
        true(f"after two captures stdout ends with {got[-20:]!r}", got.endswith(b"second\n"))

    @case()
    def a_dead_step_uploads_nothing_more(self) -> None:
        """After a step failed, no forgotten thread writes its log again (f2)."""
        self.subject.remote_only()
        writer, key = self.subject.manager(upload_interval=1), self.subject.key
        reader = self.subject.manager()
        with contextlib.suppress(_StepFailed), writer.capture_logs(key):
            emit(1, b"x")
            raise _StepFailed
        reader.delete_logs(log_key=key)
        time.sleep(2.6)
        for partial in (False, True):
            there = reader.cloud_storage_has_logs(key, STDOUT, partial=partial)
            equal(f"stdout (partial={partial}) written again after it was deleted", there, False)

    @case()
    def the_process_gets_its_own_output_back(self) -> None:
        """After two captures at once, standard output is what it was before (m2)."""
        manager, key = self.subject.manager(), self.subject.key
        with _saved_descriptors():
            before = os.fstat(descriptor(1))
            first, second = threading.Event(), threading.Event()

            def one() -> None:
                with manager.capture_logs([*key[:-1], "one"]):
                    first.set()
                    second.wait(20)

            def two() -> None:
                first.wait(20)
                with manager.capture_logs([*key[:-1], "two"]):
                    second.set()
                    threads[0].join(20)

            threads = [threading.Thread(target=work, daemon=True) for work in (one, two)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(40)
            after = os.fstat(descriptor(1))
            same = (before.st_dev, before.st_ino) == (after.st_dev, after.st_ino)
        true("standard output still points at a captured file", same)

    @case()
    def keys_of_any_text_are_stored(self) -> None:
        """Spaces, unicode, `# ? % +` and dots in a log key."""
        writer = self.subject.manager()
        names = ["a b", "é中😀", "x#y?z", "100%25", "a+b&c=d", "step.v1", "k" * 200]
        for name in names:
            self.subject.write(writer, [self.subject.top, name], name.encode(), b"")
        reader = self.subject.manager()
        for name in names:
            equal(
                f"stdout of key {name[:20]!r}",
                both(reader, [self.subject.top, name])[0],
                name.encode(),
            )

    @case()
    def long_keys_are_stored(self) -> None:
        """A last element of 300 characters, or of 130 two-byte ones."""
        writer = self.subject.manager()
        reader = self.subject.manager()
        for name in ("k" * 300, "é" * 130):
            self.subject.write(writer, [self.subject.top, name], b"out", b"err")
            got = both(reader, [self.subject.top, name])
            equal(f"the streams of a key of {len(name.encode())} bytes", got, (b"out", b"err"))

    @case(seconds=90)
    def a_failed_upload_of_stdout_does_not_keep_stderr_back(self) -> None:
        """When the store refuses one stream, the other one is still sent (h4)."""
        faults = self.subject.faulty("503")
        writer, key = self.subject.manager(spec=faults.spec), self.subject.key
        with contextlib.suppress(Exception), faults.fault("503", path="*.out*"):
            self.subject.write(writer, key, b"out\n", b"the error\n")
        equal("stderr", both(self.subject.manager(), key)[1], b"the error\n")

    @case(seconds=180)
    def a_log_survives_a_store_that_was_away(self) -> None:
        """Staged files of a failed upload are sent later by any process on that host (h3)."""
        faults = self.subject.faulty("refuse")
        local = str(self.subject.folder())
        key = self.subject.key
        writer = self.subject.manager(spec=faults.spec, local_dir=local)
        with contextlib.suppress(Exception), faults.fault("refuse"):
            self.subject.write(writer, key, b"kept\n", b"")
            writer.dispose()
        other = self.subject.manager(spec=faults.spec, local_dir=local)
        reader = self.subject.manager()

        def arrived() -> bool:
            self.subject.write(other, [*key[:-1], f"next{time.monotonic_ns()}"], b"x", b"")
            time.sleep(0.5)
            return both(reader, key)[0] == b"kept\n"

        self.subject.eventually(
            "the log was not uploaded after the store came back", arrived, seconds=40
        )

    @case(seconds=90)
    def a_failed_partial_upload_is_not_the_last(self) -> None:
        """After one refused partial upload the log goes on being seen live (f1)."""
        faults = self.subject.faulty("503")
        writer = self.subject.manager(spec=faults.spec, upload_interval=1)
        reader, key = self.subject.manager(), self.subject.key
        with writer.capture_logs(key):
            with faults.fault("503"):
                emit(1, b"first\n")
                time.sleep(5.0)
            emit(1, b"second\n")
            self.subject.eventually(
                "no partial log was uploaded after the store recovered",
                lambda: both(reader, key)[0].endswith(b"second\n"),
                seconds=30,
            )

    @case()
    def a_manager_starts_while_its_store_is_down(self) -> None:
        """Making a manager needs no network."""
        faults = self.subject.faulty("refuse")
        begun = time.monotonic()
        with faults.fault("refuse"):
            self.subject.manager(spec=faults.spec)
        true("making it took seconds of waiting for the store", time.monotonic() - begun < 3)  # noqa: PLR2004

    def _truncating(self, **overrides: Any) -> Any:
        from dagster._core.storage.cloud_storage_compute_log_manager import (
            CloudStorageComputeLogManager,
        )

        manager = self.subject.manager(**overrides)
        if not isinstance(manager, CloudStorageComputeLogManager):
            self.subject.remote_only()
        return manager

    def _seen(self, reader: Any, key: list[str], *, stream: int = 0) -> None:
        self.subject.eventually("no partial log was seen live", lambda: both(reader, key)[stream])


@contextlib.contextmanager
def _saved_descriptors() -> Iterator[None]:
    streams = descriptor(1), descriptor(2)
    saved = [os.dup(number) for number in streams]
    try:
        yield
    finally:
        for number, copy in zip(streams, saved, strict=True):
            os.dup2(copy, number)
            os.close(copy)
