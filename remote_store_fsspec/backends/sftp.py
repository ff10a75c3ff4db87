"""SFTP: ``sshfs``'s connection, used request by request.

``sshfs`` reads whole files for a range, makes every parent folder on every write, is
never the same after a lost session and does not check host keys unless told to. Its
connection and its pool of channels are what is used of it here.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from remote_store_fsspec import _paths
from remote_store_fsspec.backends._folders import room_for
from remote_store_fsspec.backends._ssh import (
    SSHBackend,
    block_size,
    close_later,
    info_of,
    is_directory,
    is_link,
)
from remote_store_fsspec.backends.base import CHUNK, gather
from remote_store_fsspec.errors import (
    AccessDeniedError,
    DirectoryNotEmptyError,
    InvalidPathError,
    IsDirectoryError,
    NotDirectoryError,
    ObjectExistsError,
    ObjectNotFoundError,
    RemoteStoreError,
    StoreError,
    StoreUnavailableError,
    UnsupportedOperationError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from fsspec.callbacks import Callback

    from remote_store_fsspec.backends.base import Info

__all__ = ["SftpBackend"]

_PIPELINE = 16
"""Reads or writes of one file under way at once."""
_SERVER_COPY = 64 * 2**20
"""Bytes one copy request covers: the server answers nothing else on that channel meanwhile."""


class SftpBackend(SSHBackend):
    """Files below a folder of an SSH server; a relative folder counts from the user's home."""

    # -- looking --------------------------------------------------------------------------

    async def info(self, key: str) -> Info:
        path = self.path(key)
        attributes = await self.ask(key, lambda channel: channel.stat(path))
        return info_of(key, attributes)

    async def ls(self, key: str, prefix: str = "") -> list[Info]:
        return [info for info, _ in await self._entries(key, prefix)]

    async def _entries(self, key: str, prefix: str = "") -> list[tuple[Info, bool]]:
        """What lies in a directory, and of each whether it is a symbolic link."""
        found: list[tuple[Info, bool]] = []
        links: list[str] = []
        for name, attributes in await self._names(key):
            if not name.startswith(prefix) or _paths.is_temporary(name):
                continue
            child = _paths.join(key, name)
            if is_link(attributes):
                links.append(child)
            else:
                found.append((info_of(child, attributes), False))
        targets = await gather([self._behind(link) for link in links])
        return found + [(target, True) for target in targets if target is not None]

    async def _names(self, key: str) -> list[tuple[str, Any]]:
        path = self.path(key)
        try:
            names = await self.ask(key, lambda channel: channel.readdir(path))
        except ObjectNotFoundError as exc:
            # OpenSSH says "no such file" for a file that is listed as a directory, too.
            if (await self.info(key))["type"] != "directory":
                url = self.display_url(key)
                raise NotDirectoryError("it is not a directory", url=url) from exc
            raise
        return [
            (entry.filename, entry.attrs)
            for entry in names
            if entry.filename not in ("", ".", "..") and "/" not in entry.filename
        ]

    async def _behind(self, link: str) -> Info | None:
        """What a symbolic link leads to; None when it leads nowhere."""
        try:
            return await self.info(link)
        except (ObjectNotFoundError, AccessDeniedError, InvalidPathError):
            return None

    async def find(self, key: str, prefix: str = "") -> dict[str, Info]:
        found: dict[str, Info] = {}
        level: list[tuple[str, str, frozenset[str]]] = [(key, prefix, frozenset())]
        while level:
            listings = await gather([self._below(*directory) for directory in level])
            level = []
            for infos, deeper in listings:
                found.update((info["name"], info) for info in infos)
                level += deeper
        return found

    async def _below(
        self, key: str, prefix: str, passed: frozenset[str]
    ) -> tuple[list[Info], list[tuple[str, str, frozenset[str]]]]:
        """One directory of a walk, and where to go on; a link is not followed in circles."""
        try:
            entries = await self._entries(key, prefix)
        except FileNotFoundError:
            return [], []  # removed while the walk was under way
        deeper = []
        for info, linked in entries:
            if info["type"] != "directory":
                continue
            seen = passed
            if linked:
                real = await self._real_path(info["name"])
                if real in passed:
                    continue
                seen = passed | {real}
            deeper.append((info["name"], "", seen))
        return [info for info, _ in entries], deeper

    async def _real_path(self, key: str) -> str:
        path = self.path(key)
        real: str = await self.ask(key, lambda channel: channel.realpath(path))
        return real

    # -- reading --------------------------------------------------------------------------

    @asynccontextmanager
    async def _file(self, key: str, mode: str) -> AsyncIterator[tuple[Any, Any]]:
        """A channel and a file opened on it; closing it waits only when all went well."""
        path = self.path(key)
        try:
            async with self.channel() as channel:
                file = await self.step(channel.open(path, mode, encoding=None, block_size=0))
                try:
                    yield channel, file
                except BaseException:
                    close_later(file)
                    raise
                await self.step(file.close())
        except RemoteStoreError:
            raise
        except Exception as exc:
            raise self.translate(exc, key) from exc

    async def _size(self, key: str, file: Any) -> int:
        attributes = await self.step(file.stat())
        if info_of(key, attributes)["type"] == "directory":
            raise IsDirectoryError("it is a directory", url=self.display_url(key))
        return int(attributes.size or 0)

    async def read(self, key: str, start: int | None, end: int | None) -> bytes:
        async with self._file(key, "rb") as (channel, file):
            low, high = _paths.range_of(await self._size(key, file), start, end)
            return await self._read(key, channel, file, low, high)

    async def _read(self, key: str, channel: Any, file: Any, low: int, high: int) -> bytes:
        """Bytes ``[low, high)`` in blocks as large as the server gives, several at a time."""
        block = block_size(channel.limits.max_read_len)

        data = room_for(high - low)

        async def fetch(at: int) -> int:
            got, want = 0, min(block, high - at)
            while got < want:
                piece = await self.step(file.read(want - got, at + got), want - got)
                if not piece:
                    break
                data.seek(at + got - low)
                data.write(piece)
                got += len(piece)
            return got

        arrived = sum(await gather([fetch(at) for at in range(low, high, block)], _PIPELINE))
        if arrived != high - low:
            raise StoreUnavailableError(
                f"{arrived} of {high - low} bytes arrived", url=self.display_url(key)
            )
        return data.getvalue()

    async def download(self, key: str, lpath: str, callback: Callback) -> None:
        async with self._file(key, "rb") as (channel, file):
            size = await self._size(key, file)
            callback.set_size(size)
            with open(lpath, "wb") as out:
                for low in range(0, size, CHUNK):
                    data = await self._read(key, channel, file, low, min(low + CHUNK, size))
                    out.write(data)
                    callback.relative_update(len(data))

    # -- writing --------------------------------------------------------------------------

    async def write(
        self, key: str, data: bytes, *, create: bool, options: Mapping[str, Any]
    ) -> None:
        self.write_options(options)

        async def send(temporary: str) -> None:
            async with self._file(temporary, "wb") as (channel, file):
                await self._write(channel, file, data, 0)

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

        async def send(temporary: str) -> None:
            async with self._file(temporary, "wb") as (channel, file):
                at = 0
                with open(lpath, "rb") as source:
                    while data := source.read(CHUNK):
                        await self._write(channel, file, data, at)
                        at += len(data)
                        callback.relative_update(len(data))

        await self.store(key, send, create=create)

    async def _write(self, channel: Any, file: Any, data: bytes, offset: int) -> None:
        block = block_size(channel.limits.max_write_len)

        async def send(at: int) -> None:
            piece = data[at : at + block]
            await self.step(file.write(piece, offset + at), len(piece))

        await gather([send(at) for at in range(0, len(data), block)], _PIPELINE)

    async def publish(self, temporary: str, key: str, *, create: bool) -> None:
        if not create:
            await self.rename(temporary, key)
            return
        try:
            await self._plain_rename(temporary, key)
        except StoreError as exc:
            if type(exc) is StoreError and await self.exists(key):
                url = self.display_url(key)
                raise ObjectExistsError("it exists already", url=url) from exc
            raise

    async def _plain_rename(self, source: str, target: str) -> None:
        """SFTP's first rename, which refuses to replace."""
        old, new = self.path(source), self.path(target)
        await self.ask(target, lambda channel: channel.rename(old, new))

    async def rename(self, source: str, target: str) -> None:
        """Move a file over another in one step.

        A server without OpenSSH's ``posix-rename`` has no such step: the old file is moved
        aside first, see :meth:`swap`.
        """
        old, new = self.path(source), self.path(target)
        try:
            await self.ask(target, lambda channel: channel.posix_rename(old, new))
        except UnsupportedOperationError:
            await self._rename_in_steps(source, target)
        except StoreError as exc:
            if type(exc) is StoreError:
                await self.refuse_directory(target, exc)
            raise

    async def _rename_in_steps(self, source: str, target: str) -> None:
        try:
            await self._plain_rename(source, target)
        except StoreError as exc:
            if type(exc) is not StoreError and not isinstance(exc, ObjectExistsError):
                raise
            await self.refuse_directory(target, exc)
            if not await self.exists(target):
                raise
            await self.swap(source, target, self._plain_rename)

    async def copy(self, source: str, target: str) -> None:
        async with self._file(source, "rb") as (channel, file):
            size = await self._size(source, file)

            async def send(temporary: str) -> None:
                if not channel.supports_remote_copy:
                    await self._copy_through(source, channel, file, size, temporary)
                    return
                # Both files are open on one channel: handles mean nothing on another.
                path = self.path(temporary)
                try:
                    out = await self.step(channel.open(path, "wb", encoding=None, block_size=0))
                except Exception as exc:
                    raise self.translate(exc, temporary) from exc
                try:
                    for at in range(0, size, _SERVER_COPY):
                        count = min(_SERVER_COPY, size - at)
                        await self.step(channel.remote_copy(file, out, at, count, at), count)
                except BaseException:
                    close_later(out)
                    raise
                await self.step(out.close())

            await self.store(target, send)

    async def _copy_through(
        self, source: str, channel: Any, file: Any, size: int, temporary: str
    ) -> None:
        """Copy by way of this machine, for servers before OpenSSH 9."""
        async with self._file(temporary, "wb") as (to_channel, out):
            for low in range(0, size, CHUNK):
                data = await self._read(source, channel, file, low, min(low + CHUNK, size))
                await self._write(to_channel, out, data, low)

    async def move(self, source: str, target: str) -> None:
        try:
            await self.rename(source, target)
        except ObjectNotFoundError:
            await self.info(source)
            await self.makedirs(_paths.parent(target))
            await self.rename(source, target)
        except StoreError as exc:
            if type(exc) is not StoreError:
                raise
            # A rename fails between two disks of the server; a copy does not.
            await self.copy(source, target)
            await self.remove(source)

    # -- deleting and directories ---------------------------------------------------------

    async def remove(self, key: str) -> None:
        path = self.path(key)
        await self.ask(key, lambda channel: channel.remove(path))

    async def delete(self, key: str) -> None:
        try:
            await self.remove(key)
        except StoreError as exc:
            # Linux fails in general on a directory, other systems refuse access.
            if type(exc) is StoreError or isinstance(exc, AccessDeniedError):
                await self.refuse_directory(key, exc)
            raise

    async def delete_tree(self, key: str) -> None:
        path = self.path(key)
        if key and is_link(await self.ask(key, lambda channel: channel.lstat(path))):
            await self.remove(key)  # never what it leads to
            return
        directories, level = [key], [key]
        while level:
            deeper: list[str] = []
            for directory, names in zip(
                level, await gather([self._names_or_none(one) for one in level]), strict=True
            ):
                files: list[str] = []
                for name, attributes in names:
                    child = _paths.join(directory, name)
                    (deeper if is_directory(attributes) else files).append(child)
                await self.delete_many(files, missing_ok=True)
            directories += deeper
            level = deeper
        by_depth: dict[int, list[str]] = {}
        for directory in directories:
            if directory:
                by_depth.setdefault(directory.count("/"), []).append(directory)
        for depth in sorted(by_depth, reverse=True):
            await gather([self._rmdir_or_miss(directory) for directory in by_depth[depth]])

    async def _names_or_none(self, key: str) -> list[tuple[str, Any]]:
        try:
            return await self._names(key)
        except ObjectNotFoundError:
            return []

    async def _rmdir_or_miss(self, key: str) -> None:
        try:
            await self.rmdir(key)
        except ObjectNotFoundError:
            return

    async def rmdir(self, key: str) -> None:
        path = self.path(key)
        try:
            await self.ask(key, lambda channel: channel.rmdir(path))
        except StoreError as exc:
            url = self.display_url(key)
            if isinstance(exc, ObjectNotFoundError):
                await self.info(key)
                raise NotDirectoryError("it is not a directory", url=url) from exc
            if type(exc) is StoreError and await self._names(key):
                raise DirectoryNotEmptyError("the directory is not empty", url=url) from exc
            raise

    async def makedirs(self, key: str) -> None:
        await self._makedirs(self.path(key), key)

    async def _makedirs(self, path: str, key: str) -> None:
        """Make a directory, from the deepest up: mostly all but that one exist."""
        try:
            await self.ask(key, lambda channel: channel.mkdir(path))
        except ObjectNotFoundError:
            above = path.rstrip("/").rpartition("/")[0] or ("/" if path.startswith("/") else "")
            if not above or above == path:
                raise
            await self._makedirs(above, key)
            await self._makedirs(path, key)
        except StoreError as exc:
            if not isinstance(exc, (AccessDeniedError, ObjectExistsError)) and (
                type(exc) is not StoreError
            ):
                raise
            try:
                attributes = await self.ask(key, lambda channel: channel.stat(path))
            except ObjectNotFoundError:
                raise exc from exc.__cause__
            if not is_directory(attributes):
                url = self.display_url(key)
                raise NotDirectoryError(f"{path} is not a directory", url=url) from exc
