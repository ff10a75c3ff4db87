"""Finding out what is there: info, listings, walks, times and signed URLs."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from remote_store_fsspec._filesystem.blocking import run
from remote_store_fsspec._filesystem.rooted import RootedFileSystem, refuse
from remote_store_fsspec.errors import (
    NotDirectoryError,
    ObjectNotFoundError,
    UnsupportedOperationError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from remote_store_fsspec.backends.base import Info

__all__ = ["Looking"]


class Looking(RootedFileSystem):
    """The part of the filesystem that asks and changes nothing."""

    async def _info(self, path: str, **kwargs: Any) -> Info:
        refuse(kwargs, "info")
        key = self._strip_protocol(path)
        if not key:
            return {"name": "", "size": 0, "type": "directory"}
        return await self._do(lambda: self._backend.info(key), key)

    async def _exists(self, path: str, **kwargs: Any) -> bool:
        try:
            await self._info(path, **kwargs)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    async def _isfile(self, path: str) -> bool:
        return await self._type(path) == "file"

    async def _isdir(self, path: str) -> bool:
        return await self._type(path) == "directory"

    async def _type(self, path: str) -> str | None:
        try:
            return str((await self._info(path))["type"])
        except (FileNotFoundError, NotADirectoryError):
            return None

    async def _ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        kwargs.pop("refresh", None)  # every listing is fresh
        refuse(kwargs, "ls")
        key = self._strip_protocol(path)
        entries = await self._listing(key)
        entries.sort(key=lambda entry: str(entry["name"]))
        return entries if detail else [entry["name"] for entry in entries]

    async def _listing(self, key: str) -> list[Info]:
        try:
            entries = await self._do(lambda: self._backend.ls(key), key, None)
        except NotDirectoryError:
            return [await self._info(key)]
        except ObjectNotFoundError:
            if not key:
                return []  # a root that nobody wrote to yet
            info = await self._info(key)  # raises when there is no file either
            return [info]
        if not entries and key:
            info = await self._info(key)
            return [info] if info["type"] == "file" else []
        return entries

    async def _walk(
        self,
        path: str,
        maxdepth: int | None = None,
        topdown: bool = True,
        on_error: str | Callable[[OSError], Any] = "omit",
        **kwargs: Any,
    ) -> AsyncIterator[tuple[str, Any, Any]]:
        # fsspec's own "omit" hides a refused credential as an empty folder; here it hides
        # only what is not there.
        failures: list[OSError] = []

        def note(exc: OSError) -> None:
            if callable(on_error):
                on_error(exc)
            elif not isinstance(exc, FileNotFoundError):
                failures.append(exc)

        handler: Any = "raise" if on_error == "raise" else note
        if not topdown:
            kwargs["topdown"] = False  # older versions of fsspec do not know it
        async for step in super()._walk(path, maxdepth=maxdepth, on_error=handler, **kwargs):
            if failures:
                raise failures[0]
            yield step
        if failures:
            raise failures[0]

    async def _find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        *,
        detail: bool = False,
        prefix: str = "",
        **kwargs: Any,
    ) -> Any:
        refuse(kwargs, "find")
        if maxdepth is not None and maxdepth < 1:
            raise ValueError("maxdepth must be at least 1")
        key = self._strip_protocol(path)
        if "/" in prefix:
            raise ValueError("prefix is the start of a name and cannot hold '/'")
        found = await self._found(key, maxdepth, prefix)
        if not found and key and not prefix:
            info = await self._info_or_none(key)
            if info is not None and info["type"] == "file":
                found = {key: info}
        if withdirs and not prefix and key and key not in found:
            # What holds something is a directory: asking would cost two requests more.
            known = {"name": key, "size": 0, "type": "directory"} if found else None
            info = known or await self._info_or_none(key)
            if info is not None:
                found[key] = info
        wanted = {
            name: info
            for name, info in sorted(found.items())
            if withdirs or info["type"] != "directory"
        }
        return wanted if detail else list(wanted)

    async def _found(self, key: str, maxdepth: int | None, prefix: str) -> dict[str, Info]:
        """What is below a directory; nothing when it is missing or a file."""
        try:
            if maxdepth == 1:
                entries = await self._do(lambda: self._backend.ls(key, prefix), key, None)
                return {entry["name"]: entry for entry in entries}
            found = await self._do(lambda: self._backend.find(key, prefix), key, None)
        except (ObjectNotFoundError, NotDirectoryError):
            return {}
        if maxdepth is None:
            return found
        depth = key.count("/") + maxdepth - (0 if key else 1)
        return {name: info for name, info in found.items() if name.count("/") <= depth}

    async def _info_or_none(self, key: str) -> Info | None:
        try:
            return await self._info(key)
        except (FileNotFoundError, NotADirectoryError):
            return None

    async def _du(
        self,
        path: str,
        total: bool = True,
        maxdepth: int | None = None,
        withdirs: bool = False,
        **kwargs: Any,
    ) -> Any:
        found = await self._find(path, maxdepth=maxdepth, withdirs=withdirs, detail=True, **kwargs)
        sizes = {name: info["size"] for name, info in found.items()}
        return sum(sizes.values()) if total else sizes

    async def _modified(self, path: str) -> datetime:
        info = await self._info(path)
        if "mtime" not in info:
            raise UnsupportedOperationError(
                f"{self._backend.kind} storage keeps no modification time here",
                url=self.display_url(path),
            )
        return datetime.fromtimestamp(info["mtime"], tz=timezone.utc)

    def created(self, path: str) -> datetime:
        """When the file was last written: most stores keep no other time."""
        moment: datetime = self.modified(path)
        return moment

    def sign(self, path: str, expiration: int = 100, **kwargs: Any) -> str:
        """A URL that gives whoever holds it the file, for ``expiration`` seconds.

        Args:
            path: The file; whether it exists is not checked.
            expiration: Seconds until the URL stops working.
            **kwargs: ``content_type`` and ``filename`` of the response.

        Raises:
            UnsupportedOperationError: The storage has no signed URLs, or the credential
                in use cannot sign.
        """
        url: str = run(self, self._sign, path, expiration, **kwargs)
        return url

    async def _sign(self, path: str, expiration: int = 100, **kwargs: Any) -> str:
        unknown = set(kwargs) - {"content_type", "filename"}
        if unknown:
            raise TypeError(f"sign takes content_type and filename, not {sorted(unknown)}")
        key = self._strip_protocol(path)
        return await self._do(lambda: self._backend.sign(key, int(expiration), kwargs), key)
