"""One step of the model test: the same thing done to a filesystem and to a dict."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from ..core import CaseFailed, equal
from ..subject import FilesystemSubject

__all__ = ["BOUNDS", "KEYS", "SIZES", "STEPS_OF_ONE_WALK", "Machine", "step"]

KEYS = ["a", "b/c", "b/d", "apple", "b c/#1?.txt", "deep/er/e", "deep/er/f", "x[1]*", "100%25"]
BOUNDS = [None, 0, 1, 3, 50, 7000, -1, -3, -50, -7000]
SIZES = [0, 1, 2, 7, 100, 5000]
STEPS_OF_ONE_WALK = 40


class Machine:
    """A filesystem and a dict that are told the same things.

    Args:
        subject: Where the objects are kept.
        top: Folder of this walk.
    """

    def __init__(self, subject: FilesystemSubject, top: str) -> None:
        self.subject = subject
        self.fs = subject.fs
        self.top = top
        self.model: dict[str, bytes] = {}
        self.told: list[str] = []

    def path(self, key: str) -> str:
        """Where a key of the model lies."""
        return self.subject.path(f"{self.top}/{key}")

    def _missing(self, what: str, call: Callable[[], object]) -> None:
        try:
            got = call()
        except FileNotFoundError:
            return
        message = f"{what} of a missing key: expected FileNotFoundError, got {got!r}"
        raise CaseFailed(message)

    def pipe(self, key: str, data: bytes) -> None:
        """Write."""
        self.told.append(f"pipe({key!r}, {len(data)})")
        self.fs.pipe_file(self.path(key), data)
        self.model[key] = data

    def create(self, key: str, data: bytes) -> None:
        """Write unless there."""
        self.told.append(f"create({key!r})")
        try:
            self.fs.pipe_file(self.path(key), data, mode="create")
        except FileExistsError:
            equal(f"create({key!r}) was refused; is it there", key in self.model, True)
        else:
            equal(f"create({key!r}) was accepted; was it there", key in self.model, False)
            self.model[key] = data

    def write_open(self, key: str, data: bytes) -> None:
        """Write through a file object, in two pieces."""
        self.told.append(f"open({key!r}, 'wb') {len(data)}")
        with self.fs.open(self.path(key), "wb") as stream:
            stream.write(data[: len(data) // 2])
            stream.write(data[len(data) // 2 :])
        self.model[key] = data

    def cat(self, key: str, start: int | None, end: int | None) -> None:
        """Read a range."""
        self.told.append(f"cat({key!r}, {start}, {end})")
        if key not in self.model:
            self._missing(
                f"cat({key!r}, {start}, {end})",
                lambda: self.fs.cat_file(self.path(key), start, end),
            )
            return
        got = bytes(self.fs.cat_file(self.path(key), start, end))
        equal(f"cat({key!r}, {start}, {end})", got, self.model[key][start:end])

    def read_open(self, key: str, at: int) -> None:
        """Read through a file object from an offset."""
        self.told.append(f"open({key!r}, 'rb') seek {at}")

        def read() -> bytes:
            with self.fs.open(self.path(key), "rb") as stream:
                stream.seek(at)
                return bytes(stream.read())

        if key not in self.model:
            self._missing(f"open({key!r}, 'rb')", read)
            return
        equal(f"open({key!r}) read from {at}", read(), self.model[key][at:])

    def remove(self, key: str) -> None:
        """Delete."""
        self.told.append(f"rm({key!r})")
        if key not in self.model:
            self._missing(f"rm({key!r})", lambda: self.fs.rm(self.path(key)))
            return
        self.fs.rm(self.path(key))
        del self.model[key]

    def copy(self, source: str, target: str) -> None:
        """Copy."""
        self.told.append(f"cp({source!r}, {target!r})")
        if source == target:
            return
        if source not in self.model:
            self._missing(
                f"cp({source!r})", lambda: self.fs.cp_file(self.path(source), self.path(target))
            )
            return
        self.fs.cp_file(self.path(source), self.path(target))
        self.model[target] = self.model[source]

    def move(self, source: str, target: str) -> None:
        """Move."""
        self.told.append(f"mv({source!r}, {target!r})")
        if source == target:
            return
        if source not in self.model:
            self._missing(
                f"mv({source!r})", lambda: self.fs.mv(self.path(source), self.path(target))
            )
            return
        self.fs.mv(self.path(source), self.path(target))
        self.model[target] = self.model.pop(source)

    def append(self, key: str, data: bytes) -> None:
        """Append, which may be refused but may not lose anything."""
        self.told.append(f"open({key!r}, 'ab')")
        try:
            with self.fs.open(self.path(key), "ab") as stream:
                stream.write(data)
        except (NotImplementedError, ValueError, OSError):
            return
        self.model[key] = self.model.get(key, b"") + data

    def find(self) -> None:
        """Names and sizes of everything."""
        self.told.append("find")
        top = self.subject.path(self.top)
        found = self.fs.find(top, detail=True)
        lead = f"{self.top}/"
        got = {
            self.subject.relative(name).removeprefix(lead): e["size"] for name, e in found.items()
        }
        equal("find", got, {key: len(data) for key, data in self.model.items()})

    def ask(self, key: str) -> None:
        """Existence and size."""
        self.told.append(f"exists/info({key!r})")
        equal(f"exists({key!r})", self.fs.exists(self.path(key)), key in self.model)
        if key in self.model:
            equal(
                f"info({key!r})['size']", self.fs.info(self.path(key))["size"], len(self.model[key])
            )

    def end(self) -> None:
        """Leave an empty folder behind."""
        if self.model:
            with contextlib.suppress(FileNotFoundError):
                self.fs.rm(self.subject.path(self.top), recursive=True)


def step(machine: Machine, pick: Any) -> None:
    """One step; `pick` has the `choice` and `randint` of `random.Random`."""
    key, other = pick.choice(KEYS), pick.choice(KEYS)
    data = bytes([pick.randint(0, 255)]) * pick.choice(SIZES)
    actions: list[Callable[[], None]] = [
        lambda: machine.pipe(key, data),
        lambda: machine.pipe(key, data),
        lambda: machine.create(key, data),
        lambda: machine.write_open(key, data),
        lambda: machine.cat(key, pick.choice(BOUNDS), pick.choice(BOUNDS)),
        lambda: machine.cat(key, pick.choice(BOUNDS), pick.choice(BOUNDS)),
        lambda: machine.read_open(key, pick.choice([0, 1, 50, 9000])),
        lambda: machine.remove(key),
        lambda: machine.copy(key, other),
        lambda: machine.move(key, other),
        lambda: machine.append(key, data),
        machine.find,
        lambda: machine.ask(key),
    ]
    pick.choice(actions)()
