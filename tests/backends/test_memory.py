"""The memory storage, and that nothing holds on to bytes that were handed over."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from typing import TYPE_CHECKING

import pytest

from remote_store_fsspec._threads import DaemonThreads
from remote_store_fsspec.filesystem import RemoteStoreFileSystem

if TYPE_CHECKING:
    from devservers import Area


class Result:
    """Something that can tell whether it is still held."""


def test_an_idle_thread_holds_no_result_of_its_last_call() -> None:
    threads = DaemonThreads(1)
    held = weakref.ref(asyncio.run(threads.run(Result)))
    deadline = time.monotonic() + 5  # the thread may be a moment behind whoever waited for it
    while held() is not None and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
    assert held() is None


def test_an_open_file_lets_go_of_a_block_before_it_asks_for_the_next(
    memory_area: Area, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory_area.raw.write("file", bytes(range(100)))
    fs = RemoteStoreFileSystem(**memory_area.config())
    held = []
    with fs.open("file", "rb", block_size=10) as stream:
        ask = fs.cat_file

        def cat_file(path: str, start: int, end: int) -> bytes:
            held.append(stream.cache.cache)
            return bytes(ask(path, start, end))

        monkeypatch.setattr(fs, "cat_file", cat_file)
        assert b"".join(iter(lambda: stream.read(7), b"")) == bytes(range(100))
        assert stream.seek(3) == 3
        assert stream.read(4) == bytes(range(3, 7))
    assert len(held) > 5
    assert set(held) == {b""}


def test_no_copy_or_move_takes_the_place_of_a_directory(memory_area: Area) -> None:
    fs = RemoteStoreFileSystem(**memory_area.config())
    fs.pipe_file("file", b"1")
    fs.makedirs("empty")
    fs.pipe_file("full/file", b"2")
    for folder in ("empty", "full"):
        for put in (fs.cp_file, fs.mv_file):
            with pytest.raises(IsADirectoryError):
                put("file", folder)
        assert fs.info(folder)["type"] == "directory"
    assert fs.find("") == ["file", "full/file"]
