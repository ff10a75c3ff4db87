"""How an option is declared, checked and explained: once, beside its default.

An option class is a frozen dataclass; each field carries in its metadata what the error
messages and ``docs/reference/options.md`` say about it.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Union, cast

from remote_store_fsspec.errors import ConfigError
from remote_store_fsspec.options._references import EnvRef, Template, resolve

if TYPE_CHECKING:
    from typing_extensions import Self

    from remote_store_fsspec.backends.base import Retry

__all__ = [
    "REQUIRED",
    "OptionSet",
    "Translation",
    "nearest",
    "option",
    "type_text",
    "unknown_option",
]


class _Required:
    def __repr__(self) -> str:
        return "required"


REQUIRED: Any = _Required()
"""The default of an option that has none."""
_SHORT = 3
"""Up to this length one wrong letter is half of a name."""


@dataclass(frozen=True)
class Translation:
    """A backend type and its options, in the words of fsspec and the library underneath.

    Attributes:
        protocol: fsspec's name of the inner filesystem.
        options: Keywords of its constructor; may hold secrets.
        retry: How often this library's own code tries again; None where the library does.
        base: Path of the place inside it, no protocol, no trailing slash but ``/`` itself.
        display_url: The same for people, without secrets.
    """

    protocol: str
    base: str
    display_url: str
    options: dict[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    retry: Retry | None = None


def option(
    default: Any = REQUIRED,
    *,
    meaning: str,
    translation: str,
    unit: str = "",
    kind: str = "",
    check: Callable[[Any], str | None] | None = None,
) -> Any:
    """One option.

    Args:
        default: What holds when it is not written; ``REQUIRED`` when it must be.
        meaning: One sentence, with how to switch it off where that is possible.
        translation: What it becomes in the library underneath.
        unit: Unit of a number (``"seconds"``).
        kind: The type for people, where the annotation cannot say it.
        check: What is wrong with a value of the right type, as the end of the sentence
            ``<field> ...``; None when nothing is.
    """
    metadata = {"meaning": meaning, "translation": translation, "check": check}
    metadata |= {"unit": unit, "kind": kind}
    if isinstance(default, (dict, list)):
        return dataclasses.field(default_factory=type(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, repr=False)
class OptionSet(ABC):
    """The options of one backend type; subclasses are frozen dataclasses of ``option()``s."""

    backend_type: ClassVar[str] = ""
    extra: ClassVar[str | None] = None
    """The extra of ``pyproject.toml`` that brings the library."""
    library: ClassVar[str | None] = None
    """The module whose absence means that the extra is not installed."""

    @classmethod
    def fields(cls) -> dict[str, dataclasses.Field[Any]]:
        """The options by name, in the order of the documentation."""
        return {field.name: field for field in dataclasses.fields(cls)}

    @classmethod
    def check_held(cls, held: Mapping[str, Any], where: str) -> None:
        """Refuse what is wrong before any environment variable is looked up.

        Raises:
            ConfigError: An unknown option, a missing one, a wrong type or value.
        """
        fields = cls.fields()
        for name in held:
            if name not in fields:
                raise unknown_option(
                    name, fields, where=where, owner=f"backend type {cls.backend_type!r}"
                )
        for name, field in fields.items():
            if name not in held:
                if field.default is REQUIRED:
                    raise ConfigError(
                        f"{where}.{name} is missing: {field.metadata['meaning']}",
                        field=f"{where}.{name}",
                    )
            elif not isinstance(held[name], (EnvRef, Template)):
                _checked(cls, field, held[name], f"{where}.{name}")

    @classmethod
    def build(cls, held: Mapping[str, Any], where: str) -> Self:
        """The options with every reference resolved.

        Args:
            held: The user's options as :func:`adopt` gives them.
            where: Name of the mapping for errors (``"backend_options"``).

        Raises:
            ConfigError: Anything wrong, and an environment variable that is not set.
        """
        cls.check_held(held, where)
        values = {}
        for name, value in held.items():
            field = cls.fields()[name]
            path = f"{where}.{name}"
            plain = resolve(value, path)
            if isinstance(value, (EnvRef, Template)):
                plain = _from_text(cls, field, plain, path)
            _checked(cls, field, plain, path)
            values[name] = plain
        return cls(**values)

    def written(self) -> dict[str, Any]:
        """The options that differ from their defaults."""
        return {
            name: getattr(self, name)
            for name, field in self.fields().items()
            if getattr(self, name) != _default(field)
        }

    @abstractmethod
    def place(self) -> tuple[str, str, str]:
        """Where the root is: fsspec's protocol, the inner path, and the URL for people."""

    @abstractmethod
    def keywords(self, where: str) -> dict[str, Any]:
        """Keywords of the inner library's constructor; no network access.

        Args:
            where: Name of the mapping for errors (``"backend_options"``).

        Raises:
            ConfigError: Options that contradict each other, or that it cannot honour.
        """

    def translate(self, where: str) -> Translation:
        """These options in the words of the library underneath."""
        protocol, base, display_url = self.place()
        options, retry = self.keywords(where), self.attempts(where)
        return Translation(protocol, base, display_url, options, retry)

    def attempts(self, where: str) -> Retry | None:
        """How often to try again, where the storage's module here decides that."""
        return None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.written())})"


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def nearest(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` when something known is close, else nothing."""
    cutoff = 0.5 if len(name) <= _SHORT else 0.6
    close = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=cutoff)
    return f"; did you mean {close[0]!r}?" if close else ""


def unknown_option(name: object, known: Iterable[str], *, where: str, owner: str) -> ConfigError:
    """The error for an option that nothing would read."""
    names = sorted(known)
    listed = f"known: {', '.join(names)}" if names else "it takes none"
    return ConfigError(
        f"{where}.{name} is not an option of {owner}{nearest(str(name), names)} ({listed})",
        field=f"{where}.{name}",
    )


def _hint(cls: type[OptionSet], field: dataclasses.Field[Any]) -> Any:
    return typing.get_type_hints(cls)[field.name]


def _alternatives(hint: Any) -> tuple[Any, ...]:
    if typing.get_origin(hint) in (Union, types.UnionType):
        return typing.get_args(hint)
    return (hint,)


def type_text(cls: type[OptionSet], name: str) -> str:
    """The type of an option for people (``"str or None"``)."""
    kind = cls.fields()[name].metadata["kind"]
    if kind:
        return str(kind)
    names = [_type_name(kind) for kind in _alternatives(_hint(cls, cls.fields()[name]))]
    return " or ".join(names)


def _type_name(kind: Any) -> str:
    if kind is type(None):
        return "none"
    if kind is Any:
        return "object"
    origin = typing.get_origin(kind) or kind
    names = {Mapping: "mapping", dict: "mapping", list: "list", str: "text", int: "integer"}
    names |= {float: "number", bool: "true/false"}
    return names.get(origin, getattr(origin, "__name__", str(origin)))


def _fits(value: Any, kind: Any) -> bool:
    if kind is Any:
        return True
    if kind is type(None):
        return value is None
    origin = typing.get_origin(kind) or kind
    if origin is str:
        # A Secret or reference at load stands for a text.
        return isinstance(value, str) or type(value).__name__ == "Secret"
    if origin is Mapping:
        return isinstance(value, Mapping)
    if isinstance(value, bool):
        return origin is bool
    if origin is float:
        return isinstance(value, (int, float))
    return isinstance(value, origin)


def _checked(cls: type[OptionSet], field: dataclasses.Field[Any], value: Any, path: str) -> None:
    kinds = _alternatives(_hint(cls, field))
    if not any(_fits(value, kind) for kind in kinds):
        raise ConfigError(
            f"{path} must be {type_text(cls, field.name)}, not {_given(value)}",
            field=path,
        )
    check = cast("Callable[[Any], str | None] | None", field.metadata["check"])
    if check is not None and value is not None and type(value).__name__ != "Secret":
        problem = check(value)
        if problem:
            raise ConfigError(f"{path} {problem}", field=path)


def _given(value: Any) -> str:
    # The type only: a value of the wrong type may well be a secret in the wrong place.
    names = {str: "a text", int: "an integer", float: "a number", bool: "true/false"}
    names |= {dict: "a mapping", list: "a list", type(None): "nothing"}
    return names.get(type(value), f"a {type(value).__name__}")


def _from_text(cls: type[OptionSet], field: dataclasses.Field[Any], text: str, path: str) -> Any:
    """An environment variable's text as the type the option has."""
    kinds = _alternatives(_hint(cls, field))
    if any(_fits(text, kind) for kind in kinds if kind is not Any) or Any in kinds:
        return text
    lowered = text.strip().lower()
    if bool in kinds and lowered in ("true", "false", "1", "0", "yes", "no", "on", "off"):
        return lowered in ("true", "1", "yes", "on")
    for kind in (int, float):
        if kind in kinds:
            try:
                return kind(lowered)
            except ValueError:
                continue
    raise ConfigError(
        f"{path} must be {type_text(cls, field.name)}, and what its environment variable "
        "holds is not",
        field=path,
    )
