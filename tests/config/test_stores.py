from __future__ import annotations

import json
import pickle
import warnings
from typing import TYPE_CHECKING, Any

import fsspec
import pytest

from remote_store_fsspec.errors import ConfigError
from remote_store_fsspec.location import Location, resolve_location
from remote_store_fsspec.stores import find_config, read_store, store_names

if TYPE_CHECKING:
    from pathlib import Path

CANARY = "canary-9b21e6f0"
TOML = """
[backends.prod]
type = "s3"
options.bucket = "${T_BUCKET:-fallback}"
options.key = "AKIA"
options.secret = "${T_SECRET}"
options.client_options.token = "$${literal}"
retry.max_attempts = 5

[backends.disk]
type = "local"
options.root = "${T_ROOT}"

[stores.logs]
backend = "prod"
root_path = "events/raw"

[stores.files]
backend = "disk"

[stores.whole-bucket]
backend = "prod"
root_path = ""
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "stores.toml"
    path.write_text(TOML)
    return path


def named(url: str, file: Path, **more: Any) -> Location:
    return resolve_location(url=url, storage_options={"config": str(file)}, **more)


def test_a_store_is_opened_below_its_root_and_the_urls_path(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("T_SECRET", CANARY)
    location = named("remote-store://logs/sub/x", file, root_path="y")
    target = location.target()
    assert (target.protocol, target.base) == ("s3", "fallback/events/raw/sub/x/y")
    assert target.display_url == location.display_url == "s3://fallback/events/raw/sub/x/y"
    assert target.options["secret"] == CANARY
    assert target.options["token"] == "${literal}"
    assert target.retry is not None
    assert target.retry.max_attempts == 5
    monkeypatch.setenv("T_BUCKET", "set-now")
    assert location.target().base.startswith("set-now/")
    assert named("remote-store://whole-bucket", file).target().base == "set-now"


def test_only_the_stores_name_and_the_files_path_are_kept(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(TOML.replace("AKIA", f"plain-{CANARY}"))
    monkeypatch.setenv("T_SECRET", CANARY)
    location = named("remote-store://logs/sub", file)
    location.target()
    assert location.keywords() == {
        "url": "remote-store://logs/sub",
        "storage_options": {"config": str(file)},
        "root_path": "",
    }
    assert CANARY not in str(pickle.dumps(location))
    assert CANARY not in f"{location!r}{location.describe()}"
    assert not location.holds_secrets
    again = pickle.loads(pickle.dumps(location))
    assert again == location
    assert again.target() == location.target()
    assert resolve_location(**location.keywords()) == location


def test_a_store_reads_and_writes_what_it_names(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("T_ROOT", str(tmp_path / "root"))
    target = named("remote-store://files/a", file).target()
    inner = fsspec.filesystem(target.protocol, **target.options)
    inner.pipe_file(f"{target.base}/x.txt", b"named")
    assert (tmp_path / "root/a/x.txt").read_bytes() == b"named"


def test_fsspec_pandas_and_upath_open_a_store_by_its_name(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    upath = pytest.importorskip("upath", reason="universal_pathlib is not installed")
    monkeypatch.setenv("T_ROOT", str(tmp_path / "root"))
    with fsspec.open("remote-store://files/a/x.csv", "wb", config=str(file)) as out:
        out.write(b"n\n7\n")
    assert (tmp_path / "root/a/x.csv").read_bytes() == b"n\n7\n"
    options = {"config": str(file)}
    assert list(pandas.read_csv("remote-store://files/a/x.csv", storage_options=options)["n"]) == [
        7
    ]
    monkeypatch.setenv("REMOTE_STORE_CONFIG", str(file))
    with fsspec.open("remote-store://files/a/x.csv") as opened:
        assert opened.read() == b"n\n7\n"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about an unregistered flavour
        # UPath reads no protocol with a hyphen from a URL: it has to be told.
        path = upath.UPath("remote-store://files/a/x.csv", protocol="remote-store")
        assert path.read_bytes() == b"n\n7\n"


def test_an_unset_variable_names_the_file_the_option_and_the_variable(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("T_SECRET", raising=False)
    location = named("remote-store://logs", file)
    with pytest.raises(ConfigError, match="T_SECRET is not set") as caught:
        location.check()
    assert caught.value.field == f"{file}: backends.prod.options.secret"


def test_a_stores_file_is_found_in_this_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REMOTE_STORE_CONFIG", raising=False)
    with pytest.raises(ConfigError, match="there is no stores file") as caught:
        find_config()
    for place in ("config", "REMOTE_STORE_CONFIG", "remote-store.toml", "pyproject.toml"):
        assert place in str(caught.value)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    with pytest.raises(ConfigError, match="there is no stores file"):
        find_config()
    (tmp_path / "pyproject.toml").write_text(TOML.replace("[", "[tool.remote-store."))
    assert find_config() == str(tmp_path / "pyproject.toml")
    assert store_names(find_config()) == ["files", "logs", "whole-bucket"]
    (tmp_path / "remote-store.toml").write_text(TOML)
    assert find_config() == str(tmp_path / "remote-store.toml")
    (tmp_path / "from-env.toml").write_text(TOML)
    monkeypatch.setenv("REMOTE_STORE_CONFIG", "from-env.toml")
    assert find_config() == str(tmp_path / "from-env.toml")
    (tmp_path / "explicit.toml").write_text(TOML)
    assert find_config("explicit.toml") == str(tmp_path / "explicit.toml")
    monkeypatch.setenv("T_SECRET", "x" * 8)
    by_argument = resolve_location(url="remote-store://logs", config="explicit.toml")
    by_option = named("remote-store://logs", tmp_path / "explicit.toml")
    assert by_argument == by_option
    monkeypatch.chdir("/")
    assert by_argument.target() == by_option.target()


@pytest.mark.parametrize("source", ["config", "REMOTE_STORE_CONFIG"])
def test_a_file_that_is_named_and_missing_says_who_named_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    path = str(tmp_path / "nowhere.toml")
    monkeypatch.setenv("REMOTE_STORE_CONFIG", path)
    with pytest.raises(ConfigError, match=rf"{source}: there is no file {path}"):
        resolve_location(url="remote-store://x", config=path if source == "config" else None)


def test_a_yaml_file_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T_SECRET", CANARY)
    path = tmp_path / "remote-store.yaml"
    path.write_text(
        json.dumps(
            {
                "backends": {
                    "prod": {
                        "type": "s3",
                        "options": {"bucket": "b", "key": "AKIA", "secret": "${T_SECRET}"},
                    }
                },
                "stores": {"logs": {"backend": "prod", "root_path": None}},
            }
        )
    )
    assert named("remote-store://logs", path).target().options["secret"] == CANARY


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[stores.logs]", "[stroes.logs]", ("stroes", "'stores'")),
        ('type = "s3"', 'typ = "s3"', ("backends.prod.typ", "'type'")),
        ('type = "s3"', "", ("backends.prod.type is missing",)),
        ('type = "s3"', "type = 3", ("backends.prod.type must be a text",)),
        ('type = "s3"', 'type = "s33"', ("'s33'", "'s3'")),
        ("options.bucket", "options.buket", ("backends.prod.options.buket", "'bucket'")),
        ("retry.max_attempts", "retries.max_attempts", ("backends.prod.retries", "'retry'")),
        ('backend = "prod"', "", ("stores.logs.backend is missing",)),
        ('backend = "prod"', 'backend = "prdo"', ("'prdo'", "'prod'")),
        ("root_path =", "rootpath =", ("stores.logs.rootpath", "'root_path'")),
        ('root_path = "events/raw"', "root_path = 3", ("root_path must be a text",)),
        ('root_path = "events/raw"', 'root_path = "../x"', ("root_path must not hold '..'",)),
        ('root_path = "events/raw"', "options.x = 1", ("stores.logs.options", "[backends.*]")),
        ("[stores.logs]", "[stores.lgs]", ("no store 'logs'", "'lgs'")),
        ('type = "s3"', f'type = "s3" {CANARY}', ("is not valid", "line 3")),
    ],
)
def test_a_mistake_in_the_file_is_one_sentence(
    file: Path, old: str, new: str, words: tuple[str, ...]
) -> None:
    file.write_text(TOML.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        named("remote-store://logs", file)
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None
    for word in words:
        assert word in str(caught.value)


def test_a_mistake_in_yaml_shows_the_line_and_not_its_text(tmp_path: Path) -> None:
    path = tmp_path / "stores.yml"
    path.write_text(f"backends:\n  a: [{CANARY}\n")
    with pytest.raises(ConfigError, match=r"a mistake at line \d") as caught:
        named("remote-store://logs", path)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        ("remote-store://", {}, "names no store"),
        ("remote-store:///x", {}, "names no store"),
        ("remote-store://nope", {}, "has no store 'nope'"),
        ("remote-store://logs/../x", {}, "'..'"),
        ("remote-store://logs", {"secret": CANARY}, "takes only config"),
    ],
)
def test_a_wrong_store_url_is_one_sentence(
    file: Path, url: str, options: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        resolve_location(url=url, storage_options={"config": str(file), **options})
    assert CANARY not in str(caught.value)


def test_a_registry_file_means_to_us_what_it_means_to_remote_store(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = pytest.importorskip("remote_store", reason="remote-store needs Python 3.11")
    monkeypatch.setenv("T_SECRET", CANARY)
    monkeypatch.setenv("T_ROOT", str(tmp_path / "root"))
    theirs = registry.RegistryConfig.from_toml(file, resolve_env_vars=True)
    for name, profile in theirs.stores.items():
        ours = read_store(name, str(file))
        backend = theirs.backends[profile.backend]
        assert (ours.backend_type, ours.root_path) == (backend.type, profile.root_path)
        target = named(f"remote-store://{name}", file).target()
        if backend.type == "s3":
            assert target.options["secret"] == backend.options["secret"].reveal()
            assert target.options["token"] == backend.options["client_options"]["token"]
            assert target.base.startswith(backend.options["bucket"])
        else:
            assert target.base == backend.options["root"]
