"""Local disk: fsspec's ``LocalFileSystem``, made atomic and kept inside its root."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from fsspec.callbacks import DEFAULT_CALLBACK

from remote_store_fsspec import _paths
from remote_store_fsspec.backends.base import CHUNK, Backend, Info
from remote_store_fsspec.errors import InvalidPathError, ObjectExistsError

if TYPE_CHECKING:
    import io
    from collections.abc import Iterable, Mapping

    from fsspec.callbacks import Callback

__all__ = ["LocalBackend"]


class LocalBackend(Backend):
    """Files below a folder; a symbolic link that points out of it is refused."""

    kind = "local"

    def path(self, key: str) -> str:
        path = os.path.join(self.target.base, key) if key else self.target.base
        self._confine(path, key)
        return path

    def _confine(self, path: str, key: str) -> None:
        root = os.path.realpath(self.target.base)
        real = os.path.realpath(path)
        if real != root and not real.startswith(root.rstrip("/") + "/"):
            raise InvalidPathError(
                "a symbolic link there leads out of the root", url=self.display_url(key)
            )

    def entries(self, raw: Iterable[Mapping[str, Any]], key: str, prefix: str = "") -> list[Info]:
        inside = []
        for entry in raw:
            if entry.get("islink"):
                try:
                    self._confine(entry["name"], key)
                except InvalidPathError:
                    continue
            inside.append(entry)
        return super().entries(inside, key, prefix)

    async def read(self, key: str, start: int | None, end: int | None) -> bytes:
        path = self.path(key)
        # One open file throughout: a writer replaces the name, never these bytes.
        file = await self.step(self._threads.run(lambda: open(path, "rb", buffering=0)))  # noqa: SIM115
        with file:
            low, high = _paths.range_of(os.fstat(file.fileno()).st_size, start, end)
            return await self.step(
                self._threads.run(lambda: _read_exactly(file, low, high)), high - low
            )

    async def download(self, key: str, lpath: str, callback: Callback) -> None:
        path = self.path(key)
        size = (await self.step(self.info(key)))["size"]
        await self.step(self._threads.run(lambda: _copy(path, lpath, callback)), size)

    async def upload(
        self,
        key: str,
        lpath: str,
        *,
        create: bool,
        options: Mapping[str, Any],
        callback: Callback,
    ) -> None:
        await self._replace(
            key, create, lambda path: self._threads.run(lambda: _copy(lpath, path, callback))
        )

    async def copy(self, source: str, target: str) -> None:
        path = self.path(source)
        await self._replace(
            target,
            create=False,
            put=lambda to: self._threads.run(lambda: _copy(path, to, DEFAULT_CALLBACK)),
        )

    async def publish(self, temporary: str, key: str, *, create: bool) -> None:
        source, target = self.path(temporary), self.path(key)
        if not create:
            await self._threads.run(lambda: os.replace(source, target))
            return

        def link() -> None:
            try:
                # A hard link refuses to replace, in one step; a rename would not.
                os.link(source, target)
            except FileExistsError as exc:
                raise ObjectExistsError("it exists already", url=self.display_url(key)) from exc
            os.unlink(source)

        await self._threads.run(link)

    async def rename(self, source: str, target: str) -> None:
        old, new = self.path(source), self.path(target)
        await self._threads.run(lambda: os.replace(old, new))

    async def delete_tree(self, key: str) -> None:
        path = self.path(key)

        def remove() -> None:
            if key:
                shutil.rmtree(path)
                return
            for entry in os.scandir(path):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path)
                else:
                    os.unlink(entry.path)

        await self._threads.run(remove)

    async def rmdir(self, key: str) -> None:
        path = self.path(key)
        await self._threads.run(lambda: os.rmdir(path))


def _read_exactly(file: io.FileIO, low: int, high: int) -> bytes:
    file.seek(low)
    pieces = []
    while low < high and (piece := file.read(high - low)):
        pieces.append(piece)
        low += len(piece)
    return b"".join(pieces)


def _copy(source: str, target: str, callback: Callback) -> None:
    """Copy one file, chunk by chunk; only the bytes, as every other storage does."""
    with open(source, "rb") as old, open(target, "wb") as new:
        callback.set_size(os.fstat(old.fileno()).st_size)
        while chunk := old.read(CHUNK):
            new.write(chunk)
            callback.relative_update(len(chunk))
