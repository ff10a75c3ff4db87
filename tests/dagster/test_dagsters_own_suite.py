"""Dagster's own tests for managers (`TestComputeLogManager`, from its source distribution)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.areas import BACKEND_TYPES, area_param
from tests.support.dagster_suite import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from devservers import Area

Suite: Any = load()


@pytest.mark.parametrize(
    "any_location", [area_param(name) for name in BACKEND_TYPES], indirect=True
)
class TestDagstersOwnSuite(Suite):
    """Every backend type, unchanged; reader and writer stage in different folders."""

    __test__ = True

    @pytest.fixture(autouse=True)
    def _place(self, any_location: Area) -> None:
        """Also for the test that stands in for a suite that is not there."""

    @pytest.fixture(name="compute_log_manager")
    def compute_log_manager(self, any_location: Area, make_manager: Callable[..., Any]) -> Any:
        return make_manager(any_location)

    @pytest.fixture(name="write_manager")
    def write_manager(self, any_location: Area, make_manager: Callable[..., Any]) -> Any:
        return make_manager(any_location, upload_interval=1)

    @pytest.fixture(name="read_manager")
    def read_manager(self, any_location: Area, make_manager: Callable[..., Any]) -> Any:
        return make_manager(any_location)
