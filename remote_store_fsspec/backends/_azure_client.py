"""How ``adlfs`` is opened for :mod:`remote_store_fsspec.backends.azure`.

``adlfs`` finds the account and the credential; the client it builds from them waits up to
six minutes for a dead service and loads 32 MiB at once, so a bounded one takes its place.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from remote_store_fsspec.backends._closing import take_over_closing
from remote_store_fsspec.backends.base import Retry
from remote_store_fsspec.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from azure.storage.blob.aio import BlobServiceClient

__all__ = ["SINGLE_GET", "SINGLE_PUT", "open_adlfs"]

SINGLE_GET = 32 * 2**20
"""Bytes that one request may bring."""
SINGLE_PUT = 4 * 2**20
"""Bytes up to which a blob is written by one request."""
_PROOFS = ("account_key", "credential", "sas_token")
_ATTEMPTS = 3
_BODY_PIECE = 256 * 2**10


def open_adlfs(options: Mapping[str, Any], *, timeout: float, retry: Retry | None = None) -> Any:
    """An ``AzureBlobFileSystem`` whose service client gives up in bounded time.

    Args:
        options: Keywords of ``AzureBlobFileSystem``.
        timeout: Seconds that one request may take.
        retry: How often and how fast to try again, where the user has said so.

    Raises:
        ConfigError: The options name no account, or a value in them is malformed.
        MissingExtraError: ``adlfs`` is not installed.
    """
    try:
        from adlfs import AzureBlobFileSystem
    except ImportError as exc:
        raise MissingExtraError.for_extra("azure", needed_for="Azure storage") from exc

    class ExplicitAzureBlobFileSystem(AzureBlobFileSystem):
        """Prefers what it was given to the environment, and closes without its finalisers."""

        def do_connect(self) -> None:
            if options.get("account_name") and not options.get("connection_string"):
                # adlfs would go to the account of AZURE_STORAGE_CONNECTION_STRING instead.
                self.connection_string = None
                _prefer_given(self, options)
            super().do_connect()
            self.service_client: Any = _bounded(self.service_client, options, timeout, retry)

    try:
        inner = ExplicitAzureBlobFileSystem(skip_instance_cache=True, **options)
    except ValueError:
        # Without the cause: it may quote the connection string.
        raise ConfigError(
            "azure storage needs account_name (and a credential where the account is not "
            "public) or a valid connection_string",
            field="account_name",
        ) from None
    made = [
        credential
        for credential in (inner.credential, inner.sync_credential)
        if hasattr(credential, "close") and credential is not options.get("credential")
    ]
    inner.connections = take_over_closing(inner, _closer(inner.service_client, made))
    return inner


def _prefer_given(inner: Any, options: Mapping[str, Any]) -> None:
    if options.get("anon") or any(options.get(name) for name in (*_PROOFS, "client_id")):
        for name in _PROOFS:
            setattr(inner, name, options.get(name))
    if inner.anon or any(getattr(inner, name) for name in _PROOFS):
        return
    made = (
        inner._get_credential_from_service_principal()  # noqa: SLF001 - adlfs has no other way
        if inner.client_id
        else inner._get_default_azure_credential()  # noqa: SLF001
    )
    inner.credential, inner.sync_credential = made


def _bounded(
    built: Any, options: Mapping[str, Any], timeout: float, retry: Retry | None
) -> BlobServiceClient:
    """The same account and credential, with limits on time and memory."""
    from azure.storage.blob.aio import BlobServiceClient

    wait = min(2.0, timeout / 15)  # the attempts must fit into the deadline
    retry = retry or Retry(_ATTEMPTS, backoff_base=0.0, jitter=wait / 2)
    client = BlobServiceClient(
        built.primary_endpoint,
        credential=built.credential,
        secondary_hostname=built.secondary_hostname or None,
        connection_timeout=options.get("connection_timeout") or min(10.0, timeout),
        read_timeout=options.get("read_timeout") or min(20.0, timeout / retry.max_attempts),
        retry_total=retry.max_attempts - 1,
        initial_backoff=retry.backoff_base,
        increment_base=wait,  # seconds more before the second attempt, squared before the third
        random_jitter_range=retry.jitter,
        max_single_get_size=SINGLE_GET,
        max_chunk_get_size=SINGLE_GET,  # an answer is handed over as it came, not cut up again
        max_single_put_size=SINGLE_PUT,
        raw_request_hook=_send_in_pieces,
    )
    if built.location_mode != client.location_mode:
        client.location_mode = built.location_mode
    return client


class _Body:
    """Bytes that are sent piece by piece, from the beginning at each attempt.

    aiohttp warns about more than a mebibyte of plain bytes, and closes a ``BytesIO``, with
    which the SDK cannot try again.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for at in range(0, len(self._data), _BODY_PIECE):
            yield self._data[at : at + _BODY_PIECE]


def _send_in_pieces(request: Any) -> None:
    data = request.http_request.data
    if isinstance(data, bytes) and len(data) > _BODY_PIECE:
        request.http_request.data = _Body(data)


def _closer(client: Any, credentials: list[Any]) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        await client.close()
        for credential in credentials:
            closing = credential.close()
            if asyncio.iscoroutine(closing):
                await closing

    return close
