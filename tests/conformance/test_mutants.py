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
from tests.conformance.mutants import MUTANTS, LeakySpec, MutantSpec, UnconfinedSpec

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


# Blunter defects for the cases that none of these is for. Whether ours passes them is shown by the
# contract's own tests; here each must fail.
SEEN_FAILING = [
    (
        "NeverEmpty",
        "memory",
        [
            "ranges.a_range_starting_at_the_end_is_empty",
            "ranges.a_range_starting_past_the_end_is_empty",
            "ranges.a_range_of_no_length_is_empty",
            "ranges.every_range_of_an_empty_file_is_empty",
        ],
    ),
    (
        "ReadsNothing",
        "memory",
        [
            "ranges.a_whole_file_is_read_unchanged",
            "ranges.an_open_range_reaches_the_start_or_the_end",
            "ranges.a_range_beyond_the_end_is_cut_at_the_end",
            "ranges.a_negative_end_counts_from_the_end",
            "ranges.any_range_is_that_slice",
            "ranges.many_ranges_are_read_at_once",
            "ranges.an_open_file_seeks_and_reads_like_a_local_one",
            "ranges.lines_are_read_from_an_open_file",
            "names.spaces_and_punctuation_are_kept",
            "names.unicode_is_kept",
            "names.glob_characters_are_kept",
            "names.colons_and_chains_are_kept",
            "names.dots_are_kept",
            "names.spaces_and_dots_at_the_ends_are_kept_or_refused",
            "names.backslashes_are_kept_or_refused",
            "names.control_characters_are_kept_or_refused",
            "names.quotes_and_angles_are_kept_or_refused",
            "names.long_names_are_kept_or_refused",
            "names.no_call_expands_wildcards",
            "bounded.a_large_object_arrives_unchanged",
            "alive.many_threads_may_be_its_first_users",
            "alive.it_works_under_a_running_event_loop",
            "alive.it_can_be_awaited",
            "alive.it_survives_pickling",
            "alive.threads_may_come_and_go",
            "alive.a_program_ends_with_a_file_open_for_reading",
            "arguments.many_files_are_written_and_read_at_once",
            "arguments.batch_size_limits_without_losing",
            "arguments.text_is_written_and_read",
        ],
    ),
    (
        "NothingReadsAsEmpty",
        "memory",
        [
            "ranges.a_range_of_a_missing_file_is_file_not_found",
            "missing.reading_a_missing_file_is_file_not_found",
            "missing.fetching_a_missing_file_leaves_no_local_file",
            "missing.a_bulk_read_treats_missing_files_as_asked",
            "fresh.a_file_deleted_elsewhere_is_gone",
        ],
    ),
    (
        "EverythingIsThere",
        "memory",
        [
            "missing.asking_about_a_missing_file_is_file_not_found",
            "missing.a_missing_file_does_not_exist",
            "missing.copying_or_moving_a_missing_file_is_file_not_found",
            "complete.a_deleted_folder_is_gone",
        ],
    ),
    (
        "NothingIsAFile",
        "memory",
        ["missing.a_file_is_not_a_folder", "missing.a_folder_is_not_a_file"],
    ),
    ("Wordless", "memory", ["missing.the_error_names_the_file"]),
    (
        "FindsNothing",
        "memory",
        [
            "names.globbing_is_there_for_those_who_ask",
            "complete.a_listing_shows_one_level",
            "complete.a_walk_visits_every_folder",
            "complete.an_empty_file_is_listed",
        ],
    ),
    (
        "FindsOnlyWhatIsThere",
        "memory",
        [
            "missing.searching_nothing_finds_nothing",
            "complete.a_search_for_a_name_prefix_finds_those_names",
            "complete.a_search_honours_depth_and_folders",
        ],
    ),
    ("NamesTheRoot", "memory", ["rooted.names_come_back_relative_to_the_root"]),
    ("NoLeadingSlash", "memory", ["rooted.a_leading_slash_means_the_root"]),
    (
        "StopsAtTheFirst",
        "memory",
        [
            "missing.a_missing_member_does_not_keep_the_others_from_deletion",
            "complete.deleting_a_long_list_deletes_all_of_it",
        ],
    ),
    (
        "DeletesNothing",
        "memory",
        [
            "fresh.a_filesystem_sees_its_own_writes",
            "complete.a_recursive_delete_removes_every_object",
            "complete.a_deep_tree_is_found",
            "complete.moving_a_folder_keeps_its_namesakes",
        ],
    ),
    (
        "DeletesTooMuch",
        "memory",
        [
            "missing.deleting_a_folder_as_a_file_keeps_its_files",
            "complete.deleting_a_folder_keeps_its_namesakes",
        ],
    ),
    (
        "Corrupts",
        "memory",
        [
            "fresh.the_second_opening_is_independent",
            "atomic.of_two_writers_one_wins_whole",
            "arguments.folders_are_sent_and_fetched_whole",
        ],
    ),
    (
        "EmptiesFirst",
        "local",
        [
            "missing.sending_a_missing_local_file_keeps_the_object",
            "atomic.a_reader_during_open_for_writing_sees_old_or_new",
            "atomic.a_reader_during_put_file_sees_old_or_new",
            "atomic.an_error_while_writing_keeps_the_old_object",
            "atomic.an_error_while_writing_a_new_object_makes_none",
            "atomic.an_object_appears_when_its_file_is_closed",
            "atomic.a_listing_during_a_write_shows_finished_objects_only",
            "alive.a_program_ends_with_a_file_open_for_writing",
        ],
    ),
    (
        "NeedsItsFolder",
        "memory",
        ["missing.a_file_can_be_written_where_its_folder_does_not_exist_yet"],
    ),
    (
        "MovesByHalves",
        "memory",
        [
            "atomic.moving_replaces_the_target_and_removes_the_source",
            "atomic.copying_replaces_the_target_and_keeps_the_source",
            "arguments.folders_are_copied_whole",
        ],
    ),
    (
        "CopiesWhatNobodyAskedFor",
        "memory",
        ["arguments.copying_a_folder_without_recursive_copies_no_files"],
    ),
    (
        "IgnoresArguments",
        "memory",
        [
            "arguments.depth_limits_a_recursive_delete",
            "arguments.making_a_folder_twice_is_an_error_only_when_asked",
            "arguments.touching_does_not_empty_a_file_when_told_not_to",
            "arguments.the_time_of_a_change_is_known",
            "arguments.an_unknown_mode_is_refused",
        ],
    ),
    (
        "SignsNonsense",
        "memory",
        ["arguments.a_signed_link_opens_without_credentials_or_is_refused"],
    ),
    ("ClosesOnce", "memory", ["alive.a_closed_filesystem_can_be_closed_again"]),
    (
        "DiesOfReading",
        "local",
        ["alive.a_call_while_the_program_ends_answers_or_raises"],
    ),
    (
        "FetchesIntoMemory",
        "local",
        [
            "bounded.fetching_a_large_file_takes_no_more_memory_than_a_small_one",
            "bounded.writing_a_large_file_takes_no_more_memory_than_a_small_one",
            "bounded.reading_a_large_file_takes_no_more_memory_than_a_small_one",
        ],
    ),
]
# Defects that show only when the store is a server, or is in trouble.
BEFORE_A_SERVER = [
    ("ReadsTheWholeFile", "s3", ["ranges.a_range_moves_only_its_bytes"]),
    (
        "NeverGetsOverIt",
        "sftp",
        [
            "bounded.a_refusing_server_is_given_up_in_time",
            "alive.a_lost_connection_is_made_again",
            "faults.a_server_that_comes_back_is_used_again",
        ],
    ),
    ("ErrorMeansAbsent", "s3", ["faults.a_failing_server_is_a_connection_error"]),
    ("TriesOnce", "azure", ["faults.a_short_burst_of_errors_is_survived"]),
    (
        "MakesTheBestOfIt",
        "sftp",
        [
            "faults.a_body_cut_short_is_not_returned_as_whole",
            "faults.a_fetch_cut_short_leaves_no_half_file",
            "faults.an_upload_cut_short_keeps_the_old_object",
        ],
    ),
    (
        "Talks",
        "s3",
        [
            "quiet.its_options_show_no_secret",
            "quiet.an_open_file_shows_no_secret",
            "quiet.an_error_shows_no_secret",
            "quiet.debug_logging_shows_no_secret",
            "quiet.an_unreachable_server_shows_no_secret",
        ],
    ),
]
# What tests below show failing, each in a way of its own.
SHOWN_BELOW = {
    "rooted": [
        "rooted.reading_does_not_leave_the_root",
        "rooted.writing_does_not_leave_the_root",
        "rooted.deleting_does_not_leave_the_root",
        "rooted.symlinks_do_not_leave_the_root",
    ],
    "unconfined": [
        "rooted.asking_does_not_leave_the_root",
        "rooted.deleting_the_root_itself_stays_inside",
        "rooted.links_inside_the_root_may_be_used",
    ],
    "absence": ["faults.a_refused_credential_is_a_permission_error"],
    "timeout": ["bounded.a_silent_server_is_given_up_in_time"],
}


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


@pytest.mark.parametrize(
    ("mutant", "place", "names"), SEEN_FAILING, ids=[name for name, _, _ in SEEN_FAILING]
)
def test_every_case_has_been_seen_failing(
    mutant: str, place: str, names: list[str], tmp_path: Path
) -> None:
    spec = MutantSpec(**config_of(place, tmp_path), mutant=mutant)
    found = outcomes(FilesystemSubject(spec, sizes=SIZES), names)
    assert {name: item.status for name, item in found.items()} == dict.fromkeys(names, "fail")


@pytest.mark.server
@pytest.mark.parametrize(
    ("mutant", "place", "names"), BEFORE_A_SERVER, ids=[name for name, _, _ in BEFORE_A_SERVER]
)
def test_every_case_that_needs_a_server_has_been_seen_failing(
    mutant: str,
    place: str,
    names: list[str],
    request: pytest.FixtureRequest,
    proxied: Callable[[Area], Proxy],
) -> None:
    area = request.getfixturevalue(f"{place}_area")
    proxy = proxied(area)
    broken: FilesystemSpec = MutantSpec(**area.config(via=proxy), mutant=mutant)
    faults = ProxyFaults(broken, proxy, hasty=dataclasses.replace(broken, timeout=2.0), timeout=2.0)
    spec = MutantSpec(**area.config(), mutant=mutant)
    found = outcomes(FilesystemSubject(spec, sizes=SIZES, faults=faults), names)
    assert {name: item.status for name, item in found.items()} == dict.fromkeys(names, "fail")


def test_no_case_is_left_that_was_never_seen_failing() -> None:
    tables = (*CAUGHT, *SEEN_FAILING, *BEFORE_A_SERVER)
    seen = {name for _, _, names in tables for name in names}
    seen |= {name for names in SHOWN_BELOW.values() for name in names}
    assert [item.id for item in cases_of(FILESYSTEM_CONTRACT) if item.id not in seen] == []


def test_every_mutant_is_put_to_the_test() -> None:
    assert set(MUTANTS) == {name for name, _, _ in (*CAUGHT, *SEEN_FAILING, *BEFORE_A_SERVER)}


@pytest.mark.parametrize(("spec", "names"), [(LeakySpec, "rooted"), (UnconfinedSpec, "unconfined")])
def test_a_root_that_leaks_is_caught(
    spec: type[FilesystemSpec], names: str, tmp_path: Path
) -> None:
    subject = FilesystemSubject(spec(**local_area(tmp_path).config()), sizes=SIZES)
    found = outcomes(subject, SHOWN_BELOW[names])
    wanted = dict.fromkeys(SHOWN_BELOW[names], "fail")
    assert {name: item.status for name, item in found.items()} == wanted, found


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
    found = outcomes(through_proxy(spec, 5.0), SHOWN_BELOW["absence"])
    assert [item.status for item in found.values()] == ["fail"]
    assert "isfile" in next(iter(found.values())).sentence


@pytest.mark.server
def test_a_timeout_that_is_not_kept_is_caught(through_proxy: Any) -> None:
    spec = dataclasses.replace(FilesystemSpec(**through_proxy.config), timeout=10.0)
    found = outcomes(through_proxy(spec, 0.3), SHOWN_BELOW["timeout"])
    assert [item.status for item in found.values()] == ["fail"]
    assert "times the timeout" in next(iter(found.values())).sentence
