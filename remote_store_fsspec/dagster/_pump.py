"""Program: standard input to a staged file for as long as its disk has room, then only onwards.

Runs in a process of its own while the staging disk is nearly full (see `_overflow`). A thread
would not do: code that holds Python's lock while it prints more than a pipe holds would wait for
that thread for ever. It imports nothing but the standard library, so that it starts at once.

Arguments: descriptors of the staged file, of where the output goes otherwise, and of the answer
(how many bytes were not staged), and the path of a file whose removal makes room for one sentence.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

MARKER = (
    b"\n[remote-store-fsspec: the disk of the staging folder was full here. What was printed "
    b"after this is not in this log, only in the process's own output.]\n"
)

_BLOCK = 65536


def main(staged: int, onwards: int, answer: int, ballast: str) -> None:
    """Copy until every writer has closed the pipe."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # what is printed while ending is wanted too
    full, left_out = False, 0
    while block := os.read(0, _BLOCK):
        rest = memoryview(block)
        if not full:
            try:
                while rest:
                    rest = rest[os.write(staged, rest) :]
            except OSError:
                full = True
                _mark(staged, ballast)
        if rest:
            left_out += len(rest)
            with contextlib.suppress(OSError):
                while rest:
                    rest = rest[os.write(onwards, rest) :]
    os.write(answer, str(left_out).encode())


def _mark(staged: int, ballast: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(ballast)
    rest = MARKER
    for _ in range(20):
        try:
            rest = rest[os.write(staged, rest) :]
        except OSError:
            time.sleep(0.01)  # the blocks of a removed file come back a moment later
        if not rest:
            return


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
