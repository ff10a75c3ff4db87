"""`python -m conformance`, or `python -m remote_store_fsspec.conformance` from an installed wheel."""

from __future__ import annotations

from .cli import main

if __name__ == "__main__":
    main()
