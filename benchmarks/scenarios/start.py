"""What it takes to have a manager at all: its construction, a tick's, and the capture itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from benchmarks.bench import Bench
    from benchmarks.scale import Scale

_TICK_BYTES: Final = 1000
_PRINTED: Final = 8_000_000


def construct(bench: Bench, scale: Scale) -> dict[str, Any]:
    """Import and construction in a process that has Dagster; then until a first small log is stored."""
    area = bench.area()
    opened, stored, modules = [], [], 0
    for number in range(scale.starts):
        with bench.fresh_process() as process:
            figures = process.call(
                "open", name="m", factory=bench.contender.factory, config=bench.config(area)
            )
            seconds = process.call("steps", name="m", keys=[["first", str(number)]], out=100)
            process.call("close", name="m")
        opened.append(figures["seconds"])
        stored.append(figures["seconds"] + seconds)
        modules = int(figures["modules"])
    return {"seconds": min(opened), "until_stored": min(stored), "modules": modules}


def sensor_ticks(bench: Bench, scale: Scale) -> dict[str, Any]:
    """A code server's ticks: a manager is made, writes one small log and is disposed of, each time."""
    area = bench.area()
    config = bench.config(area, interval=None)
    keys = [["repository", "sensor", str(number)] for number in range(scale.sensor_ticks)]
    with bench.writer(area, interval=None) as writer:
        arguments = {"factory": bench.contender.factory, "config": config, "size": _TICK_BYTES}
        writer.process.call("sensor_ticks", keys=[["repository", "sensor", "first"]], **arguments)
        with bench.counting(writer=writer) as cost:
            seconds = writer.process.call("sensor_ticks", keys=keys, **arguments)
    return {
        "ticks": scale.sensor_ticks,
        "requests": cost.requests,
        "connections": cost.connections,
        "seconds": seconds,
        "stored": len(area.raw.keys()),
    }


def overhead(bench: Bench, scale: Scale) -> dict[str, Any]:
    """Entering a capture and printing in it, by turns with Dagster's local manager."""
    area = bench.area()
    with bench.writer(area, interval=None) as writer:
        local = str(bench.config(area)["local_dir"])
        taken = writer.process.call(
            "overhead", ours=writer.name, local=local, out=_PRINTED, rounds=3 * scale.repeats
        )
    ours, base = taken[writer.name], taken[local]
    return {
        "work": min(ours["work"]) / min(base["work"]),
        "elapsed": min(ours["elapsed"]) / min(base["elapsed"]),
    }
