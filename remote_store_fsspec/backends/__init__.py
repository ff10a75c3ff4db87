"""One module a storage: how its library is opened and what that library gets wrong."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from remote_store_fsspec.backends.base import Backend, Target

__all__ = ["open_backend"]

_BY_PROTOCOL = {
    "file": "local.LocalBackend",
    "local": "local.LocalBackend",
    "memory": "memory.MemoryBackend",
    "s3": "s3.S3Backend",
    "s3a": "s3.S3Backend",
    "az": "azure.AzureBackend",
    "abfs": "azure.AzureBackend",
    "abfss": "azure.AzureBackend",
    "adl": "azure.AzureBackend",
    "gs": "gcs.GcsBackend",
    "gcs": "gcs.GcsBackend",
    "sftp": "sftp.SftpBackend",
    "ssh": "sftp.SftpBackend",
    "ftp": "ftp.FtpBackend",
    "webdav": "webdav.WebdavBackend",
    "dav": "webdav.WebdavBackend",
}


def open_backend(target: Target, *, timeout: float = 60.0) -> Backend:
    """The backend for a target; any protocol without a module of its own gets the general one.

    Args:
        target: What to open.
        timeout: Seconds that one request may take.
    """
    dotted = "base.Backend" if target.url is not None else _BY_PROTOCOL.get(target.protocol)
    module, _, name = (dotted or "base.Backend").partition(".")
    cls: type[Backend] = getattr(import_module(f"{__name__}.{module}"), name)
    return cls(target, timeout=timeout)
