"""Every storage a team runs behind one fsspec filesystem with one contract.

Importing this package loads no cloud library and no Dagster; each is imported when a
storage or a class that needs it is opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from remote_store_fsspec.errors import (
    AccessDeniedError,
    ConfigError,
    DirectoryNotEmptyError,
    InvalidPathError,
    IsDirectoryError,
    MissingExtraError,
    NotDirectoryError,
    ObjectExistsError,
    ObjectNotFoundError,
    RemoteStoreError,
    StoreError,
    StoreTimeoutError,
    StoreUnavailableError,
    UnsupportedOperationError,
)
from remote_store_fsspec.filesystem import RemoteStoreFileSystem

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    "RemoteStoreFileSystem",
    "StoreError",
    "StoreTimeoutError",
    "StoreUnavailableError",
    "UnsupportedOperationError",
    "filesystem",
]

__version__ = "0.1.0"


def filesystem(
    backend_type: str | None = None,
    *,
    url: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    store: str | None = None,
    root_path: str = "",
    config: str | None = None,
    timeout: float = 60.0,
    **backend_options: Any,
) -> RemoteStoreFileSystem:
    """Open a storage as a filesystem confined to its root.

    Nothing is connected before the first file operation. The same configuration gives the
    same object within a process.

    Args:
        backend_type: ``local``, ``memory``, ``s3``, ``azure`` or ``sftp``.
        url: Instead: any URL that fsspec opens (``"s3://bucket/folder"``).
        storage_options: Keywords of the library behind ``url``.
        store: Instead: the name of a store in the stores file.
        root_path: Where the root lies below the bucket, the base path or the URL's path.
        config: Path of the stores file, where ``store`` is given.
        timeout: Seconds that one request may take.
        **backend_options: The backend's options by remote-store's names (``bucket=...``).

    Returns:
        An fsspec filesystem whose paths are relative to the root.

    Raises:
        ConfigError: A field, option or value is wrong; the message names it and the fix.
        MissingExtraError: The storage's library is not installed.
    """
    if backend_options and backend_type is None:
        raise ConfigError(
            f"option {min(backend_options)!r} belongs to a backend type; with url= or "
            "store= put the library's keywords into storage_options",
            field=min(backend_options),
        )
    return RemoteStoreFileSystem(
        store,
        backend_type=backend_type,
        backend_options=backend_options or None,
        url=url,
        storage_options=storage_options,
        root_path=root_path,
        config=config,
        timeout=timeout,
    )
