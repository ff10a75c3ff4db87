"""What a manager case is given: managers of one configuration, each as a process of its own would have it."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import os
import shutil
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from dagster._config import process_config
from dagster._core.storage.compute_log_manager import ComputeIOType

from ..core import NotApplicable, true
from ..spec import secret_values
from ..subject import Sizes, Wire

__all__ = [
    "STDERR",
    "STDOUT",
    "LogFaults",
    "ManagerSpec",
    "ManagerSubject",
    "both",
    "descriptor",
    "emit",
]

STDOUT, STDERR = ComputeIOType.STDOUT, ComputeIOType.STDERR


class LogFaults(Protocol):
    """A proxy before the storage, for one of the managers that go through it."""

    spec: ManagerSpec
    kinds: frozenset[str]

    def fault(
        self, kind: str, *, method: str | None = None, path: str | None = None
    ) -> contextlib.AbstractContextManager[object]:
        """Misbehave inside the block: ``refuse``, ``403``, ``503``, ``503:1``, ``cut``."""

    def record(self) -> contextlib.AbstractContextManager[Wire]:
        """Count requests and bytes inside the block."""


@dataclasses.dataclass(frozen=True)
class ManagerSpec:
    """A compute log manager to be tested.

    Attributes:
        target: ``"module:Class"``.
        config: What stands below ``config:`` in ``dagster.yaml``.
    """

    target: str
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)

    def manager_class(self) -> Any:
        """The class, imported."""
        module, _, name = self.target.partition(":")
        return getattr(importlib.import_module(module), name)

    def fields(self) -> frozenset[str]:
        """The configuration fields it knows."""
        return frozenset(self.manager_class().config_type())

    def build(self, **overrides: Any) -> Any:
        """A manager, made as Dagster makes it from a configuration."""
        from dagster._serdes import ConfigurableClassData

        manager_class = self.manager_class()
        outcome = process_config(manager_class.config_type(), {**self.config, **overrides})
        if not outcome.success:
            message = f"the configuration was refused: {outcome.errors}"
            raise ValueError(message)
        import yaml

        module, _, name = self.target.partition(":")
        data = ConfigurableClassData(module, name, yaml.safe_dump(dict(outcome.value or {})))
        return manager_class.from_config_value(data, outcome.value)

    @property
    def label(self) -> str:
        """What is tested."""
        return self.target.replace(":", ".")


class ManagerSubject:
    """A compute log manager under test.

    Attributes:
        spec: How it is made.
        sizes: How much the big cases move.
        faults: The proxy for the fault cases, or ``None``.
        key: A log key that only this case uses.
    """

    def __init__(
        self, spec: ManagerSpec, *, sizes: Sizes | None = None, faults: LogFaults | None = None
    ) -> None:
        self.spec = spec
        self.sizes = sizes or Sizes()
        self.faults = faults
        self.run = f"conformance-{uuid.uuid4().hex[:10]}"
        self.work = Path(tempfile.mkdtemp(prefix="conformance-logs-"))
        self.fields = spec.fields()
        self._case = 0
        self._made: list[Any] = []
        self._keys: list[Sequence[str]] = []

    @property
    def label(self) -> str:
        """What is tested, without secrets."""
        return self.spec.label

    def secrets(self) -> list[str]:
        """Values that no report may show."""
        return list(secret_values(self.spec.config))

    @property
    def top(self) -> str:
        """First element of every key of this case."""
        return f"{self.run}-{self._case:03d}"

    @property
    def key(self) -> list[str]:
        """A key in the shape Dagster builds for a run."""
        return [self.top, "compute_logs", "abcdefgh"]

    def enter(self) -> ManagerSubject:
        """The same subject with keys of its own, for one case."""
        self._case += 1
        inner = ManagerSubject.__new__(ManagerSubject)
        inner.__dict__.update(self.__dict__)
        return inner

    def folder(self) -> Path:
        """A fresh staging folder: another machine, as far as local files go."""
        return Path(tempfile.mkdtemp(dir=self.work))

    def manager(self, *, spec: ManagerSpec | None = None, **overrides: Any) -> Any:
        """A manager as another process would make it, with a staging folder of its own.

        An override that the manager has no field for means the case does not apply.
        """
        for name in overrides:
            if name not in self.fields:
                message = f"it has no setting {name!r}"
                raise NotApplicable(message)
        local = "local_dir" if "local_dir" in self.fields else "base_dir"
        if local == "local_dir":
            overrides.setdefault("local_dir", str(self.folder()))
        else:
            overrides["base_dir"] = str(self.work / "shared")
        made = (spec or self.spec).build(**overrides)
        self._made.append(made)
        return made

    @property
    def shares_its_disk(self) -> bool:
        """The logs are where they were captured; there is no second machine."""
        return "local_dir" not in self.fields

    def remote_only(self) -> None:
        """Leave the case when there is no store apart from the local disk."""
        if self.shares_its_disk:
            message = "its logs stay on the disk they were captured on"
            raise NotApplicable(message)

    def write(self, manager: Any, key: Sequence[str], out: bytes = b"", err: bytes = b"") -> None:
        """Capture a step that prints these bytes."""
        self._keys.append(list(key))
        with manager.capture_logs(key):
            emit(1, out)
            emit(2, err)

    def staged(self, manager: Any) -> list[str]:
        """Files below the manager's staging folder that hold captured text."""
        base = Path(manager.local_manager._base_dir)  # noqa: SLF001 - Dagster offers no other way
        return sorted(
            str(path.relative_to(base))
            for path in base.rglob("*")
            if path.is_file() and (".out" in path.name or ".err" in path.name)
        )

    def faulty(self, kind: str) -> LogFaults:
        """The proxy, when there is one that can do this."""
        if self.faults is None:
            message = "no fault-injecting proxy stands before this storage"
            raise NotApplicable(message)
        if kind not in self.faults.kinds:
            message = f"the proxy cannot play {kind!r} on this protocol"
            raise NotApplicable(message)
        return self.faults

    def eventually(self, what: str, holds: Callable[[], object], *, seconds: float = 15.0) -> None:
        """Wait until it holds; fail with `what` when it does not."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with contextlib.suppress(ConnectionError, TimeoutError):
                if holds():
                    return
            time.sleep(0.1)
        true(what, holds())

    @contextlib.contextmanager
    def limit(self, size: int) -> Iterator[None]:
        """Dagster's limit of the bytes uploaded, for the length of the block."""
        name = "DAGSTER_TRUNCATE_COMPUTE_LOGS_UPLOAD_BYTES"
        before = os.environ.get(name)
        os.environ[name] = str(size)
        try:
            yield
        finally:
            if before is None:
                del os.environ[name]
            else:
                os.environ[name] = before

    def remove_scratch(self) -> str:
        """Delete the logs of this run and the staging folders; a sentence when something stayed."""
        problem = ""
        try:
            cleaner = self.manager()
            for number in range(1, self._case + 1):
                _delete(cleaner, f"{self.run}-{number:03d}")
            for key in self._keys:
                if str(key[0]).startswith(self.run):
                    with contextlib.suppress(Exception):
                        cleaner.delete_logs(log_key=key)
        except Exception as error:
            problem = (
                f"the logs of {self.run} could not be deleted: {type(error).__name__}: {error}"
            )
        for manager in self._made:
            _dispose(manager)
        shutil.rmtree(self.work, ignore_errors=True)
        return problem


def emit(number: int, data: bytes) -> None:
    """Print bytes to standard output (1) or error (2), wherever this process has them."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor(number), view) :]


def descriptor(number: int) -> int:
    """The file descriptor behind `sys.stdout` (1) or `sys.stderr` (2), which a test runner may move."""
    return (sys.stdout if number == 1 else sys.stderr).fileno()


def _delete(manager: Any, top: str) -> None:
    with contextlib.suppress(Exception):
        manager.delete_logs(prefix=[top])


def _dispose(manager: Any) -> None:
    thread = threading.Thread(target=lambda: _quietly(manager.dispose), daemon=True)
    thread.start()
    thread.join(5)


def _quietly(call: Callable[[], object]) -> None:
    with contextlib.suppress(Exception):
        call()


def both(manager: Any, key: Sequence[str]) -> tuple[bytes, bytes]:
    """Both streams, read whole."""
    data = manager.get_log_data(key)
    return bytes(data.stdout or b""), bytes(data.stderr or b"")
