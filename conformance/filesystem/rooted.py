"""Point 5, second half: no path leaves the root."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..core import Contract, NotApplicable, case, equal, raises, true
from ..subject import FilesystemSubject

__all__ = ["Rooted"]

OUTSIDE = b"outside the root"
ESCAPES = [
    "../secret",
    "../../secret",
    "a/../../secret",
    "a/b/../../../secret",
    "./../secret",
    "..//secret",
    "..",
    "../",
    "a/../..",
    "..\\secret",
    "a\\..\\..\\secret",
    "%2e%2e/secret",
    "..%2fsecret",
    "%2e%2e%2fsecret",
    "../inside-too/secret",
    "\x00/../secret",
]


class Rooted(Contract):
    """A filesystem confined to `inside`, with a file beside it that nobody may reach."""

    group = "rooted"
    point = "5. Rooted"
    subject: FilesystemSubject

    def _prepare(self) -> Any:
        """The confined filesystem; `secret` lies beside its root, `inside-too` is a sibling."""
        self.subject.write_elsewhere("secret", OUTSIDE)
        self.subject.write_elsewhere("inside-too/secret", OUTSIDE)
        self.subject.write_elsewhere("inside/a/b/file", b"inside")
        return self.subject.confined("inside")

    def _paths(self) -> list[str]:
        above = self.subject.path("secret")
        return [*ESCAPES, "/" + above.lstrip("/"), above, f"/../{self.subject.folder}/secret"]

    def _unharmed(self, what: str) -> None:
        for name in ("secret", "inside-too/secret"):
            equal(f"the file outside after {what}", self.subject.read_elsewhere(name), OUTSIDE)

    def _try(self, call: Callable[..., object], *arguments: Any, **options: Any) -> object:
        """What the call gave, or `None` when it was refused."""
        try:
            return call(*arguments, **options)
        except (OSError, ValueError):
            return None

    @case()
    def reading_does_not_leave_the_root(self) -> None:
        """No spelling of "above" reads the file outside."""
        fs = self._prepare()
        for path in self._paths():
            true(
                f"cat_file({path!r}) returned the file outside the root",
                self._try(fs.cat_file, path) != OUTSIDE,
            )

            def read(path: str = path) -> bytes:
                with fs.open(path, "rb") as stream:
                    return bytes(stream.read())

            true(f"open({path!r}) read the file outside the root", self._try(read) != OUTSIDE)

    @case()
    def asking_does_not_leave_the_root(self) -> None:
        """`exists`, `info`, `ls`, `find` and `glob` say nothing about what lies outside."""
        fs = self._prepare()
        for path in self._paths():
            leaf = path.rstrip("/").endswith("secret")
            if leaf:
                for name in ("exists", "isfile"):
                    got = self._try(getattr(fs, name), path)
                    true(
                        f"{name}({path!r}) is {got} about a file outside the root", got is not True
                    )
            for name in ("ls", "find", "glob"):
                got = self._try(getattr(fs, name), path, detail=False)
                seen = [str(item) for item in got] if isinstance(got, (list, dict)) else []
                true(
                    f"{name}({path!r}) shows {seen} from outside the root",
                    not any("secret" in item or "inside-too" in item for item in seen),
                )

    @case()
    def writing_does_not_leave_the_root(self) -> None:
        """No write, copy or move lands outside."""
        fs = self._prepare()
        for path in self._paths():
            self._try(fs.pipe_file, path, b"overwritten")
            self._unharmed(f"pipe_file({path!r})")
            self._try(fs.cp_file, "a/b/file", path)
            self._unharmed(f"cp_file(x, {path!r})")
            self._try(fs.mv, "a/b/file", path)
            self._unharmed(f"mv(x, {path!r})")
        left = [name for name in self.subject.listed_elsewhere() if not name.startswith("inside/")]
        equal("what lies outside the root afterwards", left, ["inside-too/secret", "secret"])

    @case()
    def deleting_does_not_leave_the_root(self) -> None:
        """No delete, recursive ones included, touches what is outside."""
        fs = self._prepare()
        for path in self._paths():
            for what, call, options in (
                ("rm_file", fs.rm_file, {}),
                ("rm", fs.rm, {}),
                ("rm(recursive)", fs.rm, {"recursive": True}),
            ):
                self._try(call, path, **options)
                self._unharmed(f"{what} of {path!r}")

    @case()
    def deleting_the_root_itself_stays_inside(self) -> None:
        """`rm("", recursive=True)` and `rm("/", recursive=True)` delete at most what the root holds."""
        for path in ("", "/"):
            fs = self._prepare()
            self._try(fs.rm, path, recursive=True)
            self._unharmed(f"rm({path!r}, recursive=True)")

    @case()
    def names_come_back_relative_to_the_root(self) -> None:
        """What a listing returns can be used as a path again, and does not name the root."""
        fs = self._prepare()
        found = list(fs.find(""))
        equal("find('')", [str(name).lstrip("/") for name in found], ["a/b/file"])
        equal("cat_file of what find returned", fs.cat_file(found[0]), b"inside")
        listed = fs.ls("", detail=True)
        equal("ls('')", [item["name"].strip("/") for item in listed], ["a"])
        equal("info(...)['name']", fs.info("a/b/file")["name"].lstrip("/"), "a/b/file")
        equal("glob('a/*/*')", [str(name).lstrip("/") for name in fs.glob("a/*/*")], ["a/b/file"])

    @case()
    def a_leading_slash_means_the_root(self) -> None:
        """`/a/b/file` is `a/b/file` below the root, not on the machine."""
        fs = self._prepare()
        equal("cat_file('/a/b/file')", fs.cat_file("/a/b/file"), b"inside")
        fs.pipe_file("/a/new", b"new")
        equal("the file written as '/a/new'", self.subject.read_elsewhere("inside/a/new"), b"new")

    @case()
    def symlinks_do_not_leave_the_root(self) -> None:
        """A link inside that points outside is not followed, for reading, writing, listing or deleting."""
        fs = self._prepare()
        folder = self._disk()
        links = {"link": folder / "secret", "linked": folder / "inside-too"}
        with _links(folder / "inside", links):
            for path in ("link", "linked/secret"):
                got = self._try(fs.cat_file, path)
                true(f"cat_file({path!r}) followed the link out of the root", got != OUTSIDE)
                self._try(fs.pipe_file, path, b"overwritten")
                self._unharmed(f"pipe_file({path!r})")
                self._try(fs.rm_file, path)
                self._unharmed(f"rm_file({path!r})")
        with _links(folder / "inside", links):
            found = self._try(fs.find, "")
            seen = [str(name) for name in found] if isinstance(found, list) else []
            true(
                f"find('') walked out of the root: {seen}",
                not any(name.endswith("linked/secret") for name in seen),
            )
            self._try(fs.pipe_file, "linked/new", b"x")
            true(
                "pipe_file('linked/new') wrote outside",
                not (folder / "inside-too" / "new").exists(),
            )
            self._try(fs.rm, "linked", recursive=True)
            self._try(fs.rm, "", recursive=True)
            self._unharmed("a recursive delete over links")

    @case()
    def links_inside_the_root_may_be_used(self) -> None:
        """A link that stays inside is a file like any other, or refused; it never breaks a listing."""
        fs = self._prepare()
        inside = self._disk() / "inside"
        with _links(inside, {"again": inside / "a", "dangling": inside / "nowhere"}):
            found = [str(name).lstrip("/") for name in fs.find("")]
            true(f"find('') lost a/b/file: {found}", "a/b/file" in found)
            got = self._try(fs.cat_file, "again/b/file")
            true(f"cat_file through an inner link gave {got!r}", got in (b"inside", None))
            raises((OSError, ValueError), "cat_file of a dangling link", fs.cat_file, "dangling")

    def _disk(self) -> Path:
        local = self.subject.spec.local_folder()
        if local is None:
            message = "this storage has no symbolic links that the harness could make"
            raise NotApplicable(message)
        return Path(local) / self.subject.folder


@contextlib.contextmanager
def _links(folder: Path, targets: Mapping[str, Path]) -> Iterator[None]:
    """Symbolic links for the length of the block; not every filesystem can delete them."""
    for name, target in targets.items():
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    try:
        yield
    finally:
        for name in targets:
            if (folder / name).is_symlink():
                (folder / name).unlink()
