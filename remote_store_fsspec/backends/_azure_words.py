"""Azure's words: which names it holds, what its errors and its options mean. No network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

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
)

if TYPE_CHECKING:
    from azure.storage.blob import ContentSettings

__all__ = [
    "NO_CONTAINER",
    "content_settings",
    "error_code",
    "error_type",
    "is_expired",
    "is_folder",
    "problem_of",
    "write_settings",
]

_LIFETIME = re.compile(r"Expiry \[([^\]]+)\] - Current \[([^\]]+)\]")
_CODES: Mapping[str, type[StoreError]] = {
    "BlobNotFound": ObjectNotFoundError,
    "ContainerNotFound": ObjectNotFoundError,
    "ContainerBeingDeleted": ObjectNotFoundError,
    "BlobAlreadyExists": ObjectExistsError,
    "ConditionNotMet": ObjectExistsError,
    "TargetConditionNotMet": ObjectExistsError,
    "PublicAccessNotPermitted": AccessDeniedError,
    "InvalidResourceName": InvalidPathError,
    "InvalidUri": InvalidPathError,
    "OutOfRangeInput": InvalidPathError,
    "DirectoryNotEmpty": DirectoryNotEmptyError,
    "OperationTimedOut": StoreTimeoutError,
}
_STATUSES: Mapping[int, type[StoreError]] = {
    401: AccessDeniedError,
    403: AccessDeniedError,
    404: ObjectNotFoundError,
    408: StoreTimeoutError,
    429: StoreUnavailableError,
}
NO_CONTAINER = ("ContainerNotFound", "ContainerBeingDeleted")
_WRITE_OPTIONS = (
    "content_settings",
    "content_type",
    "cpk",
    "encryption_scope",
    "metadata",
    "standard_blob_tier",
    "tags",
)
_CONTENT_SETTINGS = (
    "cache_control",
    "content_disposition",
    "content_encoding",
    "content_language",
    "content_type",
)
_LONGEST_NAME = 1024
_MOST_ELEMENTS = 254
_CONTROL = frozenset(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))
_NO_TEXT = frozenset(map(chr, [*range(0xD800, 0xE000), 0xFFFE, 0xFFFF]))
_SERVER_ERROR = 500


def problem_of(name: str) -> str:
    """Why the service cannot hold a blob name as it is; "" when it can.

    From Azure's page "Naming and referencing containers, blobs, and metadata".
    """
    elements = name.split("/")
    problems = {
        "Azure turns a backslash in a name into a slash": "\\" in name,
        "Azure holds no control characters in a name": not _CONTROL.isdisjoint(name),
        "Azure drops a dot at the end of a name or folder": any(e.endswith(".") for e in elements),
        "Azure holds names of valid Unicode text only": not _NO_TEXT.isdisjoint(name),
        "Azure holds names of 1,024 characters at most": len(name) > _LONGEST_NAME,
        "Azure holds names of 254 elements at most": len(elements) > _MOST_ELEMENTS,
    }
    return next((problem for problem, found in problems.items() if found), "")


def error_code(exc: BaseException) -> str:
    """The service's own word for what went wrong, "" when it said none."""
    code = getattr(exc, "error_code", None)
    if code is None:
        headers = getattr(getattr(exc, "response", None), "headers", None) or {}
        code = headers.get("x-ms-error-code")
    return str(getattr(code, "value", code) or "")


def is_expired(exc: BaseException) -> bool:
    """Whether a refused request was signed for a time that is over, by the service's clock.

    The service has no code of its own for that. It names both times in its answer, or else the
    signature says until when it holds and the answer when it was given.
    """
    response = getattr(exc, "response", None)
    details = getattr(exc, "additional_info", None) or {}
    for detail in map(str, details.values()):
        times = _LIFETIME.search(detail)
        if times is not None:
            expiry, now = map(_moment, times.groups())
            return bool(expiry and now and expiry < now)
    headers = getattr(response, "headers", None) or {}
    url = getattr(getattr(response, "request", None), "url", "")
    until = parse_qs(urlsplit(str(url)).query).get("se", [""])[0]
    expiry, now = _moment(until), _moment(headers.get("Date", ""))
    return bool(expiry and now and expiry < now)


def _moment(text: str) -> datetime | None:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(re.sub("Z$", "+00:00", text))
        except (TypeError, ValueError):
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return None


def is_folder(properties: Any) -> bool:
    """Whether a blob is what a hierarchical account shows of a directory."""
    metadata = getattr(properties, "metadata", None) or {}
    return any(
        name.lower() == "hdi_isfolder" and str(value).lower() == "true"
        for name, value in metadata.items()
    )


def error_type(exc: BaseException) -> type[StoreError] | None:
    """Ours for one of the Azure libraries' exceptions; None for any other."""
    from azure.core import exceptions as azure

    if isinstance(exc, azure.HttpResponseError) and exc.status_code is not None:
        known = _CODES.get(error_code(exc)) or _STATUSES.get(exc.status_code)
        return known or (StoreUnavailableError if exc.status_code >= _SERVER_ERROR else None)
    if isinstance(exc, azure.ClientAuthenticationError):
        return AccessDeniedError  # no token, or a key that cannot sign
    timeouts = (azure.ServiceRequestTimeoutError, azure.ServiceResponseTimeoutError)
    if isinstance(exc, timeouts) or isinstance(getattr(exc, "inner_exception", None), TimeoutError):
        return StoreTimeoutError
    # Refused, reset, cut short, or something that does not speak HTTP.
    return StoreUnavailableError if isinstance(exc, azure.AzureError) else None


def write_settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords of Azure's client for a user's ``write_options``.

    Raises:
        ConfigError: A name or value is not known.
    """
    for name in options:
        if name not in _WRITE_OPTIONS:
            raise ConfigError(
                f"write_options.{name} is not known to azure storage, which takes "
                f"{', '.join(_WRITE_OPTIONS)}",
                field=f"write_options.{name}",
            )
    given = dict(options)
    settings = content_settings(given.pop("content_settings", None))
    if content_type := given.pop("content_type", None):
        settings.content_type = content_type
    if isinstance(given.get("standard_blob_tier"), str):
        given["standard_blob_tier"] = _tier(given["standard_blob_tier"])
    return {"content_settings": settings, **given}


def _tier(name: str) -> Any:
    from azure.storage.blob import StandardBlobTier

    try:
        return StandardBlobTier(name)
    except ValueError:
        known = ", ".join(tier.value for tier in StandardBlobTier)
        raise ConfigError(
            f"write_options.standard_blob_tier is one of {known}, not {name!r}",
            field="write_options.standard_blob_tier",
        ) from None


def content_settings(given: Any) -> ContentSettings:
    """Type, encoding and the like, of a mapping, of a blob's own, or none."""
    from azure.storage.blob import ContentSettings

    settings = ContentSettings()
    for name in _CONTENT_SETTINGS:
        value = given.get(name) if isinstance(given, Mapping) else getattr(given, name, None)
        setattr(settings, name, value)
    return settings
