"""``zvview.neuroglancer.export``: a store, or a collection, as files that any web server or bucket can host.

Flow: the sources of the stores (contents) are planned in units (planning), which processes write (workers, writing);
what is there is remembered (record), so that the next run (runs) writes what changed and nothing else.
"""

from __future__ import annotations

import os
import re
from typing import Any, Final

from zvview.cancel import CancelToken
from zvview.errors import ConflictError, InvalidInputError
from zvview.neuroglancer.exporting.contents import Contents
from zvview.neuroglancer.exporting.runs import Exported, Format, Progress, Run
from zvview.neuroglancer.exporting.targets import Target, held
from zvview.neuroglancer.exporting.workers import MOST_THREADS
from zvview.neuroglancer.sources.contract import StaleLevelsError

__all__ = ["export"]

_FORMATS: Final = ("directory", "sharded", "zip")
_TRIES: Final = 3
_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]+://")


def export(
    place: Any,
    out: str | os.PathLike[str],
    *,
    format: Format = "directory",
    url: str | None = None,
    workers: int = 0,
    cancel: CancelToken | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Write what Neuroglancer needs of a store, or of all members of a collection.

    A second run to the same place writes what changed since and nothing else; one that was broken off goes on where it
    was. The files are those that :func:`zvview.neuroglancer.view` answers with.

    Parameters
    ----------
    place : str, path, Store or Collection
        What :func:`zvview.open` takes, or gives.
    out : str or path
        A new folder or zip, or one that was exported before.
    format : {"directory", "sharded", "zip"}
        A file for each cell; few files with many cells each; or those in one uncompressed zip.
    url : str, optional
        Where `out` is going to be on the web: the sources of ``state.json`` begin with it.
    workers : int
        Those that share the work: two threads, or more processes, each with the store opened for itself. Scripts that
        ask for more than two need ``if __name__ == "__main__":``.
    cancel : CancelToken, optional
    progress : callable, optional
        Called with what is done, what is to be done, and what that is.

    Raises
    ------
    ExistsError
        There is something at `out` that is no export.
    InvalidInputError
        `out` lies in the store, or is an address; a format, an address or a number of workers that cannot be.
    UnsupportedError
        A kind of store that Neuroglancer cannot be given.
    ConflictError
        The store changes again and again, or another process exports to the same place.
    UnreachableError
        The store cannot be read, or `out` cannot be written.
    Cancelled
    """
    if format not in _FORMATS:
        raise InvalidInputError(f"format {format!r}, expected one of {', '.join(_FORMATS)}")
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 0:
        raise InvalidInputError(f"workers = {workers!r}, expected a number of them")
    if not isinstance(place, str | os.PathLike):
        workers = min(workers, MOST_THREADS)  # what is open cannot be given to another process
    if _ADDRESS.match(os.fspath(out)):
        raise InvalidInputError(
            f"{out} is an address, expected a folder or a zip on this machine: upload the files from there"
        )
    if url is not None and not _ADDRESS.match(url):
        raise InvalidInputError(f"url {url!r}: expected where the files are going to be, such as https://host/path")
    target = Target(os.path.realpath(out), format == "zip")
    run = Run(place, target, format, url, workers, cancel, progress)
    with Contents(place) as contents:
        target.refuse(contents.files())
        if (found := run.find_whole(contents)) is not None:
            return found
        dict(contents.sources())  # what cannot be exported leaves nothing behind
    with held(target):
        with_levels = True
        for _ in range(_TRIES):
            with Contents(place, with_levels=with_levels) as contents:
                state = contents.state()
                try:
                    done = run.perform(contents, state)
                except StaleLevelsError:
                    with_levels = False
                    continue
                except ConflictError:
                    continue
                if contents.state() == state:
                    return done
    raise ConflictError(f"{place} was changed {_TRIES} times while it was exported; try again later")
