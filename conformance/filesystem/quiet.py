"""Point 9: nothing that a person or a log file sees shows a secret."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

from ..core import CaseFailed, Contract, NotApplicable, case
from ..subject import FilesystemSubject

__all__ = ["Quiet"]


class _Collect(logging.Handler):
    """Keeps every record as text."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record, with its traceback."""
        self.lines.append(logging.Formatter().format(record))


class Quiet(Contract):
    """The configured secrets are in no text."""

    group = "quiet"
    point = "9. Quiet about secrets"
    subject: FilesystemSubject

    def _secrets(self) -> list[str]:
        secrets = self.subject.spec.secrets()
        if not secrets:
            message = "the options given hold no secret"
            raise NotApplicable(message)
        return secrets

    def _silent(self, what: str, text: str) -> None:
        secrets = self._secrets()
        if any(secret in text for secret in secrets):
            message = f"{what} shows a secret of the configuration"
            raise CaseFailed(message)

    @case()
    def its_text_form_shows_no_secret(self) -> None:
        """`repr`, `str` and an f-string of the filesystem."""
        fs = self.subject.fs
        self._silent("repr(fs)", repr(fs))
        self._silent("str(fs)", f"{fs} {fs!s}")

    @case()
    def its_json_form_shows_no_secret(self) -> None:
        """`to_json` and `to_dict`, which tools write into their own files."""
        fs = self.subject.fs
        self._silent("to_json()", fs.to_json())
        self._silent("to_dict()", repr(fs.to_dict()))

    @case()
    def its_options_show_no_secret(self) -> None:
        """`storage_options`, printed."""
        fs = self.subject.fs
        self._silent("repr(fs.storage_options)", repr(fs.storage_options))

    @case()
    def an_open_file_shows_no_secret(self) -> None:
        """`repr` and `str` of what `open` returns."""
        path = self.subject.write("file", b"x")
        with self.subject.fs.open(path, "rb") as stream:
            self._silent("repr(open(p))", f"{stream!r} {stream}")

    @case()
    def an_error_shows_no_secret(self) -> None:
        """Message and traceback of a missing file, a refused create and a bad name."""
        self._secrets()
        fs = self.subject.fs
        path = self.subject.write("file", b"x")
        calls: list[Callable[[], object]] = [
            lambda: fs.cat_file(self.subject.path("nothing")),
            lambda: fs.pipe_file(path, b"x", mode="create"),
            lambda: fs.cat_file("../../nothing"),
            lambda: fs.ls(self.subject.path("nothing")),
        ]
        for call in calls:
            try:
                call()
            except Exception as error:
                text = "".join(traceback.format_exception(error))
                self._silent(f"the traceback of {type(error).__name__}", text)

    @case()
    def debug_logging_shows_no_secret(self) -> None:
        """Everything the libraries log at DEBUG during a write, a read and a miss."""
        self._secrets()
        root = logging.getLogger()
        before, collect = root.level, _Collect()
        ours = [logging.getLogger(name) for name in ("remote_store_fsspec", "fsspec")]
        levels = [logger.level for logger in ours]
        root.addHandler(collect)
        try:
            for logger in ours:
                logger.setLevel(logging.DEBUG)
            fs = self.subject.spec.open(skip_instance_cache=True).fs
            path = self.subject.write("file", b"x", fs=fs)
            fs.cat_file(path)
            fs.exists(self.subject.path("nothing"))
        finally:
            root.removeHandler(collect)
            root.setLevel(before)
            for logger, level in zip(ours, levels, strict=True):
                logger.setLevel(level)
        self._silent("debug logging", "\n".join(collect.lines))

    @case(seconds=120)
    def an_unreachable_server_shows_no_secret(self) -> None:
        """The error of a connection that is refused names the place, not the credential."""
        self._secrets()
        faults = self.subject.faulty("refuse")
        fs = faults.spec.open(skip_instance_cache=True).fs
        with faults.fault("refuse"):
            try:
                fs.cat_file(self.subject.path("file"))
            except Exception as error:
                text = "".join(traceback.format_exception(error))
                self._silent("the error of a refused connection", text)
