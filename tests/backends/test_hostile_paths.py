"""No path leaves the root, whatever it is made of: tried by hypothesis on every storage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devservers import Area
from remote_store_fsspec.filesystem import RemoteStoreFileSystem
from tests.conformance.subjects import FULL, NAMES, spec_for
from tests.support.areas import WITHOUT_SERVER, area_param

OUTSIDE = b"nobody may read this"
INSIDE = b"inside"
STEPS = (
    *("..", ".", "", "...", "..;", "~", "*", "**", "?", "[!x]", "{a,..}"),
    *("%2e%2e", "%2E.", "%252e%252e", "..%2f..", "..%5c..", "%c0%ae%c0%ae", "..%00", "%00"),
    *(
        "..\\..",
        "\\..",
        "..\n",
        "\t..",
        " ..",
        ".. ",
        "\uff0e\uff0e",
        "\u2025",
        "..\u200b",
        "..\x7f",
    ),
    *("secret", "inside", "inside-too", "a", "b", "x", "file:", "C:", "::", "x::file:", "#", "&"),
    *("?versionId=1", "?x=..", "$HOME", "`id`", ".rsfs-0123456789abcdef.tmp"),
)


def hostile_paths(above: str) -> st.SearchStrategy[str]:
    """Texts that some parser somewhere takes for a step up, or for another place.

    Args:
        above: Where the folder above the root really lies, in the storage's own words.
    """
    starts = ("", "/", "//", "\\", "./", "../", "remote-store://", "remote-store://x/", "file://")
    start = st.sampled_from((*starts, f"{above}/", f"/{above.strip('/')}/"))
    step = st.sampled_from(STEPS) | st.text(max_size=4)
    between = st.sampled_from(("/", "/", "/", "//", "\\", "%2f", "%5C", "\0"))
    end = st.sampled_from(("", "secret", "/secret", "/inside-too/secret", "/"))
    steps = st.lists(st.tuples(step, between), max_size=6).map(
        lambda pairs: "".join(text for pair in pairs for text in pair)
    )
    return st.builds(lambda *parts: "".join(parts), start, steps, end)


@pytest.fixture
def area(request: pytest.FixtureRequest) -> Area:
    name = {"gs": "gcs", "dir": "local"}.get(request.param, request.param)
    found: Area = request.getfixturevalue(f"{name}_area")
    return found


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("area", "storage"),
    [
        pytest.param(name, name, id=name) if name == "dir" else area_param(name, name)
        for name in NAMES
    ],
    indirect=["area"],
)
def test_no_path_reaches_anything_outside_the_root(area: Area, storage: str) -> None:
    # Two names that a root taken for a bare prefix would hold, and one right above it.
    outside = ("secret", "inside-too/secret", "inside.secret")
    for name in outside:
        area.raw.write(name, OUTSIDE)
    fs = spec_for(storage, area).confined("inside")
    examples = 100 if storage in (*WITHOUT_SERVER, "dir") else 25

    @settings(
        max_examples=examples * (10 if FULL else 1),
        deadline=None,
        database=None,
        derandomize=not FULL,  # one gate, one answer; the full run explores
        suppress_health_check=list(HealthCheck),
    )
    @given(hostile_paths(area.container))
    def attempt(path: str) -> None:
        fs.pipe_file("a/b", INSIDE)
        shown = looked_at(fs, path)
        assert shown <= {"", "a", "a/b"}, f"{path!r} shows {shown}"
        for change in CHANGES:
            with refusable():
                change(fs, path)
        fs.rm("", recursive=True)
        left = area.raw.keys()
        assert sorted(left) == sorted(outside), f"after writing and deleting {path!r}"
        assert {area.raw.read(name) for name in outside} == {OUTSIDE}

    attempt()
    fs.close()


@contextmanager
def refusable() -> Iterator[None]:
    """A path may be refused, or name nothing; any other error is a defect."""
    try:
        yield
    except (OSError, ValueError):
        return


def looked_at(fs: RemoteStoreFileSystem, path: str) -> set[str]:
    """The names that listings of a path give; whatever it reads must lie inside."""
    with refusable():
        assert fs.cat_file(path) == INSIDE, path
    with refusable():
        assert fs.cat_file(path, -2, None) == INSIDE[-2:], path
    with refusable(), fs.open(path, "rb") as stream:
        assert stream.read() == INSIDE, path
    with refusable():
        info = fs.info(path)
        assert info["type"] == "directory" or info["size"] == len(INSIDE), (path, info)
    with refusable():
        assert not fs.isfile(path) or fs.size(path) == len(INSIDE), path
    names: set[str] = set()
    for listing in (fs.ls, fs.find, fs.glob):
        with refusable():
            names.update(listing(path, detail=False))
    return names


CHANGES: tuple[Callable[[RemoteStoreFileSystem, str], object], ...] = (
    lambda fs, path: fs.cp_file("a/b", path),
    lambda fs, path: fs.pipe_file(path, b"overwritten"),
    lambda fs, path: fs.pipe_file(path, b"overwritten", mode="create"),
    lambda fs, path: fs.mv(path, "a/moved"),
    lambda fs, path: fs.makedirs(path, exist_ok=True),
    lambda fs, path: fs.rm_file(path),
    lambda fs, path: fs.mv_file("a/b", path),
    lambda fs, path: fs.rm_files([path], missing_ok=True),
    lambda fs, path: fs.rmdir(path),
    lambda fs, path: fs.rm(path),
    lambda fs, path: fs.rm(path, recursive=True),
)
"""Every way to change something, by turns on a path that exists and on one that does not."""
