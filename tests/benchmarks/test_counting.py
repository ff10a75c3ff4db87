"""The benchmark itself: what it counts, checks and writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from benchmarks import payload
from benchmarks.__main__ import main
from benchmarks.bench import Bench
from benchmarks.contenders import CONTENDERS
from benchmarks.plots import Line, line_plot
from benchmarks.process import WorkerFailed, WorkerProcess
from benchmarks.report import Run, misses, write
from benchmarks.rows import ROWS
from benchmarks.runner import scenarios_named
from benchmarks.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).parents[2] / "docs"
OURS_ON_S3 = "remote-store-fsspec on s3"
LOCAL = next(one for one in CONTENDERS if one.store == "local")


@pytest.fixture
def process(tmp_path: Path) -> Iterator[WorkerProcess]:
    with WorkerProcess(tmp_path / "process", {}) as process:
        yield process


def test_a_page_from_the_wrong_place_does_not_match_the_text() -> None:
    page = payload.payload(1_000_000, 200_000)

    assert payload.matches(page, 1_000_000)
    assert not payload.matches(page, 0)
    assert not payload.matches(page, 2_000_000)
    assert not payload.matches(page[:-1] + b"?", 1_000_000)


def test_what_is_written_below_the_proxy_is_counted_without_what_is_printed(tmp_path: Path) -> None:
    size = 300_000
    with Bench(LOCAL, None, tmp_path) as bench:
        area = bench.area()
        with bench.writer(area, interval=None) as writer, bench.counting(writer=writer) as cost:
            writer.step(["run", "step"], out=size)

        assert area.raw.read("dagster/storage/run/step.out") == payload.payload(0, size)
    assert size <= cost.up < 1.05 * size


def test_a_worker_says_what_went_wrong(process: WorkerProcess) -> None:
    with pytest.raises(WorkerFailed, match="KeyError: 'nobody'"):
        process.call("keys", name="nobody", prefix=["run"])


def test_a_worker_does_not_inherit_credentials(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "somebody's")
    with WorkerProcess(tmp_path / "process", {"LAB": "1"}) as process:
        names = process.call("environment")

    assert "LAB" in names
    assert "AWS_SECRET_ACCESS_KEY" not in names


def test_every_row_belongs_to_a_scenario() -> None:
    assert {row.scenario for row in ROWS} <= {scenario.name for scenario in SCENARIOS}


def test_an_unknown_scenario_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no scenario coffee; there are small_step"):
        scenarios_named(["coffee"])


def test_a_figure_over_its_limit_is_a_miss() -> None:
    good: dict[str, Any] = {"tick_requests": 0, "tick_up": 0, "poll_requests": 1, "poll_down": 600}

    assert misses({"idle": {OURS_ON_S3: good}}) == []
    found = misses({"idle": {OURS_ON_S3: {**good, "poll_requests": 2}}})
    assert [str(miss) for miss in found] == ["s3: idle poll: requests: 2, limit 1"]


def test_a_reason_is_given_where_another_manager_has_less_and_nowhere_else(tmp_path: Path) -> None:
    ours = {"requests": 4, "up": 8_000_000, "size": 8_000_000}
    reason = "bounds memory"
    for theirs, expected in ((2, True), (5, False)):
        results = {
            "big_step": {OURS_ON_S3: ours, "dagster-aws on s3": {**ours, "requests": theirs}}
        }
        page = _page(Run("quick", "2026-01-01", "a machine", {}, _complete(results)), tmp_path)

        assert (reason in page) is expected


def test_a_plot_has_a_line_and_a_name_for_every_manager() -> None:
    drawn = line_plot(
        "Bytes & more",
        "MB",
        "MB",
        [Line("ours", [(2, 4), (20, 40)]), Line("theirs", [(2, 5), (20, 230)])],
    )
    root = ET.fromstring(drawn)  # noqa: S314 - drawn a moment ago
    texts = ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]

    assert len(list(root.iter("{http://www.w3.org/2000/svg}polyline"))) == 2
    assert {"ours", "theirs", "Bytes & more", "250"} <= set(texts)


def test_the_page_is_what_the_kept_figures_give(tmp_path: Path) -> None:
    kept = DOCS / "assets" / "benchmarks" / "results.json"
    page = _page(Run.load(kept), tmp_path)

    assert page == (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    for plot in tmp_path.glob("*.svg"):
        published = DOCS / "assets" / "benchmarks" / plot.name
        assert plot.read_text(encoding="utf-8") == published.read_text(encoding="utf-8")


def test_the_kept_figures_are_of_a_full_run_of_every_manager() -> None:
    kept = json.loads((DOCS / "assets" / "benchmarks" / "results.json").read_text(encoding="utf-8"))

    assert kept["scale"] == "full"
    for scenario in SCENARIOS:
        expected = {one.name for one in CONTENDERS if scenario.concerns(one)}
        assert set(kept["results"][scenario.name]) == expected


def test_a_part_of_a_run_does_not_replace_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(
        ["idle", "--quick", "--store", "local", "--docs", str(tmp_path)],
    )

    assert code == 0
    assert "Every limit is kept." in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def _page(run: Run, folder: Path) -> str:
    write(run, folder / "page.md", folder)
    return (folder / "page.md").read_text(encoding="utf-8")


def _complete(results: dict[str, Any]) -> dict[str, Any]:
    """With the figures that other rows of the same scenario want."""
    pages = {
        f"{page}_{name}": 0 for page in ("first", "last") for name in ("down", "requests", "disk")
    }
    for figures in results["big_step"].values():
        figures.update(pages)
    return results
