"""Saving where it cannot go well: each is told in plain words, nothing is left behind, and nothing that was is lost."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QProgressDialog, QPushButton

import zvview
from zvview.errors import Cancelled, UnreachableError, ZvviewError
from zvview.napari.writing.background import save_in_background
from zvview.napari.writing.plan import SavePlan
from zvview.napari.writing.waiting import wait_for
from zvview.napari.writing.writer import write_layers
from zvview.store.places.folder_sink import FolderSink
from zvview.store.places.zip_sink import ZipSink


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A small store."""
    found = tmp_path / "cells.zarrvectors"
    with zvview.create(found, kind="point_cloud") as store:
        values = {"score": np.arange(300, dtype=np.float32)}
        store.write(zvview.Points(np.random.default_rng(0).random((300, 3), np.float32), attributes=values))
    return found


@pytest.fixture
def layer(window: Any, place: Path) -> Any:
    window.drop(place)
    window.settle()
    return window.viewer.layers[0]


def messages(since: int) -> list[str]:
    return [note.message for note in notification_manager.records[since:]]


def test_two_layers_of_one_store_are_two_members(window: Any, layer: Any, place: Path, tmp_path: Path) -> None:
    window.drop(place)
    first, second = window.viewer.layers
    second.opacity = 0.5
    window.viewer.layers.save(str(tmp_path / "twice.zarrvectors"))
    with zvview.open(tmp_path / "twice.zarrvectors") as both:
        assert len(both) == 2 and all(member.level(0).vertex_count == 300 for member in both.values())
        opacities = [both[name].user_metadata.get("zvview_look", {}).get("opacity") for name in both]
    assert sorted(opacities, key=str) == [0.5, None] and first.opacity == 1
    before = files_of(place)
    window.viewer.layers.save(str(place))  # both come from there
    assert files_of(place) == before


def test_a_collection_is_not_saved_onto_a_member_or_into_it(window: Any, layer: Any, tmp_path: Path) -> None:
    window.viewer.add_points(np.eye(3), size=0.01, name="spots")
    both = tmp_path / "both.zarrvectors"
    window.viewer.layers.save(str(both))
    window.viewer.layers.clear()
    window.drop(both)
    window.settle()
    before = files_of(both)
    members = sorted(path.name for path in both.iterdir() if path.is_dir())
    for target in (both / members[0], both / members[0] / "inner.zv"):
        with pytest.raises(ZvviewError, match="another place"):
            write_layers(str(target), [one.as_layer_data_tuple() for one in window.viewer.layers])
    assert files_of(both) == before


@pytest.mark.parametrize("is_streaming", [True, False])
def test_a_zip_is_replaced_whole_or_not_at_all(
    window: Any, layer: Any, tmp_path: Path, is_streaming: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = window.viewer.add_points(np.eye(3), size=0.01, name="spots")
    target = tmp_path / "old.zv.zip"
    other.save(str(target))
    old = target.read_bytes()
    saved = layer if is_streaming else window.viewer.add_points(np.zeros((5, 3)), size=0.01, name="more")

    def fail(self: Any, *_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(ZipSink, "put_many", fail)
        with pytest.raises((OSError, ZvviewError), match="No space left"):
            saved.save(str(target))
    assert target.read_bytes() == old
    saved.save(str(target))  # the dialog of files has asked
    with zvview.open(target) as store:
        assert store.level(0).vertex_count == (300 if is_streaming else 5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells.zarrvectors", "old.zv.zip"]


def test_a_full_disk_is_told_and_what_was_there_stays(
    window: Any, layer: Any, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.viewer.add_points(np.eye(3), size=0.01, name="spots").save(str(tmp_path / "old.zarrvectors"))
    old, put = files_of(tmp_path / "old.zarrvectors"), FolderSink.put_many
    calls: list[int] = []

    def fail(self: Any, items: Any) -> None:
        calls.append(1)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        put(self, items)

    monkeypatch.setattr(FolderSink, "put_many", fail)
    monkeypatch.setattr("zvview.store.staging._WAVE_KEYS", 2)
    monkeypatch.setattr("zvview.napari.writing.target.ask", lambda question: True)
    for target in (tmp_path / "new.zarrvectors", tmp_path / "old.zarrvectors"):
        calls.clear()
        with pytest.raises((OSError, ZvviewError), match="No space left"):
            layer.save(str(target))
    assert files_of(tmp_path / "old.zarrvectors") == old
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells.zarrvectors", "old.zarrvectors"]


def test_a_folder_that_cannot_be_written_is_named(
    window: Any, layer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(closed))

    monkeypatch.setattr("tempfile.mkdtemp", refuse)  # whoever runs the tests may be allowed everything
    for saved in (layer, window.viewer.add_points(np.eye(3))):
        with pytest.raises(UnreachableError, match=r"closed.* cannot be written"):
            saved.save(str(closed / "new.zarrvectors"))
    with pytest.raises(ZvviewError):
        layer.save(str(tmp_path / "no" / "such" / "folder" / "new.zarrvectors"))
    assert list(closed.iterdir()) == []


def test_the_window_lives_while_it_waits_and_can_stop_the_work(window: Any) -> None:
    beats: list[int] = []
    timer = QTimer()
    timer.timeout.connect(lambda: beats.append(1))
    timer.start(20)

    def stop() -> None:
        dialog = QApplication.activeModalWidget()
        assert isinstance(dialog, QProgressDialog) and "half of it" in dialog.labelText()
        dialog.findChild(QPushButton).click()

    def work(progress: Callable[[int, int, str], None], cancel: Any) -> None:
        progress(1, 2, "half of it")
        while True:
            cancel.raise_if_cancelled()

    QTimer.singleShot(1200, stop)
    with pytest.raises(Cancelled):
        wait_for("saving", work)
    timer.stop()
    assert len(beats) > 5
    assert wait_for("saving", lambda progress, cancel: 5) == 5


def test_layers_are_saved_in_the_background_as_they_were_then(window: Any, layer: Any, tmp_path: Path) -> None:
    data = np.random.default_rng(1).random((20_000, 3)).astype(np.float32)
    plain = window.viewer.add_points(data.copy(), size=0.001, name="plain", features={"x": data[:, 0].copy()})
    since = len(notification_manager.records)
    saving = save_in_background(str(tmp_path / "both"), [layer, plain])
    assert saving is not None
    plain._data[:] = 0  # as tools write into it
    plain.features["x"] = 0.0
    window.viewer.layers.clear()
    window.wait(lambda: not saving.is_busy, seconds=60)
    assert messages(since) == [f"saved: {tmp_path / 'both.zarrvectors'}"]
    with zvview.open(tmp_path / "both.zarrvectors") as both:
        assert list(both) == ["cells", "plain"] and both["cells"].level(0).vertex_count == 300
        batch = both["plain"].level(0).read()
    np.testing.assert_array_equal(np.sort(batch.positions[:, 2]), np.sort(data[:, 0]))
    np.testing.assert_array_equal(np.sort(batch.attributes["x"]), np.sort(data[:, 0]))


def test_saving_in_the_background_is_stopped_and_refused_in_words(
    window: Any, layer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(self: Any, progress: Any, cancel: Any) -> list[str]:
        while True:
            cancel.raise_if_cancelled()

    monkeypatch.setattr(SavePlan, "run", run)
    since = len(notification_manager.records)
    saving = save_in_background(str(tmp_path / "copy"), [layer])
    assert saving is not None and saving.is_busy
    saving.cancel()
    window.wait(lambda: not saving.is_busy)
    image = window.viewer.add_image(np.zeros((4, 4)))
    assert save_in_background(str(tmp_path / "copy"), [image]) is None
    (tmp_path / "letter.zv").write_text("mine")
    assert save_in_background(str(tmp_path / "letter.zv"), [layer]) is None
    stopped, other, foreign = messages(since)
    assert "was not saved: stopped" in stopped and "only layers of type" in other and "is not replaced" in foreign
    assert (tmp_path / "letter.zv").read_text() == "mine" and not (tmp_path / "copy.zarrvectors").exists()
