"""Moving to this manager and back: the real packages write, ours reads, and the other way round."""

# ruff: noqa: T201 - what these print is what is captured

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from remote_store_fsspec.dagster import RemoteStoreComputeLogManager
from tests.dagster.home import STDERR, texts
from tests.support.areas import area_param

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from devservers import Area

KEY = ["run-1", "compute_logs", "abcdefgh"]
PREFIX = "team/logs"


@pytest.fixture
def aws(s3_server: Any, s3_area: Area, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """dagster-aws's manager in the same bucket."""
    module = pytest.importorskip("dagster_aws.s3.compute_log_manager")
    options = s3_area.backend_config()["backend_options"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", options["key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", options["secret"])
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")

    def make(**config: Any) -> Any:
        return module.S3ComputeLogManager(
            bucket=options["bucket"],
            endpoint_url=s3_server.url,
            prefix=PREFIX,
            local_dir=str(tmp_path / f"aws-{len(config)}"),
            **config,
        )

    return make


@pytest.fixture
def azure(
    azure_server: Any, azure_area: Area, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """dagster-azure's manager in the same container."""
    module = pytest.importorskip("dagster_azure.blob.compute_log_manager")
    # It builds the address from an account's name; Azurite's has another form.
    monkeypatch.setattr(module, "create_blob_client", lambda *_: azure_server.client())

    def make(**config: Any) -> Any:
        return module.AzureBlobComputeLogManager(
            storage_account="account",
            container=azure_area.container,
            access_key_or_sas_token="unused",
            prefix=PREFIX,
            local_dir=str(tmp_path / f"azure-{len(config)}"),
            **config,
        )

    return make


def _capture(manager: Any, out: str = "out é\n", err: str = "err\n") -> None:
    with manager.capture_logs(KEY):
        print(out, end="")
        print(err, end="", file=sys.stderr)


def _both_ways(theirs: Any, ours: Any, reader: Any) -> None:
    _capture(theirs)
    assert texts(reader, KEY) == ("out é\n", "err\n")
    assert reader.is_capture_complete(KEY)
    assert reader.get_log_keys_for_log_key_prefix(KEY[:-1], STDERR) == [KEY]
    reader.delete_logs(log_key=KEY)
    theirs.local_manager.delete_logs(log_key=KEY)
    _capture(ours, "ours é\n", "our err\n")
    assert theirs.is_capture_complete(KEY)
    assert texts(theirs, KEY) == ("ours é\n", "our err\n")


@pytest.mark.server
def test_dagster_aws_and_this_manager_read_each_other(
    aws: Any, s3_area: Area, make_manager: Callable[..., Any]
) -> None:
    _both_ways(aws(), make_manager(s3_area, prefix=PREFIX), make_manager(s3_area, prefix=PREFIX))


@pytest.mark.server
def test_a_log_that_dagster_aws_is_still_writing_is_read_live(
    aws: Any, s3_area: Area, make_manager: Callable[..., Any]
) -> None:
    theirs, reader = aws(upload_interval=3600), make_manager(s3_area, prefix=PREFIX)
    with theirs.capture_logs(KEY):
        print("one", flush=True)
        theirs.on_progress(KEY)
        first = reader.get_log_data(KEY)
        assert first.stdout == b"one\n"
        print("two", flush=True)
        theirs.on_progress(KEY)
        assert reader.get_log_data(KEY, first.cursor).stdout == b"two\n"
        assert not reader.is_capture_complete(KEY)
    assert reader.get_log_data(KEY).stdout == b"one\ntwo\n"
    assert reader.is_capture_complete(KEY)


@pytest.mark.server
def test_an_empty_stream_that_dagster_aws_skipped_is_understood(
    aws: Any, s3_area: Area, make_manager: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from remote_store_fsspec.logs import reader as reading

    theirs, reader = aws(skip_empty_files=True), make_manager(s3_area, prefix=PREFIX)
    _capture(theirs, "text", "")
    assert texts(reader, KEY) == ("text", "")
    # The other stream might still be on its way; it is watched for a while.
    assert not reader.is_capture_complete(KEY)
    monkeypatch.setattr(reading, "SETTLING_SECONDS", 0.0)
    assert reader.is_capture_complete(KEY)


@pytest.mark.server
def test_dagster_azure_and_this_manager_read_each_other(
    azure: Any, azure_area: Area, make_manager: Callable[..., Any]
) -> None:
    _both_ways(
        azure(), make_manager(azure_area, prefix=PREFIX), make_manager(azure_area, prefix=PREFIX)
    )


@pytest.mark.parametrize(
    "any_location",
    [area_param("local"), area_param("s3"), area_param("azure"), area_param("sftp")],
    indirect=True,
)
def test_remote_stores_own_manager_and_this_one_read_each_other(
    any_location: Area, tmp_path: Path
) -> None:
    module = pytest.importorskip("remote_store.ext.dagster")
    config = any_location.backend_config()
    key_file = config["backend_options"].pop("pkey", None)
    if key_file is not None:  # theirs takes a path only as paramiko's own keyword
        config["backend_options"]["connect_kwargs"] = {"key_filename": key_file}
    theirs = module.RemoteStoreComputeLogManager(
        **config, root_path="a/b", local_dir=str(tmp_path / "theirs")
    )
    try:
        ours, reader = (
            RemoteStoreComputeLogManager(
                **config, root_path="a/b", local_dir=str(tmp_path / f"ours-{number}")
            )
            for number in range(2)
        )
        _both_ways(theirs, ours, reader)
    finally:
        theirs.dispose()
