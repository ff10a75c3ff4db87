"""Live subscriptions, as the webserver's generator uses them."""

from __future__ import annotations

import asyncio
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from dagster._core.storage.compute_log_manager import ComputeIOType

from remote_store_fsspec.errors import StoreUnavailableError
from tests.dagster.home import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from devservers import Area

KEY = ["run-1", "compute_logs", "abcdefgh"]
AT = "dagster/storage/run-1/compute_logs/abcdefgh"


def _shown(manager: Any, key: list[str], until: float = 30.0) -> tuple[str, str]:
    """What Dagster's own GraphQL generator yields until it ends by itself."""
    from dagster_graphql.implementation.execution import gen_captured_log_data

    info: Any = SimpleNamespace(
        context=SimpleNamespace(instance=SimpleNamespace(compute_log_manager=manager))
    )

    async def collect() -> tuple[str, str]:
        out = err = ""
        async for update in gen_captured_log_data(info, key):
            out += update.stdout or ""
            err += update.stderr or ""
        return out, err

    async def bounded() -> tuple[str, str]:
        return await asyncio.wait_for(collect(), until)

    return asyncio.run(bounded())


def _out(seen: list[Any]) -> bytes:
    return b"".join(data.stdout or b"" for data in seen)


def _pollers() -> set[threading.Thread]:
    """Threads that poll; another module's test may have left one whose viewer never left."""
    return {one for one in threading.enumerate() if one.name == "remote-store-fsspec-subscriptions"}


def test_a_finished_log_is_shown_and_the_generator_ends(
    local_area: Area, make_manager: Callable[..., Any]
) -> None:
    local_area.raw.write(f"{AT}.out", b"x" * 2_500_000)
    local_area.raw.write(f"{AT}.err", b"err")
    assert _shown(make_manager(local_area), KEY) == ("x" * 2_500_000, "err")


def test_an_empty_finished_log_ends_too(local_area: Area, make_manager: Callable[..., Any]) -> None:
    local_area.raw.write(f"{AT}.out", b"")
    local_area.raw.write(f"{AT}.err", b"")
    assert _shown(make_manager(local_area), KEY) == ("", "")


def test_a_log_that_finishes_while_watched_is_shown_to_its_end(
    local_area: Area, make_manager: Callable[..., Any]
) -> None:
    local_area.raw.write(f"{AT}.out.partial", b"first ")
    manager = make_manager(local_area)

    def go_on() -> None:
        time.sleep(1.5)
        local_area.raw.write(f"{AT}.out.partial.6", b"second ")
        time.sleep(1.5)
        local_area.raw.write(f"{AT}.out", b"first second last")
        local_area.raw.write(f"{AT}.err", b"")
        local_area.raw.delete(f"{AT}.out.partial")
        local_area.raw.delete(f"{AT}.out.partial.6")

    writer = threading.Thread(target=go_on)
    writer.start()
    assert _shown(manager, KEY) == ("first second last", "")
    writer.join()


def test_completion_that_brings_nothing_new_ends_the_generator(
    local_area: Area, make_manager: Callable[..., Any]
) -> None:
    local_area.raw.write(f"{AT}.out", b"all of it")
    manager = make_manager(local_area)
    timer = threading.Timer(1.5, local_area.raw.write, (f"{AT}.err", b""))
    timer.start()
    assert _shown(manager, KEY) == ("all of it", "")
    timer.join()


def test_the_viewers_of_a_log_share_its_polls(
    local_area: Area, make_manager: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    others = _pollers()
    local_area.raw.write(f"{AT}.out.partial", b"so far")
    manager = make_manager(local_area)
    got: list[list[Any]] = [[], [], []]
    for seen in got:
        manager.subscribe(KEY)(seen.append)
    looks: list[float] = []
    look = manager._view.look

    def counted(log_key: list[str]) -> Any:
        looks.append(time.monotonic())
        return look(log_key)

    monkeypatch.setattr(manager._view, "look", counted)
    local_area.raw.write(f"{AT}.out.partial.6", b", more")
    wait_for(lambda: [_out(seen) for seen in got] == [b"so far, more"] * 3)
    assert len(looks) <= 3
    assert len(_pollers() - others) == 1


def test_a_viewer_may_leave_while_others_stay_and_the_thread_ends_with_the_last(
    local_area: Area, make_manager: Callable[..., Any]
) -> None:
    others = _pollers()
    manager = make_manager(local_area)
    first, second = manager.subscribe(KEY), manager.subscribe(KEY)
    seen: list[Any] = []
    first(lambda _: None)
    second(seen.append)
    first.dispose()
    assert first.is_complete
    local_area.raw.write(f"{AT}.out", b"text")
    local_area.raw.write(f"{AT}.err", b"")
    wait_for(lambda: second.is_complete)
    assert _out(seen) == b"text"
    wait_for(lambda: not _pollers() - others)


def test_a_viewer_that_raises_does_not_stop_the_others(
    local_area: Area, make_manager: Callable[..., Any]
) -> None:
    manager = make_manager(local_area)

    def broken(_: Any) -> None:
        raise RuntimeError("Event loop is closed")

    seen: list[Any] = []
    manager.subscribe(KEY)(broken)
    other = manager.subscribe(KEY)
    other(seen.append)
    local_area.raw.write(f"{AT}.out", b"text")
    local_area.raw.write(f"{AT}.err", b"")
    wait_for(lambda: other.is_complete)
    assert _out(seen) == b"text"


def test_subscribing_asks_nothing_of_the_store(
    local_area: Area, make_manager: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = make_manager(local_area)

    def asked(*_: Any, **__: Any) -> Any:
        raise AssertionError("the event loop's thread asked the store")

    monkeypatch.setattr(manager._view, "look", asked)
    monkeypatch.setattr(manager._view, "page", asked)
    subscription = manager.subscribe(KEY)
    manager.unsubscribe(subscription)


def test_a_store_that_fails_for_a_while_says_so_once_and_then_goes_on(
    local_area: Area, make_manager: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    local_area.raw.write(f"{AT}.out.partial", b"first ")
    manager = make_manager(local_area)
    seen: list[Any] = []
    subscription = manager.subscribe(KEY)
    subscription(seen.append)
    snapshot = manager._store.reader.snapshot
    failures: list[int] = []

    def away(*_: Any, **__: Any) -> Any:
        failures.append(1)
        raise StoreUnavailableError("the store could not be reached", url="s3://logs")

    monkeypatch.setattr(manager._store.reader, "snapshot", away)
    wait_for(lambda: len(failures) >= 4)
    monkeypatch.setattr(manager._store.reader, "snapshot", snapshot)
    local_area.raw.write(f"{AT}.out", b"first second")
    local_area.raw.write(f"{AT}.err", b"")
    wait_for(lambda: subscription.is_complete)
    out = b"".join(data.stdout or b"" for data in seen).decode()
    assert out.count("cannot be read right now: s3://logs: the store could not be reached") == 1
    assert out.startswith("first ")
    assert out.endswith("second")


def test_a_log_captured_in_this_process_is_live_without_partial_uploads(
    local_area: Area, make_manager: Callable[..., Any]
) -> None:
    manager = make_manager(local_area)
    seen: list[Any] = []
    with manager.open_log_stream(KEY, ComputeIOType.STDERR) as stream:
        subscription = manager.subscribe(KEY)
        subscription(seen.append)
        stream.write("live")
        stream.flush()
        wait_for(lambda: b"".join(data.stderr or b"" for data in seen) == b"live")
        assert local_area.raw.keys() == []
    wait_for(lambda: subscription.is_complete)
