"""The support matrix as a page."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conformance import FILESYSTEM_CONTRACT, Case, cases_of

__all__ = ["counts", "write"]

Results = Mapping[str, tuple[bool, Mapping[str, Any]]]
SIGN = {"pass": "✓", "fail": "**✗**", "not applicable": "–", None: "·"}
LONGEST_SENTENCE = 300

HEAD = """\
# Support matrix

<!-- Written by scripts/support_matrix.py from a run; run `make matrix` instead of editing. -->

Every line is a case of the conformance harness, by the name that `--only` takes, so any line can be
run again by anybody, on any storage:

```console
$ python -m remote_store_fsspec.conformance --url s3://my-bucket/scratch --only ranges.a_range_starting_at_the_end_is_empty
```

✓ keeps the rule, **✗** does not (the last part of the page says what was seen), – the rule means nothing
there, · it did not come to its turn before the time of a column, a quarter of an hour, was over.

How to read it. The rules are this project's contract, not a judgement of the other libraries: several
of them promise less on purpose, because a rule costs requests that their users do not want to
pay (freshness without a listing cache, whole writes by a second name). "Ours" runs on top of these very
libraries. The servers were emulators and daemons on one machine (moto, Azurite, OpenSSH,
gcp-storage-emulator, pyftpdlib, wsgidav); the real services differ in places. The raw libraries had
the options of their own documentation, with the timeouts that they offer set to 3 seconds; a
filesystem that has no root of its own was confined with fsspec's `DirFileSystem` for the cases
`rooted`. A case that had not ended after 90 seconds counts as failed. The big listings have 1,100
objects, 250 on Google's emulator, whose every request takes longer the more it holds.

One thing to know of s3fs's ranges: its `cat_file` has `version_id` where fsspec's has `start`, and the
cases give both ends by position. Given by keyword, s3fs answers ranges inside a file rightly, also
those that pass its end; one that begins at the end fails, and one of no length gets the whole file.

"""

VERSIONS = """\
Measured on {date} with Python {python}: {libraries}.

"""


def counts(result: Mapping[str, Any]) -> str:
    """`120 ✓, 3 ✗, 4 –`, and `, time over` where there was no time for all of them."""
    seen = [item["status"] for item in result["cases"]]
    text = f"{seen.count('pass')} ✓, {seen.count('fail')} ✗, {seen.count('not applicable')} –"
    return f"{text}, time over" if result.get("interrupted") else text


def write(page: Path, results: Mapping[str, Results]) -> None:
    """Write the page from the results of both kinds."""
    from conformance.managers import MANAGER_CONTRACT

    every = [result for kind in results.values() for _, result in kind.values()]
    if not every:
        message = "there are no results yet; run without --render"
        raise SystemExit(message)
    newest = max(every, key=lambda result: str(result["date"]))
    libraries = dict(newest["versions"])
    text = HEAD + VERSIONS.format(
        date=_dates(every),
        python=libraries.pop("python"),
        libraries=", ".join(f"{name} {version}" for name, version in libraries.items()),
    )
    for kind, title, contract in (
        ("filesystem", "Filesystems", FILESYSTEM_CONTRACT),
        ("manager", "Compute log managers", MANAGER_CONTRACT),
    ):
        text += _part(title, results[kind], cases_of(contract))
    text += "## What was seen\n\n"
    for kind in results.values():
        for name, (_, result) in kind.items():
            text += _failures(name, result)
    page.write_text(text.rstrip() + "\n", encoding="utf-8")


def _dates(every: list[Mapping[str, Any]]) -> str:
    days = sorted({str(result["date"]) for result in every})
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


def _part(title: str, columns: Results, cases: list[Case]) -> str:
    if not columns:
        return ""
    ours = [name for name, (mine, _) in columns.items() if mine]
    others = [name for name, (mine, _) in columns.items() if not mine]
    order = [*ours, *others]
    said = {name: _by_case(columns[name][1]) for name in order}
    heads = [f"ours: {name.removeprefix('ours ')}" if name in ours else name for name in order]
    lines = [f"## {title}", "", "| |" + "|".join(heads) + "|", "|---|" + ":-:|" * len(order)]
    totals = [counts(columns[name][1]).replace(", ", "<br>") for name in order]
    lines.append("| **all cases** |" + "|".join(totals) + "|")
    group = ""
    for item in cases:
        if item.group != group:
            group = item.group
            lines.append(f"| **{item.contract.point}** |" + " |" * len(order))
        cells = [SIGN[said[name].get(item.id)] for name in order]
        lines.append(f"| `{item.id}` |" + "|".join(cells) + "|")
    return "\n".join(lines) + "\n\n"


def _by_case(result: Mapping[str, Any]) -> dict[str, str]:
    return {item["id"]: item["status"] for item in result["cases"]}


def _failures(name: str, result: Mapping[str, Any]) -> str:
    failed = [item for item in result["cases"] if item["status"] == "fail"]
    if not failed:
        return ""
    lines = [f"### {name}", ""]
    for item in failed:
        sentence = item["sentence"]
        if len(sentence) > LONGEST_SENTENCE:
            sentence = sentence[:LONGEST_SENTENCE] + "..."
        lines.append(f"* `{item['id']}`: {html.escape(sentence, quote=False)}")
    return "\n".join(lines) + "\n\n"
