"""A store that refuses, hangs or fails, at the wire in front of a real S3 server."""

from __future__ import annotations

# ruff: noqa: T201 - what these print is what is captured
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from dagster._core.storage.compute_log_manager import ComputeIOType

from devservers.proxy import Blackhole, Refuse, Reset, ResetAfterEffect, Status
from remote_store_fsspec.logs import capture
from tests.dagster.home import texts, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from devservers import Area

pytestmark = pytest.mark.server

KEY = ["run-1", "compute_logs", "abcdefgh"]
AT = "dagster/storage/run-1/compute_logs/abcdefgh"
FORBIDDEN = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>no</Message></Error>"


def _capture(manager: Any) -> None:
    with manager.capture_logs(KEY):
        print("out")
        print("err", file=sys.stderr)


def test_a_refused_reader_is_told_so_and_reads_on_later(
    s3_area: Area, proxied: Callable[[Area], Any], make_manager: Callable[..., Any]
) -> None:
    s3_area.raw.write(f"{AT}.out", b"text")
    s3_area.raw.write(f"{AT}.err", b"")
    proxy = proxied(s3_area)
    manager = make_manager(s3_area, via=proxy)
    rule = proxy.fault(Status(403, FORBIDDEN))
    first = manager.get_log_data(KEY)
    assert b"cannot be read right now: s3://" in first.stdout
    assert b"refused" in first.stdout
    assert first.stdout.count(b"\n") == 1
    assert first.cursor == "0:0"
    again = manager.get_log_data(KEY, first.cursor)
    assert manager.get_log_data(KEY, first.cursor).stdout is None
    assert again.cursor == "0:0"
    # The run page keeps working meanwhile.
    assert not manager.is_capture_complete(KEY)
    assert manager.get_log_metadata(KEY).stdout_location.endswith(f"{AT}.out")
    rule.remove()
    assert manager.get_log_data(KEY, first.cursor).stdout == b"text"


def test_a_store_that_is_down_while_reading_is_named(
    s3_area: Area, proxied: Callable[[Area], Any], make_manager: Callable[..., Any]
) -> None:
    proxy = proxied(s3_area)
    manager = make_manager(s3_area, via=proxy)
    proxy.fault(Refuse())
    shown = texts(manager, KEY)
    assert "cannot be read right now: s3://" in shown[0]
    assert "could not be reached" in shown[0]


@pytest.mark.parametrize(
    "fault", [Status(503), Reset(), ResetAfterEffect()], ids=["503", "reset", "answer lost"]
)
def test_a_final_upload_survives_failing_requests(
    s3_area: Area, proxied: Callable[[Area], Any], make_manager: Callable[..., Any], fault: Any
) -> None:
    proxy = proxied(s3_area)
    writer, reader = make_manager(s3_area, via=proxy), make_manager(s3_area)
    proxy.fault(fault, method="PUT", times=3)
    _capture(writer)
    assert texts(reader, KEY) == ("out\n", "err\n")
    assert reader.is_capture_complete(KEY)


def test_one_streams_failure_does_not_keep_the_other_from_being_stored(
    s3_area: Area,
    proxied: Callable[[Area], Any],
    make_manager: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(capture, "RETRY_SECONDS", 0.5)
    proxy = proxied(s3_area)
    staging = str(tmp_path / "staging")
    writer, reader = make_manager(s3_area, via=proxy, local_dir=staging), make_manager(s3_area)
    rule = proxy.fault(Status(503), method="PUT", path="*.out*")
    _capture(writer)
    assert s3_area.raw.keys() == [f"{AT}.err"]
    rule.remove()
    make_manager(s3_area, via=proxy, local_dir=staging)
    wait_for(lambda: s3_area.raw.keys() == [f"{AT}.err", f"{AT}.out"])
    wait_for(lambda: texts(reader, KEY) == ("out\n", "err\n"))


@pytest.mark.slow
def test_a_store_that_never_answers_does_not_keep_the_step(
    s3_area: Area,
    proxied: Callable[[Area], Any],
    make_manager: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy = proxied(s3_area)
    manager = make_manager(s3_area, via=proxy)
    manager.get_log_data(KEY)
    rule = proxy.fault(Blackhole())
    monkeypatch.setattr(capture, "RETRY_SECONDS", 1.0)
    begun = time.monotonic()
    _capture(manager)
    assert time.monotonic() - begun < capture.RETRY_SECONDS + 20
    assert texts(manager, KEY) == ("out\n", "err\n")
    rule.remove()


def test_an_interrupted_download_is_never_served_as_the_whole_log(
    s3_area: Area, proxied: Callable[[Area], Any], make_manager: Callable[..., Any]
) -> None:
    from pathlib import Path

    s3_area.raw.write(f"{AT}.out", b"x" * 300_000)
    proxy = proxied(s3_area)
    manager = make_manager(s3_area, via=proxy)
    rule = proxy.fault(Reset(after=100_000), method="GET", path="*.out*")
    with pytest.raises(OSError):  # noqa: PT011 - which one depends on where it was cut
        manager.download_from_cloud_storage(KEY, ComputeIOType.STDOUT)
    path = Path(manager.local_manager.get_captured_local_path(KEY, "out"))
    assert not path.exists()
    rule.remove()
    manager.download_from_cloud_storage(KEY, ComputeIOType.STDOUT)
    path = Path(manager.local_manager.get_captured_local_path(KEY, "out"))
    assert path.read_bytes() == b"x" * 300_000


def test_objects_are_plain_text_unless_configured_otherwise(
    s3_area: Area, s3_server: Any, make_manager: Callable[..., Any]
) -> None:
    for expected, more in (
        ("text/plain; charset=utf-8", {}),
        ("text/x-ansi", {"write_options": {"ContentType": "text/x-ansi"}}),
    ):
        _capture(make_manager(s3_area, **more))
        bucket = s3_area.container
        found = [
            s3_server.client().head_object(Bucket=bucket, Key=entry["Key"])["ContentType"]
            for entry in s3_server.client().list_objects_v2(Bucket=bucket)["Contents"]
            if entry["Key"].endswith(f"{AT}.out")
        ]
        assert found == [expected]
