"""Point 3: no cache hides what another process wrote."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from ..core import Contract, case, equal, raises
from ..subject import FilesystemSubject

__all__ = ["Fresh"]


class Fresh(Contract):
    """One filesystem object looks first, another process writes, the first looks again."""

    group = "fresh"
    point = "3. Fresh"
    subject: FilesystemSubject

    def _primings(self) -> Iterator[tuple[str, Callable[[str], object]]]:
        fs = self.subject.fs
        yield "ls", fs.ls
        yield "find", fs.find
        yield "exists", lambda folder: [fs.exists(f"{folder}/{name}") for name in ("a", "new")]
        yield "info", lambda folder: fs.info(f"{folder}/a")
        yield "walk", lambda folder: list(fs.walk(folder))

    @case()
    def a_file_written_elsewhere_is_seen(self) -> None:
        """After `ls`, `find`, `exists`, `info` or `walk`, a new object is there for every question."""
        fs = self.subject.fs
        for name, prime in self._primings():
            self.subject.write_elsewhere(f"{name}/a", b"a")
            prime(self.subject.path(name))
            path = self.subject.write_elsewhere(f"{name}/new", b"12345")
            equal(f"exists(new) after {name}", fs.exists(path), True)
            equal(f"isfile(new) after {name}", fs.isfile(path), True)
            equal(f"info(new)['size'] after {name}", fs.info(path)["size"], 5)
            equal(f"cat_file(new) after {name}", fs.cat_file(path), b"12345")
            listed = self.subject.names(fs.ls(self.subject.path(name), detail=False))
            equal(f"ls after {name}", listed, [f"{name}/a", f"{name}/new"])
            found = self.subject.names(fs.find(self.subject.path(name)))
            equal(f"find after {name}", found, [f"{name}/a", f"{name}/new"])

    @case()
    def a_file_rewritten_elsewhere_has_its_new_content(self) -> None:
        """Size, whole reads, ranges and open files follow the other process's overwrite."""
        fs = self.subject.fs
        for name, prime in self._primings():
            path = self.subject.write_elsewhere(f"{name}/a", b"old")
            prime(self.subject.path(name))
            self.subject.write_elsewhere(f"{name}/a", b"new and longer")
            equal(f"info(p)['size'] after {name}", fs.info(path)["size"], 14)
            equal(f"cat_file(p) after {name}", fs.cat_file(path), b"new and longer")
            equal(f"cat_file(p, 4, 8) after {name}", fs.cat_file(path, 4, 8), b"and ")
            with fs.open(path, "rb") as stream:
                equal(f"open(p).read() after {name}", stream.read(), b"new and longer")

    @case()
    def a_file_deleted_elsewhere_is_gone(self) -> None:
        """No question finds what another process deleted."""
        fs = self.subject.fs
        for name, prime in self._primings():
            path = self.subject.write_elsewhere(f"{name}/a", b"old")
            self.subject.write_elsewhere(f"{name}/b", b"stays")
            prime(self.subject.path(name))
            self.subject.peer.rm_file(path)
            equal(f"exists(deleted) after {name}", fs.exists(path), False)
            raises(FileNotFoundError, f"info(deleted) after {name}", fs.info, path)
            raises(
                FileNotFoundError,
                f"cat_file(deleted) after {name}",
                fs.cat_file,
                path,
            )
            listed = self.subject.names(fs.ls(self.subject.path(name), detail=False))
            equal(f"ls after {name}", listed, [f"{name}/b"])

    @case()
    def a_filesystem_sees_its_own_writes(self) -> None:
        """Write, overwrite, move and delete show at once in the same object's listings."""
        fs = self.subject.fs
        folder = self.subject.path("own")
        path = self.subject.write("own/a", b"old")
        fs.ls(folder)
        fs.find(folder)
        self.subject.write("own/b", b"b")
        equal("info(new)['size']", fs.info(self.subject.path("own/b"))["size"], 1)
        fs.pipe_file(path, b"longer")
        equal("info(overwritten)['size']", fs.info(path)["size"], 6)
        fs.mv(path, self.subject.path("own/c"))
        equal("ls after mv", self.subject.names(fs.ls(folder, detail=False)), ["own/b", "own/c"])
        fs.rm_file(self.subject.path("own/b"))
        equal("ls after rm_file", self.subject.names(fs.ls(folder, detail=False)), ["own/c"])

    @case()
    def the_second_opening_is_independent(self) -> None:
        """What one opening has listed does not make another one stale, and neither sees ghosts."""
        third = self.subject.another()
        path = self.subject.write("shared/a", b"1")
        folder = self.subject.path("shared")
        for fs in (self.subject.fs, self.subject.peer, third):
            fs.ls(folder)
        self.subject.fs.pipe_file(path, b"22")
        with contextlib.suppress(FileNotFoundError):
            self.subject.peer.rm_file(self.subject.path("shared/none"))
        for name, fs in (
            ("the writer", self.subject.fs),
            ("a peer", self.subject.peer),
            ("a third", third),
        ):
            equal(f"info(p)['size'] seen by {name}", fs.info(path)["size"], 2)
