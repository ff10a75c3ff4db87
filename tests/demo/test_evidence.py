"""The parts of the demo that could make it say yes when the answer is no."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import yaml

from demo import needs
from demo.compare import (
    Expected,
    Verdict,
    compare_independently,
    difference,
    expected_streams,
)
from demo.home import Home
from demo.screen import Screen, fit, human_size, plain


def _stored(tmp_path: Path, objects: dict[str, bytes]) -> list[str]:
    """What the comparison says about one step that printed ``hello`` to stdout only."""
    printed, found = tmp_path / "printed", tmp_path / "found"
    printed.mkdir()
    found.mkdir()
    (printed / "step.out").write_bytes(b"hello")
    expected = expected_streams(printed, {"step": "abc"}, "logs", ["step"])
    assert [stream.key for stream in expected] == ["logs/abc.out", "logs/abc.err"]
    return compare_independently(
        expected,
        printed,
        found,
        lambda: list(objects),
        lambda key, target: _write(target, objects[key]),
    )


def _write(target: Path, data: bytes) -> None:
    target.write_bytes(data)


class TestComparison:
    def test_equal_bytes_and_an_empty_stream_are_right(self, tmp_path: Path) -> None:
        assert _stored(tmp_path, {"logs/abc.out": b"hello", "logs/abc.err": b""}) == []

    def test_an_object_that_is_not_there_is_a_loss(self, tmp_path: Path) -> None:
        (problem,) = _stored(tmp_path, {"logs/abc.err": b""})
        assert "logs/abc.out is not there" in problem

    def test_an_object_that_belongs_to_no_step_is_named(self, tmp_path: Path) -> None:
        objects = {"logs/abc.out": b"hello", "logs/abc.err": b"", "logs/abc.out.partial": b"he"}
        (problem,) = _stored(tmp_path, objects)
        assert "logs/abc.out.partial" in problem

    @pytest.mark.parametrize(
        ("stored", "words"),
        [
            (b"hell", "the last 1 of 5 bytes are missing"),
            (b"hello!", "1 bytes follow that no step printed"),
            (b"hallo", "differs at byte 1"),
            (b"", "the last 5 of 5 bytes are missing"),
        ],
    )
    def test_the_difference_is_said(self, stored: bytes, words: str, tmp_path: Path) -> None:
        assert words in difference(b"hello", stored)
        (problem,) = _stored(tmp_path, {"logs/abc.out": stored, "logs/abc.err": b""})
        assert words in problem

    def test_a_step_without_a_log_cannot_be_found(self, tmp_path: Path) -> None:
        streams = expected_streams(tmp_path, {}, "logs", ["step"])
        assert all(isinstance(stream, Expected) for stream in streams)
        assert all("no-log-of-step" in stream.key for stream in streams)


class TestVerdict:
    def test_one_failed_check_decides(self) -> None:
        verdict = Verdict()
        verdict.check(True, "good")
        assert verdict.passed
        verdict.check(False, "bad")
        verdict.check(True, "good again")
        assert not verdict.passed

    def test_no_check_is_no_success(self) -> None:
        assert not Verdict().passed


class TestHome:
    def test_a_folder_that_no_demo_made_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.txt").write_text("years of work")
        with pytest.raises(FileExistsError, match="no demo made"):
            Home(tmp_path).create("local")
        assert (tmp_path / "thesis.txt").exists()

    def test_each_demo_starts_from_nothing(self, tmp_path: Path) -> None:
        home = Home(tmp_path / "demo")
        home.create("s3")
        home.write_config({"url": "file:///somewhere"})
        (home.printed / "step.out").write_text("old")
        assert home.destination() == "s3"
        home.create("local")
        assert list(home.printed.iterdir()) == []
        assert home.destination() is None

    def test_processes_stage_apart_and_nothing_foreign_reaches_them(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_PROFILE", "production")
        home = Home(tmp_path)
        one, other = (home.environment(who, {"DEMO_KEY": "x"}) for who in ("run", "reader"))
        assert "AWS_PROFILE" not in one
        assert one["DEMO_KEY"] == "x"
        assert one["DEMO_STAGING"] != other["DEMO_STAGING"]
        assert one["DAGSTER_HOME"] == other["DAGSTER_HOME"]

    def test_the_configuration_refers_to_secrets(self, tmp_path: Path) -> None:
        home = Home(tmp_path / "demo")
        home.create("s3")
        home.write_config({"backend_type": "s3", "backend_options": {"secret": {"env": "X"}}})
        config = yaml.safe_load(home.dagster_yaml.read_text())["compute_logs"]["config"]
        assert config["backend_options"] == {"secret": {"env": "X"}}
        assert config["upload_interval"] == 1


class TestScreen:
    def test_a_pipe_gets_no_ansi(self) -> None:
        output = io.StringIO()
        screen = Screen(output)
        screen.good("fine")
        screen.status("waiting")
        assert output.getvalue() == "  ✔ fine\n"

    def test_a_quoted_log_commands_no_terminal(self) -> None:
        assert plain("\x1b[31mred\x1b[0m \x1b]0;title\x07 \rback") == "red ]0;title back"

    def test_wide_characters_take_two_columns(self) -> None:
        assert fit("文字文字", 4) == "文字…"
        assert fit("abcd", 4) == "abcd"

    def test_sizes_are_for_people(self) -> None:
        assert [human_size(size) for size in (0, 999, 1000, 4_300_000)] == [
            *("0 B", "999 B", "1.0 kB", "4.3 MB")
        ]


class TestNeeds:
    def test_what_is_missing_is_named_with_its_pip_line(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        missing = {"s3fs", "moto", "dagster_webserver"}
        monkeypatch.setattr(needs, "_is_there", lambda name: name not in missing)
        with pytest.raises(needs.SetupError) as caught:
            needs.require("s3", webserver=True)
        line = 'pip install ".[dagster,s3]" "moto[server]" dagster-webserver'
        assert line in str(caught.value)
        assert "make demo DEST=s3" in str(caught.value)

    def test_nothing_is_said_when_all_is_there(self) -> None:
        needs.require("local", webserver=True)
