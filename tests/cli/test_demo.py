"""``zvview demo``: which sample, which window, and what is kept of a flight that nobody watches."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from zvview.cli import display
from zvview.cli.app import app
from zvview.errors import UnreachableError, UnsupportedError
from zvview.samples import SAMPLES


@dataclass(frozen=True)
class FakeLayer:
    name: str = "dots"
    levels: tuple[int, ...] = (0, 1)
    level_count: int = 3
    vertices_shown: int = 12_345
    vertices_total: int | None = None
    chunks_ready: int = 7
    chunks_wanted: int = 8
    bytes_shown: int = 1_500_000
    bytes_read: int = 999
    first_ms: float = 1.25
    settled_ms: float = 22.0
    work_p99_ms: float = 3.5
    work_most_ms: float = 4.5


@dataclass(frozen=True)
class FakeStop:
    stop: str
    picture: str
    layers: tuple[FakeLayer, ...] = (FakeLayer(),)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class FakeWindow(ModuleType):
    """Stands in for :mod:`zvview.napari.window`, and notes what it is asked for."""

    def __init__(self) -> None:
        super().__init__("zvview.napari.window")
        self.asked: list[Any] = []

    def show_sample(self, sample: Any, place: Path) -> None:
        self.asked.append(("show", sample.name, place))

    def play_sample(self, sample: Any, place: Path, folder: Path) -> list[FakeStop]:
        self.asked.append(("play", sample.name, os.environ.get("DISPLAY")))
        return [FakeStop("overview", "1-overview.png"), FakeStop("detail", "2-detail.png")]

    def run(self) -> None:
        self.asked.append("run")


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeWindow:
    """A machine with all packages, samples that need no making, and a fake window."""
    fake = FakeWindow()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "zvview.napari.window", fake)
    monkeypatch.setattr(display.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr("zvview.samples.prepare_sample", lambda sample, progress: tmp_path / sample.name)
    monkeypatch.setattr("zvview.cli.demo.require_display", lambda: None)
    monkeypatch.setattr("zvview.cli.demo.has_display", lambda: True)
    return fake


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["demo", *arguments])


def test_first_sample_opens_and_the_window_stays(window: FakeWindow, tmp_path: Path) -> None:
    result = run()
    assert result.exit_code == 0, result.output
    assert window.asked == [("show", "hemibrain", tmp_path / "hemibrain"), "run"]
    assert "Scheffer" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_sample_by_name_and_a_flight_where_it_is_wished(window: FakeWindow, tmp_path: Path) -> None:
    result = run("cells", "--output", str(tmp_path / "a" / "b"))
    assert result.exit_code == 0, result.output
    assert [asked[:2] for asked in window.asked] == [("play", "cells")]
    document = json.loads((tmp_path / "a" / "b" / "statistics.json").read_text())
    assert document["sample"] == "cells" and [stop["stop"] for stop in document["stops"]] == ["overview", "detail"]
    assert document["stops"][0]["layers"][0]["chunks_ready"] == 7
    for text in ("overview", "0+1 of 3", "12,345", "7 of 8", "1.5 MB", "22.0 ms", "2 pictures and statistics.json"):
        assert text in result.stdout


def test_without_a_display_it_plays_on_one_that_nobody_sees(
    window: FakeWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shutil.which("Xvfb"), "install Xvfb"
    monkeypatch.setattr("zvview.cli.demo.has_display", lambda: False)
    monkeypatch.setattr(display, "_require_cursor_library", lambda: None)
    monkeypatch.delenv("DISPLAY", raising=False)
    result = run("vessels")
    assert result.exit_code == 0, result.output
    ((what, name, screen),) = window.asked
    assert (what, name) == ("play", "vessels") and screen.startswith(":")
    assert "DISPLAY" not in os.environ
    assert (tmp_path / "zvview-demo" / "statistics.json").is_file()


def test_without_display_and_xvfb_it_tells_what_to_install(window: FakeWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zvview.cli.demo.has_display", lambda: False)
    monkeypatch.setattr(display.shutil, "which", lambda name: None)
    result = run()
    assert result.exit_code == 2 and "apt-get install xvfb" in result.stderr
    assert window.asked == []


def test_xvfb_that_does_not_start_is_told(window: FakeWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "bin" / "Xvfb"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(broken.parent), prepend=os.pathsep)
    monkeypatch.setattr(display, "_require_cursor_library", lambda: None)
    before = dict(os.environ)
    with pytest.raises(UnsupportedError, match="does not start"), display.virtual_display():
        pass
    assert dict(os.environ) == before


def test_list_tells_all_samples() -> None:
    result = run("--list")
    assert result.exit_code == 0
    for sample in SAMPLES:
        assert f"{sample.name}: " in result.stdout


def test_unknown_samples_and_folders_that_cannot_be_are_refused(window: FakeWindow, tmp_path: Path) -> None:
    result = run("unicorn")
    assert result.exit_code == 2 and "hemibrain" in result.stderr
    (tmp_path / "file").write_text("")
    result = run("cells", "--output", str(tmp_path / "file" / "inside"))
    assert result.exit_code == 2 and result.stderr.startswith("error:")
    assert window.asked == []


def test_data_that_cannot_be_had_are_told_in_one_line(window: FakeWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(sample: Any, progress: Any) -> Path:
        raise UnreachableError("the data could not be fetched")

    monkeypatch.setattr("zvview.samples.prepare_sample", fail)
    result = run()
    assert result.exit_code == 2 and result.stderr.strip() == "error: the data could not be fetched"
