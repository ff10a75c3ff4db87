"""Configurations whose requests fail fast, and independent looks at what is staged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devservers import Area
    from devservers.proxy import Proxy

REPOSITORY = Path(__file__).parent.parent.parent

KEY = ["run-1", "compute_logs", "abcdefgh"]
AT = "dagster/storage/run-1/compute_logs/abcdefgh"


def impatient(area: Area, proxy: Proxy | None = None) -> dict[str, Any]:
    """The area's configuration with one attempt a request and timeouts of some seconds."""
    config = area.config(via=proxy)
    options = config["backend_options"]
    if area.name == "s3":
        options["retry"] = {"max_attempts": 1}
        options["client_options"] = {"config_kwargs": {"read_timeout": 3, "connect_timeout": 2}}
    elif area.name == "sftp":
        options |= {"timeout": 3, "io_timeout": 4}
    return config


def staged_files(local_dir: Path) -> dict[str, bytes]:
    """What the streams of all staged captures hold, by the key's last element and the stream."""
    found = {}
    for about in sorted(local_dir.rglob("capture.json")):
        name = json.loads(about.read_text())["log_key"][-1]
        for stream in ("out", "err"):
            path = about.parent / stream
            if path.exists():
                found[f"{name}.{stream}"] = path.read_bytes()
    return found


def join_final_uploads() -> None:
    """Waits for final uploads that go on although their capture has given up waiting."""
    for thread in threading.enumerate():
        if thread.name == "remote-store-fsspec-final":
            thread.join()


def command(*arguments: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`remote-store-fsspec` in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    if home is not None:
        environment["DAGSTER_HOME"] = str(home)
    return python(["-m", "remote_store_fsspec", *arguments], environment)


def python(
    arguments: Sequence[str], environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Python in a process of its own."""
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=90,
        cwd=REPOSITORY,
        env=environment,
        check=False,
    )
