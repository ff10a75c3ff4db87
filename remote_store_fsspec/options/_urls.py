"""URLs of fsspec: which storage they name, what is wrong with them, and what they become.

Nothing here opens anything. What a URL's user, host and port mean is asked of the library's
own class, so that ``fsspec.open`` and this library read the same URL the same way.
"""

from __future__ import annotations

import copy
import importlib.util
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from remote_store_fsspec.errors import ConfigError, MissingExtraError
from remote_store_fsspec.options._fields import Translation, nearest
from remote_store_fsspec.options._names import check_keywords
from remote_store_fsspec.options.local import absolute, make_folder
from remote_store_fsspec.secrets import mask_url

__all__ = ["STORES_PROTOCOL", "check_url", "display_url", "protocols", "read_only", "translate_url"]

STORES_PROTOCOL = "remote-store"
_FILE = ("file", "local")
_SSH = ("sftp", "ssh")
_BUCKETS = {
    "abfs": "container",
    "abfss": "container",
    "az": "container",
    "gcs": "bucket",
    "gs": "bucket",
    "s3": "bucket",
    "s3a": "bucket",
}
_SERVERS = (*_SSH, "ftp", "smb", "webhdfs")
_CACHES = ("blockcache", "cached", "filecache", "simplecache")
_READ_ONLY: Mapping[str, str] = {
    "data": "it is the text in the URL itself",
    "dvc": "DVC keeps versions, not files one can write",
    "gist": "a gist is only read",
    "git": "a git repository is only read",
    "github": "a GitHub repository is only read",
    "http": "plain HTTP has no way to write, list or delete",
    "https": "plain HTTPS has no way to write, list or delete",
    "libarchive": "an archive is only read",
    "reference": "a reference set is only read",
    "tar": "an archive is only read",
    "zip": "a file in an archive cannot be replaced or deleted",
}
_EXTRAS: Mapping[str, str] = {
    "adlfs": "azure",
    "gcsfs": "gcs",
    "s3fs": "s3",
    "sshfs": "sftp",
    "webdav4": "webdav",
}
_NO_USER = ("gcs", "gs", "s3", "s3a")

_CONFINED = "dir://::"


def protocols(url: str) -> list[str]:
    """The protocols of a URL, outermost first; more than one when it is chained."""
    return [_protocol(link) for link in _links(url)]


def _links(url: str) -> list[str]:
    links = url.split("::")
    if len(links) == 1:
        return links
    # A bare word in a chain is a protocol, as fsspec reads it: simplecache::s3://bucket.
    return [link if re.search(r"[^a-z0-9\-+.]", link) else f"{link}://" for link in links]


def _protocol(link: str) -> str:
    scheme, separator, _ = link.partition("://")
    return scheme.lower() if separator else "file"


def read_only(url: str) -> str | None:
    """Why nothing can be written to what a URL names; None when it can."""
    return next((_READ_ONLY[name] for name in protocols(url) if name in _READ_ONLY), None)


def check_url(url: str, options: Mapping[str, Any]) -> str:
    """Refuse a URL that cannot work, before any library is loaded.

    Returns:
        The URL with the paths of this machine made absolute.

    Raises:
        ConfigError: An unknown protocol, a missing bucket, credentials where none are read.
        MissingExtraError: The library of that protocol is not installed.
    """
    if not url.strip():
        raise ConfigError("url is empty; write one such as s3://bucket/folder", field="url")
    links = [_checked_link(link) for link in _links(url)]
    if protocols(url) == ["webdav"] and "base_url" not in options:
        raise ConfigError(
            "storage_options.base_url is missing: a webdav:// URL holds the folder only; write "
            "the server's address there (https://host/dav)",
            field="storage_options.base_url",
        )
    return "::".join(links)


def _checked_link(link: str) -> str:
    protocol = _protocol(link)
    _check_library(protocol)
    rest = link.partition("://")[2] if "://" in link else link
    if protocol in _FILE:
        return f"file://{absolute(rest)}" if rest else link
    if ".." in rest.split("?")[0].split("/"):
        raise ConfigError(
            f"url {mask_url(link)} has a '..' in its path; write the path without it", field="url"
        )
    place = rest.partition("/")[0]
    if protocol in _BUCKETS and not place:
        raise ConfigError(
            f"url {link} names no {_BUCKETS[protocol]}; write "
            f"{protocol}://{_BUCKETS[protocol]}/folder",
            field="url",
        )
    if protocol in _NO_USER and "@" in place:
        raise ConfigError(
            f"url {mask_url(link)}: {protocol} URLs carry no credentials; write them into "
            "storage_options, or leave them to the environment",
            field="url",
        )
    if protocol in _SERVERS:
        _check_server(link, protocol)
    return link


def _check_server(link: str, protocol: str) -> None:
    shown = mask_url(link)
    try:
        parts = urlsplit(link)
        port = parts.port
    except ValueError as exc:
        raise ConfigError(
            f"url {shown}: the port must be a number from 1 to 65535", field="url"
        ) from exc
    if not parts.hostname:
        raise ConfigError(f"url {shown} names no host; write {protocol}://host/folder", field="url")
    if port == 0:
        raise ConfigError(f"url {shown}: the port must be from 1 to 65535", field="url")
    if parts.query:
        raise ConfigError(
            f"url {shown} has a '?', and what follows would be lost; a path or password with one "
            "goes into root_path or storage_options",
            field="url",
        )


def _implementation(protocol: str) -> str | None:
    """Dotted path of the class that fsspec has for a protocol."""
    from fsspec.registry import known_implementations, registry

    loaded = registry.get(protocol)
    if loaded is not None:
        return f"{loaded.__module__}.{loaded.__qualname__}"
    known = known_implementations.get(protocol)
    return known["class"].replace(":", ".") if known else None


def library_of(protocol: str) -> str:
    """Top module of the library that serves a protocol."""
    if protocol in _SSH:
        # Without sshfs, fsspec falls back to a paramiko class that hangs under threads.
        return "sshfs"
    return (_implementation(protocol) or "").partition(".")[0]


def _check_library(protocol: str) -> None:
    if _implementation(protocol) is None and protocol not in (*_SSH, "abfss"):
        from fsspec.registry import known_implementations, registry

        names = sorted({*known_implementations, *registry})
        raise ConfigError(
            f"url: fsspec knows no protocol {protocol!r}{nearest(protocol, names)}", field="url"
        )
    library = library_of(protocol) if protocol != "abfss" else "adlfs"
    if library == "fsspec":
        _load(protocol)
    elif importlib.util.find_spec(library) is None:
        raise missing_library(protocol, library)


def missing_library(protocol: str, library: str) -> MissingExtraError:
    """The error for a protocol whose library is not installed."""
    if library in _EXTRAS:
        return MissingExtraError.for_extra(
            _EXTRAS[library], needed_for=f"a {protocol}:// URL", field="url"
        )
    from fsspec.registry import known_implementations

    words = known_implementations.get(protocol, {}).get("err", "")
    return MissingExtraError(
        f"a {protocol}:// URL needs a library that is not installed: "
        f'pip install "{library.replace("_", "-")}" ({words})',
        field="url",
    )


def _load(protocol: str) -> Any:
    import fsspec

    try:
        return fsspec.get_filesystem_class(protocol)
    except ImportError as exc:
        library = (getattr(exc.__cause__, "name", None) or library_of(protocol)).partition(".")[0]
        raise missing_library(protocol, library) from exc


def display_url(url: str) -> str:
    """A URL for people: no credentials, caches and ``dir::`` folded away."""
    links = [mask_url(link).rstrip("/") for link in _links(url)]
    links = [f"{link}//" if link.endswith(":") else link for link in links]
    names = protocols(url)
    while len(links) > 1 and names[0] in (*_CACHES, "dir"):
        outer, name = links.pop(0), names.pop(0)
        folder = outer.partition("://")[2].strip("/")
        if name == "dir" and folder:
            links[-1] = f"{links[-1]}/{folder}"
    return "::".join(links)


def translate_url(url: str, options: Mapping[str, Any]) -> tuple[Translation, str | None]:
    """What a checked URL becomes.

    Args:
        url: From :func:`check_url`.
        options: The user's ``storage_options``, plain values.

    Returns:
        The translation, and the whole URL when it is chained: then the options are those of
        ``fsspec.core.url_to_fs``, else of the class.
    """
    names = protocols(url)
    given = copy.copy(dict(options))
    if url.startswith(_CONFINED) and len(names) == 2:  # noqa: PLR2004 - dir and what it confines
        # A root is what every filesystem here has, and links do not lead out of it.
        return translate_url(url.removeprefix(_CONFINED), given)
    if len(names) > 1:
        base = _chained_base(url, given)
        return Translation(names[0], base, display_url(url), given), url
    protocol = names[0]
    cls = _load(protocol)
    nested = given.get(protocol)
    if isinstance(nested, Mapping):
        del given[protocol]
        given = {**nested, **given}
    check_keywords(library_of(protocol), given, where="storage_options")
    if protocol in _FILE:
        base = absolute(url.partition("://")[2])
        make_folder(base, "url")
    else:
        base = cls._strip_protocol(url)
        base = base.rstrip("/") or ("/" if base.startswith("/") else "")
        for name, value in cls._get_kwargs_from_urls(url).items():
            if name == "url_fragment":
                continue
            if name in given and given[name] != value:
                raise ConfigError(
                    f"storage_options.{name} differs from what the url says; write it once",
                    field=f"storage_options.{name}",
                )
            given[name] = value
    given = {**_from_fsspec_config(cls, protocol), **given}
    _fit(protocol, given)
    if protocol == "memory":
        base = base or "/"
    if protocol in _SSH:
        base = base or "."
        # sshfs's own default is to verify nothing; () is asyncssh's: the user's known hosts.
        given.setdefault("known_hosts", ())
    return Translation(protocol, base, display_url(url), given), None


def _fit(protocol: str, given: dict[str, Any]) -> None:
    """Values as the library takes them, where YAML or an environment variable cannot say so."""
    if protocol in ("gcs", "gs") and "token" in given:
        given["token"] = _google_token(given["token"])
    if protocol in ("webdav", "dav") and isinstance(given.get("auth"), list):
        given["auth"] = tuple(given["auth"])


def _google_token(token: Any) -> Any:
    """A service account's JSON as gcsfs takes it; an environment variable can only hold text."""
    if not isinstance(token, str) or not token.lstrip().startswith("{"):
        return token
    try:
        return json.loads(token)
    except ValueError:
        # Not even the parser's words: they quote the place, and the text is a private key.
        raise ConfigError(
            "storage_options.token starts like JSON and is not; write the whole service account "
            "file, or its path",
            field="storage_options.token",
        ) from None


def _from_fsspec_config(cls: Any, protocol: str) -> dict[str, Any]:
    """What fsspec's config files and FSSPEC_* variables say about a protocol."""
    from fsspec.config import conf

    names = [cls.protocol] if isinstance(cls.protocol, str) else list(cls.protocol)
    if protocol in _SSH:
        names = list(_SSH)
    merged: dict[str, Any] = {}
    for name in dict.fromkeys([*names, protocol]):
        merged.update(conf.get(name, {}))
    return merged


def _chained_base(url: str, options: Mapping[str, Any]) -> str:
    """Path of the root in the outermost filesystem of a chained URL."""
    import fsspec.core

    for name in protocols(url):
        _load(name)
    try:
        # The only place where fsspec says what a chain's outermost path is.
        unchained = fsspec.core._un_chain(url, copy.deepcopy(dict(options)))  # noqa: SLF001
    except TypeError as exc:
        raise ConfigError(
            "storage_options says something else than the url about the same thing; write it once",
            field="storage_options",
        ) from exc
    if protocols(url)[0] == "dir":
        # dir::s3://bucket/a is that folder; fsspec would look for bucket/a inside it again.
        return _links(url)[0].partition("://")[2].strip("/")
    return str(unchained[0][0]).rstrip("/")
