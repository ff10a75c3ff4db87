"""Backend options: remote-store's vocabulary, one frozen class a backend type.

Each class says of every option its type, unit, default, meaning and translation; the error
messages and ``docs/reference/options.md`` are made from that.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from remote_store_fsspec.errors import ConfigError
from remote_store_fsspec.options._fields import OptionSet, Translation, nearest
from remote_store_fsspec.options.azure import AzureOptions
from remote_store_fsspec.options.local import LocalOptions
from remote_store_fsspec.options.memory import MemoryOptions
from remote_store_fsspec.options.s3 import S3Options
from remote_store_fsspec.options.sftp import SFTPOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "BACKEND_TYPES",
    "AzureOptions",
    "LocalOptions",
    "MemoryOptions",
    "OptionSet",
    "S3Options",
    "SFTPOptions",
    "Translation",
    "options_class",
]

BACKEND_TYPES: Mapping[str, type[OptionSet]] = MappingProxyType(
    {
        "local": LocalOptions,
        "memory": MemoryOptions,
        "s3": S3Options,
        "s3-pyarrow": S3Options,
        "azure": AzureOptions,
        "sftp": SFTPOptions,
    }
)
"""remote-store's backend types that exist here, and the options of each."""

_ELSEWHERE: Mapping[str, str] = {
    "http": "it can only read; open it as url: https://... where reading is enough",
    "graph": "no fsspec filesystem speaks that protocol",
    "sql-blob": "no fsspec filesystem keeps files in a database",
    "sql-query": "no fsspec filesystem reads a query's rows as files",
}


def options_class(backend_type: str) -> type[OptionSet]:
    """The option class of a backend type.

    Raises:
        ConfigError: There is no such type, or it cannot be offered; the message says why.
    """
    known = BACKEND_TYPES.get(backend_type)
    if known is not None:
        return known
    names = ", ".join(BACKEND_TYPES)
    if backend_type in _ELSEWHERE:
        raise ConfigError(
            f"backend_type {backend_type!r} is not offered here: {_ELSEWHERE[backend_type]} "
            f"(offered: {names})",
            field="backend_type",
        )
    raise ConfigError(
        f"backend_type {backend_type!r} is not known{nearest(backend_type, BACKEND_TYPES)} "
        f"(known: {names}; any other storage: url)",
        field="backend_type",
    )
