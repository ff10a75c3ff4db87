"""Staged captures: who may touch them, and that none is lost or uploaded twice."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from remote_store_fsspec.errors import ConfigError
from remote_store_fsspec.logs import LogStore, Recovery, Staging
from remote_store_fsspec.logs.staging import private_folder
from tests.logs.faulty import FaultyFiles

REPOSITORY = Path(__file__).parent.parent.parent
KEY = ["run", "compute_logs", "step"]


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    return Staging(str(tmp_path / "staging"), "s3://logs")


def _other_process(staging_folder: Path) -> subprocess.Popen[str]:
    """A process that captures: it has written, and holds its lock until it is killed."""
    code = f"""
        import sys
        from remote_store_fsspec.logs import Staging
        staged = Staging({str(staging_folder)!r}, "s3://logs").open({KEY!r})
        open(staged.file("out"), "w").write("captured")
        print("staged", flush=True)
        sys.stdin.read()
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "staged\n"
    return process


def _end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)


def test_a_live_capture_of_another_process_is_left_alone_and_readable(
    staging: Staging, tmp_path: Path
) -> None:
    process = _other_process(tmp_path / "staging")
    try:
        assert list(staging.leftovers()) == []
        staging.discard(lambda _: True)
        found = staging.find(KEY)
        assert found is not None
        assert not found.ended
        assert (found.folder / "out").read_text() == "captured"
    finally:
        _end(process)


def test_what_a_killed_process_left_is_uploaded_once_and_removed(
    staging: Staging, tmp_path: Path
) -> None:
    _end(_other_process(tmp_path / "staging"))
    files = FaultyFiles()
    store = LogStore(files, "logs")
    files.objects["logs/storage/run/compute_logs/step.out.partial"] = b"capt"
    assert Recovery(store.destination, staging).flush() == (1, 0)
    assert files.objects == {
        "logs/storage/run/compute_logs/step.out": b"captured",
        "logs/storage/run/compute_logs/step.err": b"",
    }
    assert staging.names() == []
    assert Recovery(store.destination, staging).flush() == (0, 0)


def test_a_store_that_is_still_away_leaves_everything_staged(
    staging: Staging, tmp_path: Path
) -> None:
    _end(_other_process(tmp_path / "staging"))
    files = FaultyFiles()
    files.faults.extend(["before"] * 10)
    recovery = Recovery(LogStore(files, "logs").destination, staging)
    assert recovery.flush() == (0, 1)
    assert files.objects == {}
    files.faults.clear()
    assert recovery.flush() == (1, 0)
    assert files.objects["logs/storage/run/compute_logs/step.out"] == b"captured"


def test_two_takers_never_have_the_same_capture(staging: Staging, tmp_path: Path) -> None:
    _end(_other_process(tmp_path / "staging"))
    (first,) = staging.leftovers()
    assert list(Staging(str(tmp_path / "staging"), "s3://logs").leftovers()) == []
    first.release()
    (again,) = staging.leftovers()
    again.remove()


def test_another_destinations_captures_are_not_seen(staging: Staging, tmp_path: Path) -> None:
    staging.open(KEY).release()
    assert list(Staging(str(tmp_path / "staging"), "s3://other").leftovers()) == []
    assert len(list(staging.leftovers())) == 1


def test_a_capture_that_never_began_is_no_leftover(staging: Staging) -> None:
    staging.folder.mkdir(parents=True)
    (staging.folder / ".new-abc").mkdir()
    (staging.folder / "garbage").mkdir()
    assert list(staging.leftovers()) == []
    assert staging.find(KEY) is None


def test_folders_and_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        staged = Staging(str(tmp_path / "staging"), "x").open(KEY)
    finally:
        os.umask(before)
    for path in (tmp_path / "staging").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    staged.remove()


def test_a_folder_that_was_opened_to_others_is_closed_again(tmp_path: Path) -> None:
    folder = private_folder(str(tmp_path))
    folder.chmod(0o777)
    private_folder(str(tmp_path))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"remote-store-fsspec-{os.geteuid()}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="local_dir") as caught:
        private_folder(str(tmp_path))
    assert caught.value.field == "local_dir"


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="local_dir"):
        private_folder(str(tmp_path / "file"))
