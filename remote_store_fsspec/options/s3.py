"""Options of the backend types ``s3`` and ``s3-pyarrow``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from remote_store_fsspec.errors import ConfigError
from remote_store_fsspec.options._fields import OptionSet, option
from remote_store_fsspec.options._names import check_keywords
from remote_store_fsspec.options._retry import parse_retry
from remote_store_fsspec.options._shared import ancestor_option, name_alone, retry_option

if TYPE_CHECKING:
    from remote_store_fsspec.backends.base import Retry

__all__ = ["CA_BUNDLE_VARIABLES", "S3Options", "endpoint"]

CA_BUNDLE_VARIABLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
"""Where a CA bundle is looked for when none is written, in this order."""


@dataclass(frozen=True, repr=False)
class S3Options(OptionSet):
    """A bucket of Amazon S3 or of anything that speaks its protocol."""

    backend_type: ClassVar[str] = "s3"
    extra: ClassVar[str | None] = "s3"
    library: ClassVar[str | None] = "s3fs"

    bucket: str = option(
        meaning="Name of the bucket. It must exist.",
        translation="first element of the path",
        check=name_alone("bucket"),
    )
    endpoint_url: str | None = option(
        None,
        meaning="Address of an S3-compatible server; a bare `host:port` means https. "
        "Not written: Amazon's own.",
        translation="`endpoint_url`",
    )
    key: str | None = option(
        None,
        meaning="Access key id. Not written: botocore's own chain (environment, profile, "
        "instance role).",
        translation="`key`",
    )
    secret: str | None = option(
        None,
        meaning="Secret access key; goes with `key`.",
        translation="`secret`",
    )
    region_name: str | None = option(
        None,
        meaning="Region of the bucket. Not written: botocore's own chain.",
        translation='`client_kwargs["region_name"]`',
    )
    tls_ca_bundle: str | None = option(
        None,
        meaning="PEM file of the authorities to trust. Not written: the file that "
        "`AWS_CA_BUNDLE`, else `REQUESTS_CA_BUNDLE`, else `SSL_CERT_FILE` names, else the "
        "system's.",
        translation='`client_kwargs["verify"]`',
    )
    client_options: Mapping[str, Any] = option(
        {},
        meaning="Further keywords of `s3fs.S3FileSystem`, for example `token`, `profile`, "
        "`s3_additional_kwargs`, `config_kwargs`.",
        translation="the same keywords",
    )
    retry: Any = retry_option(  # noqa: RUF009 - it makes a dataclass field
        meaning="How often and how fast a failed request is made again, within the time that a "
        "call may take. Not written: botocore's standard mode, a few times.",
        translation="kept by the storage's module here, in place of botocore's `retries`",
    )
    reject_write_under_file_ancestor: bool = ancestor_option()

    def place(self) -> tuple[str, str, str]:
        """The bucket."""
        return "s3", self.bucket, f"s3://{self.bucket}"

    def keywords(self, where: str) -> dict[str, Any]:
        """Keywords of ``s3fs.S3FileSystem``."""
        if bool(self.key) != bool(self.secret):
            there, missing = ("key", "secret") if self.key else ("secret", "key")
            raise ConfigError(
                f"{where}.{missing} is missing: {there} is written, and the two go together; "
                "write both, or neither for botocore's own chain",
                field=f"{where}.{missing}",
            )
        options: dict[str, Any] = {
            name: _copied(item) for name, item in self.client_options.items()
        }
        check_keywords("s3fs", options, where=f"{where}.client_options")
        client = options.get("client_kwargs") or {}
        if "config" in client:
            raise ConfigError(
                f"{where}.client_options.client_kwargs.config cannot be honoured: s3fs makes "
                "that object itself; write its settings into client_options.config_kwargs",
                field=f"{where}.client_options.client_kwargs.config",
            )
        written = {"endpoint_url": endpoint(self.endpoint_url), "key": self.key}
        written["secret"] = self.secret
        options.update({name: value for name, value in written.items() if value})
        if self.region_name:
            client["region_name"] = self.region_name
        bundle = self._ca_bundle(where)
        if bundle:
            client.setdefault("verify", bundle)
        if client:
            options["client_kwargs"] = client
        return options

    def attempts(self, where: str) -> Retry | None:
        """For the storage's module here, which asks instead of botocore."""
        return parse_retry(self.retry, where)

    def _ca_bundle(self, where: str) -> str | None:
        source, path = f"{where}.tls_ca_bundle", self.tls_ca_bundle
        for variable in CA_BUNDLE_VARIABLES:
            if path is None and os.environ.get(variable):
                source, path = f"{source} (from {variable})", os.environ[variable]
        if path is None:
            return None
        if not Path(path).is_file():
            raise ConfigError(
                f"{source}: there is no file {path}; name an existing PEM file, or none",
                field=f"{where}.tls_ca_bundle",
            )
        return path


def endpoint(url: str | None) -> str | None:
    """An endpoint with a scheme: a bare ``host:port`` means https."""
    url = (url or "").strip()
    if not url:
        return None
    return url if url.lower().startswith(("http://", "https://")) else f"https://{url}"


def _copied(value: Any) -> Any:
    return {key: _copied(item) for key, item in value.items()} if isinstance(value, dict) else value
