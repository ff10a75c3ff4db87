"""`python -m tests.soak`: 500 captures from 8 processes over 10 minutes."""

from __future__ import annotations

import argparse
import sys

from tests.soak.run import soak


def main() -> int:
    """Run the soak and say what was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=main.__doc__)
    parser.add_argument("--captures", type=int, default=500)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--kill-one-in", type=int, default=9)
    parser.add_argument("--seed", type=int, default=None)
    result = soak(**vars(parser.parse_args()))
    for problem in result.problems:
        sys.stdout.write(f"{problem}\n")
    for fault, count in result.faults.most_common():
        sys.stdout.write(f"  {fault:<18}{count:>5}\n")
    sys.stdout.write(f"{result}\n")
    return 1 if result.problems or result.lost or result.kept else 0


if __name__ == "__main__":
    raise SystemExit(main())
