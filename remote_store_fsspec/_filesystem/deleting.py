"""Deleting by exact name: files, many files, whole directories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from remote_store_fsspec import _paths
from remote_store_fsspec._filesystem.blocking import run
from remote_store_fsspec._filesystem.looking import Looking
from remote_store_fsspec._filesystem.rooted import listed, refuse
from remote_store_fsspec.errors import NotDirectoryError, ObjectNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Deleting"]


class Deleting(Looking):
    """The part of the filesystem that removes things, and only what was named."""

    async def _rm_file(self, path: str, **kwargs: Any) -> None:
        """Delete one file of exactly that name."""
        refuse(kwargs, "rm_file")
        key = self._file_key(path)

        async def delete() -> bool:
            await self._backend.delete(key)
            return True

        await self._do(delete, key, gone_is_done=True)

    async def _rm(
        self,
        path: Any,
        recursive: bool = False,
        batch_size: int | None = None,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Delete files of exactly those names, or with ``recursive`` whole folders.

        All that can be deleted is, before a missing name raises.
        """
        refuse(kwargs, "rm")
        keys = [self._strip_protocol(one) for one in listed(path)]
        if not recursive:
            if len(keys) == 1:
                await self._rm_file(keys[0])
            else:
                await self._rm_files(keys)
            return
        missing = [key for key in keys if not await self._rm_tree(key, maxdepth)]
        self._complain_of(missing)

    async def _rm_tree(self, key: str, maxdepth: int | None) -> bool:
        kind = await self._type(key)
        if kind is None:
            return False
        if kind != "directory":
            await self._rm_file(key)
        elif maxdepth is not None:
            await self._rm_files(await self._find(key, maxdepth=maxdepth), missing_ok=True)
        else:
            await self._do(lambda: self._backend.delete_tree(key), key, None)
        return True

    async def _rm_files(self, paths: Iterable[str], missing_ok: bool = False) -> None:
        keys = list(dict.fromkeys(self._file_key(path) for path in paths))
        if not keys:
            return
        missing: list[str] = await self._do(
            lambda: self._backend.delete_many(keys, missing_ok=missing_ok),
            _paths.parent(keys[0]),
            None,
        )
        self._complain_of(missing)

    def rm_files(self, paths: Iterable[str], missing_ok: bool = False) -> None:
        """Delete files of exactly those names in as few requests as the store allows.

        Args:
            paths: The files.
            missing_ok: Do not look whether they are there; the cheaper way.

        Raises:
            ObjectNotFoundError: Some were missing; the others are deleted.
        """
        run(self, self._rm_files, paths, missing_ok)

    def _complain_of(self, missing: list[str]) -> None:
        if missing:
            others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise ObjectNotFoundError(
                f"no such file or directory{others}", url=self.display_url(missing[0])
            )

    async def _rmdir(self, path: str) -> None:
        key = self._strip_protocol(path)
        if await self._listing(key):
            if not await self._isdir(key):
                raise NotDirectoryError("it is not a directory", url=self.display_url(key))
            await self._do(lambda: self._backend.rmdir(key), key)
            return
        if self._backend.keeps_directories and key:
            await self._do(lambda: self._backend.rmdir(key), key)
