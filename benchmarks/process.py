"""The runner's end of a worker: start it, give it commands, end it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

_REPOSITORY: Final = Path(__file__).parent.parent
_ANSWER_SECONDS: Final = 300.0
_GOODBYE_SECONDS: Final = 10.0
_SHOWN: Final = 3000
# Only these reach a worker: somebody's credentials or settings must not decide what is measured.
_INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH")


class WorkerFailed(RuntimeError):  # noqa: N818 - said of the worker, read in a sentence
    """A command raised, or the process ended; shows its traceback or the end of its output."""


class WorkerProcess:
    """A fresh Python process that knows the commands of `benchmarks.worker.Worker`.

    Args:
        folder: A scratch folder; also the process's working directory.
        environment: Variables beside the few that are inherited.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._output = folder / "output"
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        # Appended to, so that the worker can empty them: captured text passes here a second time.
        with self._output.open("ab") as output, (folder / "mirror").open("ab") as mirror:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.worker", str(theirs_in), str(theirs_out)],
                cwd=folder,
                env={**inherited, "PYTHONPATH": str(_REPOSITORY), **environment},
                pass_fds=(theirs_in, theirs_out),
                stdin=subprocess.DEVNULL,
                stdout=mirror,
                stderr=output,
            )
        os.close(theirs_in)
        os.close(theirs_out)
        self._outbox = os.fdopen(ours_out, "w", encoding="utf-8")
        self._inbox = os.fdopen(ours_in, encoding="utf-8")

    def call(self, command: str, **arguments: Any) -> Any:
        """The command's result.

        Raises:
            WorkerFailed: It raised, or no answer came.
        """
        try:
            self._outbox.write(json.dumps([command, arguments]) + "\n")
            self._outbox.flush()
        except BrokenPipeError:
            raise self._failed(command, "the process has ended") from None
        if not select.select([self._inbox], [], [], _ANSWER_SECONDS)[0]:
            raise self._failed(command, f"no answer within {_ANSWER_SECONDS:.0f} s")
        line = self._inbox.readline()
        if not line:
            raise self._failed(command, "the process has ended")
        answer = json.loads(line)
        if "failure" in answer:
            raise WorkerFailed(f"{command}: {answer['failure']}")
        return answer["result"]

    def stop(self) -> None:
        """Ends the process."""
        self._outbox.close()
        try:
            self._process.wait(_GOODBYE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._inbox.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def _failed(self, command: str, reason: str) -> WorkerFailed:
        output = self._output.read_text(encoding="utf-8", errors="replace")[-_SHOWN:]
        return WorkerFailed(f"{command}: {reason}. The end of its output:\n{output}")
