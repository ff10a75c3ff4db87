"""Writing files whole: bytes, local files, file objects; and making directories."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from fsspec.callbacks import DEFAULT_CALLBACK

from remote_store_fsspec import _paths
from remote_store_fsspec._filesystem.looking import Looking
from remote_store_fsspec._filesystem.rooted import refuse
from remote_store_fsspec.backends.base import gather
from remote_store_fsspec.errors import (
    ObjectExistsError,
    ObjectNotFoundError,
    UnsupportedOperationError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fsspec.callbacks import Callback

__all__ = ["Writing"]


class Writing(Looking):
    """The part of the filesystem that moves bytes to the store."""

    async def _pipe_file(
        self,
        path: str,
        value: bytes,
        mode: str = "overwrite",
        write_options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        refuse(kwargs, "pipe_file")
        key, create = self._file_key(path), _creates(mode)
        data = bytes(value)
        await self._do(
            lambda: self._backend.write(key, data, create=create, options=write_options or {}),
            key,
            len(data),
            once=create,
        )

    async def _pipe(
        self, path: Any, value: bytes | None = None, batch_size: int | None = None, **kwargs: Any
    ) -> None:
        if isinstance(path, str):
            path = {path: value}
        await gather(
            [self._pipe_file(one, data, **kwargs) for one, data in path.items()],
            self._batch(batch_size),
        )

    async def _put_file(
        self,
        lpath: str,
        rpath: str,
        callback: Callback = DEFAULT_CALLBACK,
        mode: str = "overwrite",
        write_options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Copy a local file to the store, in bounded memory; it appears when it is whole."""
        refuse(kwargs, "put_file")
        if os.path.isdir(lpath):
            await self._makedirs(rpath, exist_ok=True)
            return
        key, create = self._file_key(rpath), _creates(mode)
        size = os.path.getsize(lpath)
        callback.set_size(size)
        await self._do(
            lambda: self._backend.upload(
                key, lpath, create=create, options=write_options or {}, callback=callback
            ),
            key,
            size,
            once=create,
        )

    async def _touch(self, path: str, truncate: bool = True, **kwargs: Any) -> None:
        refuse(kwargs, "touch")
        if truncate or not await self._exists(path):
            await self._pipe_file(path, b"")
        else:
            raise UnsupportedOperationError(
                "touch(truncate=False) cannot change the time of an existing file",
                url=self.display_url(path),
            )

    async def _makedirs(self, path: str, exist_ok: bool = False) -> None:
        key = self._strip_protocol(path)
        kind = await self._type(key) if key else "directory"
        if kind is not None and (kind != "directory" or not exist_ok):
            raise ObjectExistsError("it exists already", url=self.display_url(key))
        await self._do(lambda: self._backend.makedirs(key), key)

    async def _mkdir(self, path: str, create_parents: bool = True, **kwargs: Any) -> None:
        refuse(kwargs, "mkdir")
        key = self._strip_protocol(path)
        above = _paths.parent(key)
        if not create_parents and above and not await self._isdir(above):
            raise ObjectNotFoundError("no such directory", url=self.display_url(above))
        await self._makedirs(key)


def _creates(mode: str) -> bool:
    if mode not in ("create", "overwrite"):
        raise ValueError(f"mode is 'create' or 'overwrite', not {mode!r}")
    return mode == "create"
