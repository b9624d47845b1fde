"""Volumes of voxels below the stores: where they are, and how they look."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

from zvview.errors import InvalidInputError
from zvview.neuroglancer.encoding.units import parse_unit

__all__ = ["Image", "image_layer", "image_units", "local_folder"]

_ADAPTERS: Final = {"zarr": "|zarr:", "precomputed": "|neuroglancer-precomputed:", "n5": "|n5:"}
_DOCUMENTS: Final = ("zarr.json", ".zarray", ".zgroup")


@dataclass(frozen=True, slots=True)
class Image:
    """A volume of voxels.

    Attributes
    ----------
    address : str
        As the client takes it, or the folder of a Zarr array or an OME-Zarr on this machine.
    name : str
    limits : (float, float) or None
        Values that are black and brightest.
    colours : tuple of (red, green, blue)
        Of a colour map, from 0 to 1, at equal steps between the limits; grey without any.
    opacity : float
    is_visible : bool
    transform : mapping or None
        Where it lies, as the client's states tell it; None where the volume says so itself.
    """

    address: str
    name: str = "image"
    limits: tuple[float, float] | None = None
    colours: tuple[tuple[float, float, float], ...] = ()
    opacity: float = 1.0
    is_visible: bool = True
    transform: Mapping[str, Any] | None = None


def local_folder(address: str) -> str | None:
    """The folder on this machine that an address of an image names; None for other addresses.

    Raises
    ------
    InvalidInputError
        Neither an address nor a folder that holds Zarr.
    """
    if "://" in address:
        return None
    if not any(os.path.isfile(os.path.join(address, name)) for name in _DOCUMENTS):
        raise InvalidInputError(
            f"image {address!r}: expected the folder of a Zarr array or an OME-Zarr, or an address such as "
            "https://host/volume.zarr"
        )
    return os.path.abspath(address)


def image_units(images: Iterable[Image]) -> dict[str, tuple[float, str]]:
    """Scale and unit by axis, as OME-Zarrs on this machine tell them; the first of them that tells one counts."""
    units: dict[str, tuple[float, str]] = {}
    folders = [folder for image in images if (folder := local_folder(image.address)) is not None]
    documents = {"zarr.json": ("attributes", "ome"), ".zattrs": ()}
    for folder, (document, parts) in product(folders, documents.items()):
        axes = _within(_read_json(os.path.join(folder, document)), *parts, "multiscales", 0, "axes")
        for axis in axes if isinstance(axes, list) else []:
            name, unit = _within(axis, "name"), _within(axis, "unit")
            found = parse_unit(unit) if isinstance(unit, str) else None
            if isinstance(name, str) and found is not None:
                units.setdefault(name, found)
    return units


def _read_json(path: str) -> Any:
    try:
        with open(path, "rb") as file:
            return json.load(file)
    except (OSError, ValueError, RecursionError):
        return None


def _within(found: Any, *steps: str | int) -> Any:
    """What is at the end of steps into a document; None where it is not."""
    for step in steps:
        if isinstance(step, str):
            found = found.get(step) if isinstance(found, dict) else None
        else:
            found = found[step] if isinstance(found, list) and len(found) > step else None
    return found


def image_layer(image: Image) -> dict[str, Any]:
    """A layer of a volume of voxels.

    Parameters
    ----------
    image : Image
        At an address such as ``zarr://https://...``; plain addresses are those of Zarr, OME-Zarr or N5 where they say
        so, else of Neuroglancer's precomputed volumes.
    """
    scheme, mark, rest = image.address.partition("://")
    if not mark or not rest:
        raise InvalidInputError(f"image {image.address!r}: expected an address such as https://host/volume.zarr")
    address = image.address
    if scheme in ("http", "https", "s3", "gs", "gs+s3") and "|" not in address:
        kind = next((kind for kind in ("zarr", "n5") if f".{kind}" in rest.lower()), "precomputed")
        address = f"{address.rstrip('/')}/{_ADAPTERS[kind]}"
    layer: dict[str, Any] = {"type": "image", "name": image.name, "source": address}
    if image.transform is not None:
        layer["source"] = {"url": address, "transform": dict(image.transform)}
    if image.limits is not None or image.colours:
        layer |= {"shader": _shader(image.limits, image.colours), "opacity": image.opacity, "blend": "additive"}
    return layer if image.is_visible else {**layer, "visible": False}


def _shader(limits: tuple[float, float] | None, colours: Sequence[tuple[float, float, float]]) -> str:
    span = f"(range=[{limits[0]:.9g}, {limits[1]:.9g}])" if limits and limits[0] < limits[1] else ""
    lines = [f"#uicontrol invlerp contrast{span}"]
    if len(colours) < 2:
        return "\n".join([*lines, "void main() {", "  emitGrayscale(clamp(contrast(), 0.0, 1.0));", "}", ""])
    count = len(colours)
    table = ", ".join(f"vec3({', '.join(f'{part:.4f}' for part in colour)})" for colour in colours)
    lines += [
        f"const vec3 COLOURS[{count}] = vec3[{count}]({table});",
        "void main() {",
        f"  float place = clamp(contrast(), 0.0, 1.0) * {count - 1}.0;",
        f"  int below = min(int(place), {count - 2});",
        "  emitRGB(mix(COLOURS[below], COLOURS[below + 1], place - float(below)));",
        "}",
        "",
    ]
    return "\n".join(lines)
