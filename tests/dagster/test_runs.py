"""Real runs: what every kind of end leaves in the store."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from remote_store_fsspec.dagster import RemoteStoreComputeLogManager
from tests.dagster import jobs
from tests.dagster.home import Home, Process, engine_messages, log_keys, texts, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import dagster as dg

    from devservers import Area


@pytest.fixture
def home(tmp_path: Path, local_area: Area) -> Home:
    config = {**local_area.config(), "local_dir": str(tmp_path / "staging")}
    return Home(tmp_path / "home", config)


@pytest.fixture
def reader(local_area: Area, make_manager: Callable[..., Any]) -> Any:
    """A manager as another machine has it: the same store, another staging folder."""
    return make_manager(local_area)


def test_a_run_in_this_process_is_read_elsewhere(
    home: Home, reader: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    with capfd.disabled(), home.instance() as instance:  # the process's own stdout, not pytest's
        result = jobs.one_process.execute_in_process(instance=instance, raise_on_error=False)
        assert not result.success
        (key,) = {tuple(key) for key in log_keys(instance).values()}
    out, err = texts(reader, list(key))
    assert out == (
        "chatty: héllo \x1b[32mgreen\x1b[0m\na child process prints\nfailing: last words\n"
    )
    assert "chatty: to stderr\n" in err
    assert reader.is_capture_complete(list(key))


def test_a_step_that_raises_through_everything_is_stored(home: Home, reader: Any) -> None:
    with home.instance() as instance:
        with pytest.raises(RuntimeError, match="this step fails"):
            jobs.one_process.execute_in_process(instance=instance, raise_on_error=True)
        key = log_keys(instance)["failing"]
    assert "failing: last words\n" in texts(reader, key)[0]
    assert reader.is_capture_complete(key)


@pytest.mark.slow
def test_a_multiprocess_run_has_a_log_per_step(home: Home, reader: Any) -> None:
    process = home.execute("all_kinds")
    process.wait(100)
    output = process.output
    with home.instance() as instance:
        keys = log_keys(instance)
        assert set(keys) == {"chatty", "failing"}, output
    assert texts(reader, keys["chatty"])[0] == (
        "chatty: héllo \x1b[32mgreen\x1b[0m\na child process prints\n"
    )
    out, err = texts(reader, keys["failing"])
    assert out == "failing: last words\n"
    assert "this step fails" in err
    assert "failing: last words" in output, "the run's own output is mirrored as before"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("job", "sent"),
    [
        ("endless_in_one_process", signal.SIGTERM),
        ("endless_in_one_process", signal.SIGINT),
        ("endless_in_its_own_process", signal.SIGTERM),
    ],
)
def test_a_terminated_run_is_stored(
    home: Home, reader: Any, tmp_path: Path, job: str, sent: signal.Signals
) -> None:
    mark = tmp_path / "begun"
    with home.instance() as instance:
        worker = _run_worker(home, instance, job, mark)
        try:
            wait_for(lambda: mark.exists() or not worker.running)
            worker.send(sent)
            worker.wait()
        finally:
            worker.kill()
        key = log_keys(instance)["endless"]
    assert reader.is_capture_complete(key), worker.output
    out, err = texts(reader, key)
    assert out == "endless: begun\n"
    assert "endless: to stderr\n" in err


@pytest.mark.slow
def test_a_killed_run_is_recovered_by_the_next_process_of_the_host(
    home: Home, reader: Any, tmp_path: Path, local_area: Area
) -> None:
    mark = tmp_path / "begun"
    process = home.execute(
        "endless_in_one_process", {"ops": {"endless": {"config": {"mark": str(mark)}}}}
    )
    try:
        wait_for(mark.exists)
    finally:
        process.kill()
    with home.instance() as instance:
        key = log_keys(instance)["endless"]
        assert not reader.is_capture_complete(key)
        assert local_area.raw.keys() == []
        # On this host the log is readable before anything is uploaded, and then uploaded.
        assert isinstance(instance.compute_log_manager, RemoteStoreComputeLogManager)
        assert texts(instance.compute_log_manager, key)[0] == "endless: begun\n"
        wait_for(lambda: reader.is_capture_complete(key))
    assert texts(reader, key)[0] == "endless: begun\n"
    staging = tmp_path / "staging"
    wait_for(lambda: not [path for path in staging.rglob("*") if path.is_file()])


@pytest.mark.server
@pytest.mark.slow
def test_a_store_that_is_away_at_the_end_costs_neither_the_run_nor_the_log(
    s3_area: Area,
    proxied: Any,
    tmp_path: Path,
    make_manager: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from devservers.proxy import Status
    from remote_store_fsspec.logs import capture

    monkeypatch.setattr(capture, "RETRY_SECONDS", 1.0)
    proxy = proxied(s3_area)
    config = {**s3_area.config(via=proxy), "local_dir": str(tmp_path / "staging")}
    home = Home(tmp_path / "home", config)
    reader = make_manager(s3_area)
    with home.instance() as instance:
        rule = proxy.fault(Status(503), method="PUT")
        result = jobs.one_process.execute_in_process(
            instance=instance, raise_on_error=False, op_selection=["chatty"]
        )
        assert result.success
        key = log_keys(instance)["chatty"]
        assert s3_area.raw.keys() == []
        said = [
            message for message in engine_messages(instance) if "could not be stored" in message
        ]
        assert len(said) == 1, engine_messages(instance)
        assert str(tmp_path / "staging") in said[0]
        assert "chatty" in texts(instance.compute_log_manager, key)[0]
        rule.remove()
    make_manager(s3_area, via=proxy, local_dir=str(tmp_path / "staging"))
    wait_for(lambda: reader.is_capture_complete(key))
    assert "chatty: to stderr\n" in texts(reader, key)[1]


def _run_worker(home: Home, instance: dg.DagsterInstance, job: str, mark: Path) -> Process:
    """`dagster api execute_run`, the process that the run launchers start."""
    from dagster._core.code_pointer import FileCodePointer
    from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
    from dagster._grpc.types import ExecuteRunArgs
    from dagster_shared.serdes import serialize_value

    pointer = FileCodePointer(jobs.__file__, job, str(home.folder))
    origin = JobPythonOrigin(
        job_name=job,
        repository_origin=RepositoryPythonOrigin(
            executable_path=sys.executable, code_pointer=pointer
        ),
    )
    run = instance.create_run_for_job(
        getattr(jobs, job),
        run_config={"ops": {"endless": {"config": {"mark": str(mark)}}}},
        job_code_origin=origin,
    )
    arguments = ExecuteRunArgs(
        job_origin=origin, run_id=run.run_id, instance_ref=instance.get_ref()
    )
    return home.start("dagster", "api", "execute_run", serialize_value(arguments))
