"""``zvview link``: what others can open, what they cannot, and the way through this machine."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from typer.testing import CliRunner

import zvview
import zvview.testing
from zvview.cli.app import app
from zvview.neuroglancer.links import reading
from zvview.neuroglancer.links.urls import make_link, parse_link


def state_of(*urls: str) -> dict[str, Any]:
    return {
        "dimensions": {"x": [1, "m"], "y": [1, "m"], "z": [1, "m"]},
        "position": [1, 2, 3],
        "layers": [{"type": "annotation", "name": f"l{n}", "source": {"url": url}} for n, url in enumerate(urls)],
    }


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["link", *arguments])


@pytest.fixture
def export(tmp_path: Path) -> str:
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "state.json").write_text(json.dumps(state_of("./points/|neuroglancer-precomputed:")))
    return str(folder)


def test_an_export_that_is_hosted_gets_a_link(export: str, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    where = ["--url", "https://h.org/e", "--prefix", "https://ng.org/v/", "--at", "7,8,9", "--state-json", str(out)]
    found = run(export, *where)
    assert found.exit_code == 0, found.stderr
    assert found.stdout.startswith("https://ng.org/v/#!")
    state = parse_link(found.stdout.strip())
    assert state == json.loads(out.read_text())
    assert isinstance(state, dict)
    assert state["position"] == [7, 8, 9]
    assert state["layers"][0]["source"]["url"] == "https://h.org/e/points/|neuroglancer-precomputed:"
    assert "CORS" in found.stderr


def test_images_lie_below_if_they_have_an_address(export: str, tmp_path: Path) -> None:
    images = ["--image", "https://h.org/em.zarr", "--image", "precomputed://gs://b/em"]
    found = run(export, "--url", "https://h.org/e", *images)
    assert found.exit_code == 0, found.stderr
    state = parse_link(found.stdout.strip())
    assert isinstance(state, dict)
    assert [layer["name"] for layer in state["layers"]] == ["image", "image 2", "l0"]
    assert state["layers"][0]["source"] == "https://h.org/em.zarr/|zarr:"
    refused = run(export, "--url", "https://h.org/e", "--image", str(tmp_path))
    assert refused.exit_code == 2 and refused.stdout == "" and "expected an address" in refused.stderr


@pytest.mark.parametrize("end", ["", "/", "/index.html", "/index.html?a=b", "/state.json"])
def test_the_address_in_the_browser_is_that_of_the_export(
    export: str, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    text = (Path(export) / "state.json").read_text()
    monkeypatch.setattr(reading, "_fetch", lambda url: {"https://h.org/e/state.json": text}[url])
    found = run(f"https://h.org/e{end}")
    assert found.exit_code == 0, found.stderr
    state = parse_link(found.stdout.strip())
    assert isinstance(state, dict)
    assert state["layers"][0]["source"]["url"] == "https://h.org/e/points/|neuroglancer-precomputed:"


def test_a_hosted_zip_needs_no_more_than_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    held = json.dumps(state_of(".|zip:export/points/|neuroglancer-precomputed:")).encode()
    monkeypatch.setattr(reading, "read_member", lambda url, name, most, *, wait_s: held)
    found = run("https://h.org/e.zip")
    assert found.exit_code == 0, found.stderr
    assert "https://h.org/e.zip|zip:export/points/|neuroglancer-precomputed:" in unquote(found.stdout)


def test_what_others_cannot_reach_gets_none(export: str) -> None:
    for places, reason in [
        ([export], "no address"),
        ([export, "--url", "http://localhost:8000/e"], "this machine"),
        ([make_link(state_of("https://h.org/x", "python://volume/1"))], "one running process"),
    ]:
        found = run(*places)
        assert found.exit_code == 2
        assert found.stdout == ""
        assert "not shareable: layer 'l" in found.stderr
        assert reason in found.stderr
        assert ("with --url" in found.stderr) == (places == [export])
    refused = run(export, "--url", "h.org/e")
    assert refused.exit_code == 2 and "'h.org/e' is no address of a site, such as https://" in refused.stderr


def test_links_are_joined_and_long_ones_warned_of(tmp_path: Path) -> None:
    long = state_of(*[f"https://h.org/{n}/{'x' * 200}" for n in range(50)])
    found = run(make_link(long), make_link(state_of("https://h.org/other")))
    state = parse_link(found.stdout.strip())
    assert isinstance(state, dict)
    assert len(state["layers"]) == 51
    names = [layer["name"] for layer in state["layers"]]
    assert len(set(names)) == 51 and "l0 2" in names, "the layer of the other link has a name that was taken"
    assert "may cut it" in found.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(["--at", "1,2"], None), (["--at", "1,2,3,4"], "--at has 4"), (["--prefix", "ng.org"], "ng.org")],
)
def test_what_is_asked_wrongly_is_told(arguments: list[str], word: str | None) -> None:
    found = run(make_link(state_of("https://h.org/x")), *arguments)
    assert found.exit_code == (0 if word is None else 2)
    assert word is None or word in found.stderr


def test_a_store_is_served_by_a_local_link(tmp_path: Path) -> None:
    place, out = tmp_path / "points.zarrvectors", tmp_path / "state.json"
    with zvview.create(place, kind="point_cloud", axes="xyz", chunk_shape=(50, 50, 50)) as store:
        store.write(zvview.Points(np.random.default_rng(1).uniform(0, 100, (100, 3)).astype("f4")))
    command = [sys.executable, "-m", "zvview", "link", str(place), "--at", "1,2,3", "--state-json", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("http://127.0.0.1:")
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 0
    assert "this machine" in said
    assert json.loads(out.read_text())["position"] == [1, 2, 3]
    mixed = run(str(place), make_link(state_of("https://h.org/x")))
    assert mixed.exit_code == 2
    assert "one link" in mixed.stderr


def test_an_export_that_tells_where_it_is_is_not_moved(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text(json.dumps(state_of("https://a.org/e/points/|neuroglancer-precomputed:")))
    found = run(str(state), "--url", "https://b.org/e")
    assert found.exit_code == 2 and found.stdout == ""
    assert "--url means nothing" in found.stderr and "zvview export" in found.stderr


def test_what_is_for_exports_is_not_taken_with_stores(tmp_path: Path, export: str) -> None:
    place = str(tmp_path / "points")
    zvview.testing.make_store(place, "point_cloud", size=30).close()
    for option in ("--url", "--prefix"):
        found = run(place, option, "https://h.org/e")
        assert found.exit_code == 2 and "only this machine reads stores" in found.stderr
    found = run(export, place)
    assert found.exit_code == 2 and f"export {place} first" in " ".join(found.stderr.split())
    found = run(export, "--url", "https://h.org/e", "--prefix", "foo")
    assert found.exit_code == 2 and "'foo' is no address of a site" in found.stderr


def test_files_that_are_no_states_are_told_by_name(tmp_path: Path) -> None:
    for text in ("[1, 2]", "5"):
        (tmp_path / "odd.json").write_text(text)
        found = run(str(tmp_path / "odd.json"))
        assert found.exit_code == 2 and "odd.json: no state of Neuroglancer" in "".join(found.stderr.split("\n"))
