"""Options of the backend type ``local``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from remote_store_fsspec.errors import ConfigError
from remote_store_fsspec.options._fields import OptionSet, option

__all__ = ["LocalOptions", "absolute", "make_folder"]


def _not_blank(value: str) -> str | None:
    return None if value.strip() else "must name a folder, and is empty"


@dataclass(frozen=True, repr=False)
class LocalOptions(OptionSet):
    """A folder of this machine, or one that is mounted on it."""

    backend_type: ClassVar[str] = "local"

    root: str = option(
        meaning="The folder. A relative one counts from the working directory; `~` is the "
        "user's home. It is created when it does not exist.",
        translation="path of `LocalFileSystem`, made absolute",
        check=_not_blank,
    )

    def place(self) -> tuple[str, str, str]:
        """The folder as an absolute path."""
        path = absolute(self.root)
        return "file", path, "file://" + path

    def keywords(self, where: str) -> dict[str, Any]:
        """None; the folder is created."""
        make_folder(absolute(self.root), f"{where}.root")
        return {}


def absolute(path: str) -> str:
    """A path of this machine, absolute and without ``..``, ``/`` between its elements."""
    # resolve() would replace a symlink by what it points to today.
    return Path(os.path.abspath(Path(path).expanduser())).as_posix()


def make_folder(path: str, field: str) -> None:
    """Create the folder of a local root.

    Raises:
        ConfigError: It cannot be created.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigError(
            f"{field}: the folder {path} cannot be created "
            f"({exc.strerror or type(exc).__name__}); name another, or create it first",
            field=field,
        ) from exc
