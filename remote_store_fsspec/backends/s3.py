"""S3 and what speaks its protocol: ``s3fs``, made literal, bounded and exact.

It is past 500 lines because one class keeps every promise about S3, read from top to bottom.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from remote_store_fsspec import _paths
from remote_store_fsspec.backends._s3_retry import OFF, pace
from remote_store_fsspec.backends._signing import content_disposition
from remote_store_fsspec.backends.base import Backend, Info, gather
from remote_store_fsspec.errors import (
    AccessDeniedError,
    ConfigError,
    DirectoryNotEmptyError,
    InvalidPathError,
    MissingExtraError,
    ObjectExistsError,
    ObjectNotFoundError,
    StoreError,
    StoreTimeoutError,
    StoreUnavailableError,
    UnsupportedOperationError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from fsspec import AbstractFileSystem
    from fsspec.callbacks import Callback

__all__ = ["S3Backend"]

_PART = 5 * 2**20
_MAX_PARTS = 10_000
_BULK_DELETE = 1000
_LONGEST_KEY = 1024
_RANGE_NOT_SATISFIABLE = 416
_READ_PIECE = 2**20
_ATTEMPTS = 3
_NOT_OPTIONS = frozenset(
    {"Body", "Bucket", "ContentLength", "ContentMD5", "IfMatch", "IfNoneMatch", "Key"}
)
# XML cannot say these characters, and the request for a bulk delete is XML.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired")
_CODES: Mapping[str, type[StoreError]] = {
    "NoSuchKey": ObjectNotFoundError,
    "NoSuchBucket": ObjectNotFoundError,
    "404": ObjectNotFoundError,
    "PreconditionFailed": ObjectExistsError,
    "ConditionalRequestConflict": ObjectExistsError,
    "403": AccessDeniedError,
    "401": AccessDeniedError,
    "AccessDenied": AccessDeniedError,
    "AllAccessDisabled": AccessDeniedError,
    **dict.fromkeys(_EXPIRED, AccessDeniedError),
    "InvalidAccessKeyId": AccessDeniedError,
    "InvalidToken": AccessDeniedError,
    "SignatureDoesNotMatch": AccessDeniedError,
    "RequestTimeTooSkewed": AccessDeniedError,
    "KeyTooLongError": InvalidPathError,
    "RequestTimeout": StoreTimeoutError,
    "500": StoreUnavailableError,
    "502": StoreUnavailableError,
    "503": StoreUnavailableError,
    "504": StoreUnavailableError,
    "InternalError": StoreUnavailableError,
    "ServiceUnavailable": StoreUnavailableError,
    "SlowDown": StoreUnavailableError,
}


class S3Backend(Backend):
    """Objects of one bucket; every request goes through ``s3fs``'s retrying client."""

    kind = "s3"
    atomic_put = True
    keeps_directories = False

    # -- opening --------------------------------------------------------------------------

    def options(self) -> dict[str, Any]:
        given = dict(self.target.options)
        config = dict(given.get("config_kwargs") or {})
        config.setdefault("connect_timeout", min(10.0, self.timeout))
        config.setdefault("read_timeout", min(20.0, self.timeout / _ATTEMPTS))
        if not given.get("anon"):
            # s3fs signs URLs with SigV2 on custom endpoints otherwise, which AWS refuses
            # for encrypted objects and most regions.
            config.setdefault("signature_version", "s3v4")
        if self.target.retry is not None:
            config["retries"] = OFF
        config.setdefault("retries", {"mode": "standard", "total_max_attempts": _ATTEMPTS})
        given["config_kwargs"] = config
        return {"max_concurrency": 1, "default_cache_type": "none", **given} | {
            "use_listings_cache": False
        }

    def open_inner(self) -> AbstractFileSystem:
        try:
            from s3fs import S3FileSystem
        except ImportError as exc:
            raise MissingExtraError.for_extra("s3", needed_for="S3 storage") from exc

        class LiteralS3FileSystem(S3FileSystem):
            """Takes ``?versionId=`` in a name as part of the name."""

            def split_path(self, path: str) -> tuple[str, str, None]:
                bucket, _, key = path.partition("/")
                return bucket, key, None

            @classmethod
            def _strip_protocol(cls, path: Any) -> Any:
                return path

        inner = LiteralS3FileSystem(skip_instance_cache=True, **self.options())
        inner.retries = 1  # botocore retries already; five times four attempts take minutes
        return inner

    async def close_inner(self, inner: AbstractFileSystem) -> None:
        client: Any = inner
        if getattr(client, "_s3creator", None) is not None:
            await client._s3creator.__aexit__(None, None, None)  # noqa: SLF001

    async def inner(self) -> Any:
        inner: Any = await super().inner()
        if inner._s3 is None:  # noqa: SLF001
            await inner.set_session()
            # The wait for "100 Continue" has no timeout in aiohttp: a server that accepts
            # and stays silent would hold an upload for ever.
            from botocore.handlers import add_expect_header

            inner.s3.meta.events.unregister("before-call.s3", add_expect_header)
            if self.target.retry is not None:
                pace(inner.s3, self.target.retry)
        return inner

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One S3 request, within its deadline."""
        inner = await self.inner()
        answer: dict[str, Any] = await self.step(
            inner._call_s3(method, Bucket=self.bucket, **parameters)  # noqa: SLF001
        )
        return answer

    # -- names and errors -----------------------------------------------------------------

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.target.base.partition("/")[0]

    def name(self, key: str) -> str:
        """The object key of one of our keys."""
        name = _paths.join(self.target.base.partition("/")[2].strip("/"), key)
        try:
            length = len(name.encode())
        except UnicodeEncodeError:
            raise InvalidPathError(
                "S3 holds keys of valid Unicode text only", url=self.display_url(key)
            ) from None
        if length > _LONGEST_KEY:
            raise InvalidPathError(
                "S3 holds keys of 1,024 bytes at most", url=self.display_url(key)
            )
        return name

    def path(self, key: str) -> str:
        return _paths.join(self.bucket, self.name(key))

    def classify(self, exc: BaseException) -> type[StoreError] | None:
        from botocore import exceptions as boto

        cause: BaseException | None = exc
        while cause is not None and not isinstance(cause, boto.ClientError):
            cause = cause.__cause__
        if isinstance(cause, boto.ClientError):
            status = str(cause.response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
            code = str(cause.response.get("Error", {}).get("Code", ""))
            return _CODES.get(code) or _CODES.get(status)
        if isinstance(exc, (boto.ReadTimeoutError, boto.ConnectTimeoutError)):
            return StoreTimeoutError
        if isinstance(exc, (boto.NoCredentialsError, boto.PartialCredentialsError)):
            return AccessDeniedError
        if isinstance(exc, (boto.ProfileNotFound, boto.TokenRetrievalError, boto.SSOError)):
            return AccessDeniedError
        if isinstance(
            exc, (boto.HTTPClientError, boto.ConnectionError, boto.ResponseStreamingError)
        ):
            return StoreUnavailableError
        import aiohttp

        if isinstance(exc, (aiohttp.ClientError, boto.IncompleteReadError)):
            return StoreUnavailableError
        return None

    def expired(self, exc: BaseException) -> bool:
        return _error(exc).get("Code") in _EXPIRED

    def describe(self, exc: BaseException) -> str:
        code = _error(exc).get("Code")
        return f"S3 answered {code}" if code else super().describe(exc)

    # -- reading --------------------------------------------------------------------------

    async def info(self, key: str) -> Info:
        name = self.name(key)
        try:
            head = await self.call("head_object", Key=name)
        except Exception as exc:
            if not isinstance(self.translate(exc, key), ObjectNotFoundError):
                raise
            # Nothing of that name: a directory is whatever has objects below it.
            below = await self.call("list_objects_v2", Prefix=name + "/", MaxKeys=1)
            if not below.get("Contents"):
                raise
            return {"name": key, "size": 0, "type": "directory"}
        return self.normalise({**head, "type": "file", "size": head["ContentLength"]}, key)

    async def ls(self, key: str, prefix: str = "") -> list[Info]:
        found = await self._list(key, prefix, Delimiter="/")
        if not found and not prefix:
            raise ObjectNotFoundError("no such file or directory", url=self.display_url(key))
        return found

    async def find(self, key: str, prefix: str = "") -> dict[str, Info]:
        found = {info["name"]: info for info in await self._list(key, prefix)}
        for folder in _paths.ancestors(found) - found.keys():
            if folder != key and (not key or _paths.relative_to(key, folder)):
                found[folder] = {"name": folder, "size": 0, "type": "directory"}
        return found

    async def _list(self, key: str, prefix: str, **parameters: Any) -> list[Info]:
        found: list[Info] = []
        async for page in self._pages(self._below(key) + prefix, **parameters):
            for entry in page.get("CommonPrefixes", []):
                child = self.key(f"{self.bucket}/{entry['Prefix'].rstrip('/')}")
                if child and child != key:
                    found.append({"name": child, "size": 0, "type": "directory"})
            for entry in page.get("Contents", []):
                child = self.key(f"{self.bucket}/{entry['Key']}")
                # A name that ends in a slash is the placeholder some consoles make.
                if child and child != key and not entry["Key"].endswith("/"):
                    found.append(
                        self.normalise({**entry, "type": "file", "size": entry["Size"]}, child)
                    )
        return found

    def _below(self, key: str) -> str:
        """What the keys of all objects in a directory start with."""
        name = self.name(key)
        return f"{name}/" if name else ""

    async def _pages(self, start: str, **parameters: Any) -> AsyncIterator[dict[str, Any]]:
        token: dict[str, Any] = {}
        while True:
            page = await self.call("list_objects_v2", Prefix=start, **parameters, **token)
            yield page
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    async def read(self, key: str, start: int | None, end: int | None) -> bytes:
        if start is not None and end is not None and (start < 0 or end <= start):
            return await self._read_measured(key, start, end)
        if start is None and end is not None and end <= 0:
            return await self._read_measured(key, start, end)
        if end is not None and end < 0:
            return await self._read_measured(key, start, end)
        if start is not None and start < 0:
            bounds = f"bytes={start}"
        else:
            bounds = f"bytes={start or 0}-{'' if end is None else end - 1}"
        whole = bounds == "bytes=0-"
        try:
            return await self._get(key, {} if whole else {"Range": bounds})
        except Exception as exc:
            if _status(exc) == _RANGE_NOT_SATISFIABLE:
                return b""  # the range starts at or past the end
            raise

    async def _read_measured(self, key: str, start: int | None, end: int | None) -> bytes:
        size = (await self.call("head_object", Key=self.name(key)))["ContentLength"]
        low, high = _paths.range_of(size, start, end)
        return b"" if low == high else await self._get(key, {"Range": f"bytes={low}-{high - 1}"})

    async def _get(self, key: str, parameters: Mapping[str, str]) -> bytes:
        pieces: list[bytes] = []

        def begin(size: int) -> None:
            del size
            pieces.clear()

        await self._receive(key, parameters, begin, pieces.append)
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

            await self._receive(key, {}, begin, take)

    async def _receive(
        self,
        key: str,
        parameters: Mapping[str, str],
        begin: Callable[[int], None],
        take: Callable[[bytes], Any],
    ) -> None:
        """Hand over an object piece by piece, again from the start when it was cut."""
        expected = arrived = 0
        for attempt in range(_ATTEMPTS):
            answer = await self.call("get_object", Key=self.name(key), **parameters)
            body, expected, arrived = answer["Body"], answer["ContentLength"], 0
            begin(expected)
            try:
                while piece := await self.step(body.read(_READ_PIECE)):
                    take(piece)
                    arrived += len(piece)
            except Exception as exc:
                broken = isinstance(self.translate(exc, key), StoreUnavailableError)
                if not broken or attempt == _ATTEMPTS - 1:
                    raise
                continue
            finally:
                body.close()
            if arrived == expected:
                return
        raise StoreUnavailableError(
            f"{arrived} of {expected} bytes arrived", url=self.display_url(key)
        )

    # -- writing --------------------------------------------------------------------------

    async def settings(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of S3's PutObject for a user's ``write_options``.

        Raises:
            ConfigError: S3 has no such parameter; s3fs would drop it without a word.
        """
        given = dict(options)
        content_type = given.pop("content_type", None)
        inner = await self.inner()
        put = inner.s3.meta.service_model.operation_model("PutObject").input_shape
        for name in given:
            if name not in put.members or name in _NOT_OPTIONS:
                raise ConfigError(
                    f"write_options.{name} is no parameter of S3's PutObject; known are "
                    f"content_type, {', '.join(sorted(set(put.members) - _NOT_OPTIONS))}",
                    field=f"write_options.{name}",
                )
        return {"ContentType": content_type, **given} if content_type else given

    async def write(
        self, key: str, data: bytes, *, create: bool, options: Mapping[str, Any]
    ) -> None:
        extra = await self.settings(options)
        await self._named(
            key,
            self.invoke(
                "pipe_file",
                self.path(key),
                data,
                chunksize=_part_size(len(data)),
                mode="create" if create else "overwrite",
                **extra,
            ),
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
        extra = await self.settings(options)
        # s3fs guesses a type from the local name otherwise, which is a temporary one.
        extra.setdefault("ContentType", "binary/octet-stream")
        await self._named(
            key,
            self.invoke(
                "put_file",
                lpath,
                self.path(key),
                callback=callback,
                chunksize=_part_size(os.path.getsize(lpath)),
                mode="create" if create else "overwrite",
                **extra,
            ),
        )

    async def _named(self, key: str, put: Awaitable[None]) -> None:
        """Wait for an upload; when there is no bucket, say that it is the bucket."""
        try:
            await put
        except FileNotFoundError as exc:
            if _error(exc).get("Code") != "NoSuchBucket":
                raise
            raise ObjectNotFoundError(
                f"the bucket {self.bucket!r} does not exist",
                url=self.display_url(key),
                hint="create it, or correct its name",
            ) from exc

    async def copy(self, source: str, target: str) -> None:
        await self.invoke("cp_file", self.path(source), self.path(target))

    async def move(self, source: str, target: str) -> None:
        await self.copy(source, target)
        await self.call("delete_object", Key=self.name(source))

    # -- deleting -------------------------------------------------------------------------

    async def delete(self, key: str) -> None:
        await self.call("head_object", Key=self.name(key))  # deleting nothing succeeds on S3
        await self.call("delete_object", Key=self.name(key))

    async def delete_many(self, keys: Sequence[str], *, missing_ok: bool) -> list[str]:
        missing: list[str] = []
        if not missing_ok:
            there = await gather([self.exists(key) for key in keys])
            missing = [key for key, found in zip(keys, there, strict=True) if not found]
        await self._delete_names([self.name(key) for key in keys])
        return missing

    async def _delete_names(self, names: Sequence[str]) -> None:
        """Delete objects by their own names, 1,000 by one request."""
        unsayable = [name for name in names if _NOT_XML.search(name)]
        await gather([self.call("delete_object", Key=name) for name in unsayable])
        names = [name for name in names if not _NOT_XML.search(name)]
        batches = [names[i : i + _BULK_DELETE] for i in range(0, len(names), _BULK_DELETE)]
        await gather([self._delete_batch(batch) for batch in batches], 3)

    async def _delete_batch(self, names: Sequence[str]) -> None:
        answer = await self.call(
            "delete_objects",
            Delete={"Objects": [{"Key": name} for name in names], "Quiet": True},
        )
        errors = answer.get("Errors") or []
        if errors:
            # s3fs passes over these: a key that may not be deleted would seem gone.
            first = errors[0]
            kind = _CODES.get(first.get("Code", ""), StoreError)
            raise kind(
                f"S3 did not delete {len(errors)} of {len(names)} objects: {first.get('Code')}",
                url=f"s3://{self.bucket}/{first.get('Key', '')}",
                hint="call again: what is deleted stays deleted",
            )

    async def delete_tree(self, key: str) -> None:
        # By the objects' own names: placeholders such as "folder/" are no keys of ours.
        names = [
            entry["Key"]
            async for page in self._pages(self._below(key))
            for entry in page.get("Contents", ())
        ]
        await self._delete_names(names)

    async def makedirs(self, key: str) -> None:
        """Nothing: a folder is where objects are."""

    async def rmdir(self, key: str) -> None:
        page = await self.call("list_objects_v2", Prefix=self._below(key), MaxKeys=1)
        if page.get("Contents"):
            raise DirectoryNotEmptyError("the directory is not empty", url=self.display_url(key))

    async def sign(self, key: str, expiration: int, options: Mapping[str, Any]) -> str:
        inner = await self.inner()
        extra = {}
        if "content_type" in options:
            extra["ResponseContentType"] = options["content_type"]
        if "filename" in options:
            extra["ResponseContentDisposition"] = content_disposition(options["filename"])
        if inner.anon:
            raise UnsupportedOperationError(
                "s3 storage cannot sign without a credential", url=self.display_url(key)
            )
        url: str = await inner._url(self.path(key), expires=expiration, **extra)  # noqa: SLF001
        return url


def _part_size(size: int) -> int:
    """Bytes of one part: small for little memory, larger where 10,000 would not do."""
    return max(_PART, -(-size // (_MAX_PARTS - 1)))


def _response(exc: BaseException) -> dict[str, Any]:
    """What S3 answered, from an exception or from those that led to it."""
    cause: BaseException | None = exc
    while cause is not None:
        response = getattr(cause, "response", None)
        if isinstance(response, dict):
            return response
        cause = cause.__cause__
    return {}


def _error(exc: BaseException) -> dict[str, Any]:
    error: dict[str, Any] = _response(exc).get("Error", {})
    return error


def _status(exc: BaseException) -> int:
    return int(_response(exc).get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
