"""The soak: many captures from many processes while the way to the stores breaks again and again.

Captures go to S3 and to SFTP through proxies that refuse, reset, hang, lose answers and slow down
at random; again and again a worker is killed in the middle of a capture. At the end the faults stop, what is staged is
flushed, and every byte whose write had returned is looked for with boto3 and among the SFTP
server's files.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devservers import S3Server, SFTPServer
from devservers.proxy import (
    Blackhole,
    Fault,
    Proxy,
    Refuse,
    Reset,
    ResetAfterEffect,
    Slow,
    Status,
    Truncate,
)
from remote_store_fsspec.dagster import RemoteStoreComputeLogManager
from tests.soak.captures import (
    STREAMS,
    Capture,
    Written,
    note_restart,
    read_ledgers,
    under_way,
)

if TYPE_CHECKING:
    from devservers import Area

REPOSITORY = Path(__file__).parent.parent.parent
_TEMPORARY = re.compile(r"/\.rsfs-[0-9a-f]+\.tmp\Z")
_RAW: tuple[Fault, ...] = (
    Refuse(),
    Blackhole(),
    Reset(after=0),
    Reset(after=4000),
    Truncate(after=2000),
    Slow(latency=0.3),
)
_HTTP: tuple[Fault, ...] = (
    Refuse(),
    Blackhole(),
    Reset(after=0),
    Truncate(after=10),
    Slow(latency=0.5),
    ResetAfterEffect(),
    Status(503),
    Status(500),
    Status(403),
)


@dataclass
class Result:
    """What a soak found.

    Attributes:
        captures: Captures begun.
        written: Bytes whose write had returned.
        found: Those of them that the stores hold where they belong.
        killed: Captures whose process was killed.
        flushed: Captures that only the flush at the end stored.
        kept: Captures still staged afterwards.
        debris: Objects that belong to no finished log.
        faults: How often each fault was acted out.
        problems: What was wrong, one sentence each.
        seconds: How long it took.
    """

    captures: int = 0
    written: int = 0
    found: int = 0
    killed: int = 0
    flushed: int = 0
    kept: int = 0
    debris: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def lost(self) -> int:
        """Bytes that were written and are not found."""
        return self.written - self.found

    def __str__(self) -> str:
        return (
            f"soak: {self.captures} captures ({self.killed} killed), {self.written:,} bytes "
            f"written, {self.found:,} found, {self.lost:,} lost; {self.flushed} stored by the "
            f"final flush, {self.kept} still staged, {self.debris} superfluous objects; "
            f"{self.faults.total()} faults in {self.seconds:.0f} s"
        )


def soak(
    *,
    captures: int,
    workers: int,
    seconds: float,
    kill_one_in: int = 9,
    seed: int | None = None,
) -> Result:
    """Run it.

    Args:
        captures: How many in all.
        workers: Processes that share them.
        seconds: Over how long they begin.
        kill_one_in: Of about so many captures the process of one is killed.
        seed: Of the faults' choice; random when not given.
    """
    chance = random.Random(seed)  # noqa: S311 - to be repeated
    result = Result()
    begun = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="soak-") as name,
        S3Server() as s3,
        SFTPServer() as sftp,
        Proxy.to(s3) as s3_proxy,
        Proxy.to(sftp) as sftp_proxy,
    ):
        folder = Path(name)
        areas = {"s3": s3.new_area(), "sftp": sftp.new_area()}
        proxies = {"s3": s3_proxy, "sftp": sftp_proxy}
        configs = {
            store: _config(area, proxies[store], folder / "staging")
            for store, area in areas.items()
        }
        stop = threading.Event()
        breakers = [
            threading.Thread(target=_break, args=(proxy, chance.random(), stop, result.faults))
            for proxy in proxies.values()
        ]
        plans = _plans(folder, configs, captures, workers, seconds)
        for breaker in breakers:
            breaker.start()
        try:
            _work(plans, chance, kill_one_in)
        finally:
            stop.set()
            for breaker in breakers:
                breaker.join()
        for config in configs.values():
            stored, kept = _flush(config)
            result.flushed += stored
            result.kept += kept
        _verify(read_ledgers(folder), areas, result)
    result.seconds = time.monotonic() - begun
    if result.captures != captures:
        result.problems.append(f"{captures - result.captures} captures were never begun")
    return result


def _config(area: Area, proxy: Proxy, staging: Path) -> dict[str, Any]:
    """A manager's configuration with timeouts that fit faults of seconds."""
    config = area.config(via=proxy)
    options = config["backend_options"]
    if area.name == "s3":
        options["client_options"] = {"config_kwargs": {"read_timeout": 3, "connect_timeout": 2}}
    else:
        options |= {"timeout": 3, "io_timeout": 6}
    return {**config, "local_dir": str(staging), "upload_interval": 1}


def _plans(
    folder: Path, configs: dict[str, Any], captures: int, workers: int, seconds: float
) -> list[Path]:
    plans = []
    for worker in range(workers):
        mine = range(worker, captures, workers)
        plan = {
            "folder": str(folder),
            "managers": configs,
            "begun": time.time(),
            "captures": [
                [number, ("s3", "sftp")[number // workers % 2], number * seconds / captures]
                for number in mine
            ],
        }
        path = folder / f"plan-{worker}.json"
        plan["ledger"] = str(_ledger(path))
        path.write_text(json.dumps(plan))
        plans.append(path)
    return plans


def _ledger(plan: Path) -> Path:
    return plan.with_name(f"ledger-{plan.stem}")


def _start(plan: Path) -> subprocess.Popen[bytes]:
    with plan.with_suffix(".log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.soak.worker", str(plan)],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # what is mirrored there is megabytes
            stderr=log,
            env=dict(os.environ),
        )


def _work(plans: list[Path], chance: random.Random, kill_one_in: int) -> None:
    """Run the workers, killing one now and then, until every plan is worked through."""
    running = {plan: _start(plan) for plan in plans}
    victim = 0
    try:
        while running:
            time.sleep(0.2)
            # Not each time: later looks find a capture at its end, or at its upload.
            if chance.random() < 0.5:
                alive = [plan for plan, process in running.items() if process.poll() is None]
                numbers = {plan: under_way(_ledger(plan)) for plan in alive}
                due = [plan for plan, at in numbers.items() if at is not None and at >= victim]
                if due:
                    running[chance.choice(due)].kill()
                    victim += chance.randint(1, 2 * kill_one_in - 1)
            for plan, process in list(running.items()):
                code = process.poll()
                if code == 0:
                    del running[plan]
                elif code is not None and code < 0:
                    note_restart(_ledger(plan))
                    running[plan] = _start(plan)
                elif code is not None:
                    said = plan.with_suffix(".log").read_bytes()[-3000:].decode(errors="replace")
                    raise RuntimeError(f"worker {plan.stem} failed ({code}): {said}")
    finally:
        for process in running.values():
            process.kill()
            process.wait()


def _break(proxy: Proxy, seed: float, stop: threading.Event, counts: Any) -> None:
    """Fault after fault until told to stop."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated
    faults = _RAW if proxy.raw else _HTTP
    while not stop.wait(chance.expovariate(1 / 4)):
        fault = chance.choice(faults)
        rule = proxy.fault(fault)
        stop.wait(12.0 if chance.random() < 0.1 else chance.uniform(0.5, 4.0))
        rule.remove()
        counts[type(fault).__name__] += 1
        if chance.random() < 0.3:
            proxy.kill_connections()
    proxy.clear()


def _flush(config: dict[str, Any]) -> tuple[int, int]:
    manager = RemoteStoreComputeLogManager(**config)
    try:
        left = list(manager.flush(dry_run=True))
        kept = 0
        for _ in range(5 if left else 0):
            kept = sum(leftover.reason is not None for leftover in manager.flush())
            if not kept:
                break
            time.sleep(1)
        return len(left) - kept, kept
    finally:
        manager.dispose()


def _verify(written: dict[int, Written], areas: dict[str, Area], result: Result) -> None:
    objects = {store: set(area.raw.keys()) for store, area in areas.items()}
    for number, one in sorted(written.items()):
        store = next(
            (store for store in areas if Capture(number, store).path("out") in objects[store]), None
        )
        result.captures += 1
        result.killed += not one.ended
        for stream in STREAMS:
            size = one.sizes[stream]
            result.written += size
            if store is None:
                if one.ended or size:
                    result.problems.append(f"capture {number}: {stream} is nowhere")
                continue
            capture = Capture(number, store)
            path = capture.path(stream)
            stored = areas[store].raw.read(path) if path in objects[store] else None
            objects[store].discard(path)
            content = capture.content(stream)
            if stored is None or not content.startswith(stored):
                result.problems.append(f"capture {number}: {stream} {_differs(stored, content)}")
                continue
            result.found += min(size, len(stored))
            if len(stored) < size or (one.ended and len(stored) != len(content)):
                result.problems.append(
                    f"capture {number}: {stream} has {len(stored)} of {size} bytes"
                )
    for store, left in objects.items():
        result.debris += len(left)
        # An SFTP upload that was cut for good leaves the name that it wrote under; nobody reads it.
        wrong = [path for path in sorted(left) if not _TEMPORARY.search(path)]
        result.problems += [f"{store}: superfluous object {path}" for path in wrong[:20]]


def _differs(stored: bytes | None, content: bytes) -> str:
    if stored is None:
        return "is missing"
    pairs = enumerate(zip(stored, content, strict=False))
    same = next((at for at, (one, other) in pairs if one != other), min(len(stored), len(content)))
    return f"differs from byte {same} on: {stored[same : same + 200]!r}"
