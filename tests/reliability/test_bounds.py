"""Disk use of what is kept: bounded, reported, and never deleted without a word."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from devservers.proxy import Refuse
from remote_store_fsspec.logs import capture
from tests.reliability.support import impatient, staged_files

if TYPE_CHECKING:
    from pathlib import Path

    from devservers import Area

pytestmark = pytest.mark.server


@pytest.fixture
def away(
    s3_area: Area,
    proxied: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """A function that makes managers whose store is away."""
    from remote_store_fsspec.dagster import RemoteStoreComputeLogManager

    monkeypatch.setattr(capture, "RETRY_SECONDS", 0.0)
    proxy = proxied(s3_area)
    proxy.fault(Refuse())
    config = {**impatient(s3_area, proxy), "local_dir": str(tmp_path / "staging")}
    return lambda: RemoteStoreComputeLogManager(**config)


def _capture(manager: Any, name: str, text: str) -> None:
    with manager.capture_logs(["run", name]):
        sys.stdout.write(text)
        sys.stdout.flush()


def test_beyond_the_bound_a_kept_capture_is_shortened_and_earlier_ones_stay(
    away: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("REMOTE_STORE_FSSPEC_STAGING_BYTES", "300000")
    manager = away()
    texts = {name: f"begin {name}\n" + "é" * 100_000 + f"\nend {name}\n" for name in "abc"}
    for name, text in texts.items():
        _capture(manager, name, text)
    manager.dispose()
    kept = staged_files(tmp_path / "staging")
    assert kept["a.out"].decode() == texts["a"]
    for name in "bc":
        short = kept[f"{name}.out"].decode()
        assert len(short.encode()) <= 64 * 1024
        assert short.startswith(f"begin {name}\né")
        assert short.endswith(f"é\nend {name}\n")
        assert "passed its bound of 300000 bytes (REMOTE_STORE_FSSPEC_STAGING_BYTES)" in short
    said = [
        record.getMessage() for record in caplog.records if "are kept in" in record.getMessage()
    ]
    total = sum(len(content) for content in kept.values())
    assert f"takes {total} bytes" in said[-1]


def test_what_would_not_be_stored_is_not_kept_either(
    away: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_TRUNCATE_COMPUTE_LOGS_UPLOAD_BYTES", "10000")
    manager = away()
    _capture(manager, "a", "".join(f"line {number}\n" for number in range(10_000)))
    manager.dispose()
    text = staged_files(tmp_path / "staging")["a.out"].decode()
    assert len(text) <= 10_000
    assert text.startswith("line 0\n")
    assert text.endswith("line 9999\n")
    assert "(DAGSTER_TRUNCATE_COMPUTE_LOGS_UPLOAD_BYTES)" in text


def test_no_bound_keeps_everything(
    away: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REMOTE_STORE_FSSPEC_STAGING_BYTES", "0")
    manager = away()
    _capture(manager, "a", "x" * 200_000)
    manager.dispose()
    assert len(staged_files(tmp_path / "staging")["a.out"]) == 200_000
