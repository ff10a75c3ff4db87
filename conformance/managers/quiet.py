"""What Dagster prints or stores of a manager shows no secret."""

from __future__ import annotations

from ..core import CaseFailed, Contract, NotApplicable, case
from .subject import ManagerSubject

__all__ = ["QuietManager"]


class QuietManager(Contract):
    """`dagster instance info`, tracebacks and logs print these."""

    group = "quiet"
    point = "Quiet about secrets"
    subject: ManagerSubject

    def _silent(self, what: str, text: str) -> None:
        secrets = self.subject.secrets()
        if not secrets:
            message = "the configuration given holds no secret"
            raise NotApplicable(message)
        if any(secret in text for secret in secrets):
            message = f"{what} shows a secret of the configuration"
            raise CaseFailed(message)

    @case()
    def its_text_form_shows_no_secret(self) -> None:
        """`repr` and `str` of the manager."""
        manager = self.subject.manager()
        self._silent("repr(manager)", f"{manager!r} {manager}")

    @case()
    def its_configuration_data_shows_no_secret(self) -> None:
        """`inst_data`, which `dagster instance info` and error reports print."""
        manager = self.subject.manager()
        self._silent("repr(manager.inst_data)", repr(manager.inst_data))
