"""Keys: what a path means below a root. Pure functions, no storage.

A *key* is a path relative to the root, ``/`` between its elements, never starting or
ending with one; ``""`` is the root itself. Every character but ``/`` and NUL is data.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Literal

from fsspec.utils import common_prefix

from remote_store_fsspec.errors import InvalidPathError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "PROTOCOL",
    "Placement",
    "ancestors",
    "destinations",
    "is_temporary",
    "join",
    "name",
    "parent",
    "range_of",
    "relative_to",
    "split_url",
    "temporary_sibling",
    "to_key",
]

PROTOCOL = "remote-store"
Placement = Literal["as", "inside", "flat"]
_TEMPORARY = re.compile(r"\.rsfs-[0-9a-f]{16}\.tmp")


def split_url(path: str) -> tuple[str, str]:
    """``remote-store://store/a/b`` as ``("store", "a/b")``; a plain path has no store."""
    scheme = f"{PROTOCOL}://"
    if path.startswith(scheme):
        store, _, rest = path[len(scheme) :].partition("/")
        return store, rest
    return "", path


def to_key(path: str) -> str:
    """The key that a caller's path names, confined to the root.

    Leading, trailing and doubled slashes and ``.`` elements are dropped, as a POSIX path
    drops them. Nothing is decoded or expanded.

    Raises:
        InvalidPathError: The path has a ``..`` element, a NUL character, or the name of
            one of this library's own temporary files.
    """
    path = split_url(path)[1]
    if "\0" in path:
        raise InvalidPathError("a path cannot hold a NUL character", url=repr(path))
    elements = [element for element in path.split("/") if element not in ("", ".")]
    if ".." in elements:
        raise InvalidPathError(
            "'..' would leave the root", url=path, hint="name the file from the root down"
        )
    if elements and is_temporary(elements[-1]):
        raise InvalidPathError("that name is reserved for files half written", url=path)
    return "/".join(elements)


def join(*parts: str) -> str:
    """Keys or path pieces put together, empty ones left out."""
    return "/".join(part for part in parts if part)


def parent(key: str) -> str:
    """The key of the directory that holds ``key``; the root is its own parent."""
    return key.rpartition("/")[0]


def name(key: str) -> str:
    """The last element of a key."""
    return key.rpartition("/")[2]


def relative_to(base: str, path: str) -> str | None:
    """``path`` below ``base``, as a key; None when it is not below it.

    ``a`` holds ``a/b`` and never ``apple``.
    """
    base, path = base.rstrip("/"), path.rstrip("/")
    if not base:
        return path.lstrip("/")
    if path == base:
        return ""
    if path.startswith(base + "/"):
        return path[len(base) + 1 :]
    return None


def temporary_sibling(key: str) -> str:
    """A new name beside ``key`` for a file that is not whole yet; listings hide it.

    Its length does not depend on the key's, so a name that fits still fits.
    """
    return join(parent(key), f".rsfs-{secrets.token_hex(8)}.tmp")


def is_temporary(element: str) -> bool:
    """Whether a file name is one that :func:`temporary_sibling` gave."""
    return _TEMPORARY.fullmatch(element) is not None


def range_of(size: int, start: int | None, end: int | None) -> tuple[int, int]:
    """The byte offsets ``[low, high)`` that ``data[start:end]`` takes of ``size`` bytes."""
    low, high, _ = slice(start, end).indices(size)
    return low, max(low, high)


def ancestors(keys: Iterable[str]) -> set[str]:
    """Every directory above the given keys, the root left out."""
    found: set[str] = set()
    for key in keys:
        above = parent(key)
        while above and above not in found:
            found.add(above)
            above = parent(above)
    return found


def destinations(sources: Sequence[str], target: str, placement: Placement) -> list[str]:
    """Where each of ``sources`` goes when they are copied to ``target``.

    Args:
        sources: Keys: one file, or everything below one directory, or several files.
        target: Path of the copy, or of the folder that takes it; any filesystem's.
        placement: ``as``: the directory all sources share becomes ``target``.
            ``inside``: it goes below ``target`` under its own name. ``flat``: each source
            goes into ``target`` under its last element.
    """
    target = target.rstrip("/") if target != "/" else target
    if placement == "flat":
        return [join(target, name(source)) for source in sources]
    shared = common_prefix(list(sources)).strip("/") if sources else ""
    if placement == "inside":
        shared = parent(shared)
    below = (source if not shared else relative_to(shared, source) for source in sources)
    return [join(target, rest or "") for rest in below]
