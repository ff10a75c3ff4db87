"""Beside the nine points: every argument that fsspec defines is honoured or refused."""

from __future__ import annotations

import contextlib
import datetime as dt
import urllib.error
import urllib.request

from fsspec.callbacks import Callback

from ..core import CaseFailed, Contract, case, equal, raises, true
from ..subject import FilesystemSubject

__all__ = ["Arguments"]


class _Counted(Callback):
    """Remembers what a transfer reported."""


class Arguments(Contract):
    """What a caller asks for is done, or the caller is told."""

    group = "arguments"
    point = "fsspec's arguments"
    subject: FilesystemSubject

    @case()
    def many_files_are_written_and_read_at_once(self) -> None:
        """`pipe({...})`, `cat([...])` and `rm([...])` handle each member."""
        fs = self.subject.fs
        data = {self.subject.path(f"bulk/{i}"): bytes([i]) * i for i in range(25)}
        self.subject.make_folder(self.subject.path("bulk"))
        fs.pipe(data)
        got = fs.cat(list(data))
        equal("cat([...])", {name.strip("/"): bytes(v) for name, v in got.items()}, _bare(data))
        fs.rm(list(data))
        equal("what is left", self.subject.listed_elsewhere(), [])

    @case()
    def batch_size_limits_without_losing(self) -> None:
        """`cat`, `pipe` and `rm` with `batch_size` give the same as without."""
        fs = self.subject.fs
        data = {self.subject.path(f"bulk/{i}"): b"x" * i for i in range(7)}
        for path in data:
            self.subject.make_folder(path.rpartition("/")[0])
        try:
            fs.pipe(data, batch_size=2)
            got = fs.cat(list(data), batch_size=3)
            fs.rm(list(data), batch_size=2)
        except TypeError as error:
            message = f"batch_size: expected to be honoured, got TypeError: {error}"
            raise CaseFailed(message) from error
        equal(
            "cat(batch_size=3)", {name.strip("/"): bytes(v) for name, v in got.items()}, _bare(data)
        )
        equal("after rm(batch_size=2)", self.subject.listed_elsewhere(), [])

    @case()
    def folders_are_sent_and_fetched_whole(self) -> None:
        """`put(recursive=True)` and `get(recursive=True)` carry a tree there and back."""
        fs = self.subject.fs
        tree = {"one": b"1", "in/two": b"22", "in/deep/three": b"333"}
        with self.subject.local() as folder:
            for name, data in tree.items():
                (folder / "out" / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / "out" / name).write_bytes(data)
            self.subject.make_folder(self.subject.path())
            fs.put(str(folder / "out") + "/", self.subject.path("sent") + "/", recursive=True)
            equal("after put", self.subject.listed_elsewhere(), sorted(f"sent/{n}" for n in tree))
            fs.get(self.subject.path("sent") + "/", str(folder / "back") + "/", recursive=True)
            back = {
                str(item.relative_to(folder / "back")): item.read_bytes()
                for item in (folder / "back").rglob("*")
                if item.is_file()
            }
            equal("after get", back, tree)

    @case()
    def folders_are_copied_whole(self) -> None:
        """`copy(recursive=True)` copies every file below."""
        for name in ("from/one", "from/in/two", "from-not/three"):
            self.subject.write_elsewhere(name, name.encode())
        self.subject.fs.copy(self.subject.path("from"), self.subject.path("to"), recursive=True)
        wanted = ["from-not/three", "from/in/two", "from/one", "to/in/two", "to/one"]
        equal("after copy(recursive=True)", self.subject.listed_elsewhere(), wanted)
        equal("a copied file", self.subject.read_elsewhere("to/in/two"), b"from/in/two")

    @case()
    def copying_a_folder_without_recursive_copies_no_files(self) -> None:
        """`copy(folder, b)` without `recursive` leaves the files where they are."""
        self.subject.write_elsewhere("from/one", b"1")
        with contextlib.suppress(OSError, ValueError):
            self.subject.fs.copy(self.subject.path("from"), self.subject.path("to"))
        equal("after copy without recursive", self.subject.listed_elsewhere(), ["from/one"])

    @case()
    def depth_limits_a_recursive_delete(self) -> None:
        """`rm(recursive=True, maxdepth=1)` deletes no grandchildren, or is refused."""
        self.subject.write_elsewhere("top/file", b"1")
        self.subject.write_elsewhere("top/in/deep", b"1")
        with contextlib.suppress(OSError, ValueError, NotImplementedError, TypeError):
            self.subject.fs.rm(self.subject.path("top"), recursive=True, maxdepth=1)
        left = self.subject.listed_elsewhere()
        true(f"rm(maxdepth=1) deleted the grandchild; left: {left}", "top/in/deep" in left)

    @case()
    def progress_of_a_transfer_is_reported(self) -> None:
        """A callback given to `put_file` and `get_file` ends at the file's size."""
        data = bytes(3 * 2**20)
        with self.subject.local() as folder:
            (folder / "x").write_bytes(data)
            up, down = _Counted(), _Counted()
            self.subject.make_folder(self.subject.path())
            self.subject.fs.put_file(str(folder / "x"), self.subject.path("x"), callback=up)
            self.subject.fs.get_file(self.subject.path("x"), str(folder / "y"), callback=down)
            equal("put_file's callback (size, value)", (up.size, up.value), (len(data), len(data)))
            equal(
                "get_file's callback (size, value)", (down.size, down.value), (len(data), len(data))
            )
            equal("the file fetched", (folder / "y").read_bytes() == data, True)

    @case()
    def making_a_folder_twice_is_an_error_only_when_asked(self) -> None:
        """`makedirs(exist_ok=True)` is quiet about what is there."""
        fs = self.subject.fs
        self.subject.write("folder/file", b"x")
        fs.makedirs(self.subject.path("folder"), exist_ok=True)
        fs.makedirs(self.subject.path("new/er/folder"), exist_ok=True)
        fs.pipe_file(self.subject.path("new/er/folder/file"), b"x")
        wanted = ["folder/file", "new/er/folder/file"]
        equal("what lies there", self.subject.listed_elsewhere(), wanted)

    @case()
    def touching_does_not_empty_a_file_when_told_not_to(self) -> None:
        """`touch(truncate=True)` empties; `truncate=False` keeps the bytes or is refused."""
        fs = self.subject.fs
        path = self.subject.write("file", b"content")
        with contextlib.suppress(OSError, ValueError, NotImplementedError):
            fs.touch(path, truncate=False)
        equal("after touch(truncate=False)", self.subject.read_elsewhere("file"), b"content")
        fs.touch(path, truncate=True)
        equal("after touch(truncate=True)", self.subject.read_elsewhere("file"), b"")

    @case()
    def text_is_written_and_read(self) -> None:
        """`write_text`, `read_text` and text mode keep the characters and the line ends."""
        fs, path = self.subject.fs, self.subject.path("text")
        self.subject.make_folder(self.subject.path())
        fs.write_text(path, "höhe\n☃\r\n", encoding="utf-8", newline="")
        equal(
            "the bytes of write_text", self.subject.read_elsewhere("text"), "höhe\n☃\r\n".encode()
        )
        with fs.open(path, "w", encoding="utf-8") as stream:
            stream.write("zwei")
        equal("read_text", fs.read_text(path, encoding="utf-8"), "zwei")

    @case()
    def the_time_of_a_change_is_known(self) -> None:
        """`modified` is a datetime with a time zone, and does not go back."""
        fs = self.subject.fs
        path = self.subject.write("file", b"1")
        first = fs.modified(path)
        true(f"modified: expected a datetime, got {first!r}", isinstance(first, dt.datetime))
        true(f"modified: expected a time zone in {first!r}", first.tzinfo is not None)
        fs.pipe_file(path, b"22")
        true("modified went back after an overwrite", fs.modified(path) >= first)

    @case()
    def a_signed_link_opens_without_credentials_or_is_refused(self) -> None:
        """`sign` gives a URL that anybody can GET, or raises `NotImplementedError`."""
        path = self.subject.write("shared file", b"shared")
        try:
            url = self.subject.fs.sign(path, expiration=60)
        except NotImplementedError:
            return
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                got = answer.read()
        except urllib.error.URLError as error:
            message = f"GET of sign(p): expected the content, got {error}"
            raise CaseFailed(message) from error
        equal("GET of sign(p)", got, b"shared")

    @case()
    def an_unknown_mode_is_refused(self) -> None:
        """`open(p, "q")` and `pipe_file(mode="sideways")` raise and change nothing."""
        fs = self.subject.fs
        path = self.subject.write("file", b"old")
        raises(
            (ValueError, NotImplementedError, OSError, KeyError),
            "open(p, 'q')",
            lambda: fs.open(path, "q"),
        )
        raises(
            (ValueError, NotImplementedError, OSError, TypeError),
            "pipe_file(mode='sideways')",
            lambda: fs.pipe_file(path, b"new", mode="sideways"),
        )
        equal("the object afterwards", self.subject.read_elsewhere("file"), b"old")


def _bare(data: dict[str, bytes]) -> dict[str, bytes]:
    return {name.strip("/"): value for name, value in data.items()}
