"""Point 6: listing and recursive delete see every object, and nothing beside."""

from __future__ import annotations

from ..core import Contract, case, equal, raises, true
from ..subject import FilesystemSubject

__all__ = ["Complete"]

TREE = {
    "a/one": b"1",
    "a/two": b"22",
    "a/deep/er/three": b"333",
    "apple/four": b"4444",
    "a.txt": b"55555",
    "a b/six": b"666666",
    "ab": b"7777777",
}


class Complete(Contract):
    """Everything below a folder, exactly once, and never its namesakes."""

    group = "complete"
    point = "6. Complete"
    subject: FilesystemSubject

    def _tree(self) -> str:
        for name, data in TREE.items():
            self.subject.write_elsewhere(name, data)
        return self.subject.path()

    @case(big=True, seconds=600)
    def a_listing_sees_every_object(self) -> None:
        """2,500 objects in two folders: `find` and `ls` see them all."""
        count = self.subject.sizes.objects
        names = [f"{'left' if i % 5 else 'right'}/{i:05d}" for i in range(count)]
        self.subject.write_many(dict.fromkeys(names, b"x"))
        fs, top = self.subject.fs, self.subject.path()
        equal("how many find sees", len(fs.find(top)), count)
        left = [name for name in names if name.startswith("left/")]
        equal("how many ls sees in a folder", len(fs.ls(self.subject.path("left"))), len(left))
        equal("which find sees", self.subject.names(fs.find(top)), sorted(names))

    @case(big=True, seconds=600)
    def a_recursive_delete_removes_every_object(self) -> None:
        """2,500 objects: after `rm(recursive=True)` none is left, and the neighbour is."""
        count = self.subject.sizes.objects
        self.subject.write_many({f"all/{i % 3}/{i:05d}": b"x" for i in range(count)})
        self.subject.write_elsewhere("all-others/kept", b"x")
        self.subject.fs.rm(self.subject.path("all"), recursive=True)
        equal("what is left", self.subject.listed_elsewhere(), ["all-others/kept"])

    @case(big=True, seconds=600)
    def deleting_a_long_list_deletes_all_of_it(self) -> None:
        """`rm([...])` of more names than one request takes deletes each of them."""
        count = self.subject.sizes.objects
        paths = self.subject.write_many({f"list/{i:05d}": b"x" for i in range(count)})
        self.subject.fs.rm(paths[1:])
        equal("what is left", self.subject.listed_elsewhere(), ["list/00000"])

    @case()
    def a_folder_never_matches_its_namesakes(self) -> None:
        """`find("a")` and `ls("a")` do not show `apple/`, `a.txt` or `ab`."""
        fs = self.subject.fs
        self._tree()
        path = self.subject.path("a")
        wanted = ["a/deep/er/three", "a/one", "a/two"]
        equal("find('a')", self.subject.names(fs.find(path)), wanted)
        equal("find('a/')", self.subject.names(fs.find(path + "/")), wanted)
        equal(
            "ls('a')", self.subject.names(fs.ls(path, detail=False)), ["a/deep", "a/one", "a/two"]
        )
        equal("find('ap')", list(fs.find(self.subject.path("ap"))), [])
        equal("exists('ap')", fs.exists(self.subject.path("ap")), False)
        raises(FileNotFoundError, "ls('ap')", lambda: fs.ls(self.subject.path("ap")))

    @case()
    def deleting_a_folder_keeps_its_namesakes(self) -> None:
        """`rm("a", recursive=True)` leaves `apple/`, `a.txt` and `ab`."""
        self._tree()
        self.subject.fs.rm(self.subject.path("a"), recursive=True)
        equal(
            "what is left",
            self.subject.listed_elsewhere(),
            ["a b/six", "a.txt", "ab", "apple/four"],
        )

    @case()
    def moving_a_folder_keeps_its_namesakes(self) -> None:
        """`mv("a", "moved", recursive=True)` takes the folder and nothing else."""
        self._tree()
        self.subject.fs.mv(self.subject.path("a"), self.subject.path("moved"), recursive=True)
        wanted = [
            "a b/six",
            "a.txt",
            "ab",
            "apple/four",
            "moved/deep/er/three",
            "moved/one",
            "moved/two",
        ]
        equal("after mv('a', 'moved')", self.subject.listed_elsewhere(), wanted)

    @case()
    def a_search_for_a_name_prefix_finds_those_names(self) -> None:
        """`find(folder, prefix=)` gives the names that start so, and no others."""
        fs, top = self.subject.fs, self._tree()
        for prefix, wanted in {
            "a.": ["a.txt"],
            "ap": ["apple/four"],
            "ab": ["ab"],
            "zz": [],
        }.items():
            equal(
                f"find(folder, prefix={prefix!r})",
                self.subject.names(fs.find(top, prefix=prefix)),
                wanted,
            )
        inner = self.subject.names(fs.find(self.subject.path("a"), prefix="t"))
        equal("find('a', prefix='t')", inner, ["a/two"])

    @case()
    def a_listing_shows_one_level(self) -> None:
        """`ls` shows files and folders of one level with type and size, never the folder itself."""
        fs, top = self.subject.fs, self._tree()
        entries = fs.ls(top, detail=True)
        shown = sorted(
            (self.subject.relative(e["name"]), e["type"], e["size"] or 0) for e in entries
        )
        folders = dict.fromkeys(("a", "a b", "apple"), "directory")
        got = {name.rstrip("/"): kind for name, kind, _ in shown}
        equal("names and types in ls", got, {**folders, "a.txt": "file", "ab": "file"})
        sizes = {name: size for name, kind, size in shown if kind == "file"}
        equal("sizes in ls", sizes, {"a.txt": 5, "ab": 7})

    @case()
    def a_search_honours_depth_and_folders(self) -> None:
        """`find(maxdepth=, withdirs=, detail=)` do what fsspec says."""
        fs, top = self.subject.fs, self._tree()
        one = ["a.txt", "ab"]
        equal("find(maxdepth=1)", self.subject.names(fs.find(top, maxdepth=1)), one)
        two = ["a b/six", "a.txt", "a/one", "a/two", "ab", "apple/four"]
        equal("find(maxdepth=2)", self.subject.names(fs.find(top, maxdepth=2)), two)
        inner = self.subject.path("a")
        with_folders = {"a/deep", "a/deep/er", "a/deep/er/three", "a/one", "a/two"}
        got = {name.rstrip("/") for name in self.subject.names(fs.find(inner, withdirs=True))}
        equal("find('a', withdirs=True) without 'a' itself", got - {"a", inner}, with_folders)
        detail = fs.find(inner, detail=True)
        sizes = {self.subject.relative(name): entry["size"] for name, entry in detail.items()}
        equal("find(detail=True) sizes", sizes, {"a/one": 1, "a/two": 2, "a/deep/er/three": 3})

    @case()
    def a_walk_visits_every_folder(self) -> None:
        """`walk` and `du` agree with what was written."""
        fs, top = self.subject.fs, self._tree()
        files = sorted(
            f"{self.subject.relative(str(folder).rstrip('/') + '/x')[:-1]}{name}"
            for folder, _, names in fs.walk(top)
            for name in names
        )
        equal("the files of walk", files, sorted(TREE))
        equal("du", fs.du(top), sum(map(len, TREE.values())))
        equal("du of one folder", fs.du(self.subject.path("a")), 6)

    @case()
    def an_empty_file_is_listed(self) -> None:
        """A file of no bytes exists, has size 0, and is found."""
        fs = self.subject.fs
        path = self.subject.write("folder/empty", b"")
        equal("info(empty)['size']", fs.info(path)["size"], 0)
        equal("isfile(empty)", fs.isfile(path), True)
        equal("find", self.subject.names(fs.find(self.subject.path("folder"))), ["folder/empty"])
        fs.touch(self.subject.path("folder/touched"))
        equal("after touch", self.subject.listed_elsewhere(), ["folder/empty", "folder/touched"])

    @case()
    def a_deep_tree_is_found(self) -> None:
        """Thirty folders deep is not too deep, and deletes from the top."""
        name = "/".join(f"level{i}" for i in range(30)) + "/file"
        self.subject.write_elsewhere(name, b"x")
        equal("find", self.subject.names(self.subject.fs.find(self.subject.path("level0"))), [name])
        self.subject.fs.rm(self.subject.path("level0"), recursive=True)
        equal("what is left", self.subject.listed_elsewhere(), [])

    @case()
    def a_deleted_folder_is_gone(self) -> None:
        """After a recursive delete the folder exists for no question."""
        fs = self.subject.fs
        self.subject.write("gone/deep/file", b"x")
        self.subject.write("stays", b"x")
        path = self.subject.path("gone")
        fs.rm(path, recursive=True)
        equal("exists(deleted folder)", fs.exists(path), False)
        true("isdir(deleted folder) is True", not fs.isdir(path))
        raises(FileNotFoundError, "ls(deleted folder)", lambda: fs.ls(path))
        listed = self.subject.names(fs.ls(self.subject.path(), detail=False))
        equal("ls of the folder above", listed, ["stays"])
