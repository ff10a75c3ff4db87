"""Google Cloud Storage: ``gcsfs`` for address and credential, the JSON API for the work.

It is past 500 lines because its requests are its own: one class holds Google's JSON API as far
as the contract needs it. The client and its retries are a module beside it.
"""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from datetime import timedelta
from email.parser import BytesParser
from typing import TYPE_CHECKING, Any

from remote_store_fsspec import _paths
from remote_store_fsspec.backends._closing import take_over_closing
from remote_store_fsspec.backends._gcs_client import Answer, Refused, Requests, open_gcsfs
from remote_store_fsspec.backends._signing import content_disposition
from remote_store_fsspec.backends.base import Backend, Info, gather
from remote_store_fsspec.errors import (
    AccessDeniedError,
    ConfigError,
    DirectoryNotEmptyError,
    InvalidPathError,
    ObjectExistsError,
    ObjectNotFoundError,
    StoreError,
    StoreTimeoutError,
    StoreUnavailableError,
    UnsupportedOperationError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from fsspec import AbstractFileSystem
    from fsspec.callbacks import Callback

__all__ = ["GcsBackend"]

_SINGLE_PUT = 4 * 2**20
"""Bytes up to which an object is written by one request."""
_CHUNK = 4 * 2**20
"""Bytes of one request of a long upload; Google wants a multiple of 256 KiB."""
_READ_PIECE = 2**20
_BULK_DELETE = 100
_TRIES = 3
_LONGEST_SIGNATURE = 7 * 24 * 3600
_FIELDS = "name,size,updated,etag,contentType"
_FIXED = {
    "cache_control": "cacheControl",
    "content_disposition": "contentDisposition",
    "content_encoding": "contentEncoding",
    "content_language": "contentLanguage",
    "custom_time": "customTime",
    "storage_class": "storageClass",
}
_WRITE_OPTIONS = ("content_type", "fixed_key_metadata", "kms_key_name", "metadata", *_FIXED)

_STATUSES: Mapping[int, type[StoreError]] = {
    401: AccessDeniedError,
    403: AccessDeniedError,
    404: ObjectNotFoundError,
    408: StoreTimeoutError,
    412: ObjectExistsError,
    429: StoreUnavailableError,
}
_NOT_FOUND = 404
_PRECONDITION_FAILED = 412
_RANGE_NOT_SATISFIABLE = 416
_PARTIAL_CONTENT = 206
_RESUME = 308
_SERVER_ERROR = 500
_MULTIPLE_CHOICES = 300


class GcsBackend(Backend):
    """Objects of one bucket, by the JSON API."""

    kind = "gs"
    atomic_put = True
    keeps_directories = False

    # -- opening --------------------------------------------------------------------------

    def options(self) -> dict[str, Any]:
        return dict(self.target.options) | {"use_listings_cache": False}

    def open_inner(self) -> AbstractFileSystem:
        inner: AbstractFileSystem = open_gcsfs(self.options())
        return inner

    async def requests(self) -> Requests:
        """What makes the requests."""
        inner: Any = await self.inner()
        if getattr(inner, "connections", None) is None:
            session = await inner._set_session()  # noqa: SLF001 - gcsfs makes it on first use
            if getattr(inner, "connections", None) is None:
                inner.connections = take_over_closing(inner, session.close)
        return Requests(inner, self._threads.run, self.timeout)

    async def close_inner(self, inner: AbstractFileSystem) -> None:
        if getattr(inner, "connections", None) is not None:
            await inner.connections.close()

    async def call(self, method: str, *elements: str, **keywords: Any) -> Answer:
        """One request about what the elements name, within its deadline."""
        requests = await self.requests()
        return await self.step(requests.call(method, requests.address(*elements), **keywords))

    # -- names and errors -----------------------------------------------------------------

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.target.base.partition("/")[0]

    def name(self, key: str) -> str:
        """The object name of one of our keys.

        Raises:
            InvalidPathError: The service refuses that name.
        """
        name = _paths.join(self.target.base.partition("/")[2].strip("/"), key)
        problem = _problem_of(name)
        if problem:
            raise InvalidPathError(problem, url=self.display_url(key))
        return name

    def path(self, key: str) -> str:
        return _paths.join(self.bucket, self.name(key))

    def classify(self, exc: BaseException) -> type[StoreError] | None:
        import aiohttp
        import requests
        from google.auth import exceptions as google

        if isinstance(exc, Refused):
            if exc.reason in ("rateLimitExceeded", "userRateLimitExceeded"):
                return StoreUnavailableError
            known = _STATUSES.get(exc.status)
            return known or (StoreUnavailableError if exc.status >= _SERVER_ERROR else None)
        if isinstance(exc, asyncio.TimeoutError):  # aiohttp's are ClientError as well
            return StoreTimeoutError
        network = (aiohttp.ClientError, google.TransportError, requests.RequestException)
        if isinstance(exc, network):
            return StoreUnavailableError
        return AccessDeniedError if isinstance(exc, google.GoogleAuthError) else None

    def describe(self, exc: BaseException) -> str:
        return f"Google answered {exc}" if isinstance(exc, Refused) else super().describe(exc)

    # -- looking --------------------------------------------------------------------------

    async def info(self, key: str) -> Info:
        try:
            return self._describe(await self._properties(key), key)
        except Refused as exc:
            if exc.status != _NOT_FOUND:
                raise
            # Nothing of that name: a directory is whatever has objects below it.
            below = await self._page(self._below(key), maxResults=1)
            if not below.get("items"):
                raise
            return {"name": key, "size": 0, "type": "directory"}

    async def _properties(self, key: str) -> dict[str, Any]:
        name = self.name(key)
        answer = await self.call("GET", "b", self.bucket, "o", name, params={"fields": _FIELDS})
        return answer.json()

    def _describe(self, properties: Mapping[str, Any], key: str) -> Info:
        return self.normalise({**properties, "type": "file"}, key)

    async def ls(self, key: str, prefix: str = "") -> list[Info]:
        found = [info async for info in self._list(key, prefix, delimiter="/")]
        if not found and not prefix and key:
            if (await self.info(key))["type"] == "directory":
                return []
            raise ObjectNotFoundError("no such directory", url=self.display_url(key))
        return found

    async def find(self, key: str, prefix: str = "") -> dict[str, Info]:
        found = {info["name"]: info async for info in self._list(key, prefix)}
        for folder in _paths.ancestors(found):
            if folder not in found and folder != key and _paths.relative_to(key, folder):
                found[folder] = {"name": folder, "size": 0, "type": "directory"}
        return found

    async def _list(
        self, key: str, prefix: str = "", delimiter: str | None = None
    ) -> AsyncIterator[Info]:
        async for page in self._pages(self._below(key) + prefix, delimiter=delimiter):
            for folder in page.get("prefixes", ()):
                child = self.key(f"{self.bucket}/{folder.rstrip('/')}")
                if child and child != key:
                    yield {"name": child, "size": 0, "type": "directory"}
            for item in page.get("items", ()):
                child = self.key(f"{self.bucket}/{item['name']}")
                # A name that ends in a slash is the placeholder that Google's console makes.
                if child and child != key and not item["name"].endswith("/"):
                    yield self._describe(item, child)

    def _below(self, key: str) -> str:
        """What the names of all objects in a directory start with."""
        name = self.name(key)
        return f"{name}/" if name else ""

    async def _pages(
        self, start: str, *, delimiter: str | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        params: dict[str, Any] = {"delimiter": delimiter} if delimiter else {}
        while True:
            page = await self._page(start, **params)
            yield page
            if not page.get("nextPageToken"):
                return
            params["pageToken"] = page["nextPageToken"]

    async def _page(self, start: str, **params: Any) -> dict[str, Any]:
        if start:
            params["prefix"] = start
        params.setdefault("maxResults", 1000)
        params["fields"] = f"nextPageToken,prefixes,items({_FIELDS})"
        return (await self.call("GET", "b", self.bucket, "o", params=params)).json()

    # -- reading --------------------------------------------------------------------------

    async def read(self, key: str, start: int | None, end: int | None) -> bytes:
        low, high = start or 0, end
        if low < 0 or (high is not None and high <= low):
            size = int((await self._properties(key))["size"])
            low, high = _paths.range_of(size, start, end)
            if low == high:
                return b""
        pieces: list[bytes] = []

        def begin(size: int) -> None:
            del size
            pieces.clear()

        await self._receive(key, low, high, begin, pieces.append)
        return b"".join(pieces)

    async def download(self, key: str, lpath: str, callback: Callback) -> None:
        with open(lpath, "wb") as out:

            def begin(size: int) -> None:
                callback.set_size(size)
                out.seek(0)
                out.truncate()

            def take(data: bytes) -> None:
                out.write(data)
                callback.absolute_update(out.tell())

            await self._receive(key, 0, None, begin, take)

    async def _receive(
        self,
        key: str,
        low: int,
        high: int | None,
        begin: Callable[[int], None],
        take: Callable[[bytes], Any],
    ) -> None:
        """Hand over ``[low, high)`` piece by piece, again from the start when it was cut."""
        import aiohttp

        begun = 0

        def started(size: int) -> None:
            nonlocal begun
            begun += 1
            begin(size)

        for attempt in range(_TRIES):
            try:
                await self._receive_once(key, low, high, started, take)
            except (aiohttp.ClientError, StoreUnavailableError, asyncio.TimeoutError):
                # What did not even begin was tried often enough already.
                if attempt == _TRIES - 1 or begun <= attempt:
                    raise
            else:
                return

    async def _receive_once(
        self,
        key: str,
        low: int,
        high: int | None,
        begin: Callable[[int], None],
        take: Callable[[bytes], Any],
    ) -> None:
        requests = await self.requests()
        name = self.name(key)
        address = requests.address("b", self.bucket, "o", name, api="download/storage/v1")
        whole = low == 0 and high is None
        bounds = {} if whole else {"Range": f"bytes={low}-{'' if high is None else high - 1}"}
        stream = requests.stream(address, params={"alt": "media"}, headers=bounds)
        try:
            response = await self.step(stream.__aenter__())
        except Refused as exc:
            if exc.status != _RANGE_NOT_SATISFIABLE:
                raise
            begin(0)  # the range starts at or past the end
            return
        try:
            if not whole and response.status != _PARTIAL_CONTENT:
                raise StoreError("the store sent no range", url=self.display_url(key))
            expected = int(response.headers.get("Content-Length", -1))
            begin(max(0, expected))
            arrived = 0
            while piece := await self.step(response.content.read(_READ_PIECE)):
                take(piece)
                arrived += len(piece)
        finally:
            response.close()
            await stream.__aexit__(None, None, None)
        if arrived != expected >= 0:
            raise StoreUnavailableError(
                f"{arrived} of {expected} bytes arrived", url=self.display_url(key)
            )

    # -- writing --------------------------------------------------------------------------

    def write_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        for name in options:
            if name not in _WRITE_OPTIONS:
                raise ConfigError(
                    f"write_options.{name} is not known to gs storage, which takes "
                    f"{', '.join(_WRITE_OPTIONS)}",
                    field=f"write_options.{name}",
                )
        given = {**options.get("fixed_key_metadata", {}), **options}
        resource = {_FIXED[name]: value for name, value in given.items() if name in _FIXED}
        resource["contentType"] = given.get("content_type") or "application/octet-stream"
        if given.get("metadata"):
            resource["metadata"] = dict(given["metadata"])
        params = {"kmsKeyName": given["kms_key_name"]} if given.get("kms_key_name") else {}
        return {"resource": resource, "params": params}

    async def write(
        self, key: str, data: bytes, *, create: bool, options: Mapping[str, Any]
    ) -> None:
        view = memoryview(data)
        await self._put(key, len(data), lambda at, n: bytes(view[at : at + n]), create, options)

    async def upload(
        self,
        key: str,
        lpath: str,
        *,
        create: bool,
        options: Mapping[str, Any],
        callback: Callback,
    ) -> None:
        def read(at: int, count: int) -> bytes:
            with open(lpath, "rb") as source:
                source.seek(at)
                data = source.read(count)
            callback.absolute_update(at + len(data))
            return data

        await self._put(key, os.path.getsize(lpath), read, create, options)

    async def _put(
        self,
        key: str,
        size: int,
        read: Callable[[int, int], bytes],
        create: bool,
        options: Mapping[str, Any],
    ) -> None:
        name = self.name(key)
        keywords = self.write_options(options)
        params = dict(keywords["params"])
        resource = {"name": name, **keywords["resource"]}
        if create:
            params["ifGenerationMatch"] = "0"
            inner: Any = await self.inner()
            # Emulators pass over the precondition.
            if not inner.on_google and await self.exists(key):
                raise ObjectExistsError("it exists already", url=self.display_url(key))
        try:
            if size <= _SINGLE_PUT:
                await self._put_whole(read(0, size), resource, params)
            else:
                await self._put_chunks(size, read, resource, params)
        except Refused as exc:
            if exc.status != _NOT_FOUND:
                raise
            raise ObjectNotFoundError(
                f"the bucket {self.bucket!r} does not exist",
                url=self.display_url(key),
                hint="create it, or correct its name",
            ) from exc

    async def _put_whole(
        self, data: bytes, resource: Mapping[str, Any], params: Mapping[str, Any]
    ) -> None:
        requests = await self.requests()
        address = requests.address("b", self.bucket, "o", api="upload/storage/v1")
        kind, body = _multipart(data, resource)
        await requests.call(
            "POST",
            address,
            params={**params, "uploadType": "multipart"},
            headers={"Content-Type": kind},
            data=body,
            lost_is_final="ifGenerationMatch" in params,
        )

    async def _put_chunks(
        self,
        size: int,
        read: Callable[[int, int], bytes],
        resource: Mapping[str, Any],
        params: Mapping[str, Any],
    ) -> None:
        """Send an object in pieces; it appears with the last one."""
        requests = await self.requests()
        address = requests.address("b", self.bucket, "o", api="upload/storage/v1")
        for attempt in range(_TRIES):
            started = await requests.call(
                "POST",
                address,
                params={**params, "uploadType": "resumable", "name": resource["name"]},
                headers={"X-Upload-Content-Type": resource["contentType"]},
                content=resource,
            )
            session = started.headers["Location"]
            try:
                await self._send_chunks(requests, session, size, read)
            except Refused as exc:
                # A session that is gone or confused: from the start, with a new one.
                if exc.status == _PRECONDITION_FAILED or attempt == _TRIES - 1:
                    raise
            else:
                return

    async def _send_chunks(
        self, requests: Requests, session: str, size: int, read: Callable[[int, int], bytes]
    ) -> None:
        at = 0
        while True:
            data = read(at, min(_CHUNK, size - at))
            answer = await requests.call(
                "PUT",
                session,
                headers={"Content-Range": f"bytes {at}-{at + len(data) - 1}/{size}"},
                data=data,
            )
            if answer.status != _RESUME:
                return
            # What Google has kept so far, which may be less than what was sent.
            kept = answer.headers.get("Range", "")
            at = int(kept.rpartition("-")[2]) + 1 if kept else 0

    async def copy(self, source: str, target: str) -> None:
        there = ("b", self.bucket, "o", self.name(target))
        elements = ("b", self.bucket, "o", self.name(source), "rewriteTo", *there)
        token: dict[str, str] = {}
        while True:
            answer = (await self.call("POST", *elements, params=token)).json()
            if answer.get("done", True):
                return
            token = {"rewriteToken": answer["rewriteToken"]}

    async def move(self, source: str, target: str) -> None:
        await self.copy(source, target)
        await self._delete_one(self.name(source))

    # -- deleting -------------------------------------------------------------------------

    async def delete(self, key: str) -> None:
        # Looking first tells an object that was never there from one whose deletion was
        # answered by a broken connection.
        await self._properties(key)
        await self._delete_one(self.name(key))

    async def _delete_one(self, name: str) -> bool:
        """Delete an object by its own name; false when it was not there."""
        try:
            await self.call("DELETE", "b", self.bucket, "o", name)
        except Refused as exc:
            if exc.status != _NOT_FOUND:
                raise
            return False
        return True

    async def delete_many(self, keys: Sequence[str], *, missing_ok: bool) -> list[str]:
        names = {self.name(key): key for key in keys}
        missing = await self._delete_names(list(names))
        return [] if missing_ok else [key for name, key in names.items() if name in missing]

    async def _delete_names(self, names: Sequence[str]) -> set[str]:
        """Delete objects by their own names and return those that were not there."""
        if len(names) == 1:
            return set() if await self._delete_one(names[0]) else set(names)
        batches = [names[at : at + _BULK_DELETE] for at in range(0, len(names), _BULK_DELETE)]
        missing = await gather([self._delete_batch(batch) for batch in batches], 4)
        return set().union(*missing)

    async def _delete_batch(self, names: Sequence[str]) -> set[str]:
        import aiohttp

        lost = False
        try:
            outcomes = await self._submit_batch(names, lost_is_final=True)
        except aiohttp.ClientError:
            lost = True  # it may have taken effect: what is missing next time was ours
            outcomes = await self._submit_batch(names, lost_is_final=False)
        missing = {name for name, status in outcomes.items() if status == _NOT_FOUND}
        gone = {name for name, status in outcomes.items() if status < _MULTIPLE_CHOICES}
        # One by one: each with its attempts, and the error of the first that still fails.
        rest = [name for name in names if name not in gone | missing]
        there = await gather([self._delete_one(name) for name in rest])
        missing |= {name for name, was in zip(rest, there, strict=True) if not was}
        return set() if lost else missing

    async def _submit_batch(self, names: Sequence[str], *, lost_is_final: bool) -> dict[str, int]:
        """Delete up to 100 objects by one request: name to status, as far as answered."""
        requests = await self.requests()
        boundary = f"batch-{uuid.uuid4().hex}"
        address = requests.address("b", self.bucket, "o")
        path = "/" + address.partition("://")[2].partition("/")[2]
        parts = [
            f"--{boundary}\r\nContent-Type: application/http\r\nContent-ID: <rsfs+{number}>\r\n\r\n"
            f"DELETE {path}/{requests.address(name, api='').rpartition('/')[2]} HTTP/1.1\r\n\r\n"
            for number, name in enumerate(names)
        ]
        try:
            answer = await self.step(
                requests.call(
                    "POST",
                    requests.address(api="batch/storage/v1"),
                    headers={"Content-Type": f"multipart/mixed; boundary={boundary}"},
                    data=("\r\n".join(parts) + f"\r\n--{boundary}--\r\n").encode(),
                    lost_is_final=lost_is_final,
                )
            )
        except Refused as exc:
            if exc.status in (401, 403) or exc.status >= _SERVER_ERROR:
                raise
            return {}  # a service without batches
        return _batch_outcomes(answer, names)

    async def delete_tree(self, key: str) -> None:
        names = [
            item["name"]
            async for page in self._pages(self._below(key))
            for item in page.get("items", ())
        ]
        await self._delete_names(names)

    async def makedirs(self, key: str) -> None:
        """Nothing: a folder is where objects are."""

    async def rmdir(self, key: str) -> None:
        if (await self._page(self._below(key), maxResults=1)).get("items"):
            raise DirectoryNotEmptyError("the directory is not empty", url=self.display_url(key))

    # -- signing --------------------------------------------------------------------------

    async def sign(self, key: str, expiration: int, options: Mapping[str, Any]) -> str:
        inner: Any = await self.inner()
        name = self.name(key)
        credentials = inner.credentials.credentials
        problem = ""
        proof: dict[str, Any] = {}
        if expiration > _LONGEST_SIGNATURE:
            problem = "gs storage signs for seven days at most"
        elif not hasattr(credentials, "sign_bytes"):
            problem = "gs storage signs with a service account only"
            if getattr(credentials, "service_account_email", None):
                # A machine's own account holds no key: Google signs for it, asked with its token.
                await self._threads.run(lambda: inner.credentials.apply({}))
                proof = {
                    "service_account_email": credentials.service_account_email,
                    "access_token": credentials.token,
                }
                problem = ""
        if problem:
            raise UnsupportedOperationError(problem, url=self.display_url(key))
        response: dict[str, Any] = {}
        if "content_type" in options:
            response["response_type"] = options["content_type"]
        if "filename" in options:
            response["response_disposition"] = content_disposition(options["filename"])

        def signed() -> str:
            from google.cloud import storage  # type: ignore[import-untyped]

            client = storage.Client(credentials=credentials, project=inner.project or "none")
            blob = client.bucket(self.bucket).blob(name)
            url: str = blob.generate_signed_url(
                version="v4",
                expiration=timedelta(seconds=expiration),
                api_access_endpoint=str(inner._location),  # noqa: SLF001
                **response,
                **proof,
            )
            return url

        return await self._threads.run(signed)


def _problem_of(name: str) -> str:
    """Why the service cannot hold an object name; "" when it can.

    From Google's page "About Cloud Storage objects".
    """
    if "\r" in name or "\n" in name:
        return "Google Cloud Storage holds no line breaks in a name"
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        return "Google Cloud Storage holds names of valid Unicode text only"
    if length > 1024:  # noqa: PLR2004 - said in the message
        return "Google Cloud Storage holds names of 1,024 bytes at most"
    if name.startswith(".well-known/acme-challenge/"):
        return "Google Cloud Storage keeps .well-known/acme-challenge/ for itself"
    return ""


def _multipart(data: bytes, resource: Mapping[str, Any]) -> tuple[str, bytes]:
    """Content type and body of an upload by one request."""
    boundary = uuid.uuid4().hex
    head = (
        f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n"
        f"{json.dumps(dict(resource))}\r\n"
        f"--{boundary}\r\nContent-Type: {resource['contentType']}\r\n\r\n"
    )
    body = head.encode() + data + f"\r\n--{boundary}--\r\n".encode()
    return f"multipart/related; boundary={boundary}", body


def _batch_outcomes(answer: Answer, names: Sequence[str]) -> dict[str, int]:
    """The status of each part of a batch, by the name it was about."""
    head = f"Content-Type: {answer.headers.get('Content-Type', '')}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + answer.body)
    parts = message.get_payload() if message.is_multipart() else []
    outcomes: dict[str, int] = {}
    for position, part in enumerate(parts):
        text = str(part.get_payload())
        identity = str(part.get("Content-ID", "")).rpartition("+")[2].rstrip(">")
        number = int(identity) if identity.isdigit() else position
        words = text.split(None, 2)
        if number < len(names) and len(words) > 1 and words[1].isdigit():
            outcomes[names[number]] = int(words[1])
    return outcomes
