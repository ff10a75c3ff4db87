"""The program that the step `runs_a_child_process` starts: it prints on its own."""

from __future__ import annotations

import os
import sys

from demo.printed import Printed


def main(step: str) -> None:
    """Prints on both streams in the name of `step`."""
    printed = Printed(step)
    printed.out(f"a process of its own: {os.path.basename(sys.executable)} -m demo.child")  # noqa: PTH119
    for number in range(1, 201):
        printed.out(f"child, stdout, line {number} of 200")
    printed.err("child, stderr: a process inherits the step's streams, so this belongs to it too")
    printed.out("child: done")


if __name__ == "__main__":
    main(sys.argv[1])
