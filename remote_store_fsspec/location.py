"""Where a store is, from a configuration: checked, without secrets in sight, not opened.

:func:`resolve_location` accepts either of two vocabularies, remote-store's
(``backend_type`` + ``backend_options``) or fsspec's (``url`` + ``storage_options``), and a
store by name (``url: remote-store://logs``). The :class:`Location` it returns keeps
references to environment variables as references; :meth:`Location.target` looks them up.
"""

from __future__ import annotations

import importlib.util
import os
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from typing import Any

from remote_store_fsspec.backends.base import Target
from remote_store_fsspec.errors import ConfigError, MissingExtraError
from remote_store_fsspec.options import OptionSet, options_class
from remote_store_fsspec.options._references import EnvRef, Template, adopt, references, resolve
from remote_store_fsspec.options._urls import (
    STORES_PROTOCOL,
    check_url,
    display_url,
    protocols,
    read_only,
    translate_url,
)
from remote_store_fsspec.options.local import make_folder
from remote_store_fsspec.secrets import (
    Secret,
    is_secret_text,
    mask,
    mask_url,
    redact_logs,
    remember_all,
)

__all__ = ["OPERATIONS", "Location", "clean_root_path", "resolve_location"]

OPERATIONS = frozenset({"delete", "list", "read", "write"})
"""What a storage may be able to do; :meth:`Location.require` takes these names."""


class Location(ABC):
    """Where a store is. Immutable, hashable by configuration, picklable, quiet.

    Attributes:
        root_path: The root below the place that the options or the URL name.
    """

    root_path: str

    @property
    @abstractmethod
    def display_url(self) -> str:
        """The root for people, without secrets (``"s3://bucket/a/b"``)."""

    @abstractmethod
    def target(self) -> Target:
        """What to open, with every reference looked up now.

        Loads the storage's library and, for a local folder, creates it; no network access.

        Raises:
            ConfigError: An environment variable is not set, or an option's value is wrong.
        """

    @abstractmethod
    def keywords(self) -> dict[str, Any]:
        """The configuration as :func:`resolve_location` takes it, references kept.

        Values that were written in plain are :class:`Secret` objects in it.
        """

    def why_read_only(self) -> str | None:
        """Why nothing can be written there; None when it can."""
        return None

    @property
    def operations(self) -> frozenset[str]:
        """Which of :data:`OPERATIONS` the storage offers."""
        return frozenset({"read"}) if self.why_read_only() else OPERATIONS

    def require(self, *operations: str, purpose: str) -> None:
        """Refuse a storage that cannot do what it is wanted for (DAG-022).

        Args:
            operations: Names of :data:`OPERATIONS`; none means all.
            purpose: What it is wanted for (``"compute logs"``).

        Raises:
            ConfigError: It cannot; the message says why.
        """
        lacking = sorted((set(operations) or OPERATIONS) - self.operations)
        if lacking:
            raise ConfigError(
                f"{self.display_url} cannot hold {purpose}, which need to {', '.join(lacking)}: "
                f"{self.why_read_only()}; name a storage that can be written",
                field=self.field,
            )

    def check(self) -> None:
        """Find every mistake that can be found without the network, now.

        Raises:
            ConfigError: Whatever :meth:`target` would raise later.
        """
        self.target()

    @property
    def field(self) -> str:
        """The configuration field that names the storage."""
        return "url"

    @property
    def variables(self) -> list[str]:
        """The environment variables that the configuration refers to with ``{env: NAME}``."""
        held = self.keywords()
        return sorted({ref.name for ref in references(held) if isinstance(ref, EnvRef)})

    @property
    def holds_secrets(self) -> bool:
        """Whether a pickle of this shows a secret, because one was written in plain."""
        return _holds_secret(self.keywords())

    def describe(self) -> dict[str, Any]:
        """The configuration for people: plain values, every secret masked."""
        return {
            "destination": self.display_url,
            **{name: mask(value, name) for name, value in self.keywords().items()},
        }

    def __repr__(self) -> str:
        fields = ", ".join(
            f"{name}={value!r}" for name, value in self.describe().items() if name != "destination"
        )
        return f"Location({fields})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Location) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> Hashable:
        return _frozen(self.keywords())


class _BackendLocation(Location):
    def __init__(
        self, backend_type: str, options: dict[str, Any], root_path: str, where: str
    ) -> None:
        self.backend_type = backend_type
        self.root_path = root_path
        self._options = options
        self._where = where
        cls = self._option_class()
        cls.check_held(options, where)
        if cls.library is not None and importlib.util.find_spec(cls.library) is None:
            raise MissingExtraError.for_extra(
                str(cls.extra), needed_for=f"backend type {backend_type!r}", field="backend_type"
            )

    def _option_class(self) -> type[OptionSet]:
        return options_class(self.backend_type)

    @property
    def field(self) -> str:
        return "backend_type"

    @property
    def display_url(self) -> str:
        try:
            shown = self._option_class().build(self._options, self._where).place()[2]
        except ConfigError:
            shown = f"{self.backend_type}://(not set)"
        return _below(shown, self.root_path)

    def target(self) -> Target:
        cls = self._option_class()
        translation = cls.build(self._options, self._where).translate(self._where)
        _keep_out_of_logs(translation.options)
        return Target(
            translation.protocol,
            _made(translation.protocol, _below(translation.base, self.root_path), "root_path"),
            _below(translation.display_url, self.root_path),
            translation.options,
            retry=translation.retry,
        )

    def keywords(self) -> dict[str, Any]:
        return {
            "backend_type": self.backend_type,
            "backend_options": self._options,
            "root_path": self.root_path,
        }


class _UrlLocation(Location):
    def __init__(self, url: str | Secret | EnvRef, options: dict[str, Any], root_path: str) -> None:
        self.root_path = root_path
        self._options = options
        if not isinstance(url, EnvRef):
            text = check_url(_plain(url), options)
            url = Secret(text) if is_secret_text(text) else text
        self._url = url

    def _text(self) -> str:
        if isinstance(self._url, EnvRef):
            return check_url(resolve(self._url, "url"), self._options)
        return _plain(self._url)

    @property
    def display_url(self) -> str:
        try:
            return _below(display_url(self._text()), self.root_path)
        except ConfigError:
            return "(url not set)"

    def target(self) -> Target:
        options = resolve(self._options, "storage_options")
        translation, chained = translate_url(self._text(), options)
        _keep_out_of_logs(translation.options)
        return Target(
            translation.protocol,
            _made(translation.protocol, _below(translation.base, self.root_path), "root_path"),
            _below(translation.display_url, self.root_path),
            translation.options,
            chained,
        )

    def keywords(self) -> dict[str, Any]:
        return {"url": self._url, "storage_options": self._options, "root_path": self.root_path}

    def why_read_only(self) -> str | None:
        try:
            return read_only(self._text())
        except ConfigError:
            return None

    def describe(self) -> dict[str, Any]:
        described = super().describe()
        if not isinstance(self._url, EnvRef):
            described["url"] = mask_url(_plain(self._url))
        return described


class _StoreLocation(Location):
    """A store by name. Only the name and the file's path are kept."""

    def __init__(self, name: str, config: str, path: str, root_path: str) -> None:
        self.name = name
        self.config = config
        self.path = path
        self.root_path = root_path
        self._opened()

    def _opened(self) -> _BackendLocation:
        from remote_store_fsspec.stores import read_store

        store = read_store(self.name, self.config)
        root = clean_root_path(store.root_path, f"stores.{self.name}.root_path")
        return _BackendLocation(
            store.backend_type,
            store.options,
            "/".join(part for part in (root, self.path, self.root_path) if part),
            store.where,
        )

    @property
    def display_url(self) -> str:
        return self._opened().display_url

    def target(self) -> Target:
        return self._opened().target()

    def keywords(self) -> dict[str, Any]:
        return {
            "url": f"{STORES_PROTOCOL}://" + _below(self.name, self.path),
            "storage_options": {"config": self.config},
            "root_path": self.root_path,
        }

    @property
    def holds_secrets(self) -> bool:
        return False


def resolve_location(
    *,
    backend_type: str | None = None,
    backend_options: Mapping[str, Any] | None = None,
    url: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    root_path: str = "",
    config: str | os.PathLike[str] | None = None,
) -> Location:
    """Where a store is, from its configuration.

    Exactly one of ``backend_type`` and ``url`` is given. Nothing is opened and no
    environment variable need be set yet: :meth:`Location.check` finds the rest.

    Args:
        backend_type: ``local``, ``memory``, ``s3``, ``s3-pyarrow``, ``azure`` or ``sftp``.
        backend_options: That type's options, by remote-store's names.
        url: Any URL that fsspec opens, chained ones too, or ``remote-store://<store>/<path>``.
        storage_options: Keywords of the library behind the URL.
        root_path: The root, below what the options or the URL name.
        config: Path of the stores file, for a ``remote-store://`` URL only; the same as
            ``config`` in ``storage_options``.

    Raises:
        ConfigError: A wrong field, option or value; the message names it and the fix.
        MissingExtraError: The storage's library is not installed.
    """
    _check_pair(backend_type, backend_options, url, storage_options)
    root = clean_root_path(root_path)
    named = isinstance(url, str) and protocols(str.__str__(url)) == [STORES_PROTOCOL]
    if config is not None and not named:
        raise ConfigError(
            f"config names the file of a store: it goes with url: {STORES_PROTOCOL}://<store> only",
            field="config",
        )
    if backend_type is not None:
        _check_text("backend_type", backend_type)
        held = adopt(_mapping("backend_options", backend_options))
        return _BackendLocation(backend_type, held, root, "backend_options")
    options = adopt(_mapping("storage_options", storage_options))
    if config is not None:
        options.setdefault("config", os.fspath(config))
    address = adopt(url)
    if isinstance(address, EnvRef):
        return _UrlLocation(address, options, root)
    if not isinstance(address, (str, Secret)) or isinstance(address, Template):
        _check_text("url", address)
    text = _plain(address)
    if named:
        return _named_store(text, options, root)
    return _UrlLocation(address, options, root)


def _check_pair(backend_type: Any, backend_options: Any, url: Any, storage_options: Any) -> None:
    if backend_type is None and url is None:
        raise ConfigError(
            "neither backend_type nor url is written, and one of them says where the store is; "
            "write backend_type: s3 with backend_options, or url: s3://bucket/folder",
            field="backend_type",
        )
    if backend_type is not None and url is not None:
        raise ConfigError(
            "both backend_type and url are written, and each alone says where the store is; "
            "remove one of them",
            field="url",
        )
    if backend_type is None and backend_options:
        raise ConfigError(
            "backend_options belong to backend_type; with url, write storage_options",
            field="backend_options",
        )
    if url is None and storage_options:
        raise ConfigError(
            "storage_options belong to url; with backend_type, write backend_options",
            field="storage_options",
        )


def _named_store(url: str, options: dict[str, Any], root_path: str) -> Location:
    from remote_store_fsspec.stores import find_config

    for name in options:
        if name != "config":
            raise ConfigError(
                f"storage_options.{name}: a named store takes only config, the path of its file; "
                "write other options into that file",
                field=f"storage_options.{name}",
            )
    name, _, path = url.partition("://")[2].partition("/")
    if not name:
        raise ConfigError(
            f"url {url} names no store; write {STORES_PROTOCOL}://<store>/<path>", field="url"
        )
    config = resolve(options["config"], "storage_options.config") if options else None
    return _StoreLocation(name, find_config(config), clean_root_path(path, "url"), root_path)


def clean_root_path(root_path: Any, field: str = "root_path") -> str:
    """A root path as a key: no empty elements, ``/`` between the others.

    Raises:
        ConfigError: It is not a text, or would leave the place it starts from.
    """
    if root_path is None:
        return ""
    if not isinstance(root_path, str):
        raise ConfigError(f"{field} must be a text, not a {type(root_path).__name__}", field=field)
    # remote-store reads a backslash in a path as a slash.
    elements = [item for item in root_path.replace("\\", "/").split("/") if item not in ("", ".")]
    if ".." in elements or "\0" in root_path:
        raise ConfigError(
            f"{field} must not hold '..' or a NUL character: it names a folder below the bucket, "
            "container or base path",
            field=field,
        )
    return "/".join(elements)


def _keep_out_of_logs(options: Mapping[str, Any]) -> None:
    remember_all(options)
    redact_logs()


def _below(place: str, path: str) -> str:
    if not path:
        return place
    return place + path if place.endswith("/") or not place else f"{place}/{path}"


def _made(protocol: str, base: str, field: str) -> str:
    if protocol in ("file", "local"):
        make_folder(base, field)
    return base


def _mapping(field: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"{field} must be a mapping of options, not a {type(value).__name__}", field=field
        )
    for name in value:
        if not isinstance(name, str):
            raise ConfigError(f"{field}: option names are texts, {name!r} is not", field=field)
    return dict(value)


def _check_text(field: str, value: Any) -> None:
    if not isinstance(value, str):
        raise ConfigError(f"{field} must be a text, not a {type(value).__name__}", field=field)


def _plain(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _holds_secret(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_secret(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return any(_holds_secret(item) for item in value)
    return isinstance(value, Secret)


def _frozen(value: Any) -> Hashable:
    if isinstance(value, Mapping):
        return tuple(sorted((key, _frozen(item)) for key, item in value.items()))
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(item) for item in value)
    try:
        hash(value)
    except TypeError:
        return type(value), id(value)
    return type(value), value
