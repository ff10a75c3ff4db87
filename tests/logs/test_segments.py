"""How many segments there are and what they cost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_store_fsspec.logs.segments import MAX_LIVE, Ledger


def _run(sizes: list[int]) -> tuple[Ledger, int, int]:
    """Grow by each size in turn: the ledger, the bytes sent and the most segments at a time."""
    ledger, total, sent, most = Ledger(), 0, 0, 0
    for size in sizes:
        total += size
        upload = ledger.plan(total)
        if upload is not None:
            sent += upload.end - upload.start
            ledger.done(upload)
            most = max(most, len(ledger.starts))
    return ledger, sent, most


def test_twenty_ticks_send_every_byte_once() -> None:
    ledger, sent, _ = _run([1000] * 20)
    assert sent == 20_000
    assert ledger.uploads == 20


@pytest.mark.parametrize("ticks", [100, 500, 1024, 3000, 5000])
def test_long_runs_stay_below_three_times_the_log(ticks: int) -> None:
    _, sent, most = _run([1000] * ticks)
    final = 1000 * ticks
    assert sent + final <= 3 * final
    assert most <= MAX_LIVE


def test_the_number_of_segments_is_bounded_on_a_run_of_any_length() -> None:
    _, sent, most = _run([10] * 30_000)
    assert most <= MAX_LIVE
    assert sent + 300_000 <= 4 * 300_000


def test_nothing_new_is_nothing_to_send() -> None:
    ledger, _, _ = _run([5])
    assert ledger.plan(5) is None


def test_a_late_line_waits_three_ticks_at_most() -> None:
    ledger, _, _ = _run([100] * 1100)
    size = ledger.end + 1
    assert [ledger.plan(size) is None for _ in range(4)] == [True, True, True, False]


def test_a_burst_does_not_wait() -> None:
    ledger, _, _ = _run([100] * 1100)
    assert ledger.plan(ledger.end + 100_000) is not None


def test_a_flush_does_not_wait() -> None:
    ledger, _, _ = _run([100] * 1100)
    assert ledger.plan(ledger.end + 1, flush=True) is not None


@given(st.lists(st.integers(0, 50), max_size=600))
def test_the_segments_hold_every_sent_byte_exactly_once(sizes: list[int]) -> None:
    ledger, total = Ledger(), 0
    held: dict[int, int] = {}
    for size in sizes:
        total += size
        upload = ledger.plan(total)
        if upload is None:
            continue
        # A name that exists is only ever replaced by more bytes from the same offset.
        assert held.get(upload.start, upload.start) <= upload.end
        held[upload.start] = upload.end
        for start in upload.replaces:
            del held[start]
        ledger.done(upload)
        assert sorted(held) == ledger.starts
        ends = [0, *(held[start] for start in sorted(held))]
        assert ends[:-1] == sorted(held)
        assert ends[-1] == ledger.end
