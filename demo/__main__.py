"""``python -m demo``: see ``--help``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from demo.destinations import open_destination
from demo.home import REPOSITORY, Home
from demo.needs import DESTINATIONS, SetupError, require
from demo.screen import Screen
from demo.story import Story
from demo.webui import serve
from devservers import ServerFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

_INTERRUPTED = 130


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m demo",
        description="A real Dagster job's compute logs on a destination: seen live, read back by "
        "another process, compared byte for byte with what the steps printed.",
    )
    parser.add_argument(
        "--dest",
        choices=DESTINATIONS,
        default="local",
        help="where the logs go: a local folder, or a server started on 127.0.0.1",
    )
    parser.add_argument(
        "--ui",
        action="store_true",
        help="then serve the instance in the Dagster webserver until Ctrl-C (for local: what the "
        "last demo left, when there is one)",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=REPOSITORY / ".demo",
        help="where everything is kept; emptied at the start (default: .demo)",
    )
    return parser.parse_args(argv)


def _isolate(home: Home) -> None:
    """Takes what would configure the storage libraries from outside out of this process."""
    environment = home.environment("demo", {})
    os.environ.clear()
    os.environ.update(environment)


def _demo(name: str, home: Home, screen: Screen, *, ui: bool) -> bool:
    home.create(name)
    with open_destination(name, home, screen) as destination:
        home.write_config(destination.config)
        screen.say(f"{screen.style('remote-store-fsspec', 'bold')}: Dagster's compute logs")
        screen.say(f"  destination     {destination.title}")
        screen.say(f"  configuration   {home.dagster_yaml}")
        screen.say(f"  Dagster's own messages   {home.run_log}")
        story = Story(home, destination, screen)
        story.tell()
        if ui:
            serve(home, destination.secrets, screen)
        return story.verdict.passed


def _run(arguments: argparse.Namespace, screen: Screen) -> bool:
    require(arguments.dest, webserver=arguments.ui)
    home = Home(arguments.folder)
    _isolate(home)
    left = home.destination() if arguments.ui else None
    if left == arguments.dest == "local" and home.last_result():
        # A server's data went with the server; a folder's are still there.
        serve(home, {}, screen)
        return True
    return _demo(arguments.dest, home, screen, ui=arguments.ui)


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 when everything that was captured was found, and 1 when not."""
    arguments = _arguments(argv)
    screen = Screen()
    # Both end everything that was started; a shell's background job ignores Ctrl-C otherwise.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        return 0 if _run(arguments, screen) else 1
    except (SetupError, ServerFailed, FileExistsError) as exc:
        screen.say()
        screen.bad(str(exc))
        return 1
    except KeyboardInterrupt:
        screen.say()
        screen.say("Ended.")
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
