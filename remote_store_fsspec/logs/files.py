"""The few file system calls that the log store is built on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["LogFiles"]


class LogFiles(Protocol):
    """What `RemoteStoreFileSystem` offers and the log store uses; paths are below its root."""

    def cat_file(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        """Exactly ``content[start:end]``."""

    def cat_ranges(
        self, paths: list[str], starts: Any, ends: Any, *, on_error: str = "return"
    ) -> Any:
        """Several ranges at once; with ``on_error="return"`` exceptions stand where they occur."""

    def pipe_file(
        self,
        path: str,
        value: bytes,
        mode: str = "overwrite",
        *,
        write_options: Mapping[str, Any] | None = None,
    ) -> object:
        """Write a whole object; with ``mode="create"`` refuse to replace one."""

    def put_file(
        self, lpath: str, rpath: str, *, write_options: Mapping[str, Any] | None = None
    ) -> object:
        """Stream a local file into an object that appears whole or not at all."""

    def get_file(self, rpath: str, lpath: str) -> object:
        """Stream an object into a local file."""

    def find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        *,
        detail: bool = False,
        prefix: str = "",
    ) -> Any:
        """Files below a folder; empty when there is no such folder."""

    def rm_files(self, paths: Sequence[str], *, missing_ok: bool = False) -> object:
        """Delete exactly these objects, in bulk where the store can."""

    def display_url(self, path: str) -> str:
        """Where the object is, for a person; no secrets."""

    def sign(self, path: str, expiration: int = 100) -> str:
        """A link that works without credentials for some seconds."""
