"""Runs the benchmarks and writes the page: ``python -m benchmarks [--quick]``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.contenders import CONTENDERS
from benchmarks.report import Run, misses, write
from benchmarks.runner import run, scenarios_named
from benchmarks.scale import FULL, QUICK
from benchmarks.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Sequence

_DOCS: Final = Path(__file__).parent.parent / "docs"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what the command line asks for; 1 if a counted limit is not kept."""
    options = _parser().parse_args(arguments)
    assets = options.docs / "assets" / "benchmarks"
    kept = assets / "results.json"
    if options.report:
        outcome = Run.load(kept)
    else:
        scale = QUICK if options.quick else FULL
        chosen = [
            one
            for one in CONTENDERS
            if options.manager in {None, one.manager} and options.store in {None, one.store}
        ]
        scenarios = scenarios_named(options.scenario)
        outcome = Run.of(run(chosen, scenarios, scale), scale)
    complete = not (options.quick or options.scenario or options.manager or options.store)
    if complete or options.write:
        outcome.save(kept)
        write(outcome, options.docs / "benchmarks.md", assets)
        print(f"Written: {options.docs / 'benchmarks.md'}")
    else:
        print("Not written: only a whole run at full scale replaces the page (or --write).")
    return _verdict(outcome)


def _verdict(outcome: Run) -> int:
    missed = misses(outcome.results)
    for miss in missed:
        print(f"over the limit{' (timed)' if miss.row.timed else ''}: {miss}")
    if not missed:
        print("Every limit is kept.")
    return int(any(not miss.row.timed for miss in missed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Counts requests, bytes and memory of Dagster's compute log managers side by side.",
    )
    names = ", ".join(scenario.name for scenario in SCENARIOS)
    parser.add_argument("scenario", nargs="*", help=f"only these of: {names}")
    parser.add_argument("--quick", action="store_true", help="small sizes, a minute or two")
    parser.add_argument("--manager", help="only this distribution's manager")
    parser.add_argument("--store", help="only on s3, azure, sftp or local")
    parser.add_argument(
        "--report", action="store_true", help="write the page anew from the last run's figures"
    )
    parser.add_argument(
        "--write", action="store_true", help="write the page from a partial run too"
    )
    parser.add_argument("--docs", type=Path, default=_DOCS, help="the folder of the page")
    return parser


if __name__ == "__main__":
    sys.exit(main())
