"""Local disk: fsspec's ``LocalFileSystem``, made atomic and kept inside its root."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from remote_store_fsspec.backends.base import Backend, Info
from remote_store_fsspec.errors import InvalidPathError, ObjectExistsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
