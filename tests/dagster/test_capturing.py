"""Capturing: what is redirected, what comes back, what is kept."""

# ruff: noqa: T201 - what these print is what is captured

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dagster._core.storage.compute_log_manager import ComputeIOType

from tests.dagster.home import texts
from tests.reliability.support import staged_files

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from devservers import Area

KEY = ["run-1", "compute_logs", "abcdefgh"]
AT = "dagster/storage/run-1/compute_logs/abcdefgh"
REPOSITORY = Path(__file__).parent.parent.parent


IGNORING = ["sh", "-c", 'trap "" INT TERM HUP; exec "$@"', "sh"]
"""Starts a command as a script's `&` and Dagster together do: with these signals ignored."""


def _python(
    code: str, tmp_path: Path, before: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    setup = f"""
        import os, sys, threading, time
        from remote_store_fsspec.dagster import RemoteStoreComputeLogManager
        manager = RemoteStoreComputeLogManager(
            url="file://{tmp_path}/store", local_dir="{tmp_path}/staging")
    """
    return subprocess.run(
        [*before, sys.executable, "-c", textwrap.dedent(setup) + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=REPOSITORY,
        check=False,
    )


def test_overlapping_captures_of_two_threads_give_the_processs_stdout_back(
    tmp_path: Path,
) -> None:
    done = _python(
        """
        b_began, a_ended = threading.Event(), threading.Event()
        def a():
            with manager.capture_logs(["a"]):
                b_began.wait(20)
            a_ended.set()
        def b():
            with manager.capture_logs(["b"]):
                b_began.set()
                a_ended.wait(20)
                print("printed while only b captures", flush=True)
        first = threading.Thread(target=a); first.start()
        time.sleep(0.5)
        second = threading.Thread(target=b); second.start()
        first.join(); second.join()
        os.write(1, b"after both\\n")
        """,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("after both\n")
    stored = (tmp_path / "store/dagster/storage/b.out").read_text()
    assert stored == "printed while only b captures\n"


def test_the_inner_of_two_nested_captures_has_its_own_output_and_the_outer_both(
    tmp_path: Path,
) -> None:
    done = _python(
        """
        with manager.capture_logs(["outer"]):
            print("outer begins", flush=True)
            with manager.capture_logs(["inner"]):
                print("inner", flush=True)
                time.sleep(1)
            print("outer ends", flush=True)
        print("outside")
        """,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "store/dagster/storage/inner.out").read_text() == "inner\n"
    assert (tmp_path / "store/dagster/storage/outer.out").read_text() == (
        "outer begins\ninner\nouter ends\n"
    )
    assert done.stdout.endswith("outside\n")


def test_an_exception_is_stored_and_passes_unchanged(tmp_path: Path) -> None:
    done = _python(
        """
        try:
            with manager.capture_logs(["k"]):
                print("before")
                raise SystemExit(7)
        finally:
            print("complete:", manager.is_capture_complete(["k"]))
        """,
        tmp_path,
    )
    assert done.returncode == 7
    assert done.stdout.endswith("complete: True\n")
    assert (tmp_path / "store/dagster/storage/k.out").read_text() == "before\n"


def test_no_helper_process_or_descriptor_is_left(tmp_path: Path) -> None:
    done = _python(
        """
        def one(n):
            with manager.capture_logs([str(n)]):
                print("x")
        one(0)
        before = len(os.listdir("/proc/self/fd"))
        for n in range(1, 4):
            one(n)
        children = open(f"/proc/self/task/{os.getpid()}/children").read().split()
        print(len(os.listdir("/proc/self/fd")) - before, children)
        """,
        tmp_path,
    )
    assert done.stdout.endswith("0 []\n"), done.stdout + done.stderr


@pytest.mark.spec("DAG-025")
@pytest.mark.parametrize(("end", "code"), [("pass", 0), ("os.kill(os.getpid(), 9)", -9)])
def test_a_process_that_ignores_signals_captures_and_ends_as_any_other(
    tmp_path: Path, end: str, code: int
) -> None:
    # A helper that could not be ended would hold the output open past the time this waits.
    done = _python(
        f"""
        with manager.capture_logs(["a"]):
            print("text", flush=True)
            {end}
        """,
        tmp_path,
        IGNORING,
    )
    assert done.returncode == code, done.stderr
    assert done.stderr == ""


def test_a_warning_about_a_capture_does_not_become_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "dagster").write_text("a file where the logs' folder should be")
    done = _python(
        """
        from remote_store_fsspec.logs import capture
        capture.RETRY_SECONDS = 0.0
        with manager.capture_logs(["a"]):
            print("to stderr", file=sys.stderr)
            manager.on_progress(["a"])
            print("more", file=sys.stderr)
        """,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "A partial upload of the log failed and is tried again: " in done.stderr
    assert "The log could not be stored: " in done.stderr
    assert staged_files(tmp_path / "staging") == {"a.out": b"", "a.err": b"to stderr\nmore\n"}


def test_the_streams_of_one_key_opened_one_after_the_other_are_both_kept(
    any_location: Area, make_manager: Callable[..., Any]
) -> None:
    manager = make_manager(any_location)
    for io_type, text in ((ComputeIOType.STDOUT, "out text"), (ComputeIOType.STDERR, "err text")):
        with manager.open_log_stream(KEY, io_type) as stream:
            stream.write(text)
    reader = make_manager(any_location)
    assert texts(reader, KEY) == ("out text", "err text")
    assert reader.is_capture_complete(KEY)


def test_a_tick_is_two_requests_and_no_thread(
    local_area: Area, make_manager: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = make_manager(local_area)
    calls: list[str] = []
    begun: list[str] = []

    def note(owner: Any, name: str, seen: list[str], label: Callable[[Any], str]) -> None:
        method = getattr(owner, name)

        def noted(*args: Any, **kwargs: Any) -> Any:
            seen.append(label(args))
            return method(*args, **kwargs)

        monkeypatch.setattr(owner, name, noted)

    def named(name: str) -> Callable[[Any], str]:
        return lambda _: name

    for name in ("pipe_file", "put_file", "find", "rm_files", "cat_file", "cat_ranges"):
        note(manager._files, name, calls, named(name))
    note(threading.Thread, "start", begun, lambda args: str(args[0].name))
    with manager.open_log_stream(["__repository__", "sensor", "1"], ComputeIOType.STDERR) as stream:
        stream.write('{"msg": "hello"}\n')
    assert calls == ["pipe_file", "pipe_file"]
    assert [name for name in begun if name.startswith("remote-store-fsspec-")] == []
    assert make_manager(local_area).is_capture_complete(["__repository__", "sensor", "1"])


def test_the_instigation_logger_of_a_tick_is_read_back(
    local_area: Area, make_manager: Callable[..., Any]
) -> None:
    from types import SimpleNamespace

    from dagster._core.definitions.instigation_logger import (
        InstigationLogger,
        get_instigation_log_records,
    )

    key = ["__repository__", "my_sensor", "36"]
    instance: Any = SimpleNamespace(compute_log_manager=make_manager(local_area))
    with InstigationLogger(key, instance, "__repository__", "my_sensor") as tick:
        tick.info("the sensor says hello")
    reading: Any = SimpleNamespace(compute_log_manager=make_manager(local_area))
    (record,) = get_instigation_log_records(reading, key)
    assert "the sensor says hello" in record["msg"]


def test_a_failing_partial_upload_is_said_once_and_loses_nothing(
    local_area: Area,
    make_manager: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from remote_store_fsspec.errors import StoreUnavailableError

    manager = make_manager(local_area)
    reader = make_manager(local_area)
    pipe_file = manager._files.pipe_file

    def refused(*_: Any, **__: Any) -> None:
        raise StoreUnavailableError("the store could not be reached", url="file://x")

    with manager.capture_logs(KEY):
        monkeypatch.setattr(manager._files, "pipe_file", refused)
        for line in ("one\n", "two\n", "three\n"):
            print(line, end="", flush=True)
            manager.on_progress(KEY)
        monkeypatch.setattr(manager._files, "pipe_file", pipe_file)
        assert local_area.raw.keys() == []
        manager.on_progress(KEY)
        assert texts(reader, KEY)[0] == "one\ntwo\nthree\n"
        print("four", flush=True)
    assert texts(reader, KEY)[0] == "one\ntwo\nthree\nfour\n"
    assert local_area.raw.keys() == [f"{AT}.err", f"{AT}.out"]
    said = [record for record in caplog.records if "partial upload" in record.getMessage()]
    assert len(said) == 1


def test_truncation_keeps_the_beginning_the_end_and_says_what_is_missing(
    local_area: Area, make_manager: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_TRUNCATE_COMPUTE_LOGS_UPLOAD_BYTES", "10000")
    manager, reader = make_manager(local_area), make_manager(local_area)
    lines = [f"line {number} é\n" for number in range(3000)]
    live = ""
    cursor = None
    with manager.capture_logs(KEY):
        for number, line in enumerate(lines):
            print(line, end="")
            if number % 500 == 0:
                sys.stdout.flush()
                manager.on_progress(KEY)
                data = reader.get_log_data(KEY, cursor)
                live += (data.stdout or b"").decode()
                cursor = data.cursor
    data = reader.get_log_data(KEY, cursor)
    stored = local_area.raw.read(f"{AT}.out")
    assert (live.encode() + (data.stdout or b"")) == stored
    assert len(stored) <= 10000
    text = stored.decode()
    assert text.startswith("line 0 é\nline 1 é\n")
    assert text.endswith("line 2998 é\nline 2999 é\n")
    assert "bytes left out here" in text
    assert reader.is_capture_complete(KEY)
    assert len(local_area.raw.keys()) == 2


def test_logs_killed_elsewhere_end_with_the_reason_once_their_run_is_over(
    local_area: Area, make_manager: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    local_area.raw.write(f"{AT}.out.partial", b"last words")
    manager = make_manager(local_area)
    assert not manager.is_capture_complete(KEY)
    monkeypatch.setattr(manager._view, "_why_ended", lambda _: "its run ended (FAILURE)")
    assert manager.is_capture_complete(KEY)
    first = manager.get_log_data(KEY)
    assert first.stdout.startswith(b"last words")
    assert b"cut short: its run ended (FAILURE)" in first.stdout
    assert first.cursor == "10:0"
    again = [manager.get_log_data(KEY, first.cursor) for _ in range(2)]
    assert not again[1].stdout


def test_captures_of_many_processes_share_a_staging_folder(tmp_path: Path) -> None:
    code = """
        for n in range(5):
            with manager.capture_logs([str(os.getpid()), str(n)]):
                print("n", n)
    """
    import concurrent.futures

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: _python(code, tmp_path), range(3)))
    assert [one.returncode for one in done] == [0, 0, 0], [one.stderr for one in done]
    stored = list((tmp_path / "store").rglob("*.out"))
    assert sorted(path.read_text() for path in stored) == sorted(
        f"n {n}\n" for n in range(5) for _ in range(3)
    )
    assert [path for path in (tmp_path / "staging").rglob("*") if path.is_file()] == []
