"""Point 2: missing is missing, and nothing else is."""

from __future__ import annotations

from ..core import Contract, case, equal, raises, true
from ..subject import FilesystemSubject

__all__ = ["Missing"]


class Missing(Contract):
    """What is not there is said so in one way, whoever is asked."""

    group = "missing"
    point = "2. Missing is missing"
    subject: FilesystemSubject

    @case()
    def reading_a_missing_file_is_file_not_found(self) -> None:
        """`cat_file`, `cat` and `open("rb").read` raise `FileNotFoundError`."""
        fs, path = self.subject.fs, self.subject.path("nothing/here")
        raises(FileNotFoundError, "cat_file(missing)", lambda: fs.cat_file(path))
        raises(FileNotFoundError, "cat([missing])", lambda: fs.cat([path]))

        def read() -> bytes:
            with fs.open(path, "rb") as stream:
                return bytes(stream.read())

        raises(FileNotFoundError, "open(missing).read()", read)

    @case()
    def asking_about_a_missing_file_is_file_not_found(self) -> None:
        """`info`, `size`, `modified` and `ls` raise `FileNotFoundError`."""
        fs, path = self.subject.fs, self.subject.path("nothing")
        raises(FileNotFoundError, "info(missing)", lambda: fs.info(path))
        raises(FileNotFoundError, "size(missing)", lambda: fs.size(path))
        raises(FileNotFoundError, "ls(missing)", lambda: fs.ls(path))

    @case()
    def a_missing_file_does_not_exist(self) -> None:
        """`exists`, `isfile` and `isdir` are `False`."""
        fs, path = self.subject.fs, self.subject.path("nothing")
        self.subject.write("nothing-like-it", b"x")
        equal("exists(missing)", fs.exists(path), False)
        equal("isfile(missing)", fs.isfile(path), False)
        equal("isdir(missing)", fs.isdir(path), False)

    @case()
    def searching_nothing_finds_nothing(self) -> None:
        """`find` and `glob` below a missing folder are empty."""
        fs, path = self.subject.fs, self.subject.path("nothing")
        equal("find(missing)", list(fs.find(path)), [])
        equal("glob(missing/*)", list(fs.glob(path + "/*")), [])
        equal("find(missing, detail=True)", dict(fs.find(path, detail=True)), {})

    @case()
    def deleting_a_missing_file_is_file_not_found(self) -> None:
        """`rm_file`, `rm` and `rm(recursive=True)` raise `FileNotFoundError`."""
        fs, path = self.subject.fs, self.subject.path("nothing")
        self.subject.write("nothing-like-it", b"x")
        raises(FileNotFoundError, "rm_file(missing)", lambda: fs.rm_file(path))
        raises(FileNotFoundError, "rm(missing)", lambda: fs.rm(path))
        raises(
            FileNotFoundError, "rm(missing, recursive=True)", lambda: fs.rm(path, recursive=True)
        )
        equal("what is left", self.subject.listed_elsewhere(), ["nothing-like-it"])

    @case()
    def a_missing_member_does_not_keep_the_others_from_deletion(self) -> None:
        """`rm([a, missing, b])` deletes a and b, and says what was missing."""
        paths = [
            self.subject.write("a", b"a"),
            self.subject.path("gone"),
            self.subject.write("b", b"b"),
        ]
        raises(FileNotFoundError, "rm([a, missing, b])", lambda: self.subject.fs.rm(paths))
        equal("what is left", self.subject.listed_elsewhere(), [])

    @case()
    def copying_or_moving_a_missing_file_is_file_not_found(self) -> None:
        """`cp_file` and `mv` of nothing raise and make nothing."""
        fs, path, target = (
            self.subject.fs,
            self.subject.path("nothing"),
            self.subject.path("target"),
        )
        self.subject.make_folder(self.subject.path())
        raises(FileNotFoundError, "cp_file(missing, b)", lambda: fs.cp_file(path, target))
        raises(FileNotFoundError, "mv(missing, b)", lambda: fs.mv(path, target))
        equal("what was made", self.subject.listed_elsewhere(), [])

    @case()
    def fetching_a_missing_file_leaves_no_local_file(self) -> None:
        """`get_file` raises `FileNotFoundError` and leaves no empty file that looks like the object."""
        with self.subject.local() as folder:
            local = folder / "copy"
            path = self.subject.path("nothing")
            raises(
                FileNotFoundError,
                "get_file(missing, local)",
                lambda: self.subject.fs.get_file(path, str(local)),
            )
            true("get_file(missing) left a local file behind", not local.exists())

    @case()
    def sending_a_missing_local_file_keeps_the_object(self) -> None:
        """`put_file` of nothing raises `FileNotFoundError` and the old object stays."""
        path = self.subject.write("kept", b"old")
        with self.subject.local() as folder:
            raises(
                FileNotFoundError,
                "put_file(missing local, p)",
                lambda: self.subject.fs.put_file(str(folder / "nothing"), path),
            )
        equal("the object afterwards", self.subject.read_elsewhere("kept"), b"old")

    @case()
    def a_bulk_read_treats_missing_files_as_asked(self) -> None:
        """`cat(on_error=...)` raises, omits or returns the error of a missing member."""
        fs = self.subject.fs
        here, gone = self.subject.write("here", b"x"), self.subject.path("gone")
        raises(FileNotFoundError, "cat([here, gone])", lambda: fs.cat([here, gone]))
        omitted = fs.cat([here, gone], on_error="omit")
        equal("cat(on_error='omit')", self.subject.names(omitted), ["here"])
        returned = fs.cat([here, gone], on_error="return")
        kinds = sorted(type(value).__name__ for value in returned.values() if value != b"x")
        true(
            f"cat(on_error='return'): expected a FileNotFoundError for the missing file, got {kinds}",
            any(isinstance(value, FileNotFoundError) for value in returned.values()),
        )

    @case()
    def the_error_names_the_file(self) -> None:
        """The message of a `FileNotFoundError` says which file."""
        fs, path = self.subject.fs, self.subject.path("the-file-that-is-not-there")
        for what, call in (("cat_file", fs.cat_file), ("info", fs.info)):
            error = raises(FileNotFoundError, f"{what}(missing)", call, path)
            text = f"{error} {getattr(error, 'filename', '')}"
            true(
                f"{what}(missing) says {text!r}, without the name",
                "the-file-that-is-not-there" in text,
            )

    @case()
    def a_file_is_not_a_folder(self) -> None:
        """`info`, `isfile`, `isdir`, `ls` and `find` of a file are about that file."""
        fs = self.subject.fs
        path = self.subject.write("folder/file", b"1234")
        info = fs.info(path)
        equal("info(file)['type'], ['size']", (info["type"], info["size"]), ("file", 4))
        equal("isfile(file), isdir(file)", (fs.isfile(path), fs.isdir(path)), (True, False))
        equal("ls(file)", self.subject.names(fs.ls(path, detail=False)), ["folder/file"])
        equal("find(file)", self.subject.names(fs.find(path)), ["folder/file"])
        detail = fs.find(path, detail=True)
        true(
            f"find(file, detail=True): expected a dict, got {type(detail).__name__}",
            isinstance(detail, dict),
        )
        sizes = [entry.get("size") for entry in detail.values()]
        equal("the sizes in find(file, detail=True)", sizes, [4])

    @case()
    def a_folder_is_not_a_file(self) -> None:
        """`isfile` is `False`, reading it is an error, and its type is `directory`."""
        fs = self.subject.fs
        self.subject.write("folder/file", b"x")
        path = self.subject.path("folder")
        equal("info(folder)['type']", fs.info(path)["type"], "directory")
        equal("isfile(folder), isdir(folder)", (fs.isfile(path), fs.isdir(path)), (False, True))
        raises(
            (IsADirectoryError, FileNotFoundError), "cat_file(folder)", lambda: fs.cat_file(path)
        )

    @case()
    def deleting_a_folder_as_a_file_keeps_its_files(self) -> None:
        """`rm_file(folder)` and `rm(folder)` without `recursive` are refused."""
        fs = self.subject.fs
        self.subject.write("folder/file", b"x")
        path = self.subject.path("folder")
        raises(OSError, "rm_file(folder)", lambda: fs.rm_file(path))
        equal("after rm_file(folder)", self.subject.listed_elsewhere(), ["folder/file"])
        raises((OSError, ValueError), "rm(folder)", lambda: fs.rm(path))
        equal("after rm(folder)", self.subject.listed_elsewhere(), ["folder/file"])

    @case()
    def a_file_can_be_written_where_its_folder_does_not_exist_yet(self) -> None:
        """`pipe_file`, `put_file` and `open("wb")` make the folders they need."""
        fs = self.subject.fs
        fs.pipe_file(self.subject.path("new/one/pipe"), b"1")
        with fs.open(self.subject.path("new/two/open"), "wb") as stream:
            stream.write(b"2")
        with self.subject.local() as folder:
            (folder / "x").write_bytes(b"3")
            fs.put_file(str(folder / "x"), self.subject.path("new/three/put"))
        equal(
            "what was written",
            self.subject.listed_elsewhere(),
            ["new/one/pipe", "new/three/put", "new/two/open"],
        )
