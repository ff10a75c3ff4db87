"""What SFTP, FTP and WebDAV share: folders on a server, where a write is not atomic."""

from __future__ import annotations

import asyncio
import io
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from remote_store_fsspec import _paths
from remote_store_fsspec.backends.base import Backend
from remote_store_fsspec.errors import (
    InvalidPathError,
    IsDirectoryError,
    ObjectExistsError,
    ObjectNotFoundError,
    StoreError,
    StoreTimeoutError,
    StoreUnavailableError,
    UnsupportedOperationError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from remote_store_fsspec.backends.base import Target

__all__ = ["FolderBackend", "room_for"]

_LONGEST_NAME = 255
"""Bytes in one element of a path on nearly every file system."""
_TIDYING_SECONDS = 5.0


def room_for(size: int) -> io.BytesIO:
    """An empty buffer that takes ``size`` bytes without growing.

    Evidence: buffers that grow piece by piece on several threads left 30 MiB of holes behind
    when 64 MiB were read 6 MiB at a time.
    """
    buffer = io.BytesIO()
    if size > 0:
        buffer.seek(size - 1)
        buffer.write(b"\0")
        buffer.seek(0)
    return buffer


class FolderBackend(Backend, ABC):
    """Writes under a temporary name beside the file, then renames.

    A temporary file that could not be removed, because the connection broke, is removed
    after the next write that succeeds.
    """

    encoding_errors = "surrogateescape"
    """How a name that is not UTF-8 on the server is spelled as text, and back."""

    def __init__(self, target: Target, *, timeout: float = 60.0) -> None:
        super().__init__(target, timeout=timeout)
        self._litter: list[str] = []

    def write_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Nothing but the hint ``content_type``, which these servers cannot keep."""
        unknown = sorted(options.keys() - {"content_type"})
        if unknown:
            raise UnsupportedOperationError(
                f"{self.kind} storage takes no write option {unknown[0]!r}",
                hint="leave it out: a file here has no such property",
            )
        return {}

    def check_name(self, key: str) -> None:
        """Refuse a key that a file system on the server cannot hold.

        Raises:
            InvalidPathError: An element is over 255 bytes, or is not text.
        """
        try:
            longest = max(len(one.encode("utf-8", self.encoding_errors)) for one in key.split("/"))
        except UnicodeEncodeError as exc:
            raise InvalidPathError("the name is not text", url=repr(key)) from exc
        if longest > _LONGEST_NAME:
            raise InvalidPathError(
                f"an element of the path is {longest} bytes long; {_LONGEST_NAME} is the most",
                url=self.display_url(key),
            )

    async def store(
        self, key: str, send: Callable[[str], Awaitable[None]], *, create: bool = False
    ) -> None:
        """Put a file under a key, whole or not at all.

        Args:
            key: The file.
            send: Writes the content under the key it is given, which is a temporary one.
            create: Refuse when something is there already.
        """
        if create and await self.exists(key):
            raise ObjectExistsError("it exists already", url=self.display_url(key))
        temporary = _paths.temporary_sibling(key)
        try:
            try:
                await send(temporary)
            except FileNotFoundError:
                await self.makedirs(_paths.parent(key))
                await send(temporary)
            await self.publish(temporary, key, create=create)
        except BaseException:
            await asyncio.shield(self._discard(temporary))
            raise
        litter, self._litter = self._litter, []
        for leftover in litter:
            await self._discard(leftover)

    async def _discard(self, key: str) -> None:
        try:
            await asyncio.wait_for(self.remove(key), min(_TIDYING_SECONDS, self.timeout))
        except Exception as exc:
            lost = (StoreUnavailableError, StoreTimeoutError)
            if isinstance(self.translate(exc, key), lost):
                self._litter.append(key)

    @abstractmethod
    async def remove(self, key: str) -> None:
        """Remove one file, without a look at what it is."""

    async def swap(
        self, source: str, target: str, rename: Callable[[str, str], Awaitable[None]]
    ) -> None:
        """Move a file over another on a server whose rename refuses to replace.

        The old file steps aside first, so for the time of one request nothing has that
        name; the old or the new content is on the server all the while, and the old one
        comes back when the new one cannot take its place.
        """
        aside = _paths.temporary_sibling(target)
        await rename(target, aside)
        try:
            await rename(source, target)
        except BaseException:
            await asyncio.shield(rename(aside, target))
            raise
        await self._discard(aside)

    async def refuse_directory(self, key: str, cause: StoreError | None = None) -> None:
        """Raise :class:`IsDirectoryError` when a directory has that name."""
        try:
            kind = (await self.info(key))["type"]
        except ObjectNotFoundError:
            return
        if kind == "directory":
            raise IsDirectoryError("it is a directory", url=self.display_url(key)) from cause
