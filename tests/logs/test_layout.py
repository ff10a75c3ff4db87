"""Log keys and object names."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from remote_store_fsspec.errors import ConfigError, InvalidPathError
from remote_store_fsspec.logs.layout import (
    MAX_COMPONENT_BYTES,
    STREAMS,
    Layout,
    LogObject,
    decode_components,
    encode_element,
    parse_name,
)

LAYOUT = Layout("dagster")

texts = st.one_of(
    st.text(max_size=12),
    st.text(alphabet="ab./\\~=+%é\0\n", max_size=12),
    st.text(alphabet="aé𝄞", min_size=60, max_size=400),
    st.sampled_from(
        ["", ".", "..", "/", "/etc", "a/b", "~=", "~+", "a~+", "k.out", "k.err.partial.7", "a."]
    ),
)
keys = st.lists(texts, min_size=1, max_size=4)


@pytest.mark.spec("DAG-024")
def test_a_key_is_stored_where_dagsters_own_managers_store_it() -> None:
    key = ["d1f2", "compute_logs", "step one #1 é"]
    assert LAYOUT.final(key, "out") == "dagster/storage/d1f2/compute_logs/step one #1 é.out"
    assert LAYOUT.final(key, "err") == "dagster/storage/d1f2/compute_logs/step one #1 é.err"
    assert LAYOUT.segment(key, "err", 0).endswith("step one #1 é.err.partial")
    assert LAYOUT.segment(key, "err", 70).endswith("step one #1 é.err.partial.70")


@pytest.mark.spec("DAG-024")
@pytest.mark.parametrize("prefix", ["dagster", "/dagster/", "dagster//"])
def test_slashes_around_the_prefix_do_not_matter(prefix: str) -> None:
    assert Layout(prefix).final(["k"], "out") == "dagster/storage/k.out"


def test_an_empty_prefix_leaves_no_empty_folder() -> None:
    assert Layout("").final(["k"], "out") == "storage/k.out"


@pytest.mark.parametrize("prefix", ["..", "a/../b", "a/./b", "a\\b", "a\0b"])
def test_a_prefix_that_is_no_folder_is_refused_by_name(prefix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Layout(prefix)
    assert caught.value.field == "prefix"


@pytest.mark.parametrize("key", [[], "abc", [b"a"], [1], ["a", None]])
def test_what_is_no_log_key_is_refused(key: object) -> None:
    with pytest.raises(InvalidPathError):
        LAYOUT.place(key)  # type: ignore[arg-type]


@given(texts, st.booleans())
def test_an_element_can_be_read_back_from_its_path(element: str, folder: bool) -> None:
    assert decode_components(encode_element(element, folder=folder)) == [element]


@given(keys)
def test_a_whole_key_can_be_read_back_from_its_path(key: list[str]) -> None:
    folder, stem = LAYOUT.place(key)
    components = folder.split("/")[2:]
    assert decode_components([*components, stem]) == key


@given(keys)
@example(["..", "..", "x"])
@example(["/abs", "k"])
@example(["a\\..\\b"])
def test_no_component_leaves_the_folder_or_is_too_long_for_a_file_system(key: list[str]) -> None:
    for component in LAYOUT.final(key, "out").split("/"):
        assert component not in {"", ".", ".."}
        assert not set(component) & set("\\\0\n")
        assert len(component.encode()) <= MAX_COMPONENT_BYTES + len(".out")


@given(keys, keys)
@example(["a", "b"], ["a/b"])
@example(["k"], ["k.out.partial"])
@example(["a", "b.out", "c"], ["a", "b"])
@example(["~=%2E"], ["."])
def test_no_two_logs_share_a_name_or_put_a_file_where_the_other_has_a_folder(
    one: list[str], other: list[str]
) -> None:
    if one == other:
        return
    mine, theirs = _names(one), _names(other)
    assert not mine & theirs
    for name in mine:
        assert not any(their.startswith(f"{name}/") for their in theirs)


@given(texts.filter(bool), st.sampled_from(STREAMS), st.integers(0, 10**15))
def test_a_name_says_what_it_is(last: str, stream: str, offset: int) -> None:
    stem = encode_element(last, folder=False)[-1]
    segment = LAYOUT.segment([last], stream, offset).rpartition("/")[2]  # type: ignore[arg-type]
    assert parse_name(segment) == LogObject(stem, stream, offset)  # type: ignore[arg-type]
    final = LAYOUT.final([last], stream).rpartition("/")[2]  # type: ignore[arg-type]
    assert parse_name(final) == LogObject(stem, stream)  # type: ignore[arg-type]
    assert parse_name(LAYOUT.marker([last]).rpartition("/")[2]) == LogObject(stem, None)


@pytest.mark.parametrize(
    "name", ["readme", "k.out.partial.x", "k.out.partial.07", "k.txt", ".out", "k.out.tmp-1"]
)
def test_other_files_are_no_log_objects(name: str) -> None:
    assert parse_name(name) is None


def _names(key: list[str]) -> set[str]:
    return {
        LAYOUT.marker(key),
        *(LAYOUT.final(key, stream) for stream in STREAMS),
        *(LAYOUT.segment(key, stream, offset) for stream in STREAMS for offset in (0, 7)),
    }
