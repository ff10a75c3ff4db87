"""Bulk copies by fsspec's rules, and moves: within the store, to it and from it."""

from __future__ import annotations

import os
from glob import has_magic
from typing import TYPE_CHECKING, Any

from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.utils import other_paths, stringify_path

from remote_store_fsspec import _paths
from remote_store_fsspec._filesystem.looking import Looking
from remote_store_fsspec._filesystem.rooted import listed, refuse
from remote_store_fsspec.errors import IsDirectoryError, ObjectNotFoundError

if TYPE_CHECKING:
    from fsspec.callbacks import Callback

__all__ = ["Copying"]


class Copying(Looking):
    """The part of the filesystem that works out which file goes where."""

    async def _cp_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        refuse(kwargs, "cp_file")
        source, target = self._strip_protocol(path1), self._strip_protocol(path2)
        info = await self._info(source)
        if info["type"] == "directory":
            await self._makedirs(target, exist_ok=True)
            return
        if source != self._file_key(target):
            await self._do(lambda: self._backend.copy(source, target), source, int(info["size"]))

    async def _mv_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        refuse(kwargs, "mv_file")
        source, target = self._file_key(path1), self._file_key(path2)
        info = await self._info(source)
        if info["type"] == "directory":
            raise IsDirectoryError("it is a directory", url=self.display_url(source))
        if source != target:
            await self._do(
                lambda: self._backend.move(source, target),
                source,
                int(info["size"]),
                once=True,
            )

    async def _copy(
        self,
        path1: Any,
        path2: Any,
        recursive: bool = False,
        on_error: str | None = None,
        maxdepth: int | None = None,
        batch_size: int | None = None,
        onerror: str | None = None,
        **kwargs: Any,
    ) -> None:
        on_error = on_error or onerror  # as the mv of older fsspec spells it
        if on_error not in (None, "raise", "ignore"):
            raise ValueError(f"on_error is 'raise' or 'ignore', not {on_error!r}")
        sources = await self._sources(path1, recursive, maxdepth)
        if not isinstance(path2, (list, tuple)):
            path2 = stringify_path(path2)
            inside = path2.endswith("/") or await self._isdir(path2)
            target = self._strip_protocol(path2)
            path2 = _paths.destinations(sources, target, _placement(path1, sources, inside))
        if sources:
            # fsspec's own arithmetic misplaces names that have no directory above them,
            # so both sides reach it as lists.
            await super()._copy(
                sources,
                list(path2),
                on_error=on_error or ("ignore" if recursive else "raise"),
                batch_size=self._batch(batch_size),
                **kwargs,
            )

    async def _sources(self, path: Any, recursive: bool, maxdepth: int | None) -> list[str]:
        """The keys that one bulk call starts from.

        A string with ``*``, ``?`` or ``[`` is a glob only when nothing has that very name.
        """
        if isinstance(path, (list, tuple)):
            keys = [self._strip_protocol(one) for one in path]
            return await self._expand_literally(keys, maxdepth) if recursive else keys
        path = stringify_path(path)
        if has_magic(path) and await self._type(path) is None:
            sources = await self._expand_path(path, recursive=recursive, maxdepth=maxdepth)
        elif recursive:
            sources = await self._expand_literally([self._strip_protocol(path)], maxdepth)
        else:
            sources = [self._strip_protocol(path)]
        if recursive and maxdepth is None:
            return list(sources)
        return [source for source in sources if not await self._isdir(source)]

    async def _expand_literally(self, keys: list[str], maxdepth: int | None) -> list[str]:
        found = {}
        for key in keys:
            below = await self._find(key, maxdepth=maxdepth, withdirs=True)
            if not below and not await self._exists(key):
                raise ObjectNotFoundError("no such file or directory", url=self.display_url(key))
            found.update(dict.fromkeys([key, *below]))
        return sorted(found)

    async def _get(
        self,
        rpath: Any,
        lpath: Any,
        recursive: bool = False,
        callback: Callback = DEFAULT_CALLBACK,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> Any:
        sources = await self._sources(rpath, recursive, maxdepth)
        if not isinstance(lpath, (list, tuple)):
            lpath = os.fspath(lpath)
            inside = lpath.endswith("/") or os.path.isdir(lpath)
            # No element of a key can be "..", so no copy lands outside lpath.
            lpath = _paths.destinations(sources, lpath, _placement(rpath, sources, inside))
        kwargs["batch_size"] = self._batch(kwargs.get("batch_size"))
        return await super()._get(sources, list(lpath), callback=callback, **kwargs)

    async def _put(
        self,
        lpath: Any,
        rpath: Any,
        recursive: bool = False,
        callback: Callback = DEFAULT_CALLBACK,
        batch_size: int | None = None,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> Any:
        if isinstance(lpath, str) and has_magic(lpath) and os.path.isfile(lpath):
            if isinstance(rpath, str) and (rpath.endswith("/") or await self._isdir(rpath)):
                rpath = other_paths([lpath], rpath, exists=True)[0]
            lpath, rpath = [lpath], listed(rpath)
        return await super()._put(
            lpath,
            rpath,
            recursive=recursive,
            callback=callback,
            batch_size=self._batch(batch_size),
            maxdepth=maxdepth,
            **kwargs,
        )

    def mv(
        self,
        path1: Any,
        path2: Any,
        recursive: bool = False,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Move files; a single file moves in one step where the store can."""
        refuse(kwargs, "mv")
        if isinstance(path1, str) and isinstance(path2, str) and self.isfile(path1):
            if path2.endswith("/") or self.isdir(path2):
                path2 = _paths.join(path2.rstrip("/"), _paths.name(self._strip_protocol(path1)))
            self.mv_file(path1, path2)
            return
        super().mv(path1, path2, recursive=recursive, maxdepth=maxdepth)


def _placement(source: Any, sources: list[str], target_is_folder: bool) -> _paths.Placement:
    """How fsspec's copying rules lay the sources out below the target."""
    if isinstance(source, (list, tuple)):
        return "flat"
    source = stringify_path(source)
    if has_magic(source) and sources != [_paths.to_key(source)]:
        return "inside" if len(sources) == 1 else "as"
    return "inside" if target_is_folder and not source.endswith("/") else "as"
