"""From pieces and links to a batch of the level's kind."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.format import names
from zvview.geometry.batches import Pieces, batch_type
from zvview.store.layout import LinkFamily, LinkTable
from zvview.store.reading.joints import ManifestJoints, joined_rows, skeleton_edges
from zvview.store.reading.piece_buffer import PieceBuffer, Surroundings
from zvview.store.reading.reader import LevelReader

__all__ = ["connect", "make_batch"]


def connect(
    reader: LevelReader,
    around: Surroundings,
    family: LinkFamily | None,
    table: LinkTable | None,
    joints: ManifestJoints | None,
    notes: list[str] | None,
    cancel: CancelToken | None = None,
) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]]:
    """Joined rows, (M, L), and the attributes of the links; given `notes`, damage is noted there and left out."""
    path = f"{reader.layout.path}/{names.OBJECT_INDEX}/{names.MANIFESTS}"
    if joints is not None:
        return joints.rows(around, path, notes), {}
    convention = reader.root.links_convention
    if reader.kind == names.SKELETON or (reader.kind == names.GRAPH and convention != names.EXPLICIT):
        edges, index = skeleton_edges(around, family, table, convention, notes, cancel)
        return edges, {} if table is None else {n: v[index] for n, v in table.attributes.items()}
    if reader.is_draco and around.own.faces is not None:
        return around.own.faces, {}
    if family is None or table is None or not len(table):
        return np.empty((0, 3 if reader.kind == names.MESH else 2), np.int64), {}
    rows, index = joined_rows(around, table, family.path, notes, cancel)
    return rows, {n: v[index] for n, v in table.attributes.items()}


def make_batch(
    reader: LevelReader,
    buffer: PieceBuffer,
    positions: NDArray[np.floating],
    attributes: Any,
    offsets: NDArray[np.int64],
    ids: NDArray[np.int64] | None,
    links: NDArray[np.int64],
    link_attributes: dict[str, NDArray[Any]],
) -> Pieces:
    """A batch of the reader's kind."""
    common: dict[str, Any] = {
        "attributes": attributes,
        "categories": buffer.categories,
        "offsets": offsets,
        "object_ids": ids,
        "notes": (*reader.layout.notes, *buffer.notes),
    }
    if reader.is_sequence:
        common["bridges"] = links
    else:
        common["faces" if reader.kind == names.MESH else "edges"] = links
        common["link_attributes"] = link_attributes
    batch = batch_type(reader.kind)(positions, **common)
    assert isinstance(batch, Pieces)
    return batch
