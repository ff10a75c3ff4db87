"""Write docs/support-matrix.md: the conformance harness run on ours and on everybody else's.

    python scripts/support_matrix.py                 the columns that have no result yet, then the page
    python scripts/support_matrix.py --again         every column anew
    python scripts/support_matrix.py --only s3fs     one column again, then the page
    python scripts/support_matrix.py --render        the page from the results of earlier runs

Each column runs in a process of its own, two at a time: some libraries hang, or do not let Python
end. A column's time is limited; the cases that did not come to their turn are written down as such.
Results are kept below build/support-matrix, so a run that was broken off goes on where it stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import support_page  # noqa: E402

from conformance import (  # noqa: E402
    FILESYSTEM_CONTRACT,
    FilesystemSpec,
    FilesystemSubject,
    Sizes,
    cases_of,
    report,
    run,
    runner,
)
from conformance.faults import ProxyFaults  # noqa: E402
from devservers import (  # noqa: E402
    Area,
    AzureServer,
    FTPServer,
    GCSServer,
    S3Server,
    Server,
    SFTPServer,
    WebDAVServer,
    local_area,
    memory_area,
)
from devservers.proxy import Proxy  # noqa: E402

RESULTS = ROOT / "build" / "support-matrix"
SERVERS: Mapping[str, type[Server]] = {
    "s3": S3Server,
    "azure": AzureServer,
    "sftp": SFTPServer,
    "gs": GCSServer,
    "ftp": FTPServer,
    "webdav": WebDAVServer,
}
TIMEOUT = 3.0
"""Seconds that a filesystem is told to wait for one request."""
CASE_SECONDS = 90.0
"""Limit of one case: a library that needs longer is written down as not answering."""
COLUMN_SECONDS = 900.0
"""Limit of one column: no case begins after it."""
GRACE_SECONDS = 2 * CASE_SECONDS + 120
"""What the last case and the tidying up of a column may take beyond its limit."""
AT_ONCE = 2
PLAIN_GCSFS: Mapping[str, str] = {"GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}
"""Else gcsfs asks first for something that the emulator does not have, and waits for it."""
FILESYSTEM_SIZES = Sizes(objects=1100, megabytes=32, steps=400, names=40, seconds=1.0)
# Every request to Google's emulator takes longer the more objects it holds.
SMALLER = {"gs": dataclasses.replace(FILESYSTEM_SIZES, objects=250, steps=200, names=25)}
MANAGER_SIZES = Sizes(objects=1100)
SMALLER_MANAGER = {"gs": Sizes(objects=250)}

# How each raw library is told to give up in time, in its own words, so that it is not measured by
# defaults that its users change. A library without such options has none here.
RAW_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "s3": {
        "config_kwargs": {
            "connect_timeout": TIMEOUT,
            "read_timeout": TIMEOUT,
            "signature_version": "s3v4",
        }
    },
    "azure": {"connection_timeout": TIMEOUT, "read_timeout": TIMEOUT},
    "sftp": {"connect_timeout": TIMEOUT, "keepalive_interval": TIMEOUT, "keepalive_count_max": 2},
    "gs": {"timeout": TIMEOUT},
}


@dataclasses.dataclass(frozen=True)
class Column:
    """One subject of the page.

    Attributes:
        name: Heading.
        kind: ``"filesystem"`` or ``"manager"``.
        storage: Which server, or ``local``, ``memory``, ``dir``.
        target: ``module:Class`` of a manager, ``"raw"`` or ``"ours"`` of a filesystem.
    """

    name: str
    kind: str
    storage: str
    target: str

    @property
    def file(self) -> Path:
        """Where its results are kept."""
        return RESULTS / f"{self.kind}-{self.name.replace(' ', '-').replace(':', '')}.json"


OURS = "remote_store_fsspec.dagster:RemoteStoreComputeLogManager"
COLUMNS = (
    *(Column(name, "filesystem", name, "ours") for name in ("local", "memory", *SERVERS)),
    Column("dir::", "filesystem", "dir", "ours"),
    Column("s3fs", "filesystem", "s3", "raw"),
    Column("adlfs", "filesystem", "azure", "raw"),
    Column("sshfs", "filesystem", "sftp", "raw"),
    Column("gcsfs", "filesystem", "gs", "raw"),
    *(
        Column(f"ours {name}", "manager", name, OURS)
        for name in ("local", "s3", "azure", "sftp", "gs")
    ),
    Column("dagster-aws", "manager", "s3", "dagster_aws.s3:S3ComputeLogManager"),
    Column("dagster-azure", "manager", "azure", "dagster_azure.blob:AzureBlobComputeLogManager"),
    Column("dagster-gcp", "manager", "gs", "dagster_gcp.gcs:GCSComputeLogManager"),
    Column("dagster-obstore", "manager", "s3", "dagster_obstore.s3:S3ComputeLogManager"),
    Column(
        "remote-store", "manager", "s3", "remote_store.ext.dagster:RemoteStoreComputeLogManager"
    ),
    Column(
        "Dagster local",
        "manager",
        "local",
        "dagster._core.storage.local_compute_log_manager:LocalComputeLogManager",
    ),
)


@contextlib.contextmanager
def place(storage: str) -> Iterator[tuple[Area, Proxy | None]]:
    """A fresh area, and a proxy before its server where there is one."""
    if storage == "memory":
        yield memory_area(), None
        return
    if storage in {"local", "dir"}:
        with tempfile.TemporaryDirectory() as folder:
            yield local_area(Path(folder)), None
        return
    with SERVERS[storage]() as server, Proxy.to(server) as proxy:
        yield server.new_area(), proxy


def filesystem(column: Column, area: Area, proxy: Proxy | None) -> FilesystemSubject:
    """The subject of one filesystem column."""

    def spec(via: Proxy | None) -> FilesystemSpec:
        if column.target == "raw":
            config = area.url_config(via=via)
            options = {**config["storage_options"], **RAW_OPTIONS.get(column.storage, {})}
            return FilesystemSpec(url=config["url"], storage_options=options, raw=True)
        if column.storage == "dir":
            return FilesystemSpec(url=f"dir::{area.url_config()['url']}")
        return FilesystemSpec(**area.config(via=via))

    faults = None
    if proxy is not None:
        patient = spec(proxy)
        hasty = patient if patient.raw else dataclasses.replace(patient, timeout=TIMEOUT)
        faults = ProxyFaults(patient, proxy, hasty=hasty, timeout=TIMEOUT)
    sizes = SMALLER.get(column.storage, FILESYSTEM_SIZES)
    return FilesystemSubject(spec(None), sizes=sizes, faults=faults)


def manager(column: Column, area: Area, proxy: Proxy | None) -> Any:
    """The subject of one manager column."""
    import support_peers

    from conformance.managers import ManagerSubject

    make: Callable[[Proxy | None], Any] = lambda via: support_peers.spec(  # noqa: E731
        column.target, area, via, ours=column.target == OURS
    )
    faults = None if proxy is None else ProxyFaults(make(proxy), proxy)
    sizes = SMALLER_MANAGER.get(column.storage, MANAGER_SIZES)
    return ManagerSubject(make(None), sizes=sizes, faults=faults)


def measure(column: Column) -> None:
    """Run every case on one column, as far as its time goes, and keep what they said."""
    contract: tuple[type[Any], ...] = FILESYSTEM_CONTRACT
    if column.kind == "manager":
        from conformance.managers import MANAGER_CONTRACT

        contract = MANAGER_CONTRACT
    over = time.monotonic() + COLUMN_SECONDS
    with place(column.storage) as (area, proxy):
        make = filesystem if column.kind == "filesystem" else manager
        subject = make(column, area, proxy)
        result = run(
            subject,
            cases_of(contract),
            timeout=CASE_SECONDS,
            started=lambda _: _stop_when(time.monotonic() > over),
        )
        RESULTS.mkdir(parents=True, exist_ok=True)
        # The finished name stands for a finished column.
        partial = column.file.with_suffix(".part")
        partial.write_text(report.dump_json(result), encoding="utf-8")
        partial.replace(column.file)
        if runner.abandoned():
            # The servers end with this process; a call that never returns must not keep it.
            os._exit(0)


def _stop_when(over: bool) -> None:
    if over:
        raise KeyboardInterrupt  # how a run is told to stop, keep its outcomes and tidy up


def measure_apart(column: Column) -> str:
    """Run one column in a process of its own; a sentence when that failed."""
    command = [sys.executable, str(Path(__file__)), "--column", f"{column.kind}:{column.name}"]
    limit = COLUMN_SECONDS + GRACE_SECONDS
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=limit,
            env={**os.environ, **PLAIN_GCSFS},
        )
    except subprocess.TimeoutExpired:
        return f"no end within {limit:.0f} s"
    return "" if done.returncode == 0 else f"exit code {done.returncode}: {done.stderr[-600:]}"


def measure_all(columns: list[Column]) -> int:
    """Run the columns, some at a time, and return how many could not be run."""
    failed = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        pending = {pool.submit(measure_apart, column): column for column in columns}
        for future in as_completed(pending):
            column = pending[future]
            problem = future.result()
            failed += bool(problem)
            said = problem or support_page.counts(json.loads(column.file.read_text("utf-8")))
            print(f"{column.kind} {column.name}: {said}", flush=True)
    return failed


def main() -> int:
    """Measure what was asked for, then write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="columns by heading"
    )
    parser.add_argument("--again", action="store_true", help="columns that have a result too")
    parser.add_argument("--render", action="store_true", help="only write the page")
    parser.add_argument("--column", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.column:
        kind, _, name = options.column.partition(":")
        measure(next(c for c in COLUMNS if (c.kind, c.name) == (kind, name)))
        return 0
    wanted = [
        column
        for column in COLUMNS
        if (
            column.name in options.only
            if options.only
            else options.again or not column.file.exists()
        )
    ]
    failed = 0 if options.render else measure_all(wanted)
    present = [c for c in COLUMNS if c.file.exists()]
    results = {kind: _load(present, kind) for kind in ("filesystem", "manager")}
    support_page.write(ROOT / "docs" / "support-matrix.md", results)
    return 1 if failed else 0


def _load(columns: list[Column], kind: str) -> dict[str, tuple[bool, dict[str, Any]]]:
    """Heading -> (is it ours, its results)."""
    return {
        c.name: (c.target in {"ours", OURS}, json.loads(c.file.read_text(encoding="utf-8")))
        for c in columns
        if c.kind == kind
    }


if __name__ == "__main__":
    sys.exit(main())
