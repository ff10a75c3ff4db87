"""One manager in a process of its own, driven by commands as Dagster drives a manager.

Started by `benchmarks.process`; commands and answers are lines of JSON on two pipes, because stdout
and stderr are what is captured. Nothing is imported before it is measured.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import threading
import time
import traceback
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import payload
from benchmarks.viewer import Viewer

PAGE = 1024 * 1024
"""Bytes of a page as Dagster's UI and subscriptions ask for them."""

_SAY_AT_ONCE = 64 * 1024
_Key = list[str]


class Worker:
    """The commands; every public method is one, its arguments and result are JSON."""

    def __init__(self) -> None:
        self._managers: dict[str, Any] = {}
        self._folders: dict[str, Path] = {}
        self._captures: dict[tuple[str, ...], ExitStack] = {}
        self._said = {"out": 0, "err": 0}
        # Not from the store and not to it: what is printed, and its way to the real stdout, which
        # the kernel charges to this process when the helper that copied it has ended.
        self._aside = 0
        self._mirrors = [os.dup(1), os.dup(2)]
        self._viewers: list[Viewer] = []

    # The manager.

    def dagster(self) -> int:
        """Imports Dagster, which every process that uses a manager has done; modules loaded."""
        importlib.import_module("dagster")
        return len(sys.modules)

    def open(self, name: str, factory: str, config: dict[str, Any]) -> dict[str, float]:
        """Imports a manager's class and constructs it; seconds taken and modules loaded for it."""
        self._folders[name] = Path(config["local_dir"])
        modules = len(sys.modules)
        started = time.perf_counter()
        self._managers[name] = self._construct(factory, config)
        return {
            "seconds": time.perf_counter() - started,
            "modules": len(sys.modules) - modules,
        }

    def close(self, name: str) -> None:
        """Disposes of a manager."""
        for viewer in self._viewers:
            viewer.leave()
        self._viewers.clear()
        self._managers.pop(name).dispose()

    def _construct(self, factory: str, config: dict[str, Any]) -> Any:
        module, _, attribute = factory.partition(":")
        return getattr(importlib.import_module(module), attribute)(**config)

    # Writing.

    def begin(self, name: str, key: _Key) -> None:
        """Enters a capture."""
        for mirror in self._mirrors:
            os.ftruncate(mirror, 0)
        stack = ExitStack()
        stack.enter_context(self._managers[name].capture_logs(key))
        self._captures[tuple(key)] = stack
        self._said = {"out": 0, "err": 0}

    def say(self, out: int = 0, err: int = 0) -> float:
        """Prints that many bytes, continuing the text; when that was done."""
        for stream, size, file in (("out", out, sys.stdout), ("err", err, sys.stderr)):
            end = self._said[stream] + size
            while self._said[stream] < end:
                part = min(_SAY_AT_ONCE, end - self._said[stream])
                file.write(payload.payload(self._said[stream], part).decode())
                self._said[stream] += part
                self._aside += part
            file.flush()
        return time.monotonic()

    def tick(self, name: str, key: _Key) -> None:
        """The partial upload, by the hook that all managers have."""
        self._managers[name].on_progress(key)

    def timer_ticks(self, name: str, key: _Key, times: int, size: int) -> None:
        """Prints and ticks `times` times, as ours does on its timer (the hook never waits)."""
        for _ in range(times):
            self.say(out=size)
            self._managers[name]._uploads[tuple(key)].tick()  # noqa: SLF001 - stands for the timer

    def end(self, key: _Key) -> float:
        """Leaves the capture; seconds until its uploads were done."""
        started = time.perf_counter()
        self._captures.pop(tuple(key)).close()
        seconds = time.perf_counter() - started
        self._aside += sum(os.fstat(mirror).st_size for mirror in self._mirrors)
        return seconds

    def steps(self, name: str, keys: list[_Key], out: int) -> float:
        """Captures one small step after the other; seconds for all."""
        started = time.perf_counter()
        for key in keys:
            self.begin(name, key)
            self.say(out=out)
            self.end(key)
        return time.perf_counter() - started

    def sensor_ticks(
        self, factory: str, config: dict[str, Any], keys: list[_Key], size: int
    ) -> float:
        """As a code server does: a manager for each tick, one small log, disposed of; seconds."""
        from dagster._core.storage.compute_log_manager import ComputeIOType

        started = time.perf_counter()
        for key in keys:
            manager = self._construct(factory, config)
            with manager.open_log_stream(key, ComputeIOType.STDERR) as stream:
                stream.write(payload.payload(0, size).decode())
            manager.dispose()
        return time.perf_counter() - started

    # Reading.

    def page(self, name: str, key: _Key, cursor: str | None, size: int | None) -> dict[str, Any]:
        """One page of both streams, checked."""
        data = self._managers[name].get_log_data(key, cursor, size)
        starts = [int(part) for part in (cursor or "0:0").split(":")]
        out, err = data.stdout or b"", data.stderr or b""
        return {
            "out": len(out),
            "err": len(err),
            "cursor": data.cursor,
            "intact": payload.matches(out, starts[0]) and payload.matches(err, starts[1]),
        }

    def catch_up(self, name: str, key: _Key, cursor: str | None) -> dict[str, Any]:
        """Page after page until one is not full, as a viewer's poll does."""
        read: dict[str, Any] = {"out": 0, "err": 0, "intact": True, "cursor": cursor}
        full = True
        while full:
            page = self.page(name, key, read["cursor"], PAGE)
            for stream in ("out", "err"):
                read[stream] += page[stream]
            read["intact"] = read["intact"] and page["intact"]
            # Theirs end a page at the byte; ours up to three before, where a character would be cut.
            full = page["cursor"] != read["cursor"] and max(page["out"], page["err"]) > PAGE - 4
            read["cursor"] = page["cursor"]
        return read

    def crowd(self, name: str, keys: list[_Key]) -> dict[str, Any]:
        """Readers of different logs, each on its thread, all at once."""
        manager = self._managers[name]
        gate = threading.Barrier(len(keys) + 1)
        intact: list[bool] = []

        def read(key: _Key) -> None:
            gate.wait()
            data = manager.get_log_data(key, None, PAGE).stdout or b""
            intact.append(bool(data) and payload.matches(data, 0))

        threads = [threading.Thread(target=read, args=(key,)) for key in keys]
        for thread in threads:
            thread.start()
        gate.wait()
        started = time.perf_counter()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - started
        return {"seconds": seconds, "intact": len(intact) == len(keys) and all(intact)}

    def download(self, name: str, key: _Key) -> int:
        """What the webserver's download route does for stdout; the bytes served."""
        from dagster._core.storage.compute_log_manager import ComputeIOType

        manager = self._managers[name]
        stdout = ComputeIOType.STDOUT
        served = 0
        if manager.cloud_storage_has_logs(key, stdout):
            if not manager.has_local_file(key, stdout):
                manager.download_from_cloud_storage(key, stdout)
            with Path(manager.local_manager.get_captured_local_path(key, "out")).open("rb") as file:
                while part := file.read(_SAY_AT_ONCE):
                    served += len(part)
        return served

    def watch(self, name: str, key: _Key, viewers: int) -> None:
        """Subscribes viewers, as the webserver does for each open page."""
        self._viewers.extend(Viewer(self._managers[name], key) for _ in range(viewers))

    def seen(self) -> list[dict[str, Any]]:
        """What each viewer has got so far."""
        return [viewer.report() for viewer in self._viewers]

    # Deleting and listing.

    def keys(self, name: str, prefix: _Key) -> int:
        """How many logs it lists below a prefix."""
        from dagster._core.storage.compute_log_manager import ComputeIOType

        manager = self._managers[name]
        return len(manager.get_log_keys_for_log_key_prefix(prefix, ComputeIOType.STDERR))

    def delete(self, name: str, prefix: _Key) -> str:
        """Deletes every log below a prefix; what it raised, if anything."""
        try:
            self._managers[name].delete_logs(prefix=prefix)
        except Exception as exc:
            return type(exc).__name__
        return ""

    # Measuring.

    def environment(self) -> list[str]:
        """Names of the variables that could decide something here."""
        return sorted(os.environ)

    def disk(self, name: str) -> int:
        """Bytes in the manager's folder on this host."""
        files = self._folders[name].rglob("*")
        return sum(path.stat().st_size for path in files if path.is_file())

    def moved(self) -> dict[str, int]:
        """Bytes read and written so far by the kernel's count, without what was printed."""
        lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
        counts = dict(line.split(": ") for line in lines)
        return {
            "read": int(counts["rchar"]),
            "written": int(counts["wchar"]) - self._aside,
        }

    def memory(self) -> int:
        """Bytes of memory in use now; the peak starts again from here."""
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        return _status("VmRSS")

    def peak(self) -> int:
        """Most bytes of memory in use since `memory`."""
        return _status("VmHWM")

    def overhead(
        self, ours: str, local: str, out: int, rounds: int
    ) -> dict[str, dict[str, list[float]]]:
        """Seconds of entering and printing, by turns with the local manager: elapsed, and of work.

        Work is CPU of this process until all is printed, and of the helpers that the capture ran.
        """
        from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager

        managers = {ours: self._managers[ours], local: LocalComputeLogManager(local)}
        self._managers[local] = managers[local]
        taken: dict[str, dict[str, list[float]]] = {
            name: {"elapsed": [], "work": []} for name in managers
        }
        for turn in range(rounds):
            for name, manager in managers.items():
                key = ["overhead", str(turn)]
                elapsed, work, helpers = time.perf_counter(), time.process_time(), _helpers()
                self.begin(name, key)
                self.say(out=out)
                taken[name]["elapsed"].append(time.perf_counter() - elapsed)
                work = time.process_time() - work
                self.end(key)
                taken[name]["work"].append(work + _helpers() - helpers)
                # Or else the next to print is given the pages that this one's files let go.
                manager.delete_logs(log_key=key)
        return taken


def _helpers() -> float:
    """Seconds of CPU of the child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def main() -> None:
    """Answers commands until the other end goes away."""
    commands, answers = int(sys.argv[1]), int(sys.argv[2])
    worker = Worker()
    with os.fdopen(commands, encoding="utf-8") as inbox, os.fdopen(answers, "w") as outbox:
        for line in inbox:
            command, arguments = json.loads(line)
            try:
                answer: dict[str, Any] = {"result": getattr(worker, command)(**arguments)}
            except Exception:
                answer = {"failure": traceback.format_exc()}
            outbox.write(json.dumps(answer) + "\n")
            outbox.flush()
    # Managers leave threads behind; their goodbye is not part of any measurement.
    os._exit(0)


if __name__ == "__main__":
    main()
