"""Point 5, first half: a name is data."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator

from ..core import CaseFailed, Contract, NotApplicable, case, equal, raises, true
from ..subject import FilesystemSubject

__all__ = ["Names"]

CHARACTERS = "ab .-_~#?%+&=:;,@!$'\"()[]{}*^|<>\\\téß中😀"
PIECES = [
    "%2F",
    "%20",
    "%25",
    "%00",
    "?versionId=1",
    "#x",
    "**",
    "[ab]",
    "{a,b}",
    "$HOME",
    "..",
    "::",
]


class Names(Contract):
    """Names keep every character, and never glob, parse or decode."""

    group = "names"
    point = "5. Names are data"
    subject: FilesystemSubject

    def _kept(self, names: list[str], *, may_refuse: bool = False) -> None:
        """Each name is stored as it is, or (where allowed) refused with nothing stored."""
        for number, name in enumerate(names):
            folder = f"{number}"
            fs, path = self.subject.fs, self.subject.path(f"{folder}/{name}")
            self.subject.make_folder(self.subject.path(folder))
            try:
                fs.pipe_file(path, b"content")
            except (OSError, ValueError) as error:
                if not may_refuse:
                    message = f"pipe_file({name!r}): expected it to be stored, got {type(error).__name__}: {error}"
                    raise CaseFailed(message) from error
                with contextlib.suppress(FileNotFoundError):
                    found = self.subject.names(self.subject.peer.find(self.subject.path(folder)))
                    equal(f"find after pipe_file({name!r}) was refused", found, [])
                continue
            self._everywhere(folder, name)

    def _everywhere(self, folder: str, name: str) -> None:
        fs, path = self.subject.fs, self.subject.path(f"{folder}/{name}")
        top = self.subject.path(folder)
        equal(f"cat_file({name!r})", bytes(fs.cat_file(path)), b"content")
        equal(
            f"another process's cat_file({name!r})",
            bytes(self.subject.peer.cat_file(path)),
            b"content",
        )
        equal(
            f"find of the folder of {name!r}",
            self.subject.names(fs.find(top)),
            [f"{folder}/{name}"],
        )
        listed = self.subject.names(fs.ls(top, detail=False))
        equal(f"ls of the folder of {name!r}", listed, [f"{folder}/{name}"])
        equal(f"exists({name!r})", fs.exists(path), True)
        info = fs.info(path)
        equal(f"info({name!r})['name']", self.subject.relative(info["name"]), f"{folder}/{name}")
        equal(f"info({name!r})['size']", info["size"], 7)
        with fs.open(path, "rb") as stream:
            equal(f"open({name!r}).read()", stream.read(), b"content")
        fs.rm_file(path)
        equal(f"exists({name!r}) after rm_file", fs.exists(path), False)
        equal(f"find after rm_file({name!r})", self.subject.names(fs.find(top)), [])

    @case()
    def spaces_and_punctuation_are_kept(self) -> None:
        """Space, `+ & = , ; @ ! $ ' ( ) ~` and friends."""
        self._kept(
            ["a b", "a+b", "a&b=c", "a,b;c", "user@host!", "it's $HOME (x)", "~tilde", "-dash"]
        )

    @case()
    def unicode_is_kept(self) -> None:
        """Accents (in either normal form), CJK and emoji."""
        self._kept(["\u00e9", "e\u0301", "中文", "😀.txt", "ß ñ"])

    @case()
    def url_characters_are_kept(self) -> None:
        """`#`, `?`, `%` and percent sequences are not parsed and not decoded."""
        self._kept(["a#b", "a?b", "100%", "a%20b", "a%2Fb", "%41", "x?versionId=1", "x?a=1&b=2#c"])

    @case()
    def glob_characters_are_kept(self) -> None:
        """`*`, `?`, `[`, `]`, `{`, `}` in a name mean themselves."""
        self._kept(["a*b", "a?b", "a[bc]d", "[", "]", "{a,b}", "**"])

    @case()
    def colons_and_chains_are_kept(self) -> None:
        """`:`, `::` and something that looks like a URL are a name."""
        self._kept(["a:b", "a::b", "12:30:00", "s3:x"])

    @case()
    def dots_are_kept(self) -> None:
        """A leading dot, dots in the middle."""
        self._kept([".hidden", "a..b", "step.v1.out.partial", "..a"])

    @case()
    def spaces_and_dots_at_the_ends_are_kept_or_refused(self) -> None:
        """A leading or trailing space and a trailing dot are never silently dropped."""
        self._kept([" lead", "trail ", " ", "trail.", "..."], may_refuse=True)

    @case()
    def backslashes_are_kept_or_refused(self) -> None:
        r"""`a\b` is never stored as `a/b`."""
        self._kept(["a\\b", "\\", "..\\x", "a\\..\\b"], may_refuse=True)

    @case()
    def control_characters_are_kept_or_refused(self) -> None:
        """Newline, tab, carriage return, DEL: stored as they are or not at all."""
        self._kept(["a\nb", "a\tb", "a\rb", "a\x7fb", "a\x01b"], may_refuse=True)

    @case()
    def quotes_and_angles_are_kept_or_refused(self) -> None:
        """Characters that some systems forbid are kept, or refused with an error."""
        self._kept(['a"b', "a<b>c", "a|b", "a^b", "a`b"], may_refuse=True)

    @case()
    def long_names_are_kept_or_refused(self) -> None:
        """An element of 255 bytes is stored; a longer one is stored or refused, never cut."""
        self._kept(["x" * 200])
        self._kept(["x" * 255, "é" * 120, "x" * 256, "é" * 200], may_refuse=True)

    @case()
    def deleting_a_name_with_wildcards_deletes_that_name_only(self) -> None:
        """`rm("x*y")`, `rm_file`, `rm([...])` and recursive `rm` do not glob."""
        fs = self.subject.fs
        for name in ("x*y", "x?y", "x[ab]y"):
            for call in ("rm_file", "rm", "rm([..])", "rm(recursive)"):
                others = ["xay", "xby"]
                made = 0
                for other in [*others, name]:
                    with self._refusal_is_no_answer(name):
                        self.subject.write(other, b"1")
                        made += 1
                path = self.subject.path(name)
                if call == "rm_file":
                    fs.rm_file(path)
                elif call == "rm":
                    fs.rm(path)
                elif call == "rm([..])":
                    fs.rm([path])
                else:
                    fs.rm(path, recursive=True)
                equal(
                    f"what is left after {call} of {name!r}",
                    self.subject.listed_elsewhere(),
                    others,
                )

    @case()
    def no_call_expands_wildcards(self) -> None:
        """`exists`, `cat`, `info`, `cp_file`, `mv`, `get_file` of `x*y` are about that name."""
        fs = self.subject.fs
        self.subject.write("xay", b"other")
        path = self.subject.path("x*y")
        equal("exists('x*y') beside 'xay'", fs.exists(path), False)
        raises(FileNotFoundError, "cat('x*y') beside 'xay'", lambda: fs.cat(path))
        raises(FileNotFoundError, "info('x*y') beside 'xay'", lambda: fs.info(path))
        raises(FileNotFoundError, "rm('x*y') beside 'xay'", lambda: fs.rm(path))
        with self._refusal_is_no_answer("x*y"):
            self.subject.write("x*y", b"mine")
        equal("cat('x*y')", fs.cat(path), b"mine")
        fs.cp_file(path, self.subject.path("copy"))
        equal("cp_file('x*y', ...)", self.subject.read_elsewhere("copy"), b"mine")
        with self.subject.local() as folder:
            fs.get_file(path, str(folder / "got"))
            equal("get_file('x*y', ...)", (folder / "got").read_bytes(), b"mine")
        fs.mv(path, self.subject.path("moved"))
        equal("after mv('x*y', ...)", self.subject.listed_elsewhere(), ["copy", "moved", "xay"])

    @case()
    def globbing_is_there_for_those_who_ask(self) -> None:
        """`glob` expands `*`, `?`, `[...]` and `**`."""
        fs = self.subject.fs
        for name in ("g/a1.txt", "g/a2.txt", "g/b1.txt", "g/deep/er/a3.txt", "g/a1.csv"):
            self.subject.write(name, b"1")
        top = self.subject.path("g")
        equal("glob('*.txt')", self._glob(f"{top}/*.txt"), ["g/a1.txt", "g/a2.txt", "g/b1.txt"])
        equal("glob('a?.txt')", self._glob(f"{top}/a?.txt"), ["g/a1.txt", "g/a2.txt"])
        equal("glob('[ab]1.*')", self._glob(f"{top}/[ab]1.*"), ["g/a1.csv", "g/a1.txt", "g/b1.txt"])
        equal("glob('**/a3.txt')", self._glob(f"{top}/**/a3.txt"), ["g/deep/er/a3.txt"])
        true("glob('nothing*') found something", not fs.glob(f"{top}/nothing*"))

    @case(seconds=180)
    def any_name_is_kept_or_refused(self) -> None:
        """Names made of everything: stored under exactly that name, or refused and nothing stored."""
        for number, name in enumerate(_names(self.subject.sizes.names)):
            self._hostile(number, name)

    def _hostile(self, number: int, name: str) -> None:
        fs, folder = self.subject.fs, f"{number}"
        path = self.subject.path(f"{folder}/{name}")
        self.subject.make_folder(self.subject.path(folder))
        try:
            fs.pipe_file(path, b"content")
        except (OSError, ValueError):
            wanted = []
        else:
            wanted = [f"{folder}/{name}"]
            equal(f"cat_file({name!r})", bytes(fs.cat_file(path)), b"content")
        try:
            found = self.subject.names(self.subject.peer.find(self.subject.path(folder)))
        except FileNotFoundError:
            found = []
        equal(f"what find sees after pipe_file({name!r})", found, wanted)
        if wanted:
            fs.rm_file(path)
            equal(f"exists({name!r}) after rm_file", fs.exists(path), False)

    def _glob(self, pattern: str) -> list[str]:
        return self.subject.names(self.subject.fs.glob(pattern))

    @contextlib.contextmanager
    def _refusal_is_no_answer(self, name: str) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            message = f"the storage refuses the name {name!r} ({type(error).__name__})"
            raise NotApplicable(message) from error


def _names(count: int) -> list[str]:
    """Hostile names, the same on every run."""
    rng = random.Random(5)  # noqa: S311 - a repeatable list
    made: set[str] = set()
    pick: list[Callable[[], str]] = [lambda: rng.choice(CHARACTERS), lambda: rng.choice(PIECES)]
    while len(made) < count:
        name = "".join(rng.choice(pick)() for _ in range(rng.randint(1, 8)))
        if name not in {".", ".."}:
            made.add(name)
    return sorted(made)
