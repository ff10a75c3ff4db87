"""Each contract point is able to fail: one defect in our filesystem, and the case that says so."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from conformance import (
    FILESYSTEM_CONTRACT,
    FilesystemSpec,
    FilesystemSubject,
    Outcome,
    Sizes,
    cases_of,
    select,
)
from conformance.faults import ProxyFaults
from conformance.runner import run_case
from devservers import local_area, memory_area
from tests.conformance.mutants import MUTANTS, LeakySpec, MutantSpec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from devservers import Area
    from devservers.proxy import Proxy

SIZES = Sizes(objects=1005, megabytes=48, steps=200, names=10, seconds=0.5)

# The defect, the storage that shows it, and the cases that must catch it.
CAUGHT = [
    ("EndIgnored", "memory", ["ranges.a_range_inside_the_file_is_that_slice"]),
    ("NegativeStartIsZero", "memory", ["ranges.a_negative_start_counts_from_the_end"]),
    ("SilentDelete", "memory", ["missing.deleting_a_missing_file_is_file_not_found"]),
    ("ListingCache", "memory", ["fresh.a_file_written_elsewhere_is_seen"]),
    ("SizeCache", "memory", ["fresh.a_file_rewritten_elsewhere_has_its_new_content"]),
    ("WritesInPlace", "local", ["atomic.a_reader_during_pipe_file_sees_old_or_new"]),
    ("LeavesTemporaries", "memory", ["atomic.nothing_temporary_stays_behind"]),
    ("CreateOverwrites", "memory", ["atomic.creating_what_exists_is_refused"]),
    ("AppendReplaces", "memory", ["atomic.appending_never_loses_what_was_there"]),
    ("Decodes", "memory", ["names.url_characters_are_kept", "names.any_name_is_kept_or_refused"]),
    ("Globs", "memory", ["names.deleting_a_name_with_wildcards_deletes_that_name_only"]),
    ("OnePage", "memory", ["complete.a_listing_sees_every_object"]),
    ("NamesakesMatch", "memory", ["complete.a_folder_never_matches_its_namesakes"]),
    (
        "WholeFileInMemory",
        "local",
        ["bounded.sending_a_large_file_takes_no_more_memory_than_a_small_one"],
    ),
    ("NoProgress", "local", ["arguments.progress_of_a_transfer_is_reported"]),
    ("SharedScratch", "memory", ["alive.many_threads_share_one_filesystem"]),
    ("NotForkSafe", "local", ["alive.a_forked_child_can_use_it"]),
    ("LeavesFilesOpen", "local", ["alive.a_program_ends_without_a_word"]),
    ("LosesABytesCopy", "memory", ["model.any_sequence_of_calls_agrees_with_a_dict"]),
    ("ShowsItsOptions", "nowhere", ["quiet.its_text_form_shows_no_secret"]),
    ("JSONWithEverything", "nowhere", ["quiet.its_json_form_shows_no_secret"]),
]


def outcomes(subject: FilesystemSubject, names: list[str]) -> dict[str, Outcome]:
    cases = select(cases_of(FILESYSTEM_CONTRACT), names, quick=False)
    return {item.id: run_case(subject, item) for item in cases}


def config_of(place: str, tmp_path: Path) -> dict[str, Any]:
    if place == "nowhere":  # these cases never connect
        options = {
            "bucket": "b",
            "endpoint_url": "http://127.0.0.1:9",
            "key": "k",
            "secret": "a-secret-nobody-may-see",
        }
        return {"backend_type": "s3", "backend_options": options}
    area = memory_area() if place == "memory" else local_area(tmp_path / "area")
    return area.config()


@pytest.mark.parametrize(("mutant", "place", "names"), CAUGHT, ids=[name for name, _, _ in CAUGHT])
def test_a_defect_is_caught_and_its_absence_is_not(
    mutant: str, place: str, names: list[str], tmp_path: Path
) -> None:
    config = config_of(place, tmp_path)
    healthy = outcomes(FilesystemSubject(FilesystemSpec(**config), sizes=SIZES), names)
    assert {item.status for item in healthy.values()} == {"pass"}, healthy
    caught = outcomes(FilesystemSubject(MutantSpec(**config, mutant=mutant), sizes=SIZES), names)
    assert {item.status for item in caught.values()} == {"fail"}, caught
    assert all(item.sentence for item in caught.values())


def test_every_mutant_is_put_to_the_test() -> None:
    assert set(MUTANTS) == {name for name, _, _ in CAUGHT} | {"ErrorMeansAbsent"}


def test_a_root_that_leaks_is_caught(tmp_path: Path) -> None:
    subject = FilesystemSubject(LeakySpec(**local_area(tmp_path).config()), sizes=SIZES)
    found = outcomes(subject, ["rooted.reading_*", "rooted.writing_*", "rooted.deleting_does_*"])
    assert {item.status for item in found.values()} == {"fail"}, found


@pytest.fixture
def through_proxy(
    s3_area: Area, proxied: Callable[[Area], Proxy]
) -> Callable[[FilesystemSpec, float], FilesystemSubject]:
    proxy = proxied(s3_area)

    def make(spec: FilesystemSpec, claimed: float) -> FilesystemSubject:
        faults = ProxyFaults(spec, proxy, hasty=spec, timeout=claimed)
        return FilesystemSubject(FilesystemSpec(**s3_area.config()), sizes=SIZES, faults=faults)

    make.config = s3_area.config(via=proxy)  # type: ignore[attr-defined]
    return make


@pytest.mark.server
def test_an_error_taken_for_absence_is_caught(through_proxy: Any) -> None:
    spec = MutantSpec(**through_proxy.config, mutant="ErrorMeansAbsent")
    found = outcomes(through_proxy(spec, 5.0), ["faults.a_refused_credential*"])
    assert [item.status for item in found.values()] == ["fail"]
    assert "isfile" in next(iter(found.values())).sentence


@pytest.mark.server
def test_a_timeout_that_is_not_kept_is_caught(through_proxy: Any) -> None:
    spec = dataclasses.replace(FilesystemSpec(**through_proxy.config), timeout=10.0)
    found = outcomes(through_proxy(spec, 0.3), ["bounded.a_silent_server*"])
    assert [item.status for item in found.values()] == ["fail"]
    assert "times the timeout" in next(iter(found.values())).sentence
