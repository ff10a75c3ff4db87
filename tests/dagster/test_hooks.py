"""Every hook of the original request, DAG-021 to DAG-033."""

# ruff: noqa: T201 - what these print is what is captured

from __future__ import annotations

import json
import os
import stat
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
from dagster._config import process_config, resolve_to_config_type
from dagster._core.storage.cloud_storage_compute_log_manager import (
    TruncatingCloudStorageComputeLogManager,
)
from dagster._core.storage.compute_log_manager import ComputeIOType
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from dagster_shared.serdes import deserialize_value, serialize_value

from remote_store_fsspec.dagster import RemoteStoreComputeLogManager
from remote_store_fsspec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from devservers import Area

OUT, ERR = ComputeIOType.STDOUT, ComputeIOType.STDERR
KEY = ["run-1", "compute_logs", "abcdefgh"]
AT = "dagster/storage/run-1/compute_logs/abcdefgh"


def _load(config: dict[str, Any]) -> RemoteStoreComputeLogManager:
    """What Dagster does with the block of dagster.yaml."""
    data = ConfigurableClassData(
        "remote_store_fsspec.dagster", "RemoteStoreComputeLogManager", json.dumps(config)
    )
    return data.rehydrate(as_type=RemoteStoreComputeLogManager)


def _capture(manager: RemoteStoreComputeLogManager, key: list[str], out: str, err: str) -> None:
    with manager.capture_logs(key):
        print(out, end="")
        print(err, end="", file=sys.stderr)


@pytest.mark.spec("DAG-021")
class TestConfiguration:
    def test_the_class_is_what_dagster_asks_for(self) -> None:
        assert issubclass(RemoteStoreComputeLogManager, TruncatingCloudStorageComputeLogManager)
        assert issubclass(RemoteStoreComputeLogManager, ConfigurableClass)

    def test_a_block_of_dagster_yaml_becomes_a_manager(self, tmp_path: Path) -> None:
        manager = _load(
            {
                "backend_type": "local",
                "backend_options": {"root": str(tmp_path / "store")},
                "root_path": "a/b",
                "local_dir": str(tmp_path / "staging"),
                "prefix": "p",
                "skip_empty_files": True,
                "upload_interval": 30,
            }
        )
        assert manager.upload_interval == 30
        _capture(manager, KEY, "hello", "")
        assert (tmp_path / "store/a/b/p/storage/run-1/compute_logs/abcdefgh.out").read_text() == (
            "hello"
        )

    def test_the_fields_have_the_requests_names_types_and_defaults(self) -> None:
        fields = RemoteStoreComputeLogManager.config_type()
        defaults = {
            name: field.default_value for name, field in fields.items() if field.default_provided
        }
        assert {
            name: defaults.get(name)
            for name in ("root_path", "prefix", "skip_empty_files", "upload_interval")
        } == {
            "root_path": "",
            "prefix": "dagster",
            "skip_empty_files": False,
            "upload_interval": None,
        }
        assert sorted(fields) == [
            "backend_options",
            "backend_type",
            "download_urls",
            "local_dir",
            "prefix",
            "root_path",
            "show_url_only",
            "skip_empty_files",
            "storage_options",
            "upload_interval",
            "url",
            "write_options",
        ]

    @pytest.mark.parametrize("field", ["bucket", "uplod_interval"])
    def test_an_unknown_field_is_refused_by_name(self, field: str) -> None:
        schema = resolve_to_config_type(RemoteStoreComputeLogManager.config_type())
        result = process_config(schema, {"backend_type": "memory", field: 1})
        assert not result.success
        assert field in str(result.errors)

    def test_env_works_in_a_plain_field(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LOGS_URL", f"file://{tmp_path}/store")
        manager = _load({"url": {"env": "LOGS_URL"}, "local_dir": str(tmp_path / "s")})
        assert manager.display_path_for_type(KEY, OUT).endswith(f"/store/{AT}.out")

    def test_the_record_of_the_configuration_shows_no_secret_and_travels_whole(
        self, tmp_path: Path
    ) -> None:
        config = {
            "backend_type": "s3",
            "backend_options": {"bucket": "logs", "key": "AKIA0", "secret": "hunter2-hunter2"},
            "local_dir": str(tmp_path),
        }
        manager = _load(config)
        record = manager.inst_data
        assert record is not None
        shown = json.dumps(record.info_dict()) + repr(record) + str(record) + repr(manager)
        assert "hunter2" not in shown
        assert "logs" in shown
        travelled = deserialize_value(serialize_value(record), ConfigurableClassData)
        assert type(travelled) is ConfigurableClassData
        assert travelled.config_dict == config


@pytest.mark.spec("DAG-022")
class TestConstruction:
    @pytest.mark.parametrize(
        ("config", "field"),
        [
            ({}, "backend_type"),
            ({"backend_type": "memory", "url": "memory://a"}, "url"),
            ({"backend_type": "memory", "download_urls": "both"}, "download_urls"),
            ({"backend_type": "memory", "prefix": "../x"}, "prefix"),
            ({"backend_type": "memory", "upload_interval": -1}, "upload_interval"),
        ],
    )
    def test_a_wrong_configuration_is_refused_by_field(
        self, config: dict[str, Any], field: str, tmp_path: Path
    ) -> None:
        with pytest.raises(ConfigError) as caught:
            RemoteStoreComputeLogManager(local_dir=str(tmp_path), **config)
        assert field in str(caught.value) or caught.value.field == field

    def test_a_store_that_cannot_be_written_is_refused_with_the_reason(
        self, tmp_path: Path
    ) -> None:
        with pytest.raises(ConfigError, match="http"):
            RemoteStoreComputeLogManager(url="http://127.0.0.1:9/logs", local_dir=str(tmp_path))

    def test_a_store_that_is_down_does_not_prevent_construction(self, tmp_path: Path) -> None:
        manager = RemoteStoreComputeLogManager(
            backend_type="s3",
            backend_options={
                "bucket": "logs",
                "key": "a",
                "secret": "bbbbb",
                "endpoint_url": "http://127.0.0.1:9",
            },
            local_dir=str(tmp_path),
        )
        assert manager.display_path_for_type(KEY, OUT) == f"s3://logs/{AT}.out"
        manager.dispose()


@pytest.mark.spec("DAG-023")
class TestStaging:
    def test_the_local_manager_and_the_interval(
        self, local_area: Area, make_manager: Callable[..., Any]
    ) -> None:
        manager = make_manager(local_area, upload_interval=7)
        assert isinstance(manager.local_manager, LocalComputeLogManager)
        assert manager.upload_interval == 7
        assert make_manager(local_area).upload_interval is None
        assert make_manager(local_area, upload_interval=0).upload_interval is None

    def test_staged_files_are_private_and_gone_afterwards(
        self, local_area: Area, make_manager: Callable[..., Any], tmp_path: Path
    ) -> None:
        manager = make_manager(local_area, local_dir=str(tmp_path / "staging"))
        with manager.capture_logs(KEY):
            path = Path(manager.local_manager.get_captured_local_path(KEY, "out"))
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            for folder in path.relative_to(tmp_path).parents[:-1]:
                assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700
        assert [p for p in (tmp_path / "staging").rglob("*") if p.is_file()] == []

    def test_a_folder_of_another_user_is_refused(self, tmp_path: Path) -> None:
        if os.geteuid() != 0:
            pytest.skip("only root can give a folder away")
        theirs = tmp_path / "theirs"
        theirs.mkdir()
        os.chown(theirs, 12345, 12345)
        with pytest.raises(ConfigError, match="another user") as caught:
            RemoteStoreComputeLogManager(backend_type="memory", local_dir=str(theirs))
        assert caught.value.field == "local_dir"

    @pytest.mark.parametrize("extension", ["txt", "", "../out", "out.partial", "lock", "json"])
    def test_nothing_but_logs_has_a_path(
        self, local_area: Area, make_manager: Callable[..., Any], extension: str
    ) -> None:
        manager = make_manager(local_area)
        assert manager.local_manager.get_captured_local_path(KEY, extension) == ""

    @pytest.mark.parametrize("key", [["..", "..", "x"], ["/etc", "passwd"], ["a", "", "b"]])
    def test_no_key_names_a_path_outside_the_staging_folder(
        self, local_area: Area, make_manager: Callable[..., Any], key: list[str], tmp_path: Path
    ) -> None:
        manager = make_manager(local_area, local_dir=str(tmp_path / "staging"))
        path = manager.local_manager.get_captured_local_path(key, "out")
        assert os.path.realpath(path).startswith(str(tmp_path / "staging"))


@pytest.mark.spec("DAG-024")
@pytest.mark.spec("DAG-025")
class TestUploading:
    def test_the_store_holds_what_was_printed_and_nothing_else(
        self, any_location: Area, make_manager: Callable[..., Any]
    ) -> None:
        manager = make_manager(any_location)
        _capture(manager, KEY, "héllo\n", "\x1b[31mred\x1b[0m\n")
        assert any_location.raw.keys() == [f"{AT}.err", f"{AT}.out"]
        assert any_location.raw.read(f"{AT}.out") == "héllo\n".encode()
        assert any_location.raw.read(f"{AT}.err") == b"\x1b[31mred\x1b[0m\n"

    def test_an_open_file_is_stored_whole_as_a_stream(
        self, local_area: Area, make_manager: Callable[..., Any], tmp_path: Path
    ) -> None:
        manager = make_manager(local_area)
        (tmp_path / "data").write_bytes(b"partial text")
        for partial, name in ((True, f"{AT}.err.partial"), (False, f"{AT}.err")):
            with (tmp_path / "data").open("rb") as data:
                manager._upload_file_obj(data, KEY, ERR, partial)
            assert local_area.raw.read(name) == b"partial text"

    def test_empty_streams_are_stored_unless_they_are_to_be_skipped(
        self, local_area: Area, make_manager: Callable[..., Any]
    ) -> None:
        _capture(make_manager(local_area), KEY, "text", "")
        assert local_area.raw.read(f"{AT}.err") == b""
        skipping = make_manager(local_area, prefix="skip", skip_empty_files=True)
        _capture(skipping, KEY, "text", "")
        assert not local_area.raw.exists("skip/storage/run-1/compute_logs/abcdefgh.err")
        assert make_manager(local_area, prefix="skip").is_capture_complete(KEY)

    def test_both_streams_empty_and_skipped_is_complete_too(
        self, local_area: Area, make_manager: Callable[..., Any]
    ) -> None:
        _capture(make_manager(local_area, skip_empty_files=True), KEY, "", "")
        assert make_manager(local_area).is_capture_complete(KEY)

    def test_the_same_key_again_replaces_the_text(
        self, any_location: Area, make_manager: Callable[..., Any]
    ) -> None:
        writer, reader = make_manager(any_location), make_manager(any_location)
        _capture(writer, KEY, "first", "one")
        assert reader.get_log_data(KEY).stdout == b"first"
        _capture(writer, KEY, "second attempt", "two")
        assert reader.get_log_data(KEY).stdout == b"second attempt"


@pytest.mark.spec("DAG-026")
@pytest.mark.spec("DAG-027")
class TestDownloading:
    def test_presence_is_told_apart_by_stream_and_state(
        self, any_location: Area, make_manager: Callable[..., Any]
    ) -> None:
        any_location.raw.write(f"{AT}.out", b"done")
        any_location.raw.write(f"{AT}.err.partial", b"so far")
        manager = make_manager(any_location)
        assert manager.cloud_storage_has_logs(KEY, OUT)
        assert not manager.cloud_storage_has_logs(KEY, ERR)
        assert not manager.cloud_storage_has_logs(KEY, OUT, partial=True)
        assert manager.cloud_storage_has_logs(KEY, ERR, partial=True)
        assert not manager.cloud_storage_has_logs(["run-1", "compute_logs", "abc"], OUT)

    def test_a_download_is_fresh_every_time_and_leaves_nothing(
        self, local_area: Area, make_manager: Callable[..., Any], tmp_path: Path
    ) -> None:
        manager = make_manager(local_area, local_dir=str(tmp_path / "staging"))
        for content in (b"one", b"two and more"):
            local_area.raw.write(f"{AT}.out", content)
            assert not manager.has_local_file(KEY, OUT)
            manager.download_from_cloud_storage(KEY, OUT)
            path = manager.local_manager.get_captured_local_path(KEY, "out")
            assert Path(path).read_bytes() == content
        manager.dispose()
        assert [p for p in (tmp_path / "staging").rglob("*") if p.is_file()] == []

    def test_a_failed_download_is_never_served(
        self, local_area: Area, make_manager: Callable[..., Any]
    ) -> None:
        manager = make_manager(local_area)
        with pytest.raises(FileNotFoundError):
            manager.download_from_cloud_storage(KEY, OUT)
        assert not Path(manager.local_manager.get_captured_local_path(KEY, "out")).exists()

    def test_a_running_log_can_be_downloaded_as_far_as_it_is_stored(
        self, local_area: Area, make_manager: Callable[..., Any]
    ) -> None:
        local_area.raw.write(f"{AT}.out.partial", b"first ")
        local_area.raw.write(f"{AT}.out.partial.6", b"second")
        manager = make_manager(local_area)
        assert not manager.cloud_storage_has_logs(KEY, OUT)
        path = manager.local_manager.get_captured_local_path(KEY, "out")
        assert Path(path).read_bytes() == b"first second"


@pytest.mark.spec("DAG-028")
class TestWhereLogsAre:
    def test_the_location_and_the_webservers_link(
        self, any_location: Area, make_manager: Callable[..., Any]
    ) -> None:
        manager = make_manager(any_location)
        _capture(manager, KEY, "text", "text")
        metadata = manager.get_log_metadata(KEY)
        assert metadata.stdout_location.endswith(f"/{AT}.out")
        assert "://" in metadata.stdout_location
        assert metadata.stdout_download_url == "/logs/run-1/compute_logs/abcdefgh/out"
        assert metadata.stderr_download_url == "/logs/run-1/compute_logs/abcdefgh/err"

    def test_there_is_no_link_before_there_is_anything_to_download(
        self, local_area: Area, make_manager: Callable[..., Any]
    ) -> None:
        manager = make_manager(local_area)
        assert manager.download_url_for_type(KEY, OUT) is None
        local_area.raw.write(f"{AT}.out.partial", b"x")
        assert manager.download_url_for_type(KEY, OUT)

    def test_no_links_where_none_are_wanted(
        self, local_area: Area, make_manager: Callable[..., Any]
    ) -> None:
        manager = make_manager(local_area, download_urls="none")
        _capture(manager, KEY, "text", "text")
        assert manager.download_url_for_type(KEY, OUT) is None

    def test_signed_links_fall_back_where_the_store_cannot_sign(
        self, local_area: Area, make_manager: Callable[..., Any]
    ) -> None:
        manager = make_manager(local_area, download_urls="signed")
        _capture(manager, KEY, "text", "text")
        assert manager.download_url_for_type(KEY, OUT) == "/logs/run-1/compute_logs/abcdefgh/out"

    @pytest.mark.server
    def test_a_signed_link_gives_the_log_to_whoever_has_it(
        self, s3_area: Area, make_manager: Callable[..., Any]
    ) -> None:
        import urllib.request

        manager = make_manager(s3_area, download_urls="signed")
        _capture(manager, KEY, "text", "")
        url = manager.download_url_for_type(KEY, OUT)
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == b"text"

    def test_a_key_with_odd_characters_is_quoted_in_the_link(
        self, local_area: Area, make_manager: Callable[..., Any]
    ) -> None:
        manager = make_manager(local_area)
        _capture(manager, ["a b", "c#d?e%"], "text", "")
        assert (
            manager.download_url_for_type(["a b", "c#d?e%"], OUT) == "/logs/a%20b/c%23d%3Fe%25/out"
        )

    def test_the_ui_links_instead_of_showing_when_asked_to(
        self, local_area: Area, make_manager: Callable[..., Any]
    ) -> None:
        with make_manager(local_area, show_url_only=True).capture_logs(KEY) as context:
            pass
        assert context.external_stdout_url == "/logs/run-1/compute_logs/abcdefgh/out"
        assert context.external_stderr_url == "/logs/run-1/compute_logs/abcdefgh/err"


@pytest.mark.spec("DAG-029")
class TestDeleting:
    def test_a_log_goes_with_all_its_objects_and_no_other(
        self, any_location: Area, make_manager: Callable[..., Any]
    ) -> None:
        names = [
            f"{AT}.out",
            f"{AT}.err",
            f"{AT}.out.partial",
            f"{AT}.out.partial.9",
            f"{AT}.complete",
        ]
        others = [f"{AT}i.out", f"{AT}.v2.out", "dagster/storage/run-10/compute_logs/abcdefgh.out"]
        for name in [*names, *others]:
            any_location.raw.write(name, b"x")
        make_manager(any_location).delete_logs(log_key=KEY)
        assert any_location.raw.keys() == sorted(others)

    def test_a_prefix_goes_with_everything_below_it_and_no_sibling(
        self, any_location: Area, make_manager: Callable[..., Any]
    ) -> None:
        for name in ("a/one.out", "a/deep/er.err", "a/x.out.partial", "apple/two.out", "a.out"):
            any_location.raw.write(f"dagster/storage/{name}", b"x")
        make_manager(any_location).delete_logs(prefix=["a"])
        assert any_location.raw.keys() == ["dagster/storage/a.out", "dagster/storage/apple/two.out"]

    def test_what_is_missing_is_no_error(
        self, any_location: Area, make_manager: Callable[..., Any]
    ) -> None:
        manager = make_manager(any_location)
        manager.delete_logs(log_key=KEY)
        manager.delete_logs(prefix=["nothing"])

    @pytest.mark.parametrize(
        "arguments",
        [{}, {"log_key": []}, {"prefix": []}, {"log_key": KEY, "prefix": ["a"]}],
        ids=["nothing", "empty key", "empty prefix", "both"],
    )
    def test_without_one_clear_argument_nothing_is_deleted(
        self, local_area: Area, make_manager: Callable[..., Any], arguments: dict[str, Any]
    ) -> None:
        local_area.raw.write(f"{AT}.out", b"x")
        with pytest.raises(Exception, match=r"log_key.*prefix"):
            make_manager(local_area).delete_logs(**arguments)
        assert local_area.raw.keys() == [f"{AT}.out"]

    def test_no_prefix_reaches_outside(
        self, local_area: Area, make_manager: Callable[..., Any], tmp_path: Path
    ) -> None:
        (tmp_path / "x").mkdir()
        (tmp_path / "x" / "precious").write_text("x")
        local_area.raw.write("other/precious.out", b"x")
        manager = make_manager(local_area)
        for prefix in (["..", "x"], [str(tmp_path / "x")], ["..", "..", "other"]):
            manager.delete_logs(prefix=prefix)
        assert (tmp_path / "x" / "precious").exists()
        assert local_area.raw.exists("other/precious.out")

    @pytest.mark.server
    def test_more_than_a_page_of_logs_goes(
        self, s3_area: Area, make_manager: Callable[..., Any]
    ) -> None:
        for number in range(1005):
            s3_area.raw.write(f"dagster/storage/a/{number}.err", b"x")
        manager = make_manager(s3_area)
        assert len(manager.get_log_keys_for_log_key_prefix(["a"], ERR)) == 1005
        manager.delete_logs(prefix=["a"])
        assert s3_area.raw.keys() == []


@pytest.mark.spec("DAG-031")
class TestListing:
    def test_the_direct_children_of_a_prefix_sorted(
        self, any_location: Area, make_manager: Callable[..., Any]
    ) -> None:
        for name in (
            "a/two.err", "a/one.err", "a/step.v1.err", "a/one.out", "a/three.err.partial",
            "a/deep/er.err", "apple/x.err", "a/readme",
        ):  # fmt: skip
            any_location.raw.write(f"dagster/storage/{name}", b"x")
        manager = make_manager(any_location)
        assert manager.get_log_keys_for_log_key_prefix(["a"], ERR) == [
            ["a", "one"],
            ["a", "step.v1"],
            ["a", "two"],
        ]
        assert manager.get_log_keys_for_log_key_prefix(["a"], OUT) == [["a", "one"]]
        assert manager.get_log_keys_for_log_key_prefix(["nothing"], OUT) == []

    def test_odd_and_long_names_are_listed_as_they_were_given(
        self, any_location: Area, make_manager: Callable[..., Any]
    ) -> None:
        manager = make_manager(any_location)
        names = ["plain", "x" * 300, "é" * 130, "a/b", "..", "", "new\nline", "back\\slash"]
        for name in names:
            with manager.open_log_stream(["p", name], ERR) as stream:
                stream.write(name)
        listed = manager.get_log_keys_for_log_key_prefix(["p"], ERR)
        assert listed == sorted(["p", name] for name in names)
        for key in listed:
            assert manager.get_log_data(key).stderr == (key[1].encode() or None) or key[1] == ""

    def test_the_lines_below_a_prefix_read_as_one_file(
        self, local_area: Area, make_manager: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DAGSTER_CAPTURED_LOG_CHUNK_SIZE", "3")
        manager = make_manager(local_area)
        for number in (1, 2, 3):
            with manager.open_log_stream(["backfill", f"{number}"], ERR) as stream:
                stream.write(f"line {number}a\nline {number}b")
        lines: list[str] = []
        cursor = None
        while True:
            more, position = manager.read_log_lines_for_log_key_prefix(["backfill"], cursor, ERR)
            lines += more
            cursor = str(position)
            if not position.has_more_now:
                break
        assert lines == [f"line {n}{x}" for n in (1, 2, 3) for x in "ab"]


@pytest.mark.spec("DAG-030")
@pytest.mark.spec("DAG-032")
class TestSubscriptionsAndDisposal:
    def test_a_viewer_of_a_finished_log_gets_it_and_the_end(
        self, local_area: Area, make_manager: Callable[..., Any]
    ) -> None:
        manager = make_manager(local_area)
        _capture(manager, KEY, "x" * 3_000_000, "err")
        subscription = manager.subscribe(KEY)
        got: list[Any] = []
        subscription(got.append)
        assert subscription.is_complete
        assert b"".join(data.stdout or b"" for data in got) == b"x" * 3_000_000
        assert b"".join(data.stderr or b"" for data in got) == b"err"

    def test_dispose_ends_every_thread_and_may_be_called_twice(
        self, local_area: Area, make_manager: Callable[..., Any]
    ) -> None:
        before = set(threading.enumerate())
        manager = make_manager(local_area, upload_interval=1)
        _capture(manager, KEY, "text", "")
        manager.subscribe(["other", "compute_logs", "key"])(lambda _: None)
        manager.dispose()
        manager.dispose()
        left = [t.name for t in set(threading.enumerate()) - before if "fsspecIO" not in t.name]
        assert [name for name in left if name.startswith("remote-store-fsspec-")] == []

    def test_the_connections_outlive_one_manager(
        self, local_area: Area, make_manager: Callable[..., Any]
    ) -> None:
        first = make_manager(local_area)
        first.dispose()
        second = make_manager(local_area)
        _capture(second, KEY, "text", "")
        assert second.get_log_data(KEY).stdout == b"text"


@pytest.mark.spec("DAG-033")
def test_an_instance_shows_no_secret_and_its_reference_still_works(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text(
        f"""
compute_logs:
  module: remote_store_fsspec.dagster
  class: RemoteStoreComputeLogManager
  config:
    backend_type: s3
    backend_options: {{bucket: logs, key: AKIA0, secret: hunter2-hunter2}}
    local_dir: {tmp_path / "staging"}
"""
    )
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert isinstance(instance.compute_log_manager, RemoteStoreComputeLogManager)
        assert "hunter2" not in instance.info_str()
        assert "bucket: logs" in instance.info_str()
        with dg.DagsterInstance.from_ref(instance.get_ref()) as other:
            manager = other.compute_log_manager
            assert isinstance(manager, RemoteStoreComputeLogManager)
            assert manager.inst_data is not None
            assert manager.inst_data.config_dict["backend_options"]["secret"] == "hunter2-hunter2"
