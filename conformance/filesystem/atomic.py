"""Point 4: a reader sees the old object or the new one, never half of a write."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

from ..core import CaseFailed, Contract, case, equal, raises, true
from ..subject import FilesystemSubject

__all__ = ["Atomic"]

OLD = b"o" * (768 * 1024)
NEW = b"n" * (1024 * 1024)


class _StopWriting(Exception):  # noqa: N818 - raised by the case, not by an error
    """Leaves a `with` block in the middle of a write."""


class Atomic(Contract):
    """Whole or not at all."""

    group = "atomic"
    point = "4. Whole or not at all"
    subject: FilesystemSubject

    def _overwritten(self, what: str, write: Callable[[bytes], None]) -> None:
        path = self.subject.path("object")
        write(OLD)
        wrong: list[str] = []
        done = threading.Event()

        def read() -> None:
            while not done.is_set():
                try:
                    got = bytes(self.subject.peer.cat_file(path))
                except Exception as error:
                    wrong.append(f"{type(error).__name__}: {error}")
                else:
                    if got not in (OLD, NEW):
                        wrong.append(f"{len(got)} bytes")

        readers = [threading.Thread(target=read, daemon=True) for _ in range(2)]
        for reader in readers:
            reader.start()
        until = time.monotonic() + self.subject.sizes.seconds
        rounds = 0
        while (time.monotonic() < until or rounds < 6) and not wrong:  # noqa: PLR2004
            write(NEW if rounds % 2 == 0 else OLD)
            rounds += 1
        done.set()
        for reader in readers:
            reader.join(30)
        if wrong:
            message = f"a reader during {what}: expected {len(OLD)} or {len(NEW)} whole bytes, got {wrong[0]}"
            raise CaseFailed(message)

    @case()
    def a_reader_during_pipe_file_sees_old_or_new(self) -> None:
        """Overwriting with `pipe_file` is never seen half done."""
        path = self.subject.write("object", OLD)
        self._overwritten("pipe_file", lambda data: self.subject.fs.pipe_file(path, data))

    @case()
    def a_reader_during_open_for_writing_sees_old_or_new(self) -> None:
        """Overwriting through `open("wb")` is never seen half done."""
        path = self.subject.write("object", OLD)

        def write(data: bytes) -> None:
            with self.subject.fs.open(path, "wb") as stream:
                for at in range(0, len(data), 128 * 1024):
                    stream.write(data[at : at + 128 * 1024])

        self._overwritten("open('wb')", write)

    @case()
    def a_reader_during_put_file_sees_old_or_new(self) -> None:
        """Overwriting with `put_file` is never seen half done."""
        path = self.subject.write("object", OLD)
        with self.subject.local() as folder:
            (folder / "o").write_bytes(OLD)
            (folder / "n").write_bytes(NEW)
            self._overwritten(
                "put_file",
                lambda data: self.subject.fs.put_file(str(folder / chr(data[0])), path),
            )

    @case()
    def of_two_writers_one_wins_whole(self) -> None:
        """Two processes write the same name at once: the object is one of theirs."""
        path = self.subject.write("object", b"start")
        for _ in range(4):
            threads = [
                threading.Thread(target=fs.pipe_file, args=(path, data), daemon=True)
                for fs, data in ((self.subject.fs, OLD), (self.subject.peer, NEW))
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(40)
            got = bytes(self.subject.read_elsewhere("object"))
            true(f"after two writers the object is {len(got)} bytes of neither", got in (OLD, NEW))
        equal("what lies in the folder", self.subject.listed_elsewhere(), ["object"])

    @case()
    def an_error_while_writing_keeps_the_old_object(self) -> None:
        """An exception inside `with open(p, "wb")` discards the write."""
        path = self.subject.write("object", b"old")

        def write() -> None:
            with self.subject.fs.open(path, "wb") as stream:
                stream.write(b"half of the new")
                raise _StopWriting

        raises(_StopWriting, "an exception inside with open(p, 'wb')", write)
        equal("the object afterwards", self.subject.read_elsewhere("object"), b"old")
        equal("what lies in the folder", self.subject.listed_elsewhere(), ["object"])

    @case()
    def an_error_while_writing_a_new_object_makes_none(self) -> None:
        """An exception inside `with open(new, "wb")` leaves nothing."""
        self.subject.write("other", b"x")
        path = self.subject.path("object")

        def write() -> None:
            with self.subject.fs.open(path, "wb") as stream:
                stream.write(b"half" * 100_000)
                raise _StopWriting

        raises(_StopWriting, "an exception inside with open(new, 'wb')", write)
        equal("what lies in the folder", self.subject.listed_elsewhere(), ["other"])

    @case()
    def an_object_appears_when_its_file_is_closed(self) -> None:
        """Until `close` the old content is read, and a new name is not there."""
        old = self.subject.write("old", b"old")
        with self.subject.fs.open(old, "wb") as one:
            one.write(b"new" * 50_000)
            with self.subject.fs.open(self.subject.path("fresh"), "wb") as two:
                two.write(b"new" * 50_000)
                equal(
                    "the overwritten object before close",
                    self.subject.read_elsewhere("old"),
                    b"old",
                )
                equal(
                    "exists(new) before close",
                    self.subject.peer.exists(self.subject.path("fresh")),
                    False,
                )
        equal("after close", self.subject.read_elsewhere("old"), b"new" * 50_000)
        equal("after close", self.subject.read_elsewhere("fresh"), b"new" * 50_000)

    @case()
    def a_listing_during_a_write_shows_finished_objects_only(self) -> None:
        """The temporary name of a write in progress is in no listing."""
        path = self.subject.write("folder/old", b"old")
        with self.subject.fs.open(path, "wb") as stream:
            stream.write(b"new" * 50_000)
            folder = self.subject.path("folder")
            equal(
                "find during a write",
                self.subject.names(self.subject.peer.find(folder)),
                ["folder/old"],
            )
            listed = self.subject.names(self.subject.peer.ls(folder, detail=False))
            equal("ls during a write", listed, ["folder/old"])

    @case()
    def nothing_temporary_stays_behind(self) -> None:
        """After every kind of write the folder holds the objects, nothing else."""
        fs = self.subject.fs
        self.subject.write("pipe", b"1")
        with fs.open(self.subject.path("open"), "wb") as stream:
            stream.write(b"2")
        with self.subject.local() as folder:
            (folder / "x").write_bytes(b"3")
            fs.put_file(str(folder / "x"), self.subject.path("put"))
        fs.cp_file(self.subject.path("put"), self.subject.path("copy"))
        fs.mv(self.subject.path("pipe"), self.subject.path("moved"))
        local = self.subject.spec.local_folder()
        equal(
            "what lies in the folder",
            self.subject.listed_elsewhere(),
            ["copy", "moved", "open", "put"],
        )
        if local is not None:
            from pathlib import Path

            here = sorted(item.name for item in (Path(local) / self.subject.folder).iterdir())
            equal("what lies on the disk", here, ["copy", "moved", "open", "put"])

    @case()
    def creating_what_exists_is_refused(self) -> None:
        """`pipe_file(mode="create")` and `open("xb")` raise `FileExistsError` and keep the object."""
        fs = self.subject.fs
        path = self.subject.write("object", b"old")
        raises(
            FileExistsError,
            "pipe_file(mode='create')",
            lambda: fs.pipe_file(path, b"new", mode="create"),
        )
        equal("after pipe_file(mode='create')", self.subject.read_elsewhere("object"), b"old")

        def create() -> None:
            with fs.open(path, "xb") as stream:
                stream.write(b"new")

        raises(FileExistsError, "open('xb')", create)
        equal("after open('xb')", self.subject.read_elsewhere("object"), b"old")
        fs.pipe_file(self.subject.path("fresh"), b"1", mode="create")
        equal("a new object", self.subject.read_elsewhere("fresh"), b"1")

    @case()
    def appending_never_loses_what_was_there(self) -> None:
        """`open("ab")` appends or is refused; it never replaces."""
        path = self.subject.write("object", b"old")
        try:
            with self.subject.fs.open(path, "ab") as stream:
                stream.write(b"+new")
        except (NotImplementedError, ValueError, OSError):
            wanted = b"old"
        else:
            wanted = b"old+new"
        equal("the object after open('ab')", self.subject.read_elsewhere("object"), wanted)

    @case()
    def moving_replaces_the_target_and_removes_the_source(self) -> None:
        """`mv` and `mv_file` onto an existing object leave exactly the moved one."""
        source, target = self.subject.write("source", b"new"), self.subject.write("target", b"old")
        self.subject.fs.mv(source, target)
        equal("the target", self.subject.read_elsewhere("target"), b"new")
        equal("what lies in the folder", self.subject.listed_elsewhere(), ["target"])

    @case()
    def copying_replaces_the_target_and_keeps_the_source(self) -> None:
        """`cp_file` onto an existing object, and onto itself, loses nothing."""
        source, target = self.subject.write("source", b"new"), self.subject.write("target", b"old")
        self.subject.fs.cp_file(source, target)
        equal("the target", self.subject.read_elsewhere("target"), b"new")
        equal("the source", self.subject.read_elsewhere("source"), b"new")
        with contextlib.suppress(OSError, ValueError):
            self.subject.fs.cp_file(source, source)
        equal("the source copied onto itself", self.subject.read_elsewhere("source"), b"new")
