"""Credentials that were good once: the viewer and the run read that they have expired."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from azure.storage.blob import ContainerSasPermissions, generate_container_sas

from devservers.proxy import Status
from remote_store_fsspec.dagster import RemoteStoreComputeLogManager
from tests.reliability.support import AT, KEY, impatient, staged_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from devservers import Area

pytestmark = pytest.mark.server

S3_BODY = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message>
<Token-0>FwoGZXIvYXdzEXAMPLE-canary</Token-0><RequestId>4442587FB7D0A2F9</RequestId></Error>"""
AZURE_BODY = b"""\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?><Error><Code>AuthenticationFailed</Code>
<Message>Server failed to authenticate the request. Make sure the value of Authorization header is
formed correctly including the signature.
RequestId:35e2ed5a-101e-0000-2e2f-canary000000
Time:2026-01-02T10:00:00.0000000Z</Message><AuthenticationErrorDetail>Signature not valid in the
specified time frame: Start [Thu, 01 Jan 2026 08:00:00 GMT] - Expiry [Thu, 01 Jan 2026 09:00:00 GMT]
- Current [Fri, 02 Jan 2026 10:00:00 GMT]</AuthenticationErrorDetail></Error>""".replace(
    b"GMT]\n-", b"GMT] -"
)
NOT_YET = AZURE_BODY.replace(b"Expiry [Thu, 01 Jan 2026", b"Expiry [Sat, 03 Jan 2026")


def _azure_answer(body: bytes) -> Status:
    return Status(
        403, body, {"x-ms-error-code": "AuthenticationFailed", "Content-Type": "application/xml"}
    )


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _shows_and_reads_on(area: Area, proxy: Any, manager: Any, answer: Status) -> None:
    area.raw.write(f"{AT}.out", b"text")
    area.raw.write(f"{AT}.err", b"")
    with proxy.fault(answer):
        first = manager.get_log_data(KEY)
        shown = first.stdout.decode()
        assert shown.count("\n") == 1
        assert "this log cannot be read right now: " in shown
        assert f"://{area.container}/" in shown
        assert "the credentials have expired: " in shown
        assert "renew them" in shown
        assert "canary" not in shown
        assert first.cursor == "0:0"
        # The run page keeps working meanwhile.
        assert not manager.is_capture_complete(KEY)
        assert manager.get_log_metadata(KEY).stdout_location.endswith(f"{AT}.out")
    assert manager.get_log_data(KEY, first.cursor).stdout == b"text"


@pytest.mark.parametrize("status", [400, 403])
def test_a_viewer_is_told_that_s3s_token_has_expired_and_reads_on_later(
    s3_area: Area, proxied: Any, make_manager: Callable[..., Any], status: int
) -> None:
    proxy = proxied(s3_area)
    manager = make_manager(s3_area, via=proxy)
    answer = Status(status, S3_BODY, {"Content-Type": "application/xml"})
    _shows_and_reads_on(s3_area, proxy, manager, answer)


def test_a_viewer_is_told_that_azures_signature_has_expired_and_reads_on_later(
    azure_area: Area, proxied: Any, make_manager: Callable[..., Any]
) -> None:
    proxy = proxied(azure_area)
    manager = make_manager(azure_area, via=proxy)
    _shows_and_reads_on(azure_area, proxy, manager, _azure_answer(AZURE_BODY))
    with proxy.fault(_azure_answer(NOT_YET)):
        refused = manager.get_log_data(["another", "compute_logs", "log"]).stdout.decode()
    assert "the store refused access: Azure answered AuthenticationFailed" in refused


def test_an_azure_signature_that_is_over_is_named_without_the_services_detail(
    azure_area: Area, azure_server: Any
) -> None:
    # Azurite refuses such a signature with a code that says nothing of time.
    service = azure_server.client()
    now = datetime.now(timezone.utc)
    sas = generate_container_sas(
        service.account_name,
        azure_area.container,
        account_key=service.credential.account_key,
        permission=ContainerSasPermissions(read=True, write=True, list=True, delete=True),
        start=now - timedelta(hours=3),
        expiry=now - timedelta(hours=1),
    )
    text = f"BlobEndpoint={service.url};SharedAccessSignature={sas}"
    manager = RemoteStoreComputeLogManager(
        backend_type="azure",
        backend_options={"container": azure_area.container, "connection_string": text},
    )
    shown = (manager.get_log_data(KEY).stdout or b"").decode()
    manager.dispose()
    assert "the credentials have expired: " in shown
    assert sas.partition("sig=")[2][:10] not in shown


def test_a_log_that_expired_credentials_could_not_store_is_kept_says_so_and_is_stored_later(
    s3_area: Area, proxied: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    proxy = proxied(s3_area)
    config = {**impatient(s3_area, proxy), "local_dir": str(tmp_path / "staging")}
    manager = RemoteStoreComputeLogManager(**config)
    manager._recovery.stop()  # or else it may store the log as soon as the fault is over
    with proxy.fault(Status(400, S3_BODY)), manager.capture_logs(KEY):
        _print("text")
    said = [one.getMessage() for one in caplog.records if "could not be stored" in one.getMessage()]
    assert len(said) == 1
    assert "the credentials have expired: S3 answered ExpiredToken" in said[0]
    assert list(staged_files(tmp_path / "staging")) == ["abcdefgh.out", "abcdefgh.err"]
    assert [left.reason for left in manager.flush()] == [None]
    manager.dispose()
    assert s3_area.raw.read(f"{AT}.out") == b"text"
