"""What the tests of the three object stores share."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from remote_store_fsspec import RemoteStoreFileSystem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devservers import Area
    from devservers.proxy import Proxy

DIGITS = b"0123456789"
BOUNDS = (None, -20, -10, -3, -1, 0, 1, 5, 9, 10, 11, 100)

ODD_NAMES = (
    "space and ümlaut/emoji 😀",
    "hash#1700000000",
    "query?versionId=null",
    "percent%20and%2F%25",
    "plus+and=and&and;",
    "glob*[a-b]?{x}",
    "quotes'\"`$(x)",
    "angle<>|^~:@!,",
    "trailing space ",
    ".hidden",
)

CALLS: tuple[Callable[[RemoteStoreFileSystem], object], ...] = (
    lambda fs: fs.cat_file("x"),
    lambda fs: fs.exists("x"),
    lambda fs: fs.isfile("x"),
    lambda fs: fs.find(""),
    lambda fs: fs.ls("x"),
    lambda fs: fs.pipe_file("x", b"x"),
    lambda fs: fs.pipe_file("x", bytes(6 * 2**20)),
    lambda fs: fs.cp_file("x", "y"),
    lambda fs: fs.rm_file("x"),
    lambda fs: fs.rm_files(["x", "y"]),
)
CALL_NAMES = ["cat", "exists", "isfile", "find", "ls", "pipe", "large", "cp", "rm", "rm many"]


def opened(area: Area, *, via: Proxy | None = None, timeout: float = 30.0) -> RemoteStoreFileSystem:
    """The area's folder `root` as a filesystem of its own."""
    config = area.config("root", via=via)
    return RemoteStoreFileSystem(**config, timeout=timeout, skip_instance_cache=True)


@contextmanager
def faster_than(seconds: float) -> Iterator[None]:
    """Fails when the block takes many times as long as it may."""
    start = time.monotonic()
    yield
    assert time.monotonic() - start < seconds


def run_python(code: str, **values: Any) -> subprocess.CompletedProcess[str]:
    """Runs `code` in a fresh interpreter where a warning is an error."""
    lines = [f"{name} = {value!r}" for name, value in values.items()]
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join([*lines, code])],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=dict(os.environ),
    )


FORK_AND_LEAVE = """
import os, sys
from remote_store_fsspec import RemoteStoreFileSystem
fs = RemoteStoreFileSystem(**config, timeout=20)
fs.pipe_file("parent", b"1")
child = os.fork()
if child == 0:
    assert fs.cat_file("parent") == b"1"
    fs.pipe_file("child", b"2")
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
assert fs.cat_file("child") == b"2"
"""
"""A forked child uses the parent's filesystem; both leave through the normal exit."""
