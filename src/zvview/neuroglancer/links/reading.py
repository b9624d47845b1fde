"""From a link, a state file or an export back to what it shows: places, layers and view."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from zvview.errors import BadFileError, UnreachableError, UnsupportedError
from zvview.neuroglancer.links.hosted_zips import read_member
from zvview.neuroglancer.links.poses import Pose
from zvview.neuroglancer.links.shareable import place_of, source_urls
from zvview.neuroglancer.links.urls import parse_link

__all__ = [
    "STATE",
    "LinkedLayer",
    "Reading",
    "hosted_at",
    "is_export",
    "is_link",
    "is_zip",
    "read_link",
    "read_state",
    "with_layers_of",
]

STATE: Final = "state.json"
"""The file beside an export that holds its state."""

_MOST_BYTES: Final = 16 << 20
_WAIT_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class LinkedLayer:
    """A layer of a state.

    Attributes
    ----------
    name, kind : str
        `kind` is ``annotation``, ``segmentation``, ``image`` or another of the client's.
    places : tuple of str
        Addresses of its data, without what tells their format.
    is_visible : bool
    state : mapping
        All that the state says of it.
    """

    name: str
    kind: str
    places: tuple[str, ...]
    is_visible: bool
    state: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What a state shows.

    Attributes
    ----------
    layers : tuple of LinkedLayer
    pose : Pose
    """

    layers: tuple[LinkedLayer, ...]
    pose: Pose

    @property
    def places(self) -> tuple[str, ...]:
        """Addresses of all data, each once."""
        return tuple(dict.fromkeys(place for layer in self.layers for place in layer.places))

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Reading:
        """What a state shows.

        Raises
        ------
        BadFileError
            Values that are none.
        """
        layers = state.get("layers", [])
        if not isinstance(layers, list) or not all(isinstance(layer, Mapping) for layer in layers):
            raise BadFileError("state of Neuroglancer", "layers: expected a list of objects")
        return cls(tuple(map(_read_layer, layers)), Pose.of_state(state))


def read_link(link: str) -> Reading:
    """What a link, a state, the address of one or an export shows; may read from the web.

    Raises
    ------
    BadFileError
        It holds no state.
    UnreachableError
    UnsupportedError
        The state lies where only the client can read.
    """
    return Reading.of_state(read_state(link))


def is_link(text: str) -> bool:
    """Whether a text is a link, a state, a file of one, or an export on this machine, rather than a store."""
    if "#!" in text or text.lstrip().startswith("{"):
        return True
    plain = _plain(text) if "://" in text else text
    if plain.endswith(".json") and not plain.endswith("zarr.json"):
        return True
    return is_export(text)


def is_export(text: str) -> bool:
    """Whether a text is the folder or the zip of an export on this machine."""
    return "://" not in text and (_is_export_zip(text) or os.path.isfile(os.path.join(text, STATE)))


def read_state(text: str) -> dict[str, Any]:
    """The state in a link, in a file or at an address; of an export, the one beside it.

    Raises
    ------
    BadFileError
    UnreachableError
    UnsupportedError
        The state lies where only the client can read.
    """
    if "#!" in text or text.lstrip().startswith("{"):
        found = parse_link(text)
        return found if isinstance(found, dict) else read_state(found)
    if text.startswith(("http://", "https://")) and is_zip(text):
        body = _text(text, read_member(text, STATE, _MOST_BYTES + 1, wait_s=_WAIT_S))
    elif text.startswith(("http://", "https://")):
        body = _fetch(text if text.endswith(".json") else f"{text.rstrip('/')}/{STATE}")
    elif "://" in text:
        raise UnsupportedError(f"{text}: only the client can read a state there; tell its https address")
    else:
        body = _read_file(text)
    try:
        found = parse_link(body)
    except BadFileError as error:
        raise BadFileError(text, error.reason) from error
    if not isinstance(found, dict):
        raise BadFileError(text, "no state of Neuroglancer")
    return found


def is_zip(address: str) -> bool:
    """Whether an address is that of a zip, by its name."""
    return _plain(address).lower().endswith(".zip")


def _plain(address: str) -> str:
    """An address without what is behind its path."""
    return address.partition("#")[0].partition("?")[0]


def hosted_at(state: Mapping[str, Any], url: str) -> dict[str, Any]:
    """The state of an export that is told relative to itself, with the address where it is.

    Parameters
    ----------
    state : mapping
    url : str
        Of the folder or the zip of the export.
    """
    base = url.rstrip("/")

    def place(found: Any) -> Any:
        if isinstance(found, str):
            return f"{base}{found[1:]}" if found.startswith(("./", ".|")) else found
        if isinstance(found, list):
            return [place(part) for part in found]
        if isinstance(found, Mapping):
            return {key: place(part) if key == "url" else part for key, part in found.items()}
        return found

    layers = [
        {**layer, "source": place(layer["source"])} if isinstance(layer, Mapping) and "source" in layer else layer
        for layer in state.get("layers", [])
    ]
    return {**state, "layers": layers}


def with_layers_of(state: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """A state with the layers of another one as well, which are called otherwise where their names are taken."""
    layers, added = list(state.get("layers", ())), list(other.get("layers", ()))
    taken = {layer.get("name") for layer in layers}
    names: dict[str, str] = {}
    for layer in added:
        name, number = str(layer.get("name", "")), 1
        free = name
        while free in taken:
            number += 1
            free = f"{name} {number}"
        taken.add(free)
        names[name] = free
    for layer in added:
        own = {**layer, "name": names[str(layer.get("name", ""))]}
        linked = layer.get("linkedSegmentationLayer")
        if isinstance(linked, Mapping):
            own["linkedSegmentationLayer"] = {key: names.get(name, name) for key, name in linked.items()}
        layers.append(own)
    return {**state, "layers": layers}


def _read_layer(layer: Mapping[str, Any]) -> LinkedLayer:
    urls = [url for _, url in source_urls({"layers": [layer]})]
    visible = layer.get("visible", True) is not False and not layer.get("archived", False)
    places = tuple(dict.fromkeys(map(place_of, urls)))
    return LinkedLayer(str(layer.get("name", "")), str(layer.get("type", "auto")), places, visible, layer)


def _fetch(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=_WAIT_S) as reply:
            body: bytes = reply.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise UnreachableError(f"{url}: {reason}") from error
    return _text(url, body)


def _read_file(path: str) -> str:
    try:
        if _is_export_zip(path):
            with zipfile.ZipFile(path) as archive, archive.open(STATE) as member:
                return _text(path, member.read(_MOST_BYTES + 1))
        inside = os.path.join(path, STATE) if os.path.isdir(path) else path
        with open(inside, "rb") as file:
            return _text(path, file.read(_MOST_BYTES + 1))
    except OSError as error:
        raise UnreachableError(f"{path}: {error.strerror or error}") from error
    except (zipfile.BadZipFile, KeyError) as error:
        raise BadFileError(path, f"no export: {error}") from error


def _is_export_zip(path: str) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return STATE in archive.namelist()
    except (OSError, zipfile.BadZipFile, ValueError):
        return False


def _text(place: str, body: bytes) -> str:
    if len(body) > _MOST_BYTES:
        raise BadFileError(place, f"more than {_MOST_BYTES:,} bytes")
    try:
        text = body.decode("utf-8")
        json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadFileError(place, f"no JSON: {error}") from error
    return text
