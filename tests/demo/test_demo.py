"""The demo from end to end: what it says must be so, and it must not say it when it is not."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(__file__).resolve().parents[2]
_STEPS = 6
_SECRETS = ("devserver-secret", "AccountKey", "OPENSSH")


def _command(destination: str, folder: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "demo", "--dest", destination, "--folder", str(folder), *more]


def _run(destination: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(destination, folder),
        cwd=_ROOT,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=270,
        check=False,
    )


def _result(folder: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return result


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.stat().st_size}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "destination",
    [
        "local",
        pytest.param("s3", marks=pytest.mark.server),
        pytest.param("azure", marks=pytest.mark.server),
        pytest.param("sftp", marks=pytest.mark.server),
    ],
)
def test_every_printed_byte_is_stored_streamed_and_read_back(
    destination: str, tmp_path: Path
) -> None:
    folder = tmp_path / "demo"
    done = _run(destination, folder)
    assert done.returncode == 0, done.stdout + done.stderr

    # What the destination's own client copied out, against what the steps kept of their prints.
    printed, found = _contents(folder / "printed"), _contents(folder / "found")
    assert found == printed
    assert len(printed["prints_a_lot.out"]) > 3_000_000
    assert b"ZeroDivisionError" in printed["fails_with_a_traceback.err"]
    assert "writes_only_to_stderr.out" not in printed
    assert b"\x1b[31m" in printed["prints_scripts_and_colours.out"]
    assert b"child, stdout, line 200 of 200" in printed["runs_a_child_process.out"]

    result = _result(folder)
    assert result["passed"]
    assert result["arrivals"] >= 2
    assert len(result["read_back"]) == 2 * _STEPS
    for log in result["read_back"]:
        assert log["complete"]
        assert log["where"] in done.stdout or log["where"].rpartition("/")[2] in done.stdout
        assert log["size"] == len(printed.get(f"{log['step']}.{log['stream']}", b""))

    # What a person sees.
    for step in {log["step"] for log in result["read_back"]}:
        assert re.search(rf"▶ {step}\b", done.stdout)
        assert re.search(rf"[✔✘] {step}\b", done.stdout)
    assert "\nYes: 12 logs" in done.stdout
    assert "\x1b" not in done.stdout
    assert str(folder / "run.log") in done.stdout

    for name in ("home/dagster.yaml", "run.log", "result.json"):
        # Processes that print at once may cut each other's characters in run.log.
        content = (folder / name).read_bytes()
        assert not [secret for secret in _SECRETS if secret.encode() in content]
    assert not [secret for secret in _SECRETS if secret in done.stdout + done.stderr]


@pytest.fixture
def webserver(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        _command("local", tmp_path / "demo", "--ui"),
        cwd=_ROOT,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_webserver_serves_the_logs_until_ctrl_c(
    webserver: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert webserver.stdout is not None
    lines = []
    for line in webserver.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            break
    match = re.search(r"(http://127\.0\.0\.1:\d+)/runs/(\S+)", "".join(lines))
    assert match, "".join(lines)
    address, run_id = match.groups()

    folder = tmp_path / "demo"
    log = next(log for log in _result(folder)["read_back"] if log["step"] == "prints_a_lot")
    url = f"{address}/logs/{run_id}/compute_logs/{log['file_key']}/out"
    with urllib.request.urlopen(url, timeout=60) as answer:
        assert answer.read() == (folder / "printed" / "prints_a_lot.out").read_bytes()

    webserver.send_signal(signal.SIGINT)
    assert webserver.wait(60) == 0
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{address}/server_info", timeout=5).close()
        except OSError:
            return
        time.sleep(0.2)
    pytest.fail("the webserver outlives Ctrl-C")
