"""Many logs at once: listing, deleting, and a crowd of readers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from benchmarks import payload
from devservers.proxy import Slow

if TYPE_CHECKING:
    from benchmarks.bench import Bench
    from benchmarks.scale import Scale
    from devservers.areas import Area

_LATENCY: Final = 0.020
_CROWD_BYTES: Final = 250_000
_RUN: Final = ["many", "compute_logs"]


def many_objects(bench: Bench, scale: Scale) -> dict[str, Any]:
    """Lists and deletes thousands of finished logs below one prefix, beside one with a longer name."""
    area = bench.area()
    logs = scale.objects // 2
    _store(area, {f"{'/'.join(_RUN)}/s{n:05}.{ext}": b"x" for n in range(logs) for ext in _BOTH})
    _store(area, {f"many-more/compute_logs/s.{ext}": b"x" for ext in _BOTH})
    with bench.reader(area) as reader:
        with bench.counting(reader=reader) as listed:
            found = reader("keys", prefix=_RUN)
        with bench.counting(reader=reader) as deleted:
            raised = reader("delete", prefix=["many"])
    left = area.raw.keys()
    return {
        "objects": logs * 2,
        "listed": found,
        "logs": logs,
        "list_requests": listed.requests,
        "delete_requests": deleted.requests,
        "left": len([key for key in left if "/many/" in key]),
        "neighbour_kept": len([key for key in left if "/many-more/" in key]) == len(_BOTH),
        "raised": raised,
    }


def crowd(bench: Bench, scale: Scale) -> dict[str, Any]:
    """Readers of different finished logs at the same time, each request 20 ms away."""
    area = bench.area()
    keys = [["crowd", "compute_logs", f"s{number:02}"] for number in range(scale.readers)]
    text = payload.payload(0, _CROWD_BYTES)
    _store(area, {"/".join(key) + ".out": text for key in keys})
    _store(area, {"/".join(key) + ".err": b"" for key in keys})
    seconds: list[float] = []
    intact = True
    requests: list[int | None] = []
    with bench.proxy.fault(Slow(latency=_LATENCY)):  # type: ignore[union-attr]
        for _ in range(scale.repeats):
            with bench.reader(area) as reader:
                with bench.counting(reader=reader) as cost:
                    read = reader("crowd", keys=keys)
                requests.append(cost.requests)
            seconds.append(read["seconds"])
            intact = intact and read["intact"]
    return {
        "readers": scale.readers,
        "seconds": min(seconds),
        "requests": requests[-1],
        "intact": intact,
    }


_BOTH: Final = ("out", "err")


def _store(area: Area, objects: dict[str, bytes]) -> None:
    """Puts objects where every manager looks for them, without any manager."""
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(
            lambda item: area.raw.write(f"dagster/storage/{item[0]}", item[1]), objects.items()
        ):
            pass
