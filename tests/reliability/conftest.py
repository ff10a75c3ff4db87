"""Small disks."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.dagster.conftest import make_manager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["make_manager"]

_AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a tmpfs with the given options, for example ``size=300k``."""
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        folder = tmp_path / f"disk-{len(mounted)}"
        folder.mkdir()
        owned = f"{options},mode=700,uid={os.geteuid()},gid={os.getegid()}"
        command = [*_AS_ROOT, "mount", "-t", "tmpfs", "-o", owned, "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            message = f"this test mounts a tmpfs; run it as root or with sudo: {done.stderr}"
            pytest.fail(message, pytrace=False)
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run([*_AS_ROOT, "umount", "-l", str(folder)], check=True)
