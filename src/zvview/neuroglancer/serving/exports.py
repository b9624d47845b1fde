"""Exports on this machine, read by the client from where they lie, as it would read them from a web server."""

from __future__ import annotations

import os
from typing import Any, Final

from zvview.neuroglancer.links.reading import hosted_at, read_state
from zvview.neuroglancer.serving.folders import ServedFile, ServedFolder
from zvview.neuroglancer.serving.mounting import Mounted

__all__ = ["serve_export"]

_ZIP: Final = "export.zip"  # whatever the file is called, which addresses may not take


def serve_export(mounted: Mounted, name: str, place: str) -> dict[str, Any]:
    """Let an export be read, and tell its state, whose sources are where it is read then.

    Sources that tell an address of their own, as those of an export with ``url``, are read from there.

    Parameters
    ----------
    mounted : Mounted
    name : str
        Under which it is read.
    place : str
        Its folder or zip.

    Raises
    ------
    BadFileError
        It holds no state.
    UnreachableError
    """
    state = read_state(place)
    if os.path.isdir(place):
        mounted.door.published[name] = ServedFolder(place)
        return hosted_at(state, f"{mounted.url}/{name}")
    mounted.door.published[name] = ServedFile(place, _ZIP)
    return hosted_at(state, f"{mounted.url}/{name}/{_ZIP}")
