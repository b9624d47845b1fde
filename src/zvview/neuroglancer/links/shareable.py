"""Whether others can open a state: the reasons why they could not, in plain words.

A source that only this machine reaches makes a link that works for its maker alone, and is not called shareable.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

__all__ = ["doubts_about", "place_of", "reasons_not_public", "source_urls"]

_KVSTORES: Final = frozenset({"http", "https", "gs", "s3", "gs+s3", "s3+http", "s3+https", "gs+https"})
_FORMATS: Final = re.compile(r"^(precomputed|zarr|zarr2|zarr3|n5|nifti|deepzoom|obj|vtk|brainmaps|graphene)://", re.I)
_PRIVATE_ENDS: Final = (".local", ".localhost", ".internal", ".lan", ".home", ".intranet", ".test", ".home.arpa")
_OPEN_TO_ALL: Final = ("storage.googleapis.com",)
_MOST_DEPTH: Final = 64


def reasons_not_public(state: Mapping[str, Any]) -> tuple[str, ...]:
    """Why others cannot open a state; nothing where, as far as addresses tell, they can.

    Parameters
    ----------
    state : mapping
        As JSON.
    """
    found = [(layer, _why_not_public(url)) for layer, url in source_urls(state)]
    return tuple(dict.fromkeys(f"layer {layer!r}: {why}" for layer, why in found if why is not None))


def doubts_about(state: Mapping[str, Any]) -> tuple[str, ...]:
    """What addresses do not tell, and must hold for others to see what the link shows."""
    places = [place_of(url) for _, url in source_urls(state)]
    hosts = {_host_of(place.partition("://")[2]) for place in places if place.startswith(("http://", "https://"))}
    doubts = [
        f"{host} must let other sites read (CORS: Access-Control-Allow-Origin), ranges included"
        for host in sorted(hosts - {"", *_OPEN_TO_ALL})
    ]
    if any(place.startswith("http://") for place in places):
        doubts.append("addresses with http are not read by clients with https")
    return tuple(doubts)


def source_urls(state: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names of layers and the addresses of their sources, those of meshes and skeletons included."""
    layers = state.get("layers", ())
    if isinstance(layers, Mapping):  # an older form, by name
        layers = [{"name": name, **layer} for name, layer in layers.items() if isinstance(layer, Mapping)]
    for layer in layers if isinstance(layers, list | tuple) else ():
        if isinstance(layer, Mapping):
            for key in ("source", "mesh", "skeletons"):
                for url in _urls_in(layer.get(key), _MOST_DEPTH):
                    yield str(layer.get("name", "")), url


def _urls_in(found: Any, depth: int) -> Iterator[str]:
    if isinstance(found, str):
        yield found
    elif isinstance(found, Mapping) and depth:
        yield from _urls_in(found.get("url"), depth - 1)
    elif isinstance(found, list | tuple) and depth:
        for part in found:
            yield from _urls_in(part, depth - 1)


def place_of(url: str) -> str:
    """The address of the data of a source, without the format before it and what is behind it."""
    while (shorter := _FORMATS.sub("", url, count=1)) != url:
        url = shorter
    return url.partition("|")[0].strip()


def _host_of(rest: str) -> str:
    """Name or number of the host of what is behind the scheme; empty where there is none."""
    try:
        return urlsplit(f"http://{rest}").hostname or ""
    except ValueError:
        return ""


def _why_not_public(url: str) -> str | None:
    if url.startswith("local://"):
        return None  # within the state itself
    plain = place_of(url)
    scheme, mark, rest = plain.partition("://")
    scheme = scheme.lower()
    if scheme in ("python", "boss-local") or not mark:
        return f"{plain[:80]!r} is known to one running process only" if mark else f"{plain[:80]!r} is no address"
    if scheme == "file":
        return f"{plain[:80]} is a file of this machine"
    if scheme not in _KVSTORES:
        return f"{plain[:80]}: others cannot be told to reach {scheme!r}"
    if scheme in ("gs", "s3", "gs+s3"):
        return None if rest.strip("/") else f"{plain[:80]} names no bucket"
    return _why_not_reached(_host_of(rest))


def _why_not_reached(host: str) -> str | None:
    """Why not everybody reaches a host; None where its name does not tell."""
    if not host:
        return "an address without a host"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.rstrip(".").lower()
        if name == "localhost" or name.endswith(".localhost"):
            return f"{host} is this machine"
        if re.fullmatch(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*", name):
            return f"{host} is an address in a form that is not told"
        if "." not in name or name.endswith(_PRIVATE_ENDS):
            return f"{host} is a name of a network of your own"
        return None
    mapped = getattr(address, "ipv4_mapped", None) or address
    if mapped.is_loopback or mapped.is_unspecified:
        return f"{host} is this machine"
    return None if mapped.is_global else f"{host} is an address of a network of your own"
