"""Odd log keys on every backend type, and deletion that is interrupted half-way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from dagster._core.storage.compute_log_manager import ComputeIOType

from devservers.proxy import Status
from remote_store_fsspec.errors import StoreError
from tests.dagster.home import texts
from tests.reliability.support import impatient

if TYPE_CHECKING:
    from collections.abc import Callable

    from devservers import Area

ODD = {
    "dots": ["..", "..", "x"],
    "one dot": ["a", ".", "x"],
    "empty": ["a", "", "b"],
    "absolute": ["/etc", "passwd"],
    "slash inside": ["a/b", "c"],
    "encoded": ["%2e%2e", "%2F", "x"],
    "backslash": ["a\\b", "..\\x"],
    "nul": ["a\0b", "x"],
    "newline": ["a\nb", "x\r\n"],
    "long": ["d" * 300, "é" * 300],
    "unicode": ["ключ", "鍵 😀"],
    "spaces": [" a b ", " "],
    "marks": ["#?%+&", "a#?%+&=;:@"],
    "prefix of another": ["p"],
    "below that one": ["p", "p"],
    "like its file": ["p.out", "x"],
    "escaped form": ["~=x", "~+"],
}


def test_every_odd_key_is_stored_and_read_back_and_none_is_another(
    any_location: Area, make_manager: Callable[..., Any]
) -> None:
    writer, reader = make_manager(any_location), make_manager(any_location)
    for name, key in ODD.items():
        with writer.open_log_stream(key, ComputeIOType.STDOUT) as stream:
            stream.write(name)
    for name, key in ODD.items():
        assert texts(reader, key) == (name, ""), key
    stored = any_location.raw.keys()
    assert len(stored) == 2 * len(ODD)
    assert all(path.startswith("dagster/storage/") and "/../" not in path for path in stored)
    writer.delete_logs(log_key=ODD["dots"])
    assert len(any_location.raw.keys()) == 2 * len(ODD) - 2
    for name, key in list(ODD.items())[1:]:
        assert texts(make_manager(any_location), key)[0] == name


@pytest.mark.server
def test_a_deletion_that_failed_half_way_is_finished_by_the_next(
    s3_area: Area, proxied: Any
) -> None:
    proxy = proxied(s3_area)
    for number in range(1005):
        s3_area.raw.write(f"dagster/storage/run/{number}.out", b"")
    s3_area.raw.write("dagster/storage/runner/x.out", b"a sibling")
    from remote_store_fsspec.dagster import RemoteStoreComputeLogManager

    manager = RemoteStoreComputeLogManager(**impatient(s3_area, proxy))
    with (
        proxy.fault(Status(500), method="POST", nth=2),
        pytest.raises((StoreError, OSError)),
    ):
        manager.delete_logs(prefix=["run"])
    left = len(s3_area.raw.keys("dagster/storage/run/"))
    assert 0 < left < 1005
    manager.delete_logs(prefix=["run"])
    assert s3_area.raw.keys() == ["dagster/storage/runner/x.out"]
    manager.delete_logs(prefix=["run"])
    manager.dispose()
