"""The canary in Dagster: its instance, its pages and its processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from remote_store_fsspec.dagster import RemoteStoreComputeLogManager
from tests.config.canary import CANARY, PLANTED, clean
from tests.dagster.home import Home, wait_for

if TYPE_CHECKING:
    from devservers import Area

JOBS = Path(__file__).with_name("canary_jobs.py")
# Without it a run waits in the queue of a daemon.
STRAIGHT = """
run_coordinator: {module: dagster._core.run_coordinator, class: DefaultRunCoordinator}
"""
LAUNCH = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
REPOSITORY = (
    "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"
)


@pytest.mark.parametrize("name", list(PLANTED))
def test_a_planted_secret_is_not_in_what_the_instance_says_of_itself(
    name: str, tmp_path: Path
) -> None:
    home = Home(tmp_path / "home", {**PLANTED[name], "local_dir": str(tmp_path / "staging")})
    with home.instance() as instance:
        manager = instance.compute_log_manager
        assert isinstance(manager, RemoteStoreComputeLogManager)
        assert manager.inst_data is not None
        clean("info_dict", manager.inst_data.info_dict(), repr(manager), repr(manager.inst_data))
        clean("instance info", instance.info_dict(), instance.info_str())


def command_lines(of: int) -> dict[int, str]:
    """The command lines of a process and of everything that it started, by process id."""
    found: dict[int, str] = {}
    waiting = [of]
    while waiting:
        pid = waiting.pop()
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
            threads = list(Path(f"/proc/{pid}/task").glob("*/children"))
            children = " ".join(thread.read_text() for thread in threads)
        except OSError:
            continue  # it has ended
        found[pid] = words.replace(b"\0", b" ").decode()
        waiting += map(int, children.split())
    return found


class Webserver:
    """A real one, with a code server of its own."""

    def __init__(self, home: Home) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.process = home.start(
            "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), "-f", str(JOBS)
        )
        self.pid = self.process._process.pid
        self.met: dict[int, str] = {}

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        self.look()
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"{self.url}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return dict(json.load(answer)["data"])

    def look(self) -> None:
        """Note the command lines that are there now."""
        assert self.process.running, self.process.output
        self.met |= command_lines(self.pid)

    def repository(self) -> dict[str, str] | None:
        """What names the job's repository, once the code server answers."""
        try:
            nodes = self.graphql(REPOSITORY)["repositoriesOrError"].get("nodes")
        except OSError:
            return None
        if not nodes:
            return None
        return {
            "repositoryName": nodes[0]["name"],
            "repositoryLocationName": nodes[0]["location"]["name"],
        }

    def status(self, run_id: str) -> str:
        run = self.graphql(
            "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }", id=run_id
        )
        return str(run["runOrError"]["status"])

    def stop(self) -> None:
        """End it and whatever of it would stay behind."""
        started = command_lines(self.pid)
        self.process.interrupt()
        for pid, words in started.items():
            if command_lines(pid).get(pid) == words:
                os.kill(pid, signal.SIGKILL)


def run_a_job(webserver: Webserver, repository: dict[str, str], folder: Path) -> str:
    """Run the job, looking at the command lines while its step is under way."""
    params = {
        "selector": {**repository, "jobName": "in_a_process_of_its_own"},
        "runConfigData": {"ops": {"held": {"config": {"folder": str(folder)}}}},
    }
    run_id = str(webserver.graphql(LAUNCH, params=params)["launchRun"]["run"]["runId"])
    wait_for((folder / "begun").exists, 120)
    webserver.look()
    (folder / "go").touch()
    wait_for(lambda: webserver.status(run_id) == "SUCCESS", 120)
    return run_id


@pytest.fixture(params=["environment", "named store", "plain"])
def configured(
    request: pytest.FixtureRequest,
    s3_area: Area,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[str, dict[str, Any]]:
    """A log manager's configuration that works, and how its secret got there."""
    config = s3_area.config()
    options = config["backend_options"]
    options["key"], options["secret"] = "canary", CANARY
    if request.param == "plain":
        return request.param, config
    monkeypatch.setenv("CANARY_SECRET", CANARY)
    options["secret"] = {"env": "CANARY_SECRET"}
    if request.param == "environment":
        return request.param, config
    options["secret"] = "${CANARY_SECRET}"
    file = tmp_path / "stores.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                "backends": {"b": {"type": "s3", "options": options}},
                "stores": {"logs": {"backend": "b"}},
            }
        )
    )
    named = {"url": "remote-store://logs", "storage_options": {"config": str(file)}}
    return request.param, named


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.timeout(400)
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs Linux's /proc")
def test_a_secret_is_in_no_page_no_output_no_file_and_no_command_line_of_a_run(
    configured: tuple[str, dict[str, Any]], s3_area: Area, tmp_path: Path
) -> None:
    how, config = configured
    home = Home(tmp_path / "home", {**config, "local_dir": str(tmp_path / "staging")})
    with (home.folder / "dagster.yaml").open("a") as file:
        file.write(STRAIGHT)
    webserver = Webserver(home)
    try:
        repository = wait_for(webserver.repository, 120)
        # Dagster's page says of compute logs what it knows once something has used them.
        webserver.graphql('{ capturedLogs(logKey: ["a"]) { stdout } }')
        page = webserver.graphql("{ instance { info } }")["instance"]["info"]
        assert s3_area.container in page or "remote-store://logs" in page
        clean("instance page", page)
        if how != "plain":
            run_id = run_a_job(webserver, repository, tmp_path)
    finally:
        (tmp_path / "go").touch()
        webserver.stop()
    clean("process output", webserver.process.output)
    if how == "plain":
        return  # Dagster writes the whole configuration on command lines and into its database
    words = list(webserver.met.values())
    # The webserver, its code server, the run's worker and the step's process.
    assert len(words) >= 4, words
    assert any("grpc" in line for line in words), words
    clean("command lines", *words)
    clean("home", *(file.read_bytes() for file in home.folder.rglob("*") if file.is_file()))
    keys = s3_area.raw.keys()
    assert any(run_id in key and key.endswith(".out") for key in keys), keys
    clean("store", *keys, *map(s3_area.raw.read, keys))
