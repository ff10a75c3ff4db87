"""Requests to Google Cloud Storage's JSON API, with the credential that ``gcsfs`` found.

``gcsfs`` tries six times without any timeout, takes a cut answer for the whole one and
reports a refused credential as a plain ``OSError``; so its requests are not used.
"""

from __future__ import annotations

import asyncio
import io
import json
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from remote_store_fsspec.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import aiohttp

__all__ = ["Answer", "Refused", "Requests", "open_gcsfs"]

_ATTEMPTS = 3
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_LIMITED = frozenset({"rateLimitExceeded", "userRateLimitExceeded"})
_FORBIDDEN = 403
_ERRORS = 400
_SLOWEST = 64 * 2**10


class Refused(Exception):  # noqa: N818 - an answer, not a fault of this library
    """The service answered with an error.

    Attributes:
        status: The HTTP status.
        reason: Google's word for it (``"notFound"``), or ``""``.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}".strip())
        self.status = status
        self.reason = reason


@dataclass(frozen=True)
class Answer:
    """What the service answered to one request."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> dict[str, Any]:
        """The body as JSON; empty when there is none."""
        content: dict[str, Any] = json.loads(self.body) if self.body else {}
        return content


def open_gcsfs(options: Mapping[str, Any]) -> Any:
    """A ``GCSFileSystem`` for its credentials, address and session.

    Raises:
        MissingExtraError: ``gcsfs`` is not installed.
    """
    try:
        # The class that gcsfs exports asks a gRPC service about each bucket first, which
        # costs a minute a call where only the JSON API answers.
        from gcsfs.core import GCSFileSystem
    except ImportError as exc:
        raise MissingExtraError.for_extra("gcs", needed_for="Google Cloud Storage") from exc
    return GCSFileSystem(skip_instance_cache=True, **options)


class Requests:
    """Makes requests for one opened ``GCSFileSystem``.

    Args:
        inner: The filesystem.
        run: Runs a blocking call on a worker thread.
        timeout: Seconds that one request may take.
    """

    def __init__(self, inner: Any, run: Any, timeout: float) -> None:
        self._inner = inner
        self._run = run
        self._timeout = timeout

    def address(self, *elements: str, api: str = "storage/v1") -> str:
        """The URL of what the elements name: ``("b", bucket, "o", name)``."""
        base = str(self._inner._location).rstrip("/")  # noqa: SLF001 - gcsfs has no public one
        return "/".join([base, api, *(quote(element, safe="") for element in elements)])

    async def call(
        self,
        method: str,
        address: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
        content: Any = None,
        lost_is_final: bool = False,
    ) -> Answer:
        """One request and its whole answer, tried up to three times.

        Args:
            method: The HTTP method.
            address: From :meth:`address`, or a session's own URL.
            params: The query.
            headers: More headers.
            data: The body.
            content: The body, as JSON.
            lost_is_final: Do not try again when the connection broke, because the first
                attempt may have taken effect.

        Raises:
            Refused: The service answered with an error.
            aiohttp.ClientError: There was no answer.
        """
        import aiohttp

        given = dict(headers or {})
        if content is not None:
            data = json.dumps(content).encode()
            given["Content-Type"] = "application/json"
        for attempt in range(_ATTEMPTS):
            last = attempt == _ATTEMPTS - 1
            try:
                async with self._send(method, address, params, given, data) as response:
                    body = await response.read()
                    _check(response, body)
                    return Answer(response.status, response.headers, body)
            except Refused as refused:
                if last or not _worth_another_try(refused):
                    raise
            except (aiohttp.ClientError, asyncio.TimeoutError):
                if last or lost_is_final:
                    raise
            await asyncio.sleep(2**attempt * random.uniform(0.5, 1))  # noqa: S311 - jitter
        raise AssertionError  # pragma: no cover - the loop returns or raises

    @asynccontextmanager
    async def stream(
        self, address: str, *, params: Mapping[str, Any], headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to a GET, its body still to be read; tried as :meth:`call` does."""
        import aiohttp

        # Stored bytes are wanted, also where they are stored compressed.
        given = {"Accept-Encoding": "gzip", **headers}
        for attempt in range(_ATTEMPTS):
            last = attempt == _ATTEMPTS - 1
            try:
                async with self._send("GET", address, params, given, None, raw=True) as response:
                    if response.status >= _ERRORS:
                        _check(response, await response.read())
                    # No second attempt for what goes wrong from here: bytes are handed on.
                    last = True
                    yield response
                    return
            except Refused as refused:
                if last or not _worth_another_try(refused):
                    raise
            except (aiohttp.ClientError, asyncio.TimeoutError):
                if last:
                    raise
            await asyncio.sleep(2**attempt * random.uniform(0.5, 1))  # noqa: S311 - jitter

    @asynccontextmanager
    async def _send(
        self,
        method: str,
        address: str,
        params: Mapping[str, Any] | None,
        headers: Mapping[str, str],
        data: bytes | None,
        *,
        raw: bool = False,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        import aiohttp
        from yarl import URL

        inner = self._inner
        session = await inner._set_session()  # noqa: SLF001
        query = {**inner._get_params({}), **(params or {})}  # noqa: SLF001 - who pays
        if query:
            address += ("&" if "?" in address else "?") + urlencode(query, quote_via=quote)
        limits = aiohttp.ClientTimeout(
            total=None,
            sock_connect=min(10.0, self._timeout),
            sock_read=min(20.0, self._timeout / _ATTEMPTS),
        )
        keywords: dict[str, Any] = {"auto_decompress": False} if raw else {}
        async with session.request(
            method,
            URL(address, encoded=True),  # aiohttp would rewrite what is escaped in a name
            headers=await self._authorised(headers),
            # aiohttp warns about more than a mebibyte of plain bytes.
            data=io.BytesIO(data) if data else None,
            timeout=limits,
            allow_redirects=False,
            **keywords,
        ) as response:
            yield response

    async def _authorised(self, headers: Mapping[str, str]) -> dict[str, str]:
        inner = self._inner
        if inner.credentials.credentials is None:
            return dict(headers)
        # Getting a new token is a blocking request.
        signed: dict[str, str] = await self._run(
            lambda: inner._get_headers(headers)  # noqa: SLF001
        )
        return signed


def _check(response: aiohttp.ClientResponse, body: bytes) -> None:
    if response.status < _ERRORS:
        return
    try:
        error = json.loads(body)["error"]
        reason = error["errors"][0]["reason"]
    except (ValueError, LookupError, TypeError):
        reason = ""
    raise Refused(response.status, str(reason))


def _worth_another_try(refused: Refused) -> bool:
    return refused.status in _AGAIN or (refused.status == _FORBIDDEN and refused.reason in _LIMITED)
