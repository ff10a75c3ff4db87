"""Where a log may be cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_store_fsspec.logs.cut import Truncation, incomplete_tail


@given(st.text(max_size=40), st.integers(0, 200))
def test_what_is_left_of_a_cut_is_whole_characters(text: str, cut: int) -> None:
    data = text.encode("utf-8", "ignore")[:cut]
    kept = data[: len(data) - incomplete_tail(data)]
    kept.decode("utf-8")
    assert len(data) - len(kept) <= 3


@given(st.binary(max_size=30))
def test_any_bytes_lose_three_at_most(data: bytes) -> None:
    assert 0 <= incomplete_tail(data) <= min(3, len(data))


@pytest.mark.parametrize(
    "data", [b"", b"abc", "é".encode(), "😀".encode(), b"\x80\x80\x80", b"\xff"]
)
def test_finished_bytes_are_kept(data: bytes) -> None:
    assert incomplete_tail(data) == 0


def test_no_limit_truncates_nothing() -> None:
    assert not Truncation(0).exceeded(10**15)
    assert Truncation(0).head == 0


def test_a_small_limit_keeps_the_plain_head() -> None:
    assert Truncation(5).head == 5
    assert Truncation(5).tail == 0
    assert Truncation(5).marker(7) == b""


@given(st.integers(4096, 2**40), st.integers(0, 2**60))
def test_head_marker_and_tail_fit_into_the_limit(limit: int, left_out: int) -> None:
    truncation = Truncation(limit)
    assert truncation.head + truncation.tail + len(truncation.marker(left_out)) <= limit
    assert truncation.tail > limit // 3
