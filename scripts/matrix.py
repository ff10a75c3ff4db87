"""Runs the fast tests on every supported CPython of this machine and on the oldest libraries.

Each combination has an environment of its own below .venv-matrix, kept for the next time.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import bootstrap

if TYPE_CHECKING:
    from pathlib import Path

VERSIONS = ("3.10", "3.11", "3.12", "3.13")
OLDEST = "3.10"
FAST = ["-n", "2", "--dist", "loadscope", "-m", "not server and not slow", "-q"]


def interpreter(version: str) -> str | None:
    """A CPython of that version, from PATH or pyenv."""
    script = str(bootstrap.ROOT / "scripts" / "find-python")
    done = subprocess.run(["sh", script, version], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def environment(name: str, python: str, constraints: str, packages: list[str]) -> Path:
    """An environment with the package and its tests' needs; reused while the pins are the same."""
    folder = bootstrap.ROOT / ".venv-matrix" / name
    inside = folder / "bin" / "python"
    stamp = folder / ".pins"
    pins = "".join((bootstrap.ROOT / file).read_text() for file in (constraints, "pyproject.toml"))
    if stamp.exists() and stamp.read_text() == pins:
        return inside
    shutil.rmtree(folder, ignore_errors=True)
    bootstrap.run(
        f"{name}: making an environment from {python}",
        [python, "-m", "venv", str(folder)],
        hint="This Python needs its venv and ensurepip modules",
    )
    bootstrap.run(
        f"{name}: updating pip",
        [*bootstrap.pip(inside), "install", "--upgrade", "pip>=25.1"],
        hint=bootstrap.NETWORK_HINT,
    )
    bootstrap.run(
        f"{name}: installing {' '.join(packages)} at the versions of {constraints}",
        [*bootstrap.pip(inside), "install", "--progress-bar", "off", "-c", constraints, *packages],
        hint=bootstrap.NETWORK_HINT,
    )
    stamp.write_text(pins)
    return inside


def main(pytest_arguments: list[str]) -> int:
    """Returns 1 when a combination failed."""
    newest = ["-e", ".[all]", "--group", "test"]
    oldest = ["-e", ".[all]", "--group", "test-oldest"]
    runs = [(v, v, "constraints.txt", newest) for v in VERSIONS]
    runs.append((f"oldest-{OLDEST}", OLDEST, "constraints-oldest.txt", oldest))
    results: dict[str, str] = {}
    for name, version, constraints, packages in runs:
        python = interpreter(version)
        if python is None:
            results[name] = f"not run: no CPython {version} here (pyenv install {version})"
            continue
        inside = environment(name, python, constraints, packages)
        print(f"==> {name}: fast tests", flush=True)
        command = [str(inside), "-m", "pytest", *FAST, *pytest_arguments]
        status = subprocess.run(command, cwd=bootstrap.ROOT, check=False).returncode
        results[name] = "passed" if status == 0 else f"FAILED (pytest's status {status})"
    print()
    for name, result in results.items():
        print(f"{name:12} {result}")
    return int(any(result.startswith("FAILED") for result in results.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
