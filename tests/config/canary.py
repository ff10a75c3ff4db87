"""The secrets that the canary tests plant, and every place that they search for one.

``docs/reference/secrets.md`` lists :data:`PLACES`; tests keep the two equal, and each place
searched.
"""

from __future__ import annotations

import json
import traceback
from typing import TYPE_CHECKING, Any

import asyncssh
from google.oauth2.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACES: dict[str, str] = {
    "repr": "`repr()` of the configuration and of the filesystem",
    "str": "`str()` and f-strings of both",
    "description": "`describe()`, `display_url`, and `repr()` of what is handed to the library",
    "fsspec": "`storage_options`, `storage_args`, `to_json()`, `fsid`, `unstrip_protocol()` and "
    "the keys of the instance cache",
    "error": "the message of an error",
    "traceback": "the chain of its causes, and the local variables of this package's frames",
    "log records": "log records: this package's at every level; those of asyncssh, azure, "
    "botocore, fsspec, gcsfs, google, s3fs, sshfs and urllib3 at INFO and above",
    "objects": "the same of a credential object whose own `repr()` shows its secret",
    "pickle": "pickles, when the secret comes from the environment or a named store",
    "info_dict": "`inst_data.info_dict()`, `repr()` of the manager and of its `inst_data`",
    "instance info": "`dagster instance info`",
    "instance page": "the UI's Instance page, as a webserver answers it",
    "command lines": "the command lines of the webserver, the code server, the run worker and the "
    "step's process, when the secret comes from the environment or a named store",
    "process output": "what these processes print",
    "home": "every file of `DAGSTER_HOME`, the databases included, when the secret comes from the "
    "environment or a named store",
    "store": "every object that was written",
    "multiprocessing": "the command line of a child process that is handed the filesystem",
}

CANARY = "canary7f3e9b1cdeadbeef"
_KEY = asyncssh.generate_private_key("ssh-ed25519")
PEM = _KEY.export_private_key("pkcs8-pem").decode()
PEM_BODY = PEM.splitlines()[1][:24]
HIDDEN = (CANARY, PEM_BODY)

_S3 = {"bucket": "logs", "endpoint_url": "http://127.0.0.1:1", "retry": {"max_attempts": 1}}
_AZURE = {"container": "logs", "account_url": "http://127.0.0.1:1/acc"}
_SFTP = {"host": "127.0.0.1", "port": 1, "host_key_policy": "auto"}
_CONNECTION = (
    "DefaultEndpointsProtocol=http;AccountName=acc;"
    f"AccountKey={CANARY};BlobEndpoint=http://127.0.0.1:1/acc;"
)


def backend(backend_type: str, **options: Any) -> dict[str, Any]:
    bases: dict[str, dict[str, Any]] = {"s3": _S3, "azure": _AZURE, "sftp": _SFTP}
    return {
        "backend_type": backend_type,
        "backend_options": {**bases[backend_type], **options},
    }


PLANTED: dict[str, dict[str, Any]] = {
    "s3.key": backend("s3", key=CANARY, secret=CANARY),
    "s3.endpoint_url": backend("s3", endpoint_url=f"http://me:{CANARY}@127.0.0.1:1"),
    "s3.client_options.token": backend(
        "s3", key=CANARY, secret=CANARY, client_options={"token": CANARY}
    ),
    "s3.client_options.client_kwargs": backend(
        "s3",
        client_options={
            "client_kwargs": {
                "aws_access_key_id": CANARY,
                "aws_secret_access_key": CANARY,
                "aws_session_token": CANARY,
            }
        },
    ),
    "s3.client_options.s3_additional_kwargs": backend(
        "s3",
        key=CANARY,
        secret=CANARY,
        client_options={"s3_additional_kwargs": {"SSECustomerKey": CANARY}},
    ),
    "s3.client_options.config_kwargs": backend(
        "s3",
        key=CANARY,
        secret=CANARY,
        client_options={"config_kwargs": {"proxies": {"http": f"http://me:{CANARY}@127.0.0.1:1"}}},
    ),
    "azure.account_key": backend("azure", account_key=CANARY),
    "azure.sas_token": backend("azure", sas_token=f"sv=1&sig={CANARY}"),
    "azure.connection_string": backend("azure", connection_string=_CONNECTION),
    "sftp.password": backend("sftp", password=CANARY),
    "sftp.pkey": backend("sftp", pkey=PEM),
    "sftp.connect_kwargs.passphrase": backend(
        "sftp",
        pkey=_KEY.export_private_key("pkcs8-pem", CANARY).decode(),
        connect_kwargs={"passphrase": CANARY},
    ),
    "url user": {"url": f"sftp://me:{CANARY}@127.0.0.1:1/x", "storage_options": {}},
    "url user of ftp": {"url": f"ftp://me:{CANARY}@127.0.0.1:1/x", "storage_options": {}},
    "url chain": {"url": f"dir://x::ftp://me:{CANARY}@127.0.0.1:1/x", "storage_options": {}},
    "storage_options of s3": {
        "url": "s3://logs",
        "storage_options": {"key": CANARY, "secret": CANARY, "token": CANARY},
    },
    "storage_options of azure": {
        "url": "abfs://logs",
        "storage_options": {"account_name": "acc", "account_key": CANARY},
    },
    "storage_options of azure, service principal": {
        "url": "abfs://logs",
        "storage_options": {
            "account_name": "acc",
            "tenant_id": "t",
            "client_id": "c",
            "client_secret": CANARY,
        },
    },
    "storage_options of sftp": {
        "url": "sftp://127.0.0.1:1/x",
        "storage_options": {"username": "me", "password": CANARY, "passphrase": CANARY},
    },
    "storage_options of gcs": {
        "url": "gs://logs",
        "storage_options": {"token": json.dumps({"private_key": CANARY})},
    },
    "storage_options of webdav": {
        "url": "webdav://logs",
        "storage_options": {"base_url": "http://127.0.0.1:1", "auth": ["me", CANARY]},
    },
    "storage_options of a chain": {
        "url": "dir://x::ftp://127.0.0.1:1/x",
        "storage_options": {"ftp": {"username": "me", "password": CANARY}},
    },
    "headers": {
        "url": "webdav://logs",
        "storage_options": {
            "base_url": "http://127.0.0.1:1",
            "headers": {"Authorization": f"Bearer {CANARY}", "X-Other": CANARY},
        },
    },
}


class Outspoken:
    """A credential whose ``repr`` shows its secret."""

    def __repr__(self) -> str:
        return f"Outspoken(secret={CANARY!r})"

    def get_token(self, *scopes: str, **kwargs: Any) -> Any:
        """None: whoever asks is told so."""
        raise ValueError("there is no token")


_OUTSPOKEN = Outspoken()
OBJECTS: dict[str, dict[str, Any]] = {
    "azure.credential": {
        "backend_type": "azure",
        "backend_options": {
            "container": "logs",
            "account_url": "https://127.0.0.1:1",
            "credential": _OUTSPOKEN,
        },
    },
    "storage_options of azure, credential": {
        "url": "abfs://logs",
        "storage_options": {
            "account_name": "acc",
            "account_host": "127.0.0.1:1",
            "credential": _OUTSPOKEN,
        },
    },
    "storage_options of gcs, credentials": {
        "url": "gs://logs",
        "storage_options": {
            "token": Credentials(CANARY),  # type: ignore[no-untyped-call]
            "endpoint_url": "http://127.0.0.1:1",
        },
    },
}
"""Options that are objects of a library: they go by Python only, not by dagster.yaml."""


def clean(place: str, *shown: object) -> None:
    """Fails when something shown in a place of :data:`PLACES` holds a secret."""
    assert place in PLACES
    for item in shown:
        text = item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)
        for secret in HIDDEN:
            assert secret not in text, f"shown in {place}"


def trace_of(error: BaseException | None) -> Iterator[str]:
    """What a crash reporter shows: the chain of causes, with the locals of our own frames.

    The frames of the storage libraries hold the secrets they work with, whoever calls them.
    """
    while error is not None:
        yield "".join(traceback.format_exception_only(error))
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if "remote_store_fsspec" in frame.f_code.co_filename:
                yield from (f"{frame.f_code.co_name}: {item!r}" for item in frame.f_locals.values())
        error = error.__cause__ or error.__context__
