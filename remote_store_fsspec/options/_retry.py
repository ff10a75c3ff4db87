"""remote-store's retry policy, as a mapping or as its own object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from remote_store_fsspec.backends.base import Retry
from remote_store_fsspec.errors import ConfigError
from remote_store_fsspec.options._fields import unknown_option

__all__ = ["RetryPolicy", "check_retry", "parse_retry"]


class RetryPolicy(Retry):
    """What a user wrote, checked; remote-store's names and defaults."""

    @classmethod
    def parse(cls, value: Any, path: str) -> RetryPolicy:
        """A policy from a mapping or from any object with remote-store's attributes.

        Raises:
            ConfigError: An unknown name, or a value out of range.
        """
        names = [field.name for field in fields(cls)]
        if isinstance(value, Mapping):
            for name in value:
                if name not in names:
                    raise unknown_option(name, names, where=path, owner="a retry policy")
            given = dict(value)
        elif hasattr(value, "max_attempts"):
            given = {name: getattr(value, name) for name in names if hasattr(value, name)}
        else:
            raise ConfigError(
                f"{path} must be a mapping such as {{max_attempts: 3}}, "
                f"not a {type(value).__name__}",
                field=path,
            )
        policy = cls(**{name: _number(name, item, path) for name, item in given.items()})
        for name in names:
            number = getattr(policy, name)
            if number is None:
                continue
            least = {"max_attempts": 1, "timeout": 0.001}.get(name, 0)
            if number < least:
                words = "more than 0" if name == "timeout" else f"{least} or more"
                raise ConfigError(f"{path}.{name} must be {words}", field=f"{path}.{name}")
        return policy

    def refuse(self, path: str, owner: str, *names: str) -> None:
        """Refuse what a library paces by rules of its own.

        Raises:
            ConfigError: One of ``names`` differs from its default.
        """
        for name in names:
            if getattr(self, name) != getattr(Retry(), name):
                raise ConfigError(
                    f"{path}.{name} cannot be honoured: {owner} paces its attempts itself; "
                    "leave it out",
                    field=f"{path}.{name}",
                )


def parse_retry(value: Any, where: str) -> RetryPolicy | None:
    """The policy of a ``retry`` option; None when none is written.

    Raises:
        ConfigError: An unknown name, or a value out of range.
    """
    return None if value is None else RetryPolicy.parse(value, f"{where}.retry")


def check_retry(value: Any) -> str | None:
    """What is wrong with the shape of a ``retry`` option, as the end of a sentence."""
    if isinstance(value, Mapping) or hasattr(value, "max_attempts"):
        return None
    return "must be a mapping such as {max_attempts: 3}"


def _number(name: str, value: Any, path: str) -> Any:
    if value is None and name == "timeout":
        return None
    wanted = int if name == "max_attempts" else float
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        value = "?"
    try:
        number = wanted(value)
    except ValueError:
        number = None
    if number is None or number != float(value):
        kind = "an integer" if wanted is int else "a number"
        raise ConfigError(f"{path}.{name} must be {kind}", field=f"{path}.{name}")
    return number
