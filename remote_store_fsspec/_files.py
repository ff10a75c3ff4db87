"""File objects of :class:`~remote_store_fsspec.filesystem.RemoteStoreFileSystem`.

Reading asks the store for the ranges it needs. Writing gathers the bytes on this machine
and sends them once, on close: a reader of the store sees the old file or the new one, and
an abandoned file sends nothing.
"""

from __future__ import annotations

import io
import tempfile
from typing import TYPE_CHECKING, Any

from fsspec.caching import ReadAheadCache
from fsspec.spec import AbstractBufferedFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from typing_extensions import Buffer

    from remote_store_fsspec._filesystem.writing import Writing

__all__ = ["ReadFile", "TextFile", "WriteFile"]

IN_MEMORY = 8 * 2**20
"""Bytes of a file being written that stay in memory; beyond that they go to a local file."""


class ReadFile(AbstractBufferedFile):
    """A file opened for reading; each buffer miss is one ranged read."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        if isinstance(self.cache, ReadAheadCache):
            # The old block goes first: held beside the next one it would double what a reader takes.
            self.cache.cache, self.cache.start, self.cache.end = b"", 0, 0
        data: bytes = self.fs.cat_file(self.path, start=start, end=end)
        return data


class WriteFile(io.BufferedIOBase):
    """A file opened for writing; nothing is stored before :meth:`close`.

    Leaving a ``with`` block by an exception discards what was written.

    Args:
        fs: The filesystem it belongs to.
        path: The key to write.
        create: Refuse on close when the file exists by then.
        autocommit: Store on close; false inside an fsspec transaction, which decides.
        write_options: Extra keywords for the object.
    """

    def __init__(
        self,
        fs: Writing,
        path: str,
        *,
        create: bool = False,
        autocommit: bool = True,
        write_options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.fs = fs
        self.path = path
        self.mode = "xb" if create else "wb"
        self.autocommit = autocommit
        self._write_options = dict(write_options or {})
        self._buffer: io.BytesIO | None = io.BytesIO()
        self._spill: tempfile._TemporaryFileWrapper[bytes] | None = None
        self._pending = True

    @property
    def name(self) -> str:
        """The key, as an opened local file has its path."""
        return self.path

    def readable(self) -> bool:
        """False: the file is for writing."""
        return False

    def writable(self) -> bool:
        """True until closed."""
        return not self.closed

    def seekable(self) -> bool:
        """False: bytes are written in order."""
        return False

    def tell(self) -> int:
        """Bytes written so far."""
        return self._stream().tell()

    def write(self, data: Buffer, /) -> int:
        """Take ``data`` and return its number of bytes."""
        stream = self._stream()
        count = stream.write(data)
        if self._buffer is not None and self._buffer.tell() > IN_MEMORY:
            self._spill = tempfile.NamedTemporaryFile(prefix="remote-store-fsspec-")  # noqa: SIM115
            self._spill.write(self._buffer.getbuffer())
            self._buffer = None
        return count

    def flush(self) -> None:
        """Nothing: bytes leave on close, so that readers never see half a file."""

    def close(self) -> None:
        """Store the file, unless a transaction decides about that."""
        if self.closed:
            return
        try:
            if self.autocommit and self._pending:
                self.commit()
        finally:
            if self.autocommit:
                self._release()
            super().close()

    def commit(self) -> None:
        """Store what was written under the file's name."""
        if not self._pending:
            return
        mode = "create" if self.mode == "xb" else "overwrite"
        try:
            if self._spill is not None:
                self._spill.flush()
                self.fs.put_file(
                    self._spill.name, self.path, mode=mode, write_options=self._write_options
                )
            elif self._buffer is not None:
                self.fs.pipe_file(
                    self.path,
                    self._buffer.getvalue(),
                    mode=mode,
                    write_options=self._write_options,
                )
        finally:
            self._release()

    def discard(self) -> None:
        """Throw away what was written; the store keeps what it had."""
        self._release()
        super().close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.discard()
        self.close()

    def __del__(self) -> None:
        # Sending from a finaliser can hang the interpreter's exit (measured on s3fs, adlfs
        # and sshfs), and a file nobody closed is not known to be whole.
        self._release()

    def _stream(self) -> io.BytesIO | tempfile._TemporaryFileWrapper[bytes]:
        stream = self._spill or self._buffer
        if self.closed or stream is None:
            raise ValueError("I/O operation on closed file.")
        return stream

    def _release(self) -> None:
        self._pending = False
        self._buffer = None
        spill, self._spill = getattr(self, "_spill", None), None
        if spill is not None:
            spill.close()


class TextFile(io.TextIOWrapper):
    """Text over a :class:`WriteFile`, which discards as well when left by an exception."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        raw = self.buffer
        if kind is not None and isinstance(raw, WriteFile):
            raw.discard()
            return
        super().__exit__(kind, exc, trace)
