"""Options of the backend type ``memory``: none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from remote_store_fsspec.options._fields import OptionSet

__all__ = ["MemoryOptions"]


@dataclass(frozen=True, repr=False)
class MemoryOptions(OptionSet):
    """A store of this process's own memory, empty at the start and gone at its end."""

    backend_type: ClassVar[str] = "memory"

    def place(self) -> tuple[str, str, str]:
        """The root of the store."""
        return "memory", "/", "memory://"

    def keywords(self, where: str) -> dict[str, Any]:
        """A store that no other memory filesystem of the process shares."""
        return {"global_store": False}
