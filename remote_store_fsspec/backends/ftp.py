"""FTP: the connection of fsspec's ``FTPFileSystem``, used command by command.

That filesystem is not thread-safe, is never the same after a lost connection, takes a
refused listing for a missing file and replaces files in place. FTP itself answers 550 to
a missing file and to a refused one alike, so the folder above is asked which it was.

It is past 500 lines because it says for each operation what servers with and without MLSD do.
"""

from __future__ import annotations

import asyncio
import io
import os
import tempfile
import time
import weakref
from ftplib import error_perm, error_proto, error_reply, error_temp
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from remote_store_fsspec import _paths
from remote_store_fsspec.backends._folders import FolderBackend
from remote_store_fsspec.backends._ftp_commands import (
    Facts,
    info_of,
    list_folder,
    look_at,
    reply_code,
    retrieve,
    speaks_mlst,
)
from remote_store_fsspec.errors import (
    AccessDeniedError,
    ConfigError,
    DirectoryNotEmptyError,
    InvalidPathError,
    IsDirectoryError,
    NotDirectoryError,
    ObjectExistsError,
    ObjectNotFoundError,
    StoreError,
    StoreTimeoutError,
    StoreUnavailableError,
    UnsupportedOperationError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from ftplib import FTP

    from fsspec import AbstractFileSystem
    from fsspec.callbacks import Callback

    from remote_store_fsspec.backends.base import Info, Target

__all__ = ["FtpBackend"]

T = TypeVar("T")
_BLOCK = 2**16
_IN_MEMORY = 8 * 2**20
_CHANGES = 5
"""Times that a file may be replaced while a range at its end is read."""
_REPLIES: Mapping[str, type[StoreError]] = {
    "421": StoreUnavailableError,
    "425": StoreUnavailableError,
    "426": StoreUnavailableError,
    "430": AccessDeniedError,
    "500": UnsupportedOperationError,
    "502": UnsupportedOperationError,
    "504": UnsupportedOperationError,
    "530": AccessDeniedError,
    "532": AccessDeniedError,
    "533": AccessDeniedError,
    "534": AccessDeniedError,
}
_AMBIGUOUS = frozenset({"450", "451", "501", "521", "550", "551", "553", "554"})
"""Replies that one server gives for a missing file and another for a refused one."""


class FtpBackend(FolderBackend):
    """Files below a folder of an FTP server, over one connection, one operation at a time.

    ``mode="create"`` looks before it renames, as FTP has no rename that refuses to replace:
    of two processes that create the same file in the same instant, both may succeed.
    """

    kind = "ftp"
    reconnects = True
    thread_limit = 1
    encoding_errors = "strict"

    def __init__(self, target: Target, *, timeout: float = 60.0) -> None:
        super().__init__(target, timeout=timeout)
        self._turn = asyncio.Lock()
        self._turn_of = os.getpid()
        self._answered = 0.0

    # -- opening --------------------------------------------------------------------------

    def options(self) -> dict[str, Any]:
        given = dict(self.target.options)
        if given.pop("use_listings_cache", False):
            raise ConfigError(
                "use_listings_cache: a listing cache would hide what other processes write; "
                "leave it out",
                field="use_listings_cache",
            )
        return {"timeout": min(30.0, self.timeout), **given, "use_listings_cache": False}

    def open_inner(self) -> AbstractFileSystem:
        from fsspec.implementations.ftp import FTPFileSystem

        inner = FTPFileSystem(skip_instance_cache=True, **self.options())
        weakref.finalize(inner, inner.ftp.close)
        inner.ftp.voidcmd("TYPE I")
        inner.mlst = speaks_mlst(inner.ftp)
        return inner

    async def close_inner(self, inner: AbstractFileSystem) -> None:
        connection: Any = inner
        connection.ftp.close()

    # -- one operation at a time ----------------------------------------------------------

    async def perform(
        self,
        operation: Callable[[], Awaitable[T]],
        *,
        key: str,
        size: int | None = 0,
        gone_is_done: T | None = None,
        once: bool = False,
    ) -> T:
        turn = await self._take_turn(key)
        try:
            return await super().perform(
                operation, key=key, size=size, gone_is_done=gone_is_done, once=once
            )
        finally:
            turn.release()

    async def _take_turn(self, key: str) -> asyncio.Lock:
        """Wait for the connection as long as the server keeps answering others.

        An operation's deadline counts from its turn, or a long queue would time out behind
        a server that is well.
        """
        if self._turn_of != os.getpid():
            self._turn, self._turn_of = asyncio.Lock(), os.getpid()
        turn, since = self._turn, time.monotonic()
        while True:
            left = max(since, self._answered) + self.timeout - time.monotonic()
            try:
                await asyncio.wait_for(turn.acquire(), left)
            except asyncio.TimeoutError:
                if max(since, self._answered) + self.timeout > time.monotonic():
                    continue
                raise StoreTimeoutError(
                    "the store did not answer the calls before this one in time",
                    url=self.display_url(key),
                    hint="check that it is up and reachable, or raise the timeout",
                ) from None
            return turn

    async def call(self, key: str, commands: Callable[[FTP], T], size: int = 0) -> T:
        """Run commands on the connection's own thread; their failure is one of our errors."""
        inner: Any = await self.inner()
        if inner.ftp.sock is None:
            await self.forget_connection()
            inner = await self.inner()

        def run() -> T:
            try:
                result = commands(inner.ftp)
            except (error_perm, error_temp):
                raise  # a whole reply: the conversation goes on
            except BaseException:
                inner.ftp.close()  # the reply still to come would answer the next command
                raise
            return result

        try:
            result = await self.step(self._threads.run(run), size)
        except Exception as exc:
            error = self.translate(exc, key)
            if error is exc:
                raise
            raise error from exc
        self._answered = time.monotonic()
        return result

    # -- names and errors -----------------------------------------------------------------

    def path(self, key: str) -> str:
        self.check_name(key)
        path = "/" + _paths.join(self.target.base.strip("/"), key)
        if "\n" in path or "\r" in path:
            raise InvalidPathError(
                "FTP cannot name a file with a line break", url=self.display_url(key)
            )
        return path

    def classify(self, exc: BaseException) -> type[StoreError] | None:
        if isinstance(exc, (error_proto, error_reply)):
            return StoreUnavailableError
        return _REPLIES.get(reply_code(exc))

    def describe(self, exc: BaseException) -> str:
        code = reply_code(exc)
        return f"FTP reply {code}" if code else super().describe(exc)

    async def _complain(self, key: str, error: StoreError, wanted: str = "") -> NoReturn:
        """Raise what a reply means that is given to missing and to refused files alike.

        Args:
            key: The file or directory.
            error: What was raised for the reply.
            wanted: What it should have been, ``file`` or ``dir``; anything by default.
        """
        if not _is_ambiguous(error):
            raise error
        url = self.display_url(key)
        facts = await self._entry(self.path(key), key)
        if facts is None:
            raise ObjectNotFoundError("no such file or directory", url=url) from error
        if wanted == "file" and facts["type"] == "dir":
            raise IsDirectoryError("it is a directory", url=url) from error
        if wanted == "dir" and facts["type"] != "dir":
            raise NotDirectoryError("it is not a directory", url=url) from error
        raise self._refused(key, error) from error

    def _refused(self, key: str, error: StoreError) -> AccessDeniedError:
        return AccessDeniedError(
            f"the store refused: {self.describe(error.__cause__ or error)}",
            url=self.display_url(key),
            hint="check what this user may do there, and the space left",
        )

    async def _entry(self, path: str, key: str) -> Facts | None:
        """The facts of a path as the folder above lists it; None when it is not there.

        Raises:
            AccessDeniedError: That folder exists and may not be listed.
        """
        if path == "/":
            return {"type": "dir"}
        folder, _, name = path.rpartition("/")
        try:
            return (await self._list(folder or "/", key)).get(name)
        except StoreError as exc:
            if not _is_ambiguous(exc):
                raise
            above = await self._entry(folder or "/", key)
            if above is None or above["type"] != "dir":
                return None
            raise self._refused(_paths.parent(key), exc) from exc

    async def _is_folder(self, path: str, key: str) -> bool:
        return (await self._entry(path, key) or {}).get("type") == "dir"

    # -- looking --------------------------------------------------------------------------

    async def info(self, key: str) -> Info:
        path = self.path(key)
        inner: Any = await self.inner()
        try:
            facts = await self.call(key, lambda ftp: look_at(ftp, path, mlst=inner.mlst))
        except StoreError as exc:
            await self._complain(key, exc)
        return info_of(key, facts)

    async def ls(self, key: str, prefix: str = "") -> list[Info]:
        try:
            entries = await self._list(self.path(key), key)
        except StoreError as exc:
            await self._complain(key, exc, "dir")
        return [
            info_of(_paths.join(key, name), facts)
            for name, facts in entries.items()
            if name.startswith(prefix) and not _paths.is_temporary(name)
        ]

    async def _list(self, path: str, key: str) -> dict[str, Facts]:
        """What lies in a folder, temporary names included."""
        inner: Any = await self.inner()
        return await self.call(key, lambda ftp: list_folder(ftp, path, mlst=inner.mlst))

    # -- reading --------------------------------------------------------------------------

    async def _size(self, key: str) -> int:
        path = self.path(key)
        try:
            return await self.call(key, lambda ftp: ftp.size(path) or 0)
        except StoreError as exc:
            await self._complain(key, exc, "file")

    async def read(self, key: str, start: int | None, end: int | None) -> bytes:
        low = start or 0
        if low >= 0 and (end is None or end > low):
            return await self._part(key, low, end)
        for _ in range(_CHANGES):
            size = await self._size(key)
            low, high = _paths.range_of(size, start, end)
            data = await self._part(key, low, high) if low < high else b""
            # Replaced in between, it would be a part of the new file counted on the old one.
            if low == high or await self._size(key) == size:
                return data
        raise StoreUnavailableError("the file keeps changing", url=self.display_url(key))

    async def _part(self, key: str, low: int, high: int | None) -> bytes:
        data = io.BytesIO()
        try:
            await self._retrieve(key, low, high, data.write, (high or low) - low)
        except AccessDeniedError:
            # What servers answer to a start beyond the end as well.
            if low and await self._size(key) <= low:
                return b""
            raise
        return data.getvalue()

    async def _retrieve(
        self, key: str, low: int, high: int | None, take: Callable[[bytes], object], size: int
    ) -> None:
        path = self.path(key)
        try:
            await self.call(key, lambda ftp: retrieve(ftp, path, low, high, take), size)
        except StoreError as exc:
            await self._complain(key, exc, "file")

    async def download(self, key: str, lpath: str, callback: Callback) -> None:
        size = await self._size(key)
        callback.set_size(size)
        with open(lpath, "wb") as out:

            def take(data: bytes) -> None:
                out.write(data)
                callback.relative_update(len(data))

            await self._retrieve(key, 0, None, take, size)

    # -- writing --------------------------------------------------------------------------

    async def write(
        self, key: str, data: bytes, *, create: bool, options: Mapping[str, Any]
    ) -> None:
        self.write_options(options)

        async def send(temporary: str) -> None:
            await self._put(temporary, io.BytesIO(data), len(data))

        await self.store(key, send, create=create)

    async def upload(
        self,
        key: str,
        lpath: str,
        *,
        create: bool,
        options: Mapping[str, Any],
        callback: Callback,
    ) -> None:
        self.write_options(options)
        size = os.path.getsize(lpath)

        async def send(temporary: str) -> None:
            with open(lpath, "rb") as source:
                await self._put(temporary, source, size, callback)

        await self.store(key, send, create=create)

    async def _put(
        self, key: str, source: Any, size: int, callback: Callback | None = None
    ) -> None:
        path = self.path(key)

        def progress(data: bytes) -> None:
            if callback is not None:
                callback.relative_update(len(data))

        def store(ftp: FTP) -> None:
            ftp.storbinary(f"STOR {path}", source, _BLOCK, progress)

        try:
            await self.call(key, store, size)
        except StoreError as exc:
            await self._complain_of_place(key, exc)

    async def _complain_of_place(self, key: str, error: StoreError) -> NoReturn:
        """Raise why nothing could be put there: there is no such folder, or it is refused."""
        if not _is_ambiguous(error):
            raise error
        folder = _paths.parent(key)
        if not await self._is_folder(self.path(folder), key):
            url = self.display_url(folder)
            raise ObjectNotFoundError("no such directory", url=url) from error
        raise self._refused(key, error) from error

    async def publish(self, temporary: str, key: str, *, create: bool) -> None:
        if create and await self.exists(key):
            raise ObjectExistsError("it exists already", url=self.display_url(key))
        await self._rename_over(temporary, key)

    async def _rename_over(self, source: str, target: str) -> None:
        try:
            await self.rename(source, target)
        except AccessDeniedError as exc:
            facts = await self._entry(self.path(target), target)
            if facts is None:
                raise
            if facts["type"] == "dir":
                url = self.display_url(target)
                raise IsDirectoryError("it is a directory", url=url) from exc
            # Servers on Windows refuse to rename over a file.
            await self.swap(source, target, self.rename)

    async def rename(self, source: str, target: str) -> None:
        old, new = self.path(source), self.path(target)
        try:
            await self.call(target, lambda ftp: ftp.rename(old, new))
        except StoreError as exc:
            if _is_ambiguous(exc) and await self._entry(old, source) is None:
                url = self.display_url(source)
                raise ObjectNotFoundError("no such file or directory", url=url) from exc
            await self._complain_of_place(target, exc)

    async def copy(self, source: str, target: str) -> None:
        """Copy by way of this machine: FTP has no copy, and one connection cannot do both."""
        size = await self._size(source)
        with tempfile.SpooledTemporaryFile(_IN_MEMORY, prefix="remote-store-fsspec-") as spool:
            await self._retrieve(source, 0, None, spool.write, size)

            async def send(temporary: str) -> None:
                spool.seek(0)
                await self._put(temporary, spool, size)

            await self.store(target, send)

    async def move(self, source: str, target: str) -> None:
        try:
            await self._rename_over(source, target)
        except ObjectNotFoundError:
            await self.info(source)
            await self.makedirs(_paths.parent(target))
            await self.rename(source, target)

    # -- deleting and directories ---------------------------------------------------------

    async def remove(self, key: str) -> None:
        path = self.path(key)
        await self.call(key, lambda ftp: ftp.delete(path))

    async def delete(self, key: str) -> None:
        try:
            await self.remove(key)
        except StoreError as exc:
            await self._complain(key, exc, "file")

    async def delete_tree(self, key: str) -> None:
        try:
            entries = await self._list(self.path(key), key)
        except StoreError as exc:
            await self._complain(key, exc, "dir")
        for name, facts in entries.items():
            child = _paths.join(key, name)
            try:
                await (self.delete_tree(child) if facts["type"] == "dir" else self.delete(child))
            except ObjectNotFoundError:
                continue  # somebody else was faster
        if key:
            await self.rmdir(key)

    async def rmdir(self, key: str) -> None:
        path = self.path(key)
        try:
            await self.call(key, lambda ftp: ftp.rmd(path))
        except StoreError as exc:
            stands = _is_ambiguous(exc) and await self._is_folder(path, key)
            if stands and await self._list(path, key):
                url = self.display_url(key)
                raise DirectoryNotEmptyError("the directory is not empty", url=url) from exc
            await self._complain(key, exc, "dir")

    async def makedirs(self, key: str) -> None:
        await self._makedirs(self.path(key), key)

    async def _makedirs(self, path: str, key: str) -> None:
        """Make a directory, from the deepest up: mostly all but that one exist."""
        try:
            await self.call(key, lambda ftp: ftp.mkd(path))
        except StoreError as exc:
            if not _is_ambiguous(exc):
                raise
            facts = await self._entry(path, key)
            if facts is not None and facts["type"] == "dir":
                return
            if facts is not None:
                url = self.display_url(key)
                raise NotDirectoryError(f"{path} is not a directory", url=url) from exc
            folder = path.rpartition("/")[0] or "/"
            if await self._is_folder(folder, key):
                raise self._refused(key, exc) from exc
            await self._makedirs(folder, key)
            await self._makedirs(path, key)


def _is_ambiguous(error: StoreError) -> bool:
    return reply_code(error.__cause__) in _AMBIGUOUS
