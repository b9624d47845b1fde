"""Where a link record lies: the names of link arrays, the permutation of endpoints, and anchors on other levels.

A record of L endpoints lies in ``links/<delta>/<offsets>``, in the cell of its source chunk. Its stored endpoint 0
lies in the source, stored endpoint k in ``anchor(source) + offset_k``. Where endpoints were sorted, a Lehmer code in
front of the row gives back the original order: ``original[p[i]] = stored[i]``.
"""

from __future__ import annotations

import itertools
import re
from functools import lru_cache
from math import factorial

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError, InvalidInputError, UnsupportedError
from zvview.format.cells import FARTHEST_CHUNK

__all__ = [
    "anchor_chunks",
    "check_permuted_width",
    "format_delta",
    "format_offsets",
    "has_permutation",
    "parse_delta",
    "parse_offsets",
    "permutation_codes",
    "permutation_table",
    "slot_table",
]

_SIGNED = re.compile(r"0|[+-][1-9][0-9]{0,15}")
WIDEST_LINK = 8  # 8! codes are a table of 2.6 MB; faces have 3 or 4 endpoints
_SELF = "self"


def format_delta(delta: int) -> str:
    """``"0"``, ``"+1"``, ``"-1"``: a level difference, or one component of an offset, as it is written in names."""
    return f"{int(delta):+d}" if delta else "0"


def parse_delta(segment: str) -> int:
    """Inverse of :func:`format_delta`.

    Raises
    ------
    DamagedError
        Anything that :func:`format_delta` does not write, or a magnitude beyond 2**53.
    """
    if _SIGNED.fullmatch(segment) is None or abs(int(segment)) > FARTHEST_CHUNK:
        raise DamagedError("link array name", found=repr(segment[:60]), expected="0 or a signed whole number")
    return int(segment)


def format_offsets(offsets: NDArray[np.int64]) -> str:
    """Name of the array for (L - 1, sid) offsets, like ``"0.0.+1"`` or ``"+1.-1.0_+1.0.0"``; ``"self"`` for L = 1."""
    return "_".join(".".join(map(format_delta, offset)) for offset in np.asarray(offsets).tolist()) or _SELF


def parse_offsets(name: str, sid_ndim: int, width: int) -> NDArray[np.int64]:
    """Inverse of :func:`format_offsets`: (width - 1, sid_ndim) int64.

    Raises
    ------
    DamagedError
        The name has another number of offsets or components, or is not written canonically.
    """
    if width == 1 and name == _SELF:
        return np.empty((0, sid_ndim), np.int64)
    parts = [part.split(".") for part in name.split("_")]
    if len(parts) != width - 1 or any(len(part) != sid_ndim for part in parts):
        expected = f"{width - 1} offsets of {sid_ndim} components" if width > 1 else repr(_SELF)
        raise DamagedError("link array name", found=repr(name[:60]), expected=expected)
    return np.array([[parse_delta(component) for component in part] for part in parts], np.int64)


@lru_cache(maxsize=WIDEST_LINK)
def permutation_table(width: int) -> NDArray[np.int64]:
    """(width!, width) int64, read-only: the permutation of every code.

    A Lehmer code counts permutations in lexicographic order, so the table is their sorted list.

    Raises
    ------
    UnsupportedError
        More than 8 endpoints.
    """
    check_permuted_width(width)
    table = np.array(list(itertools.permutations(range(width))), np.int64)
    table.flags.writeable = False
    return table


@lru_cache(maxsize=WIDEST_LINK)
def slot_table(width: int) -> NDArray[np.int64]:
    """(width!, width) int64: the inverse of every permutation, that is the stored slot of each original endpoint."""
    return np.argsort(permutation_table(width), axis=1)


def permutation_codes(perms: NDArray[np.int64]) -> NDArray[np.int64]:
    """(M, L) permutations -> (M,) Lehmer codes; the inverse of a gather from :func:`permutation_table`."""
    width = perms.shape[1]
    check_permuted_width(width)
    codes = np.zeros(len(perms), np.int64)
    for i in range(width - 1):
        codes += factorial(width - 1 - i) * (perms[:, i + 1 :] < perms[:, i, None]).sum(axis=1)
    return codes


def check_permuted_width(width: int) -> None:
    """Raise :class:`~zvview.errors.UnsupportedError` for permuted records of more than 8 endpoints."""
    if not 1 <= width <= WIDEST_LINK:
        raise UnsupportedError(f"permuted links of {width} endpoints; zvview reads 1 to {WIDEST_LINK}")


def has_permutation(offsets: NDArray[np.int64], *, delta: int, directed: bool, store: str) -> bool:
    """Whether the rows of an array start with a permutation code."""
    if delta != 0 or not np.any(offsets):
        return False
    return store == "duplicate" or not directed


def anchor_chunks(
    src: NDArray[np.int64], ratio_src: NDArray[np.int64], ratio_target: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Source chunks in the grid of another level.

    Parameters
    ----------
    src : (K, sid) int64
        Chunk coordinates on the owning level; with sid = D + 1 the first is an attribute index and is kept.
    ratio_src, ratio_target : (D,) int64
        Chunk shape of the owning and of the other level over the root's.

    Returns
    -------
    (K, sid) int64
        ``floor(src * ratio_src / ratio_target)``, in whole numbers.

    Raises
    ------
    DamagedError
        Ratios below 1, or a coordinate and ratio whose product leaves int64.
    """
    ratios = np.stack((np.asarray(ratio_src, np.int64), np.asarray(ratio_target, np.int64)))
    if ratios.shape[1] not in (src.shape[1], src.shape[1] - 1):
        raise InvalidInputError(f"{ratios.shape[1]} chunk ratios for coordinates of {src.shape[1]} components")
    if (ratios < 1).any():
        raise DamagedError("chunk shape", found="a ratio to the root's below 1", expected="a positive whole multiple")
    if src.shape[1] > ratios.shape[1]:
        ratios = np.concatenate((np.ones((2, 1), np.int64), ratios), axis=1)
    if src.size and max(-int(src.min()), int(src.max())) * int(ratios.max()) >= 1 << 63:
        raise DamagedError("chunk coordinate", found="a coordinate beyond int64 at the finest level", expected="less")
    return np.asarray(src * ratios[0] // ratios[1])
