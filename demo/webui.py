"""``make ui``: the real webserver on the demo's instance, until Ctrl-C."""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Final

from demo.needs import SetupError
from demo.processes import end_group, last_lines, running
from devservers.base import HOST, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping

    from demo.home import Home
    from demo.screen import Screen

_START_SECONDS: Final = 120.0


def serve(home: Home, environment: Mapping[str, str], run_id: str, screen: Screen) -> None:
    """Serves the instance and prints the address; returns after Ctrl-C.

    Raises:
        SetupError: The webserver does not start, or ends by itself.
    """
    port = free_port()
    address = f"http://{HOST}:{port}"
    command = [
        *(sys.executable, "-m", "dagster_webserver", "-h", HOST, "-p", str(port)),
        *("-m", "demo.job"),
    ]
    screen.heading("The same instance in the Dagster webserver")
    screen.say(f"  its own output is in {home.server_log}")
    with running(command, environment, home.server_log) as process:
        with screen.working("starting the webserver"):
            deadline = time.monotonic() + _START_SECONDS
            while not _answers(address):
                if process.poll() is not None or time.monotonic() > deadline:
                    end = last_lines(home.server_log)
                    raise SetupError(f"the webserver did not start; its output ends with:\n{end}")
                time.sleep(0.2)
        screen.good(f"the run:  {screen.style(f'{address}/runs/{run_id}', 'bold')}")
        screen.say("    Choose a step, then stdout or stderr above its events.")
        screen.say("    Ctrl-C ends the webserver and every server that the demo started.")
        try:
            process.wait()
        except KeyboardInterrupt:
            screen.say()
            with screen.working("ending the webserver"):
                end_group(process)
            return
        raise SetupError(f"the webserver ended by itself; see {home.server_log}")


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/server_info", timeout=5):
            return True
    except urllib.error.HTTPError:
        return False
    except OSError:
        return False
