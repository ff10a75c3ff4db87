"""The command line of the harness."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from . import report
from .core import Case, Outcome, cases_of, select
from .filesystem import FILESYSTEM_CONTRACT
from .runner import Subject, abandoned, run
from .spec import FilesystemSpec
from .subject import FilesystemSubject, Sizes

__all__ = ["main"]

EPILOG = """\
examples:
  python -m conformance --url file:///tmp/somewhere --quick
  python -m conformance --url s3://my-bucket/scratch --storage-options '{"profile": "dev"}'
  python -m conformance --url s3://my-bucket/scratch --raw --only 'ranges.*'
  python -m conformance --backend-type sftp --backend-options '{"host": "h", "username": "u"}'
  python -m conformance --manager dagster_aws.s3:S3ComputeLogManager --config logs.yaml --json out.json

Everything happens in a folder of its own below the place you name; it is removed again.
Exit code: 0 every case passed, 1 a case failed, 2 it could not be run.
"""


_Proxied = Callable[[Any], Any]
"""Gives the fault cases' proxy for a spec, or None."""


class _UsageError(Exception):
    """What the user asked for cannot be run; the message says what to change."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the harness and leave with its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        code = _act(options)
    except _UsageError as error:
        sys.stderr.write(f"conformance: {error}\n")
        code = 2
    sys.stdout.flush()
    sys.stderr.flush()
    if abandoned():
        # A library call that never returned would keep the interpreter from ending.
        os._exit(code)
    sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m conformance",
        description="Tell, case by case, whether a storage or a compute log manager keeps the contract.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_argument_group("what to test (one of)")
    what.add_argument("--url", help="an fsspec URL of a folder that may be written to")
    what.add_argument(
        "--backend-type", help="a backend type of remote-store-fsspec: local, s3, ..."
    )
    what.add_argument("--manager", metavar="MODULE:CLASS", help="a Dagster ComputeLogManager")
    how = parser.add_argument_group("how it is opened")
    how.add_argument("--storage-options", metavar="JSON", default="{}", help="keywords for the URL")
    how.add_argument(
        "--backend-options", metavar="JSON", default="{}", help="keywords of the backend type"
    )
    how.add_argument("--root-path", default="", help="folder below the URL or the backend's root")
    how.add_argument("--config", metavar="FILE", help="the manager's config as YAML or JSON")
    raw = how.add_mutually_exclusive_group()
    raw.add_argument("--raw", action="store_true", help="the URL's own fsspec filesystem")
    raw.add_argument(
        "--via-ours", action="store_true", help="RemoteStoreFileSystem over it (default)"
    )
    how.add_argument(
        "--fault-endpoint",
        metavar="HOST:PORT",
        help="run the fault cases too, through a proxy put before this address of the options "
        "(needs a checkout)",
    )
    which = parser.add_argument_group("which cases")
    which.add_argument(
        "--only", metavar="GLOB", action="append", default=[], help="case ids or groups, repeatable"
    )
    which.add_argument("--quick", action="store_true", help="leave the big cases out")
    which.add_argument("--timeout", type=float, metavar="SECONDS", help="limit of each case")
    which.add_argument(
        "--list", action="store_true", help="print the cases and their rules, run none"
    )
    out = parser.add_argument_group("output")
    out.add_argument("--json", metavar="FILE", help="the outcomes as JSON; - for standard output")
    out.add_argument("--junit", metavar="FILE", help="the outcomes as JUnit XML")
    return parser


def _act(options: argparse.Namespace) -> int:
    given = [name for name in ("url", "backend_type", "manager") if getattr(options, name)]
    contract = _contract(manager=given == ["manager"])
    cases = list(select(cases_of(contract), options.only, quick=options.quick))
    if not cases:
        message = f"no case is named {', '.join(options.only)}; --list shows them"
        raise _UsageError(message)
    if options.list:
        _list(cases)
        return 0
    if len(given) != 1:
        message = "give exactly one of --url, --backend-type and --manager"
        raise _UsageError(message)
    sizes = Sizes.quick() if options.quick else Sizes()
    with (
        _proxy(options) as proxied,
        _output(2 if options.json == "-" else 1, apart=bool(options.manager)) as out,
    ):
        subject = _open(options, sizes, proxied)
        progress = _Progress(len(cases), out)
        result = run(
            subject,
            cases,
            timeout=options.timeout,
            started=progress.started,
            finished=progress.finished,
        )
        print(f"\n{report.summary(result)}", file=out)
    if options.json:
        _save(options.json, report.dump_json(result))
    if options.junit:
        _save(options.junit, report.as_junit(result))
    if result.interrupted or result.left_behind:
        return 2
    return 1 if result.failed else 0


@contextlib.contextmanager
def _output(number: int, *, apart: bool) -> Iterator[TextIO]:
    """Where the table goes.

    Args:
        number: 1 for standard output, 2 for standard error.
        apart: Silence the process's own streams meanwhile: Dagster mirrors there what a captured
            step prints, and would mix it into the table.
    """
    if not apart:
        yield sys.stdout if number == 1 else sys.stderr
        return
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    with os.fdopen(os.dup(number), "w", encoding="utf-8", buffering=1) as out:
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        try:
            yield out
        finally:
            for descriptor, copy in zip((1, 2), saved, strict=True):
                os.dup2(copy, descriptor)
                os.close(copy)
            os.close(nothing)


@contextlib.contextmanager
def _proxy(options: argparse.Namespace) -> Iterator[_Proxied]:
    """What puts a misbehaving proxy before a spec; nothing when it was not asked for."""
    if not options.fault_endpoint:
        yield lambda _: None
        return
    host, _, port = options.fault_endpoint.rpartition(":")
    if not host or not port.isdigit():
        message = "--fault-endpoint is HOST:PORT"
        raise _UsageError(message)
    try:
        from devservers.proxy import Proxy
    except ImportError:
        message = "--fault-endpoint needs a checkout: the proxy is not in the wheel"
        raise _UsageError(message) from None
    from .faults import proxied

    with Proxy(int(port), raw=_speaks_no_http(options)) as proxy:
        yield lambda spec: proxied(spec, proxy, host, int(port))


def _speaks_no_http(options: argparse.Namespace) -> bool:
    scheme = (options.url or "").split("::")[-1].partition(":")[0]
    return options.backend_type == "sftp" or scheme in {"sftp", "ssh", "ftp"}


def _contract(*, manager: bool) -> tuple[type[Any], ...]:
    if not manager:
        return FILESYSTEM_CONTRACT
    from .managers import MANAGER_CONTRACT

    return MANAGER_CONTRACT


def _open(options: argparse.Namespace, sizes: Sizes, proxied: _Proxied) -> Subject:
    if options.manager:
        from .managers import ManagerSpec, ManagerSubject

        made = ManagerSpec(options.manager, _config(options.config) if options.config else {})
        return ManagerSubject(made, sizes=sizes, faults=proxied(made))
    if options.raw and not options.url:
        message = "--raw needs --url"
        raise _UsageError(message)
    spec = FilesystemSpec(
        url=options.url,
        storage_options=_json("--storage-options", options.storage_options),
        backend_type=options.backend_type,
        backend_options=_json("--backend-options", options.backend_options),
        root_path=options.root_path,
        raw=options.raw,
    )
    try:
        return FilesystemSubject(spec, sizes=sizes, faults=proxied(spec))
    except Exception as error:
        from .spec import mask

        message = f"cannot open it: {type(error).__name__}: {error}"
        raise _UsageError(mask(message, spec.secrets())) from None


def _json(name: str, text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        # The text itself may hold a secret: only the place of the mistake is shown.
        message = f"{name} is not JSON ({getattr(error, 'msg', 'invalid')})"
        raise _UsageError(message) from None
    if not isinstance(value, dict):
        message = f"{name} must be a JSON object"
        raise _UsageError(message)
    return value


def _config(name: str) -> Mapping[str, Any]:
    import yaml

    try:
        value = yaml.safe_load(Path(name).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        message = f"--config {name}: {type(error).__name__}"
        raise _UsageError(message) from None
    if not isinstance(value, dict):
        message = f"--config {name} must hold a mapping"
        raise _UsageError(message)
    return value


def _list(cases: Sequence[Case]) -> None:
    group = ""
    for item in cases:
        if item.group != group:
            group = item.group
            print(f"\n{item.contract.point}")
        print(f"  {item.id}{' (big)' if item.big else ''}\n      {item.rule}")


def _save(name: str, text: str) -> None:
    if name == "-":
        sys.stdout.write(text)
        return
    try:
        Path(name).write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"cannot write {name}: {error.strerror}"
        raise _UsageError(message) from None


class _Progress:
    """Each case as it ends; on a terminal also the one under way."""

    def __init__(self, total: int, out: Any) -> None:
        self._total, self._out = total, out
        self._done = 0
        self._group = ""
        self._live = out.isatty()

    def started(self, item: Case) -> None:
        """Show which case runs."""
        if self._group != item.group:
            self._group = item.group
            print(f"\n{item.contract.point}  [{item.group}]", file=self._out)
        if self._live:
            self._out.write(f"\r\x1b[K  [{self._done + 1}/{self._total}] {item.sentence} ...")
            self._out.flush()

    def finished(self, outcome: Outcome) -> None:
        """Show what it said."""
        self._done += 1
        if self._live:
            self._out.write("\r\x1b[K")
        print(report.line(outcome), file=self._out, flush=True)
