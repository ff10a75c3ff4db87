"""What is said about the figures: one row per promise, with its limit and how to read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from benchmarks.worker import PAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Figures = dict[str, Any]
MIB: Final = 1024 * 1024
_LARGEST: Final = -1  # the tail's logs are ordered by size


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        work: What was done and what is shown.
        scenario: Whose figures.
        value: The number shown, less is better; None when this contender has none. Its second
            argument is the figures of Dagster's own manager on the same store.
        show: The number for people.
        limit: Most that ours may have; None where the number is only shown.
        timed: Depends on the clock: a ratio within one run, not a count.
        why: By store, one sentence for when another manager has less.
        stores: Where the row makes sense; all when empty.
    """

    work: str
    scenario: str
    value: Callable[[Figures, Figures], float | None]
    show: Callable[[float], str]
    limit: float | None = None
    timed: bool = False
    why: Mapping[str, str] = field(default_factory=dict)
    stores: frozenset[str] = frozenset()

    def keeps(self, number: float | None) -> bool:
        """Whether the limit is kept; where nothing can be counted none is."""
        return self.limit is None or number is None or number <= self.limit

    def measured(self, figures: Figures | None, baseline: Figures | None) -> float | None:
        """The number for one contender."""
        return None if figures is None else self.value(figures, baseline or {})


def count(number: float) -> str:
    """A whole number."""
    return f"{number:,.0f}"


def times(number: float) -> str:
    """A multiple of something."""
    return f"{number:.2f}×"


def each(number: float) -> str:
    """A count that is an average."""
    return f"{number:.3g}"


def logs(number: float) -> str:
    """A multiple of the log's size."""
    return f"{number:.2f} L"


def size(number: float) -> str:
    """Bytes."""
    for unit, name in ((1e6, "MB"), (1e3, "KB")):
        if number >= unit:
            return f"{number / unit:,.2f} {name}"
    return f"{number:.0f} B"


def mebibytes(number: float) -> str:
    """Bytes of memory."""
    return f"{number / MIB:.1f} MiB"


def seconds(number: float) -> str:
    """Seconds."""
    return f"{number:.1f} s"


def yes_or_no(number: float) -> str:
    """0 is good."""
    return "no" if number else "yes"


def of(name: str) -> Callable[[Figures, Figures], float | None]:
    """A figure as it is."""
    return lambda figures, _: figures.get(name)


def per(name: str, whole: str, unit: float = 1) -> Callable[[Figures, Figures], float | None]:
    """A figure as a share of another."""

    def value(figures: Figures, _: Figures) -> float | None:
        part = figures.get(name)
        return None if part is None else part / (figures[whole] * unit)

    return value


def against(name: str) -> Callable[[Figures, Figures], float | None]:
    """A time as a multiple of that of Dagster's own manager in the same run."""

    def value(figures: Figures, baseline: Figures) -> float | None:
        base = baseline.get(name)
        return figures[name] / base if base else None

    return value


def tail(name: str) -> Callable[[Figures, Figures], float | None]:
    """A figure of the largest live tail; bytes as a multiple of the log."""

    def value(figures: Figures, _: Figures) -> float | None:
        largest = figures["sizes"][_LARGEST]
        number: float = largest[name]
        return number / (largest["megabytes"] * 1e6) if name in {"up", "down"} else number

    return value


def lacking(*names: str) -> Callable[[Figures, Figures], float | None]:
    """0 when all of these are true, else 1."""
    return lambda figures, _: float(not all(figures[name] for name in names))


def not_intact(figures: Figures, _: Figures) -> float:
    """0 when every size of the live tail was read as it was printed."""
    return float(not all(one["intact"] for one in figures["sizes"]))


HTTP: Final = frozenset({"s3", "azure"})
_COMPILED: Final = {
    "s3": "dagster-obstore is one compiled library; ours loads s3fs and aiobotocore."
}
_COPY: Final = "The others read the copy of the whole log that the first page left on the disk."
_BLOCKS: Final = "Ours sends blocks of a size that bounds memory."

ROWS: Final = (
    Row("live tail, 1 MB a tick: bytes up", "live_tail", tail("up"), logs, 2.05),
    Row("the same: bytes down at one viewer", "live_tail", tail("down"), logs, 1.02),
    Row("the same: requests", "live_tail", tail("requests"), count, stores=HTTP),
    Row("the same: bytes left on the reader's disk", "live_tail", tail("disk"), size, 0),
    Row(
        "the same: objects left in the store",
        "live_tail",
        tail("left"),
        count,
        2,
    ),
    Row("the same: every byte read as printed", "live_tail", not_intact, yes_or_no, 0),
    Row(
        "live tail, three viewers: bytes down",
        "three_viewers",
        per("down", "megabytes", 1e6),
        logs,
        1.02,
    ),
    Row(
        "the same: every viewer got all of it and was told the end",
        "three_viewers",
        lacking("completed", "intact"),
        yes_or_no,
        0,
    ),
    Row("idle tick: requests", "idle", of("tick_requests"), count, 0, stores=HTTP),
    Row("idle tick: bytes up", "idle", of("tick_up"), size, 1000),
    Row("idle poll: requests", "idle", of("poll_requests"), count, 1, stores=HTTP),
    Row("idle poll: bytes down", "idle", of("poll_down"), size, 10_000),
    Row(
        "first 1 MiB page of a finished log: bytes down",
        "big_step",
        of("first_down"),
        size,
        1.02 * PAGE,
    ),
    Row("the same: requests", "big_step", of("first_requests"), count, 2, stores=HTTP),
    Row("the same: bytes on the reader's disk", "big_step", of("first_disk"), size, 0),
    Row("last 1 MiB page: bytes down", "big_step", of("last_down"), size, 1.02 * PAGE),
    Row("the same: requests", "big_step", of("last_requests"), count, 2, stores=HTTP),
    Row(
        "that page once more: requests",
        "big_step",
        of("last_again_requests"),
        count,
        1,
        stores=HTTP,
        why={"s3": _COPY, "azure": _COPY},
    ),
    Row("small step: requests", "small_step", of("requests"), count, 2, stores=HTTP),
    Row(
        "the same: answers waited for one after the other",
        "small_step",
        of("waits"),
        count,
        1,
        stores=HTTP,
    ),
    Row(
        "many small steps: requests a step",
        "many_steps",
        per("requests", "steps"),
        each,
        2,
        stores=HTTP,
    ),
    Row("big step at once: bytes up", "big_step", per("up", "size"), logs, 1.02),
    Row(
        "the same: requests",
        "big_step",
        of("requests"),
        count,
        stores=HTTP,
        why={"s3": _BLOCKS, "azure": _BLOCKS},
    ),
    Row(
        "list thousands of objects: requests",
        "many_objects",
        of("list_requests"),
        count,
        4,
        why={
            "s3": "dagster-aws stops at its first 1,000 objects.",
            "azure": "Ours also asks whether the folder itself is an object.",
        },
    ),
    Row(
        "the same: logs not listed",
        "many_objects",
        lambda figures, _: figures["logs"] - figures["listed"],
        count,
        0,
    ),
    Row("delete them by prefix: objects left", "many_objects", of("left"), count, 0),
    Row(
        "the same: requests",
        "many_objects",
        of("delete_requests"),
        count,
        why={
            "s3": "dagster-aws leaves objects behind.",
            "azure": "dagster-azure's one batch is too large and deletes nothing.",
        },
    ),
    Row("peak memory, 50 MB up", "memory", of("up"), mebibytes, 16 * MIB),
    Row("peak memory, 50 MB read in pages", "memory", of("down"), mebibytes, 16 * MIB),
    Row("peak memory, 50 MB through /logs", "memory", of("route"), mebibytes, 16 * MIB),
    Row(
        "capture: CPU of entering it and printing, with its helper processes, LocalComputeLogManager = 1",
        "overhead",
        of("work"),
        times,
        1.05,
        timed=True,
        why={"s3": "dagster-aws captures with that very manager: its distance from 1 is noise."},
    ),
    Row(
        "from print to the viewer, median, uploads every second",
        "delay",
        of("median"),
        seconds,
        3.0,
        timed=True,
    ),
    Row(
        "concurrent readers, 20 ms latency: time, Dagster's own = 1",
        "crowd",
        against("seconds"),
        times,
        timed=True,
        why=_COMPILED,
    ),
    Row(
        "import and construction: time, Dagster's own = 1",
        "construct",
        against("seconds"),
        times,
        timed=True,
        why=_COMPILED,
    ),
    Row("the same: modules loaded", "construct", of("modules"), count, why=_COMPILED),
    Row(
        "until a first log is stored: time, Dagster's own = 1",
        "construct",
        against("until_stored"),
        times,
        timed=True,
        why=_COMPILED,
    ),
    Row(
        "a sensor's tick: requests",
        "sensor_ticks",
        per("requests", "ticks"),
        each,
        2,
        stores=HTTP,
    ),
    Row(
        "the same: time, Dagster's own = 1",
        "sensor_ticks",
        against("seconds"),
        times,
        timed=True,
        why=_COMPILED,
    ),
    Row("thousands of small ticks: bytes of log up", "long_run", per("up", "size"), logs, 3),
    Row("the same: most segments at a time", "long_run", of("most_segments"), count, 64),
    Row("the same: stored as printed", "long_run", lacking("intact"), yes_or_no, 0),
)
