"""Ours keeps every case of the contract over every storage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance import FILESYSTEM_CONTRACT, Case, cases_of
from conformance.runner import run_case
from tests.conformance.subjects import NAMES, subject_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance import FilesystemSubject

CASES = cases_of(FILESYSTEM_CONTRACT)
NO_SERVER = {"local", "memory", "dir"}

# What means nothing there, and why. Anything else that a case calls "not applicable" fails here,
# and so does a line of this table that is no longer true.
NOT_APPLICABLE: dict[str, dict[str, str]] = {
    name: {} for name in NAMES
}


def _declare(reason: str, cases: tuple[str, ...], names: tuple[str, ...]) -> None:
    for name in names:
        for item in CASES:
            if item.id in cases or item.group in cases:
                NOT_APPLICABLE[name][item.id] = reason


_declare(
    "no server and no connection that could fail",
    (
        "faults",
        "ranges.a_range_moves_only_its_bytes",
        "bounded.a_silent_server_is_given_up_in_time",
        "bounded.a_refusing_server_is_given_up_in_time",
        "alive.a_lost_connection_is_made_again",
        "quiet.an_unreachable_server_shows_no_secret",
    ),
    ("local", "memory", "dir"),
)


@pytest.fixture(scope="module", params=NAMES)
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilesystemSubject]:
    from devservers import local_area, memory_area
    from devservers.proxy import Proxy

    name = request.param
    if name in NO_SERVER:
        area = memory_area() if name == "memory" else local_area(tmp_path_factory.mktemp(name))
        subject = subject_for(name, area)
        yield subject
        assert subject.remove_scratch() == ""
        return
    server_name = {"gs": "gcs"}.get(name, name)
    server = request.getfixturevalue(f"{server_name}_server")
    area = server.new_area()
    with Proxy.to(server) as proxy:
        subject = subject_for(name, area, proxy)
        yield subject
        assert subject.remove_scratch() == ""
        assert area.raw.keys() == []


@pytest.mark.timeout(700)
@pytest.mark.parametrize("item", CASES, ids=lambda item: item.id)
def test_ours_keeps(subject: FilesystemSubject, item: Case, request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.params["subject"]
    outcome = run_case(subject, item)
    declared = NOT_APPLICABLE[name].get(item.id)
    if outcome.status == "not applicable":
        assert declared, f"not declared as not applicable: {outcome.sentence}"
    else:
        assert outcome.status == "pass", outcome.sentence
        assert not declared, f"declared as not applicable ({declared}), and yet it passes"
