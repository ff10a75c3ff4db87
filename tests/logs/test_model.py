"""Every reader sees a prefix of what was written, and at the end all of it, whatever fails."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from remote_store_fsspec.logs.cut import Truncation
from remote_store_fsspec.logs.layout import STREAMS
from remote_store_fsspec.logs.segments import Ledger
from remote_store_fsspec.logs.store import LogStore
from remote_store_fsspec.logs.writer import StreamWriter
from tests.logs.faulty import FaultyFiles

if TYPE_CHECKING:
    from remote_store_fsspec.logs.layout import Stream

MOST = 3
KEY = ["run", "compute_logs", "step"]

faults = st.lists(st.sampled_from(["ok", "ok", "before", "after"]), max_size=4)
some_text = st.text(alphabet="aé😀\n", max_size=30)


class _Viewer:
    def __init__(self, files: FaultyFiles) -> None:
        self.store = LogStore(files, "logs")
        self.cursor: str | None = None
        self.seen: dict[str, bytes] = {"out": b"", "err": b""}

    def read(self, max_bytes: int | None) -> bool:
        """Read a page; whether anything came."""
        pages = self.store.pages(KEY, self.cursor, max_bytes)
        self.seen["out"] += pages.out or b""
        self.seen["err"] += pages.err or b""
        moved = pages.cursor != (self.cursor or "0:0")
        self.cursor = pages.cursor
        return moved


class LogModel(RuleBasedStateMachine):
    """One writer that may be restarted, two viewers, requests that fail at any point."""

    @initialize(limit=st.sampled_from([0, 37, 4200]), skip_empty=st.booleans())
    def begin(self, limit: int, skip_empty: bool) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.files = FaultyFiles()
        self.store = LogStore(self.files, "logs", skip_empty=skip_empty)
        self.truncation = Truncation(limit)
        self.written: dict[Stream, bytes] = {"out": b"", "err": b""}
        self.finals: dict[Stream, bool] = {}
        self.finishing = self.sealed = False
        self.viewers = [_Viewer(self.files), _Viewer(self.files)]
        for stream in STREAMS:
            self._path(stream).touch()
        self._new_writers()

    @precondition(lambda self: not self.finishing)
    @rule(stream=st.sampled_from(STREAMS), text=some_text, times=st.sampled_from([1, 1, 40]))
    def print_something(self, stream: Stream, text: str, times: int) -> None:
        data = text.encode() * times
        with self._path(stream).open("ab") as file:
            file.write(data)
        self.written[stream] += data

    @precondition(lambda self: not self.finishing)
    @rule(stream=st.sampled_from(STREAMS), failing=faults, flush=st.booleans())
    def tick(self, stream: Stream, failing: list[str], flush: bool) -> None:
        self.files.faults.extend(failing)
        with contextlib.suppress(ConnectionError):
            self.writers[stream].tick(flush=flush)
        self.files.faults.clear()

    @rule(which=st.integers(0, 1), max_bytes=st.sampled_from([1, 2, 5, 64, None]), failing=faults)
    def look(self, which: int, max_bytes: int | None, failing: list[str]) -> None:
        self.files.faults.extend(failing)
        self.viewers[which].read(max_bytes)
        self.files.faults.clear()

    @precondition(lambda self: not self.sealed)
    @rule(failing=faults)
    def finish(self, failing: list[str]) -> None:
        self.finishing = True  # the process prints nothing more, whatever becomes of the upload
        self.files.faults.extend(failing)
        try:
            for stream in STREAMS:
                self.finals[stream] = self.writers[stream].finish()
            missing = [stream for stream in STREAMS if not self.finals[stream]]
            self.store.destination.seal(KEY, missing)
            self.sealed = True
            for writer in self.writers.values():
                if writer.segments:
                    self.files.rm_files(writer.segments, missing_ok=True)
        except ConnectionError:
            pass
        self.files.faults.clear()

    @precondition(lambda self: self.finishing and not self.sealed)
    @rule()
    def another_process_takes_over(self) -> None:
        self._new_writers()

    @invariant()
    def viewers_see_a_prefix(self) -> None:
        for viewer in getattr(self, "viewers", []):
            for stream in STREAMS:
                seen = viewer.seen[stream]
                expected = self._expected(stream, seen)
                assert expected.startswith(seen), (stream, seen[-40:], expected[-80:])

    @invariant()
    def the_number_of_segments_is_bounded(self) -> None:
        if hasattr(self, "files"):
            for stream in STREAMS:
                live = [name for name in self.files.objects if f".{stream}.partial" in name]
                # A merge whose deletion failed keeps what it replaced until the next tick.
                assert len(live) <= 2 * MOST

    def teardown(self) -> None:
        if not hasattr(self, "files"):
            return
        try:
            while not self.sealed:
                self.finish([])
            for viewer in self.viewers:
                while viewer.read(None):
                    pass
                for stream in STREAMS:
                    final = self.files.objects.get(self.store.layout.final(KEY, stream), b"")
                    assert viewer.seen[stream] == final
                    assert self._kept_whole(stream, final)
                snapshot = viewer.store.snapshot(KEY)
                assert snapshot.complete
        finally:
            self.folder.cleanup()

    def _kept_whole(self, stream: Stream, final: bytes) -> bool:
        written, limit = self.written[stream], self.truncation.limit
        if not self.truncation.exceeded(len(written)):
            return final == written
        if not self.truncation.tail:
            return written.startswith(final) and len(final) >= limit - 3
        head, _, tail = final.partition(b"\n[remote-store-fsspec: ")
        return written.startswith(head) and written.endswith(tail.partition(b"]\n")[2])

    def _expected(self, stream: Stream, seen: bytes) -> bytes:
        final = self.files.objects.get(self.store.layout.final(KEY, stream))
        return self.written[stream] if final is None or seen in self.written[stream] else final

    def _path(self, stream: Stream) -> Path:
        return Path(self.folder.name) / stream

    def _new_writers(self) -> None:
        self.writers = {
            stream: StreamWriter(
                self.store.destination, KEY, stream, str(self._path(stream)), self.truncation
            )
            for stream in STREAMS
        }
        for writer in self.writers.values():
            writer._ledger = Ledger(most=MOST, unbatched=5)


TestLogModel = LogModel.TestCase
TestLogModel.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,  # one gate, one answer; `hypothesis` explores without this line
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
