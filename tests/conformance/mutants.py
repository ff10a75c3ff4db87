"""Our filesystem with one defect each: what the harness must catch."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import posixpath
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from fsspec.implementations.local import LocalFileSystem

from conformance import FilesystemSpec
from conformance.spec import Opened
from remote_store_fsspec.filesystem import RemoteStoreFileSystem
from tests.conformance.blunt_mutants import BLUNT, Unconfined

PAGE = 1000


class EndIgnored(RemoteStoreFileSystem):
    """Like a library that sends no Range header for an end."""

    async def _cat_file(
        self, path: str, start: Any = None, end: Any = None, **kwargs: Any
    ) -> bytes:
        return await super()._cat_file(path, start, None, **kwargs)


class NegativeStartIsZero(RemoteStoreFileSystem):
    """Counts only from the start."""

    async def _cat_file(
        self, path: str, start: Any = None, end: Any = None, **kwargs: Any
    ) -> bytes:
        return await super()._cat_file(path, max(start or 0, 0), end, **kwargs)


class SilentDelete(RemoteStoreFileSystem):
    """Deleting what is not there is fine with it."""

    async def _rm_file(self, path: str, **kwargs: Any) -> None:
        try:
            await super()._rm_file(path, **kwargs)
        except FileNotFoundError:
            return


class ErrorMeansAbsent(RemoteStoreFileSystem):
    """`isfile` is False whatever went wrong."""

    async def _isfile(self, path: str) -> bool:
        try:
            return await super()._isfile(path)
        except OSError:
            return False


class ListingCache(RemoteStoreFileSystem):
    """Remembers each listing for ever."""

    async def _ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        known: dict[str, list[Any]] = self.__dict__.setdefault("_known", {})
        if path not in known:
            known[path] = await super()._ls(path, detail=True, **kwargs)
        return list(known[path]) if detail else [entry["name"] for entry in known[path]]


class SizeCache(RemoteStoreFileSystem):
    """Remembers what `info` said."""

    async def _info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        known: dict[str, dict[str, Any]] = self.__dict__.setdefault("_known_info", {})
        if path not in known:
            known[path] = await super()._info(path, **kwargs)
        return known[path]


class WritesInPlace(RemoteStoreFileSystem):
    """An overwrite that shows its first half."""

    async def _pipe_file(
        self, path: str, value: bytes, mode: str = "overwrite", *args: Any, **kwargs: Any
    ) -> None:
        if len(value) > PAGE and mode == "overwrite":
            await super()._pipe_file(path, value[: len(value) // 2], **kwargs)
        await super()._pipe_file(path, value, mode=mode, **kwargs)


class LeavesTemporaries(RemoteStoreFileSystem):
    """Its temporary name stays in the folder."""

    async def _pipe_file(
        self, path: str, value: bytes, mode: str = "overwrite", *args: Any, **kwargs: Any
    ) -> None:
        await super()._pipe_file(path, value, mode=mode, **kwargs)
        await super()._pipe_file(f"{path}.part", b"", **kwargs)


class CreateOverwrites(RemoteStoreFileSystem):
    """Swallows `mode="create"`."""

    async def _pipe_file(
        self, path: str, value: bytes, mode: str = "overwrite", *args: Any, **kwargs: Any
    ) -> None:
        await super()._pipe_file(path, value, **kwargs)


class AppendReplaces(RemoteStoreFileSystem):
    """`open("ab")` starts anew."""

    def open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        return super().open(path, mode.replace("a", "w"), **kwargs)


class Decodes(RemoteStoreFileSystem):
    """Takes a name for a URL."""

    async def _pipe_file(
        self, path: str, value: bytes, mode: str = "overwrite", *args: Any, **kwargs: Any
    ) -> None:
        await super()._pipe_file(unquote(path), value, mode=mode, **kwargs)


class Globs(RemoteStoreFileSystem):
    """`rm` expands wildcards, as fsspec's own does."""

    async def _rm(self, path: Any, *args: Any, **kwargs: Any) -> None:
        if isinstance(path, str) and "*" in path:
            path = await self._glob(path)
        await super()._rm(path, *args, **kwargs)


class OnePage(RemoteStoreFileSystem):
    """Stops after the first page of a listing."""

    async def _find(self, path: str, *args: Any, **kwargs: Any) -> Any:
        found = await super()._find(path, *args, **kwargs)
        if isinstance(found, dict):
            return dict(list(found.items())[:PAGE])
        return found[:PAGE]


class NamesakesMatch(RemoteStoreFileSystem):
    """`a` finds `apple` too, as a bare key prefix does."""

    async def _find(self, path: str, *args: Any, **kwargs: Any) -> Any:
        key = self._strip_protocol(path)
        folder, _, start = key.rpartition("/")
        if not start or args or kwargs.get("prefix"):
            return await super()._find(path, *args, **kwargs)
        return await super()._find(folder, prefix=start, **kwargs)


class WholeFileInMemory(RemoteStoreFileSystem):
    """An upload that reads the file first."""

    async def _put_file(self, lpath: str, rpath: str, *args: Any, **kwargs: Any) -> None:
        await self._pipe_file(rpath, Path(lpath).read_bytes())  # noqa: ASYNC240 - that is the defect


class NoProgress(RemoteStoreFileSystem):
    """Swallows the callback."""

    async def _put_file(self, lpath: str, rpath: str, *args: Any, **kwargs: Any) -> None:
        kwargs.pop("callback", None)
        await super()._put_file(lpath, rpath, **kwargs)


class SharedScratch(RemoteStoreFileSystem):
    """One attribute for every thread's path."""

    async def _cat_file(
        self, path: str, start: Any = None, end: Any = None, **kwargs: Any
    ) -> bytes:
        self._current = path
        await asyncio.sleep(0.001)
        return await super()._cat_file(self._current, start, end, **kwargs)


class NotForkSafe(RemoteStoreFileSystem):
    """Belongs to the process that made it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._made_in = os.getpid()

    async def _cat_file(
        self, path: str, start: Any = None, end: Any = None, **kwargs: Any
    ) -> bytes:
        if os.getpid() != self._made_in:
            raise RuntimeError("not fork-safe")
        return await super()._cat_file(path, start, end, **kwargs)


class LeavesFilesOpen(RemoteStoreFileSystem):
    """A handle that nobody closes: a warning when the program ends."""

    async def _cat_file(
        self, path: str, start: Any = None, end: Any = None, **kwargs: Any
    ) -> bytes:
        self._leak = open(os.devnull, "rb")  # noqa: ASYNC230, SIM115, PTH123 - that is the defect
        return await super()._cat_file(path, start, end, **kwargs)


class ShowsItsOptions(RemoteStoreFileSystem):
    """The dataclass habit: every field in the repr."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._given = kwargs

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._given})"

    __str__ = __repr__


class JSONWithEverything(RemoteStoreFileSystem):
    """fsspec's own `to_json` holds the keywords verbatim."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._given = kwargs

    def to_json(self, **kwargs: Any) -> str:
        return repr(self._given)


class LosesABytesCopy(RemoteStoreFileSystem):
    """A copy one byte short."""

    async def _cp_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        await super()._cp_file(path1, path2, **kwargs)
        await self._pipe_file(path2, (await self._cat_file(path1))[:-1])


class Leaky(LocalFileSystem):
    """A root that is only a prefix, normalised after it was joined."""

    protocol = "leaky"
    cachable = False

    def __init__(self, root: str) -> None:
        super().__init__()
        self.root = root

    def _join(self, path: str) -> str:
        return posixpath.normpath(posixpath.join(self.root, str(path).lstrip("/")))

    def cat_file(self, path: str, start: Any = None, end: Any = None, **kwargs: Any) -> bytes:
        return bytes(super().cat_file(self._join(path), start, end, **kwargs))

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        super().pipe_file(self._join(path), value, mode=mode, **kwargs)

    def rm_file(self, path: str) -> None:
        super().rm_file(self._join(path))


MUTANTS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in vars().copy().values()
    if isinstance(kind, type)
    and issubclass(kind, RemoteStoreFileSystem)
    and kind is not RemoteStoreFileSystem
} | BLUNT


@dataclasses.dataclass(frozen=True)
class MutantSpec(FilesystemSpec):
    """Opens a mutant instead of our filesystem; the other process is healthy."""

    mutant: str = ""

    def open(self, **extra: Any) -> Opened:
        """The mutant below the same root."""
        return Opened(MUTANTS[self.mutant](**self._ours(self.root_path), **extra), "")

    def confined(self, folder: str) -> Any:
        """The mutant below a root of its own."""
        below = self._ours(posixpath.join(self.root_path, folder))
        return MUTANTS[self.mutant](**below, skip_instance_cache=True)


@dataclasses.dataclass(frozen=True)
class LeakySpec(FilesystemSpec):
    """Our filesystem, but confined to a root that leaks."""

    def confined(self, folder: str) -> Any:
        """A root that `..` leaves."""
        return Leaky(posixpath.join(self.local_folder() or "", folder))


@dataclasses.dataclass(frozen=True)
class UnconfinedSpec(FilesystemSpec):
    """Our filesystem, but confined to no root at all."""

    def confined(self, folder: str) -> Any:
        """A prefix before each path."""
        return Unconfined(posixpath.join(self.local_folder() or "", folder))
