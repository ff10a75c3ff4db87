"""What is secret in a configuration, and how to show everything else.

Three rules decide: the *name* a value stands under (``secret``, ``account_key``, at any
depth), the *form* of a text (a PEM block, a connection string, a signature or a password in
a URL), and the *value* itself once it has been used (:func:`scrub_known`).
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = [
    "MASK",
    "RedactingFilter",
    "Secret",
    "is_secret_text",
    "is_sensitive",
    "mask",
    "mask_text",
    "mask_url",
    "redact_logs",
    "remember",
    "remember_all",
    "scrub",
    "scrub_known",
]

MASK = "***"
"""What stands where a secret was."""

# remote-store's eight names, and the names measured to leak from the libraries underneath.
_EXACT = frozenset({"auth", "authorization", "cookie", "headers", "key", "pin", "pkey", "sas"})
_PARTS = re.compile(
    r"secret|passw(or)?d|passphrase|token|credential|signature|connectionstring|certificate"
    r"|(api|account|access|accesskey|customer|private|shared|encryption)key(id)?$|pkcs11pin"
    r"|authorization"
)
_HARMLESS = re.compile(r"(version|policy|path|file|filename|endpoint|lifetime|expiry)$")

_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]*(?:PRIVATE KEY|CERTIFICATE)[A-Z ]*-----.*?(?:-----END [A-Z0-9 ]+-----|\Z)",
    re.DOTALL,
)
_CONNECTION = re.compile(
    r"(?i)\b(AccountKey|SharedAccessSignature|SharedAccessKey|Password|Pwd)\s*=\s*[^;\s\"']+"
)
_QUERY = re.compile(
    r"(?i)([?&;]|\b)(sig|signature|x-amz-signature|x-amz-credential|x-amz-security-token"
    r"|x-goog-signature|x-goog-credential|awsaccesskeyid|googleaccessid|access_token|token"
    r"|password|secret|key|sas)=[^&;\s\"'<>]+"
)
_SCHEME = re.compile(r"(?i)\b([a-z][a-z0-9+.\-]*)://([^\s\"'<>/?#]*@)")
_USER_ONLY = re.compile(
    r"(?i)\b([a-z][a-z0-9+.\-]*)://[^\s\"'<>/?#@:]*@(?=[^\s\"'<>/?#@]*(?:[/?#]|$))"
)
_AZURE_SCHEMES = frozenset({"abfs", "abfss", "az"})

_MOST_REMEMBERED = 1024
_SHORTEST_REMEMBERED = 5
_known: OrderedDict[str, None] = OrderedDict()
_known_lock = threading.Lock()
_PROCESS_KEY = os.urandom(16)

_LIBRARIES = (
    "adlfs",
    "aiobotocore",
    "asyncssh",
    "azure",
    "boto3",
    "botocore",
    "fsspec",
    "ftplib",
    "gcsfs",
    "google",
    "httpx",
    "paramiko",
    "remote_store",
    "remote_store_fsspec",
    "s3fs",
    "sshfs",
    "urllib3",
)


class Secret:
    """A text that shows itself to nobody but :meth:`reveal`.

    ``repr``, ``str``, ``format`` and f-strings give a mask. Pickling keeps the text, on
    purpose: a pickle is how Dagster and fsspec hand a configuration to another process.
    """

    __slots__ = ("_text",)

    _text: str

    def __init__(self, text: str) -> None:
        object.__setattr__(self, "_text", text)

    def reveal(self) -> str:
        """The text; from here on :func:`scrub_known` recognises it."""
        remember(self._text)
        return self._text

    def __repr__(self) -> str:
        # fsspec tells instances apart by the text of their options: two secrets must not
        # look alike, or one filesystem would be handed out for both.
        mark = hashlib.blake2b(self._text.encode(), key=_PROCESS_KEY, digest_size=8)
        return f"Secret({MASK!r} #{mark.hexdigest()})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __bool__(self) -> bool:
        return bool(self._text)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Secret does not change")

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        return Secret, (self._text,)


def is_sensitive(name: object) -> bool:
    """Whether what stands under that name is a secret, whatever it looks like."""
    if not isinstance(name, str):
        return False
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    if plain in _EXACT:
        return True
    return _PARTS.search(plain) is not None and _HARMLESS.search(plain) is None


def mask(value: Any, name: object = "") -> Any:
    """A configuration for people: the same shape, every secret masked.

    Args:
        value: Mappings and sequences at any depth, of anything.
        name: The name that ``value`` stands under.

    Returns:
        Plain dicts, lists, texts and numbers. A reference to an environment variable is
        shown as such; an object of some library only by its type.
    """
    reference = getattr(value, "as_config", None)
    if callable(reference):
        return reference()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        if set(value) == {"env"}:
            return dict(value)
        return {
            str(key): mask(item, name if is_sensitive(name) else key) for key, item in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [mask(item, name) for item in value]
    if isinstance(value, Secret):
        return MASK if value else ""
    if is_sensitive(name):
        return MASK if value else value
    if isinstance(value, str):
        return mask_text(str.__str__(value))
    if isinstance(value, (int, float)):
        return value
    return f"<{type(value).__name__}>"


def mask_url(url: str) -> str:
    """A URL for people: no user or password before the host, no signature in the query."""
    return _QUERY.sub(_masked_pair, _SCHEME.sub(_without_user, url))


def mask_text(text: str) -> str:
    """A text with whatever in it has the form of a secret masked."""
    if "-----BEGIN" in text:
        text = _PEM.sub(MASK, text)
    if "=" in text:
        text = _CONNECTION.sub(lambda found: f"{found[1]}={MASK}", text)
    return mask_url(text) if "://" in text or "?" in text or "&" in text else text


def is_secret_text(text: str) -> bool:
    """Whether a text has a secret in it by its form; a URL's user alone is none."""
    return mask_text(_USER_ONLY.sub(r"\1://", text)) != _USER_ONLY.sub(r"\1://", text)


def _masked_pair(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}={MASK}"


def _without_user(found: re.Match[str]) -> str:
    # abfss://container@account.dfs.core.windows.net: there the "user" is the container.
    if found[1].lower() in _AZURE_SCHEMES and ":" not in found[2]:
        return found[0]
    return f"{found[1]}://"


def scrub(text: str, secrets: Iterable[str | Secret]) -> str:
    """``text`` without any of the given secrets, nor what has the form of one."""
    values = [item.reveal() if isinstance(item, Secret) else item for item in secrets]
    for value in sorted(filter(None, values), key=len, reverse=True):
        text = text.replace(value, MASK)
    return mask_text(text)


def remember(value: str) -> None:
    """Let :func:`scrub_known` recognise a value; the last thousand are kept.

    Values under five characters are not: masking every ``1`` would hide more than it saves.
    """
    if len(value) < _SHORTEST_REMEMBERED:
        return
    with _known_lock:
        _known.pop(value, None)
        _known[value] = None
        while len(_known) > _MOST_REMEMBERED:
            _known.popitem(last=False)


def remember_all(value: Any, name: object = "") -> None:
    """Let :func:`scrub_known` recognise every secret of plain options."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            remember_all(item, name if is_sensitive(name) else key)
    elif isinstance(value, (list, tuple)):
        for item in value:
            remember_all(item, name)
    elif isinstance(value, Secret):
        value.reveal()
    elif isinstance(value, str) and is_sensitive(name):
        remember(value)
        for found in _CONNECTION.finditer(value):
            remember(found[0].partition("=")[2].strip())


def scrub_known(text: str) -> str:
    """``text`` without any secret that this process has used."""
    with _known_lock:
        values = list(_known)
    return scrub(text, values)


class RedactingFilter(logging.Filter):
    """Takes known secrets out of log records, their arguments and their tracebacks."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record where it would show a secret; never drops one."""
        message = _message(record)
        clean = scrub_known(message)
        if clean != message:
            record.msg, record.args = clean, None
        if record.exc_info and record.exc_info[0] is not None:
            text = record.exc_text or logging.Formatter().formatException(record.exc_info)
            clean = scrub_known(text)
            if clean != text:
                record.exc_text = clean
        return True


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:
        return str(record.msg)


_FILTER = RedactingFilter()


def redact_logs() -> None:
    """Put :class:`RedactingFilter` on the loggers of the storage libraries, and on ours.

    A filter on a logger does not see what its children log, so every child that exists is
    given it too: call this again once a library is imported. Calling twice changes nothing,
    and no logger of anybody else's is touched.
    """
    with _known_lock:
        names = [
            name for name in logging.root.manager.loggerDict if name.partition(".")[0] in _LIBRARIES
        ]
    for name in {*names, *_LIBRARIES}:
        logger = logging.getLogger(name)
        if _FILTER not in logger.filters:
            logger.addFilter(_FILTER)
