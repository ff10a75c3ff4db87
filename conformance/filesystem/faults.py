"""Points 2, 7 and 8 with a proxy that misbehaves: what is said, what is tried again, what stays whole."""

from __future__ import annotations

from ..core import CaseFailed, Contract, case, equal, raises, true
from ..subject import FilesystemSubject

__all__ = ["Faulty"]


class Faulty(Contract):
    """A store in trouble is never taken for an empty one."""

    group = "faults"
    point = "2, 7, 8. With a failing store"
    subject: FilesystemSubject

    def _every_question(self, kind: str, wanted: tuple[type[BaseException], ...]) -> None:
        faults = self.subject.faulty(kind)
        path = self.subject.write("file", b"content")
        fs = faults.spec.open(skip_instance_cache=True).fs
        equal("cat_file before the fault", bytes(fs.cat_file(path)), b"content")
        with faults.fault(kind):
            for what, call in (
                ("exists", lambda: fs.exists(path)),
                ("isfile", lambda: fs.isfile(path)),
                ("info", lambda: fs.info(path)),
                ("cat_file", lambda: fs.cat_file(path)),
                ("find", lambda: fs.find(self.subject.path())),
                ("ls", lambda: fs.ls(self.subject.path())),
                ("pipe_file", lambda: fs.pipe_file(path, b"new")),
                ("rm_file", lambda: fs.rm_file(path)),
            ):
                error = raises(wanted, f"{what} while the server answers {kind}", call)
                true(
                    f"{what} while the server answers {kind}: {type(error).__name__} says it is missing",
                    not isinstance(error, FileNotFoundError),
                )
        equal("the object afterwards", self.subject.read_elsewhere("file"), b"content")

    @case(seconds=180)
    def a_refused_credential_is_a_permission_error(self) -> None:
        """403 is `PermissionError` for every question, never "missing"."""
        self._every_question("403", (PermissionError,))

    @case(seconds=400)
    def a_failing_server_is_a_connection_error(self) -> None:
        """503 that does not end is `ConnectionError` or `TimeoutError`, never "missing"."""
        self._every_question("503", (ConnectionError, TimeoutError))

    @case(seconds=120)
    def a_short_burst_of_errors_is_survived(self) -> None:
        """Two answers of 503 are tried again and nobody notices."""
        faults = self.subject.faulty("503:2")
        path = self.subject.write("file", b"content")
        fs = faults.spec.open(skip_instance_cache=True).fs
        with faults.fault("503:2"):
            equal("cat_file during the burst", bytes(fs.cat_file(path)), b"content")
        with faults.fault("503:2"):
            equal("info during the burst", fs.info(path)["size"], 7)
        with faults.fault("503:2"):
            fs.pipe_file(path, b"written during the burst")
        equal("what was written", self.subject.read_elsewhere("file"), b"written during the burst")

    @case(seconds=180)
    def a_body_cut_short_is_not_returned_as_whole(self) -> None:
        """A connection reset in the middle of a body gives all bytes after a retry, or an error."""
        faults = self.subject.faulty("cut")
        data = bytes(range(256)) * 4096
        path = self.subject.write("file", data)
        fs = faults.spec.open(skip_instance_cache=True).fs
        equal("info before the fault", fs.info(path)["size"], len(data))
        with faults.fault("cut"):
            try:
                got = bytes(fs.cat_file(path))
            except OSError:
                got = data
            except Exception as error:
                message = f"cat_file of a body cut short: expected an OSError, got {type(error).__name__}: {error}"
                raise CaseFailed(message) from error
        true(f"cat_file of a body cut short returned {len(got)} of {len(data)} bytes", got == data)
        equal("cat_file afterwards", bytes(fs.cat_file(path)) == data, True)

    @case(seconds=180)
    def a_fetch_cut_short_leaves_no_half_file(self) -> None:
        """`get_file` that fails in the middle leaves no local file that looks whole."""
        faults = self.subject.faulty("cut")
        data = bytes(range(256)) * 4096
        path = self.subject.write("file", data)
        fs = faults.spec.open(skip_instance_cache=True).fs
        with self.subject.local() as folder:
            local = folder / "copy"
            with faults.fault("cut"):
                try:
                    fs.get_file(path, str(local))
                except OSError:
                    true(
                        f"get_file failed and left {local.exists() and local.stat().st_size} bytes",
                        not local.exists(),
                    )
                else:
                    true("get_file gave a file cut short", local.read_bytes() == data)

    @case(seconds=180)
    def an_upload_cut_short_keeps_the_old_object(self) -> None:
        """When the server goes away during a write, the old bytes are still there."""
        faults = self.subject.faulty("refuse")
        path = self.subject.write("file", b"old")
        fs = faults.spec.open(skip_instance_cache=True).fs
        equal("cat_file before the fault", bytes(fs.cat_file(path)), b"old")

        def write() -> None:
            with fs.open(path, "wb") as stream:
                stream.write(b"new" * 2_000_000)
                with faults.fault("refuse"):
                    faults.drop()
                    stream.flush()
                    stream.close()

        raises((ConnectionError, TimeoutError), "a write whose server goes away", write)
        equal("the object afterwards", self.subject.read_elsewhere("file"), b"old")
        equal("what lies there", self.subject.listed_elsewhere(), ["file"])

    @case(seconds=180)
    def a_server_that_comes_back_is_used_again(self) -> None:
        """After an outage the same object works, without being made anew."""
        faults = self.subject.faulty("refuse")
        path = self.subject.write("file", b"content")
        fs = faults.spec.open(skip_instance_cache=True).fs
        equal("cat_file before the outage", bytes(fs.cat_file(path)), b"content")
        with faults.fault("refuse"):
            faults.drop()
            raises(
                (ConnectionError, TimeoutError),
                "cat_file during the outage",
                lambda: fs.cat_file(path),
            )
        equal("cat_file after the outage", bytes(fs.cat_file(path)), b"content")
        fs.pipe_file(path, b"new")
        equal("what was written after the outage", self.subject.read_elsewhere("file"), b"new")
