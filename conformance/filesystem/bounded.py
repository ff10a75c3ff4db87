"""Point 7: memory does not grow with file size, and no call waits for ever."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable

from ..core import CaseFailed, Contract, NotApplicable, case, equal, true
from ..subject import FilesystemSubject

__all__ = ["Bounded"]

ALLOWED_GROWTH = 20
"""MiB between the peak of a small transfer and that of one eight times its size."""
PATIENCE = 8.0
"""Times the configured timeout that a call to a silent server may take, retries included."""


class Bounded(Contract):
    """Streams stream; calls end."""

    group = "bounded"
    point = "7. Bounded"
    subject: FilesystemSubject

    def _stream(self, way: str) -> None:
        if self.subject.spec.in_memory:
            message = "this storage keeps its objects in the process's own memory"
            raise NotApplicable(message)
        large = self.subject.sizes.megabytes
        with self.subject.local() as folder:
            digest = ""
            self.subject.make_folder(self.subject.path())
            for size in (max(large // 8, 1), large):
                source = folder / f"source-{size}"
                block = random.Random(size).randbytes(2**20)  # noqa: S311 - any bytes
                checked = hashlib.sha256()
                with source.open("wb") as stream:
                    for number in range(size):
                        part = number.to_bytes(8, "big") + block[8:]
                        stream.write(part)
                        checked.update(part)
                digest = checked.hexdigest()
                if way in ("get_file", "read"):
                    self.subject.fs.put_file(str(source), self.subject.path(f"{way}-{size}"))
            report = self.subject.in_child(
                "stream", seconds=280, way=way, megabytes=large, local=str(folder)
            )
        if "grew" not in report.result:
            message = f"streaming {large} MiB with {way} failed: {report.errors[-300:]}"
            raise CaseFailed(message)
        got = str(report.result["digest"])
        if way in ("get_file", "read"):
            equal(f"sha256 of {large} MiB through {way}", got, digest)
        else:
            size = self.subject.peer.info(self.subject.path(f"{way}-{large}"))["size"]
            equal(f"bytes stored by {way}", size, large * 2**20)
        grew = float(report.result["grew"])
        true(
            f"{way} of {large} MiB took {grew:.0f} MiB more memory than of {max(large // 8, 1)} MiB, "
            f"expected at most {ALLOWED_GROWTH}",
            grew <= ALLOWED_GROWTH,
        )

    @case(big=True, seconds=300)
    def sending_a_large_file_takes_no_more_memory_than_a_small_one(self) -> None:
        """`put_file` of 64 MiB."""
        self._stream("put_file")

    @case(big=True, seconds=300)
    def fetching_a_large_file_takes_no_more_memory_than_a_small_one(self) -> None:
        """`get_file` of 64 MiB, the bytes checked."""
        self._stream("get_file")

    @case(big=True, seconds=300)
    def writing_a_large_file_takes_no_more_memory_than_a_small_one(self) -> None:
        """`open("wb")` and 64 writes of 1 MiB."""
        self._stream("write")

    @case(big=True, seconds=300)
    def reading_a_large_file_takes_no_more_memory_than_a_small_one(self) -> None:
        """`open("rb")` and reads of 1 MiB, the bytes checked."""
        self._stream("read")

    @case()
    def a_large_object_arrives_unchanged(self) -> None:
        """A few megabytes of random bytes come back the same, by every way in and out."""
        fs = self.subject.fs
        data = random.Random(7).randbytes(6 * 2**20 + 17)  # noqa: S311 - any bytes
        true("pipe_file, cat_file", fs.cat_file(self.subject.write("pipe", data)) == data)
        path = self.subject.path("open")
        with fs.open(path, "wb") as stream:
            for at in range(0, len(data), 700_001):
                stream.write(data[at : at + 700_001])
        with fs.open(path, "rb") as stream:
            parts = list(iter(lambda: stream.read(999_983), b""))
        true("what open('wb') wrote differs from what open('rb') read", b"".join(parts) == data)
        with self.subject.local() as folder:
            (folder / "x").write_bytes(data)
            fs.put_file(str(folder / "x"), self.subject.path("put"))
            fs.get_file(self.subject.path("put"), str(folder / "y"))
            true("put_file and get_file changed the bytes", (folder / "y").read_bytes() == data)

    def _ends(self, kind: str) -> None:
        faults = self.subject.faulty(kind)
        path = self.subject.write("file", b"x" * 1000)
        allowed = PATIENCE * faults.timeout
        calls: dict[str, Callable[[object], object]] = {
            "cat_file": lambda fs: fs.cat_file(path),  # type: ignore[attr-defined]
            "info": lambda fs: fs.info(path),  # type: ignore[attr-defined]
            "exists": lambda fs: fs.exists(path),  # type: ignore[attr-defined]
            "find": lambda fs: fs.find(self.subject.path()),  # type: ignore[attr-defined]
            "pipe_file": lambda fs: fs.pipe_file(self.subject.path("new"), b"x"),  # type: ignore[attr-defined]
            "rm_file": lambda fs: fs.rm_file(self.subject.path("other")),  # type: ignore[attr-defined]
        }
        for what, call in calls.items():
            fs = faults.hasty.open(skip_instance_cache=True).fs
            with faults.fault(kind):
                begun = time.monotonic()
                try:
                    got = call(fs)
                except (ConnectionError, TimeoutError):
                    pass
                except Exception as error:
                    message = (
                        f"{what} of a server that is {kind}: expected ConnectionError or TimeoutError, "
                        f"got {type(error).__name__}: {error}"
                    )
                    raise CaseFailed(message) from error
                else:
                    message = f"{what} of a server that is {kind}: expected an error, got {got!r}"
                    raise CaseFailed(message)
                took = time.monotonic() - begun
            true(
                f"{what} of a server that is {kind} took {took / faults.timeout:.1f} times the timeout",
                took <= allowed,
            )

    @case(seconds=300)
    def a_silent_server_is_given_up_in_time(self) -> None:
        """A server that accepts and never answers costs a few times the configured timeout."""
        self._ends("blackhole")

    @case(seconds=300)
    def a_refusing_server_is_given_up_in_time(self) -> None:
        """A closed port is a `ConnectionError`, soon."""
        self._ends("refuse")
