"""Images below the stores: the units that those on this machine tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from zvview.neuroglancer.images import Image, image_layer, image_units

AXES = [{"name": "c", "type": "channel"}, *({"name": n, "type": "space", "unit": "micrometer"} for n in "yx")]
FOUND = {"y": (1e-6, "m"), "x": (1e-6, "m")}


def make(folder: Path, document: str, told: Any) -> Image:
    folder.mkdir()
    (folder / document).write_text(told if isinstance(told, str) else json.dumps(told), encoding="utf-8")
    (folder / ".zgroup").write_text('{"zarr_format": 2}', encoding="utf-8")
    return Image(str(folder))


@pytest.mark.parametrize("kind", ["0.4", "0.5"])
def test_units_are_those_of_the_first_image_that_tells_them(tmp_path: Path, kind: str) -> None:
    told: Any = {"multiscales": [{"axes": AXES}]}
    documents = {"0.4": (".zattrs", told), "0.5": ("zarr.json", {"attributes": {"ome": told}})}
    first = make(tmp_path / "a", *documents[kind])
    other = [{"name": n, "unit": "nanometer"} for n in "zy"]
    second = make(tmp_path / "b", ".zattrs", {"multiscales": [{"axes": other}]})
    far = Image("https://host/em.zarr")
    assert image_units([far, first]) == FOUND
    assert image_units([far, first, second]) == {**FOUND, "z": (1e-9, "m")}
    assert image_units([]) == {}


@pytest.mark.parametrize(
    "told",
    [
        "",
        "[",
        "[" * 100_000,
        [],
        {"multiscales": []},
        {"multiscales": {"0": 1}},
        {"multiscales": [1]},
        {"multiscales": [{"axes": "zyx"}]},
        {"multiscales": [{"axes": ["z", 1, None, {"name": 1, "unit": "nm"}, {"name": "x", "unit": 1}]}]},
        {"multiscales": [{"axes": [{"name": "x", "unit": "furlong"}]}]},
    ],
    ids=lambda told: str(told)[:40],
)
def test_documents_that_tell_none_are_passed_over(tmp_path: Path, told: Any) -> None:
    for number, document in enumerate(("zarr.json", ".zattrs")):
        assert image_units([make(tmp_path / str(number), document, told)]) == {}


def test_an_image_with_limits_shines_through_what_lies_below() -> None:
    layer = image_layer(Image("https://host/em.zarr", "em", limits=(0, 9), opacity=0.5, is_visible=False))
    assert (layer["blend"], layer["opacity"], layer["visible"]) == ("additive", 0.5, False)
    assert layer["source"] == "https://host/em.zarr/|zarr:"
    assert set(image_layer(Image("https://host/em.zarr"))) == {"type", "name", "source"}
