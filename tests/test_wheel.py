"""The package as a user installs it: from the wheel, in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

# Building and installing need the package index, so these do not belong to the fast tests.
pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(600)]

_ROOT = Path(__file__).parent.parent


def _run(command: Sequence[str], cwd: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir"]
    _run([*build, str(out), str(_ROOT)], _ROOT)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter of a clean environment with the wheel and two extras."""
    folder = tmp_path_factory.mktemp("environment")
    _run([sys.executable, "-m", "venv", str(folder)], folder)
    python = str(folder / "bin" / "python")
    install = [python, "-m", "pip", "install", "-q", "--no-compile", "--no-input"]
    constraints = ["-c", str(_ROOT / "constraints.txt")]
    _run([*install, *constraints, f"remote-store-fsspec[dagster,s3] @ {wheel.as_uri()}"], folder)
    return python


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A working folder from which the checkout cannot be imported by accident."""
    return tmp_path


def test_the_wheel_holds_the_package_its_types_and_the_licence(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert len(tops) == 2, tops
    assert "remote_store_fsspec/py.typed" in names
    assert "remote_store_fsspec/conformance/__main__.py" in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_it_imports_and_its_types_are_announced(python: str, elsewhere: Path) -> None:
    code = (
        "import pathlib, remote_store_fsspec as r\n"
        "print(r.__version__, (pathlib.Path(r.__file__).parent / 'py.typed').exists())\n"
        "print(r.__file__)"
    )
    first, place = _run([python, "-c", code], elsewhere).splitlines()
    assert first.endswith(" True")
    assert Path(place).is_relative_to(Path(python).parent.parent)


def test_fsspec_finds_the_protocol_by_its_entry_point(python: str, elsewhere: Path) -> None:
    code = "import fsspec; print(fsspec.get_filesystem_class('remote-store').__name__)"
    assert _run([python, "-c", code], elsewhere).strip() == "RemoteStoreFileSystem"


def test_dagster_finds_the_compute_log_manager(python: str, elsewhere: Path) -> None:
    code = "from remote_store_fsspec.dagster import RemoteStoreComputeLogManager as m; print(m)"
    assert "RemoteStoreComputeLogManager" in _run([python, "-c", code], elsewhere)


def test_the_terminal_command_is_installed(python: str, elsewhere: Path) -> None:
    command = Path(python).with_name("remote-store-fsspec")
    assert "flush" in _run([str(command), "logs", "--help"], elsewhere)


@pytest.mark.parametrize("place", ["folder", "memory"])
def test_the_conformance_harness_runs_from_it(python: str, elsewhere: Path, place: str) -> None:
    store = elsewhere / "store"
    store.mkdir()
    url = store.as_uri() if place == "folder" else "memory://scratch"
    report, junit = elsewhere / "report.json", elsewhere / "report.xml"
    said = _run(
        [
            *(python, "-m", "remote_store_fsspec.conformance", "--url", url),
            *("--only", "ranges.a_range_inside*", "--only", "alive.a_forked_child*"),
            *("--only", "rooted.reading*", "--json", str(report), "--junit", str(junit)),
        ],
        elsewhere,
    )
    results = json.loads(report.read_text(encoding="utf-8"))
    statuses = {case["id"]: case["status"] for case in results["cases"]}
    assert list(statuses.values()) == ["pass"] * 3, statuses
    (suite,) = ET.parse(junit).getroot().iter("testsuite")  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures")) == ("3", "0")
    assert "passed" in said
    assert list(store.iterdir()) == []


def test_the_harness_says_by_its_exit_code_that_a_rule_is_broken(
    python: str, elsewhere: Path
) -> None:
    command = [python, "-m", "remote_store_fsspec.conformance", "--url", "memory://scratch"]
    broken = [*command, "--raw", "--only", "names.deleting_a_name_with_wildcards*"]
    done = subprocess.run(broken, capture_output=True, text=True, cwd=elsewhere, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed" in done.stdout


def test_a_missing_extra_is_named_with_its_pip_line(python: str, elsewhere: Path) -> None:
    code = (
        "import remote_store_fsspec as r\n"
        "try:\n"
        "    fs = r.filesystem('sftp', host='127.0.0.1', username='u', password='p')\n"
        "    fs.exists('x')\n"
        "except r.MissingExtraError as error:\n"
        "    print(error)"
    )
    said = _run([python, "-c", code], elsewhere)
    assert 'pip install "remote-store-fsspec[sftp]"' in said
