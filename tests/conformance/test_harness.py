"""The harness itself: what it prints, what it returns, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from conformance import (
    FILESYSTEM_CONTRACT,
    Case,
    CaseFailed,
    Contract,
    FilesystemSpec,
    FilesystemSubject,
    NotApplicable,
    Sizes,
    cases_of,
    run,
)
from conformance.core import case
from conformance.filesystem import model
from conformance.managers import MANAGER_CONTRACT
from conformance.report import as_junit
from conformance.runner import run_case
from conformance.spec import mask, secret_values
from devservers import local_area
from tests.conformance.mutants import MutantSpec

if TYPE_CHECKING:
    from devservers import Area

ROOT = Path(__file__).parent.parent.parent


def harness(
    *arguments: str, package: str = "conformance", cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", package, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        timeout=100,
        env={**os.environ, "PYTHONPATH": str(cwd)},
    )


class Sample(Contract):
    group = "sample"
    point = "Sample"

    @case()
    def a_passing_case(self) -> None:
        """Nothing is wrong."""

    @case()
    def a_failing_case(self) -> None:
        """Something is wrong."""
        raise CaseFailed("expected 1, got 2")

    @case()
    def a_case_that_means_nothing(self) -> None:
        """It has no such thing."""
        raise NotApplicable("it has no such thing")

    @case()
    def a_breaking_case(self) -> None:
        """A library raises."""
        self.subject.fs.cat_file(self.subject.path("nothing"))

    @case(seconds=0.3)
    def a_hanging_case(self) -> None:
        """A library never answers."""
        threading.Event().wait(20)


def sample(name: str) -> Case:
    return next(item for item in cases_of([Sample]) if item.name == name)


@pytest.fixture
def subject() -> FilesystemSubject:
    return FilesystemSubject(FilesystemSpec(url="memory://harness"), sizes=Sizes.quick())


def test_a_case_says_what_was_expected_and_what_came(subject: FilesystemSubject) -> None:
    assert run_case(subject, sample("a_passing_case")).status == "pass"
    failed = run_case(subject, sample("a_failing_case"))
    assert (failed.status, failed.sentence) == ("fail", "expected 1, got 2")
    nothing = run_case(subject, sample("a_case_that_means_nothing"))
    assert (nothing.status, nothing.sentence) == ("not applicable", "it has no such thing")


def test_an_unexpected_error_names_the_call_and_the_error(subject: FilesystemSubject) -> None:
    outcome = run_case(subject, sample("a_breaking_case"))
    assert outcome.status == "fail"
    assert "ObjectNotFoundError" in outcome.sentence


def test_a_case_that_never_answers_has_failed(subject: FilesystemSubject) -> None:
    outcome = run_case(subject, sample("a_hanging_case"))
    assert (outcome.status, outcome.sentence) == ("fail", "no answer within 0 s")


def test_every_case_states_its_rule_and_has_a_name_of_its_own() -> None:
    for contract in (FILESYSTEM_CONTRACT, MANAGER_CONTRACT):
        cases = cases_of(contract)
        assert len({item.id for item in cases}) == len(cases)
        for item in cases:
            assert item.rule.endswith("."), item.id
            assert "_" not in item.sentence


def test_the_scratch_folder_is_removed(tmp_path: Path) -> None:
    spec = FilesystemSpec(**local_area(tmp_path).config())
    result = run(FilesystemSubject(spec, sizes=Sizes.quick()), cases_of([Sample])[:2])
    assert result.left_behind == ""
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_run_removes_its_scratch_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "conformance", "--url", tmp_path.as_uri(), "--only", "atomic"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if "ok" in line:
            break
    assert any(tmp_path.iterdir())
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    rest = process.stdout.read()
    process.stdout.close()
    assert process.wait(60) == 2
    assert "interrupted" in rest
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_could_not_be_removed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = FilesystemSubject(FilesystemSpec(**local_area(tmp_path).config()))
    subject.write("file", b"x")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("no")

    monkeypatch.setattr(type(subject.fs), "rm", refuse)
    assert "PermissionError" in subject.remove_scratch()


def test_the_command_line_passes_and_removes_its_folder(tmp_path: Path) -> None:
    report, junit = tmp_path / "out.json", tmp_path / "out.xml"
    store = tmp_path / "store"
    store.mkdir()
    done = harness(
        *("--backend-type", "local", "--backend-options", json.dumps({"root": str(store)})),
        *("--only", "ranges", "--only", "missing.*", "--quick"),
        *("--json", str(report), "--junit", str(junit)),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1. Ranges" in done.stdout
    data = json.loads(report.read_text())
    assert {item["status"] for item in data["cases"]} <= {"pass", "not applicable"}
    assert data["versions"]["fsspec"]
    assert ET.fromstring(junit.read_text()).get("failures") == "0"  # noqa: S314 - our own file
    assert list(store.iterdir()) == []


def test_the_command_line_fails_with_a_sentence_for_each_failure(tmp_path: Path) -> None:
    done = harness(
        "--url", tmp_path.as_uri(), "--raw", "--only", "ranges.a_negative_end*", "--json", "-"
    )
    assert done.returncode == 1
    data = json.loads(done.stdout)
    assert data["cases"][0]["status"] == "fail"
    assert "expected" in data["cases"][0]["sentence"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "exactly one of"),
        (("--url", "memory://x", "--backend-type", "s3"), "exactly one of"),
        (("--url", "memory://x", "--only", "nonsense"), "--list shows them"),
        (("--url", "nosuch://x"), "cannot open it"),
        (("--url", "memory://x", "--storage-options", "{oops"), "not JSON"),
        (("--backend-type", "memory", "--raw"), "--raw needs --url"),
    ],
)
def test_what_cannot_be_run_is_said_in_one_sentence(arguments: tuple[str, ...], said: str) -> None:
    done = harness(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_cases_are_listed_with_their_rules() -> None:
    for arguments, contract in (
        ((), FILESYSTEM_CONTRACT),
        (("--manager", "x:Y"), MANAGER_CONTRACT),
    ):
        listed = harness("--list", *arguments).stdout
        for item in cases_of(contract):
            assert item.id in listed
            assert item.rule in listed


def test_it_runs_under_any_package_name(tmp_path: Path) -> None:
    package = tmp_path / "shipped"
    shutil.copytree(ROOT / "conformance", package / "conformance")
    (package / "__init__.py").touch()
    done = harness(
        *("--url", "memory://shipped", "--raw", "--only", "alive.a_program_ends_without_a_word"),
        package="shipped.conformance",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_manager_is_run_by_module_and_config(tmp_path: Path) -> None:
    config = tmp_path / "logs.yaml"
    config.write_text(f"backend_type: local\nbackend_options: {{root: {tmp_path / 'logs'}}}\n")
    (tmp_path / "logs").mkdir()
    done = harness(
        *("--manager", "remote_store_fsspec.dagster:RemoteStoreComputeLogManager"),
        *("--config", str(config), "--only", "capture.both_streams*"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok    both streams come back unchanged" in done.stdout
    assert "höhe" not in done.stdout
    assert not [path for path in (tmp_path / "logs").rglob("*") if path.is_file()]


@pytest.mark.server
def test_fault_cases_run_through_a_proxy_before_a_named_address(s3_area: Area) -> None:
    config = s3_area.backend_config()
    done = harness(
        *("--backend-type", "s3", "--backend-options", json.dumps(config["backend_options"])),
        *(
            "--fault-endpoint",
            f"127.0.0.1:{s3_area.port}",
            "--only",
            "faults.a_refused_credential*",
        ),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_no_secret_of_the_options_is_printed() -> None:
    secret = "a-secret-nobody-may-see"
    options = json.dumps({"key": "k", "secret": secret, "endpoint_url": f"http://{secret}.invalid"})
    done = harness(
        "--url", "s3://b/x", "--raw", "--storage-options", options, "--only", "ranges.a_whole*"
    )
    assert done.returncode in {1, 2}
    assert secret not in done.stdout + done.stderr


def test_secrets_are_found_at_any_depth_and_masked() -> None:
    options: dict[str, Any] = {
        "key": "public",
        "client": {"password": 'pa"ss'},
        "connection_string": "AccountName=n;AccountKey=abcd1234==;",
        "token": "anon",
    }
    secrets = list(secret_values(options))
    assert set(secrets) == {'pa"ss', options["connection_string"], "abcd1234=="}
    assert (
        mask('said pa"ss and pa\\"ss, abcd1234== to public', secrets)
        == "said *** and ***, *** to public"
    )


def test_junit_survives_control_characters(subject: FilesystemSubject) -> None:
    result = run(subject, [sample("a_failing_case")])
    result.label = "bad \x00 label"
    assert ET.fromstring(as_junit(result)).get("name") == "bad ? label"  # noqa: S314 - our own


def test_the_model_walks_by_itself_without_hypothesis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "conformance.filesystem.model_hypothesis", None)
    item = next(item for item in cases_of(FILESYSTEM_CONTRACT) if item.group == "model")
    assert model._explorer() is model._random_walks
    sizes = Sizes(steps=400)
    healthy = FilesystemSubject(FilesystemSpec(url="memory://walk"), sizes=sizes)
    assert run_case(healthy, item).status == "pass"
    broken = FilesystemSubject(
        MutantSpec(url="memory://walk", mutant="LosesABytesCopy"), sizes=sizes
    )
    outcome = run_case(broken, item)
    assert outcome.status == "fail"
    assert outcome.sentence.startswith("after ")


def test_the_support_matrix_names_every_case() -> None:
    page = (ROOT / "docs" / "support-matrix.md").read_text(encoding="utf-8")
    for contract in (FILESYSTEM_CONTRACT, MANAGER_CONTRACT):
        for item in cases_of(contract):
            assert f"`{item.id}`" in page, f"run `make matrix`: {item.id} is not on the page"
