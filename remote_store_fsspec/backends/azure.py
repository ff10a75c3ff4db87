"""Azure Blob Storage: ``adlfs`` for account and credential, Azure's own client for the work.

Every request goes straight to the service client: ``adlfs`` reads the whole blob for some
ranges, deletes one by one, waits for minutes and passes over unknown keywords.

It is past 500 lines because one class keeps every promise about Azure: cut anywhere, half of
them would have to be looked up elsewhere. The client and the error words are modules beside it.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from remote_store_fsspec import _paths
from remote_store_fsspec.backends._azure_client import SINGLE_GET, SINGLE_PUT, open_adlfs
from remote_store_fsspec.backends._azure_words import (
    NO_CONTAINER,
    content_settings,
    error_code,
    error_type,
    is_expired,
    is_folder,
    problem_of,
    write_settings,
)
from remote_store_fsspec.backends._signing import content_disposition
from remote_store_fsspec.backends.base import Backend, Info, gather
from remote_store_fsspec.errors import (
    AccessDeniedError,
    DirectoryNotEmptyError,
    InvalidPathError,
    IsDirectoryError,
    ObjectNotFoundError,
    RemoteStoreError,
    StoreError,
    StoreUnavailableError,
    UnsupportedOperationError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from azure.storage.blob import BlobProperties
    from azure.storage.blob.aio import BlobClient, BlobServiceClient, ContainerClient
    from fsspec import AbstractFileSystem
    from fsspec.callbacks import Callback

__all__ = ["AzureBackend"]

_MAX_BLOCKS = 50_000
_BULK_DELETE = 256
_BATCHES = 2
_DELETION = 2**14  # what a deletion in a batch adds to its deadline, in bytes of a transfer
_LARGEST_COPY = 256 * 2**20
"""Bytes up to which Azure copies a blob in one step, so that nobody sees half of it."""
_LONGEST_DELEGATION = 7 * 24 * 3600
_TRIES = 3
_PIECE = 4 * 2**20
"""Bytes of a block, and of one step of a download."""
_ONCE: Mapping[str, Any] = {"retry_connect": 0, "retry_read": 0}
"""For requests that must not be sent again when the answer to the first was lost."""
_REFUSED = (401, 403)
_NO_SERVER_COPY = (400, 401, 403, 409, 501)
_RANGE_NOT_SATISFIABLE = 416
_MULTIPLE_CHOICES = 300


class AzureBackend(Backend):
    """Blobs of one container; flat and hierarchical accounts alike, by the Blob API."""

    kind = "azure"
    atomic_put = True
    keeps_directories = False

    # -- opening --------------------------------------------------------------------------

    def options(self) -> dict[str, Any]:
        return dict(self.target.options) | {"use_listings_cache": False}

    def open_inner(self) -> AbstractFileSystem:
        inner: AbstractFileSystem = open_adlfs(
            self.options(), timeout=self.timeout, retry=self.target.retry
        )
        return inner

    async def close_inner(self, inner: AbstractFileSystem) -> None:
        await inner.connections.close()

    async def service(self) -> BlobServiceClient:
        """Azure's client of the account."""
        inner: Any = await self.inner()
        client: BlobServiceClient = inner.service_client
        return client

    async def container(self) -> ContainerClient:
        """Azure's client of the container."""
        return (await self.service()).get_container_client(self.container_name)

    async def blob(self, key: str) -> BlobClient:
        """Azure's client of one blob."""
        name = self.name(key)
        return (await self.service()).get_blob_client(self.container_name, name)

    # -- names and errors -----------------------------------------------------------------

    @property
    def container_name(self) -> str:
        """The container's name."""
        return self.target.base.partition("/")[0]

    def name(self, key: str) -> str:
        """The blob name of one of our keys.

        Raises:
            InvalidPathError: The service refuses that name, or would store another one.
        """
        name = _paths.join(self.target.base.partition("/")[2].strip("/"), key)
        problem = problem_of(name)
        if problem:
            raise InvalidPathError(problem, url=self.display_url(key))
        return name

    def path(self, key: str) -> str:
        return _paths.join(self.container_name, self.name(key))

    def classify(self, exc: BaseException) -> type[StoreError] | None:
        if error_code(exc) == "ResourceNotFound" and self._anonymous:
            # How the service answers whoever may not even know that there is a container.
            return AccessDeniedError
        return error_type(exc)

    @property
    def _anonymous(self) -> bool:
        inner: Any = self._inner
        client = getattr(inner, "service_client", None)
        return client is not None and client.credential is None and "?" not in client.url

    def translate(self, exc: BaseException, key: str) -> RemoteStoreError:
        error = super().translate(exc, key)
        if isinstance(error, ObjectNotFoundError) and error_code(exc) in NO_CONTAINER:
            return ObjectNotFoundError(
                f"the container {self.container_name!r} does not exist",
                url=self.display_url(key),
                hint="create it, or correct its name",
            )
        return error

    def expired(self, exc: BaseException) -> bool:
        return is_expired(exc)

    def describe(self, exc: BaseException) -> str:
        answer = error_code(exc) or getattr(exc, "status_code", None)
        return f"Azure answered {answer}" if answer else super().describe(exc)

    # -- looking --------------------------------------------------------------------------

    async def info(self, key: str) -> Info:
        try:
            return self._describe(await self._properties(key), key)
        except Exception as exc:
            missing = isinstance(self.translate(exc, key), ObjectNotFoundError)
            if not missing or error_code(exc) in NO_CONTAINER:
                raise
            # Nothing of that name: a directory is whatever has blobs below it.
            async for _ in self._pages(self.name(key) + "/", results_per_page=1):
                return {"name": key, "size": 0, "type": "directory"}
            raise

    async def _properties(self, key: str) -> BlobProperties:
        blob = await self.blob(key)
        return await self.step(blob.get_blob_properties())

    def _describe(self, properties: Any, key: str) -> Info:
        if is_folder(properties):
            return {"name": key, "size": 0, "type": "directory"}
        settings = properties.content_settings
        etag = properties.etag
        return self.normalise(
            {
                "type": "file",
                "size": properties.size,
                "last_modified": properties.last_modified,
                "etag": etag and f'"{etag.strip(chr(34))}"',  # quoted in answers, bare in lists
                "content_type": settings and settings.content_type,
            },
            key,
        )

    async def ls(self, key: str, prefix: str = "") -> list[Info]:
        found = [info async for info in self._list(key, prefix, delimiter="/")]
        if not found and not prefix and key:
            return await self._nothing_in(key)
        return found

    async def _nothing_in(self, key: str) -> list[Info]:
        """The listing of a directory with nothing in it; raises when there is none."""
        if (await self.info(key))["type"] == "directory":
            return []
        raise ObjectNotFoundError("no such directory", url=self.display_url(key))

    async def find(self, key: str, prefix: str = "") -> dict[str, Info]:
        found = {info["name"]: info async for info in self._list(key, prefix)}
        for folder in _paths.ancestors(found):
            if folder not in found and folder != key and _paths.relative_to(key, folder):
                found[folder] = {"name": folder, "size": 0, "type": "directory"}
        return found

    async def _list(
        self, key: str, prefix: str = "", delimiter: str | None = None
    ) -> AsyncIterator[Info]:
        from azure.storage.blob.aio import BlobPrefix

        seen = set()
        async for page in self._pages(self._below(key) + prefix, delimiter=delimiter):
            for item in page:
                child = self.key(f"{self.container_name}/{item.name}")
                # A name that ends in a slash is the placeholder some tools make.
                placeholder = item.name.endswith("/") and not isinstance(item, BlobPrefix)
                if not child or child == key or placeholder or child in seen:
                    continue
                if isinstance(item, BlobPrefix) or is_folder(item):
                    seen.add(child)  # a hierarchical account names a folder both ways
                    yield {"name": child, "size": 0, "type": "directory"}
                else:
                    yield self._describe(item, child)

    def _below(self, key: str) -> str:
        """What the names of all blobs in a directory start with."""
        name = self.name(key)
        return f"{name}/" if name else ""

    async def _pages(
        self, start: str, *, delimiter: str | None = None, results_per_page: int | None = None
    ) -> AsyncIterator[list[Any]]:
        """Every page that is not empty; 5,000 names a request unless told otherwise."""
        container = await self.container()
        keywords: dict[str, Any] = {"name_starts_with": start or None, "include": ["metadata"]}
        if results_per_page:
            keywords["results_per_page"] = results_per_page
        listing: Any = (
            container.walk_blobs(delimiter=delimiter, **keywords)
            if delimiter
            else container.list_blobs(**keywords)
        )
        pages = listing.by_page()
        while True:
            try:
                page = await self.step(pages.__anext__())
            except StopAsyncIteration:
                return
            if items := [item async for item in page]:
                yield items

    # -- reading --------------------------------------------------------------------------

    async def read(self, key: str, start: int | None, end: int | None) -> bytes:
        low, high = start or 0, end
        if low < 0 or (high is not None and high <= low):
            # The service takes no range from the end, and none of no bytes.
            info = self._describe(await self._properties(key), key)
            if info["type"] == "directory":
                raise self._is_directory(key)
            low, high = _paths.range_of(info["size"], start, end)
            if low == high:
                return b""
        return await self._read_pieces(key, low, high)

    def _is_directory(self, key: str) -> IsDirectoryError:
        return IsDirectoryError("it is a directory", url=self.display_url(key))

    async def _read_pieces(self, key: str, low: int, high: int | None) -> bytes:
        pieces: list[bytes] = []

        def start(size: int) -> None:
            del size
            pieces.clear()

        await self._transfer(key, low, high, SINGLE_GET, start, pieces.append)
        return b"".join(pieces)

    async def _transfer(
        self,
        key: str,
        low: int,
        high: int | None,
        most: int,
        begin: Callable[[int], None],
        take: Callable[[bytes], Any],
    ) -> None:
        """Hand over ``[low, high)`` of one version of a blob, piece by piece.

        A blob that is replaced meanwhile is read again from the beginning.
        """
        from azure.core.exceptions import ResourceModifiedError

        for attempt in range(_TRIES):
            try:
                at, etag, size = low, None, None
                while size is None or at < size:
                    length = most if high is None else min(most, high - at)
                    data, etag, total = await self._piece(key, at, length, etag)
                    if size is None:
                        size = total if high is None else min(high, total)
                        begin(max(0, size - low))
                    arrived = len(data)
                    if arrived:
                        take(data)
                    del data  # or the last piece would be held beside the next one
                    at += arrived
                    if at < size and not arrived:
                        break
            except ResourceModifiedError:
                if attempt == _TRIES - 1:
                    raise
            else:
                return

    async def _piece(
        self, key: str, at: int, length: int, etag: str | None
    ) -> tuple[bytes, str | None, int]:
        """Some bytes, the version they are of, and its whole size, by one request."""
        from azure.core import MatchConditions
        from azure.core.exceptions import HttpResponseError

        blob = await self.blob(key)
        pinned: dict[str, Any] = {}
        if etag:
            pinned = {"etag": etag, "match_condition": MatchConditions.IfNotModified}

        async def fetch() -> tuple[Any, bytes]:
            stream = await blob.download_blob(
                offset=at,
                length=length,
                max_concurrency=1,
                decompress=False,
                **self._server_timeout(),
                **pinned,
            )
            # readall() would copy the answer into a second buffer of its size.
            parts = [part async for part in stream.chunks()]
            return stream.properties, parts[0] if len(parts) == 1 else b"".join(parts)

        try:
            properties, data = await self.step(fetch(), length)
        except HttpResponseError as exc:
            if exc.status_code == _RANGE_NOT_SATISFIABLE:
                # The range starts at or past the end. What is empty may be a folder.
                if at == 0 and is_folder(await self._properties(key)):
                    raise self._is_directory(key) from exc
                return b"", etag, at
            raise
        if is_folder(properties):
            raise self._is_directory(key)
        total = int(properties.content_range.rpartition("/")[2])
        expected = max(0, min(length, total - at))
        if len(data) != expected:
            raise StoreUnavailableError(
                f"{len(data)} of {expected} bytes arrived", url=self.display_url(key)
            )
        return data, properties.etag, total

    async def download(self, key: str, lpath: str, callback: Callback) -> None:
        with open(lpath, "wb") as out:

            def begin(size: int) -> None:
                callback.set_size(size)
                out.seek(0)
                out.truncate()

            def take(data: bytes) -> None:
                out.write(data)
                callback.absolute_update(out.tell())

            await self._transfer(key, 0, None, _PIECE, begin, take)

    # -- writing --------------------------------------------------------------------------

    def write_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return write_settings(options)

    async def write(
        self, key: str, data: bytes, *, create: bool, options: Mapping[str, Any]
    ) -> None:
        settings = self.write_options(options)
        if len(data) <= SINGLE_PUT:
            await self._put(key, data, create, settings)
            return
        view = memoryview(data)
        await self._put_blocks(
            key, len(data), lambda at, n: bytes(view[at : at + n]), create, settings
        )

    async def upload(
        self,
        key: str,
        lpath: str,
        *,
        create: bool,
        options: Mapping[str, Any],
        callback: Callback,
    ) -> None:
        await self._put_file(key, lpath, create, self.write_options(options), callback)

    async def _put_file(
        self,
        key: str,
        lpath: str,
        create: bool,
        settings: dict[str, Any],
        callback: Callback | None = None,
    ) -> None:
        size = os.path.getsize(lpath)

        def read(at: int, count: int) -> bytes:
            with open(lpath, "rb") as source:
                source.seek(at)
                data = source.read(count)
            if callback is not None:
                callback.relative_update(len(data))
            return data

        if size <= SINGLE_PUT:
            await self._put(key, read(0, size), create, settings)
        else:
            await self._put_blocks(key, size, read, create, settings)

    async def _put(self, key: str, data: bytes, create: bool, settings: dict[str, Any]) -> None:
        blob = await self.blob(key)
        await blob.upload_blob(
            data,
            length=len(data),
            overwrite=not create,
            **settings,
            **self._server_timeout(),
            **(_ONCE if create else {}),
        )

    async def _put_blocks(
        self,
        key: str,
        size: int,
        read: Callable[[int, int], bytes],
        create: bool,
        settings: dict[str, Any],
    ) -> None:
        """Send a blob in blocks, which become its content in one step at the end."""
        from azure.core import MatchConditions
        from azure.core.exceptions import HttpResponseError
        from azure.storage.blob import BlobBlock

        blob = await self.blob(key)
        length = max(self._block_size, -(-size // _MAX_BLOCKS))
        staging = {n: v for n, v in settings.items() if n in ("cpk", "encryption_scope")}
        staging |= self._server_timeout()
        condition: dict[str, Any] = {"match_condition": MatchConditions.IfMissing} if create else {}

        async def stage(block: str, at: int) -> None:
            data = read(at, min(length, size - at))
            await blob.stage_block(block, data, length=len(data), **staging)

        for attempt in range(_TRIES):
            # As long as the SDK's: the blocks of one blob must have names of one length.
            blocks = {f"{uuid.uuid4().int:048d}": at for at in range(0, size, length)}
            try:
                await gather([stage(name, at) for name, at in blocks.items()], self._concurrency)
                await blob.commit_block_list(
                    [BlobBlock(name) for name in blocks],
                    **settings,
                    **self._server_timeout(),
                    **condition,
                )
            except HttpResponseError as exc:
                # Whoever writes the same blob meanwhile throws our blocks away with theirs.
                if error_code(exc) != "InvalidBlockList" or attempt == _TRIES - 1:
                    raise
            else:
                return

    @property
    def _block_size(self) -> int:
        return int(self.target.options.get("blocksize") or _PIECE)

    @property
    def _concurrency(self) -> int:
        return int(self.target.options.get("max_concurrency") or 2)

    def _server_timeout(self) -> dict[str, Any]:
        seconds = self.target.options.get("timeout")
        return {"timeout": seconds} if seconds else {}

    async def copy(self, source: str, target: str) -> None:
        from azure.core.exceptions import HttpResponseError

        properties = await self._properties(source)
        if is_folder(properties):
            raise self._is_directory(source)
        blob = await self.blob(target)
        if properties.size <= _LARGEST_COPY:
            url, proof = await self._readable_url(source)
            try:
                # Without "sync" the target would be seen before its content is there.
                await blob.start_copy_from_url(
                    url, requires_sync=True, read_timeout=self.timeout, **proof
                )
            except HttpResponseError as exc:
                # A SAS without the right to read, an append blob: the bytes can come this way.
                if exc.status_code not in _NO_SERVER_COPY:
                    raise
            else:
                return
        settings = {
            "content_settings": content_settings(properties.content_settings),
            "metadata": properties.metadata,
        }
        with tempfile.NamedTemporaryFile(prefix="remote-store-fsspec-") as local:
            await self._transfer(source, 0, None, _PIECE, lambda _: _empty(local), local.write)
            local.flush()
            await self._put_file(target, local.name, False, settings)

    async def _readable_url(self, key: str) -> tuple[str, dict[str, Any]]:
        """A URL that the service itself may read a blob from, and what proves it."""
        service = await self.service()
        blob = await self.blob(key)
        if hasattr(service.credential, "account_key"):
            return f"{blob.url}?{self._signature(service, key, 3600)}", {}
        if hasattr(service.credential, "get_token"):
            token = await service.credential.get_token("https://storage.azure.com/.default")
            return blob.url, {"source_authorization": f"Bearer {token.token}"}
        return blob.url, {}

    async def move(self, source: str, target: str) -> None:
        await self.copy(source, target)
        await self._delete_one(self.name(source))

    # -- deleting -------------------------------------------------------------------------

    async def delete(self, key: str) -> None:
        # Looking first tells a folder's placeholder from a file, and a blob that was never
        # there from one whose deletion was answered by a broken connection.
        if is_folder(await self._properties(key)):
            raise self._is_directory(key)
        await self._delete_one(self.name(key))

    async def _delete_one(self, name: str) -> bool:
        """Delete a blob by its own name; false when it was not there."""
        from azure.core.exceptions import HttpResponseError

        container = await self.container()
        try:
            await self.step(container.delete_blob(name))
        except HttpResponseError as exc:
            if error_code(exc) != "BlobNotFound":
                raise
            return False
        return True

    async def delete_many(self, keys: Sequence[str], *, missing_ok: bool) -> list[str]:
        names = {self.name(key): key for key in keys}
        missing = await self._delete_names(list(names))
        return [] if missing_ok else [key for name, key in names.items() if name in missing]

    async def _delete_names(self, names: Sequence[str]) -> set[str]:
        """Delete blobs by their own names and return those that were not there."""
        if len(names) == 1:
            return set() if await self._delete_one(names[0]) else set(names)
        batches = [names[at : at + _BULK_DELETE] for at in range(0, len(names), _BULK_DELETE)]
        missing = await gather([self._delete_batch(batch) for batch in batches], _BATCHES)
        return set().union(*missing)

    async def _delete_batch(self, names: Sequence[str]) -> set[str]:
        from azure.core.exceptions import (
            HttpResponseError,
            ServiceRequestError,
            ServiceResponseError,
        )

        lost = False
        for _ in range(_TRIES):
            try:
                outcomes = await self._submit_batch(names, {} if lost else _ONCE)
            except (ServiceRequestError, ServiceResponseError):
                if lost:
                    raise
                lost = True  # it may have taken effect: what is missing next time was ours
            except HttpResponseError as exc:
                if exc.status_code in _REFUSED or error_code(exc) in NO_CONTAINER:
                    raise
                # A busy service, or one without batches; each deletion has its own attempts.
                return await self._delete_singly(names)
            else:
                break
        if len(outcomes) != len(names):
            return await self._delete_singly(names)
        missing = {name for name, code in outcomes.items() if code == "BlobNotFound"}
        failed = {n: code for n, code in outcomes.items() if code and n not in missing}
        if failed:
            # One by one: each with its retries, and the error of the first that still fails.
            missing |= await self._delete_singly(list(failed))
        return set() if lost else missing

    async def _delete_singly(self, names: Sequence[str]) -> set[str]:
        there = await gather([self._delete_one(name) for name in names])
        return {name for name, was in zip(names, there, strict=True) if not was}

    async def _submit_batch(
        self, names: Sequence[str], retries: Mapping[str, Any]
    ) -> dict[str, str]:
        """Delete up to 256 blobs by one request: name to error code, "" where it worked."""
        container = await self.container()

        async def submit() -> list[Any]:
            parts = await container.delete_blobs(
                *names,
                raise_on_any_failure=False,
                raw_request_hook=_plain_boundary,
                retry_status=0,
                read_timeout=self.timeout,
                **retries,
            )
            return [part async for part in parts]

        parts = await self.step(submit(), len(names) * _DELETION)
        if len(parts) != len(names):
            return {}
        # Answers come in any order; each carries the id of its own request.
        identities = {
            part.request.headers.get("x-ms-client-request-id"): name
            for part, name in zip(parts, names, strict=True)
        }
        outcomes = {}
        for part, name in zip(parts, names, strict=True):
            meant = identities.get(part.headers.get("x-ms-client-request-id"), name)
            code = part.headers.get("x-ms-error-code") or str(part.status_code)
            outcomes[meant] = "" if part.status_code < _MULTIPLE_CHOICES else code
        return outcomes

    async def delete_tree(self, key: str) -> None:
        files: list[str] = []
        folders: list[str] = []
        async for page in self._pages(self._below(key)):
            for item in page:
                (folders if is_folder(item) else files).append(item.name)
        await self._delete_names(files)
        if key:
            folders += [self.name(key)] if await self._is_placeholder(key) else []
        # A folder of a hierarchical account must be empty before it can go.
        for depth in sorted({name.count("/") for name in folders}, reverse=True):
            await self._delete_names([name for name in folders if name.count("/") == depth])

    async def _is_placeholder(self, key: str) -> bool:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return is_folder(await self._properties(key))
        except ResourceNotFoundError:
            return False

    async def makedirs(self, key: str) -> None:
        """Nothing: a folder is where blobs are."""

    async def rmdir(self, key: str) -> None:
        async for _ in self._pages(self._below(key), results_per_page=1):
            raise DirectoryNotEmptyError("the directory is not empty", url=self.display_url(key))
        if await self._is_placeholder(key):
            await self._delete_one(self.name(key))

    # -- signing --------------------------------------------------------------------------

    async def sign(self, key: str, expiration: int, options: Mapping[str, Any]) -> str:
        service = await self.service()
        blob = await self.blob(key)
        credential = service.credential
        delegation = None
        if not hasattr(credential, "account_key"):
            if not hasattr(credential, "get_token"):
                raise UnsupportedOperationError(
                    "azure storage signs with an account key or an Entra ID credential only",
                    url=self.display_url(key),
                    hint="a SAS token cannot make others",
                )
            if expiration > _LONGEST_DELEGATION:
                raise UnsupportedOperationError(
                    "without an account key azure storage signs for seven days at most",
                    url=self.display_url(key),
                )
            now = datetime.now(timezone.utc)
            delegation = await service.get_user_delegation_key(
                now - timedelta(minutes=5), now + timedelta(seconds=expiration)
            )
        response: dict[str, Any] = {}
        if "content_type" in options:
            response["content_type"] = options["content_type"]
        if "filename" in options:
            response["content_disposition"] = content_disposition(options["filename"])
        signature = self._signature(service, key, expiration, delegation, **response)
        return f"{blob.url}?{signature}"

    def _signature(
        self,
        service: BlobServiceClient,
        key: str,
        expiration: int,
        delegation: Any = None,
        **response: Any,
    ) -> str:
        from azure.storage.blob import BlobSasPermissions, generate_blob_sas

        return generate_blob_sas(
            str(service.account_name),
            self.container_name,
            self.name(key),
            account_key=None if delegation else service.credential.account_key,
            user_delegation_key=delegation,
            permission=BlobSasPermissions(read=True),
            expiry=datetime.now(timezone.utc) + timedelta(seconds=expiration),
            **response,
        )


def _plain_boundary(request: Any) -> None:
    """Give a batch a boundary without ``=``, at which Azurite cuts it off."""
    http = request.http_request
    kind, _, boundary = http.headers["Content-Type"].partition("boundary=")
    plain = boundary.replace("=", "-")
    http.headers["Content-Type"] = f"{kind}boundary={plain}"
    http.set_bytes_body(http.body.replace(boundary.encode(), plain.encode()))


def _empty(file: Any) -> None:
    file.seek(0)
    file.truncate()
