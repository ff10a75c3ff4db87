"""Point 1: `cat_file(p, start, end)` is exactly `bytes[start:end]`."""

from __future__ import annotations

import random

from ..core import CaseFailed, Contract, NotApplicable, case, equal, raises, show, true
from ..subject import FilesystemSubject

__all__ = ["Ranges"]

DATA = b"0123456789"
Bound = int | None


class Ranges(Contract):
    """A range is a Python slice, and costs what it moves."""

    group = "ranges"
    point = "1. Ranges"
    subject: FilesystemSubject

    def _slices(self, bounds: list[tuple[Bound, Bound]], data: bytes = DATA) -> None:
        path = self.subject.write("digits", data)
        for start, end in bounds:
            what = f"cat_file(p, {start}, {end}) of {len(data)} bytes"
            try:
                got = bytes(self.subject.fs.cat_file(path, start, end))
            except Exception as error:
                message = f"{what}: expected {show(data[start:end])}, got {show(error)}"
                raise CaseFailed(message) from error
            equal(what, got, data[start:end])

    @case()
    def a_whole_file_is_read_unchanged(self) -> None:
        """`cat_file(p)` returns every byte, binary and empty files included."""
        for name, data in {
            "binary": bytes(range(256)) * 5,
            "empty": b"",
            "crlf": b"a\r\nb\n",
        }.items():
            equal(
                f"cat_file of {name}",
                self.subject.fs.cat_file(self.subject.write(name, data)),
                data,
            )

    @case()
    def a_range_inside_the_file_is_that_slice(self) -> None:
        """Both bounds inside the file."""
        self._slices([(0, 10), (0, 1), (3, 7), (9, 10), (1, 9)])

    @case()
    def an_open_range_reaches_the_start_or_the_end(self) -> None:
        """One bound missing means from the start, or to the end."""
        self._slices([(3, None), (0, None), (None, 4), (None, None), (None, 10)])

    @case()
    def a_range_beyond_the_end_is_cut_at_the_end(self) -> None:
        """An end past the size is the size."""
        self._slices([(5, 100), (0, 11), (None, 1000), (9, 10_000_000)])

    @case()
    def a_range_starting_at_the_end_is_empty(self) -> None:
        """A start equal to the size is `b""`, not an error."""
        self._slices([(10, None), (10, 12), (10, 10)])

    @case()
    def a_range_starting_past_the_end_is_empty(self) -> None:
        """A start beyond the size is `b""`, not an error."""
        self._slices([(11, None), (15, 20), (10_000_000, None)])

    @case()
    def a_negative_start_counts_from_the_end(self) -> None:
        """`-n` is `size - n`, never before the start."""
        self._slices([(-4, None), (-1, None), (-10, None), (-100, None), (-100, 5), (-4, 100)])

    @case()
    def a_negative_end_counts_from_the_end(self) -> None:
        """A negative end leaves that many bytes off."""
        self._slices([(None, -3), (2, -2), (-4, -1), (-100, -9), (0, -10), (-3, -7)])

    @case()
    def a_range_of_no_length_is_empty(self) -> None:
        """`start == end`, or an end before the start, is `b""`."""
        self._slices([(4, 4), (0, 0), (7, 3), (None, 0)])

    @case()
    def every_range_of_an_empty_file_is_empty(self) -> None:
        """An empty file has a range for every question."""
        self._slices([(0, 5), (0, None), (None, None), (-3, None), (None, -1), (2, 4)], b"")

    @case()
    def any_range_is_that_slice(self) -> None:
        """Random bounds on a longer file agree with Python."""
        rng = random.Random(20261122)  # noqa: S311 - a repeatable walk
        data = rng.randbytes(5000)
        bounds: list[tuple[Bound, Bound]] = [
            (
                rng.choice([None, rng.randint(-6000, 6000)]),
                rng.choice([None, rng.randint(-6000, 6000)]),
            )
            for _ in range(40)
        ]
        self._slices(bounds, data)

    @case()
    def many_ranges_are_read_at_once(self) -> None:
        """`cat_ranges` gives each range of each file, in order."""
        one = self.subject.write("one", DATA)
        two = self.subject.write("two", DATA[::-1])
        got = self.subject.fs.cat_ranges([one, two, one], [0, 2, -3], [4, 5, None])
        equal("cat_ranges", [bytes(part) for part in got], [b"0123", b"765", b"789"])

    @case()
    def a_range_of_a_missing_file_is_file_not_found(self) -> None:
        """Asking for no bytes of nothing is still an error."""
        path = self.subject.path("nothing")
        for start, end in [(0, 5), (3, 3), (-5, None), (7, 2)]:
            raises(
                FileNotFoundError,
                f"cat_file(missing, {start}, {end})",
                self.subject.fs.cat_file,
                path,
                start,
                end,
            )

    @case()
    def an_open_file_seeks_and_reads_like_a_local_one(self) -> None:
        """`open("rb")` supports seek from both ends, tell, partial and past-the-end reads."""
        path = self.subject.write("digits", DATA * 1000)
        with self.subject.fs.open(path, "rb") as stream:
            equal("read(4)", stream.read(4), b"0123")
            equal("tell()", stream.tell(), 4)
            stream.seek(-3, 2)
            equal("read() after seek(-3, 2)", stream.read(), b"789")
            equal("read() at the end", stream.read(), b"")
            stream.seek(5005)
            equal("read(10) after seek(5005)", stream.read(10), b"5678901234")
            stream.seek(20000)
            equal("read(5) past the end", stream.read(5), b"")
            stream.seek(0)
            equal("read() from the start", stream.read(), DATA * 1000)

    @case()
    def lines_are_read_from_an_open_file(self) -> None:
        """Iteration, `readline` and text mode see the lines that were written."""
        path = self.subject.write("lines", "première\nsecond\nlast".encode())
        with self.subject.fs.open(path, "rb") as stream:
            equal(
                "list(open(p, 'rb'))", list(stream), ["première\n".encode(), b"second\n", b"last"]
            )
        with self.subject.fs.open(path, "r", encoding="utf-8") as stream:
            equal("open(p, 'r').read()", stream.read(), "première\nsecond\nlast")
        equal("head(p, 8)", self.subject.fs.head(path, 8), "premièr".encode())
        equal("tail(p, 4)", self.subject.fs.tail(path, 4), b"last")

    @case()
    def a_range_moves_only_its_bytes(self) -> None:
        """A kilobyte out of the middle of 4 MiB costs kilobytes on the wire."""
        if self.subject.faults is None:
            message = "nothing counts the bytes on the wire"
            raise NotApplicable(message)
        path = self.subject.write("large", bytes(4 * 2**20))
        fs = self.subject.faults.spec.open(skip_instance_cache=True).fs
        fs.cat_file(path, 0, 10)
        with self.subject.faults.record() as wire:
            equal("length", len(fs.cat_file(path, 2**20, 2**20 + 1000)), 1000)
        true(f"1000 bytes cost {wire.bytes_down} bytes down", wire.bytes_down < 64 * 1024)
