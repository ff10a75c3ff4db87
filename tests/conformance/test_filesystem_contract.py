"""Ours keeps every case of the contract over every storage."""

from __future__ import annotations

import gc
import logging
from typing import TYPE_CHECKING, ClassVar

import pytest

from conformance import FILESYSTEM_CONTRACT, Case, FilesystemSpec, FilesystemSubject, cases_of
from conformance.runner import run_case
from devservers import local_area, memory_area
from devservers.proxy import Proxy
from tests.conformance.subjects import subject_for

if TYPE_CHECKING:
    from collections.abc import Iterator

CASES = cases_of(FILESYSTEM_CONTRACT)

NO_SERVER = (
    "faults.*",
    "ranges.a_range_moves_only_its_bytes",
    "bounded.a_silent_server_is_given_up_in_time",
    "bounded.a_refusing_server_is_given_up_in_time",
    "alive.a_lost_connection_is_made_again",
    "quiet.an_unreachable_server_shows_no_secret",
)
NO_SECRET = ("quiet.*",)
NO_LINKS = ("rooted.symlinks_do_not_leave_the_root", "rooted.links_inside_the_root_may_be_used")
NO_HTTP = (
    "faults.a_refused_credential_is_a_permission_error",
    "faults.a_failing_server_is_a_connection_error",
    "faults.a_short_burst_of_errors_is_survived",
)
IN_MEMORY = tuple(item.id for item in CASES if item.group == "bounded" and item.big)


class Keeps:
    """The contract over one storage.

    A case may say that it means nothing there only when `means_nothing` names it, and a name of that
    table whose case does run fails as well.
    """

    storage: ClassVar[str]
    means_nothing: ClassVar[tuple[str, ...]] = ()

    @pytest.fixture(scope="class")
    @classmethod
    def subject(
        cls, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[FilesystemSubject]:
        if cls.storage in {"local", "memory", "dir"}:
            folder = tmp_path_factory.mktemp(cls.storage)
            area = memory_area() if cls.storage == "memory" else local_area(folder)
            subject = subject_for(cls.storage, area)
            yield subject
        else:
            server = request.getfixturevalue(
                f"{'gcs' if cls.storage == 'gs' else cls.storage}_server"
            )
            area = server.new_area()
            with Proxy.to(server) as proxy:
                subject = subject_for(cls.storage, area, proxy)
                yield subject
        assert subject.remove_scratch() == ""
        assert area.raw.keys() == []

    @pytest.mark.timeout(700)
    @pytest.mark.parametrize("item", CASES, ids=lambda item: item.id)
    def test_case(
        self, subject: FilesystemSubject, item: Case, caplog: pytest.LogCaptureFixture
    ) -> None:
        outcome = run_case(subject, item)
        declared = item.id in self.means_nothing or f"{item.group}.*" in self.means_nothing
        if outcome.status == "not applicable":
            assert declared, f"not declared: {outcome.sentence}"
        else:
            assert outcome.status == "pass", outcome.sentence
            assert not declared, "declared as meaning nothing here, and yet it runs"
        gc.collect()
        noise = [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]
        assert noise == []


class TestLocal(Keeps):
    storage = "local"
    means_nothing = (*NO_SERVER, *NO_SECRET)


class TestMemory(Keeps):
    storage = "memory"
    means_nothing = (*NO_SERVER, *NO_SECRET, *NO_LINKS, *IN_MEMORY)


class TestDir(Keeps):
    storage = "dir"
    means_nothing = (*NO_SERVER, *NO_SECRET)


@pytest.mark.server
class TestS3(Keeps):
    storage = "s3"
    means_nothing = NO_LINKS


@pytest.mark.server
class TestAzure(Keeps):
    storage = "azure"
    means_nothing = NO_LINKS


@pytest.mark.server
class TestSFTP(Keeps):
    storage = "sftp"
    means_nothing = (*NO_LINKS, *NO_SECRET, *NO_HTTP)


@pytest.mark.server
@pytest.mark.wide
class TestGS(Keeps):
    storage = "gs"
    means_nothing = (*NO_LINKS, *NO_SECRET)


@pytest.mark.server
@pytest.mark.wide
class TestFTP(Keeps):
    storage = "ftp"
    means_nothing = (*NO_LINKS, *NO_HTTP)


@pytest.mark.server
@pytest.mark.wide
class TestWebDAV(Keeps):
    storage = "webdav"
    means_nothing = (*NO_LINKS, *NO_SECRET)


SECRET = "a-secret-nobody-may-see"
# Where the servers of the tests need no secret: never connected, only looked at.
WITH_SECRETS = {
    "s3": FilesystemSpec(
        backend_type="s3", backend_options={"bucket": "b", "key": "k", "secret": SECRET}
    ),
    "azure": FilesystemSpec(
        backend_type="azure",
        backend_options={
            "container": "c",
            "account_name": "n",
            "account_key": "YS1zZWNyZXQtbm9ib2R5",
        },
    ),
    "sftp": FilesystemSpec(
        backend_type="sftp",
        backend_options={
            "host": "h",
            "username": "u",
            "password": SECRET,
            "host_key_policy": "tofu",
        },
    ),
    "gs": FilesystemSpec(url="gs://b/f", storage_options={"token": {"refresh_token": SECRET}}),
    "ftp": FilesystemSpec(url=f"ftp://u:{SECRET}@127.0.0.1:9/f"),
    "webdav": FilesystemSpec(
        url="webdav://f",
        storage_options={
            "base_url": "http://127.0.0.1:9",
            "auth": ("u", SECRET),
            "password": SECRET,
        },
    ),
}


@pytest.mark.parametrize("name", WITH_SECRETS)
@pytest.mark.parametrize(
    "case_id",
    [
        "quiet.its_text_form_shows_no_secret",
        "quiet.its_json_form_shows_no_secret",
        "quiet.its_options_show_no_secret",
    ],
)
def test_the_secrets_of_every_storage_are_shown_nowhere(name: str, case_id: str) -> None:
    item = next(item for item in CASES if item.id == case_id)
    outcome = run_case(FilesystemSubject(WITH_SECRETS[name]), item)
    assert outcome.status == "pass", outcome.sentence
