"""Options of the backend type ``sftp``."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from remote_store_fsspec.errors import ConfigError
from remote_store_fsspec.options._fields import (
    OptionSet,
    nearest,
    option,
    unknown_option,
)
from remote_store_fsspec.options._host_keys import (
    DEFAULT_FILE,
    FirstUse,
    KnownHosts,
    make_file,
)
from remote_store_fsspec.options._retry import parse_retry
from remote_store_fsspec.options._shared import retry_option

if TYPE_CHECKING:
    from remote_store_fsspec.backends.base import Retry

__all__ = ["KNOWN_KEYS_VARIABLE", "SFTPOptions", "private_key"]

KNOWN_KEYS_VARIABLE = "SFTP_KNOWN_HOST_KEYS"
"""Known hosts as text, read when none are written."""

_POLICIES = {
    "strict": "strict",
    "tofu": "tofu",
    "auto": "auto",
    "STRICT": "strict",
    "TRUST_ON_FIRST_USE": "tofu",
    "AUTO_ADD": "auto",
}
_CONNECT = {
    "key_filename": "a path or a list of paths, to `client_keys`",
    "passphrase": "`passphrase`",
    "allow_agent": "`false` to `agent_path=None`",
    "look_for_keys": "`false`: only the keys that are written",
    "compress": "`true` to `compression_algs`",
    "gss_auth": "`gss_auth`",
    "gss_kex": "`gss_kex`",
    "gss_deleg_creds": "`gss_delegate_creds`",
    "gss_host": "`gss_host`",
    "sock": "`sock` (from Python only)",
}
_OWN_OPTIONS = {
    "hostname": "host",
    "port": "port",
    "username": "username",
    "password": "password",
    "pkey": "pkey",
    "timeout": "timeout",
    "banner_timeout": "timeout",
    "auth_timeout": "timeout",
    "channel_timeout": "timeout",
}
_COMPRESSION = ("zlib@openssh.com", "zlib", "none")
_UNANSWERED = 3
"""Keepalive messages without an answer after which the link counts as dead."""
_LAST_PORT = 65535
_SSH_PORT = 22


def _policy(value: Any) -> str | None:
    text = getattr(value, "value", value)
    if isinstance(text, str) and (text in _POLICIES or text.upper() in _POLICIES):
        return None
    near = nearest(text, ("strict", "tofu", "auto")) if isinstance(text, str) else ""
    return f"must be strict, tofu or auto{near}"


def _host(value: str) -> str | None:
    if not value.strip():
        return "must name a host, and is empty"
    if "://" in value or "/" in value or "@" in value:
        return "must be a host's name alone: put the user into username, the folder into base_path"
    return None


def _port(value: int) -> str | None:
    return None if 0 < value <= _LAST_PORT else "must be between 1 and 65535"


def _positive(value: float) -> str | None:
    return None if value > 0 else "must be more than 0"


def _connect_kwargs(value: Mapping[str, Any]) -> str | None:
    for name in value:
        if name in _OWN_OPTIONS:
            return f"must not hold {name}: it is the option {_OWN_OPTIONS[name]!r}"
        if name not in _CONNECT:
            error = unknown_option(name, _CONNECT, where="", owner="an SSH connection")
            return f"cannot be honoured: {str(error).lstrip('.')}"
    return None


def _only_known_keys(value: Mapping[str, Any]) -> str | None:
    wrong = set(value) - {"known_host_keys"}
    return f"may only hold known_host_keys, not {min(map(str, wrong))}" if wrong else None


@dataclass(frozen=True, repr=False)
class SFTPOptions(OptionSet):
    """A folder on a server that is reached over SSH."""

    backend_type: ClassVar[str] = "sftp"
    extra: ClassVar[str | None] = "sftp"
    library: ClassVar[str | None] = "sshfs"

    host: str = option(
        meaning="Name or address of the server.",
        translation="`host`",
        check=_host,
    )
    port: int = option(
        22,
        meaning="Port of the SSH server.",
        translation="`port`",
        check=_port,
    )
    username: str | None = option(
        None,
        meaning="User to log in as. Not written: the user who runs this.",
        translation="`username`",
    )
    password: str | None = option(
        None,
        meaning="Password of that user. Not written: keys only.",
        translation="`password`",
    )
    pkey: Any = option(  # noqa: RUF009 - it makes a dataclass field
        None,
        meaning="Private key: the PEM text, the path of its file, or (from Python) a paramiko "
        "key. Text whose line ends became blanks, as key vaults do, is read too.",
        translation="`client_keys`",
        kind="text or none",
    )
    base_path: str = option(
        "/",
        meaning="Folder on the server; `root_path` lies in it. A relative one counts from the "
        "user's home.",
        translation="start of the path",
    )
    host_key_policy: Any = option(  # noqa: RUF009 - it makes a dataclass field
        "strict",
        meaning="Which host keys are believed. `strict`: only known ones. `tofu`: the first key "
        "that a host shows is written down, and any other refused from then on. `auto`: any, "
        "which gives up protection against an impostor.",
        translation="`known_hosts` and a `client_factory`",
        kind="text",
        check=_policy,
    )
    known_host_keys: str | None = option(
        None,
        meaning="Known hosts as text, in the format of OpenSSH. Not written: the environment "
        f"variable `{KNOWN_KEYS_VARIABLE}`, else the file of `host_keys_path`.",
        translation="`known_hosts`",
    )
    host_keys_path: str | None = option(
        None,
        meaning=f"File of known hosts. Not written: `{DEFAULT_FILE}`.",
        translation="`known_hosts`",
    )
    config: Mapping[str, Any] | None = option(
        None,
        meaning="Another place for `known_host_keys`, as remote-store has it.",
        translation="`known_hosts`",
        check=_only_known_keys,
    )
    timeout: float = option(
        10,
        meaning="Time for connecting, and again for logging in.",
        translation="`connect_timeout`, `login_timeout`",
        unit="seconds",
        check=_positive,
    )
    io_timeout: float | None = option(
        120.0,
        meaning="Silence after which a connection counts as dead; `null` waits for ever.",
        translation=f"`keepalive_interval` of a quarter, `keepalive_count_max={_UNANSWERED}`",
        unit="seconds",
        check=_positive,
    )
    connect_kwargs: Mapping[str, Any] = option(
        {},
        meaning="Keywords of paramiko's `connect`: "
        + "; ".join(f"`{name}` ({what})" for name, what in _CONNECT.items())
        + ". Others are refused.",
        translation="as listed",
        check=_connect_kwargs,
    )
    retry: Any = retry_option(  # noqa: RUF009 - it makes a dataclass field
        meaning="How often and how fast a lost connection is made again for one call. Not "
        "written: once, at once.",
        translation="kept by the storage's module here: sshfs makes none again",
    )

    def attempts(self, where: str) -> Retry | None:
        """For the calls of the storage's module here."""
        return parse_retry(self.retry, where)

    def place(self) -> tuple[str, str, str]:
        """The folder; a relative one starts with ``.``, the user's home."""
        folder = self.base_path.strip("/").removeprefix("./")
        server = self.host if self.port == _SSH_PORT else f"{self.host}:{self.port}"
        if self.base_path.startswith("/"):
            return "sftp", f"/{folder}", f"sftp://{server}/{folder}".rstrip("/")
        folder = "" if folder == "." else folder
        return "sftp", f"./{folder}".rstrip("/"), f"sftp://{server}/~/{folder}".rstrip("/")

    def keywords(self, where: str) -> dict[str, Any]:
        """Keywords of ``sshfs.SSHFileSystem``, which hands them to ``asyncssh.connect``."""
        options: dict[str, Any] = {
            "host": self.host,
            "port": self.port,
            "connect_timeout": self.timeout,
            "login_timeout": self.timeout,
            # paramiko reads no ~/.ssh/config; an alias there must not redirect this host.
            "config": [],
        }
        options["keepalive_interval"] = (self.io_timeout or 0) / (_UNANSWERED + 1)
        if self.io_timeout:
            options["keepalive_count_max"] = _UNANSWERED
        if self.username:
            options["username"] = self.username
        if self.password:
            options["password"] = self.password
        options.update(self._connection(where))
        options.update(self._host_keys(where))
        return options

    def _connection(self, where: str) -> dict[str, Any]:
        """Keys, agent, compression and GSS of ``pkey`` and ``connect_kwargs``."""
        given = self.connect_kwargs
        options: dict[str, Any] = {
            theirs: given[ours]
            for ours, theirs in (
                ("gss_auth", "gss_auth"),
                ("gss_kex", "gss_kex"),
                ("gss_deleg_creds", "gss_delegate_creds"),
                ("gss_host", "gss_host"),
                ("sock", "sock"),
                ("passphrase", "passphrase"),
            )
            if given.get(ours) is not None
        }
        keys: list[Any] = []
        if self.pkey is not None:
            keys.append(private_key(self.pkey, f"{where}.pkey", options.get("passphrase")))
        files = given.get("key_filename") or []
        files = [files] if isinstance(files, (str, os.PathLike)) else files
        keys += [_key_file(path, f"{where}.connect_kwargs.key_filename") for path in files]
        if keys:
            options["client_keys"] = keys
        elif given.get("look_for_keys") is False:
            if given.get("allow_agent") is not False and not self.password:
                _refuse_agent_alone(where)
            options["client_keys"] = None
        if given.get("allow_agent") is False:
            options["agent_path"] = None
        if given.get("compress"):
            options["compression_algs"] = list(_COMPRESSION)
        return options

    def _host_keys(self, where: str) -> dict[str, Any]:
        """Which host keys asyncssh believes."""
        policy = getattr(self.host_key_policy, "value", self.host_key_policy)
        policy = _POLICIES.get(policy) or _POLICIES[policy.upper()]
        text = (
            self.known_host_keys
            or (self.config or {}).get("known_host_keys")
            or os.environ.get(KNOWN_KEYS_VARIABLE)
        )
        judge: KnownHosts
        if text:
            # Whatever the policy, a host among the given ones must show its own key.
            judge = KnownHosts(text=text) if policy == "strict" else FirstUse(text=text)
            judge.check(f"{where}.known_host_keys")
            return {"known_hosts": text.encode(), "client_factory": judge}
        if policy == "auto":
            return {"known_hosts": None}
        path = Path(self.host_keys_path or DEFAULT_FILE).expanduser()
        field = f"{where}.host_keys_path"
        if policy == "tofu":
            try:
                make_file(path)
            except OSError as exc:
                raise ConfigError(
                    f"{field}: {path} cannot be written ({exc.strerror}); name another file",
                    field=field,
                ) from exc
            judge = FirstUse([str(path)])
        elif not path.is_file():
            raise ConfigError(
                f"{field}: there is no file {path}, so no host key can be verified; fill it with "
                f"`ssh-keyscan -p {self.port} {self.host}`, write known_host_keys, or "
                "host_key_policy: tofu",
                field=field,
            )
        else:
            judge = KnownHosts([str(path)])
        judge.check(field)
        return {"known_hosts": str(path), "client_factory": judge}


def _refuse_agent_alone(where: str) -> None:
    # asyncssh takes "no key files" to mean no agent either; without a password nothing is left.
    if os.environ.get("SSH_AUTH_SOCK"):
        raise ConfigError(
            f"{where}.connect_kwargs.look_for_keys cannot be false while an SSH agent is used: "
            "asyncssh switches both off together; add allow_agent: false, or name a key",
            field=f"{where}.connect_kwargs.look_for_keys",
        )


def private_key(value: Any, field: str, passphrase: str | None = None) -> Any:
    """A private key for asyncssh.

    Args:
        value: PEM text, a path, a paramiko key, or an asyncssh key.
        field: Its name for an error.
        passphrase: What an encrypted key is locked with.

    Returns:
        An ``asyncssh.SSHKey``, or the path of a file that exists.

    Raises:
        ConfigError: No such file, or not a private key; the message holds nothing of it.
    """
    import asyncssh

    if hasattr(value, "export_private_key"):
        return value
    if callable(getattr(value, "write_private_key", None)):
        buffer = io.StringIO()
        value.write_private_key(buffer)
        value = buffer.getvalue()
    if isinstance(value, (str, bytes)) and "-----BEGIN" in _text(value):
        pem = _pem(_text(value))
        try:
            return asyncssh.import_private_key(pem, passphrase)
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError):
            # Not chained: what the parser quotes may be the key.
            problem = "is not a private key that asyncssh can read"
            if _encrypted(pem, passphrase):
                problem = "is encrypted: write the right passphrase into connect_kwargs.passphrase"
        raise ConfigError(f"{field} {problem}", field=field)
    if isinstance(value, (str, os.PathLike)):
        return _key_file(value, field)
    raise ConfigError(
        f"{field} must be PEM text, a path or a key object, not a {type(value).__name__}",
        field=field,
    )


def _encrypted(pem: str, passphrase: str | None) -> bool:
    import asyncssh

    if "ENCRYPTED" in pem:
        return True
    try:
        asyncssh.import_private_key(pem, passphrase or "-")
    except asyncssh.KeyEncryptionError:
        return True
    except (asyncssh.KeyImportError, ValueError):
        return False
    return False


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _pem(text: str) -> str:
    """PEM text with the line ends that key vaults and environment variables take away."""
    text = text.strip().replace("\\n", "\n")
    found = re.fullmatch(r"(-----BEGIN [^-]+-----)(.*)(-----END [^-]+-----)", text, re.DOTALL)
    if found is None or "\n" in found[2].strip():
        return text + "\n"
    return f"{found[1]}\n" + "\n".join(found[2].split()) + f"\n{found[3]}\n"


def _key_file(path: str | os.PathLike[str], field: str) -> str:
    file = Path(path).expanduser()
    if not file.is_file():
        # What stands there may be a key whose first line was lost: never show it.
        raise ConfigError(
            f"{field} names a file that does not exist; write the path of a private key"
            + (", or its PEM text" if field.endswith("pkey") else ""),
            field=field,
        )
    return str(file)
