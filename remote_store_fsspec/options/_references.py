"""Values that stand for others: environment variables, looked up as late as possible.

A configuration holds the reference, so that its ``repr``, its pickle and Dagster's
``inst_data`` show ``{"env": "LOGS_SECRET"}`` and never what the variable holds.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from remote_store_fsspec.errors import ConfigError
from remote_store_fsspec.secrets import Secret, is_secret_text, is_sensitive, mask_text, remember

__all__ = ["EnvRef", "Template", "adopt", "has_references", "resolve"]

_PAIR = 2
_PLACEHOLDER = re.compile(r"\$\$\{|\$\{([^}]*)\}")


@dataclass(frozen=True)
class EnvRef:
    """``{env: NAME}`` of a YAML file, or Dagster's ``EnvVar``."""

    name: str

    def resolve(self, field: str) -> str:
        """What the variable holds now.

        Raises:
            ConfigError: It is not set.
        """
        value = os.environ.get(self.name)
        if value is None:
            raise _unset(self.name, field)
        return value

    def as_config(self) -> dict[str, str]:
        """The reference as a YAML file writes it."""
        return {"env": self.name}


@dataclass(frozen=True)
class Template:
    """A text with ``${VAR}``, ``${VAR:-default}`` or the escape ``$${`` in it."""

    text: str

    def resolve(self, field: str) -> str:
        """The text with its variables filled in.

        Raises:
            ConfigError: A variable without a default is not set.
        """

        def fill(found: re.Match[str]) -> str:
            if found[0] == "$${":
                return "${"
            name, colon, default = found[1].partition(":-")
            value = os.environ.get(name, default if colon else None)
            if value is None:
                raise _unset(name, field)
            return value

        return _PLACEHOLDER.sub(fill, self.text)

    def as_config(self) -> str:
        """The text as the file writes it, defaults masked: a default may be a secret."""
        return mask_text(re.sub(r":-[^}]+\}", ":-***}", self.text))

    def __repr__(self) -> str:
        return f"Template({self.as_config()!r})"


def _unset(name: str, field: str) -> ConfigError:
    return ConfigError(
        f"{field}: the environment variable {name} is not set; set it where this runs, "
        "or write the value another way",
        field=field,
    )


def adopt(value: Any, name: str = "", *, templates: bool = False) -> Any:
    """A user's value as a configuration holds it: references kept, secrets wrapped.

    Args:
        value: Mappings and sequences at any depth, of anything.
        name: The name it stands under, which decides whether it is a secret.
        templates: Whether ``${VAR}`` in a text is a reference.
    """
    variable = _dagster_variable(value)
    if variable is not None:
        return EnvRef(variable)
    if isinstance(value, (EnvRef, Template, Secret)):
        return value
    if isinstance(value, Mapping):
        if set(value) == {"env"} and isinstance(value["env"], str):
            return EnvRef(value["env"])
        sensitive = is_sensitive(name)
        return {
            key: adopt(item, name if sensitive else str(key), templates=templates)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        # Of a login written as a pair, the user's name is no secret.
        names = ["", name] if name == "auth" and len(value) == _PAIR else [name] * len(value)
        held = zip(value, names, strict=True)
        return type(value)([adopt(item, under, templates=templates) for item, under in held])
    if isinstance(value, str):
        if templates and "${" in value:
            return Template(value)
        return Secret(value) if is_sensitive(name) or is_secret_text(value) else value
    if type(value).__name__ == "Secret" and callable(getattr(value, "reveal", None)):
        return Secret(value.reveal())
    return value


def resolve(value: Any, field: str, *, secret: bool = False) -> Any:
    """What a held value stands for now, in plain values.

    Args:
        value: A result of :func:`adopt`.
        field: Its name for an error (``"backend_options.secret"``).
        secret: Whether an environment variable here holds a secret.
    """
    if isinstance(value, (EnvRef, Template)):
        text = value.resolve(field)
        if secret or is_sensitive(field.rpartition(".")[2]) or is_secret_text(text):
            remember(text)
        return text
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, dict):
        return {
            key: resolve(item, f"{field}.{key}", secret=secret or is_sensitive(key))
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return type(value)(
            [resolve(item, f"{field}[{index}]", secret=secret) for index, item in enumerate(value)]
        )
    return value


def references(value: Any) -> Iterator[EnvRef | Template]:
    """Every reference in a held value."""
    if isinstance(value, (EnvRef, Template)):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from references(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from references(item)


def has_references(value: Any) -> bool:
    """Whether a held value depends on the environment."""
    return next(references(value), None) is not None


def _dagster_variable(value: Any) -> str | None:
    # By name, not by type: this layer must not import dagster. Such a variable raises from
    # its own __str__, so nothing here may format it.
    if type(value).__name__ in ("EnvVar", "IntEnvVar") and type(value).__module__.startswith(
        "dagster"
    ):
        return str.__str__(value.env_var_name)
    return None
