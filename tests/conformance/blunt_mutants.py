"""Our filesystem with one blunt defect each, so that every case has been seen failing.

`mutants` holds the defects that real libraries have; these have no likeness, they only break what a
case looks at.
"""

from __future__ import annotations

import dataclasses
import glob
import io
import logging
import os
import posixpath
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from conformance.spec import secret_values
from remote_store_fsspec.backends.target import Retry
from remote_store_fsspec.errors import ObjectNotFoundError
from remote_store_fsspec.filesystem import RemoteStoreFileSystem


class ReadsNothing(RemoteStoreFileSystem):
    """Every file is empty."""

    async def _cat_file(self, path: str, *args: Any, **kwargs: Any) -> bytes:
        await super()._cat_file(path, *args, **kwargs)
        return b""


class NeverEmpty(RemoteStoreFileSystem):
    """No bytes are at least one."""

    async def _cat_file(self, path: str, *args: Any, **kwargs: Any) -> bytes:
        return await super()._cat_file(path, *args, **kwargs) or b"?"


class NothingReadsAsEmpty(RemoteStoreFileSystem):
    """What is not there is read as an empty file."""

    async def _cat_file(self, path: str, *args: Any, **kwargs: Any) -> bytes:
        try:
            return await super()._cat_file(path, *args, **kwargs)
        except FileNotFoundError:
            return b""

    async def _get_file(self, rpath: str, lpath: Any, *args: Any, **kwargs: Any) -> None:
        Path(lpath).touch()  # noqa: ASYNC240 - that is the defect
        await super()._get_file(rpath, lpath, *args, **kwargs)


class ReadsTheWholeFile(RemoteStoreFileSystem):
    """A range costs the file."""

    async def _cat_file(
        self, path: str, start: Any = None, end: Any = None, **kwargs: Any
    ) -> bytes:
        return (await super()._cat_file(path, **kwargs))[start:end]


class FetchesIntoMemory(RemoteStoreFileSystem):
    """Whole files through memory, in and out."""

    async def _get_file(self, rpath: str, lpath: Any, *args: Any, **kwargs: Any) -> None:
        Path(lpath).write_bytes(await self._cat_file(rpath))  # noqa: ASYNC240 - that is the defect

    def _open(self, path: str, mode: str = "rb", *args: Any, **kwargs: Any) -> Any:
        if mode == "rb":
            kwargs["cache_type"] = "all"
        opened = super()._open(path, mode, *args, **kwargs)
        self._held = opened.read() if mode == "rb" else bytearray()
        if mode == "rb":
            opened.seek(0)
            return opened
        write = opened.write

        def hold(data: bytes) -> int:
            self._held += data
            return int(write(data))

        opened.write = hold
        return opened


class EverythingIsThere(RemoteStoreFileSystem):
    """Whatever is asked about is an empty file."""

    async def _info(self, path: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            return await super()._info(path, *args, **kwargs)
        except FileNotFoundError:
            return {"name": path, "size": 0, "type": "file"}


class NothingIsAFile(RemoteStoreFileSystem):
    """Files and folders change places."""

    async def _info(self, path: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        info = await super()._info(path, *args, **kwargs)
        return {**info, "type": "file" if info["type"] == "directory" else "directory"}


class Wordless(RemoteStoreFileSystem):
    """Its errors name nothing."""

    async def _info(self, path: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            return await super()._info(path, *args, **kwargs)
        except FileNotFoundError:
            raise ObjectNotFoundError("not there") from None

    async def _cat_file(self, path: str, *args: Any, **kwargs: Any) -> bytes:
        try:
            return await super()._cat_file(path, *args, **kwargs)
        except FileNotFoundError:
            raise ObjectNotFoundError("not there") from None


class FindsNothing(RemoteStoreFileSystem):
    """Every search and every listing is empty."""

    async def _find(self, path: str, *args: Any, **kwargs: Any) -> Any:
        return {} if kwargs.get("detail") else []

    async def _ls(self, path: str, *args: Any, **kwargs: Any) -> list[Any]:
        return []

    async def _glob(self, path: str, **kwargs: Any) -> Any:
        return []


class FindsOnlyWhatIsThere(RemoteStoreFileSystem):
    """A search in nothing is an error, and a search in something ignores what was asked."""

    async def _find(self, path: str, *args: Any, **kwargs: Any) -> Any:
        kwargs.pop("maxdepth", None)
        kwargs.pop("prefix", None)
        found = await super()._find(path, **kwargs)
        if not found:
            raise ObjectNotFoundError("nothing there", url=path)
        return found


class NamesTheRoot(RemoteStoreFileSystem):
    """Names come back absolute, and only absolute ones are taken."""

    async def _find(self, path: str, *args: Any, **kwargs: Any) -> Any:
        return [f"/root/{name}" for name in await super()._find(path, *args, **kwargs)]


class NoLeadingSlash(RemoteStoreFileSystem):
    """A path with a slash before it is on the machine."""

    async def _cat_file(self, path: str, *args: Any, **kwargs: Any) -> bytes:
        if path.startswith("/"):
            raise ObjectNotFoundError("no such file", url=path)
        return await super()._cat_file(path, *args, **kwargs)


class StopsAtTheFirst(RemoteStoreFileSystem):
    """A list is deleted one by one until something is missing, and never past one page."""

    async def _rm_files(self, paths: Any, missing_ok: bool = False) -> None:
        for number, path in enumerate(sorted(paths, key=lambda path: not path.endswith("gone"))):
            if number < 1000:
                await self._rm_file(path)


class DeletesNothing(RemoteStoreFileSystem):
    """Says that it did."""

    async def _rm(self, path: Any, *args: Any, **kwargs: Any) -> None:
        return

    async def _rm_file(self, path: str, **kwargs: Any) -> None:
        return


class DeletesTooMuch(RemoteStoreFileSystem):
    """A folder that is deleted takes its neighbours along, even when asked for a file."""

    async def _rm(self, path: Any, recursive: bool = False, *args: Any, **kwargs: Any) -> None:
        await super()._rm(path, recursive=True)
        if isinstance(path, str) and recursive:
            for neighbour in await self._ls(path.rpartition("/")[0]):
                await super()._rm(neighbour["name"], recursive=True)

    async def _rm_file(self, path: str, **kwargs: Any) -> None:
        try:
            await super()._rm_file(path, **kwargs)
        except IsADirectoryError:
            await super()._rm(path, recursive=True)


class Corrupts(RemoteStoreFileSystem):
    """Writes one byte too many."""

    async def _pipe_file(self, path: str, value: bytes, *args: Any, **kwargs: Any) -> None:
        await super()._pipe_file(path, bytes(value) + b"!", *args, **kwargs)

    async def _put_file(self, lpath: str, rpath: str, *args: Any, **kwargs: Any) -> None:
        await super()._put_file(lpath, rpath, *args, **kwargs)
        await super()._pipe_file(rpath, b"!")


class EmptiesFirst(RemoteStoreFileSystem):
    """Makes room for what comes, before it has come."""

    async def _put_file(self, lpath: str, rpath: str, *args: Any, **kwargs: Any) -> None:
        await super()._pipe_file(rpath, b"")
        await super()._put_file(lpath, rpath, *args, **kwargs)

    def _open(self, path: str, mode: str = "rb", *args: Any, **kwargs: Any) -> Any:
        if mode == "wb":
            self.pipe_file(path, b"")
            self.pipe_file(f"{path}.part", b"")
        return super()._open(path, mode, *args, **kwargs)


class NeedsItsFolder(RemoteStoreFileSystem):
    """Writes only where a folder is."""

    async def _pipe_file(self, path: str, value: bytes, *args: Any, **kwargs: Any) -> None:
        if not await self._isdir(path.rpartition("/")[0]):
            raise ObjectNotFoundError("no such folder", url=path)
        await super()._pipe_file(path, value, *args, **kwargs)


class MovesByHalves(RemoteStoreFileSystem):
    """A move leaves the source, a copy takes it away, and nothing of it is noticed."""

    async def _mv_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        await super()._cp_file(path1, path2, **kwargs)

    async def _cp_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        if not await self._exists(path1):
            return
        await super()._cp_file(path1, path2, **kwargs)
        if not await self._isdir(path1):
            await self._rm_file(path1)


class CopiesWhatNobodyAskedFor(RemoteStoreFileSystem):
    """Every copy is recursive."""

    def copy(self, path1: Any, path2: Any, recursive: bool = False, **kwargs: Any) -> None:
        super().copy(path1, path2, recursive=True, **kwargs)


class IgnoresArguments(RemoteStoreFileSystem):
    """Has never heard of depth, `exist_ok`, `truncate`, time zones or unknown modes."""

    async def _rm(self, path: Any, recursive: bool = False, *args: Any, **kwargs: Any) -> None:
        await super()._rm(path, recursive=recursive)

    async def _makedirs(self, path: str, exist_ok: bool = False) -> None:
        if await self._exists(path):
            raise FileExistsError(path)
        await super()._makedirs(path)

    def touch(self, path: str, truncate: bool = True, **kwargs: Any) -> None:
        self.pipe_file(path, b"")

    def modified(self, path: str) -> datetime:
        return super().modified(path).replace(tzinfo=None)

    def open(self, path: str, mode: str = "rb", *args: Any, **kwargs: Any) -> Any:
        return super().open(path, mode if mode[0] in "rwxa" else "rb", **kwargs)


class SignsNonsense(RemoteStoreFileSystem):
    """A link to nowhere."""

    def sign(self, path: str, *args: Any, **kwargs: Any) -> str:
        return "http://127.0.0.1:9/"


class DiesOfReading(RemoteStoreFileSystem):
    """Takes the process with it."""

    async def _cat_file(self, path: str, *args: Any, **kwargs: Any) -> bytes:
        os._exit(3)


class ClosesOnce(RemoteStoreFileSystem):
    """Has to be asked whether it is closed."""

    def close(self) -> None:
        super().close()
        if self.__dict__.setdefault("_closed_before", False):
            raise ValueError("closed twice")
        self._closed_before = True


class NeverGetsOverIt(RemoteStoreFileSystem):
    """After one lost connection it is of no use, and it says so in words of its own."""

    async def _do(self, *args: Any, **kwargs: Any) -> Any:
        if self.__dict__.get("_lost"):
            raise RuntimeError("the connection is lost")
        vars(self._backend)["reconnects"] = False
        try:
            return await super()._do(*args, **kwargs)
        except (ConnectionError, TimeoutError) as error:
            self._lost = True
            raise RuntimeError("the connection was lost") from error


class MakesTheBestOfIt(RemoteStoreFileSystem):
    """Whatever fails was not so important, and half of it is as good as the whole."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        vars(self._backend)["reconnects"] = False

    async def _cat_file(self, path: str, *args: Any, **kwargs: Any) -> bytes:
        try:
            return await super()._cat_file(path, *args, **kwargs)
        except OSError:
            return b"half"

    async def _get_file(self, rpath: str, lpath: Any, *args: Any, **kwargs: Any) -> None:
        try:
            await super()._get_file(rpath, lpath, *args, **kwargs)
        except OSError:
            Path(lpath).write_bytes(b"half")  # noqa: ASYNC240 - that is the defect

    async def _pipe_file(self, path: str, value: bytes, *args: Any, **kwargs: Any) -> None:
        with suppress(OSError):
            await super()._pipe_file(path, value, *args, **kwargs)


class TriesOnce(RemoteStoreFileSystem):
    """The first failure is final."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        once = Retry(1, backoff_base=0.0, jitter=0.0)
        self._backend.target = dataclasses.replace(self._backend.target, retry=once)


class Talks(RemoteStoreFileSystem):
    """Says what it was given, wherever it can."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._said = " ".join(secret_values(kwargs))

    @property
    def storage_options(self) -> dict[str, Any]:
        return {"given": self._said}

    @storage_options.setter
    def storage_options(self, value: Any) -> None:
        del value

    async def _cat_file(self, path: str, *args: Any, **kwargs: Any) -> bytes:
        logging.getLogger("unmasked").warning("given %s", self._said)
        try:
            return await super()._cat_file(path, *args, **kwargs)
        except OSError as error:
            raise OSError(f"with {self._said}") from error

    def _open(self, path: str, mode: str = "rb", *args: Any, **kwargs: Any) -> Any:
        opened = Talkative()
        opened.said = self._said
        return opened


class Talkative(io.BytesIO):
    """A file whose text form holds its filesystem's secret."""

    said = ""

    def __repr__(self) -> str:
        return f"Talkative({self.said})"


class Unconfined:
    """A root that is a prefix put before a path; everything else is this machine's."""

    def __init__(self, root: str) -> None:
        self.root = root

    def _join(self, path: str) -> str:
        return posixpath.normpath(posixpath.join(self.root, path.lstrip("/")))

    def exists(self, path: str) -> bool:
        """Whether it is there, wherever that is."""
        return Path(self._join(path)).exists()

    isfile = exists

    def find(self, path: str, **kwargs: Any) -> list[str]:
        """Everything below; a link that leads nowhere is an error."""
        found = glob.glob(self._join(path) + "/**", recursive=True)  # noqa: PTH207
        for name in found:
            Path(name).stat()
        return found

    ls = glob = find

    def rm(self, path: str, recursive: bool = False) -> None:
        """Deletes; the root is the folder above it."""
        top = Path(self._join(path)).parent if path in ("", "/") else Path(self._join(path))
        for file in sorted(top.rglob("*"), reverse=True):
            if file.is_file():
                file.unlink()


BLUNT: dict[str, type[Any]] = {
    name: kind
    for name, kind in vars().copy().items()
    if isinstance(kind, type) and getattr(kind, "__base__", None) is RemoteStoreFileSystem
}
