"""Which stores levels can be made of, and which shapes of chunks they can have."""

from __future__ import annotations

import numpy as np

from zvview.errors import InvalidInputError, UnsupportedError
from zvview.format import names
from zvview.format.metadata import RootMetadata
from zvview.pyramid.design import PyramidOptions
from zvview.store.store import Store

__all__ = ["check_kind", "check_shapes"]


def check_kind(store: Store) -> str:
    """The kind of a store that levels can be made of.

    Raises
    ------
    UnsupportedError, InvalidInputError
    """
    metadata = store.metadata
    if metadata.is_old_layout:
        raise UnsupportedError(
            f"{store.place} is in the layout of {metadata.version_text}, which has no place for such levels: "
            "make a store in format 0.9 of it with 'zvview convert OLD NEW'"
        )
    if len(store.kinds) != 1:
        raise UnsupportedError(
            f"{store.place} lists {len(store.kinds)} kinds ({', '.join(store.kinds)}), which cannot be told apart; "
            "levels are made of stores of one kind"
        )
    if 0 not in store.levels:
        raise InvalidInputError(f"{store.place} has no level 0 to make coarser levels of")
    if store.level(0).refinement != names.REFINEMENT_REPLACE:
        raise UnsupportedError(f"{store.place} has additive levels: its level 0 is not complete without the others")
    return store.kinds[0]


def check_shapes(options: PyramidOptions, metadata: RootMetadata) -> None:
    """Refuse wished chunks of a level that are no multiples of the store's (13, L2).

    Raises
    ------
    InvalidInputError
    """
    for level in range(1, len(options.bin_shapes or ()) + 1):
        options.shape_of("bin_shapes", level, metadata.ndim)
    for level in range(1, len(options.chunk_shapes or ()) + 1):
        shape = options.shape_of("chunk_shapes", level, metadata.ndim)
        ratio = np.ones(metadata.ndim) if shape is None else shape / metadata.chunk_shape
        if (ratio < 1).any() or not np.allclose(ratio, np.rint(ratio), rtol=1e-9, atol=0):
            raise InvalidInputError(
                f"chunks of {shape} in level {level}, expected multiples of level 0's {metadata.chunk_shape.tolist()}"
            )
