"""The page ``docs/benchmarks.md`` and its plots, from the figures of one run."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import metadata
from typing import TYPE_CHECKING, Final

from benchmarks.contenders import CONTENDERS, OURS
from benchmarks.plots import Line, line_plot
from benchmarks.rows import ROWS, Row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.contenders import Contender
    from benchmarks.runner import Results
    from benchmarks.scale import Scale

_VERSIONS: Final = (
    OURS,
    "dagster",
    "dagster-aws",
    "dagster-azure",
    "dagster-obstore",
    "remote-store",
    "s3fs",
    "adlfs",
    "sshfs",
    "moto",
)
_BASELINES: Final = {"s3": "dagster-aws on s3", "azure": "dagster-azure on azure"}
_PLOTS: Final = (
    ("up", "bytes-up", "Bytes uploaded while a log is watched"),
    ("down", "bytes-down", "Bytes downloaded by its one viewer"),
)
_UNEXPLAINED: Final = "The reason is not known yet."
_ALIKE: Final = 1.02  # closer than this two numbers are the same


@dataclass(frozen=True)
class Run:
    """One run: its figures and where they come from.

    Attributes:
        scale: Name of the scale.
        date: The day, as ISO has it.
        machine: The machine in general terms.
        versions: Distribution and version of what ran.
        results: The figures.
    """

    scale: str
    date: str
    machine: str
    versions: dict[str, str]
    results: Results

    @classmethod
    def of(cls, results: Results, scale: Scale) -> Run:
        """A run that has just ended here."""
        versions = {name: _version(name) for name in _VERSIONS}
        date = datetime.now(timezone.utc).date().isoformat()
        return cls(scale.name, date, _machine(), versions, results)

    def save(self, path: Path) -> None:
        """Keeps it as JSON, for another report later."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(vars(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Run:
        """What `save` kept."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Miss:
    """A limit that ours does not keep.

    Attributes:
        store: Where.
        row: Which.
        number: What was measured.
    """

    store: str
    row: Row
    number: float

    def __str__(self) -> str:
        limit = self.row.show(self.row.limit or 0)
        return f"{self.store}: {self.row.work}: {self.row.show(self.number)}, limit {limit}"


def misses(results: Results, rows: Sequence[Row] = ROWS) -> list[Miss]:
    """Every limit that ours does not keep, on every store."""
    found = []
    for contender in CONTENDERS:
        if not contender.is_ours:
            continue
        for row in _rows_for(contender.store, rows):
            number = _number(row, contender, results)
            if number is not None and not row.keeps(number):
                found.append(Miss(contender.store, row, number))
    return found


def write(run: Run, page: Path, assets: Path) -> None:
    """Writes the page and its plots."""
    assets.mkdir(parents=True, exist_ok=True)
    for figure, name, title in _PLOTS:
        lines = _lines(run.results, figure)
        if lines:
            plot = line_plot(title, "size of the log, MB (one tick per MB)", "MB", lines)
            (assets / f"{name}.svg").write_text(plot, encoding="utf-8")
    page.write_text(_page(run), encoding="utf-8")


def _page(run: Run) -> str:
    parts = [
        "# Benchmarks",
        (
            "This page is written by `make bench` from one run; nothing on it is typed in. Every manager "
            "ran against the same servers on loopback (moto for S3, Azurite for Azure, OpenSSH for SFTP), "
            "through a proxy that counts requests and body bytes. Counts are what they are on any "
            "machine; times are given only as ratios within the run, and as seconds where a person waits."
        ),
        f"Run of {run.date}, scale `{run.scale}`, on {run.machine}. Versions: "
        + ", ".join(f"{name} {version}" for name, version in run.versions.items())
        + ".",
        (
            "*L* is the size of the log. A limit is what this project promises for its own manager; the "
            "others are judged by nobody. A dash means that it was not measured there."
        ),
        "## Bytes against the size of the log",
        (
            "A log grows by 1 MB between two ticks, and one viewer polls after each tick. Sending and "
            "reading the whole file every time costs the square of the size; the new bytes alone cost the "
            "size."
        ),
        *[f"![{title}](assets/benchmarks/{name}.svg)" for _, name, title in _PLOTS],
        *_table("S3", "s3", run.results),
        *_table("Azure Blob Storage", "azure", run.results),
        *_ours_elsewhere(run.results),
        "## How to read it",
        "\n".join(_FOOTING),
    ]
    return "\n\n".join(parts) + "\n"


_FOOTING: Final = (
    (
        "- *live tail*: a capture with partial uploads, ticks of 1 MB given by `on_progress`, the final "
        "upload included; the viewer is another process with its own folder and reads pages of 1 MiB."
    ),
    "- *three viewers*: real subscriptions of one process, each manager polling at its own pace.",
    "- *idle*: a tick and a poll when nothing was printed since the last, in a log of 5 MB.",
    "- *small step*: 2 KB of stdout and no stderr. Its waits are counted by making every answer late.",
    "- *peak memory*: the process's peak over what it held after a small log had gone the same way.",
    "- *import and construction*: in a process that has imported Dagster, best of several.",
    (
        "- On SFTP all bytes of the encrypted connection are counted; on a local disk what the kernel "
        "counted for the process. Requests are counted on HTTP alone."
    ),
    (
        "- dagster-azure cannot address a server without TLS: the function that makes its client is "
        "exchanged for one that takes a connection string, nothing else."
    ),
)


def _table(title: str, store: str, results: Results) -> list[str]:
    contenders = [one for one in CONTENDERS if one.store == store]
    lines = [
        f"| work | limit | {' | '.join(one.manager for one in contenders)} |",
        "|---|--:|" + "--:|" * len(contenders),
    ]
    notes: list[str] = []
    for row in _rows_for(store):
        numbers = [_number(row, one, results) for one in contenders]
        if all(number is None for number in numbers):
            continue
        cells = [_cell(row, number) for number in numbers]
        if not row.keeps(numbers[0]):
            cells[0] += " (over the limit)"
        elif _beaten(numbers):
            why = row.why.get(store, _UNEXPLAINED)
            if why not in notes:
                notes.append(why)
            cells[0] += f" [{notes.index(why) + 1}]"
        lines.append(f"| {row.work} | {_limit(row)} | {' | '.join(cells)} |")
    where = [f"## {title}", "\n".join(lines)]
    if notes:
        numbered = [f"{number}. {why}" for number, why in enumerate(notes, 1)]
        where += ["Where another manager has less:", "\n".join(numbered)]
    return where


def _ours_elsewhere(results: Results) -> list[str]:
    contenders = [one for one in CONTENDERS if one.is_ours]
    lines = [
        f"| work | limit | {' | '.join(one.store for one in contenders)} |",
        "|---|--:|" + "--:|" * len(contenders),
    ]
    for row in ROWS:
        if row.limit is None:
            continue
        numbers = [
            _number(row, one, results) if row in _rows_for(one.store) else None
            for one in contenders
        ]
        if any(number is not None for number in numbers):
            cells = [
                _cell(row, number) + ("" if row.keeps(number) else " (over the limit)")
                for number in numbers
            ]
            lines.append(f"| {row.work} | {_limit(row)} | {' | '.join(cells)} |")
    return [f"## {OURS} on every store", "\n".join(lines)]


def _rows_for(store: str, rows: Sequence[Row] = ROWS) -> list[Row]:
    return [row for row in rows if not row.stores or store in row.stores]


def _number(row: Row, contender: Contender, results: Results) -> float | None:
    figures = results.get(row.scenario, {})
    baseline = figures.get(_BASELINES.get(contender.store, ""))
    return row.measured(figures.get(contender.name), baseline)


def _cell(row: Row, number: float | None) -> str:
    return "-" if number is None else row.show(number)


def _limit(row: Row) -> str:
    return "" if row.limit is None else row.show(row.limit)


def _beaten(numbers: Sequence[float | None]) -> bool:
    """Whether another has clearly less than the first."""
    ours, *others = numbers
    return ours is not None and any(
        number is not None and number * _ALIKE < ours for number in others
    )


def _lines(results: Results, figure: str) -> list[Line]:
    lines = []
    for contender in CONTENDERS:
        found = results.get("live_tail", {}).get(contender.name)
        if (
            found
            and contender.store in _BASELINES
            and (contender.store == "s3" or not contender.is_ours)
        ):
            points = [(float(one["megabytes"]), one[figure] / 1e6) for one in found["sizes"]]
            lines.append(Line(contender.manager, points))
    return lines


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    python = platform.python_version()
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GB of memory, "
        f"{platform.system()}, Python {python}"
    )
