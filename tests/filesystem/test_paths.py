"""Keys: pure functions, tried on hostile and odd input."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_store_fsspec import InvalidPathError, _paths

ELEMENTS = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1).filter(
    lambda element: element not in (".", "..")
)
KEYS = st.lists(ELEMENTS, min_size=1, max_size=5).map("/".join)


@given(KEYS)
def test_a_key_is_its_own_key(key: str) -> None:
    assert _paths.to_key(key) == key


@given(KEYS)
def test_slashes_around_and_between_do_not_matter(key: str) -> None:
    assert _paths.to_key("/" + key.replace("/", "//") + "/") == key


@given(st.text())
def test_no_text_leaves_the_root(text: str) -> None:
    try:
        key = _paths.to_key(text)
    except InvalidPathError:
        return
    elements = key.split("/")
    assert ".." not in elements
    assert "\0" not in key
    assert not key.startswith("/")


@pytest.mark.parametrize("path", ["..", "a/../b", "/..", "a/..", "../../etc/passwd"])
def test_a_step_up_is_refused(path: str) -> None:
    with pytest.raises(InvalidPathError, match="leave the root"):
        _paths.to_key(path)


def test_what_only_looks_like_a_step_up_is_a_name() -> None:
    assert _paths.to_key("..a/b../%2e%2e/..\\..") == "..a/b../%2e%2e/..\\.."


def test_the_name_of_a_file_half_written_is_reserved() -> None:
    with pytest.raises(InvalidPathError, match="reserved"):
        _paths.to_key(_paths.temporary_sibling("a/b"))


def test_a_url_names_a_store_and_a_key() -> None:
    assert _paths.split_url("remote-store://logs/a/b") == ("logs", "a/b")
    assert _paths.to_key("remote-store://logs/a/b") == "a/b"
    assert _paths.to_key("remote-store:///a/b") == "a/b"
    assert _paths.split_url("a/remote-store://b") == ("", "a/remote-store://b")


@given(KEYS, KEYS)
def test_a_key_is_found_again_below_its_base(base: str, key: str) -> None:
    assert _paths.relative_to(base, _paths.join(base, key)) == key
    assert _paths.relative_to("", key) == key


def test_a_sibling_is_not_below() -> None:
    assert _paths.relative_to("a", "apple") is None
    assert _paths.relative_to("a/b", "a") is None


@given(
    st.binary(max_size=40),
    st.none() | st.integers(-50, 50),
    st.none() | st.integers(-50, 50),
)
def test_a_range_is_the_slice(data: bytes, start: int | None, end: int | None) -> None:
    low, high = _paths.range_of(len(data), start, end)
    assert data[low:high] == data[start:end]


@given(KEYS)
def test_a_temporary_name_lies_beside_and_is_recognised(key: str) -> None:
    temporary = _paths.temporary_sibling(key)
    assert _paths.parent(temporary) == _paths.parent(key)
    assert _paths.is_temporary(_paths.name(temporary))


@pytest.mark.parametrize(
    ("sources", "target", "placement", "expected"),
    [
        (["a"], "b", "as", ["b"]),
        (["a"], "b", "inside", ["b/a"]),
        (["m", "m/1", "m/s/2"], "t", "as", ["t", "t/1", "t/s/2"]),
        (["m", "m/1", "m/s/2"], "t/", "inside", ["t/m", "t/m/1", "t/m/s/2"]),
        (["x/a", "y/b"], "t", "flat", ["t/a", "t/b"]),
        (["x/a", "x/b"], "/tmp/t", "as", ["/tmp/t/a", "/tmp/t/b"]),
        ([], "t", "as", []),
    ],
)
def test_copies_are_laid_out_below_the_target(
    sources: list[str], target: str, placement: _paths.Placement, expected: list[str]
) -> None:
    assert _paths.destinations(sources, target, placement) == expected
