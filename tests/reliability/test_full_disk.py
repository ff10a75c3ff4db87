"""A staging disk without room: the step goes on, and the log says from where on it is not whole."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.dagster.home import Home, engine_messages, log_keys

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = Path(__file__).parent.parent.parent
FULL = "the disk of the staging folder was full here"

pytestmark = pytest.mark.slow


def capturing(code: str, staging: Path, store: Path) -> subprocess.CompletedProcess[str]:
    setup = f"""
        import os, subprocess, sys, time
        from pathlib import Path
        from remote_store_fsspec.dagster import RemoteStoreComputeLogManager
        manager = RemoteStoreComputeLogManager(url="file://{store}", local_dir="{staging}")
    """
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(setup) + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=REPOSITORY,
        check=False,
    )


def fill(folder: Path) -> None:
    with (folder / "filler").open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4096))
            except OSError:
                return


def test_printing_more_than_the_disk_holds_goes_on_to_the_processs_own_output(
    small_disk: Callable[[str], Path], tmp_path: Path
) -> None:
    done = capturing(
        """
        with manager.capture_logs(["k"]):
            for number in range(20000):
                print(f"line {number} of a step that prints a lot", flush=number % 10 == 0)
            subprocess.run(["sh", "-c", "echo a child prints too"], check=True)
            print("the end", file=sys.stderr)
        print("after the capture")
        """,
        small_disk("size=400k"),
        tmp_path / "store",
    )
    assert done.returncode == 0, done.stderr
    stored = (tmp_path / "store/dagster/storage/k.out").read_text()
    head, marker, after = stored.partition("\n[remote-store-fsspec: ")
    printed = "".join(f"line {n} of a step that prints a lot\n" for n in range(20000))
    assert printed.startswith(head)
    assert len(head) > 100_000
    assert FULL in after
    assert marker
    assert "a child prints too" in done.stdout
    assert done.stdout.endswith("after the capture\n")
    # What is mirrored from the staged file may come in between before that.
    assert (printed + "a child prints too\n")[-50_000:] in done.stdout
    assert "bytes of output were not captured" in done.stderr


def test_a_disk_that_fills_up_during_the_capture_keeps_what_came_before(
    small_disk: Callable[[str], Path], tmp_path: Path
) -> None:
    disk = small_disk("size=80m")  # enough that the staged file is written directly at first
    done = capturing(
        f"""
        def fill():
            with open("{disk}/filler", "wb", buffering=0) as file:
                block = bytes(1 << 20)
                try:
                    while True:
                        file.write(block)
                except OSError:
                    pass
        with manager.capture_logs(["k"]):
            print("with room", flush=True)
            time.sleep(0.2)
            os.posix_fallocate(os.open("{disk}/much", os.O_CREAT | os.O_WRONLY), 0, 40 << 20)
            time.sleep(1.5)
            print("with little room", flush=True)
            time.sleep(0.2)
            fill()
            for number in range(5000):
                print("without room", number, flush=True)
        """,
        disk,
        tmp_path / "store",
    )
    assert done.returncode == 0, done.stderr
    stored = (tmp_path / "store/dagster/storage/k.out").read_text()
    assert stored.startswith("with room\nwith little room\nwithout room 0\n")
    assert FULL in stored
    assert done.stdout.endswith("without room 4999\n")


def test_a_capture_killed_while_the_disk_is_nearly_full_keeps_all_that_was_printed(
    small_disk: Callable[[str], Path], tmp_path: Path
) -> None:
    disk = small_disk("size=4m")
    capturing(
        """
        import signal
        with manager.capture_logs(["k"]):
            os.write(1, b"x" * 30000 + b"last words")
            os.kill(os.getpid(), signal.SIGKILL)
        """,
        disk,
        tmp_path / "store",
    )
    capturing("list(manager.flush())", disk, tmp_path / "store")
    stored = (tmp_path / "store/dagster/storage/k.out").read_text()
    assert stored == "x" * 30000 + "last words"


@pytest.mark.parametrize("options", ["size=64k", "size=64k,nr_inodes=3"])
def test_a_run_whose_log_cannot_even_be_staged_succeeds_and_says_why(
    small_disk: Callable[[str], Path], tmp_path: Path, options: str
) -> None:
    disk = small_disk(options)
    fill(disk)
    store = tmp_path / "store"
    home = Home(tmp_path / "home", {"url": f"file://{store}", "local_dir": str(disk)})
    process = home.execute("all_kinds", {"ops": {}})
    process.wait(100)
    assert "chatty: héllo" in process.output
    with home.instance() as instance:
        keys = log_keys(instance)
        said = [text for text in engine_messages(instance) if "was not captured" in text]
        failed = {
            event.dagster_event.step_key
            for run in instance.get_runs()
            for event in instance.all_logs(run.run_id)
            if event.dagster_event and event.dagster_event.is_step_failure
        }
        manager: Any = instance.compute_log_manager
        data = manager.get_log_data(keys["chatty"])
        assert manager.is_capture_complete(keys["chatty"])
    assert failed == {"failing"}
    assert len(said) == len(keys)
    assert str(disk) in said[0]
    assert f"{os.strerror(28)}" in said[0]
    assert b"was not captured: the staging folder" in data.stderr


def test_a_truncated_log_is_uploaded_without_room_for_the_shortened_file(
    small_disk: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_TRUNCATE_COMPUTE_LOGS_UPLOAD_BYTES", "100000")
    disk = small_disk("size=400k")
    done = capturing(
        """
        with manager.capture_logs(["k"]):
            for number in range(20000):
                print(f"line {number} of a step that prints a lot")
        """,
        disk,
        tmp_path / "store",
    )
    assert done.returncode == 0, done.stderr
    stored = (tmp_path / "store/dagster/storage/k.out").read_text()
    assert len(stored) <= 100_000
    assert "bytes left out here" in stored
    assert FULL in stored[-300:]


@pytest.mark.parametrize("full", ["before", "during"])
def test_a_tick_whose_log_cannot_be_staged_goes_on(
    small_disk: Callable[[str], Path], tmp_path: Path, full: str
) -> None:
    disk = small_disk("size=64k")
    if full == "before":
        fill(disk)
    done = capturing(
        """
        from types import SimpleNamespace
        from dagster._core.definitions.instigation_logger import InstigationLogger
        instance = SimpleNamespace(compute_log_manager=manager)
        with InstigationLogger(["repository", "sensor", "1"], instance, "repository", "s") as tick:
            for number in range(2000):
                tick.info(f"tick line {number}")
        print("the tick has ended")
        """,
        disk,
        tmp_path / "store",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("the tick has ended\n")
    assert "No space left on device" in done.stderr
