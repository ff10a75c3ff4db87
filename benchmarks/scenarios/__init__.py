"""What is done to each manager; every scenario takes a bench and a scale and returns figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from benchmarks.scenarios import bulk, live, memory, start, steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.bench import Bench
    from benchmarks.contenders import Contender
    from benchmarks.scale import Scale

Figures = dict[str, Any]

HTTP: Final = frozenset({"s3", "azure"})
_EVERYWHERE: Final = frozenset({"s3", "azure", "sftp", "local"})


@dataclass(frozen=True)
class Scenario:
    """One piece of work.

    Attributes:
        name: Key of its figures.
        run: Does it and returns the figures.
        at_once: Contenders that may do it at the same time: all where it mostly waits, two where it
            only counts, one where it is timed.
        stores: Where it is meaningful.
        ours_only: The others are not asked: their cost grows with the square.
    """

    name: str
    run: Callable[[Bench, Scale], Figures]
    at_once: int = 2
    stores: frozenset[str] = _EVERYWHERE
    ours_only: bool = False

    def concerns(self, contender: Contender) -> bool:
        """Whether this contender takes part."""
        return contender.store in self.stores and (contender.is_ours or not self.ours_only)


SCENARIOS: Final = (
    Scenario("small_step", steps.small_step),
    Scenario("many_steps", steps.many_steps),
    Scenario("big_step", steps.big_step),
    Scenario("live_tail", live.tail),
    Scenario("idle", live.idle),
    Scenario("long_run", live.long_run, ours_only=True, stores=frozenset({"s3", "local"})),
    Scenario("many_objects", bulk.many_objects, stores=HTTP),
    Scenario("memory", memory.peaks),
    Scenario("three_viewers", live.three_viewers, at_once=8),
    Scenario("delay", live.delay, at_once=8),
    Scenario("sensor_ticks", start.sensor_ticks, at_once=1, stores=HTTP),
    Scenario("construct", start.construct, at_once=1, stores=HTTP),
    Scenario("crowd", bulk.crowd, at_once=1, stores=HTTP),
    Scenario("overhead", start.overhead, at_once=1, stores=HTTP),
)
