"""A real webserver in another process, with a staging folder of its own."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from devservers import local_area
from remote_store_fsspec.dagster import RemoteStoreComputeLogManager
from tests.dagster.home import JOBS, Home, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from devservers import Area

pytestmark = pytest.mark.slow

KEY = ["run", "compute_logs", "step"]
TEXT = "héllo \x1b[32mgreen\x1b[0m\n"


@dataclass
class Served:
    url: str
    area: Area
    staging: Path
    writer: RemoteStoreComputeLogManager

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"{self.url}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            result: dict[str, Any] = json.load(answer)
        assert "errors" not in result, result
        return dict(result["data"])

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("webserver")
    area = local_area(folder / "store")
    at_once = {"module": "dagster._core.run_coordinator", "class": "DefaultRunCoordinator"}
    config = {**area.config(), "local_dir": str(folder / "its-staging")}
    home = Home(folder / "home", config, run_coordinator=at_once)  # no daemon takes from a queue
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = home.start(
        "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), "-f", str(JOBS), "--code-server-log-level", "warning"
    )  # fmt: skip
    writer = RemoteStoreComputeLogManager(**area.config(), local_dir=str(folder / "staging"))
    result = Served(f"http://127.0.0.1:{port}", area, folder / "its-staging", writer)

    def up() -> bool:
        assert process.running, process.output
        try:
            return result.get("/server_info")[0] == 200
        except (OSError, urllib.error.URLError):
            return False

    try:
        wait_for(up, 90)
        yield result
    finally:
        process.interrupt()
        writer.dispose()


def _write(served: Served, key: list[str], out: str, err: str = "") -> None:
    from dagster._core.storage.compute_log_manager import ComputeIOType

    for io_type, text in ((ComputeIOType.STDOUT, out), (ComputeIOType.STDERR, err)):
        with served.writer.open_log_stream(key, io_type) as stream:
            assert stream is not None
            stream.write(text)


LOGS = "query($key:[String!]!,$cursor:String,$limit:Int){capturedLogs(logKey:$key,cursor:$cursor,limit:$limit){stdout stderr cursor}}"
METADATA = "query($key:[String!]!){capturedLogsMetadata(logKey:$key){stdoutDownloadUrl stdoutLocation stderrDownloadUrl stderrLocation}}"


def test_the_ui_shows_what_was_printed_and_downloads_it(served: Served) -> None:
    _write(served, KEY, TEXT, "err\n")
    logs = served.graphql(LOGS, key=KEY)["capturedLogs"]
    assert (logs["stdout"], logs["stderr"]) == (TEXT, "err\n")
    metadata = served.graphql(METADATA, key=KEY)["capturedLogsMetadata"]
    assert metadata["stdoutLocation"].endswith("/dagster/storage/run/compute_logs/step.out")
    assert served.get(metadata["stdoutDownloadUrl"]) == (200, TEXT.encode())
    assert served.get(metadata["stderrDownloadUrl"]) == (200, b"err\n")


def test_pages_of_the_ui_never_cut_a_character(served: Served) -> None:
    key = ["run", "compute_logs", "pages"]
    _write(served, key, "é" * 500)
    shown, cursor = "", None
    for _ in range(60):
        page = served.graphql(LOGS, key=key, cursor=cursor, limit=11)["capturedLogs"]
        shown += page["stdout"] or ""
        cursor = page["cursor"]
    assert shown == "é" * 300  # sixty pages of five characters


def test_a_second_download_is_as_fresh_as_the_first(served: Served) -> None:
    key = ["run", "compute_logs", "fresh"]
    _write(served, key, "one")
    assert served.get("/logs/run/compute_logs/fresh/out") == (200, b"one")
    _write(served, key, "two, longer")
    assert served.get("/logs/run/compute_logs/fresh/out") == (200, b"two, longer")


def test_a_running_step_can_be_downloaded_so_far(served: Served) -> None:
    served.area.raw.write("dagster/storage/run/compute_logs/live.err.partial", b"so far")
    assert served.get("/logs/run/compute_logs/live/err") == (200, b"so far")
    assert served.get("/logs/run/compute_logs/live/out")[0] == 404


@pytest.mark.parametrize(
    "path",
    [
        "/logs/run/compute_logs/step/txt",
        "/logs/run/compute_logs/step/complete",
        "/logs/run/compute_logs/nothing/out",
        "/logs/out",
        "/logs//out",
        "/logs/run//out",
        "/logs/%2e%2e/%2e%2e/etc/passwd/out",
        "/logs/%2Fetc%2Fpasswd/out",
        "/logs/a%5C..%5Cb/out",
        "/logs/a%00b/out",
        "/logs/a%0Ab/out",
        "/logs/" + "x" * 3000 + "/out",
        "/logs/" + quote("é" * 300) + "/out",
    ],
)
def test_what_is_no_log_is_not_found(served: Served, path: str) -> None:
    status, body = served.get(path)
    # The browser's own page answers a path that is no route of its own.
    assert status in {400, 404} or b"<!doctype html>" in body.lower()
    assert b"root:" not in body


def test_odd_keys_and_cursors_are_answered(served: Served) -> None:
    for key in (["..", "x"], ["a", "", "b"], ["a\\b"], ["x" * 300]):
        assert served.graphql(LOGS, key=key)["capturedLogs"]["stdout"] is None
        served.graphql(METADATA, key=key)
    for cursor in ("", "x", "1", "1:2:3", "-5:-5", "a:b", "99999999:99999999"):
        served.graphql(LOGS, key=KEY, cursor=cursor)


LAUNCH = "mutation($params:ExecutionParams!){launchRun(executionParams:$params){__typename ... on LaunchRunSuccess{run{runId}} ... on PythonError{message}}}"
TERMINATE = "mutation($run:String!){terminateRun(runId:$run){__typename}}"
STATUS = "query($run:ID!){runOrError(runId:$run){... on Run{status}}}"


@pytest.mark.parametrize("job", ["endless_in_its_own_process", "endless_in_one_process"])
def test_a_run_that_is_terminated_in_the_ui_is_stored(
    served: Served, tmp_path: Path, job: str
) -> None:
    mark = tmp_path / "begun"
    where = {
        "repositoryLocationName": "jobs.py",
        "repositoryName": "__repository__",
        "jobName": job,
    }
    config = {"ops": {"endless": {"config": {"mark": str(mark)}}}}
    params = {"selector": where, "runConfigData": json.dumps(config), "mode": "default"}
    launched = served.graphql(LAUNCH, params=params)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run = launched["run"]["runId"]

    def status() -> str:
        return str(served.graphql(STATUS, run=run)["runOrError"]["status"])

    def logs() -> list[str]:
        return served.area.raw.keys(f"dagster/storage/{run}/")

    wait_for(lambda: mark.exists() or status() == "FAILURE", 100)
    assert logs() == []
    terminated = served.graphql(TERMINATE, run=run)["terminateRun"]
    assert terminated == {"__typename": "TerminateRunSuccess"}
    wait_for(lambda: status() == "CANCELED")
    err, out = wait_for(logs)
    key = [run, "compute_logs", out.rpartition("/")[2].removesuffix(".out")]
    shown = served.graphql(LOGS, key=key)["capturedLogs"]
    assert shown["stdout"] == "endless: begun\n"
    assert "endless: to stderr\n" in shown["stderr"]
    assert served.area.raw.read(err).decode() == shown["stderr"]
    assert served.writer.is_capture_complete(key)


def test_reading_leaves_nothing_in_the_webservers_folder(served: Served) -> None:
    served.graphql(LOGS, key=KEY)
    files = [path for path in served.staging.rglob("*") if path.is_file()]
    assert all("downloads" in path.parts for path in files), files
