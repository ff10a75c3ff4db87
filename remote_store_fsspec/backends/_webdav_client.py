"""The HTTP client of :mod:`~remote_store_fsspec.backends.webdav`: how it opens, asks and fails."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, TypeVar
from xml.etree.ElementTree import ParseError

from remote_store_fsspec import _paths
from remote_store_fsspec.backends._folders import FolderBackend
from remote_store_fsspec.backends._webdav_http import Answer, members, quoted, request
from remote_store_fsspec.errors import (
    AccessDeniedError,
    ConfigError,
    InvalidPathError,
    MissingExtraError,
    ObjectExistsError,
    ObjectNotFoundError,
    RemoteStoreError,
    StoreError,
    StoreTimeoutError,
    StoreUnavailableError,
    UnsupportedOperationError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import httpx
    from fsspec import AbstractFileSystem

__all__ = ["MULTI_STATUS", "WebdavClientBackend"]

T = TypeVar("T")
MULTI_STATUS = 207
_FAILED = 400
_STATUSES: Mapping[int, type[StoreError]] = {
    401: AccessDeniedError,
    403: AccessDeniedError,
    404: ObjectNotFoundError,
    407: AccessDeniedError,
    408: StoreTimeoutError,
    409: ObjectNotFoundError,  # the collection to put it into is not there
    410: ObjectNotFoundError,
    412: ObjectExistsError,
    414: InvalidPathError,
    429: StoreUnavailableError,
    500: StoreUnavailableError,
    501: UnsupportedOperationError,
    502: StoreUnavailableError,
    503: StoreUnavailableError,
    504: StoreUnavailableError,
}


class WebdavClientBackend(FolderBackend):
    """One HTTP client, used from several threads; it makes lost connections again itself."""

    kind = "webdav"

    # -- opening --------------------------------------------------------------------------

    def options(self) -> dict[str, Any]:
        given = dict(self.target.options)
        if given.pop("use_listings_cache", False):
            raise ConfigError(
                "use_listings_cache: a listing cache would hide what other processes write; "
                "leave it out",
                field="use_listings_cache",
            )
        if isinstance(given.get("auth"), list):
            given["auth"] = tuple(given["auth"])  # YAML has no tuples, and httpx takes nothing else
        import httpx

        base_url = httpx.URL(given.get("base_url", ""))
        if base_url.userinfo:
            given.setdefault("auth", (base_url.username, base_url.password))
            given["base_url"] = base_url.copy_with(username=None, password=None)
        if "timeout" not in given:
            given["timeout"] = httpx.Timeout(
                min(30.0, self.timeout), connect=min(10.0, self.timeout)
            )
        return {"retry": False, **given}

    def open_inner(self) -> AbstractFileSystem:
        try:
            from webdav4.fsspec import WebdavFileSystem
        except ImportError as exc:
            raise MissingExtraError.for_extra("webdav", needed_for="WebDAV storage") from exc

        inner = WebdavFileSystem(skip_instance_cache=True, **self.options())
        # httpx warns of sockets that are open when the interpreter exits.
        weakref.finalize(inner, inner.client.http.close)
        return inner

    async def close_inner(self, inner: AbstractFileSystem) -> None:
        client: Any = inner
        client.client.http.close()

    async def call(self, key: str, function: Callable[[httpx.Client], T], size: int = 0) -> T:
        """Run requests on a worker thread; their failure is one of our errors."""
        inner: Any = await self.inner()
        try:
            return await self.step(self._threads.run(lambda: function(inner.client.http)), size)
        except RemoteStoreError:
            raise
        except Exception as exc:
            raise self.translate(exc, key) from exc

    async def ask(
        self,
        method: str,
        key: str,
        headers: Mapping[str, str] | None = None,
        content: Callable[[], Any] | None = None,
        *,
        slash: str = "",
        size: int = 0,
    ) -> Answer:
        """One request about a key; any answer is returned."""
        url = await self.url(key) + slash
        return await self.call(key, lambda http: request(http, method, url, headers, content), size)

    def accept(self, answer: Answer, key: str) -> httpx.Response:
        """The answer, when it says that all went well."""
        import httpx

        response = answer.response
        try:
            response.raise_for_status()
        except httpx.HTTPStatusError as exc:
            raise self.translate(exc, key) from exc
        if response.status_code == MULTI_STATUS:
            try:
                failed = [one for one in members(response.content) if one.status >= _FAILED]
            except ParseError as exc:
                raise self.translate(exc, key) from exc
            if failed:
                kind = _STATUSES.get(failed[0].status, StoreError)
                raise kind(
                    f"the server could not do it for {len(failed)} files below "
                    f"(HTTP {failed[0].status})",
                    url=self.display_url(key),
                )
        return response

    # -- names and errors -----------------------------------------------------------------

    def path(self, key: str) -> str:
        self.check_name(key)
        return _paths.join(self.target.base.strip("/"), key)

    async def url(self, key: str) -> str:
        """The address of a key, without user name and password."""
        return await self.url_of(self.path(key))

    async def url_of(self, path: str) -> str:
        """The address of a path below the server's base URL."""
        inner: Any = await self.inner()
        base: httpx.URL = inner.client.base_url
        start = base.raw_path.decode("ascii").partition("?")[0].rstrip("/")
        return f"{base.scheme}://{base.netloc.decode('ascii')}{start}/{quoted(path)}"

    def classify(self, exc: BaseException) -> type[StoreError] | None:
        import httpx

        if isinstance(exc, httpx.HTTPStatusError):
            return _STATUSES.get(exc.response.status_code)
        if isinstance(exc, httpx.TimeoutException):
            return StoreTimeoutError
        if isinstance(exc, httpx.TransportError):
            return StoreUnavailableError
        return None

    def describe(self, exc: BaseException) -> str:
        response = getattr(exc, "response", None)
        if response is not None:
            return f"HTTP {response.status_code} {response.reason_phrase}".rstrip()
        if isinstance(exc, ParseError):
            return "the answer is not WebDAV's"
        return super().describe(exc)
