"""Where a log lives: log keys to object names and back (pure functions, DAG-024).

One stream of the log key ``[*namespace, name]`` is stored as
``{prefix}/storage/{*namespace}/{name}.{out|err}``, the layout of Dagster's own S3, Azure and GCS
managers, so that history written by them stays readable. While a step runs its bytes arrive as
*segments*: ``….partial`` holds the bytes from offset 0, ``….partial.<offset>`` those from that offset.

A key element that some store could not hold, or that would collide with another key, is written in
an escaped form that starts with ``~=``; one that is too long for a file name continues in
sub-folders whose names end in ``~+``. Both forms can be read back, so every key has exactly one
path and every path at most one key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast
from urllib.parse import quote_from_bytes, unquote_to_bytes

from remote_store_fsspec.errors import ConfigError, InvalidPathError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "STREAMS",
    "Layout",
    "LogObject",
    "Stream",
    "check_log_key",
    "decode_components",
    "encode_element",
    "parse_name",
]

Stream: TypeAlias = Literal["out", "err"]

STREAMS: Final[tuple[Stream, Stream]] = ("out", "err")

MAX_COMPONENT_BYTES: Final = 200
"""Longest stored name of a key element. File systems stop at 255 bytes, and a name still gets
``.out.partial.<offset>`` and, while it is being written, a temporary suffix."""

_ESCAPED: Final = "~="
_CONTINUES: Final = "~+"
_MARKER: Final = ".complete"

_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f/\\\ud800-\udfff]")
_FILE_LIKE = re.compile(r"\.(?:out|err)(?:\.partial(?:\.\d+)?)?\Z|\.complete\Z")
_NAME = re.compile(
    r"(?P<stem>.+)\.(?:(?P<stream>out|err)(?P<partial>\.partial(?:\.(?P<offset>[1-9]\d*))?)?"
    r"|(?P<marker>complete))\Z",
    re.DOTALL,
)


@dataclass(frozen=True)
class LogObject:
    """What an object's name says it is.

    Attributes:
        stem: The last path component without its suffix.
        stream: ``"out"``, ``"err"``, or ``None`` for a completion marker.
        offset: First byte of a segment; ``None`` for a final object and for a marker.
    """

    stem: str
    stream: Stream | None
    offset: int | None = None


def check_log_key(log_key: Sequence[str]) -> tuple[str, ...]:
    """The log key as a tuple.

    Raises:
        InvalidPathError: The key is empty, is one string, or holds something that is not a string.
    """
    if isinstance(log_key, str) or not log_key:
        msg = f"a log key is a non-empty list of strings, not {log_key!r}"
        raise InvalidPathError(msg)
    for element in log_key:
        if not isinstance(element, str):
            msg = f"log key {log_key!r}: {element!r} is not a string"
            raise InvalidPathError(msg)
    return tuple(log_key)


def encode_element(element: str, *, folder: bool) -> list[str]:
    """The path components that store one key element; plain wherever that is safe.

    Args:
        element: Any string.
        folder: The element names a folder, so it must not look like another key's log file.
    """
    plain = not (
        element in {"", ".", ".."}
        or _ODD.search(element)
        or element.startswith(_ESCAPED)
        or element.endswith((_CONTINUES, "."))
        or (folder and _FILE_LIKE.search(element))
    )
    text = element if plain else _ESCAPED + _escape(element)
    return _chunk(text)


def decode_components(components: Iterable[str]) -> list[str]:
    """The key elements stored as these path components; inverse of `encode_element`."""
    elements: list[str] = []
    pending = ""
    for component in components:
        if component.endswith(_CONTINUES):
            pending += component[: -len(_CONTINUES)]
            continue
        text = pending + component
        pending = ""
        elements.append(_unescape(text[2:]) if text.startswith(_ESCAPED) else text)
    return elements


def parse_name(name: str) -> LogObject | None:
    """What the last component of an object's path is, or ``None`` when it is no log object."""
    match = _NAME.match(name)
    if match is None:
        return None
    if match["marker"]:
        return LogObject(match["stem"], None)
    stream = cast("Stream", match["stream"])
    if match["partial"] is None:
        return LogObject(match["stem"], stream)
    return LogObject(match["stem"], stream, int(match["offset"] or 0))


@dataclass(frozen=True)
class Layout:
    """Paths of one log store, relative to the file system's root.

    Attributes:
        prefix: Folder of the log store (``"dagster"``); empty components are dropped.
    """

    prefix: str = "dagster"

    def __post_init__(self) -> None:
        for part in self.prefix.split("/"):
            if part in {".", ".."} or _ODD.search(part):
                msg = f"prefix {self.prefix!r}: {part!r} cannot be a folder name"
                raise ConfigError(msg, field="prefix")

    @property
    def root(self) -> str:
        """The folder that holds every log."""
        return "/".join([*(part for part in self.prefix.split("/") if part), "storage"])

    def folder(self, namespace: Sequence[str]) -> str:
        """The folder of the logs whose key is ``[*namespace, anything]``."""
        parts = [self.root]
        for element in namespace:
            parts += encode_element(element, folder=True)
        return "/".join(parts)

    def place(self, log_key: Sequence[str]) -> tuple[str, str]:
        """The folder and the name (without suffix) of one log."""
        *namespace, last = check_log_key(log_key)
        *folders, stem = encode_element(last, folder=False)
        return "/".join([self.folder(namespace), *folders]), stem

    def final(self, log_key: Sequence[str], stream: Stream) -> str:
        """Path of the whole, finished stream."""
        folder, stem = self.place(log_key)
        return f"{folder}/{stem}.{stream}"

    def segment(self, log_key: Sequence[str], stream: Stream, offset: int) -> str:
        """Path of the partial upload that starts at a byte offset."""
        suffix = f".{offset}" if offset else ""
        return f"{self.final(log_key, stream)}.partial{suffix}"

    def marker(self, log_key: Sequence[str]) -> str:
        """Path of the object that says: complete, although a stream has no final object."""
        folder, stem = self.place(log_key)
        return f"{folder}/{stem}{_MARKER}"


def _escape(element: str) -> str:
    quoted = quote_from_bytes(element.encode("utf-8", "surrogatepass"), safe="")
    return quoted.replace("~", "%7E").replace(".", "%2E")


def _unescape(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "surrogatepass")


def _chunk(text: str) -> list[str]:
    """Cut a name at character boundaries so that every component fits a file system."""
    if len(text.encode()) <= MAX_COMPONENT_BYTES:
        return [text]
    room = MAX_COMPONENT_BYTES - len(_CONTINUES)
    chunks: list[str] = []
    current, size = "", 0
    for character in text:
        width = len(character.encode())
        if size + width > room:
            chunks.append(current + _CONTINUES)
            current, size = "", 0
        current += character
        size += width
    return [*chunks, current]
