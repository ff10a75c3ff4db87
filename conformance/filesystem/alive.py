"""Point 8: threads, forks, event loops, lost connections, the end of the program."""

from __future__ import annotations

import asyncio
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..child import Report
from ..core import CaseFailed, Contract, NotApplicable, case, equal, true
from ..subject import FilesystemSubject

__all__ = ["Alive"]

THREADS = 32


class Alive(Contract):
    """The filesystem works wherever a program may use it, and lets the program end."""

    group = "alive"
    point = "8. Alive"
    subject: FilesystemSubject

    def _from_threads(self, fs: Any) -> None:
        def work(number: int) -> str:
            path = self.subject.path(f"threads/{number}")
            data = bytes([number]) * (1000 + number)
            try:
                for _ in range(3):
                    fs.pipe_file(path, data)
                    if bytes(fs.cat_file(path)) != data:
                        return f"thread {number} read something else than it wrote"
                    if bytes(fs.cat_file(path, 10, 20)) != data[10:20]:
                        return f"thread {number} read another range than it asked for"
                fs.info(path)
                fs.rm_file(path)
            except Exception as error:
                return f"thread {number}: {type(error).__name__}: {error}"
            return ""

        self.subject.make_folder(self.subject.path("threads"))
        results: list[str] = []

        def note(number: int) -> None:
            results.append(work(number))

        threads = [threading.Thread(target=note, args=(n,), daemon=True) for n in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(100)
        wrong = [text for text in results if text]
        true(f"{THREADS - len(results)} of {THREADS} threads are stuck", len(results) == THREADS)
        true(f"{len(wrong)} of {THREADS} threads failed, first: {wrong[:1]}", not wrong)

    @case(seconds=120)
    def many_threads_share_one_filesystem(self) -> None:
        """32 threads write, read, ask and delete through one object."""
        self.subject.fs.exists(self.subject.path("warm"))
        self._from_threads(self.subject.fs)

    @case(seconds=120)
    def many_threads_may_be_its_first_users(self) -> None:
        """The same with an object that nobody has used yet."""
        self._from_threads(self.subject.spec.open(skip_instance_cache=True).fs)

    @case()
    def it_works_under_a_running_event_loop(self) -> None:
        """Plain calls answer inside `asyncio.run`, as in a notebook."""
        path = self.subject.write("file", b"0123456789")
        fs = self.subject.fs

        async def main() -> tuple[bytes, int]:
            fs.pipe_file(self.subject.path("loop"), b"from a loop")
            with fs.open(path, "rb") as stream:
                stream.read(1)
            return bytes(fs.cat_file(path, 2, 4)), len(fs.find(self.subject.path()))

        equal("cat_file and find in a running loop", asyncio.run(main()), (b"23", 2))

    @case()
    def it_can_be_awaited(self) -> None:
        """Where the filesystem is asynchronous, its coroutines work in the caller's own loop."""
        if not getattr(self.subject.fs, "async_impl", False):
            message = "this filesystem has no coroutines"
            raise NotApplicable(message)
        self.subject.make_folder(self.subject.path())
        paths = [self.subject.path(f"await-{i}") for i in range(5)]

        async def main() -> list[bytes]:
            fs = self.subject.spec.open(asynchronous=True, skip_instance_cache=True).fs
            start = getattr(fs, "set_session", None)
            session = await start() if start is not None else None
            await asyncio.gather(*(fs._pipe_file(path, path.encode()) for path in paths))  # noqa: SLF001
            got = await asyncio.gather(*(fs._cat_file(path) for path in paths))  # noqa: SLF001
            if session is not None:
                await session.close()
            return [bytes(part) for part in got]

        equal("awaited _pipe_file and _cat_file", asyncio.run(main()), [p.encode() for p in paths])

    @case()
    def it_survives_pickling(self) -> None:
        """An unpickled copy reads and writes the same storage."""
        path = self.subject.write("file", b"content")
        copy = pickle.loads(pickle.dumps(self.subject.fs))  # noqa: S301 - our own object
        equal("cat_file of an unpickled filesystem", bytes(copy.cat_file(path)), b"content")
        copy.pipe_file(path, b"from the copy")
        equal("what the copy wrote", self.subject.read_elsewhere("file"), b"from the copy")

    @case(seconds=120)
    def a_forked_child_can_use_it(self) -> None:
        """After `os.fork()` the same object works in the child, and still works in the parent."""
        if not hasattr(os, "fork"):
            message = "this system has no fork"
            raise NotApplicable(message)
        report = self.subject.in_child("fork")
        self._acted(report)
        equal(
            "what the forked child did", report.result["child"], "from the parent / from the child"
        )
        equal("the parent afterwards", report.result["parent"], "from the parent")

    @case(seconds=120)
    def a_program_ends_without_a_word(self) -> None:
        """Use, no close, fall off the end: exit code 0, nothing on standard error, no waiting."""
        report = self.subject.in_child("plain_exit")
        self._acted(report)
        equal("what the program read", report.result.get("read"), "data")
        equal("the exit code", report.returncode, 0)
        true(f"on standard error: {report.errors[:300]}", not report.errors)

    @case(seconds=120)
    def a_program_ends_with_a_file_open_for_writing(self) -> None:
        """A forgotten write handle does not keep the process, and half an object is not stored."""
        report = self.subject.in_child("exit_with_open_writer", seconds=45)
        self._acted(report)
        if not self.subject.spec.in_memory:
            got = self.subject.listed_elsewhere()
            true(f"the unfinished file was stored: {got}", got == ["x"] or self._whole("open"))

    @case(seconds=120)
    def a_program_ends_with_a_file_open_for_reading(self) -> None:
        """A forgotten read handle does not keep the process."""
        report = self.subject.in_child("exit_with_open_reader", seconds=45)
        self._acted(report)
        equal("what the program read", report.result.get("read"), "data")
        equal("the exit code", report.returncode, 0)

    @case(seconds=120)
    def a_call_while_the_program_ends_answers_or_raises(self) -> None:
        """From `atexit` a read gives the bytes or an error; it never hangs."""
        report = self.subject.in_child("call_at_exit", seconds=45)
        self._acted(report)

    @case()
    def a_closed_filesystem_can_be_closed_again(self) -> None:
        """`close()`, where there is one, may be called twice; another opening is not harmed."""
        fs = self.subject.spec.open(skip_instance_cache=True).fs
        path = self.subject.write("file", b"content")
        equal("cat_file before close", bytes(fs.cat_file(path)), b"content")
        close = getattr(fs, "close", None)
        if close is None:
            message = "this filesystem has nothing to close"
            raise NotApplicable(message)
        close()
        close()
        equal("cat_file through another opening", bytes(self.subject.fs.cat_file(path)), b"content")

    @case(seconds=120)
    def a_lost_connection_is_made_again(self) -> None:
        """After the server dropped every connection the same object goes on working."""
        faults = self.subject.faulty("drop")
        path = self.subject.write("file", b"content")
        fs = faults.spec.open(skip_instance_cache=True).fs
        for number in range(3):
            equal(f"cat_file before drop {number}", bytes(fs.cat_file(path)), b"content")
            faults.drop()
            equal(f"cat_file after drop {number}", bytes(fs.cat_file(path)), b"content")
            faults.drop()
            equal(f"exists after drop {number}", fs.exists(path), True)
            faults.drop()
            fs.pipe_file(self.subject.path("new"), b"written")
            equal("written after a drop", self.subject.read_elsewhere("new"), b"written")

    @case(seconds=120)
    def threads_may_come_and_go(self) -> None:
        """Pools of threads that end do not take the filesystem with them."""
        path = self.subject.write("file", b"content")
        for _ in range(5):
            with ThreadPoolExecutor(4) as pool:
                got = list(pool.map(lambda _: bytes(self.subject.fs.cat_file(path)), range(8)))
            equal("reads from a pool", got, [b"content"] * 8)

    def _acted(self, report: Report) -> None:
        if not report.result:
            message = f"the program failed before its end: {report.errors[-300:]}"
            raise CaseFailed(message)

    def _whole(self, name: str) -> bool:
        return self.subject.read_elsewhere(name) == b"half"
