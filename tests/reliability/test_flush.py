"""`remote-store-fsspec logs flush`: what it uploads, what it leaves alone, and what it says."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from devservers.proxy import Refuse
from remote_store_fsspec.logs import capture
from tests.dagster import jobs
from tests.dagster.home import Home, wait_for
from tests.reliability.support import AT, KEY, REPOSITORY, command, impatient, staged_files

if TYPE_CHECKING:
    from pathlib import Path

    import dagster as dg

    from devservers import Area

pytestmark = pytest.mark.slow

WRONG_VALUE = """
compute_logs:
  module: remote_store_fsspec.dagster
  class: RemoteStoreComputeLogManager
  config: {backend_type: s4}
"""


@pytest.fixture
def home(tmp_path: Path, local_area: Area) -> Home:
    return Home(tmp_path / "home", {**local_area.config(), "local_dir": str(tmp_path / "staging")})


def ended_run(instance: dg.DagsterInstance, home: Home, *, minutes_ago: float) -> str:
    """A run that failed some minutes ago, by Dagster's own record."""
    run = instance.create_run_for_job(jobs.one_process)
    instance.report_run_failed(run)
    with sqlite3.connect(home.folder / "history" / "runs.db") as runs:
        ended = time.time() - minutes_ago * 60
        runs.execute("update runs set end_time = ? where run_id = ?", (ended, run.run_id))
    return run.run_id


def test_nothing_staged_is_done(home: Home) -> None:
    done = command("logs", "flush", "--dagster-home", str(home.folder))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("0 stored (0 bytes), 0 finished, 0 kept (0 bytes), 0 unfinished.")


@pytest.mark.server
def test_what_a_failed_upload_left_is_listed_kept_and_then_stored(
    s3_area: Area,
    proxied: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(capture, "RETRY_SECONDS", 0.2)
    proxy = proxied(s3_area)
    config = {**impatient(s3_area, proxy), "local_dir": str(tmp_path / "staging")}
    home = Home(tmp_path / "home", config)
    from remote_store_fsspec.dagster import RemoteStoreComputeLogManager

    manager = RemoteStoreComputeLogManager(**config)
    rule = proxy.fault(Refuse())
    with manager.capture_logs(KEY):
        sys.stdout.write("kept text\n")
        sys.stdout.flush()
    manager._recovery.settle()  # or else it may hold what is listed next
    manager.dispose()
    waiting = staged_files(tmp_path / "staging")
    assert waiting == {"abcdefgh.out": b"kept text\n", "abcdefgh.err": b""}

    listed = command("logs", "flush", "--dry-run", home=home.folder)
    assert listed.returncode == 1
    assert "staged    run-1/compute_logs/abcdefgh  10 bytes  in " in listed.stdout
    assert "nothing was changed" in listed.stdout

    kept = command("logs", "flush", home=home.folder)
    assert kept.returncode == 1
    assert "kept      run-1/compute_logs/abcdefgh  10 bytes  in " in kept.stdout
    assert "could not be reached" in kept.stdout
    assert "0 stored (0 bytes), 0 finished, 1 kept (10 bytes), 1 unfinished." in kept.stdout
    assert staged_files(tmp_path / "staging") == waiting

    rule.remove()
    again = command("logs", "flush", "--dry-run", home=home.folder)
    assert "1 staged (10 bytes), 0 cut short; nothing was changed." in again.stdout
    assert staged_files(tmp_path / "staging") == waiting
    stored = command("logs", "flush", home=home.folder)
    assert stored.returncode == 0, stored.stdout + stored.stderr
    assert "stored    run-1/compute_logs/abcdefgh  10 bytes\n" in stored.stdout
    assert s3_area.raw.read(f"{AT}.out") == b"kept text\n"
    assert s3_area.raw.keys() == [f"{AT}.err", f"{AT}.out"]
    assert staged_files(tmp_path / "staging") == {}


def test_a_capture_under_way_is_left_alone(home: Home, local_area: Area, tmp_path: Path) -> None:
    config = json.dumps({**local_area.config(), "local_dir": str(tmp_path / "staging")})
    code = f"""
import json, sys
from remote_store_fsspec.dagster import RemoteStoreComputeLogManager
manager = RemoteStoreComputeLogManager(**json.loads({config!r}))
with manager.capture_logs({KEY!r}):
    print("begun", flush=True)
    sys.stdin.readline()
    print("ended", flush=True)
"""
    live = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        cwd=REPOSITORY,
    )
    try:
        staging = tmp_path / "staging"
        wait_for(lambda: staged_files(staging).get("abcdefgh.out") == b"begun\n")
        done = command("logs", "flush", home=home.folder)
        assert done.returncode == 0
        assert "0 stored" in done.stdout
        assert local_area.raw.keys() == []
        live.communicate("go on\n", timeout=30)
    finally:
        live.kill()
        live.wait()
    assert local_area.raw.read(f"{AT}.out") == b"begun\nended\n"


def test_segments_of_a_run_that_is_over_become_a_finished_log_with_the_reason(
    home: Home, local_area: Area
) -> None:
    raw = local_area.raw
    with home.instance() as instance:
        over = ended_run(instance, home, minutes_ago=20)
        fresh = ended_run(instance, home, minutes_ago=0.1)
        running = instance.create_run_for_job(jobs.one_process).run_id
    for run in (over, fresh, running, "unknown"):
        raw.write(f"dagster/storage/{run}/compute_logs/abc.out.partial", b"first\n")
        raw.write(f"dagster/storage/{run}/compute_logs/abc.out.partial.6", b"second\n")
        raw.write(f"dagster/storage/{run}/compute_logs/abc.out.partial.99", b"after a gap")
    before = raw.keys()

    listed = command("logs", "flush", "--dry-run", home=home.folder)
    assert listed.returncode == 1
    assert f"cut short {over}/compute_logs/abc  13 bytes" in listed.stdout
    assert "0 staged (0 bytes), 1 cut short" in listed.stdout
    assert raw.keys() == before

    done = command("logs", "flush", home=home.folder)
    assert done.returncode == 0, done.stdout
    assert f"finished  {over}/compute_logs/abc  13 bytes" in done.stdout
    at = f"dagster/storage/{over}/compute_logs/abc"
    assert raw.keys(f"dagster/storage/{over}") == [f"{at}.err", f"{at}.out"]
    stored = raw.read(f"{at}.out").decode()
    assert stored.startswith("first\nsecond\n[remote-store-fsspec: this log is cut short: its run")
    assert "ended (FAILURE)" in stored
    assert raw.read(f"{at}.err") == b""
    untouched = [key for key in before if f"/{over}/" not in key]
    assert [key for key in list(raw.keys()) if f"/{over}/" not in key] == untouched


def test_a_finished_log_is_never_replaced_by_its_segments(home: Home, local_area: Area) -> None:
    with home.instance() as instance:
        over = ended_run(instance, home, minutes_ago=20)
    at = f"dagster/storage/{over}/compute_logs/abc"
    local_area.raw.write(f"{at}.out", b"the whole text")
    local_area.raw.write(f"{at}.out.partial", b"the wh")
    local_area.raw.write(f"{at}.err", b"")
    done = command("logs", "flush", home=home.folder)
    assert done.returncode == 0, done.stdout
    assert local_area.raw.read(f"{at}.out") == b"the whole text"
    assert local_area.raw.keys() == [f"{at}.err", f"{at}.out"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "there is no dagster.yaml in"),
        ("compute_logs: [", "cannot be used"),
        ("{}", "is a LocalComputeLogManager, not a RemoteStoreComputeLogManager"),
        (WRONG_VALUE, "s4"),
    ],
    ids=["no file", "no yaml", "another manager", "a wrong value"],
)
def test_a_configuration_that_cannot_be_used_is_said_in_one_sentence(
    tmp_path: Path, text: str | None, said: str
) -> None:
    if text is not None:
        (tmp_path / "dagster.yaml").write_text(text)
    done = command("logs", "flush", "--dagster-home", str(tmp_path))
    assert done.returncode == 2, done.stdout
    assert said in done.stderr
    assert "Traceback" not in done.stderr
