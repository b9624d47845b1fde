"""Where samples are kept, and how each gets there: whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Final

from zvview.cancel import CancelToken
from zvview.errors import UnreachableError, ZvviewError
from zvview.samples.sample import Progress, Sample
from zvview.store.check import check

__all__ = ["FOLDER_VARIABLE", "prepare_sample", "sample_folder", "sample_place"]

FOLDER_VARIABLE: Final = "ZVVIEW_CACHE"
"""Environment variable that names another folder."""

_TRIES: Final = 5  # to put a sample in its place while others do the same
_ABANDONED_S: Final = 6 * 3600  # a half-made sample that is older belongs to nobody any more


def sample_folder() -> Path:
    """The folder of all samples: below the user's cache folder, or below the one that the environment names."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named).expanduser() / "samples"
    from platformdirs import user_cache_path

    return user_cache_path("zvview", appauthor=False) / "samples"


def sample_place(sample: Sample) -> Path:
    """Where a sample is kept, be it there or not."""
    return sample_folder() / f"v{sample.version}" / f"{sample.name}.zarrvectors"


def prepare_sample(sample: Sample, progress: Progress | None = None, cancel: CancelToken | None = None) -> Path:
    """The place of a sample that is there and sound; made, or made anew, where it is not.

    It is made beside its place and moved there as a whole, so that a half-made one is never seen, whatever happens and
    whoever makes it at the same time.

    Raises
    ------
    UnreachableError
        The folder cannot be written, or the data of the sample cannot be had.
    ZvviewError
        As what makes the sample.
    """
    place = sample_place(sample)
    if _is_sound(place, progress):
        return place
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(place)
        with tempfile.TemporaryDirectory(prefix=f".{sample.name}-", dir=place.parent) as scratch:
            made = Path(scratch, place.name)
            sample.make(str(made), progress, cancel)
            if cancel is not None:
                cancel.raise_if_cancelled()
            _move(made, place, progress)
    except OSError as error:
        if isinstance(error, ZvviewError):
            raise
        raise UnreachableError(f"{place}: {error.strerror or error}; {FOLDER_VARIABLE} names another folder") from error
    return place


def _move(made: Path, place: Path, progress: Progress | None) -> None:
    """Put a sample in its place, unless another process put a sound one there; a damaged one goes aside."""
    for number in range(_TRIES):
        try:
            made.rename(place)
            return
        except OSError:
            if number == _TRIES - 1 or not place.exists():
                raise
        if _is_sound(place, progress):
            return
        with contextlib.suppress(FileNotFoundError):  # another process did so just now
            place.rename(made.with_name(f"replaced-{number}"))


def _is_sound(place: Path, progress: Progress | None) -> bool:
    """Whether a sample is there without an error in it."""
    if not place.exists():
        return False
    try:
        return check(place, progress=progress).ok
    except ZvviewError:
        return False


def _remove_abandoned(place: Path) -> None:
    for left in place.parent.glob(f".{place.name.partition('.')[0]}-*"):
        try:
            if time.time() - left.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(left, ignore_errors=True)
        except OSError:
            continue  # whoever made it removed it just now
