"""The disk that one long log takes while it is captured: its head, its tail and a little."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from remote_store_fsspec.dagster import RemoteStoreComputeLogManager
from tests.reliability.support import REPOSITORY

pytestmark = pytest.mark.slow

LIMIT = 400_000
LINES = 300_000
CAPTURING = """
    import os, sys, time
    from pathlib import Path
    from remote_store_fsspec.dagster import RemoteStoreComputeLogManager
    manager = RemoteStoreComputeLogManager(url="file://{store}", local_dir="{staging}")
    with manager.capture_logs(["k"]):
        for start in range(0, {lines}, 1000):
            print("\\n".join(f"line {{n}} of a long log" for n in range(start, start + 1000)), flush=True)
        (path,) = Path("{staging}").glob("*/*/*/out")
        until = time.monotonic() + 50
        while path.stat().st_blocks * 512 > 3_000_000 and time.monotonic() < until:
            time.sleep(0.05)
        print("of", path.stat().st_size, "bytes", path.stat().st_blocks * 512, "on disk", flush=True)
        {end}
"""


def _capture(tmp_path: Path, end: str) -> str:
    """What the store holds after a process has captured and ended so, and what it showed."""
    code = CAPTURING.format(
        store=tmp_path / "store", staging=tmp_path / "staging", lines=LINES, end=end
    )
    environment = {**os.environ, "DAGSTER_TRUNCATE_COMPUTE_LOGS_UPLOAD_BYTES": str(LIMIT)}
    shown = tmp_path / "shown"
    with shown.open("wb") as output:
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=100,
            cwd=REPOSITORY,
            env=environment,
            check=False,
        )
    return shown.read_text()


def _check(stored: str, shown: str) -> None:
    printed = "".join(f"line {number} of a long log\n" for number in range(LINES))
    assert len(stored) <= LIMIT
    head, marker, tail = stored.partition("\n[remote-store-fsspec: ")
    sentence, _, tail = tail.partition("]\n")
    assert f"its limit of {LIMIT} bytes" in marker + sentence
    assert printed.startswith(head)
    assert len(head) > LIMIT // 3
    lines, _, measured = tail.rstrip("\n").rpartition("\n")
    assert printed.endswith(lines + "\n")
    assert len(lines) > LIMIT // 3
    _, size, _, on_disk, _, _ = measured.split()
    assert int(size) > 6_000_000
    assert int(on_disk) <= 3_000_000, measured
    # What was taken out of the file had been shown before.
    assert (printed + measured).startswith(shown.rstrip("\n"))


def test_the_middle_of_a_long_log_leaves_the_disk_while_it_is_captured(tmp_path: Path) -> None:
    shown = _capture(tmp_path, "pass")
    _check((tmp_path / "store/dagster/storage/k.out").read_text(), shown)


def test_a_thinned_log_is_shortened_also_by_a_process_with_a_higher_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_TRUNCATE_COMPUTE_LOGS_UPLOAD_BYTES", "0")
    shown = _capture(tmp_path, "os.kill(os.getpid(), 9)")
    manager = RemoteStoreComputeLogManager(
        url=f"file://{tmp_path}/store", local_dir=str(tmp_path / "staging")
    )
    assert b"\0" not in (manager.get_log_data(["k"]).stdout or b"")
    assert [left.reason for left in manager.flush()] in ([], [None])  # or it was in the background
    manager.dispose()
    _check((tmp_path / "store/dagster/storage/k.out").read_text(), shown)
