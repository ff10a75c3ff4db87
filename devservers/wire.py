"""One connection through the proxy: moving bytes, and breaking off in each of the known ways."""

from __future__ import annotations

import asyncio
import contextlib
import http
import socket
import struct
from typing import TYPE_CHECKING

from devservers import _http
from devservers.base import HOST
from devservers.faults import Blackhole, Fault, Reset, ResetAfterEffect, Slow, Status, Truncate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from typing_extensions import Self

    from devservers.faults import Rule
    from devservers.record import Request

_POLL_SECONDS = 0.02
_DRAIN_SECONDS = 5.0


class ConnectionCut(Exception):  # noqa: N818 - an event, asked for by a fault
    """A fault ended the connection on purpose."""


class Connection:
    """A client's connection and, once it is needed, the one to the server."""

    def __init__(
        self, client: socket.socket, target_port: int, count: Callable[[int, int], None]
    ) -> None:
        self.claimed_by: set[Rule] = set()
        self._client = client
        self._target_port = target_port
        self._count = count
        self._writers: list[asyncio.StreamWriter] = []
        self.client_reader: asyncio.StreamReader
        self._client_writer: asyncio.StreamWriter
        self._server_reader: asyncio.StreamReader | None = None
        self._server_writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        self._client.setblocking(False)
        self.client_reader, self._client_writer = await asyncio.open_connection(
            sock=self._client, limit=_http.HEAD_LIMIT
        )
        self._writers.append(self._client_writer)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.close()

    async def open_upstream(self) -> None:
        """Connects to the server, unless that is done."""
        if self._server_writer is None:
            self._server_reader, self._server_writer = await asyncio.open_connection(
                HOST, self._target_port, limit=_http.HEAD_LIMIT
            )
            self._writers.append(self._server_writer)

    def close(self) -> None:
        """Ends both sides politely; what is on its way still arrives."""
        for writer in self._writers:
            writer.close()

    def reset(self) -> None:
        """Ends both sides with RST."""
        for writer in self._writers:
            end = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    # HTTP.

    async def stay_silent(self) -> None:
        """Swallows whatever the client sends until it gives up."""
        while data := await self.client_reader.read(_http.PIECE):
            self._count(len(data), 0)

    async def answer(self, head: _http.Head, fault: Status, request: Request) -> None:
        """Answers in the server's place, after reading the request's body as a server would."""
        request.status = fault.code
        if "100-continue" not in head.header("expect"):
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._swallow_body(head, request), _DRAIN_SECONDS)
        body = b"" if request.method == "HEAD" else fault.body
        phrase = http.HTTPStatus(fault.code).phrase
        headers = {**fault.headers, "Content-Length": str(len(fault.body)), "Connection": "close"}
        lines = [f"HTTP/1.1 {fault.code} {phrase}", *(f"{k}: {v}" for k, v in headers.items())]
        request.received += len(body)
        await self._to_client("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    async def _swallow_body(self, head: _http.Head, request: Request) -> None:
        async for piece in _http.request_body(head, self.client_reader):
            request.sent += piece.payload
            self._count(len(piece.wire), 0)

    async def send_request(self, head: _http.Head, fault: Fault, request: Request) -> None:
        """Passes the head and the body on to the server."""
        writer = self._server_writer
        assert writer is not None
        writer.write(head.raw)
        async for piece in _http.request_body(head, self.client_reader):
            request.sent += piece.payload
            self._count(len(piece.wire), 0)
            await _hold_back(fault, len(piece.wire))
            writer.write(piece.wire)
            await writer.drain()
        await writer.drain()

    async def pass_response(self, method: str, fault: Fault, request: Request) -> bool:
        """Passes the answer on to the client; False when the connection ends with it.

        Raises:
            ConnectionCut: The fault says to break off here.
        """
        reader = self._server_reader
        assert reader is not None
        while True:
            head = await _http.read_head(reader)
            if head is None:
                return False
            if not head.is_informational:
                break
            await self._to_client(head.raw)
        if isinstance(fault, Slow):
            await asyncio.sleep(fault.latency)
        body = _http.response_body(head, method, reader)
        if isinstance(fault, ResetAfterEffect):
            # Read to the end first: a server may act while its answer is already on the way.
            async for _ in body:
                pass
            raise ConnectionCut
        request.status = head.status
        await self._to_client(head.raw)
        async for piece in self._until_fault(body, fault):
            request.received += piece.payload
            await self._to_client(piece.wire)
            await _hold_back(fault, len(piece.wire))
        if isinstance(fault, Truncate):
            return False
        return head.keeps_alive and not _http.ends_with_connection(head, method)

    async def _until_fault(
        self, body: AsyncIterator[_http.Piece], fault: Fault
    ) -> AsyncIterator[_http.Piece]:
        """The pieces of `body` up to where a `Reset` or a `Truncate` breaks off."""
        if not isinstance(fault, Reset | Truncate):
            async for piece in body:
                yield piece
            return
        left = fault.after
        async for piece in body:
            if piece.payload > left:
                if left:
                    yield _http.Piece(piece.wire[:left], left)
                break
            left -= piece.payload
            yield piece
        if isinstance(fault, Reset):
            # Give the client the time to see the bytes: a reset discards what it has not read yet.
            await self._client_writer.drain()
            await asyncio.sleep(_POLL_SECONDS * 5)
            raise ConnectionCut

    async def _to_client(self, data: bytes) -> None:
        self._count(0, len(data))
        self._client_writer.write(data)
        await self._client_writer.drain()

    # Any protocol.

    async def relay(self, fault_now: Callable[[Connection], Fault]) -> None:
        """Passes bytes both ways until both sides, or a fault, have ended it."""
        await self.open_upstream()
        assert self._server_reader is not None
        assert self._server_writer is not None
        up = self._pump(self.client_reader, self._server_writer, fault_now, towards_client=False)
        down = self._pump(self._server_reader, self._client_writer, fault_now, towards_client=True)
        tasks = [asyncio.ensure_future(up), asyncio.ensure_future(down)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        fault_now: Callable[[Connection], Fault],
        *,
        towards_client: bool,
    ) -> None:
        passed_since: tuple[Fault, int] = (Fault(), 0)
        while data := await reader.read(_http.PIECE):
            while isinstance(fault := fault_now(self), Blackhole):  # noqa: ASYNC110 - its end comes from another thread
                await asyncio.sleep(_POLL_SECONDS)
            if isinstance(fault, Reset | Truncate) and towards_client:
                passed = passed_since[1] if passed_since[0] is fault else 0
                allowed = data[: max(0, fault.after - passed)]
                passed_since = (fault, passed + len(allowed))
                if len(allowed) < len(data):
                    self._count(0, len(allowed))
                    writer.write(allowed)
                    await writer.drain()
                    await asyncio.sleep(_POLL_SECONDS * 5)
                    if isinstance(fault, Truncate):
                        self.close()
                        return
                    raise ConnectionCut
            if isinstance(fault, Slow):
                await asyncio.sleep(fault.latency)
            self._count(*((0, len(data)) if towards_client else (len(data), 0)))
            writer.write(data)
            await writer.drain()
            await _hold_back(fault, len(data))
        with contextlib.suppress(OSError):
            if writer.can_write_eof():
                writer.write_eof()


async def _hold_back(fault: Fault, size: int) -> None:
    if isinstance(fault, Slow) and fault.bytes_per_second:
        await asyncio.sleep(size / fault.bytes_per_second)
