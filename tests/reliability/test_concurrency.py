"""What happens when two do something to one log, or to one staging folder, at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from devservers.proxy import Refuse, Slow
from remote_store_fsspec.dagster import RemoteStoreComputeLogManager
from remote_store_fsspec.logs import capture
from remote_store_fsspec.logs.writer import StreamWriter
from tests.reliability.support import (
    AT,
    KEY,
    REPOSITORY,
    impatient,
    join_final_uploads,
    staged_files,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from devservers import Area

pytestmark = pytest.mark.slow


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


@pytest.mark.server
def test_two_recovering_processes_upload_each_leftover_once(
    s3_area: Area, proxied: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "RETRY_SECONDS", 0.0)
    proxy = proxied(s3_area)
    config = {**impatient(s3_area, proxy), "local_dir": str(tmp_path / "staging")}
    manager = RemoteStoreComputeLogManager(**config)
    with proxy.fault(Refuse()):
        for number in range(6):
            with manager.capture_logs(["run", str(number)]):
                _print(f"text {number}")
    manager.dispose()
    assert len(staged_files(tmp_path / "staging")) == 12
    code = (
        "import json, sys\n"
        "from remote_store_fsspec.dagster import RemoteStoreComputeLogManager\n"
        "manager = RemoteStoreComputeLogManager(**json.loads(sys.argv[1]))\n"
        "manager._recovery.settle()\n"
        "list(manager.flush())\n"
    )
    with proxy.record() as record, proxy.fault(Slow(latency=0.05)):
        both = [
            subprocess.Popen([sys.executable, "-c", code, json.dumps(config)], cwd=REPOSITORY)
            for _ in range(2)
        ]
        assert [one.wait(90) for one in both] == [0, 0]
    puts = [request.path for request in record.requests if request.method == "PUT"]
    assert len(puts) == len(set(puts)) == 12
    assert staged_files(tmp_path / "staging") == {}
    for number in range(6):
        assert s3_area.raw.read(f"dagster/storage/run/{number}.out") == f"text {number}".encode()


def test_two_managers_of_one_process_share_a_staging_folder(
    local_area: Area, tmp_path: Path
) -> None:
    config = {**local_area.config(), "local_dir": str(tmp_path / "staging")}
    first, second = (RemoteStoreComputeLogManager(**config) for _ in range(2))
    with first.capture_logs(["run", "first"]):
        _print("of the first")
        # The other manager takes nothing of a capture that is under way.
        assert list(second.flush()) == []
        with second.capture_logs(["run", "second"]):
            _print("of the second")
        assert local_area.raw.read("dagster/storage/run/second.out") == b"of the second"
    assert local_area.raw.read("dagster/storage/run/first.out").startswith(b"of the first")
    assert staged_files(tmp_path / "staging") == {}
    first.dispose()
    second.dispose()


@pytest.mark.server
def test_of_a_step_that_ran_again_under_the_same_key_the_later_text_stays(
    s3_area: Area, proxied: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "RETRY_SECONDS", 0.0)
    proxy = proxied(s3_area)
    config = {**impatient(s3_area, proxy), "local_dir": str(tmp_path / "staging")}
    manager = RemoteStoreComputeLogManager(**config)
    with proxy.fault(Refuse()), manager.capture_logs(KEY):
        _print("the first attempt, kept")
    manager.dispose()
    monkeypatch.setattr(capture, "RETRY_SECONDS", 20.0)
    again = RemoteStoreComputeLogManager(**config)
    with again.capture_logs(KEY):
        _print("the second attempt")
    assert staged_files(tmp_path / "staging") == {}
    assert list(again.flush()) == []
    assert s3_area.raw.read(f"{AT}.out") == b"the second attempt"


def test_an_upload_that_outlives_its_capture_never_stores_its_text_after_a_later_one(
    local_area: Area, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {**local_area.config(), "local_dir": str(tmp_path / "staging")}
    finish, answered = StreamWriter.finish, threading.Event()

    def late(writer: StreamWriter) -> bool:
        answered.wait()
        return finish(writer)

    monkeypatch.setattr(StreamWriter, "finish", late)
    monkeypatch.setattr(capture, "ANSWER_SECONDS", -capture.RETRY_SECONDS)
    first, second = (RemoteStoreComputeLogManager(**config) for _ in range(2))
    with first.capture_logs(KEY):
        _print("the first attempt, still under way")
    assert staged_files(tmp_path / "staging")[f"{KEY[-1]}.out"].endswith(b"under way")
    monkeypatch.setattr(StreamWriter, "finish", finish)
    monkeypatch.setattr(capture, "ANSWER_SECONDS", 20.0)
    with second.capture_logs(KEY):
        _print("the second attempt")
        threading.Timer(1.5, answered.set).start()
    answered.wait()
    join_final_uploads()
    assert local_area.raw.read(f"{AT}.out") == b"the second attempt"
    assert staged_files(tmp_path / "staging") == {}
    first.dispose()
    second.dispose()


@pytest.mark.parametrize("page", [None, 7, 1000])
def test_a_reader_during_finalisation_sees_every_byte_once(
    local_area: Area, make_manager: Callable[..., Any], page: int | None
) -> None:
    writer, reader = make_manager(local_area), make_manager(local_area)
    seen = bytearray()
    stop = threading.Event()

    def read() -> None:
        cursor = None
        while True:
            last = stop.is_set()
            data = reader.get_log_data(KEY, cursor, page)
            seen.extend(data.stdout or b"")
            if last and not data.stdout:
                return
            cursor = data.cursor

    thread = threading.Thread(target=read)
    thread.start()
    text = "".join(f"line {number}\n" for number in range(120))
    with writer.capture_logs(KEY):
        for line in text.splitlines(keepends=True):
            _print(line)
            writer.on_progress(KEY)
    stop.set()
    thread.join(60)
    assert seen.decode() == text


def test_a_log_deleted_during_its_capture_is_stored_whole_when_the_capture_ends(
    local_area: Area, make_manager: Callable[..., Any]
) -> None:
    writer, other = make_manager(local_area), make_manager(local_area)
    with writer.capture_logs(KEY):
        _print("before ")
        writer.on_progress(KEY)
        assert local_area.raw.keys() == [f"{AT}.out.partial"]
        other.delete_logs(log_key=KEY)
        assert local_area.raw.keys() == []
        writer.delete_logs(log_key=KEY)  # its own manager does not touch what is being written
        _print("after")
    assert local_area.raw.read(f"{AT}.out") == b"before after"
    assert local_area.raw.keys() == [f"{AT}.err", f"{AT}.out"]


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_stores_clock_that_is_hours_off_hides_nothing(
    local_area: Area, make_manager: Callable[..., Any], hours: int
) -> None:
    manager = make_manager(local_area)
    with manager.capture_logs(KEY):
        _print("text")
    for name in ("out", "err"):
        path = Path(local_area.container, f"{AT}.{name}")
        at = path.stat().st_mtime + hours * 3600
        os.utime(path, (at, at))
    reader = make_manager(local_area)
    assert reader.get_log_data(KEY).stdout == b"text"
    assert reader.is_capture_complete(KEY)


@pytest.mark.parametrize(
    ("minutes_ago", "over"),
    [(-120, False), (0, False), (5, False), (20, True)],
    ids=["in two hours", "now", "5 minutes ago", "20 minutes ago"],
)
def test_a_run_that_just_ended_is_given_its_grace_by_the_readers_own_clock(
    local_area: Area,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    minutes_ago: float,
    over: bool,
) -> None:
    from remote_store_fsspec.dagster import _runs
    from tests.dagster.home import Home
    from tests.reliability.test_flush import ended_run

    home = Home(tmp_path / "home", {**local_area.config(), "local_dir": str(tmp_path / "staging")})
    with home.instance() as instance:
        run = ended_run(instance, home, minutes_ago=minutes_ago)
        local_area.raw.write(f"dagster/storage/{run}/compute_logs/a.out.partial", b"cut")
        key = [run, "compute_logs", "a"]
        manager = instance.compute_log_manager
        assert manager.is_capture_complete(key) is over
        # Whatever the record's clock says, the grace ends once it was watched here for so long.
        monkeypatch.setattr(_runs, "UPLOAD_GRACE_SECONDS", 0.0)
        monkeypatch.setattr(_runs, "_ASK_AGAIN_SECONDS", 0.0)
        assert manager.is_capture_complete(key)
        shown = manager.get_log_data(key).stdout or b""
        assert b"cut short: its run ended (FAILURE)" in shown
