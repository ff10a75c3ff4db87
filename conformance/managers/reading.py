"""What a webserver reads is the log: whole, fresh, in pages that fit together."""

from __future__ import annotations

import contextlib
import functools
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from ..core import CaseFailed, Contract, NotApplicable, case, equal, true
from .subject import STDERR, STDOUT, ManagerSubject, both, emit

__all__ = ["Reading"]


class Reading(Contract):
    """The reader shows the log and not something that looks like it."""

    group = "reading"
    point = "Readers see the log"
    subject: ManagerSubject

    @case()
    def pages_put_together_are_the_log(self) -> None:
        """Following the cursor with a small page size gives every byte once, in both streams."""
        out = "".join(f"line {i} ☃\n" for i in range(400)).encode()
        err = b"short\n"
        self.subject.write(self.subject.manager(), self.subject.key, out, err)
        equal("the pages", self._pages(self.subject.manager(), 1000), (out, err))

    @case()
    def a_page_ends_between_characters(self) -> None:
        """No page cuts a character of several bytes: each one decodes by itself (q1)."""
        text = "aé€😀" * 700
        self.subject.write(self.subject.manager(), self.subject.key, text.encode(), b"")
        reader, cursor, got = self.subject.manager(), None, []
        for _ in range(200):
            data = reader.get_log_data(self.subject.key, cursor=cursor, max_bytes=101)
            if not data.stdout:
                break
            got.append(bytes(data.stdout).decode(errors="replace"))
            cursor = data.cursor
        broken = sum("\ufffd" in page for page in got)
        true(f"{broken} of {len(got)} pages cut a character", not broken)
        equal("the pages together", "".join(got) == text, True)

    @case()
    def a_cursor_at_the_end_stays_there(self) -> None:
        """Reading at the end gives nothing and the same cursor, again and again."""
        self.subject.write(self.subject.manager(), self.subject.key, b"0123456789", b"ab")
        reader = self.subject.manager()
        cursor = reader.get_log_data(self.subject.key).cursor
        for _ in range(3):
            data = reader.get_log_data(self.subject.key, cursor=cursor)
            equal(
                "stdout and stderr at the end", (data.stdout or b"", data.stderr or b""), (b"", b"")
            )
            equal("the cursor at the end", data.cursor, cursor)

    @case()
    def a_cursor_past_the_end_does_not_start_again(self) -> None:
        """A cursor from a longer log shows nothing twice."""
        self.subject.write(self.subject.manager(), self.subject.key, b"0123456789", b"ab")
        reader = self.subject.manager()
        cursor = reader.build_cursor(5000, 5000)
        data = reader.get_log_data(self.subject.key, cursor=cursor)
        equal(
            "stdout and stderr past the end", (data.stdout or b"", data.stderr or b""), (b"", b"")
        )

    @case()
    def a_log_that_was_never_written_is_empty(self) -> None:
        """No text, no completion and no error for an unknown key."""
        reader = self.subject.manager()
        equal("stdout and stderr", both(reader, self.subject.key), (b"", b""))
        equal("is_capture_complete", reader.is_capture_complete(self.subject.key), False)

    @case()
    def a_running_step_is_seen_live(self) -> None:
        """With `upload_interval` a reader elsewhere sees lines before the step ends."""
        writer, reader = self.subject.manager(upload_interval=1), self.subject.manager()
        key = self.subject.key
        with writer.capture_logs(key):
            for text, wanted in ((b"first\n", b"first\n"), (b"second\n", b"first\nsecond\n")):
                emit(1, text)
                self.subject.eventually(
                    f"{text!r} was not seen while the step ran",
                    functools.partial(_shows, reader, key, wanted),
                )
            equal("is_capture_complete", reader.is_capture_complete(key), False)
        equal("stdout afterwards", both(reader, key)[0], b"first\nsecond\n")

    @case()
    def a_long_key_is_not_shown_half(self) -> None:
        """A reader that saw the running step of a key over 255 characters sees its end too (l1)."""
        writer, reader = self.subject.manager(upload_interval=1), self.subject.manager()
        key = [self.subject.top, "compute_logs", "k" * 300]
        with writer.capture_logs(key):
            emit(1, b"first line\n")
            self.subject.eventually("no partial log was seen", lambda: both(reader, key)[0])
            emit(1, b"the error\n")
        equal("stdout afterwards", both(reader, key)[0], b"first line\nthe error\n")

    @case()
    def viewers_at_once_see_the_whole_log(self) -> None:
        """Eight threads of one webserver open a log together: each gets all of it (n2)."""
        data = b"x" * 4_000_000
        self.subject.write(self.subject.manager(), self.subject.key, data, b"")
        reader = self.subject.manager()
        lengths: list[object] = []

        def view() -> None:
            try:
                lengths.append(len(both(reader, self.subject.key)[0]))
            except Exception as error:
                lengths.append(f"{type(error).__name__}: {error}")

        threads = [threading.Thread(target=view, daemon=True) for _ in range(8)]
        for number, thread in enumerate(threads):
            thread.start()
            time.sleep(0.004 * number)
        for thread in threads:
            thread.join(40)
        wrong = [length for length in lengths if length != len(data)]
        true(f"{len(wrong)} of 8 viewers saw {wrong[:2]} instead of {len(data)} bytes", not wrong)

    @case()
    def a_rewritten_log_is_shown_new(self) -> None:
        """A webserver that showed the first version shows the second one after a retry (n4)."""
        reader, key = self.subject.manager(), self.subject.key
        self.subject.write(self.subject.manager(), key, b"version 1\n", b"")
        equal("stdout before", both(reader, key)[0], b"version 1\n")
        self.subject.write(self.subject.manager(), key, b"version 2\n", b"")
        got = both(reader, key)[0]
        true(f"after the rewrite stdout is {got!r}", got.endswith(b"version 2\n"))

    @case()
    def a_deleted_log_is_not_shown(self) -> None:
        """A log deleted by another process is gone for a webserver that has shown it (n4)."""
        reader, key = self.subject.manager(), self.subject.key
        self.subject.write(self.subject.manager(), key, b"text\n", b"")
        equal("stdout before", both(reader, key)[0], b"text\n")
        self.subject.manager().delete_logs(log_key=key)
        equal("stdout afterwards", both(reader, key)[0], b"")

    @case()
    def reading_leaves_no_copy_on_the_readers_disk(self) -> None:
        """After a 4 MB log was read, the reader's staging folder holds less than a tenth of it (e3)."""
        self.subject.remote_only()
        local = self.subject.folder()
        self.subject.write(self.subject.manager(), self.subject.key, b"x" * 4_000_000, b"")
        reader = self.subject.manager(local_dir=str(local))
        equal("how much was read", len(both(reader, self.subject.key)[0]), 4_000_000)
        left = sum(path.stat().st_size for path in local.rglob("*") if path.is_file())
        true(f"{left} bytes stay on the reader's disk", left < 400_000)  # noqa: PLR2004

    @case()
    def the_ui_is_told_where_the_log_is(self) -> None:
        """Location and download link of both streams are there after the step."""
        self.subject.write(self.subject.manager(), self.subject.key, b"out", b"err")
        data = self.subject.manager().get_log_metadata(self.subject.key)
        for name in (
            "stdout_location",
            "stderr_location",
            "stdout_download_url",
            "stderr_download_url",
        ):
            true(f"get_log_metadata().{name} is {getattr(data, name)!r}", getattr(data, name))

    @case()
    def only_logs_are_served(self) -> None:
        """The webserver's `/logs` route cannot hand out another file of the machine's temp folder."""
        self.subject.remote_only()
        with tempfile.NamedTemporaryFile(
            suffix=".txt", prefix="conformance-", dir="/tmp"
        ) as private:
            manager = self.subject.spec.build()
            name = Path(private.name).stem
            served = Path(manager.local_manager.get_captured_local_path([name], "txt"))
            true(f"/logs/{name}/txt would serve {private.name}", served != Path(private.name))

    @case(seconds=90)
    def an_interrupted_read_is_not_remembered(self) -> None:
        """After one failed read the log is read whole, not served empty for ever (n1)."""
        faults = self.subject.faulty("cut")
        data = b"x" * 400_000
        self.subject.write(self.subject.manager(), self.subject.key, data, b"")
        reader = self.subject.manager(spec=faults.spec)
        with faults.fault("cut"), contextlib.suppress(Exception):
            both(reader, self.subject.key)
        equal(
            "how much is read after the store recovered",
            len(both(reader, self.subject.key)[0]),
            len(data),
        )

    @case(seconds=180)
    def a_refused_credential_is_not_an_empty_log(self) -> None:
        """403 is raised or told in the text; "no logs" is not the answer (j2)."""
        self._reason("403")

    @case(seconds=240)
    def a_failing_store_is_not_an_empty_log(self) -> None:
        """503 is raised or told in the text; "no logs" is not the answer (j2)."""
        self._reason("503")

    @case(seconds=120)
    def an_idle_look_costs_little(self) -> None:
        """Polling a running log with nothing new moves less than a tenth of it (e1)."""
        if self.subject.faults is None:
            message = "nothing counts the bytes on the wire"
            raise NotApplicable(message)
        faults, key, data = self.subject.faults, self.subject.key, b"x" * 2_000_000
        writer = self.subject.manager(upload_interval=1)
        reader = self.subject.manager(spec=faults.spec)
        with writer.capture_logs(key):
            emit(1, data)
            self.subject.eventually(
                "no partial log was seen", functools.partial(_shows, reader, key, data)
            )
            cursor = reader.get_log_data(key).cursor
            with faults.record() as wire:
                reader.get_log_data(key, cursor=cursor)
        true(f"a poll with nothing new cost {wire.bytes_down} bytes", wire.bytes_down < 200_000)  # noqa: PLR2004

    @case(seconds=120)
    def a_running_step_uploads_each_byte_about_once(self) -> None:
        """Ten partial uploads of a growing log send little more than twice its size (e1)."""
        if self.subject.faults is None:
            message = "nothing counts the bytes on the wire"
            raise NotApplicable(message)
        faults, key = self.subject.faults, self.subject.key
        writer = self.subject.manager(spec=faults.spec, upload_interval=1)
        with faults.record() as wire, writer.capture_logs(key):
            for _ in range(5):
                emit(1, b"x" * 500_000)
                time.sleep(1.05)
        times = wire.bytes_up / 2_500_000
        true(f"{times:.1f} times the log's size was uploaded", times < 2.2)  # noqa: PLR2004

    @case(seconds=120)
    def the_first_page_costs_one_page(self) -> None:
        """The first 100 kB of a 4 MB log move well under a megabyte (e2)."""
        if self.subject.faults is None:
            message = "nothing counts the bytes on the wire"
            raise NotApplicable(message)
        self.subject.write(self.subject.manager(), self.subject.key, b"x" * 4_000_000, b"")
        reader = self.subject.manager(spec=self.subject.faults.spec)
        with self.subject.faults.record() as wire:
            data = reader.get_log_data(self.subject.key, max_bytes=100_000)
        equal("the page", len(data.stdout), 100_000)
        true(f"one page cost {wire.bytes_down} bytes", wire.bytes_down < 1_000_000)  # noqa: PLR2004

    def _reason(self, kind: str) -> None:
        faults = self.subject.faulty(kind)
        self.subject.write(self.subject.manager(), self.subject.key, b"text\n", b"")
        reader = self.subject.manager(spec=faults.spec)
        with faults.fault(kind):
            try:
                got = both(reader, self.subject.key)
            except Exception:
                return
        if not any(got):
            message = (
                f"while the store answers {kind}: expected an error or a reason, got an empty log"
            )
            raise CaseFailed(message)

    def _pages(self, reader: Any, size: int) -> tuple[bytes, bytes]:
        cursor, streams = None, {STDOUT: b"", STDERR: b""}
        for _ in range(500):
            data = reader.get_log_data(self.subject.key, cursor=cursor, max_bytes=size)
            if not data.stdout and not data.stderr:
                break
            streams[STDOUT] += data.stdout or b""
            streams[STDERR] += data.stderr or b""
            cursor = data.cursor
        return streams[STDOUT], streams[STDERR]


def _shows(reader: Any, key: list[str], text: bytes) -> bool:
    return both(reader, key)[0] == text
