"""Write docs/reference/options.md from the option classes; ``--check`` only compares."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

from remote_store_fsspec.options import BACKEND_TYPES, OptionSet
from remote_store_fsspec.options._fields import REQUIRED, type_text
from remote_store_fsspec.options._retry import Retry

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "options.md"

_HEAD = """\
# Options

<!-- Written by scripts/options_page.py from the option classes; edit those. -->

Where a store is can be said in either of two vocabularies, exactly one of them:

| vocabulary | fields | whose words |
|---|---|---|
| backend type | `backend_type` + `backend_options` | remote-store's: the tables below |
| URL | `url` + `storage_options` | fsspec's, and the library's behind the URL |

`root_path` lies below what either of them names. An option that is not in its table is an error
that names the nearest one that is, and so is a keyword that the library behind a URL would not
read.

## A value from the environment

`{env: NAME}` stands for the value of the environment variable `NAME`, at any depth of
`backend_options` and `storage_options`; so does Dagster's `EnvVar("NAME")` in Python. It is looked
up when the storage is opened; numbers and true/false are read from its text. What is kept, shown
and pickled is the reference.

```yaml
backend_type: s3
backend_options:
  bucket: my-logs-bucket
  key: {env: LOGS_KEY}
  secret: {env: LOGS_SECRET}
  client_options:
    token: {env: LOGS_SESSION_TOKEN}
```
"""

_RETRY = """\
## retry

A mapping, or a `RetryPolicy` of remote-store. Which of its values a storage can honour stands in
the storage's table; a value it cannot honour is an error, not a silent default.

| value | default | unit | meaning |
|---|---|---|---|
"""

_RETRY_UNITS = {
    "max_attempts": "attempts",
    "backoff_base": "seconds",
    "backoff_max": "seconds",
    "jitter": "seconds",
    "timeout": "seconds",
}

_TAIL = """\
## Stores in a file

The options of the tables can stand in a file, by remote-store's registry format, so that a name is
all that the places using the store need to know:

```toml
[backends.s3-prod]
type = "s3"
options.bucket = "prod-data"
options.key = "${AWS_KEY}"
options.secret = "${AWS_SECRET}"      # ${VAR}, ${VAR:-default}, $${ for a literal ${
retry.max_attempts = 5

[stores.logs]
backend = "s3-prod"
root_path = "dagster/logs"
```

`url: remote-store://logs/some/folder` then opens that store, from `dagster.yaml` as from pandas. The
file is the one that `config` names (`storage_options: {config: ...}`), else the environment variable
`REMOTE_STORE_CONFIG`, else `remote-store.toml` (`.yaml` and `.yml` with PyYAML installed) in the
working directory, else the table `[tool.remote-store]` of `pyproject.toml` there. Variables are
looked up when the store is opened. A key that nothing reads is an error.

## What counts as secret

Shown as `***` wherever a configuration is shown: what stands under a name such as `key`, `secret`,
`password`, `token`, `account_key`, `sas_token`, `connection_string`, `passphrase`, `pkey`, `headers`,
`authorization`, `client_secret` or `client_certificate`, at any depth; PEM blocks; keys in connection
strings; users, passwords and signatures in URLs. [Secrets](secrets.md) says where a test looks for them.
"""


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    seen: dict[type[OptionSet], list[str]] = {}
    for name, cls in BACKEND_TYPES.items():
        seen.setdefault(cls, []).append(name)
    for cls, names in seen.items():
        parts.append(_section(cls, names))
    parts.append(_RETRY + "\n".join(_retry_rows()) + "\n")
    parts.append(_TAIL)
    return "\n".join(parts)


def _section(cls: type[OptionSet], names: list[str]) -> str:
    title = ", ".join(f"`{name}`" for name in names)
    about = [str(cls.__doc__).strip()]
    if cls.extra:
        about.append(f'Needs `pip install "remote-store-fsspec[{cls.extra}]"`.')
    lines = [f"## {title}", "", " ".join(about), ""]
    fields = cls.fields()
    if not fields:
        return "\n".join([*lines, "It has no options.", ""])
    lines += [
        "| option | type | default | unit | meaning | becomes |",
        "|---|---|---|---|---|---|",
    ]
    for name, field in fields.items():
        row = (
            f"`{name}`",
            type_text(cls, name),
            _default(field),
            field.metadata["unit"],
            field.metadata["meaning"],
            field.metadata["translation"],
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
    return "\n".join([*lines, ""])


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return "`{}`"
    if field.default is REQUIRED:
        return "**required**"
    return _literal(field.default)


def _literal(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"


def _retry_rows() -> list[str]:
    meanings: dict[str, str] = {}
    name = ""
    for line in str(Retry.__doc__).partition("Attributes:")[2].splitlines():
        head, colon, text = line.strip().partition(": ")
        if colon and head in Retry.__dataclass_fields__:
            name, meanings[head] = head, text
        elif name and line.strip():
            meanings[name] += " " + line.strip()
    return [
        f"| `{field.name}` | {_literal(field.default)} | {_RETRY_UNITS[field.name]} "
        f"| {meanings[field.name]} |"
        for field in dataclasses.fields(Retry)
    ]


def main() -> int:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only say whether it is current")
    if parser.parse_args().check:
        if PAGE.is_file() and PAGE.read_text("utf-8") == page():
            return 0
        print(f"{PAGE.name} is not current; run: python scripts/options_page.py")
        return 1
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
