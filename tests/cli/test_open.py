"""``zvview open``: what reaches the window, and what is said where there can be none."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from zvview.cli import display
from zvview.cli.app import app
from zvview.errors import NotZarrVectorsError


class FakeWindow(ModuleType):
    """Stands in for :mod:`zvview.napari.window`, and notes what it is asked for."""

    def __init__(self) -> None:
        super().__init__("zvview.napari.window")
        self.asked: list[Any] = []

    def show_stores(self, places: list[str], **options: Any) -> None:
        if "nowhere" in places:
            raise NotZarrVectorsError("nowhere: nothing is there")
        self.asked.append((places, options))

    def show_sample(self, sample: Any, place: Path) -> None:
        self.asked.append((sample.name, place))

    def run(self) -> None:
        self.asked.append("run")


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> FakeWindow:
    """A machine with all that a window needs, and a fake window."""
    fake = FakeWindow()
    monkeypatch.setitem(sys.modules, "zvview.napari.window", fake)
    monkeypatch.setattr(display.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr("zvview.cli.open.require_display", lambda: None)
    return fake


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["open", *arguments])


def test_places_and_options_reach_one_window(window: FakeWindow) -> None:
    result = run("a.zv", "s3://b/c.zv", "--level", "2", "--slab", "12.5", "--2d")
    assert result.exit_code == 0, result.output
    options = {"level": 2, "slab": 12.5, "is_flat": True}
    assert window.asked == [(["a.zv", "s3://b/c.zv"], options), "run"]


def test_by_default_the_stores_decide(window: FakeWindow) -> None:
    assert run("a.zv").exit_code == 0
    assert window.asked[0][1] == {"level": None, "slab": None, "is_flat": None}


def test_error_of_a_store_is_one_line_and_no_window_runs(window: FakeWindow) -> None:
    result = run("nowhere")
    assert result.exit_code == 2 and result.stderr.strip() == "error: nowhere: nothing is there"
    assert window.asked == []


def test_a_place_is_needed() -> None:
    assert run().exit_code != 0


@pytest.mark.parametrize(
    ("absent", "message"),
    [({"napari"}, "napari is not installed"), ({"PyQt6", "PySide6", "PyQt5"}, "no Qt")],
)
def test_missing_packages_are_named_with_what_installs_them(
    absent: set[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(display.importlib.util, "find_spec", lambda name: None if name in absent else object())
    result = run("a.zv")
    assert result.exit_code == 2
    assert message in result.stderr and 'pip install "zvview[all]"' in result.stderr


@pytest.fixture
def linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display.sys, "platform", "linux")
    monkeypatch.setattr(display.importlib.util, "find_spec", lambda name: object())
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("linux")
def test_a_machine_without_a_display_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not display.has_display()
    result = run("a.zv")
    assert result.exit_code == 2 and "there is no display" in result.stderr
    monkeypatch.setenv("DISPLAY", ":12345")
    monkeypatch.setattr(display, "_answers", lambda: False)
    assert "the display :12345 does not answer" in run("a.zv").stderr
    monkeypatch.setattr(display, "_answers", lambda: True)
    assert display.has_display()


@pytest.mark.usefixtures("linux")
def test_wayland_is_a_display_and_so_are_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert display.has_display()
    monkeypatch.delenv("WAYLAND_DISPLAY")
    monkeypatch.setattr(display.sys, "platform", "darwin")
    assert display.has_display()


@pytest.mark.usefixtures("linux")
def test_library_that_qt_would_die_without_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise OSError(name)

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(display, "_answers", lambda: True)
    monkeypatch.setattr(ctypes, "CDLL", refuse)
    assert "libxcb-cursor0" in run("a.zv").stderr


@pytest.mark.usefixtures("linux")
def test_display_that_cannot_be_asked_is_taken_for_granted(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    assert display._answers()
