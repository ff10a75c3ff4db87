"""What the package promises by name, and that everything it promises is there."""

from __future__ import annotations

import importlib
import inspect
import re
from importlib.metadata import entry_points, version
from pathlib import Path

import fsspec
import pytest

import remote_store_fsspec

_ROOT = Path(__file__).parent.parent
_PUBLIC_MODULES = ("remote_store_fsspec", "devservers", "devservers.proxy")


@pytest.mark.parametrize("name", _PUBLIC_MODULES)
def test_all_is_sorted_and_everything_in_it_exists(name: str) -> None:
    module = importlib.import_module(name)
    assert list(module.__all__) == sorted(module.__all__)
    for public in module.__all__:
        assert getattr(module, public) is not None


def test_the_namespace_holds_no_public_name_outside_all() -> None:
    names = {
        name
        for name, value in vars(remote_store_fsspec).items()
        if not name.startswith("_")
        and str(getattr(value, "__module__", "")).startswith(remote_store_fsspec.__name__)
    }
    assert names <= set(remote_store_fsspec.__all__)


def test_dir_shows_every_public_name() -> None:
    assert set(remote_store_fsspec.__all__) <= set(dir(remote_store_fsspec))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        getattr(remote_store_fsspec, "no_such_name")  # noqa: B009 - looking it up is the test


def test_every_error_class_is_public() -> None:
    errors = importlib.import_module("remote_store_fsspec.errors")
    classes = {
        name
        for name, value in inspect.getmembers(errors, inspect.isclass)
        if value.__module__ == errors.__name__ and not name.startswith("_")
    }
    assert classes <= set(remote_store_fsspec.__all__)


@pytest.mark.parametrize("name", sorted(remote_store_fsspec.__all__))
def test_every_public_name_says_what_it_is(name: str) -> None:
    value = getattr(remote_store_fsspec, name)
    if not isinstance(value, str):
        assert inspect.getdoc(value)


def test_the_version_is_that_of_the_distribution() -> None:
    assert remote_store_fsspec.__version__ == version("remote-store-fsspec")


def test_fsspec_finds_the_filesystem_by_its_protocol() -> None:
    assert fsspec.get_filesystem_class("remote-store") is remote_store_fsspec.RemoteStoreFileSystem
    found = entry_points(group="fsspec.specs", name="remote-store")
    assert [point.value for point in found] == [
        "remote_store_fsspec.filesystem:RemoteStoreFileSystem"
    ]


def test_the_extras_are_those_that_the_documentation_lists() -> None:
    text = (_ROOT / "pyproject.toml").read_text()
    table = text.split("[project.optional-dependencies]")[1].split("\n[")[0]
    extras = re.findall(r"^([a-z0-9-]+) = \[", table, re.MULTILINE)
    assert extras == ["dagster", "s3", "azure", "sftp", "gcs", "webdav", "remote-store", "all"]
