"""Stores by name: remote-store's registry file, read the way it is meant.

Three differences from remote-store, each on purpose: ``${VAR}`` is looked up without being
asked for (else the literal text becomes the password), a key that nothing reads is an error,
and the lookup happens when the store is opened, so that a location keeps only the store's
name and the file's path.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from remote_store_fsspec.errors import ConfigError, MissingExtraError
from remote_store_fsspec.options._fields import nearest, unknown_option
from remote_store_fsspec.options._references import adopt, resolve

__all__ = ["CONFIG_VARIABLE", "NamedStore", "find_config", "read_store", "store_names"]

CONFIG_VARIABLE = "REMOTE_STORE_CONFIG"
"""Names the file when no ``config`` does."""
_FILES = ("remote-store.toml", "remote-store.yaml", "remote-store.yml")
_PYPROJECT = "pyproject.toml"
_FIELD = "storage_options.config"


@dataclass(frozen=True)
class NamedStore:
    """One store of a file: a backend and a root in it.

    Attributes:
        backend_type: remote-store's type name.
        options: Its options, references and secrets wrapped.
        root_path: The store's root.
        where: Name of the options for errors.
    """

    backend_type: str
    root_path: str
    where: str
    options: dict[str, Any] = field(default_factory=dict, repr=False)


def find_config(config: str | os.PathLike[str] | None = None) -> str:
    """The absolute path of the stores file.

    Args:
        config: Its path. Not given: what ``REMOTE_STORE_CONFIG`` names, else
            ``remote-store.toml`` (``.yaml``, ``.yml``) in the working directory, else the
            table ``[tool.remote-store]`` of ``pyproject.toml`` there.

    Raises:
        ConfigError: There is none; the message names the places searched.
    """
    for source, given in ((_FIELD, config), (CONFIG_VARIABLE, os.environ.get(CONFIG_VARIABLE))):
        if given:
            path = Path(given).expanduser().absolute()
            if not path.is_file():
                raise ConfigError(
                    f"{source}: there is no file {path}; name an existing stores file", field=_FIELD
                )
            return str(path)
    for name in _FILES:
        path = Path(name).absolute()
        if path.is_file():
            return str(path)
    path = Path(_PYPROJECT).absolute()
    if path.is_file() and "remote-store" in _parsed(path).get("tool", {}):
        return str(path)
    raise ConfigError(
        f"there is no stores file: neither {_FIELD} nor {CONFIG_VARIABLE} names one, and "
        f"{Path.cwd()} has no {_FILES[0]} and no [tool.remote-store] in a {_PYPROJECT}",
        field=_FIELD,
    )


def read_store(name: str, config: str) -> NamedStore:
    """One store of a file.

    Args:
        name: The store's name.
        config: Path of the file, from :func:`find_config`.

    Raises:
        ConfigError: No such store, a key that nothing reads, or a wrong value.
    """
    backends, stores = _tables(config)
    if name not in stores:
        listed = ", ".join(sorted(stores)) or "none"
        raise ConfigError(
            f"{config} has no store {name!r}{nearest(name, stores)} (stores: {listed})",
            field="url",
        )
    where = f"{config}: stores.{name}"
    store = _entry(stores[name], where, known=("backend", "root_path", "options"))
    if store.get("options"):
        raise ConfigError(
            f"{where}.options would change nothing; write options under [backends.*]",
            field=f"{where}.options",
        )
    backend_name = _text(store, "backend", where)
    if backend_name not in backends:
        listed = ", ".join(sorted(backends)) or "none"
        raise ConfigError(
            f"{where}.backend names {backend_name!r}, which is not there"
            f"{nearest(backend_name, backends)} (backends: {listed})",
            field=f"{where}.backend",
        )
    root_path = _text(store, "root_path", where) if store.get("root_path") else ""
    where = f"{config}: backends.{backend_name}"
    backend = _entry(backends[backend_name], where, known=("type", "options", "retry"))
    options = backend.get("options") or {}
    if not isinstance(options, Mapping):
        raise ConfigError(f"{where}.options must be a table", field=f"{where}.options")
    if backend.get("retry") is not None:
        options = {**options, "retry": backend["retry"]}
    return NamedStore(
        _text(backend, "type", where),
        root_path,
        f"{where}.options",
        adopt(dict(options), templates=True),
    )


def store_names(config: str) -> list[str]:
    """The names of the stores in a file."""
    return sorted(_tables(config)[1])


def _tables(config: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    path = Path(config)
    data = _parsed(path)
    if path.name == _PYPROJECT or ("stores" not in data and "tool" in data):
        tool = data.get("tool", {})
        if "remote-store" not in tool:
            raise ConfigError(f"{config} has no table [tool.remote-store]", field=_FIELD)
        data = tool["remote-store"]
    content = _entry(data, f"{config}: top level", known=("backends", "stores"))
    tables = [content.get(name) or {} for name in ("backends", "stores")]
    for name, table in zip(("backends", "stores"), tables, strict=True):
        if not isinstance(table, Mapping):
            raise ConfigError(f"{config}: {name} must be a table", field=_FIELD)
    return tables[0], tables[1]


def _entry(value: Any, where: str, *, known: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} must be a table", field=where)
    for name in value:
        if name not in known:
            raise unknown_option(name, known, where=where, owner="a stores file")
    return value


def _text(table: Mapping[str, Any], name: str, where: str) -> str:
    path = f"{where}.{name}"
    if name not in table:
        raise ConfigError(f"{path} is missing", field=path)
    value = resolve(adopt(table[name], templates=True), path)
    if not isinstance(value, str):
        raise ConfigError(f"{path} must be a text, not a {type(value).__name__}", field=path)
    return value


def _parsed(path: Path) -> dict[str, Any]:
    """The file's content; errors name the line, never show it: it may hold a password."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(
            f"{path} cannot be read ({getattr(exc, 'strerror', None) or 'it is not UTF-8'})",
            field=_FIELD,
        ) from exc
    if path.suffix in (".yaml", ".yml"):
        data, problem = _from_yaml(text)
    else:
        data, problem = _from_toml(text)
    if problem:
        raise ConfigError(f"{path} is not valid: {problem}", field=_FIELD)
    if not isinstance(data, dict):
        raise ConfigError(f"{path} must hold a table", field=_FIELD)
    return data


def _from_toml(text: str) -> tuple[Any, str]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(text), ""
    except tomllib.TOMLDecodeError as exc:
        place = str(exc).rpartition("(")[2].rstrip(")")
        return None, f"a mistake {place}" if place.startswith("at ") else "a mistake"


def _from_yaml(text: str) -> tuple[Any, str]:
    try:
        import yaml
    except ImportError:
        raise MissingExtraError(
            "a stores file in YAML needs a library that is not installed: pip install pyyaml "
            "(a .toml file needs none)",
            field=_FIELD,
        ) from None
    try:
        return yaml.safe_load(text), ""
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        return None, f"a mistake at line {mark.line + 1}" if mark else "a mistake"
