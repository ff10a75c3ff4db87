"""How far a big log drives the memory of the process that writes it, and of the one that reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.bench import Bench
    from benchmarks.scale import Scale


def peaks(bench: Bench, scale: Scale) -> dict[str, Any]:
    """Peak over what the process held after a small log had gone the same way."""
    area = bench.area()
    key = ["run", "compute_logs", "big"]
    warm = ["run", "compute_logs", "warm"]
    with bench.alone(area) as writer:
        writer("begin", key=warm)
        writer.process.call("say", out=200_000)
        writer("tick", key=warm)
        writer.process.call("end", key=warm)
        before = writer.process.call("memory")
        writer("begin", key=key)
        writer.process.call("say", out=scale.memory)
        writer("tick", key=key)
        writer.process.call("end", key=key)
        up = writer.process.call("peak") - before
    with bench.alone(area) as reader:
        reader("catch_up", key=warm, cursor=None)
        before = reader.process.call("memory")
        read = reader("catch_up", key=key, cursor=None)
        down = reader.process.call("peak") - before
    with bench.alone(area) as reader:
        reader("download", key=warm)
        before = reader.process.call("memory")
        served = reader("download", key=key)
        route = reader.process.call("peak") - before
    return {
        "size": scale.memory,
        "up": up,
        "down": down,
        "route": route,
        "intact": read["intact"] and read["out"] == served == scale.memory,
    }
