"""The terminal command ``remote-store-fsspec``."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Final

from remote_store_fsspec.errors import ConfigError, RemoteStoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remote_store_fsspec.dagster import RemoteStoreComputeLogManager

__all__ = ["main"]

DONE: Final = 0
KEPT: Final = 1
BAD_CONFIGURATION: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0 when all is well, 1 when something is left to do, 2 when the
        configuration cannot be used.
    """
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except RemoteStoreError as exc:
        sys.stderr.write(f"remote-store-fsspec: {exc}\n")
        return BAD_CONFIGURATION if isinstance(exc, ConfigError) else KEPT
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="remote-store-fsspec", description="Looks after what remote-store-fsspec stores."
    )
    areas = parser.add_subparsers(title="areas", required=True, metavar="AREA")
    logs = areas.add_parser("logs", help="Dagster's compute logs")
    commands = logs.add_subparsers(title="commands", required=True, metavar="COMMAND")
    flush = commands.add_parser(
        "flush",
        help="upload what is staged on this host, and finish the logs of killed runs",
        description="Upload what failed uploads and killed processes left staged on this host for "
        "the compute log manager of DAGSTER_HOME, and turn the partial uploads of runs that are "
        "over into finished logs. Exit code: 0 when nothing is left, 1 when something is kept, "
        "2 when the configuration cannot be used.",
        epilog="example: remote-store-fsspec logs flush --dagster-home /opt/dagster/home",
    )
    flush.add_argument(
        "--dagster-home",
        metavar="FOLDER",
        help="folder of dagster.yaml; DAGSTER_HOME unless given",
    )
    flush.add_argument("--dry-run", action="store_true", help="only list what there is to do")
    flush.set_defaults(run=_flush)
    return parser


def _flush(options: argparse.Namespace) -> int:
    from remote_store_fsspec.dagster._instance import manager_of

    home = options.dagster_home or os.environ.get("DAGSTER_HOME", "")
    with manager_of(home) as manager:
        return _flush_manager(manager, dry_run=options.dry_run)


def _flush_manager(manager: RemoteStoreComputeLogManager, *, dry_run: bool) -> int:
    say = sys.stdout.write
    stored = finished = stored_bytes = kept = kept_bytes = 0
    for leftover in manager.flush(dry_run=dry_run):
        name = "/".join(leftover.log_key)
        if leftover.reason is None:
            stored += 1
            stored_bytes += leftover.size
            say(f"stored    {name}  {leftover.size} bytes\n")
        else:
            kept += 1
            kept_bytes += leftover.size
            say(f"{'staged' if dry_run else 'kept':<10}{name}  {leftover.size} bytes")
            say(f"  in {leftover.folder}: {leftover.reason}\n")
    unfinished = 0
    try:
        for log in manager.finish_cut_short(dry_run=dry_run):
            name = "/".join(log.log_key)
            if dry_run or log.failure:
                unfinished += 1
                say(f"{'cut short' if dry_run else 'kept':<10}{name}  {log.size} bytes")
                say(f" of partial uploads: {log.failure or log.reason}\n")
            else:
                finished += 1
                say(f"finished  {name}  {log.size} bytes of partial uploads: {log.reason}\n")
    except RemoteStoreError as exc:
        unfinished += 1
        say(f"The partial uploads of killed runs could not be looked for: {exc}\n")
    if dry_run:
        say(
            f"{kept} staged ({kept_bytes} bytes), {unfinished} cut short; nothing was changed. "
            f"Staging folder: {manager.staging_folder} "
            f"({manager.staging_bytes} bytes of disk)\n"
        )
    else:
        say(
            f"{stored} stored ({stored_bytes} bytes), {finished} finished, {kept} kept "
            f"({kept_bytes} bytes), {unfinished} unfinished. "
            f"Staging folder: {manager.staging_folder} "
            f"({manager.staging_bytes} bytes of disk)\n"
        )
    return KEPT if kept or unfinished else DONE
