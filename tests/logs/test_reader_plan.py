"""Which object ranges hold a page."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from remote_store_fsspec.logs.reader import Segment, plan_pieces

TEXT = bytes(range(200))


@st.composite
def segment_sets(draw: st.DrawFn) -> list[Segment]:
    starts = draw(st.lists(st.integers(0, 150), unique=True, max_size=8))
    return [
        Segment(start, draw(st.integers(0, len(TEXT) - start)), f"s{start}")
        for start in sorted(starts)
    ]


def _read(segments: list[Segment], start: int, stop: int | None) -> bytes:
    contents = {segment.path: TEXT[segment.offset : segment.end] for segment in segments}
    return b"".join(
        contents[piece.path][piece.start : piece.end]
        for piece in plan_pieces(segments, start, stop)
    )


@given(segment_sets(), st.integers(0, 210), st.integers(0, 210))
def test_a_page_is_the_bytes_from_its_start_up_to_the_first_gap(
    segments: list[Segment], start: int, length: int
) -> None:
    covered = start
    while any(segment.offset <= covered < segment.end for segment in segments):
        covered += 1
    assert _read(segments, start, start + length) == TEXT[start : min(covered, start + length)]
    assert _read(segments, start, None) == TEXT[start:covered]


def test_a_merged_segment_is_read_instead_of_the_ones_it_replaces() -> None:
    segments = [Segment(0, 10, "a"), Segment(10, 40, "merged"), Segment(20, 10, "old")]
    assert [piece.path for piece in plan_pieces(segments, 12, None)] == ["merged"]


def test_another_managers_partial_is_one_segment_from_the_beginning() -> None:
    assert plan_pieces([Segment(0, 10, "k.out.partial")], 4, 8) == [("k.out.partial", 4, 8)]
