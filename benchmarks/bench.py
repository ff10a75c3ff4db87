"""A manager's place on a server, the proxy that counts, and the processes that use it."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.process import WorkerProcess
from devservers import local_area
from devservers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

    from benchmarks.contenders import Contender
    from devservers import Server
    from devservers.areas import Area
    from devservers.proxy import Record

FOREVER = 86_400
"""An upload interval that never comes: ticks are given by command, and captures still count as live."""


@dataclass
class Cost:
    """What passed between managers and store.

    Attributes:
        up: Bytes to the store: HTTP bodies; on SFTP all bytes of the connection, encrypted; on a
            local disk what the writing process wrote, by the kernel's count.
        down: Bytes from the store, counted alike; on a local disk what the reading process read.
        requests: HTTP requests; None where the protocol shows none.
        methods: The same by method.
        up_by_method: Bytes up by method.
        connections: Connections opened; None without a server.
    """

    up: int = 0
    down: int = 0
    requests: int | None = None
    methods: dict[str, int] = field(default_factory=dict)
    up_by_method: Counter[str] = field(default_factory=Counter)
    connections: int | None = None


class Manager:
    """One manager in a worker process.

    Args:
        process: Where it lives.
        name: What the process calls it.
        config: Its configuration.
        factory: What constructs it.
    """

    def __init__(
        self, process: WorkerProcess, name: str, factory: str, config: dict[str, Any]
    ) -> None:
        self.process = process
        self.name = name
        self.opened: dict[str, float] = process.call(
            "open", name=name, factory=factory, config=config
        )

    def __call__(self, command: str, **arguments: Any) -> Any:
        """A command that concerns this manager."""
        return self.process.call(command, name=self.name, **arguments)

    def step(self, key: list[str], *, out: int, err: int = 0) -> None:
        """A whole capture without ticks."""
        self("begin", key=key)
        self.process.call("say", out=out, err=err)
        self.process.call("end", key=key)

    def close(self) -> None:
        """Disposes of it; its process goes on."""
        self("close")


class Bench:
    """One contender: its server, its proxy, one process that writes and one that reads.

    Args:
        contender: Who.
        server: The running server of its store; None for a local disk.
        folder: Scratch space.
    """

    def __init__(self, contender: Contender, server: Server | None, folder: Path) -> None:
        self.contender = contender
        self._server = server
        self._folder = folder / contender.name.replace(" ", "-")
        self._stack = ExitStack()
        self.proxy: Proxy | None = (
            None if server is None else self._stack.enter_context(Proxy.to(server))
        )
        self._processes: dict[str, WorkerProcess] = {}
        self._number = 0

    def close(self) -> None:
        """Ends the processes and the proxy."""
        self._stack.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # Places and processes.

    def area(self) -> Area:
        """A fresh place on the store."""
        if self._server is None:
            return local_area(self._fresh("store"))
        return self._server.new_area("bench")

    def config(self, area: Area, *, interval: int | None = FOREVER) -> dict[str, Any]:
        """A manager's whole configuration, with a folder on this host of its own."""
        return {
            **self.contender.where(area, self.proxy),
            "local_dir": str(self._fresh("local")),
            "upload_interval": interval,
        }

    @contextmanager
    def writer(self, area: Area, *, interval: int | None = FOREVER) -> Iterator[Manager]:
        """A manager in the process where steps run."""
        yield from self._manager("writer", self.config(area, interval=interval))

    @contextmanager
    def reader(self, area: Area) -> Iterator[Manager]:
        """A manager in another process with another folder, as a webserver has."""
        yield from self._manager("reader", self.config(area))

    @contextmanager
    def alone(self, area: Area) -> Iterator[Manager]:
        """A manager in a process that nothing else happened in but the import of Dagster."""
        with self.fresh_process() as process:
            yield from self._open(process, self.config(area))

    @contextmanager
    def fresh_process(self) -> Iterator[WorkerProcess]:
        """A new process that has imported Dagster."""
        with self._start() as process:
            yield process

    def _manager(self, role: str, config: dict[str, Any]) -> Iterator[Manager]:
        if role not in self._processes:
            self._processes[role] = self._stack.enter_context(self._start())
        yield from self._open(self._processes[role], config)

    def _open(self, process: WorkerProcess, config: dict[str, Any]) -> Iterator[Manager]:
        manager = Manager(process, self._name("manager"), self.contender.factory, config)
        try:
            yield manager
        finally:
            manager.close()

    def _start(self) -> WorkerProcess:
        process = WorkerProcess(self._fresh("process"), self.contender.environment)
        process.call("dagster")
        return process

    def _fresh(self, name: str) -> Path:
        folder = self._folder / self._name(name)
        folder.mkdir(parents=True)
        return folder

    def _name(self, name: str) -> str:
        self._number += 1
        return f"{name}-{self._number}"

    # Counting.

    @contextmanager
    def counting(
        self, *, writer: Manager | None = None, reader: Manager | None = None
    ) -> Iterator[Cost]:
        """Counts what passes in the block; `Cost` is filled in at its end.

        Args:
            writer: Whose bytes written are counted where there is no server.
            reader: Whose bytes read are counted where there is no server.
        """
        cost = Cost()
        if self.proxy is not None:
            with self.proxy.record() as record:
                yield cost
            self._fill(cost, record)
            return
        written = writer.process.call("moved")["written"] if writer else 0
        read = reader.process.call("moved")["read"] if reader else 0
        yield cost
        if writer:
            cost.up = writer.process.call("moved")["written"] - written
        if reader:
            cost.down = reader.process.call("moved")["read"] - read

    def _fill(self, cost: Cost, record: Record) -> None:
        cost.connections = record.connections
        if self.proxy is not None and self.proxy.raw:
            cost.up, cost.down = record.wire_sent, record.wire_received
            return
        cost.up, cost.down = record.sent, record.received
        cost.requests, cost.methods = len(record.requests), record.methods
        for request in record.requests:
            cost.up_by_method[request.method] += request.sent


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
        yield Path(name)
