"""Runs every scenario on every contender against the same servers, in one run."""

from __future__ import annotations

import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from benchmarks.bench import Bench, scratch_folder
from benchmarks.scenarios import SCENARIOS
from devservers import AzureServer, S3Server, Server, SFTPServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.contenders import Contender
    from benchmarks.scale import Scale
    from benchmarks.scenarios import Scenario

Results = dict[str, dict[str, dict[str, Any]]]
"""Figures by scenario and contender."""

_SERVERS: Final[Mapping[str, Callable[[], Server]]] = {
    "s3": S3Server,
    "azure": AzureServer,
    "sftp": SFTPServer,
}


def run(contenders: Sequence[Contender], scenarios: Sequence[Scenario], scale: Scale) -> Results:
    """The figures; a contender that fails in a scenario has none there, and the reason is printed.

    Servers are shared by all contenders of a store, each of which has its own proxy before it.
    """
    results: Results = {}
    with ExitStack() as stack:
        folder = stack.enter_context(scratch_folder())
        stores = {contender.store for contender in contenders}
        servers = {
            store: stack.enter_context(start())
            for store, start in _SERVERS.items()
            if store in stores
        }
        benches = {
            contender.name: stack.enter_context(
                Bench(contender, servers.get(contender.store), folder)
            )
            for contender in contenders
        }
        for scenario in scenarios:
            taking_part = [one for one in contenders if scenario.concerns(one)]
            with ThreadPoolExecutor(scenario.at_once) as pool:
                figures = pool.map(
                    lambda one, scenario=scenario: _figures(scenario, benches[one.name], scale),
                    taking_part,
                )
                results[scenario.name] = {
                    one.name: found
                    for one, found in zip(taking_part, figures, strict=True)
                    if found is not None
                }
    return results


def scenarios_named(names: Sequence[str]) -> list[Scenario]:
    """Those scenarios, or all.

    Raises:
        ValueError: There is none of such a name.
    """
    known = {scenario.name: scenario for scenario in SCENARIOS}
    unknown = sorted(set(names) - known.keys())
    if unknown:
        raise ValueError(f"no scenario {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names] or list(SCENARIOS)


def _figures(scenario: Scenario, bench: Bench, scale: Scale) -> dict[str, Any] | None:
    started = time.perf_counter()
    try:
        figures = scenario.run(bench, scale)
    except Exception:
        _say(f"{scenario.name}: {bench.contender.name} FAILED\n{traceback.format_exc()}")
        return None
    _say(f"{scenario.name}: {bench.contender.name} ({time.perf_counter() - started:.1f} s)")
    return figures


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
