"""Dagster's own test suite for compute log managers, fetched when the tests run.

It is in dagster's source distribution, not in its wheel, and is not ours to commit. `pip download`
gets the version that is installed; one file is kept below ``.cache/`` and imported from there.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

_CACHE = Path(__file__).parent.parent.parent / ".cache" / "dagster-suite"
_MEMBER = "dagster_tests/storage_tests/utils/compute_log_manager.py"
_DOWNLOAD_SECONDS = 300


class SuiteUnavailable(RuntimeError):  # noqa: N818 - said of the suite, read in a sentence
    """The suite could not be had; the message says why and what to do."""


def load() -> type[Any]:
    """Dagster's ``TestComputeLogManager``, to subclass at module level with ``__test__ = True``.

    When it cannot be had, a class with one test that fails and says why (or is skipped, for a
    dagster so old that its source distribution holds no tests): a missing suite is seen, and the
    other tests still run.
    """
    try:
        suite: type[Any] = _import(fetch()).TestComputeLogManager
    except SuiteUnavailable as error:
        return _stand_in(str(error))
    return suite


def fetch() -> Path:
    """The suite's file, from the cache or from the package index.

    Raises:
        SuiteUnavailable: The download failed, or that version has no tests in it.
    """
    wanted = version("dagster")
    target = _CACHE / wanted / "compute_log_manager.py"
    if not target.exists():
        with tempfile.TemporaryDirectory() as folder:
            source = _source_distribution(wanted, Path(folder))
            data = _member(source, wanted)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(f".{os.getpid()}")
        partial.write_bytes(data)
        partial.replace(target)
    return target


def _source_distribution(wanted: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
    done = subprocess.run(
        [*command, "--dest", str(folder), f"dagster=={wanted}"],
        capture_output=True,
        text=True,
        timeout=_DOWNLOAD_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    found = list(folder.glob("dagster-*.tar.gz"))
    if done.returncode or not found:
        raise SuiteUnavailable(
            f"Dagster's own suite is not here: `{' '.join(command)} dagster=={wanted}` ended with "
            f"{done.returncode}. It needs the package index. {done.stderr[-500:]}"
        )
    return found[0]


def _member(source: Path, wanted: str) -> bytes:
    with tarfile.open(source) as archive:
        try:
            member = archive.extractfile(f"dagster-{wanted}/{_MEMBER}")
        except KeyError:
            member = None
        if member is None:
            raise SuiteUnavailable(f"dagster {wanted} has no {_MEMBER} in its source distribution")
        return member.read()


def _import(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("dagster_compute_log_suite", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _stand_in(reason: str) -> type[Any]:
    class SuiteIsMissing:
        __test__ = False

        def test_dagsters_own_suite_can_be_fetched(self) -> None:
            if "has no" in reason:
                pytest.skip(reason)
            pytest.fail(reason)

    return SuiteIsMissing
