"""A proxy on loopback that counts what passes and breaks it on request.

::

    with Proxy.to(server) as proxy:
        config = area.config(via=proxy)
        with proxy.record() as record:
            ...
        assert record.count("PUT") == 1
        with proxy.fault(Status(503), method="PUT", times=2) as rule:
            ...
        assert rule.hits == 2

It runs on one thread of its own. HTTP is understood (requests, bodies, chunks, kept connections);
with ``raw=True`` any protocol passes and only bytes and connections are counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from devservers import _http
from devservers.base import HOST, Server, free_port
from devservers.faults import (
    RAW_FAULTS,
    Blackhole,
    Fault,
    PathMatch,
    Refuse,
    Reset,
    ResetAfterEffect,
    Rule,
    Slow,
    Status,
    Truncate,
)
from devservers.record import Record, Request
from devservers.wire import Connection, ConnectionCut

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from typing_extensions import Self

__all__ = [
    "Blackhole",
    "Fault",
    "Proxy",
    "Record",
    "Refuse",
    "Request",
    "Reset",
    "ResetAfterEffect",
    "Rule",
    "Slow",
    "Status",
    "Truncate",
]

_SECONDS_TO_OBEY = 10
_T = TypeVar("_T")


class Proxy:
    """Forwards a free port of 127.0.0.1 to `target_port`.

    Args:
        target_port: Where the server listens.
        raw: Pass bytes without looking at them (SFTP, FTP's control connection).

    Faults are tried in the order they were added; the first that claims a request decides.
    """

    def __init__(self, target_port: int, *, raw: bool = False) -> None:
        self.port = 0
        self.target_port = target_port
        self.raw = raw
        self._rules: list[Rule] = []
        self._records: list[Record] = []
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._listener: socket.socket | None = None
        self._listening = False

    @classmethod
    def to(cls, server: Server) -> Self:
        """A proxy, not yet started, in the mode that fits `server`."""
        return cls(server.port, raw=not server.speaks_http)

    @property
    def url(self) -> str:
        """The proxy's own address as an ``http:`` URL."""
        return f"http://{HOST}:{self.port}"

    # Life.

    def start(self) -> Self:
        """Listens from now on."""
        loop = asyncio.new_event_loop()
        self._loop = loop
        self._thread = threading.Thread(target=self._run, args=(loop,), daemon=True, name="proxy")
        self._thread.start()
        self._call(self._listen())
        return self

    def stop(self) -> None:
        """Closes the port and every connection. Harmless when it is not running."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None or os.getpid() != self._owner:
            return
        self._call(self._shut_down())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_SECONDS_TO_OBEY)
        self._loop = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Proxy 127.0.0.1:{self.port} -> 127.0.0.1:{self.target_port}>"

    # What callers ask for.

    def record(self) -> Record:
        """Counts from now until the record's `stop` or the end of its ``with`` block."""
        record = Record(_stop=self._forget)
        with self._lock:
            self._records.append(record)
        return record

    def fault(
        self,
        fault: Fault,
        *,
        method: str | None = None,
        path: PathMatch = None,
        nth: int = 1,
        times: int | None = None,
    ) -> Rule:
        """Applies `fault` from now until the rule's `remove` or the end of its ``with`` block.

        Args:
            fault: What goes wrong.
            method: Only requests of this method.
            path: Only requests whose target matches this glob, or of which the function says True.
            nth: The first matching request that is hit, counted from 1.
            times: How many are hit; None means all from there on.

        Raises:
            ValueError: The proxy cannot act it out: a fault of HTTP or a choice by method or path
                in raw mode, or a choice of requests for `Refuse`, which concerns the port.
        """
        chosen = method is not None or path is not None
        if self.raw and (chosen or not isinstance(fault, RAW_FAULTS)):
            raise ValueError(f"a raw proxy knows no requests: {fault!r}, method={method!r}")
        if isinstance(fault, Refuse) and (chosen or nth != 1 or times is not None):
            raise ValueError("Refuse closes the port to everybody; use Reset to cut one request")
        rule = Rule(fault, method=method, path=path, nth=nth, times=times, remove=self._remove)
        with self._lock:
            self._rules.append(rule)
        if isinstance(fault, Refuse):
            self._call(self._stop_listening())
            rule.hits += self.kill_connections()
        return rule

    def clear(self) -> None:
        """Ends all faults."""
        for rule in list(self._rules):
            rule.remove()

    def kill_connections(self) -> int:
        """Resets every open connection, as a restarted router would; returns how many."""
        return self._call(self._kill())

    # From here on everything runs on the proxy's thread.

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    def _call(self, work: Coroutine[Any, Any, _T]) -> _T:
        if self._loop is None or os.getpid() != self._owner:
            work.close()
            raise RuntimeError("the proxy is not running in this process")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_SECONDS_TO_OBEY)

    def _forget(self, record: Record) -> None:
        with self._lock, contextlib.suppress(ValueError):
            self._records.remove(record)

    def _remove(self, rule: Rule) -> None:
        with self._lock:
            if rule not in self._rules:
                return
            self._rules.remove(rule)
        if isinstance(rule.fault, Refuse) and self._loop is not None:
            self._call(self._listen())

    async def _listen(self) -> None:
        if self._listening or any(isinstance(r.fault, Refuse) for r in self._rules):
            return
        if self._listener is None:
            # A port that the system picks in `bind` itself is not kept by `_stop_listening`.
            self.port = self.port or free_port()
            self._listener = socket.create_server((HOST, self.port))
            self._listener.setblocking(False)
        self._listener.listen(256)
        self._listening = True
        asyncio.get_running_loop().add_reader(self._listener, self._accept, self._listener)

    async def _stop_listening(self) -> None:
        """Refuse connections; the socket stays bound, so that nobody else gets the port."""
        if self._listener is None or not self._listening:
            return
        self._listening = False
        asyncio.get_running_loop().remove_reader(self._listener.fileno())
        # Closing would leave the port open while a forked child still holds a copy.
        self._listener.shutdown(socket.SHUT_RDWR)

    async def _shut_down(self) -> None:
        await self._stop_listening()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for connection in list(self._connections):
            connection.close()
        current = asyncio.current_task()
        tasks = [task for task in self._tasks if task is not current]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _kill(self) -> int:
        connections = list(self._connections)
        for connection in connections:
            connection.reset()
        return len(connections)

    def _accept(self, listener: socket.socket) -> None:
        try:
            client, _ = listener.accept()
        except OSError:  # the client has gone again
            return
        task = asyncio.get_running_loop().create_task(self._serve(client))
        self._tasks.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if task.cancelled():
                client.close()  # before its first step nothing else would

        task.add_done_callback(done)

    async def _serve(self, client: socket.socket) -> None:
        with self._lock:
            records = list(self._records)
        for record in records:
            record.connections += 1
        async with Connection(client, self.target_port, self._count_wire) as connection:
            self._connections.add(connection)
            try:
                if self.raw:
                    await connection.relay(self._raw_fault)
                else:
                    while await self._exchange(connection):
                        pass
            except (ConnectionCut, OSError, EOFError, ValueError, asyncio.LimitOverrunError):
                connection.reset()
            finally:
                self._connections.discard(connection)

    def _count_wire(self, sent: int, received: int) -> None:
        with self._lock:
            for record in self._records:
                record.wire_sent += sent
                record.wire_received += received

    def _claim(self, method: str, path: str) -> Fault:
        with self._lock:
            for rule in self._rules:
                if rule.claims(method, path):
                    return rule.fault
        return Fault()

    def _raw_fault(self, connection: Connection) -> Fault:
        """The fault in force now; a connection counts as one hit however long it lasts."""
        with self._lock:
            for rule in self._rules:
                if rule in connection.claimed_by or rule.claims("", ""):
                    connection.claimed_by.add(rule)
                    return rule.fault
        return Fault()

    async def _exchange(self, connection: Connection) -> bool:
        """One request and its answer; False when the connection is not to be used again."""
        head = await _http.read_head(connection.client_reader)
        if head is None:
            return False
        method, target = head.start[0], head.start[1]
        request = Request(method, target)
        with self._lock:
            for record in self._records:
                record.requests.append(request)
        self._count_wire(len(head.raw), 0)
        fault = self._claim(method, target)
        if isinstance(fault, Blackhole):
            await connection.stay_silent()
            return False
        if isinstance(fault, Status):
            await connection.answer(head, fault, request)
            return False
        await connection.open_upstream()
        sending = asyncio.ensure_future(connection.send_request(head, fault, request))
        try:
            kept = await connection.pass_response(method, fault, request)
            if not sending.done() and not kept:
                return False
            await sending
        finally:
            if not sending.done():
                sending.cancel()
            with contextlib.suppress(BaseException):
                await sending
        return kept and head.keeps_alive
