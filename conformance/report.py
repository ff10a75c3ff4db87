"""A run as a table for people, as JSON and as JUnit XML."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import platform
import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree as ET

from .core import Outcome
from .runner import Run

__all__ = ["as_json", "as_junit", "as_table", "summary", "versions"]

SIGN = {"pass": "ok", "fail": "FAIL", "not applicable": "n/a"}
LIBRARIES = (
    "remote-store-fsspec",
    "fsspec",
    "s3fs",
    "aiobotocore",
    "adlfs",
    "azure-storage-blob",
    "sshfs",
    "asyncssh",
    "gcsfs",
    "webdav4",
    "dagster",
    "dagster-aws",
    "dagster-azure",
    "dagster-gcp",
    "dagster-obstore",
    "obstore",
    "remote-store",
)
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_table(outcomes: Sequence[Outcome]) -> str:
    """One line a case, grouped by contract point, a sentence below each failure."""
    lines: list[str] = []
    group = ""
    for outcome in outcomes:
        if outcome.case.group != group:
            group = outcome.case.group
            lines += ["", f"{outcome.case.contract.point}  [{group}]"]
        lines.append(line(outcome))
    return "\n".join(lines).lstrip("\n")


def line(outcome: Outcome) -> str:
    """One case."""
    text = f"  {SIGN[outcome.status]:<4}  {outcome.case.sentence}"
    return f"{text}\n        {outcome.sentence}" if outcome.sentence else text


def summary(result: Run) -> str:
    """Counts in one sentence."""
    count = dict.fromkeys(SIGN, 0)
    for outcome in result.outcomes:
        count[outcome.status] += 1
    seconds = sum(outcome.seconds for outcome in result.outcomes)
    text = (
        f"{result.label}: {count['pass']} passed, {count['fail']} failed, "
        f"{count['not applicable']} not applicable, {seconds:.0f} s"
    )
    if result.interrupted:
        text += ", interrupted"
    if result.left_behind:
        text += f"\nLeft behind: {result.left_behind}"
    return text


def versions() -> dict[str, str]:
    """What is installed of the libraries that matter here."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def as_json(result: Run) -> dict[str, Any]:
    """Everything, as plain data."""
    return {
        "subject": result.label,
        "date": dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%d"),
        "versions": versions(),
        "interrupted": result.interrupted,
        "left_behind": result.left_behind,
        "cases": [
            {
                "id": outcome.case.id,
                "rule": outcome.case.rule,
                "status": outcome.status,
                "sentence": outcome.sentence,
                "seconds": round(outcome.seconds, 3),
            }
            for outcome in result.outcomes
        ],
    }


def as_junit(result: Run) -> str:
    """The JUnit form that CI systems read."""
    suite = ET.Element(
        "testsuite",
        name=_printable(result.label),
        tests=str(len(result.outcomes)),
        failures=str(len(result.failed)),
        skipped=str(sum(o.status == "not applicable" for o in result.outcomes)),
        time=f"{sum(o.seconds for o in result.outcomes):.3f}",
    )
    for outcome in result.outcomes:
        item = ET.SubElement(
            suite,
            "testcase",
            classname=f"conformance.{outcome.case.group}",
            name=outcome.case.name,
            time=f"{outcome.seconds:.3f}",
        )
        if outcome.status == "fail":
            ET.SubElement(item, "failure", message=_printable(outcome.sentence))
        elif outcome.status == "not applicable":
            ET.SubElement(item, "skipped", message=_printable(outcome.sentence))
    return ET.tostring(suite, encoding="unicode", xml_declaration=True)


def dump_json(result: Run) -> str:
    """`as_json` as text."""
    return json.dumps(as_json(result), indent=2, ensure_ascii=False) + "\n"


def _printable(text: str) -> str:
    return _NOT_XML.sub("?", text)
