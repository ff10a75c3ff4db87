"""File objects: what :func:`open` gives for a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from remote_store_fsspec._files import ReadFile, TextFile, WriteFile
from remote_store_fsspec._filesystem.reading import Reading
from remote_store_fsspec._filesystem.rooted import refuse
from remote_store_fsspec._filesystem.writing import Writing
from remote_store_fsspec.errors import (
    IsDirectoryError,
    ObjectExistsError,
    UnsupportedOperationError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Opening"]


class Opening(Reading, Writing):
    """The part of the filesystem that opens file objects."""

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | str | None = None,
        autocommit: bool = True,
        cache_options: Mapping[str, Any] | None = None,
        cache_type: str = "readahead",
        write_options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        refuse(kwargs, "open")
        key = self._file_key(path)
        if mode == "rb":
            if self.isdir(key):
                raise IsDirectoryError("it is a directory", url=self.display_url(key))
            return ReadFile(
                self,
                key,
                mode,
                block_size or "default",
                cache_type=cache_type,
                cache_options=dict(cache_options or {}),
            )
        if mode in ("wb", "xb"):
            if mode == "xb" and self.exists(key):
                raise ObjectExistsError("it exists already", url=self.display_url(key))
            return WriteFile(
                self,
                key,
                create=mode == "xb",
                autocommit=autocommit,
                write_options=write_options,
            )
        raise UnsupportedOperationError(
            f"mode {mode!r}: files are read ('rb') or written whole ('wb', 'xb')",
            url=self.display_url(key),
            hint="append by writing another file, or by reading and writing the whole",
        )

    def open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        """Open a file as :func:`open` does; modes ``r``, ``w`` and ``x``, text or binary.

        Written bytes are stored on close, whole; leaving the ``with`` block by an exception
        stores nothing.
        """
        if "b" in mode or mode.startswith("r") or kwargs.get("compression"):
            return super().open(path, mode, **kwargs)
        text = {
            name: kwargs.pop(name) for name in ("encoding", "errors", "newline") if name in kwargs
        }
        return TextFile(super().open(path, mode.replace("t", "") + "b", **kwargs), **text)
