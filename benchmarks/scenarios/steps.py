"""Finished steps: small, many, and big ones whose first and last page somebody opens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from benchmarks.worker import PAGE
from devservers.proxy import Slow

if TYPE_CHECKING:
    from benchmarks.bench import Bench
    from benchmarks.scale import Scale

_SMALL: Final = 2000
_LATENCY: Final = 0.4
_TRIES: Final = 3


def small_step(bench: Bench, _: Scale) -> dict[str, Any]:
    """2 KB of stdout and no stderr, without partial uploads."""
    area = bench.area()
    with bench.writer(area, interval=None) as writer:
        with bench.counting(writer=writer) as cost:
            writer.step(["run", "compute_logs", "small"], out=_SMALL)
        figures: dict[str, Any] = {
            "requests": cost.requests,
            "up": cost.up,
            "connections": cost.connections,
            "stored": _stored(area.raw.keys()),
        }
        if bench.proxy is not None and not bench.proxy.raw:
            figures["waits"] = _waits(bench, writer)
    return figures


def _waits(bench: Bench, writer: Any) -> float:
    """How many answers a step's end waits for one after the other."""
    seconds: dict[float, list[float]] = {0.0: [], _LATENCY: []}
    for number in range(_TRIES):
        for latency, taken in seconds.items():
            key = ["run", "compute_logs", f"waits-{latency}-{number}"]
            writer("begin", key=key)
            writer.process.call("say", out=_SMALL)
            with bench.proxy.fault(Slow(latency=latency)):  # type: ignore[union-attr]
                taken.append(float(writer.process.call("end", key=key)))
    # A busy machine only ever adds time; the least of several is nearest to the truth.
    return float(round((min(seconds[_LATENCY]) - min(seconds[0.0])) / _LATENCY))


def many_steps(bench: Bench, scale: Scale) -> dict[str, Any]:
    """Small steps one after the other in one process."""
    area = bench.area()
    keys = [["run", "compute_logs", f"step{number:04}"] for number in range(scale.steps)]
    with bench.writer(area, interval=None) as writer, bench.counting(writer=writer) as cost:
        seconds = writer("steps", keys=keys, out=_SMALL)
    return {
        "steps": scale.steps,
        "requests": cost.requests,
        "up": cost.up,
        "connections": cost.connections,
        "seconds": seconds,
        "stored": len(_stored(area.raw.keys())),
    }


def big_step(bench: Bench, scale: Scale) -> dict[str, Any]:
    """A big log at once; then its first page, its last page and its download, each fresh."""
    area = bench.area()
    key = ["run", "compute_logs", "big"]
    figures: dict[str, Any] = {"size": scale.big}
    with bench.writer(area, interval=None) as writer:
        with bench.counting(writer=writer) as cost:
            started = time.perf_counter()
            writer.step(key, out=scale.big)
            figures["seconds"] = time.perf_counter() - started
        figures |= {"up": cost.up, "requests": cost.requests}
        figures["stored"] = area.raw.size(_only(area.raw.keys(), "big.out"))
    for name, cursor in (("first", None), ("last", f"{scale.big - PAGE}:0")):
        with bench.reader(area) as reader:
            with bench.counting(reader=reader) as cost:
                page = reader("page", key=key, cursor=cursor, size=PAGE)
            figures |= {
                f"{name}_down": cost.down,
                f"{name}_requests": cost.requests,
                f"{name}_disk": reader("disk"),
                f"{name}_intact": page["intact"] and page["out"] == PAGE,
            }
            with bench.counting(reader=reader) as again:
                reader("page", key=key, cursor=cursor, size=PAGE)
            figures[f"{name}_again_requests"] = again.requests
    with bench.reader(area) as reader:
        with bench.counting(reader=reader) as cost:
            figures["served"] = reader("download", key=key)
        figures |= {"served_down": cost.down, "served_requests": cost.requests}
    return figures


def _stored(keys: list[str]) -> list[str]:
    return [key.rpartition("/")[2] for key in keys]


def _only(keys: list[str], name: str) -> str:
    (key,) = (key for key in keys if key.endswith(f"/{name}"))
    return key
