"""Memory: fsspec's ``MemoryFileSystem``, for tests, demos and one-process pipelines."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from remote_store_fsspec import _paths
from remote_store_fsspec.backends.base import Backend
from remote_store_fsspec.errors import (
    IsDirectoryError,
    ObjectExistsError,
    ObjectNotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fsspec import AbstractFileSystem

__all__ = ["MemoryBackend"]


class MemoryBackend(Backend):
    """Objects in this process. A ``pipe_file`` replaces the object in one step."""

    kind = "memory"
    atomic_put = True
    _naming = threading.Lock()

    def open_inner(self) -> AbstractFileSystem:
        inner: Any = super().open_inner()
        if self.options().get("global_store") is False and inner.store is type(inner).store:
            inner.store, inner.pseudo_dirs = {}, [""]  # older fsspec shares one store in any case
        return inner

    def path(self, key: str) -> str:
        return "/" + _paths.join(self.target.base.strip("/"), key)

    def key(self, path: str) -> str | None:
        return _paths.relative_to("/" + self.target.base.strip("/"), path)

    async def write(
        self, key: str, data: bytes, *, create: bool, options: Mapping[str, Any]
    ) -> None:
        await self._put(key, data, create=create)

    async def upload(
        self, key: str, lpath: str, *, create: bool, options: Mapping[str, Any], callback: Any
    ) -> None:
        with open(lpath, "rb") as file:
            data = file.read()
        await self._put(key, data, create=create)
        callback.relative_update(len(data))

    async def _put(self, key: str, data: bytes, *, create: bool) -> None:
        inner: Any = await self.inner()
        path = self.path(key)

        def put() -> None:
            with self._naming:
                if create and inner.exists(path):
                    raise ObjectExistsError("it exists already", url=self.display_url(key))
                inner.pipe_file(path, data)

        await self._threads.run(put)

    async def read(self, key: str, start: int | None, end: int | None) -> bytes:
        inner: Any = await self.inner()
        path = self.path(key)
        stored = inner.store.get(path)
        if stored is None:
            await self.info(key)  # tells a directory from nothing
            raise IsDirectoryError("it is a directory", url=self.display_url(key))
        data: bytes = stored.getvalue()
        return data[start:end]

    async def download(self, key: str, lpath: str, callback: Any) -> None:
        data = await self.read(key, None, None)
        callback.set_size(len(data))
        with open(lpath, "wb") as file:
            file.write(data)
        callback.relative_update(len(data))

    async def rename(self, source: str, target: str) -> None:
        inner: Any = await self.inner()

        def rename() -> None:
            with self._naming:
                if inner.isdir(self.path(target)):
                    raise IsDirectoryError("it is a directory", url=self.display_url(target))
                stored = inner.store.pop(self.path(source), None)
                if stored is None:
                    raise ObjectNotFoundError(
                        "no such file or directory", url=self.display_url(source)
                    )
                parent = self.path(_paths.parent(target))
                inner.makedirs(parent, exist_ok=True)
                stored.path = self.path(target)
                inner.store[self.path(target)] = stored

        await self._threads.run(rename)
