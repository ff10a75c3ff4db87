from __future__ import annotations

import pickle
from typing import Any

import pytest
from dagster import EnvVar

from remote_store_fsspec.errors import ConfigError
from remote_store_fsspec.location import resolve_location

CANARY = "canary-5a90cf21"
S3_NESTED = {
    "bucket": {"env": "T_BUCKET"},
    "key": {"env": "T_KEY"},
    "secret": EnvVar("T_SECRET"),
    "client_options": {
        "token": {"env": "T_TOKEN"},
        "s3_additional_kwargs": {"SSECustomerKey": {"env": "T_SSE"}, "Metadata": {"a": "b"}},
    },
    "retry": {"max_attempts": {"env": "T_ATTEMPTS"}},
}


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    values = {
        "T_BUCKET": "logs",
        "T_KEY": f"{CANARY}-key",
        "T_SECRET": f"{CANARY}-secret",
        "T_TOKEN": f"{CANARY}-token",
        "T_SSE": f"{CANARY}-sse",
        "T_ATTEMPTS": "7",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values


def test_a_variable_is_looked_up_at_any_depth_when_the_target_is_asked_for(
    variables: dict[str, str],
) -> None:
    location = resolve_location(backend_type="s3", backend_options=S3_NESTED, root_path="a")
    target = location.target()
    assert target.base == "logs/a"
    assert target.display_url == location.display_url == "s3://logs/a"
    assert target.options["key"] == variables["T_KEY"]
    assert target.options["secret"] == variables["T_SECRET"]
    assert target.options["token"] == variables["T_TOKEN"]
    assert target.options["s3_additional_kwargs"]["SSECustomerKey"] == variables["T_SSE"]
    assert target.retry is not None
    assert target.retry.max_attempts == 7


def test_a_location_keeps_the_reference_and_not_the_value(variables: dict[str, str]) -> None:
    location = resolve_location(backend_type="s3", backend_options=S3_NESTED)
    location.target()
    for shown in (repr(location), str(location), str(location.describe()), pickle.dumps(location)):
        assert CANARY not in str(shown)
    assert location.describe()["backend_options"]["secret"] == {"env": "T_SECRET"}
    assert not location.holds_secrets
    assert location.variables == sorted(variables)


@pytest.mark.usefixtures("variables")
def test_a_location_is_rebuilt_from_its_pickle_and_its_own_keywords() -> None:
    location = resolve_location(backend_type="s3", backend_options=S3_NESTED, root_path="x/y")
    again = pickle.loads(pickle.dumps(location))
    assert again == location
    assert hash(again) == hash(location)
    assert again.target() == location.target()
    rebuilt = resolve_location(**location.keywords())
    assert rebuilt == location
    assert rebuilt != resolve_location(backend_type="s3", backend_options=S3_NESTED)


@pytest.mark.usefixtures("variables")
def test_a_location_sees_a_variable_that_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    location = resolve_location(backend_type="s3", backend_options=S3_NESTED)
    location.target()
    monkeypatch.setenv("T_BUCKET", "other")
    assert location.target().base == "other"


@pytest.mark.usefixtures("variables")
@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("T_BUCKET", "backend_options.bucket"),
        ("T_SECRET", "backend_options.secret"),
        ("T_TOKEN", "backend_options.client_options.token"),
        ("T_SSE", "backend_options.client_options.s3_additional_kwargs.SSECustomerKey"),
        ("T_ATTEMPTS", "backend_options.retry.max_attempts"),
    ],
)
def test_an_unset_variable_names_the_field_and_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, field: str
) -> None:
    monkeypatch.delenv(name)
    location = resolve_location(backend_type="s3", backend_options=S3_NESTED)
    assert location.display_url.startswith("s3://")
    assert name in str(location.describe())
    with pytest.raises(ConfigError, match="is not set") as caught:
        location.check()
    assert caught.value.field == field
    assert field in str(caught.value)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        ("port", "2222", 2222),
        ("timeout", "2.5", 2.5),
        ("io_timeout", " 40 ", 40),
        ("host_key_policy", "auto", None),
    ],
)
def test_a_variable_is_read_as_the_type_of_its_option(
    monkeypatch: pytest.MonkeyPatch, option: str, text: str, value: Any
) -> None:
    monkeypatch.setenv("T_VALUE", text)
    options = {"host": "h", "host_key_policy": "auto", option: {"env": "T_VALUE"}}
    target = resolve_location(backend_type="sftp", backend_options=options).target()
    shown = {
        "port": target.options["port"],
        "timeout": target.options["connect_timeout"],
        "io_timeout": target.options["keepalive_interval"] * 4,
        "host_key_policy": target.options["known_hosts"],
    }
    assert shown[option] == value


@pytest.mark.parametrize(("text", "accepted"), [("true", True), ("0", True), (CANARY, False)])
def test_a_variable_of_a_wrong_type_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, text: str, accepted: bool
) -> None:
    monkeypatch.setenv("T_VALUE", text)
    location = resolve_location(
        backend_type="azure",
        backend_options={
            "container": "c",
            "account_name": "a",
            "account_key": "a2V5",
            "hns": {"env": "T_VALUE"},
        },
    )
    if accepted:
        location.check()
        return
    with pytest.raises(ConfigError, match=r"backend_options\.hns must be true/false") as caught:
        location.check()
    assert CANARY not in str(caught.value)


def test_a_url_may_be_a_variable_too(monkeypatch: pytest.MonkeyPatch) -> None:
    location = resolve_location(url={"env": "T_URL"}, root_path="r")  # type: ignore[arg-type]
    assert location.display_url == "(url not set)"
    with pytest.raises(ConfigError, match="url: the environment variable T_URL"):
        location.check()
    monkeypatch.setenv("T_URL", f"ftp://me:{CANARY}@host:2121/p")
    assert location.display_url == "ftp://host:2121/p/r"
    assert location.target().options["password"] == CANARY
    assert CANARY not in repr(location)
    assert not location.holds_secrets


def test_storage_options_take_variables_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T_SECRET", CANARY)
    location = resolve_location(
        url="s3://b", storage_options={"key": "k", "secret": {"env": "T_SECRET"}}
    )
    assert location.target().options["secret"] == CANARY
    assert CANARY not in repr(location)


def test_a_mapping_that_only_looks_like_a_reference_is_left_alone() -> None:
    location = resolve_location(
        url="sftp://h/x", storage_options={"sftp_client_kwargs": {"env": {"LANG": "C"}}}
    )
    assert location.target().options["sftp_client_kwargs"] == {"env": {"LANG": "C"}}


def test_a_secret_written_in_plain_is_known_to_be_in_the_pickle() -> None:
    location = resolve_location(
        backend_type="sftp", backend_options={"host": "h", "password": CANARY}
    )
    assert location.holds_secrets
    assert CANARY in str(pickle.dumps(location))
    assert CANARY not in repr(location)


def test_remote_stores_own_secret_is_taken_as_one() -> None:
    their_secret = pytest.importorskip("remote_store", reason="needs Python 3.11").Secret
    location = resolve_location(
        backend_type="sftp",
        backend_options={
            "host": "h",
            "host_key_policy": "auto",
            "password": their_secret(CANARY),
        },
    )
    assert location.target().options["password"] == CANARY
    assert CANARY not in repr(location)
