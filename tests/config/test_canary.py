"""A secret planted in every option of every backend, and every place searched for it.

The places are :data:`tests.config.canary.PLACES`.
"""

from __future__ import annotations

import logging
import multiprocessing
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from google.oauth2.credentials import Credentials

from devservers.proxy import Reset, Status
from remote_store_fsspec.errors import RemoteStoreError
from remote_store_fsspec.filesystem import RemoteStoreFileSystem
from remote_store_fsspec.location import resolve_location
from remote_store_fsspec.options import BACKEND_TYPES
from remote_store_fsspec.secrets import _LIBRARIES, RedactingFilter
from tests.config.canary import CANARY, HIDDEN, OBJECTS, PLACES, PLANTED, backend, clean, trace_of

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", list(PLANTED))
def test_a_planted_secret_is_shown_nowhere(name: str, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("remote_store_fsspec").setLevel(logging.DEBUG)
    caplog.set_level(logging.INFO)
    config = PLANTED[name]
    location = resolve_location(**config)
    clean("repr", repr(location), repr(location.keywords()))
    clean("str", str(location), f"{location}")
    clean("description", location.describe(), location.display_url, location.variables)
    target = location.target()
    clean("description", repr(target), target.display_url)
    assert any(secret in repr(_revealed(target)) for secret in HIDDEN), "it arrives where it must"
    clean("log records", caplog.text)


def _revealed(target: Any) -> list[Any]:
    keys = [
        key.export_private_key("pkcs8-pem").decode()
        for key in target.options.get("client_keys", [])
        if hasattr(key, "export_private_key")
    ]
    return [dict(target.options), target.url, keys]


def search(fs: RemoteStoreFileSystem) -> None:
    clean("repr", repr(fs))
    clean("str", str(fs), f"{fs}")
    clean("fsspec", fs.storage_options, fs.storage_args, fs.fsid, list(type(fs)._cache))
    clean("fsspec", fs.unstrip_protocol("a/b"), fs.display_url("a/b"))


def search_failure(fs: RemoteStoreFileSystem) -> None:
    with pytest.raises(RemoteStoreError) as caught:
        fs.cat_file("a/b")
    clean("error", caught.value, repr(caught.value))
    clean("traceback", *trace_of(caught.value))


@pytest.mark.slow
@pytest.mark.parametrize("name", list(PLANTED))
def test_a_planted_secret_is_not_shown_by_the_filesystem_nor_by_its_failure(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    fs = RemoteStoreFileSystem(**PLANTED[name], timeout=3.0)
    try:
        search(fs)
        clean("fsspec", fs.to_json())
        # A request of the others would leave this machine.
        if "gcs" not in name and "storage_options of" not in name:
            search_failure(fs)
            assert unguarded() == []
        clean("log records", caplog.text)
    finally:
        fs.close()


def unguarded() -> list[str]:
    """Loggers of storage libraries that would publish a known secret."""
    loggers = logging.root.manager.loggerDict
    return [
        name
        for name, logger in loggers.items()
        if name.partition(".")[0] in _LIBRARIES
        and isinstance(logger, logging.Logger)
        and not any(isinstance(item, RedactingFilter) for item in logger.filters)
    ]


@pytest.mark.parametrize("name", list(OBJECTS))
def test_a_credential_that_shows_its_secret_is_not_asked_to(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    location = resolve_location(**OBJECTS[name])
    clean("objects", repr(location), location.describe(), repr(location.target()))
    fs = RemoteStoreFileSystem(**OBJECTS[name], timeout=3.0)
    try:
        search(fs)
        clean("objects", repr(fs), fs.storage_options, fs.to_json())
        with pytest.raises(RemoteStoreError) as caught:
            fs.cat_file("a/b")
        clean("objects", caught.value, repr(caught.value), *trace_of(caught.value))
        clean("log records", caplog.text)
    finally:
        fs.close()


@pytest.mark.server
@pytest.mark.parametrize(
    "fault",
    [Status(401), Status(403), Status(404), Status(503, CANARY.encode()), Reset()],
    ids=["401", "403", "404", "503", "reset"],
)
def test_the_token_of_a_failing_request_to_google_is_shown_nowhere(
    gcs_area: Any, proxied: Any, fault: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    proxy = proxied(gcs_area)
    config = gcs_area.url_config(via=proxy)
    config["storage_options"]["token"] = Credentials(CANARY)  # type: ignore[no-untyped-call]
    fs = RemoteStoreFileSystem(**config, timeout=10.0)
    try:
        search(fs)
        fs.pipe_file("a/b", b"it is taken")
        clean("store", *map(gcs_area.raw.read, gcs_area.raw.keys()))
        with proxy.fault(fault) as rule:
            search_failure(fs)
            assert rule.hits
        clean("log records", caplog.text)
    finally:
        fs.close()


def test_a_token_that_google_cannot_be_asked_about_is_shown_nowhere(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # gcsfs sends a plain token in a URL, and requests quotes the URL when that fails.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    caplog.set_level(logging.INFO)
    fs = RemoteStoreFileSystem(url="gs://logs", storage_options={"token": CANARY}, timeout=10.0)
    try:
        search(fs)
        search_failure(fs)
        clean("log records", caplog.text)
    finally:
        fs.close()


@pytest.mark.parametrize("name", [name for name in PLANTED if name != "url chain"])
def test_a_reference_to_the_environment_keeps_pickles_and_json_clean(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, variables = _with_references(PLANTED[name])
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    location = resolve_location(**config)
    location.target()
    clean("pickle", pickle.dumps(location))
    assert not location.holds_secrets
    fs = RemoteStoreFileSystem(**config, timeout=3.0)
    try:
        clean("pickle", pickle.dumps(fs))
        clean("fsspec", fs.to_json())
        again = pickle.loads(pickle.dumps(fs))
        assert again.location == location
        assert again.location.target().display_url == location.display_url
    finally:
        fs.close()


def _with_references(config: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The configuration with every text that holds a secret replaced by ``{env: ...}``."""
    variables: dict[str, str] = {}

    def replaced(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: replaced(item) for key, item in value.items()}
        if isinstance(value, list):
            return [replaced(item) for item in value]
        if isinstance(value, str) and any(secret in value for secret in (*HIDDEN, "ENCRYPTED")):
            name = f"CANARY_{len(variables)}"
            variables[name] = value
            return {"env": name}
        return value

    return replaced(config), variables


def test_two_passwords_never_share_an_instance() -> None:
    def opened(password: str) -> RemoteStoreFileSystem:
        config = backend("sftp", password=password)
        return pickle.loads(pickle.dumps(RemoteStoreFileSystem(**config)))

    first, second = opened("first-password"), opened("second-password")
    assert first is not second
    assert first.location != second.location
    assert first.location.target().options["password"] == "first-password"
    assert second.location.target().options["password"] == "second-password"


def _report(fs: RemoteStoreFileSystem, queue: Any) -> None:
    queue.put((fs.location.target().options["password"], Path("/proc/self/cmdline").read_bytes()))


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("how", ["environment", "named store"])
def test_a_child_process_gets_the_secret_and_its_command_line_does_not(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY_PASSWORD", CANARY)
    if how == "environment":
        config = backend("sftp", password={"env": "CANARY_PASSWORD"})
    else:
        file = tmp_path / "stores.toml"
        file.write_text(
            '[backends.b]\ntype = "sftp"\noptions.host = "h"\noptions.host_key_policy = "auto"\n'
            'options.password = "${CANARY_PASSWORD}"\n[stores.logs]\nbackend = "b"\n'
        )
        config = {"url": "remote-store://logs", "storage_options": {"config": str(file)}}
    fs = RemoteStoreFileSystem(**config)
    clean("pickle", pickle.dumps(fs))
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=_report, args=(fs, queue))
    child.start()
    password, command_line = queue.get(timeout=60)
    child.join(60)
    assert password == CANARY
    clean("multiprocessing", command_line)


def test_every_option_that_can_hold_a_secret_is_planted() -> None:
    from remote_store_fsspec.secrets import is_sensitive

    for backend_type, cls in BACKEND_TYPES.items():
        for option in cls.fields():
            if is_sensitive(option) and option != "secret":
                assert f"{backend_type.removesuffix('-pyarrow')}.{option}" in {**PLANTED, **OBJECTS}


def test_every_place_is_searched() -> None:
    texts = [path.read_text("utf-8") for path in Path(__file__).parent.glob("test_canary*.py")]
    searched = set(re.findall(r'clean\(\s*"([^"]+)"', "".join(texts)))
    assert searched == set(PLACES)


def test_the_page_lists_the_places_and_the_options() -> None:
    page = (ROOT / "docs/reference/secrets.md").read_text("utf-8")
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))

    def listed(section: str) -> list[str]:
        items = re.findall(r"^\* (.+(?:\n  .+)*)", sections[section], re.MULTILINE)
        return [" ".join(item.split()) for item in items]

    assert listed("Where it is looked for") == list(PLACES.values())
    assert listed("Where it is planted") == [*PLANTED, *OBJECTS]
