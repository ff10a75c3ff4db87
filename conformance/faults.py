"""A misbehaving proxy before the storage, in the words that the fault cases use.

The proxy itself is `devservers.proxy`, which only a checkout has.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .spec import FilesystemSpec
from .subject import Wire

if TYPE_CHECKING:
    from devservers.proxy import Proxy

__all__ = ["ProxyFaults", "proxied"]

Spec = TypeVar("Spec")
HTTP_KINDS = frozenset({"refuse", "blackhole", "403", "503", "503:2", "cut", "drop"})
RAW_KINDS = frozenset({"refuse", "blackhole", "cut", "drop"})
BODY_BYTES_BEFORE_A_CUT = 70_000
HASTE = 3.0
"""Seconds that ours waits for one request in the cases of a silent server."""


class ProxyFaults(Generic[Spec]):
    """The fault cases' view of a `devservers.proxy.Proxy`.

    Args:
        spec: Opens the storage, or makes the manager, through the proxy.
        proxy: A started proxy.
        hasty: The same with short timeouts.
        timeout: What `hasty` is configured to wait for one request, in seconds.
    """

    def __init__(
        self, spec: Spec, proxy: Proxy, *, hasty: Spec | None = None, timeout: float = 60.0
    ) -> None:
        self.spec = spec
        self.hasty = spec if hasty is None else hasty
        self.timeout = timeout
        self.kinds = RAW_KINDS if proxy.raw else HTTP_KINDS
        self._proxy = proxy

    @contextlib.contextmanager
    def fault(
        self, kind: str, *, method: str | None = None, path: str | None = None
    ) -> Iterator[None]:
        """Misbehave inside the block, towards some requests or all."""
        from devservers.proxy import Blackhole, Refuse, Reset, Status

        status, _, times = kind.partition(":")
        limit = int(times) if times else None
        if kind == "refuse":
            rule = self._proxy.fault(Refuse())
        elif kind == "blackhole":
            rule = self._proxy.fault(Blackhole())
        elif kind == "cut":
            rule = self._proxy.fault(
                Reset(after=BODY_BYTES_BEFORE_A_CUT), method=method, path=path, times=1
            )
        else:
            rule = self._proxy.fault(Status(int(status)), method=method, path=path, times=limit)
        try:
            yield
        finally:
            rule.remove()

    def drop(self) -> None:
        """Reset every open connection."""
        self._proxy.kill_connections()

    @contextlib.contextmanager
    def record(self) -> Iterator[Wire]:
        """Count what passes inside the block."""
        wire = _Counts()
        with self._proxy.record() as record:
            yield wire
            wire.requests = len(record.requests)
            wire.bytes_up = record.wire_sent
            wire.bytes_down = record.wire_received


@dataclasses.dataclass
class _Counts:
    requests: int = 0
    bytes_up: int = 0
    bytes_down: int = 0


def proxied(spec: Any, proxy: Proxy, host: str, port: int) -> ProxyFaults[Any]:
    """The fault cases' view of a spec whose mentions of `host:port` became the proxy's address."""
    moved = dataclasses.replace(
        spec,
        **{
            field.name: _moved(getattr(spec, field.name), host, port, proxy.port)
            for field in dataclasses.fields(spec)
        },
    )
    if not isinstance(moved, FilesystemSpec) or moved.raw:
        return ProxyFaults(moved, proxy)
    hasty = dataclasses.replace(moved, timeout=HASTE)
    return ProxyFaults(moved, proxy, hasty=hasty, timeout=HASTE)


def _moved(value: Any, host: str, port: int, to_port: int) -> Any:
    if isinstance(value, str):
        return value.replace(f"{host}:{port}", f"127.0.0.1:{to_port}")
    if isinstance(value, Mapping):
        moved = {name: _moved(item, host, port, to_port) for name, item in value.items()}
        if moved.get("host") == host and moved.get("port") == port:
            moved.update(host="127.0.0.1", port=to_port)
        return moved
    if isinstance(value, (list, tuple)):
        return type(value)(_moved(item, host, port, to_port) for item in value)
    return value
