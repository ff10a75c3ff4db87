"""Logs that somebody watches while they are written."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any, Final

from benchmarks import payload
from benchmarks.scale import MB
from benchmarks.worker import PAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.bench import Bench, Manager
    from benchmarks.scale import Scale

_KEY: Final = ["run", "compute_logs", "live"]
_POLL_SECONDS: Final = 0.1
_PATIENCE_SECONDS: Final = 12.0  # over two of the others' polls
_IDLE_MEGABYTES: Final = 5
_SMALL_TICK: Final = 300
_TICKS_BETWEEN_LOOKS: Final = 20


def tail(bench: Bench, scale: Scale) -> dict[str, Any]:
    """One viewer who polls after each tick of one megabyte; for several sizes of the log."""
    return {"sizes": [_tail(bench, size) for size in scale.tail_megabytes]}


def _tail(bench: Bench, megabytes: int) -> dict[str, Any]:
    area = bench.area()
    read: dict[str, Any] = {"cursor": None}
    total, intact = 0, True
    with bench.writer(area) as writer, bench.reader(area) as reader:
        with bench.counting(writer=writer, reader=reader) as cost:
            writer("begin", key=_KEY)
            for _ in range(megabytes):
                writer.process.call("say", out=MB)
                writer("tick", key=_KEY)
                read = reader("catch_up", key=_KEY, cursor=read["cursor"])
                total, intact = total + read["out"], intact and read["intact"]
            writer.process.call("end", key=_KEY)
            read = reader("catch_up", key=_KEY, cursor=read["cursor"])
            total, intact = total + read["out"], intact and read["intact"]
        # Other managers read the finished log anew; what they show is the same text.
        intact = intact and total == megabytes * MB
        disk = reader("disk")
    return {
        "megabytes": megabytes,
        "up": cost.up,
        "down": cost.down,
        "requests": cost.requests,
        "methods": cost.methods,
        "disk": disk,
        "left": len(area.raw.keys()),
        "intact": intact,
    }


def idle(bench: Bench, _: Scale) -> dict[str, Any]:
    """A tick and a poll when nothing was printed since the last, in a log of five megabytes."""
    area = bench.area()
    with bench.writer(area) as writer, bench.reader(area) as reader:
        writer("begin", key=_KEY)
        writer.process.call("say", out=_IDLE_MEGABYTES * MB)
        writer("tick", key=_KEY)
        read = reader("catch_up", key=_KEY, cursor=None)
        with bench.counting(writer=writer) as ticked:
            writer("tick", key=_KEY)
        with bench.counting(reader=reader) as polled:
            again = reader("page", key=_KEY, cursor=read["cursor"], size=PAGE)
        writer.process.call("end", key=_KEY)
    return {
        "tick_requests": ticked.requests,
        "tick_up": ticked.up,
        "poll_requests": polled.requests,
        "poll_down": polled.down,
        "intact": read["out"] == _IDLE_MEGABYTES * MB and not again["out"],
    }


def three_viewers(bench: Bench, scale: Scale) -> dict[str, Any]:
    """Three open pages of one log; a tick of one megabyte each time all of them have caught up."""
    area = bench.area()
    with bench.writer(area) as writer, bench.reader(area) as reader:
        with bench.counting(writer=writer, reader=reader) as cost:
            writer("begin", key=_KEY)
            reader("watch", key=_KEY, viewers=3)
            for number in range(scale.shared_ticks):
                writer.process.call("say", out=MB)
                writer("tick", key=_KEY)
                _wait(reader, _everybody_has((number + 1) * MB))
            writer.process.call("end", key=_KEY)
            completed = _wait(reader, lambda seen: all(one["complete"] for one in seen))
        seen = reader.process.call("seen")
    size = scale.shared_ticks * MB
    return {
        "megabytes": scale.shared_ticks,
        "up": cost.up,
        "down": cost.down,
        "requests": cost.requests,
        "completed": completed,
        "intact": all(one["out"] == size and one["intact"] for one in seen),
    }


def delay(bench: Bench, scale: Scale) -> dict[str, Any]:
    """From `print` to the viewer's callback, with a partial upload every second."""
    area = bench.area()
    printed: list[float] = []
    with bench.writer(area, interval=1) as writer, bench.reader(area) as reader:
        writer("begin", key=_KEY)
        reader("watch", key=_KEY, viewers=1)
        for number in range(scale.lines):
            printed.append(float(writer.process.call("say", out=payload.LINE)))
            time.sleep(0.8 + number * 0.37 % 0.5)  # out of step with the uploads
        _wait(reader, _everybody_has(scale.lines * payload.LINE))
        (seen,) = reader.process.call("seen")
        writer.process.call("end", key=_KEY)
    delays = []
    for number, at in enumerate(printed):
        end = (number + 1) * payload.LINE
        arrived = next((when for when, bytes_seen in seen["arrivals"] if bytes_seen >= end), None)
        if arrived is not None:
            delays.append(arrived - at)
    return {
        "lines": len(printed),
        "arrived": len(delays),
        "median": statistics.median(delays) if delays else None,
        "worst": max(delays, default=None),
    }


def long_run(bench: Bench, scale: Scale) -> dict[str, Any]:
    """Thousands of small ticks: bytes of log up, and how many segments exist at a time."""
    area = bench.area()
    most = 0
    with bench.writer(area) as writer:
        with bench.counting(writer=writer) as cost:
            writer("begin", key=_KEY)
            for _ in range(scale.small_ticks // _TICKS_BETWEEN_LOOKS):
                writer("timer_ticks", key=_KEY, times=_TICKS_BETWEEN_LOOKS, size=_SMALL_TICK)
                most = max(most, len(area.raw.keys()))
            writer.process.call("end", key=_KEY)
        names = area.raw.keys()
        stored = [area.raw.size(name) for name in names if name.endswith(".out")]
    size = scale.small_ticks * _SMALL_TICK
    return {
        "ticks": scale.small_ticks,
        "size": size,
        # Lists of objects to delete are no log; only on HTTP can they be told apart.
        "up": cost.up_by_method["PUT"] if cost.methods else cost.up,
        "up_in_all": cost.up,
        "requests": cost.requests,
        "most_segments": most,
        "intact": stored == [size],
    }


def _everybody_has(size: int) -> Callable[[list[dict[str, Any]]], bool]:
    return lambda seen: all(one["out"] >= size for one in seen)


def _wait(reader: Manager, done: Callable[[list[dict[str, Any]]], bool]) -> bool:
    """Whether the viewers got there in time."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until:
        if done(reader.process.call("seen")):
            return True
        time.sleep(_POLL_SECONDS)
    return False
