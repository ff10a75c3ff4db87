"""``make ui``: the real webserver on the demo's instance, until Ctrl-C."""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Final

from demo.needs import SetupError
from demo.processes import end_group, last_lines, running
from devservers.base import HOST, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping

    from demo.home import Home
    from demo.screen import Screen

_START_SECONDS: Final = 120.0


_LINKS: Final = (("fails_with_a_traceback", "err"), ("prints_scripts_and_colours", "out"))


def serve(home: Home, secrets: Mapping[str, str], screen: Screen) -> None:
    """Serves the instance and prints the address; returns after Ctrl-C.

    Args:
        home: The demo that ran.
        secrets: What its ``dagster.yaml`` refers to.
        screen: Where to tell.

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
    environment = home.environment("webserver", secrets)
    with running(command, environment, home.server_log) as process:
        with screen.working("starting the webserver"):
            deadline = time.monotonic() + _START_SECONDS
            while not _answers(address):
                if process.poll() is not None or time.monotonic() > deadline:
                    end = last_lines(home.server_log)
                    raise SetupError(f"the webserver did not start; its output ends with:\n{end}")
                time.sleep(0.2)
        _show_links(address, home.last_result() or {}, screen)
        screen.say("  Ctrl-C ends the webserver and every server that the demo started.")
        try:
            process.wait()
        except KeyboardInterrupt:
            screen.say()
            with screen.working("ending the webserver"):
                end_group(process)
            return
        raise SetupError(f"the webserver ended by itself; see {home.server_log}")


def _show_links(address: str, result: Mapping[str, Any], screen: Screen) -> None:
    """Prints where to look: the run, and straight to two logs."""
    run = f"{address}/runs/{result.get('run_id', '')}"
    screen.good(f"the run  {screen.style(run, 'bold')}")
    keys = {(log["step"], log["stream"]): log["file_key"] for log in result.get("read_back", [])}
    for step, stream in _LINKS:
        if (step, stream) in keys:
            query = f"logType=std{stream}&logFileKey={keys[step, stream]}"
            screen.say(f"    {step} std{stream}  {run}?{query}")
    launchpad = f"{address}/locations/demo.job/jobs/demo_job/playground"
    screen.say(f"    run it again from the Launchpad and watch a log grow  {launchpad}")


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/server_info", timeout=5):
            return True
    except urllib.error.HTTPError:
        return False
    except OSError:
        return False
