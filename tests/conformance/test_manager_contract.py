"""Our compute log manager keeps every case of its contract, and defects of a manager are caught."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from dagster._core.storage.compute_log_manager import (
    CapturedLogData,
    CapturedLogSubscription,
)

from conformance import Case, Outcome, Sizes, cases_of
from conformance.faults import ProxyFaults
from conformance.managers import MANAGER_CONTRACT, ManagerSpec, ManagerSubject
from conformance.runner import run_case
from devservers import local_area
from devservers.proxy import Proxy
from remote_store_fsspec.dagster import RemoteStoreComputeLogManager
from tests.conformance.subjects import FULL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


CASES = cases_of(MANAGER_CONTRACT)
OURS = "remote_store_fsspec.dagster:RemoteStoreComputeLogManager"
SIZES = Sizes(objects=1100 if FULL else 60)

NO_SECRET = ("quiet.its_text_form_shows_no_secret", "quiet.its_configuration_data_shows_no_secret")
NO_HTTP = (
    "capture.a_failed_upload_of_stdout_does_not_keep_stderr_back",
    "capture.a_failed_partial_upload_is_not_the_last",
    "reading.a_refused_credential_is_not_an_empty_log",
    "reading.a_failing_store_is_not_an_empty_log",
    "live.one_failing_look_does_not_end_the_tail",
)
NO_SERVER = (
    *NO_HTTP,
    "capture.a_log_survives_a_store_that_was_away",
    "capture.a_manager_starts_while_its_store_is_down",
    "reading.an_interrupted_read_is_not_remembered",
    "reading.an_idle_look_costs_little",
    "reading.a_running_step_uploads_each_byte_about_once",
    "reading.the_first_page_costs_one_page",
)


class Keeps:
    """The contract of a manager over one storage; `means_nothing` names what does not apply."""

    storage: ClassVar[str]
    means_nothing: ClassVar[tuple[str, ...]] = ()

    @pytest.fixture(scope="class")
    @classmethod
    def subject(
        cls, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[ManagerSubject]:
        if cls.storage == "local":
            area = local_area(tmp_path_factory.mktemp("logs"))
            subject = ManagerSubject(ManagerSpec(OURS, area.config()), sizes=SIZES)
            yield subject
        else:
            server = request.getfixturevalue(f"{cls.storage}_server")
            area = server.new_area()
            with Proxy.to(server) as proxy:
                faults = ProxyFaults(ManagerSpec(OURS, area.config(via=proxy)), proxy)
                spec = ManagerSpec(OURS, area.config())
                subject = ManagerSubject(spec, sizes=SIZES, faults=faults)
                yield subject
        assert subject.remove_scratch() == ""
        assert area.raw.keys() == []

    @pytest.mark.timeout(700)
    @pytest.mark.parametrize("item", CASES, ids=lambda item: item.id)
    def test_case(self, subject: ManagerSubject, item: Case) -> None:
        outcome = run_case(subject, item)
        declared = item.id in self.means_nothing
        if outcome.status == "not applicable":
            assert declared, f"not declared: {outcome.sentence}"
        else:
            assert outcome.status == "pass", outcome.sentence
            assert not declared, "declared as meaning nothing here, and yet it runs"


class TestLocal(Keeps):
    storage = "local"
    means_nothing = (*NO_SERVER, *NO_SECRET)


@pytest.mark.server
class TestS3(Keeps):
    storage = "s3"


@pytest.mark.server
@pytest.mark.wide
class TestAzure(Keeps):
    storage = "azure"


@pytest.mark.server
@pytest.mark.wide
class TestSFTP(Keeps):
    storage = "sftp"
    means_nothing = (*NO_HTTP, *NO_SECRET)


class CutsCharacters(RemoteStoreComputeLogManager):
    """Pages end wherever the limit falls."""

    def get_log_data(
        self, log_key: Sequence[str], cursor: str | None = None, max_bytes: int | None = None
    ) -> CapturedLogData:
        start = self.parse_cursor(cursor)[0]
        end = None if max_bytes is None else start + max_bytes
        page = (super().get_log_data(log_key).stdout or b"")[start:end]
        return CapturedLogData(log_key, page, b"", self.build_cursor(start + len(page), 0))


class NeverComplete(RemoteStoreComputeLogManager):
    """Nobody learns of the end."""

    def is_capture_complete(self, log_key: Sequence[str]) -> bool:
        return False


class NeverEnds(RemoteStoreComputeLogManager):
    """A subscription that nobody completes."""

    def subscribe(
        self, log_key: Sequence[str], cursor: str | None = None
    ) -> CapturedLogSubscription:
        subscription = super().subscribe(log_key, cursor)
        vars(subscription)["complete"] = lambda: None
        subscription.is_complete = False
        return subscription


class DeletesNamesakes(RemoteStoreComputeLogManager):
    """A prefix without its last slash."""

    def delete_logs(
        self, log_key: Sequence[str] | None = None, prefix: Sequence[str] | None = None
    ) -> None:
        super().delete_logs(log_key=log_key, prefix=prefix)
        if prefix and prefix[-1] == "a":
            super().delete_logs(prefix=[*prefix[:-1], "apple"])


class ShowsItself(RemoteStoreComputeLogManager):
    """Every field in the repr."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.secret})"

    secret = "a-secret-nobody-may-see"


@pytest.mark.parametrize(
    ("manager", "case_id"),
    [
        ("CutsCharacters", "reading.a_page_ends_between_characters"),
        ("NeverComplete", "capture.completion_is_seen_from_another_process"),
        ("NeverEnds", "live.a_subscription_to_a_finished_log_ends_at_once"),
        ("DeletesNamesakes", "listing.deleting_a_prefix_keeps_its_neighbours"),
    ],
)
def test_a_defect_of_a_manager_is_caught(manager: str, case_id: str, tmp_path: Path) -> None:
    config = local_area(tmp_path).config()
    assert judged(ManagerSpec(OURS, config), case_id).status == "pass"
    caught = judged(ManagerSpec(f"{__name__}:{manager}", config), case_id)
    assert caught.status == "fail", caught
    assert caught.sentence


def test_a_manager_that_shows_its_secret_is_caught() -> None:
    config: dict[str, Any] = {
        "backend_type": "s3",
        "backend_options": {"bucket": "b", "key": "k", "secret": ShowsItself.secret},
    }
    case_id = "quiet.its_text_form_shows_no_secret"
    assert judged(ManagerSpec(OURS, config), case_id).status == "pass"
    assert judged(ManagerSpec(f"{__name__}:ShowsItself", config), case_id).status == "fail"


def judged(spec: ManagerSpec, case_id: str) -> Outcome:
    item = next(item for item in CASES if item.id == case_id)
    return run_case(ManagerSubject(spec, sizes=SIZES), item)
