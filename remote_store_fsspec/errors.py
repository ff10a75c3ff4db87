"""Every error this library raises, drawn once.

Each class also inherits the built-in that a caller would catch, so code written for
``open()`` or for any other fsspec filesystem keeps working::

    RemoteStoreError
    ├── ConfigError (ValueError)                     a field or option is wrong
    │   └── MissingExtraError (ImportError)          an optional library is not installed
    └── StoreError (OSError)                         the storage could not do it
        ├── ObjectNotFoundError (FileNotFoundError)
        ├── ObjectExistsError (FileExistsError)
        ├── AccessDeniedError (PermissionError)
        ├── IsDirectoryError (IsADirectoryError)
        ├── NotDirectoryError (NotADirectoryError)
        ├── DirectoryNotEmptyError
        ├── StoreUnavailableError (ConnectionError)
        ├── StoreTimeoutError (TimeoutError)
        ├── InvalidPathError (ValueError)
        └── UnsupportedOperationError (NotImplementedError)
"""

from __future__ import annotations

import errno
from typing import ClassVar

__all__ = [
    "AccessDeniedError",
    "ConfigError",
    "DirectoryNotEmptyError",
    "InvalidPathError",
    "IsDirectoryError",
    "MissingExtraError",
    "NotDirectoryError",
    "ObjectExistsError",
    "ObjectNotFoundError",
    "RemoteStoreError",
    "StoreError",
    "StoreTimeoutError",
    "StoreUnavailableError",
    "UnsupportedOperationError",
]


class RemoteStoreError(Exception):
    """Base of everything this library raises on purpose."""


class ConfigError(RemoteStoreError, ValueError):
    """A field, an option or its value is wrong; the message names it and the fix.

    Attributes:
        field: The name of the offending field (``"backend_options.bucket"``), or ``""``.
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_config_error, (type(self), str(self), self.field)


class MissingExtraError(ConfigError, ImportError):
    """An optional library is missing; the message holds the exact ``pip install`` line."""

    @classmethod
    def for_extra(cls, extra: str, *, needed_for: str, field: str = "") -> MissingExtraError:
        """The error for one extra of ``pyproject.toml``.

        Args:
            extra: Name of the extra (``"s3"``).
            needed_for: What could not be done without it (``"backend type 's3'"``).
            field: The configuration field that asked for it.
        """
        return cls(
            f"{needed_for} needs a library that is not installed: "
            f'pip install "remote-store-fsspec[{extra}]"',
            field=field,
        )


class StoreError(RemoteStoreError, OSError):
    """The storage could not do what was asked.

    Attributes:
        url: Where it happened, without secrets (``"s3://logs/run/step.out"``).
        reason: What failed, as one clause.
        hint: The next step for a person, or ``""``.
    """

    code: ClassVar[int] = errno.EIO

    def __init__(self, reason: str, *, url: str = "", hint: str = "") -> None:
        super().__init__(self.code, reason)
        self.reason = reason
        self.url = url
        self.hint = hint
        if url:
            self.filename = url

    def __str__(self) -> str:
        where = f"{self.url}: " if self.url else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{where}{self.reason}{hint}"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_store_error, (type(self), self.reason, self.url, self.hint)


class ObjectNotFoundError(StoreError, FileNotFoundError):
    """There is nothing under that name; never raised for a refused or failed request."""

    code = errno.ENOENT


class ObjectExistsError(StoreError, FileExistsError):
    """Something is there already and the call asked not to replace it."""

    code = errno.EEXIST


class AccessDeniedError(StoreError, PermissionError):
    """The store refused the credential or the operation."""

    code = errno.EACCES


class IsDirectoryError(StoreError, IsADirectoryError):
    """A file was asked for and a directory stands there."""

    code = errno.EISDIR


class NotDirectoryError(StoreError, NotADirectoryError):
    """A directory was asked for and a file stands there."""

    code = errno.ENOTDIR


class DirectoryNotEmptyError(StoreError):
    """The directory still holds something."""

    code = errno.ENOTEMPTY


class StoreUnavailableError(StoreError, ConnectionError):
    """The store could not be reached or kept failing: refused, reset, no route, 5xx."""

    code = errno.ECONNREFUSED


class StoreTimeoutError(StoreError, TimeoutError):
    """The store did not answer within the deadline."""

    code = errno.ETIMEDOUT


class InvalidPathError(StoreError, ValueError):
    """The path would leave the root, or the store cannot hold that name."""

    code = errno.EINVAL


class UnsupportedOperationError(StoreError, NotImplementedError):
    """This storage cannot do that at all; the message names the storage."""

    code = errno.ENOTSUP


def _rebuild_store_error(cls: type[StoreError], reason: str, url: str, hint: str) -> StoreError:
    return cls(reason, url=url, hint=hint)


def _rebuild_config_error(cls: type[ConfigError], message: str, field: str) -> ConfigError:
    return cls(message, field=field)
