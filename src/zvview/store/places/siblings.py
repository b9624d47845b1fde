"""Hidden folders beside a store: the one in which it grows, and the one it was before it was replaced."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil

from zvview.store.places.source import ROOT_KEY

__all__ = ["name_replaced", "name_stage", "remove_stage", "sweep_replaced"]


def name_stage(target: str) -> str:
    """A new path beside `target` for the folder in which its next state grows."""
    parent, name = os.path.split(target)
    return os.path.join(parent, f".{name}.zvview-{secrets.token_hex(4)}")


def name_replaced(target: str) -> str:
    """A new path beside `target` for what it was until now."""
    parent, name = os.path.split(target)
    return os.path.join(parent, f".{name}.zvview-old-{secrets.token_hex(4)}")


def remove_stage(target: str, name: str) -> None:
    """Remove what grew beside `target` and whose process is dead.

    Parameters
    ----------
    target : str
    name : str
        Of the folder, without its parent. Names that are not those of such a folder are passed over.
    """
    if name in _siblings(target, "[0-9a-f]{8}") and not _is_swap_open(target):
        shutil.rmtree(os.path.join(os.path.dirname(target), name), ignore_errors=True)


def sweep_replaced(target: str) -> None:
    """Remove what dead processes left of `target` as it was, once the store that replaced it is in place.

    Nothing is removed where a process died between the two renames: its new store is still under its hidden name, and
    the old one may be all there is.
    """
    found = _siblings(target, "old-[0-9a-f]{8}")
    # Listed first: a store that is whole now has replaced what had been put aside by then.
    if found and os.path.isfile(os.path.join(target, ROOT_KEY)) and not _is_swap_open(target):
        for name in found:
            shutil.rmtree(os.path.join(os.path.dirname(target), name), ignore_errors=True)


def _is_swap_open(target: str) -> bool:
    """Whether a new store lies complete beside the one it was to replace, that one having been put aside."""
    parent = os.path.dirname(target)
    staged = _siblings(target, "[0-9a-f]{8}")
    is_whole = any(os.path.exists(os.path.join(parent, name, ROOT_KEY)) for name in staged)
    return is_whole and bool(_siblings(target, "old-[0-9a-f]{8}"))


def _siblings(target: str, ending: str) -> list[str]:
    parent, name = os.path.split(target)
    form = re.compile(re.escape(f".{name}.zvview-") + ending)
    with contextlib.suppress(OSError):
        return [n for n in os.listdir(parent) if form.fullmatch(n) and not os.path.islink(os.path.join(parent, n))]
    return []
