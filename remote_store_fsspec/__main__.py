"""`python -m remote_store_fsspec` is `remote-store-fsspec`."""

from __future__ import annotations

from remote_store_fsspec.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
