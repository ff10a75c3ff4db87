"""What the tests of several backends use."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def run_python(code: str) -> str:
    """What a fresh interpreter prints on running `code`, warnings being errors."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def names_in(folder: Path) -> list[str]:
    """The names in a folder of this machine's disk, sorted."""
    return sorted(path.name for path in folder.iterdir())
