"""Just enough of HTTP/1.1 (RFC 9112) to find where heads and bodies end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PIECE = 64 * 1024
HEAD_LIMIT = 1024 * 1024
_NO_BODY = (204, 304)
_INFORMATIONAL = range(100, 200)


@dataclass(frozen=True)
class Head:
    """The start line and the headers of one message, as they came."""

    raw: bytes

    @property
    def start(self) -> list[str]:
        """The three words of the start line."""
        return self.raw.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)

    def header(self, name: str) -> str:
        """One header's value in lower case, empty when it is absent."""
        wanted = name.lower().encode()
        for line in self.raw.split(b"\r\n")[1:]:
            found, _, value = line.partition(b":")
            if found.strip().lower() == wanted:
                return value.strip().decode("latin-1").lower()
        return ""

    @property
    def status(self) -> int:
        """A response's status."""
        return int(self.start[1])

    @property
    def is_informational(self) -> bool:
        """``100 Continue`` and its like: the real answer is still to come."""
        return self.status in _INFORMATIONAL

    @property
    def keeps_alive(self) -> bool:
        """Whether the connection may carry another message after this one."""
        connection = self.header("connection")
        if self.raw.split(b"\r\n", 1)[0].find(b"HTTP/1.0") >= 0:
            return "keep-alive" in connection
        return "close" not in connection


@dataclass(frozen=True)
class Piece:
    """Bytes of a body as they travel, and how many of them are the body's own."""

    wire: bytes
    payload: int


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """The next message's head; None when the connection ended before one began."""
    try:
        return Head(await reader.readuntil(b"\r\n\r\n"))
    except asyncio.IncompleteReadError:
        return None


def request_body(head: Head, reader: asyncio.StreamReader) -> AsyncIterator[Piece]:
    """A request's body, piece by piece."""
    if "chunked" in head.header("transfer-encoding"):
        return _chunked(reader)
    return _sized(reader, int(head.header("content-length") or 0))


def response_body(head: Head, method: str, reader: asyncio.StreamReader) -> AsyncIterator[Piece]:
    """A response's body, piece by piece; up to the connection's end when it has no length."""
    if method == "HEAD" or head.status in _NO_BODY:
        return _sized(reader, 0)
    if "chunked" in head.header("transfer-encoding"):
        return _chunked(reader)
    length = head.header("content-length")
    return _sized(reader, int(length)) if length else _until_end(reader)


def ends_with_connection(head: Head, method: str) -> bool:
    """Whether only the end of the connection marks the end of this response."""
    framed = head.header("content-length") or "chunked" in head.header("transfer-encoding")
    return not (method == "HEAD" or head.status in _NO_BODY or framed)


async def _sized(reader: asyncio.StreamReader, left: int) -> AsyncIterator[Piece]:
    while left:
        data = await reader.read(min(left, PIECE))
        if not data:
            raise ConnectionResetError("the body ended early")
        left -= len(data)
        yield Piece(data, len(data))


async def _until_end(reader: asyncio.StreamReader) -> AsyncIterator[Piece]:
    while data := await reader.read(PIECE):
        yield Piece(data, len(data))


async def _chunked(reader: asyncio.StreamReader) -> AsyncIterator[Piece]:
    while True:
        size_line = await reader.readuntil(b"\r\n")
        yield Piece(size_line, 0)
        size = int(size_line.split(b";")[0], 16)
        if size == 0:
            break
        async for piece in _sized(reader, size):
            yield piece
        yield Piece(await reader.readexactly(2), 0)
    while True:  # trailers, and the empty line that ends them
        line = await reader.readuntil(b"\r\n")
        yield Piece(line, 0)
        if line == b"\r\n":
            return
