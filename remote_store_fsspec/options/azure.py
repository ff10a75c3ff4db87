"""Options of the backend type ``azure``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from remote_store_fsspec.errors import ConfigError
from remote_store_fsspec.options._fields import OptionSet, option, unknown_option
from remote_store_fsspec.options._retry import parse_retry
from remote_store_fsspec.options._shared import ancestor_option, name_alone, retry_option

if TYPE_CHECKING:
    from typing_extensions import Self

    from remote_store_fsspec.backends.base import Retry

__all__ = ["AsyncCredential", "AzureOptions"]

_log = logging.getLogger(__name__)

_CLIENT_OPTIONS: Mapping[str, str] = {
    "connection_timeout": "connection_timeout",
    "read_timeout": "read_timeout",
    "timeout": "timeout",
    "max_block_size": "blocksize",
}
"""What adlfs can honour of the Azure clients' keywords, and its own name for each."""

_NO_ACCOUNT = "names no storage account: write account_name, account_url or connection_string"


def _one_or_more(value: int) -> str | None:
    return None if value >= 1 else "must be 1 or more"


def _client_options(value: Mapping[str, Any]) -> str | None:
    for name in value:
        if name not in _CLIENT_OPTIONS:
            error = unknown_option(name, _CLIENT_OPTIONS, where="", owner="adlfs")
            return f"cannot be honoured: {str(error).lstrip('.')}"
    return None


@dataclass(frozen=True, repr=False)
class AzureOptions(OptionSet):
    """A container of Azure Blob Storage or of Data Lake Storage Gen2."""

    backend_type: ClassVar[str] = "azure"
    extra: ClassVar[str | None] = "azure"
    library: ClassVar[str | None] = "adlfs"

    container: str = option(
        meaning="Name of the container. It must exist.",
        translation="first element of the path",
        check=name_alone("container"),
    )
    hns: bool | None = option(
        None,
        meaning="Whether the account has a hierarchical namespace. The Blob API serves both "
        "kinds, so nothing depends on it here.",
        translation="none; accepted so that a remote-store block moves over",
    )
    account_name: str | None = option(
        None,
        meaning="Name of the storage account.",
        translation="`account_name`",
    )
    account_url: str | None = option(
        None,
        meaning="Address of the account (`https://name.blob.core.windows.net`, a `.dfs.` one "
        "too), for other clouds, custom domains and emulators. Plain `http` needs "
        "`account_key` or `sas_token`.",
        translation="`account_name` and `account_host`; a connection string where it has a path "
        "or plain `http`",
    )
    account_key: str | None = option(
        None,
        meaning="Key of the account.",
        translation="`account_key`",
    )
    sas_token: str | None = option(
        None,
        meaning="Shared access signature. Signed download links cannot be made with it.",
        translation="`sas_token`",
    )
    connection_string: str | None = option(
        None,
        meaning="Connection string; it wins over the account options.",
        translation="`connection_string`",
    )
    credential: Any = option(  # noqa: RUF009 - it makes a dataclass field
        None,
        meaning="A credential object of `azure-identity` (from Python only), blocking or async. "
        "With no credential at all: `DefaultAzureCredential`.",
        translation="`credential`; a blocking one is run on a worker thread",
    )
    client_options: Mapping[str, Any] = option(
        {},
        meaning="`connection_timeout`, `read_timeout`, `timeout` (seconds) and `max_block_size` "
        "(bytes); adlfs has no place for others, and they are refused.",
        translation="`connection_timeout`, `read_timeout`, `timeout`, `blocksize`",
        check=_client_options,
    )
    retry: Any = retry_option(  # noqa: RUF009 - it makes a dataclass field
        meaning="How often and how fast a failed request is made again. Not written: three times.",
        translation="the Azure client's `retry_total` of one less, `initial_backoff` and "
        "`random_jitter_range`; `backoff_max` and `timeout` are refused",
    )
    max_concurrency: int = option(
        1,
        meaning="Connections for one upload or download.",
        translation="`max_concurrency`",
        unit="connections",
        check=_one_or_more,
    )
    reject_write_under_file_ancestor: bool = ancestor_option()

    def place(self) -> tuple[str, str, str]:
        """The container."""
        return "abfs", self.container, f"abfs://{self.container}"

    def keywords(self, where: str) -> dict[str, Any]:
        """Keywords of ``adlfs.AzureBlobFileSystem``."""
        if not (self.account_name or self.account_url or self.connection_string):
            raise ConfigError(f"{where} {_NO_ACCOUNT}", field=f"{where}.account_name")
        if self.hns is not None:
            _log.debug("%s.hns is accepted and changes nothing: the Blob API serves both", where)
        options: dict[str, Any] = {
            _CLIENT_OPTIONS[name]: value for name, value in self.client_options.items()
        }
        options["max_concurrency"] = self.max_concurrency
        if self.connection_string:
            options["connection_string"] = self.connection_string
        else:
            options.update(self._account(where))
        return options

    def attempts(self, where: str) -> Retry | None:
        """For the client that takes the place of adlfs's own."""
        policy = parse_retry(self.retry, where)
        if policy is not None:
            policy.refuse(f"{where}.retry", "the Azure client", "backoff_max", "timeout")
        return policy

    def _account(self, where: str) -> dict[str, Any]:
        """The account and how to prove oneself to it."""
        name, host, address = self._address(where)
        plain = host is not None and address is None
        if self.credential is None and (self.account_key or self.sas_token):
            # The SDK signs with the account that the host starts with, whatever it is told.
            if plain and str(host).startswith(f"{name}."):
                options: dict[str, Any] = {"account_name": name, "account_host": host}
                if self.account_key:
                    return options | {"account_key": self.account_key}
                return options | {"sas_token": str(self.sas_token)}
            # The only form that says http, a path, or an account that the host does not.
            return {
                "connection_string": self._connection_string(name, address or f"https://{host}")
            }
        if not plain:
            raise ConfigError(
                f"{where}.account_url is not the https address of a host, which only "
                "account_key, sas_token or connection_string can be used with; write one of them",
                field=f"{where}.account_url",
            )
        options = {"account_name": name, "account_host": host}
        if self.credential is None:
            return options | {"anon": False}
        return options | {"credential": _async_credential(self.credential)}

    def _address(self, where: str) -> tuple[str, str | None, str | None]:
        """Account, host, and the whole address where a host does not say it all."""
        if not self.account_url:
            return str(self.account_name), f"{self.account_name}.blob.core.windows.net", None
        field = f"{where}.account_url"
        text = self.account_url if "://" in self.account_url else f"https://{self.account_url}"
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(
                f"{field} must be an address such as https://name.blob.core.windows.net",
                field=field,
            )
        if parts.query or parts.username:
            raise ConfigError(
                f"{field} must hold no signature and no user; write sas_token",
                field=field,
            )
        host = parts.netloc.replace(".dfs.", ".blob.", 1)
        path = parts.path.strip("/")
        name = self.account_name or (path or parts.hostname.partition(".")[0])
        if "/" in name:
            raise ConfigError(
                f"{field} must end with the account's name, not with a container or folder; "
                "write container and root_path",
                field=field,
            )
        if parts.scheme == "https" and not path:
            return name, host, None
        return name, host, f"{parts.scheme}://{host}" + (f"/{path}" if path else "")

    def _connection_string(self, name: str, address: str) -> str:
        proof = (
            f"AccountKey={self.account_key}"
            if self.account_key
            else f"SharedAccessSignature={str(self.sas_token).lstrip('?')}"
        )
        scheme = urlsplit(address).scheme
        return (
            f"DefaultEndpointsProtocol={scheme};AccountName={name};{proof};BlobEndpoint={address};"
        )


class AsyncCredential:
    """A blocking credential of ``azure-identity`` for the async client that adlfs uses."""

    def __init__(self, credential: Any) -> None:
        self._credential = credential

    async def get_token(self, *scopes: str, **kwargs: Any) -> Any:
        """A token from the blocking credential, without stopping the event loop."""
        return await asyncio.to_thread(self._credential.get_token, *scopes, **kwargs)

    async def close(self) -> None:
        """Leave the credential open: it belongs to whoever made it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Nothing was opened."""


def _async_credential(credential: Any) -> Any:
    get_token = getattr(credential, "get_token", None)
    if get_token is None or asyncio.iscoroutinefunction(get_token):
        return credential
    return AsyncCredential(credential)
