"""The final upload under every fault of the proxy: stored, or kept with the reason, then stored."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from devservers import SFTPServer
from devservers.proxy import (
    Blackhole,
    Fault,
    Refuse,
    Reset,
    ResetAfterEffect,
    Slow,
    Status,
    Truncate,
)
from remote_store_fsspec.dagster import RemoteStoreComputeLogManager
from remote_store_fsspec.logs import capture
from tests.reliability.support import AT, KEY, impatient, join_final_uploads, staged_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from devservers import Area

pytestmark = [pytest.mark.server, pytest.mark.slow]

TEXT = "".join(f"line {number} of a log of some size\n" for number in range(3000))
DENIED = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>no</Message></Error>"


class Scene:
    """A manager behind a proxy, and what it stored or kept."""

    def __init__(self, area: Area, proxy: Any, staging: Path) -> None:
        self.area = area
        self.proxy = proxy
        self.staging = staging
        self.config = {**impatient(area, proxy), "local_dir": str(staging)}
        self.manager = RemoteStoreComputeLogManager(**self.config)

    def capture(self, during: Any = lambda: None) -> None:
        with self.manager.capture_logs(KEY):
            sys.stdout.write(TEXT)
            sys.stdout.flush()
            during()

    def check_stored(self) -> None:
        assert self.area.raw.read(f"{AT}.out").decode() == TEXT
        assert self.area.raw.read(f"{AT}.err") == b""
        assert self.area.raw.keys() == [f"{AT}.err", f"{AT}.out"]
        assert staged_files(self.staging) == {}

    def check_kept(self) -> None:
        assert staged_files(self.staging) == {"abcdefgh.out": TEXT.encode(), "abcdefgh.err": b""}


@pytest.fixture
def scene(
    request: pytest.FixtureRequest,
    proxied: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Scene]:
    monkeypatch.setattr(capture, "RETRY_SECONDS", 2.0)
    area = request.getfixturevalue(f"{request.param}_area")
    scene = Scene(area, proxied(area), tmp_path / "staging")
    yield scene
    scene.manager.dispose()


def keeps_and_flushes(scene: Scene, fault: Fault, said: str, caplog: Any) -> None:
    rule = scene.proxy.fault(fault)
    scene.capture()
    scene.check_kept()
    texts = [
        record.getMessage() for record in caplog.records if "are kept in" in record.getMessage()
    ]
    assert len(texts) == 1, caplog.text
    assert str(scene.staging) in texts[0]
    assert said in texts[0]
    rule.remove()
    join_final_uploads()
    # Unless the manager's own next try has stored it by now.
    assert all(leftover.reason is None for leftover in scene.manager.flush())
    scene.check_stored()


@pytest.mark.parametrize("scene", ["s3"], indirect=True)
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Refuse(), "could not be reached"),
        (Blackhole(), ""),
        (Status(500), ""),
        (Status(503), ""),
        (Status(403, DENIED), "refused"),
    ],
    ids=["refuse", "hang", "500", "503", "403"],
)
def test_a_fault_on_s3_that_lasts_keeps_the_log_says_why_and_a_flush_stores_it(
    scene: Scene, fault: Fault, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    keeps_and_flushes(scene, fault, said, caplog)


@pytest.mark.parametrize("scene", ["sftp"], indirect=True)
@pytest.mark.parametrize(
    "fault",
    [Refuse(), Blackhole(), Reset(after=3000), Truncate(after=3000)],
    ids=["refuse", "hang", "reset", "truncate"],
)
def test_a_fault_on_sftp_that_lasts_keeps_the_log_says_why_and_a_flush_stores_it(
    scene: Scene, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    keeps_and_flushes(scene, fault, "sftp://", caplog)


@pytest.mark.parametrize("scene", ["s3"], indirect=True)
@pytest.mark.parametrize(
    "fault",
    [Status(500), Status(503), Reset(), Truncate(), ResetAfterEffect(), Blackhole()],
    ids=["500", "503 burst", "reset", "truncated answer", "answer lost", "hang"],
)
def test_a_fault_on_s3_that_passes_costs_nothing(
    scene: Scene,
    fault: Fault,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(capture, "RETRY_SECONDS", 20.0)
    scene.proxy.fault(fault, times=2)
    scene.capture()
    scene.check_stored()
    assert "are kept in" not in caplog.text


@pytest.mark.parametrize("scene", ["s3", "sftp"], indirect=True)
def test_a_slow_store_gets_the_log(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "RETRY_SECONDS", 20.0)
    scene.proxy.fault(Slow(latency=0.05))
    scene.capture()
    scene.check_stored()


@pytest.mark.parametrize("scene", ["s3", "sftp"], indirect=True)
def test_a_store_that_comes_back_within_the_bound_gets_the_log(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "RETRY_SECONDS", 20.0)
    rule = scene.proxy.fault(Refuse())
    timer = threading.Timer(2.0, rule.remove)
    timer.start()
    scene.capture()
    timer.join()
    scene.check_stored()


@pytest.mark.parametrize("scene", ["s3"], indirect=True)
def test_one_warning_is_given_whatever_the_number_of_failing_requests(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    def tick() -> None:
        for _ in range(5):
            scene.manager.on_progress(KEY)

    rule = scene.proxy.fault(Status(403, DENIED))
    scene.capture(tick)
    rule.remove()
    partial = [record for record in caplog.records if "partial upload" in record.getMessage()]
    final = [record for record in caplog.records if "are kept in" in record.getMessage()]
    assert (len(partial), len(final)) == (1, 1)


def test_a_server_that_restarts_at_the_end_of_a_step_gets_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "RETRY_SECONDS", 20.0)
    with SFTPServer() as server:
        area = server.new_area()
        config = {**impatient(area), "local_dir": str(tmp_path / "staging")}
        manager = RemoteStoreComputeLogManager(**config)
        starter = threading.Timer(2.0, server.start)
        with manager.capture_logs(KEY):
            sys.stdout.write("before")
            sys.stdout.flush()
            manager.on_progress(KEY)
            assert area.raw.read(f"{AT}.out.partial") == b"before"
            server.stop()
            starter.start()
            sys.stdout.write(" after")
            sys.stdout.flush()
        starter.join()
        assert area.raw.read(f"{AT}.out") == b"before after"
        assert area.raw.keys() == [f"{AT}.err", f"{AT}.out"]
        assert staged_files(tmp_path / "staging") == {}
        manager.dispose()
