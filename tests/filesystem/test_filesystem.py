"""What is ours alone in the filesystem; the contract itself is in ``conformance``."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import socket
import threading
import traceback
from typing import TYPE_CHECKING

import fsspec
import pytest

import remote_store_fsspec
from remote_store_fsspec import (
    ConfigError,
    InvalidPathError,
    ObjectExistsError,
    ObjectNotFoundError,
    RemoteStoreFileSystem,
    StoreTimeoutError,
    UnsupportedOperationError,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def fs(root: Path) -> RemoteStoreFileSystem:
    return remote_store_fsspec.filesystem("local", root=str(root))


def test_equal_configuration_gives_the_same_object(fs: RemoteStoreFileSystem, root: Path) -> None:
    assert remote_store_fsspec.filesystem("local", root=str(root)) is fs


def test_different_secrets_give_different_objects() -> None:
    one = remote_store_fsspec.filesystem("s3", bucket="b-1", key="k", secret="one-secret")
    two = remote_store_fsspec.filesystem("s3", bucket="b-1", key="k", secret="two-secret")
    assert one is not two
    again = pickle.loads(pickle.dumps([one, two]))
    assert [fs._backend.target.options["secret"] for fs in again] == ["one-secret", "two-secret"]


def test_the_protocol_is_registered() -> None:
    assert fsspec.get_filesystem_class("remote-store") is RemoteStoreFileSystem


def test_a_url_opens_through_fsspec(root: Path) -> None:
    where = {"backend_type": "local", "backend_options": {"root": str(root)}}
    with fsspec.open("remote-store:///a/b.txt", "w", encoding="utf-8", **where) as file:
        file.write("grüße")
    assert (root / "a/b.txt").read_text(encoding="utf-8") == "grüße"


def test_json_and_pickle_open_the_same_place(fs: RemoteStoreFileSystem) -> None:
    fs.pipe_file("a", b"1")
    assert fsspec.AbstractFileSystem.from_json(fs.to_json()).cat_file("a") == b"1"
    assert pickle.loads(pickle.dumps(fs)).cat_file("a") == b"1"


def test_json_shows_no_secret() -> None:
    fs = remote_store_fsspec.filesystem("s3", bucket="b-1", key="k", secret="hunter22")
    assert "hunter22" not in fs.to_json()
    assert "hunter22" not in repr(vars(fs))
    assert json.loads(fs.to_json())["backend_options"]["bucket"] == "b-1"


def test_an_unknown_keyword_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="bucket_name"):
        RemoteStoreFileSystem(backend_type="memory", bucket_name="x")


def test_options_without_a_backend_type_are_refused() -> None:
    with pytest.raises(ConfigError, match="bucket"):
        remote_store_fsspec.filesystem(url="s3://b-1", bucket="b-2")


def test_a_listing_cache_is_refused() -> None:
    with pytest.raises(ConfigError, match="use_listings_cache"):
        RemoteStoreFileSystem(backend_type="memory", use_listings_cache=True)


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_timeout_that_is_not_positive_is_refused(timeout: int) -> None:
    with pytest.raises(ConfigError, match="timeout"):
        RemoteStoreFileSystem(backend_type="memory", timeout=timeout)


def test_a_call_that_hangs_ends_at_its_deadline(root: Path) -> None:
    fs = remote_store_fsspec.filesystem("local", root=str(root), timeout=0.3)
    root.mkdir(exist_ok=True)
    os.mkfifo(root / "pipe")  # opening it blocks until somebody writes
    with pytest.raises(StoreTimeoutError, match="in time"):
        fs.cat_file("pipe", 0, 1)


def test_progress_of_a_download_is_reported(fs: RemoteStoreFileSystem, tmp_path: Path) -> None:
    fs.pipe_file("a", b"x" * 3_000_000)
    progress = fsspec.Callback()
    fs.get_file("a", str(tmp_path / "copy"), callback=progress)
    assert (progress.size, progress.value) == (3_000_000, 3_000_000)


def test_a_download_takes_a_file_object(fs: RemoteStoreFileSystem, tmp_path: Path) -> None:
    fs.pipe_file("a", b"content")
    with (tmp_path / "copy").open("wb") as out:
        fs.get_file("a", out)
    assert (tmp_path / "copy").read_bytes() == b"content"


def test_a_failed_download_leaves_what_was_there(fs: RemoteStoreFileSystem, tmp_path: Path) -> None:
    (tmp_path / "copy").write_bytes(b"old")
    with pytest.raises(FileNotFoundError):
        fs.get_file("missing", str(tmp_path / "copy"))
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["copy"]
    assert (tmp_path / "copy").read_bytes() == b"old"


def test_a_large_file_written_piece_by_piece_spills_to_disk(fs: RemoteStoreFileSystem) -> None:
    piece = os.urandom(2**20)
    with fs.open("big", "wb") as file:
        for _ in range(12):
            file.write(piece)
        assert file._spill is not None
        assert file.tell() == 12 * 2**20
        assert not fs.exists("big")
    assert fs.cat_file("big") == piece * 12


@pytest.mark.parametrize("mode", ["w", "wb"])
def test_an_exception_while_writing_stores_nothing(fs: RemoteStoreFileSystem, mode: str) -> None:
    fs.pipe_file("a", b"old")

    def write() -> None:
        with fs.open("a", mode) as file:
            file.write("new" if mode == "w" else b"new")
            raise KeyError

    with pytest.raises(KeyError):
        write()
    assert fs.cat_file("a") == b"old"


def test_a_file_never_closed_stores_nothing(fs: RemoteStoreFileSystem) -> None:
    file = fs.open("a", "wb")
    file.write(b"half")
    del file
    assert not fs.exists("a")


def test_a_transaction_stores_all_at_its_end_or_nothing(fs: RemoteStoreFileSystem) -> None:
    with fs.transaction:
        for name in ("a", "b"):
            with fs.open(name, "wb") as file:
                file.write(name.encode())
        assert fs.find("") == []
    assert fs.cat(["a", "b"]) == {"a": b"a", "b": b"b"}


def test_a_transaction_that_fails_stores_nothing(fs: RemoteStoreFileSystem) -> None:
    def write() -> None:
        with fs.transaction:
            with fs.open("c", "wb") as file:
                file.write(b"c")
            raise KeyError

    with pytest.raises(KeyError):
        write()
    assert not fs.exists("c")


def test_only_one_of_many_creators_wins(fs: RemoteStoreFileSystem) -> None:
    outcomes = []

    def create(number: int) -> None:
        try:
            fs.pipe_file("one", str(number).encode(), mode="create")
            outcomes.append(number)
        except ObjectExistsError:
            pass

    threads = [threading.Thread(target=create, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 1
    assert fs.cat_file("one") == str(outcomes[0]).encode()


@pytest.mark.parametrize("mode", ["ab", "a", "r+b", "w+"])
def test_a_mode_that_changes_part_of_a_file_is_refused(
    fs: RemoteStoreFileSystem, mode: str
) -> None:
    fs.pipe_file("a", b"1")
    with pytest.raises(UnsupportedOperationError, match=r"mode"):
        fs.open("a", mode)
    assert fs.cat_file("a") == b"1"


def test_the_other_files_go_although_one_is_missing(fs: RemoteStoreFileSystem) -> None:
    fs.pipe({"a": b"1", "b": b"2"})
    with pytest.raises(ObjectNotFoundError, match="missing"):
        fs.rm(["a", "missing", "b"])
    assert fs.find("") == []


def test_copying_a_name_with_a_star_copies_that_file(fs: RemoteStoreFileSystem) -> None:
    fs.pipe({"a*": b"star", "ab": b"other"})
    fs.cp("a*", "copy")
    assert fs.cat_file("copy") == b"star"


def test_a_pattern_still_copies_what_it_matches(fs: RemoteStoreFileSystem) -> None:
    fs.pipe({"d/a1": b"1", "d/a2": b"2", "d/b": b"3"})
    fs.cp("d/a*", "to/")
    assert fs.find("to") == ["to/a1", "to/a2"]


def test_a_name_at_the_root_is_copied_into_a_folder(
    fs: RemoteStoreFileSystem, tmp_path: Path
) -> None:
    fs.pipe({"m/1": b"1", "m/s/2": b"2", "to/x": b""})
    fs.cp("m", "to", recursive=True)
    fs.get("m", str(tmp_path), recursive=True)
    assert fs.find("to") == ["to/m/1", "to/m/s/2", "to/x"]
    assert (tmp_path / "m/s/2").read_bytes() == b"2"


def test_it_is_awaited_on_a_loop_of_the_caller(root: Path) -> None:
    async def work() -> bytes:
        fs = RemoteStoreFileSystem(
            backend_type="local", backend_options={"root": str(root)}, asynchronous=True
        )
        await fs._pipe_file("a", b"1")
        return await fs._cat_file("a")

    assert asyncio.run(work()) == b"1"


def test_a_link_out_of_the_root_is_refused_and_not_listed(
    fs: RemoteStoreFileSystem, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_bytes(b"secret")
    fs.pipe_file("inside", b"1")
    (root / "out").symlink_to(tmp_path / "outside")
    for call in (fs.cat_file, fs.info, fs.rm_file):
        with pytest.raises(InvalidPathError, match="symbolic link"):
            call("out/secret")
    with pytest.raises(InvalidPathError, match="symbolic link"):
        fs.pipe_file("out/new", b"")
    assert fs.find("") == ["inside"]
    assert fs.ls("", detail=False) == ["inside"]


def test_signing_names_the_storage_that_cannot(fs: RemoteStoreFileSystem) -> None:
    with pytest.raises(NotImplementedError, match="local"):
        fs.sign("a")


def test_unstripped_names_lead_back(fs: RemoteStoreFileSystem) -> None:
    assert fs._strip_protocol(fs.unstrip_protocol("a/b")) == "a/b"


def test_no_frame_of_an_error_holds_a_secret() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: a connection is refused
        fs = remote_store_fsspec.filesystem(
            "sftp",
            host="127.0.0.1",
            port=nobody.getsockname()[1],
            username="nobody",
            password="hunter22-hunter22",
            host_key_policy="auto",
        )
        with pytest.raises(ConnectionError) as caught:
            fs.cat_file("a")
    link: BaseException | None = caught.value
    while link is not None:
        for frame, _ in traceback.walk_tb(link.__traceback__):
            if not frame.f_code.co_filename.endswith("test_filesystem.py"):
                shown = " ".join(_repr(value) for value in frame.f_locals.values())
                assert "hunter22" not in shown, frame.f_code
        link = link.__cause__ or link.__context__


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception:
        return ""
