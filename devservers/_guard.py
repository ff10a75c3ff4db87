"""Runs one server program and ends it together with whoever asked for it.

Started as ``python _guard.py program arguments...`` in a session of its own, with one end of a
socket pair as standard input. The first line written there is the program's process id. When the
other end is closed (by `stop`, or because the test run was killed outright), the whole process
group ends. Standard library only, so that it starts in a few milliseconds under ``python -S``.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time

_GRACE_SECONDS = 2.0


def main(command: list[str]) -> int:
    """Returns the program's exit status."""
    ignore_ourselves = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write)
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        # An ignored signal is inherited, and a server that ignores SIGTERM takes the long way out.
        preexec_fn=lambda: signal.signal(signal.SIGTERM, ignore_ourselves),  # noqa: PLW1509
    )
    os.write(0, f"{child.pid}\n".encode())
    while child.poll() is None:
        ready, _, _ = select.select([0, wake_read], [], [])
        if wake_read in ready:
            os.read(wake_read, 512)
        elif 0 in ready and not os.read(0, 512):
            break
    _end_group(child)
    return child.returncode or 0


def _end_group(child: subprocess.Popen[bytes]) -> None:
    group = os.getpgrp()
    os.killpg(group, signal.SIGTERM)
    os.killpg(group, signal.SIGCONT)  # a paused program cannot act on the first signal
    deadline = time.monotonic() + _GRACE_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    if child.poll() is None:
        child.kill()
        child.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
