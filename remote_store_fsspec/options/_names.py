"""Keywords of the big libraries, read from the libraries themselves.

Some of them swallow an unknown keyword silently (adlfs), others fail with it at the first
request (s3fs); here it is named before anything is opened.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from remote_store_fsspec.options._fields import unknown_option

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["check_keywords", "keywords_of"]

_FSSPEC = (
    "asynchronous",
    "batch_size",
    "listings_expiry_time",
    "loop",
    "max_paths",
    "skip_instance_cache",
    "use_listings_cache",
)
# DefaultAzureCredential documents its keywords; adlfs hands it whatever it does not know.
_AZURE_IDENTITY = (
    "additionally_allowed_tenants",
    "authority",
    "broker_tenant_id",
    "broker_client_id",
    "interactive_browser_client_id",
    "interactive_browser_tenant_id",
    "managed_identity_client_id",
    "process_timeout",
    "shared_cache_tenant_id",
    "shared_cache_username",
    "workload_identity_client_id",
    "workload_identity_tenant_id",
)
_GOOGLE_SESSION = ("request_timeout",)


def keywords_of(library: str) -> set[str] | None:
    """Every keyword that a library's filesystem reads; None when that cannot be known.

    Args:
        library: Top module of the class (``"s3fs"``). It is imported.
    """
    if library == "s3fs":
        import s3fs
        from aiobotocore.session import AioSession

        return _parameters(s3fs.S3FileSystem.__init__, AioSession.__init__)
    if library == "adlfs":
        import adlfs

        return _parameters(adlfs.AzureBlobFileSystem.__init__) | set(_AZURE_IDENTITY)
    if library == "sshfs":
        import sshfs
        from asyncssh import SSHClientConnectionOptions, connect

        names = _parameters(sshfs.SSHFileSystem.__init__, connect)
        names |= _parameters(SSHClientConnectionOptions.prepare)
        return names | {"max_sessions", "timeout"}
    if library == "gcsfs":
        import gcsfs

        # The public class only forwards; the keywords stand on the classes it extends.
        classes = [cls for cls in gcsfs.GCSFileSystem.__mro__ if "__init__" in vars(cls)]
        inits = [cls.__init__ for cls in classes if cls is not object]
        return _parameters(*inits) | set(_GOOGLE_SESSION)
    return None


def _parameters(*functions: Any) -> set[str]:
    names = {name for function in functions for name in inspect.signature(function).parameters}
    return (names - {"self", "args", "kwargs"}) | set(_FSSPEC)


def check_keywords(
    library: str,
    given: Mapping[str, Any],
    *,
    where: str,
    also: Iterable[str] = (),
) -> None:
    """Refuse keywords that the library would swallow or fail with later.

    Raises:
        ConfigError: Names the first one, and the nearest that exists.
    """
    if not given:
        return  # importing a library takes longer than the rest of the configuration
    known = keywords_of(library)
    if known is None:
        return
    known |= set(also)
    for name in given:
        if name in known or (library == "adlfs" and str(name).startswith("exclude_")):
            continue
        raise unknown_option(name, known, where=where, owner=library)
