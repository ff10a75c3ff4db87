"""WebDAV: the HTTP client of ``webdav4``, used request by request.

``webdav4`` parses and decodes names, downloads past the end of a range, deletes a whole
tree when asked for a file and takes an unreachable server for a missing file.
"""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar
from xml.etree.ElementTree import ParseError

from remote_store_fsspec import _paths
from remote_store_fsspec.backends._folders import room_for
from remote_store_fsspec.backends._webdav_client import MULTI_STATUS, WebdavClientBackend
from remote_store_fsspec.backends._webdav_http import (
    PROPERTIES,
    Member,
    Range,
    members,
    request,
)
from remote_store_fsspec.errors import (
    DirectoryNotEmptyError,
    IsDirectoryError,
    NotDirectoryError,
    ObjectExistsError,
    ObjectNotFoundError,
    StoreError,
    StoreUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    import httpx
    from fsspec.callbacks import Callback

    from remote_store_fsspec.backends.base import Info

__all__ = ["WebdavBackend"]

T = TypeVar("T")
_BLOCK = 2**18
_IN_MEMORY = 8 * 2**20
_PAUSES = (0.0, 0.02, 0.05, 0.1, 0.2)
_LOOKS = 3
_LOST_IN_DESTINATION = re.compile(r"[?;\x00-\x1f\x7f]")
"""wsgidav parses a Destination after decoding it, and would move to a name without these."""

_NOT_ALLOWED = 405
_PRECONDITION_FAILED = 412
_NOT_SATISFIABLE = 416
_NOT_FOUND = 404


class _OtherSize(StoreError):  # noqa: N818 - a reason to ask again, never shown
    """The file was replaced between the question for its size and the one for its bytes."""


class WebdavBackend(WebdavClientBackend):
    """Files below a collection of a WebDAV server.

    Most servers carry out a MOVE over an existing file as DELETE and MOVE. A reader that
    meets the moment between is told apart here from a file that is not there, by the
    temporary name beside it. Two things WebDAV cannot do in one step: a name with ``?``, ``;``
    or a control character is put in place directly, as whole as the server's PUT is; and
    ``rmdir`` deletes what somebody puts there after it was seen empty.
    """

    # -- looking --------------------------------------------------------------------------

    async def info(self, key: str) -> Info:
        return await self._unless_between(key, lambda: self._info(key))

    async def _info(self, key: str) -> Info:
        return _info_of(key, (await self._members(key, "0"))[0])

    async def _members(self, key: str, depth: str) -> list[Member]:
        headers = {"Depth": depth, "Content-Type": "application/xml"}
        answer = await self.ask("PROPFIND", key, headers, lambda: PROPERTIES)
        try:
            response = self.accept(answer, key)
            found = members(response.content, response.headers.get("Date"))
        except ParseError as exc:
            raise self.translate(exc, key) from exc
        if not found:
            raise StoreError("the answer names nothing", url=self.display_url(key))
        return found

    async def _children(self, key: str) -> list[Member]:
        """What lies in a collection, temporary names included."""
        return (await self._collection(key))[1]

    async def _collection(self, key: str) -> tuple[Member, list[Member]]:
        own, *children = await self._members(key, "1")
        if not own.is_folder:
            raise NotDirectoryError("it is not a directory", url=self.display_url(key))
        return own, [child for child in children if child.name and "/" not in child.name]

    async def ls(self, key: str, prefix: str = "") -> list[Info]:
        return [
            _info_of(_paths.join(key, child.name), child)
            for child in await self._children(key)
            if child.name.startswith(prefix) and not _paths.is_temporary(child.name)
        ]

    async def _unless_between(self, key: str, operation: Callable[[], Awaitable[T]]) -> T:
        """Do it again when the file was only missing because it was being replaced.

        As long as the file, or the one that takes its place, is another than before, a
        writer is at work, and the next look may meet the next moment between.
        """
        seen: set[object] = set()
        pauses = iter(_PAUSES)
        give_up = asyncio.get_running_loop().time() + self.timeout
        while True:
            try:
                return await operation()
            except ObjectNotFoundError:
                beside = await self._beside(key) if key else set()
                if beside - seen and asyncio.get_running_loop().time() < give_up:
                    seen |= beside
                    pauses = iter(_PAUSES)
                pause = next(pauses, None)
                if not beside or pause is None:
                    raise
            await asyncio.sleep(pause)

    async def _beside(self, key: str) -> set[object]:
        """What shows that a file is being replaced; empty when it is simply not there.

        A listing is no moment either: a temporary name in it may be gone, renamed, before
        the server describes it, so one that shows nothing in a folder that was changed just
        now is asked for again.
        """
        name = _paths.name(key)
        for _ in range(_LOOKS):
            try:
                folder, children = await self._collection(_paths.parent(key))
            except (ObjectNotFoundError, NotDirectoryError):
                return set()
            signs: set[object] = {
                (one.name, one.etag, one.mtime, one.size) if one.name == name else one.name
                for one in children
                if one.name == name or _paths.is_temporary(one.name)
            }
            if signs or not folder.changed_lately:
                return signs
        return set()

    # -- reading --------------------------------------------------------------------------

    async def read(self, key: str, start: int | None, end: int | None) -> bytes:
        part = Range.of(start, end)
        if part is not None:
            return await self._part(key, part)
        for _ in _PAUSES:
            size = await self._size(key)
            low, high = _paths.range_of(size, start, end)
            if low == high:
                return b""
            with suppress(_OtherSize):
                return await self._part(key, Range(low, high, size))
        raise StoreUnavailableError("the file keeps changing", url=self.display_url(key))

    async def _part(self, key: str, part: Range) -> bytes:
        size = part.end - max(part.start, 0) if part.end is not None else 0
        # Only a bound: a file of ten bytes may be asked for a range up to 2**60.
        content = room_for(min(size, _IN_MEMORY))

        def take(response: httpx.Response) -> bytes:
            if part.size_differs(response):
                raise _OtherSize("the file was replaced", url=self.display_url(key))
            return part.fetch(response, content)

        data = await self._unless_between(key, lambda: self._get(key, part, take, size))
        if data is None and part.size is not None:
            raise _OtherSize("the file was replaced", url=self.display_url(key))
        return data or b""

    async def _size(self, key: str) -> int:
        info = await self.info(key)
        if info["type"] == "directory":
            raise IsDirectoryError("it is a directory", url=self.display_url(key))
        return int(info["size"])

    async def _get(
        self, key: str, part: Range, take: Callable[[httpx.Response], T], size: int
    ) -> T | None:
        """Hand the streamed answer to ``take``; None when the range lies past the end."""
        url = await self.url(key)

        def get(http: httpx.Client) -> tuple[T | None, bool]:
            for _ in range(_LOOKS):
                content, surely_file, etag = once(http)
                # A server that opens a file after it has looked at its size may send the new
                # file cut at the length of the old one.
                if etag is None or etag == http.head(url).headers.get("etag", etag):
                    return content, surely_file
            raise StoreUnavailableError("the file keeps changing", url=self.display_url(key))

        def once(http: httpx.Client) -> tuple[T | None, bool, str | None]:
            headers = {"Accept-Encoding": "identity", **part.header}
            with http.stream("GET", url, headers=headers, follow_redirects=True) as response:
                if response.status_code == _NOT_SATISFIABLE:
                    return None, True, None
                response.raise_for_status()
                # A file has these; the page that shows a collection does not.
                known = {"etag", "last-modified"} & response.headers.keys()
                content = take(response)
                surely_file = bool(known) and not response.history
                return content, surely_file, response.headers.get("etag")

        content, surely_file = await self._with_retries(key, get, size)
        if not surely_file:
            await self._size(key)
        return content

    async def _with_retries(self, key: str, get: Callable[[httpx.Client], T], size: int) -> T:
        for pause in (0.2, 0.8):
            try:
                return await self.call(key, get, size)
            except StoreUnavailableError:
                await asyncio.sleep(pause)
        return await self.call(key, get, size)

    async def download(self, key: str, lpath: str, callback: Callback) -> None:
        size = await self._size(key)
        callback.set_size(size)
        with open(lpath, "wb") as out:

            def take(response: httpx.Response) -> int:
                out.seek(0)
                out.truncate()
                callback.absolute_update(0)
                for piece in response.iter_bytes(_BLOCK):
                    out.write(piece)
                    callback.relative_update(len(piece))
                return out.tell()

            await self._unless_between(key, lambda: self._get(key, Range(0, None), take, size))

    # -- writing --------------------------------------------------------------------------

    async def write(
        self, key: str, data: bytes, *, create: bool, options: Mapping[str, Any]
    ) -> None:
        headers = self._headers(options)
        await self._place(key, lambda: data, len(data), headers, create=create)

    def _headers(self, options: Mapping[str, Any]) -> dict[str, str]:
        self.write_options(options)
        content_type = options.get("content_type")
        return {"Content-Type": content_type} if content_type else {}

    async def upload(
        self,
        key: str,
        lpath: str,
        *,
        create: bool,
        options: Mapping[str, Any],
        callback: Callback,
    ) -> None:
        size = os.path.getsize(lpath)
        headers = self._headers(options)

        def content() -> Any:
            callback.absolute_update(0)
            return _blocks(lpath, callback)

        await self._place(key, content, size, headers, create=create)

    async def _place(
        self,
        key: str,
        content: Callable[[], Any],
        size: int,
        headers: Mapping[str, str],
        *,
        create: bool,
    ) -> None:
        # A body of no stated length, refused, is taken for the connection's next request.
        headers = {**headers, "Content-Length": str(size)}

        async def send(to: str, extra: Mapping[str, str] | None = None) -> None:
            answer = await self.ask("PUT", to, {**headers, **(extra or {})}, content, size=size)
            self.accept(answer, to)

        if not self._moves_to(key):
            await self._put_directly(key, send, create=create)
        else:
            await self.store(key, send, create=create)

    def _moves_to(self, key: str) -> bool:
        return _LOST_IN_DESTINATION.search(self.path(key)) is None

    async def _put_directly(
        self, key: str, send: Callable[[str, Mapping[str, str]], Awaitable[None]], *, create: bool
    ) -> None:
        if create and await self.exists(key):
            raise ObjectExistsError("it exists already", url=self.display_url(key))
        condition = {"If-None-Match": "*"} if create else {}
        try:
            try:
                await send(key, condition)
            except ObjectNotFoundError:
                await self.makedirs(_paths.parent(key))
                await send(key, condition)
        except StoreError as exc:
            if type(exc) is StoreError:
                await self.refuse_directory(key, exc)
            raise

    async def publish(self, temporary: str, key: str, *, create: bool) -> None:
        try:
            await self._transfer("MOVE", temporary, key, overwrite=False)
        except ObjectExistsError:
            if create:
                raise
            # A MOVE over a collection deletes all that is in it.
            await self.refuse_directory(key)
            await self._transfer("MOVE", temporary, key, overwrite=True)

    async def rename(self, source: str, target: str) -> None:
        await self.publish(source, target, create=False)

    async def _transfer(self, method: str, source: str, target: str, *, overwrite: bool) -> None:
        headers = {
            "Destination": await self.url(target),
            "Overwrite": "T" if overwrite else "F",
        }
        answer = await self.ask(method, source, headers)
        status = answer.response.status_code
        if answer.again and method == "MOVE" and status in (_NOT_FOUND, _PRECONDITION_FAILED):
            # The answer to the first attempt was lost: it took effect if the source is gone.
            gone = status == _NOT_FOUND or not await self.exists(source)
            if gone:
                return
        self.accept(answer, target)

    async def copy(self, source: str, target: str) -> None:
        size = await self._size(source)
        if self._moves_to(target):

            async def send(temporary: str) -> None:
                await self._transfer("COPY", source, temporary, overwrite=True)

            await self.store(target, send)
            return
        with tempfile.TemporaryDirectory(prefix="remote-store-fsspec-") as folder:
            from fsspec.callbacks import NoOpCallback

            local = os.path.join(folder, "copy")
            await self.download(source, local, NoOpCallback())
            await self._place(target, lambda: _blocks(local), size, {}, create=False)

    async def move(self, source: str, target: str) -> None:
        if not self._moves_to(target):
            await self.copy(source, target)
            await self.remove(source)
            return
        try:
            await self.rename(source, target)
        except ObjectNotFoundError:
            await self.info(source)
            await self.makedirs(_paths.parent(target))
            await self.rename(source, target)

    # -- deleting and directories ---------------------------------------------------------

    async def remove(self, key: str, slash: str = "") -> None:
        answer = await self.ask("DELETE", key, slash=slash)
        if answer.again and answer.response.status_code == _NOT_FOUND:
            return  # the first attempt took effect
        self.accept(answer, key)

    async def delete(self, key: str) -> None:
        await self.refuse_directory(key)  # a DELETE takes all that is in it
        await self.remove(key)

    async def delete_tree(self, key: str) -> None:
        if key:
            await self.remove(key, slash="/")
            return
        for child in await self._children(""):
            await self.remove(child.name, slash="/" if child.is_folder else "")

    async def rmdir(self, key: str) -> None:
        if await self._children(key):
            raise DirectoryNotEmptyError("the directory is not empty", url=self.display_url(key))
        await self.remove(key, slash="/")

    async def makedirs(self, key: str) -> None:
        await self._makedirs(self.path(key), key)

    async def _makedirs(self, path: str, key: str) -> None:
        """Make a collection, from the deepest up: mostly all but that one exist."""
        url = await self.url_of(path) + "/"
        answer = await self.call(key, lambda http: request(http, "MKCOL", url))
        try:
            self.accept(answer, key)
        except ObjectNotFoundError:
            if not path:
                raise
            await self._makedirs(_paths.parent(path), key)
            await self._makedirs(path, key)
        except StoreError as exc:
            if answer.response.status_code not in (_NOT_ALLOWED, 403):
                raise
            url = url.rstrip("/")
            headers = {"Depth": "0", "Content-Type": "application/xml"}
            there = await self.call(
                key, lambda http: request(http, "PROPFIND", url, headers, lambda: PROPERTIES)
            )
            if there.response.status_code != MULTI_STATUS:
                raise
            if not members(there.response.content)[0].is_folder:
                raise NotDirectoryError(
                    f"/{path} is not a directory", url=self.display_url(key)
                ) from exc


def _info_of(key: str, member: Member) -> Info:
    if member.is_folder:
        info: Info = {"name": key, "size": 0, "type": "directory"}
    else:
        info = {"name": key, "size": member.size, "type": "file"}
    for name, value in (
        ("mtime", member.mtime),
        ("etag", member.etag),
        ("content_type", member.content_type),
    ):
        if value is not None:
            info[name] = value
    return info


def _blocks(lpath: str, callback: Callback | None = None) -> Any:
    """A local file's content piece by piece."""
    with open(lpath, "rb") as source:
        while data := source.read(_BLOCK):
            yield data
            if callback is not None:
                callback.relative_update(len(data))
