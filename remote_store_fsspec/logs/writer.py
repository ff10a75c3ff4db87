"""Sending a log: staged file to segments while it grows, to one final object at the end.

A tick sends the bytes added since the last one. At the end the final object of every stream is
written first and the segments go after it, so that a reader at any cursor sees the same bytes
before, during and after.
"""

from __future__ import annotations

import errno
import os
import random
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from remote_store_fsspec.errors import ConfigError, InvalidPathError, ObjectExistsError
from remote_store_fsspec.logs.cut import CONTINUATION_BYTES, Truncation, incomplete_tail
from remote_store_fsspec.logs.segments import Ledger, Upload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from remote_store_fsspec.logs.files import LogFiles
    from remote_store_fsspec.logs.layout import Layout, Stream

__all__ = [
    "DISK_FULL",
    "Destination",
    "StreamWriter",
    "SupersededError",
    "retrying",
    "settled_size",
]

IN_MEMORY_BYTES: Final = 4 * 1024 * 1024
"""Larger ranges go through a temporary file beside the staged one, so that memory stays bounded."""

DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What the system says when the staging disk or the user's share of it is full."""

REASON_SECONDS: Final = 5.0


class SupersededError(Exception):
    """A later capture of the same log is about to be stored: this one is not wanted any more."""


_HOPELESS: Final = (
    PermissionError,
    ConfigError,
    InvalidPathError,
    FileNotFoundError,
    SupersededError,
)


@dataclass(frozen=True)
class Destination:
    """Where and how logs are written.

    Attributes:
        files: The file system.
        layout: Where logs live in it.
        skip_empty: Leave out zero-byte final objects.
        write_options: Extra keywords for each object written.
    """

    files: LogFiles
    layout: Layout
    skip_empty: bool = False
    write_options: Mapping[str, Any] = field(default_factory=dict)

    def put(self, source: str, path: str) -> None:
        """Stream a local file into an object."""
        if Path(source).stat().st_size <= IN_MEMORY_BYTES:
            self.write(path, Path(source).read_bytes())
        else:
            self.files.put_file(source, path, write_options=self.write_options)

    def write(self, path: str, data: bytes) -> None:
        """Write a small object."""
        self.files.pipe_file(path, data, write_options=self.write_options)

    def write_reason(self, log_key: Sequence[str], text: str) -> None:
        """Store a log that says only why there is none."""
        line = f"[remote-store-fsspec: {text}]\n".encode()
        path = self.layout.final(log_key, "err")
        retrying(lambda: self.write(path, line), within=REASON_SECONDS)
        retrying(lambda: self.seal(log_key, ["out"]), within=REASON_SECONDS)

    def seal(self, log_key: Sequence[str], missing: Sequence[Stream]) -> None:
        """Make a log complete whose other streams were never written.

        Args:
            log_key: The log.
            missing: Streams without a final object of this writer.
        """
        if not missing:
            return
        if self.skip_empty:
            self.write(self.layout.marker(log_key), b"")
            return
        for stream in missing:
            try:
                self.files.pipe_file(
                    self.layout.final(log_key, stream),
                    b"",
                    mode="create",
                    write_options=self.write_options,
                )
            except (ObjectExistsError, FileExistsError):
                continue  # an earlier stream of the same key wrote it


class StreamWriter:
    """Sends one staged stream; used by one thread at a time.

    Args:
        destination: Where to.
        log_key: The log.
        stream: Which of its streams.
        source: The staged file; it only ever grows.
        truncation: The size limit.
    """

    def __init__(
        self,
        destination: Destination,
        log_key: Sequence[str],
        stream: Stream,
        source: str,
        truncation: Truncation,
    ) -> None:
        self.stream = stream
        self.source = Path(source)
        self._destination = destination
        self._log_key = tuple(log_key)
        self._truncation = truncation
        self._ledger = Ledger()
        self._superfluous: set[int] = set()
        self._attempted: set[int] = set()

    @property
    def segments(self) -> list[str]:
        """Every segment that may exist, also those whose upload or deletion seemed to fail."""
        return [self._segment(start) for start in sorted(self._attempted)]

    def grown(self) -> bool:
        """Whether a tick would have something to look at."""
        return self._sendable() > self._ledger.end or bool(self._superfluous)

    def tick(self, *, flush: bool = False) -> None:
        """Send what was added since the last upload; on failure the next tick tries again."""
        self._sweep()
        upload = self._ledger.plan(self._sendable(), flush=flush)
        if upload is None:
            return
        # Noted before the request: one that fails may have taken effect nevertheless.
        self._attempted.add(upload.start)
        self._send(upload)
        self._ledger.done(upload)
        self._superfluous.update(upload.replaces)
        self._sweep()

    def finish(self) -> bool:
        """Write the final object.

        Returns:
            False when there is none because the stream is empty and empties are skipped.
        """
        size = self.source.stat().st_size
        if not size and self._destination.skip_empty:
            return False
        path = self._destination.layout.final(self._log_key, self.stream)
        if self._truncation.exceeded(size):
            try:
                with self._truncated(size) as short:
                    self._destination.put(short, path)
            except OSError as exc:
                if exc.errno not in DISK_FULL:
                    raise
                self._destination.write(path, self._short(size))
        else:
            self._destination.put(str(self.source), path)
        return True

    def _sendable(self) -> int:
        return settled_size(self.source, self._truncation)

    def _head_end(self) -> int:
        return _head_end(self.source, self._truncation)

    def _send(self, upload: Upload) -> None:
        path = self._segment(upload.start)
        if upload.end - upload.start <= IN_MEMORY_BYTES:
            self._destination.write(path, self._read(upload.start, upload.end))
            return
        try:
            with _scratch(self.source.parent) as scratch:
                self._copy(upload.start, upload.end, scratch)
                self._destination.files.put_file(
                    str(scratch), path, write_options=self._destination.write_options
                )
        except OSError as exc:
            if exc.errno not in DISK_FULL:
                raise
            # Memory is what is left; the next tick sends what follows.
            self._destination.write(path, self._read(upload.start, upload.end))

    def _sweep(self) -> None:
        if self._superfluous:
            self._destination.files.rm_files(
                [self._segment(start) for start in sorted(self._superfluous)], missing_ok=True
            )
            self._attempted -= self._superfluous
            self._superfluous.clear()

    @contextmanager
    def _truncated(self, size: int) -> Iterator[str]:
        """A local file of head, marker and tail."""
        head = self._head_end()
        tail = self._tail_start(size)
        with _scratch(self.source.parent) as scratch:
            self._copy(0, head, scratch)
            with scratch.open("ab") as out:
                if tail > head:
                    out.write(self._truncation.marker(tail - head))
            self._copy(tail, size, scratch)
            yield str(scratch)

    def _short(self, size: int) -> bytes:
        """The same in memory, for when the disk has no room for a file."""
        head, tail = self._head_end(), self._tail_start(size)
        marker = self._truncation.marker(tail - head) if tail > head else b""
        return self._read(0, head) + marker + self._read(tail, size)

    def _tail_start(self, size: int) -> int:
        """Where the kept end starts: after a line break if one is near, else at a character."""
        start = size - self._truncation.tail
        near = self._read(start, min(size, start + 4096))
        line = near.find(b"\n")
        if 0 <= line < len(near) - 1:
            return start + line + 1
        skipped = 0
        while skipped < min(3, len(near)) and near[skipped] in CONTINUATION_BYTES:
            skipped += 1
        return start + skipped

    def _read(self, start: int, end: int) -> bytes:
        with self.source.open("rb") as file:
            file.seek(start)
            return file.read(end - start)

    def _copy(self, start: int, end: int, target: Path) -> None:
        with self.source.open("rb") as file, target.open("ab") as out:
            file.seek(start)
            left = end - start
            while left > 0 and (block := file.read(min(left, 1024 * 1024))):
                out.write(block)
                left -= len(block)

    def _segment(self, start: int) -> str:
        return self._destination.layout.segment(self._log_key, self.stream, start)


def retrying(
    attempt: Callable[[], Any],
    *,
    within: float,
    sleep: Callable[[float], None] = time.sleep,
    first_pause: float = 0.25,
) -> Any:
    """What ``attempt`` returns, tried again with growing pauses.

    Args:
        attempt: The request; safe to repeat.
        within: Seconds after which no further try is started.
        sleep: How to pause.
        first_pause: Seconds before the second try; doubled each time, with jitter.

    Raises:
        Exception: The last failure, at once if trying again cannot help (refused credentials,
            wrong configuration, no such bucket).
    """
    deadline = time.monotonic() + within
    pause = first_pause
    while True:
        try:
            return attempt()
        except _HOPELESS:
            raise
        except Exception:
            wait = pause * random.uniform(0.5, 1.5)  # noqa: S311 - spreads load, hides nothing
            if time.monotonic() + wait > deadline:
                raise
            sleep(wait)
            pause *= 2


def settled_size(source: Path, truncation: Truncation) -> int:
    """Bytes of a staged stream that keep their place whatever the stream grows to."""
    try:
        size = source.stat().st_size
    except FileNotFoundError:
        return 0
    head = truncation.head
    return min(size, _head_end(source, truncation)) if head and size > head else size


def _head_end(source: Path, truncation: Truncation) -> int:
    """The head's share of the limit, ended at a character."""
    head = truncation.head
    with source.open("rb") as file:
        file.seek(max(0, head - 3))
        return head - incomplete_tail(file.read(min(3, head)))


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """An empty file beside the staged one, gone afterwards."""
    handle, name = tempfile.mkstemp(prefix=".part-", dir=folder)
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
