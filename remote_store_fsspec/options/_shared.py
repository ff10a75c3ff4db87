"""Options that several backend types have in the same words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from remote_store_fsspec.options._fields import option
from remote_store_fsspec.options._retry import check_retry

__all__ = ["ancestor_option", "name_alone", "retry_option"]


def name_alone(kind: str) -> Callable[[str], str | None]:
    """What is wrong with the name of a bucket or container, as an option's check."""

    def check(value: str) -> str | None:
        if not value.strip():
            return f"must name a {kind}, and is empty"
        if "/" in value:
            return f"must be a {kind}'s name alone: put what follows the / into root_path"
        return None

    return check


def ancestor_option() -> Any:
    """remote-store's ``reject_write_under_file_ancestor``."""
    return option(
        False,
        meaning="Only `false` is accepted.",
        translation="none; `true` is refused",
        check=_no_ancestor_check,
    )


def retry_option(*, meaning: str, translation: str) -> Any:
    """remote-store's ``retry``: a mapping, or its own object."""
    return option(
        None,
        meaning=meaning,
        translation=translation,
        kind="mapping or none",
        check=check_retry,
    )


def _no_ancestor_check(value: bool) -> str | None:
    if value:
        return (
            "cannot be honoured: no fsspec library looks for a file above the name it writes; "
            "leave it out"
        )
    return None
