"""What a filesystem case is given: two independent openings of one storage and a folder of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from . import child
from .core import NotApplicable
from .spec import FilesystemSpec, join, scratch_name

_LOOKS = 4
_SECONDS_BETWEEN_LOOKS = 0.5

__all__ = ["Faults", "FilesystemSubject", "Sizes", "Wire"]


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much the big cases move."""

    objects: int = 2500
    megabytes: int = 64
    steps: int = 3000
    names: int = 100
    seconds: float = 2.0

    @classmethod
    def quick(cls) -> Sizes:
        """Enough to see a mistake, little enough for a slow emulator."""
        return cls(objects=40, megabytes=8, steps=120, names=15, seconds=0.5)


class Wire(Protocol):
    """A count of what went over the wire while it was recorded."""

    requests: int
    bytes_up: int
    bytes_down: int


class Faults(Protocol):
    """A proxy before the storage that can be told to misbehave.

    `devservers.proxy` is one. `spec` opens the storage through it, `hasty` does so with `timeout`
    seconds for one request.
    """

    spec: FilesystemSpec
    hasty: FilesystemSpec
    kinds: frozenset[str]
    timeout: float

    def fault(self, kind: str) -> contextlib.AbstractContextManager[object]:
        """Misbehave inside the block: ``refuse``, ``blackhole``, ``403``, ``503``, ``503:2``, ``cut``."""

    def drop(self) -> None:
        """Cut every open connection once."""

    def record(self) -> contextlib.AbstractContextManager[Wire]:
        """Count requests and bytes inside the block."""


class FilesystemSubject:
    """A filesystem under test.

    Attributes:
        spec: How it is opened.
        fs: The filesystem.
        peer: The same storage opened again: another process, as far as caches go.
        folder: This case's own folder below `base`.
        sizes: How much the big cases move.
        faults: The proxy for the fault cases, or ``None``.
    """

    def __init__(
        self, spec: FilesystemSpec, *, sizes: Sizes | None = None, faults: Faults | None = None
    ) -> None:
        self.spec = spec
        self.sizes = sizes or Sizes()
        self.faults = faults
        opened = spec.open(skip_instance_cache=True)
        self.fs = opened.fs
        self.base = opened.base
        self.peer = self.another()
        self.scratch = scratch_name()
        self.folder = self.scratch
        self._case = 0

    @property
    def label(self) -> str:
        """What is tested, without secrets."""
        return self.spec.label

    def secrets(self) -> list[str]:
        """Values that no report may show."""
        return self.spec.secrets()

    def another(self) -> Any:
        """The same storage, opened once more."""
        return self.fs if self.spec.private else self.spec.open(skip_instance_cache=True).fs

    def confined(self, folder: str) -> Any:
        """A filesystem whose root is that folder of this case."""
        if self.spec.private:
            message = "each opening of this storage is a store of its own, nothing lies outside"
            raise NotApplicable(message)
        return self.spec.confined(join(self.folder, folder))

    def enter(self) -> FilesystemSubject:
        """The same subject in a fresh folder, for one case."""
        self._case += 1
        inner = FilesystemSubject.__new__(FilesystemSubject)
        inner.__dict__.update(self.__dict__)
        inner.folder = f"{self.scratch}/{self._case:03d}"
        return inner

    def path(self, name: str = "") -> str:
        """The full path of a name in this case's folder; the name is not touched."""
        folder = join(self.base, self.folder)
        return f"{folder}/{name}" if name else folder

    def names(self, found: Iterable[Any]) -> list[str]:
        """Paths a listing returned, relative to this case's folder, sorted."""
        plain = [item["name"] if isinstance(item, Mapping) else str(item) for item in found]
        return sorted(self.relative(item) for item in plain)

    def relative(self, path: str) -> str:
        """A path without this case's folder; unchanged when it lies elsewhere."""
        lead = self.path().strip("/") + "/"
        bare = path.lstrip("/")
        return bare[len(lead) :] if bare.startswith(lead) else path

    def write(self, name: str, data: bytes, *, fs: Any = None) -> str:
        """Store an object, its folder made first, and return its path."""
        target = fs or self.fs
        path = self.path(name)
        self.make_folder(path.rpartition("/")[0], fs=target)
        target.pipe_file(path, data)
        return path

    def write_many(self, objects: Mapping[str, bytes]) -> list[str]:
        """Store objects through the other opening, the bulk call first."""
        paths = {self.path(name): data for name, data in objects.items()}
        for folder in sorted({path.rpartition("/")[0] for path in paths}):
            self.make_folder(folder, fs=self.peer)
        self.peer.pipe(paths)
        return list(paths)

    def write_elsewhere(self, name: str, data: bytes) -> str:
        """Store an object the way another process would."""
        return self.write(name, data, fs=self.peer)

    def make_folder(self, path: str, *, fs: Any = None) -> None:
        """Make a folder where the storage has such a thing."""
        with contextlib.suppress(Exception):
            (fs or self.fs).makedirs(path, exist_ok=True)

    def read_elsewhere(self, name: str) -> bytes:
        """The object as another process reads it."""
        return bytes(self.peer.cat_file(self.path(name)))

    def listed_elsewhere(self) -> list[str]:
        """Every file of this case's folder, as another process lists it."""
        return self.names(self.another().find(self.path()))

    def in_child(self, action: str, *, seconds: float = 60.0, **arguments: Any) -> child.Report:
        """Run an action of `conformance.child` in a new Python process on this folder.

        Raises:
            CaseFailed: When the process does not end in time.
        """
        return child.run(self.spec, self.path(), action, arguments, seconds=seconds)

    def faulty(self, kind: str) -> Faults:
        """The proxy, when there is one that can do this."""
        if self.faults is None:
            message = "no fault-injecting proxy stands before this storage"
            raise NotApplicable(message)
        if kind not in self.faults.kinds:
            message = f"the proxy cannot play {kind!r} on this protocol"
            raise NotApplicable(message)
        return self.faults

    @contextlib.contextmanager
    def local(self) -> Iterator[Path]:
        """A folder on this machine for the length of the block."""
        with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
            yield Path(folder)

    def remove_scratch(self) -> str:
        """Delete everything this run wrote; a sentence when something stayed."""
        top = join(self.base, self.scratch)
        problem = ""
        openers: tuple[Callable[[], Any], ...] = (lambda: self.peer, self.another)
        for opener in openers:
            try:
                _remove_in_the_end(opener(), top)
            except FileNotFoundError:
                return ""
            except Exception as error:
                problem = f"could not remove {top}: {type(error).__name__}: {error}"
            else:
                return ""
        return problem


def _remove_in_the_end(fs: Any, top: str) -> None:
    """Remove a folder although threads of an interrupted case may still rename files in it."""
    for _ in range(_LOOKS):
        with contextlib.suppress(FileNotFoundError):
            _remove(fs, top)
            return
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    _remove(fs, top)


def _remove(fs: Any, top: str) -> None:
    if not fs.exists(top):
        return
    fs.rm(top, recursive=True)
    for path in list(fs.find(top)):
        fs.rm_file(path)
    if fs.exists(top):
        message = "it is still there after rm(recursive=True)"
        raise OSError(message)
