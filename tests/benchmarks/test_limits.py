"""The counted promises of our manager, on every store it is promised for (DESIGN, issue 4)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.bench import Bench
from benchmarks.contenders import CONTENDERS
from benchmarks.report import misses
from benchmarks.scale import MB, QUICK
from benchmarks.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(300)

OURS = {one.store: one for one in CONTENDERS if one.is_ours}
STORES = [
    pytest.param("local"),
    *(pytest.param(store, marks=pytest.mark.server) for store in ("s3", "azure")),
    pytest.param("sftp", marks=[pytest.mark.server, pytest.mark.wide]),
]
# Every size on which a limit depends is kept; how often something is repeated is not.
SCALE = replace(
    QUICK, steps=2, big=5 * MB, tail_megabytes=(4,), shared_ticks=2, small_ticks=200, starts=1
)
FEWER_OBJECTS = {"azure": 600}  # Azurite takes a minute for 2,500; its batches end at 256


@pytest.fixture(scope="module", params=STORES)
def bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    store = request.param
    server = None if store == "local" else request.getfixturevalue(f"{store}_server")
    with Bench(OURS[store], server, tmp_path_factory.mktemp("bench")) as bench:
        yield bench


def _figures(bench: Bench, name: str) -> dict[str, Any]:
    (scenario,) = (one for one in SCENARIOS if one.name == name)
    if not scenario.concerns(bench.contender):
        return {}
    objects = FEWER_OBJECTS.get(bench.contender.store, SCALE.objects)
    return scenario.run(bench, replace(SCALE, objects=objects))


def _over_the_limit(bench: Bench, name: str) -> list[str]:
    figures = _figures(bench, name)
    found = misses({name: {bench.contender.name: figures}} if figures else {})
    return [str(miss) for miss in found if not miss.row.timed]


def test_watching_a_log_costs_its_new_bytes_in_both_directions(bench: Bench) -> None:
    assert _over_the_limit(bench, "live_tail") == []


def test_three_viewers_share_what_is_read_and_are_told_the_end(bench: Bench) -> None:
    assert _over_the_limit(bench, "three_viewers") == []


def test_nothing_new_costs_no_request_to_write_and_one_listing_to_read(bench: Bench) -> None:
    assert _over_the_limit(bench, "idle") == []


def test_a_page_of_a_finished_log_moves_that_page_alone(bench: Bench) -> None:
    assert _over_the_limit(bench, "big_step") == []


def test_a_small_step_costs_two_requests_side_by_side(bench: Bench) -> None:
    assert _over_the_limit(bench, "small_step") == []


def test_the_cost_of_a_step_does_not_grow_with_the_steps_before_it(bench: Bench) -> None:
    assert _over_the_limit(bench, "many_steps") == []


def test_a_long_run_keeps_few_segments_and_sends_its_bytes_few_times(bench: Bench) -> None:
    assert _over_the_limit(bench, "long_run") == []


def test_a_sensor_tick_costs_two_requests_and_no_new_connection(bench: Bench) -> None:
    figures = _figures(bench, "sensor_ticks")
    if bench.contender.store == "azure":  # moto ends the connection after every answer
        assert figures["connections"] == 0
    assert _over_the_limit(bench, "sensor_ticks") == []


def test_thousands_of_objects_are_all_listed_and_all_deleted(bench: Bench) -> None:
    assert _over_the_limit(bench, "many_objects") == []


@pytest.mark.slow
def test_a_big_log_needs_little_memory_in_either_direction(bench: Bench) -> None:
    assert _over_the_limit(bench, "memory") == []


def test_every_viewer_sees_every_line_as_it_is_printed(bench: Bench) -> None:
    figures = _figures(bench, "delay")

    assert figures["arrived"] == figures["lines"]
