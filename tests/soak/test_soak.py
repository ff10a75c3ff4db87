"""The soak in small; `make soak` is the whole."""

from __future__ import annotations

import pytest

from tests.soak.run import soak


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_no_byte_is_lost_while_stores_fail_and_processes_are_killed() -> None:
    result = soak(captures=20, workers=2, seconds=12, kill_one_in=4)
    assert result.problems == [], str(result)
    assert (result.lost, result.kept) == (0, 0), str(result)
    assert result.captures == 20
    assert result.killed > 0
    assert result.faults.total() > 0
