"""Which of fsspec's tests every run makes, and which only the full one."""

from __future__ import annotations

import pytest

_HERE = "tests/fsspec_abstract/"
_SERVERLESS = ("local", "memory")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # How a pattern expands does not depend on the storage: a hundred such tests on each server
    # take five minutes and find what local and memory find.
    for item in items:
        params = getattr(item, "callspec", None)
        storage = params.params.get("storage") if params else None
        if _HERE in item.nodeid and "edge_cases" in item.name and storage not in _SERVERLESS:
            item.add_marker(pytest.mark.wide)
