"""How much of everything a run does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MB: Final = 1_000_000


@dataclass(frozen=True)
class Scale:
    """Sizes in bytes, counts and repetitions.

    Attributes:
        name: ``full`` or ``quick``.
        steps: Small steps one after the other.
        big: The log of the big step, of the pages and of the webserver's download.
        tail_megabytes: Log sizes of the live tail with one viewer; one tick per megabyte.
        shared_ticks: Ticks of one megabyte that three viewers watch.
        objects: Objects to list and delete.
        readers: Readers at the same time.
        memory: The log whose way up and down is watched for memory.
        lines: Lines timed from `print` to the viewer.
        small_ticks: Ticks of one long run.
        sensor_ticks: Ticks of a code server.
        repeats: Repetitions of what is timed.
        starts: Fresh processes that time the start.
    """

    name: str
    steps: int
    big: int
    tail_megabytes: tuple[int, ...]
    shared_ticks: int
    objects: int
    readers: int
    memory: int
    lines: int
    small_ticks: int
    sensor_ticks: int
    repeats: int
    starts: int


FULL: Final = Scale(
    name="full",
    steps=100,
    big=40 * MB,
    tail_megabytes=(2, 4, 8, 12, 16, 20),
    shared_ticks=20,
    objects=2500,
    readers=16,
    memory=50 * MB,
    lines=16,
    small_ticks=5000,
    sensor_ticks=20,
    repeats=7,
    starts=3,
)

QUICK: Final = Scale(
    name="quick",
    steps=5,
    big=8 * MB,
    tail_megabytes=(2, 5),
    shared_ticks=3,
    objects=2500,
    readers=8,
    memory=50 * MB,
    lines=4,
    small_ticks=300,
    sensor_ticks=5,
    repeats=3,
    starts=1,
)
