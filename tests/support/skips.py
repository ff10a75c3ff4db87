"""On the reference machine nothing may be skipped: a skip there is a hole nobody sees."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


def on_reference_machine() -> bool:
    """Whether ``CI`` is set, as the check before a merge does."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


class SkipAccounting:
    """Counts skips at the end of the run and fails it on the reference machine.

    Registered in every process; only the one with the terminal sees the reports of all.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        skipped = self._skipped()
        if skipped and on_reference_machine() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        skipped = self._skipped()
        verdict = "none is allowed here (CI is set)" if on_reference_machine() else "see above"
        if skipped:
            terminalreporter.section(f"{skipped} skipped: {verdict}", red=on_reference_machine())

    def _skipped(self) -> int:
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        return len(reporter.stats.get("skipped", [])) if reporter else 0
