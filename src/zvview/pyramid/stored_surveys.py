"""Surveys of lines in a store: what a refresh has to know so that it need not look at all lines again.

They lie beside zvview's own index, out of sight of other readers, one cell for each chunk of the coarser level that
they speak of (:mod:`~zvview.pyramid.survey_cells`). ::

    zvview/surveys/          group
    zvview/surveys/<level>   grid array in the form of the level's own, compressed, with a checksum in each cell;
                             attribute "choice" where lines are left out: what decides of them beside bins

As the index they are hints: where they are missing, damaged, or older than their level, the level is made as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.errors import ZvviewError
from zvview.format import documents, names
from zvview.format.grid import ChunkTable
from zvview.pyramid.line_state import Choice, LineState
from zvview.pyramid.survey_cells import decode_state, encode_state
from zvview.store.cell_arrays import GridArray
from zvview.store.hierarchy import Hierarchy, document_key, parse_document
from zvview.store.patching.cell_patch import PatchedCells, grid_of
from zvview.store.patching.overlay import Overlay
from zvview.store.places.source import Source
from zvview.store.waves import read_cells
from zvview.store.writing.grid_cells import GridCells, Putter

__all__ = ["SURVEYS", "StoredSurvey", "patch_survey", "read_survey", "survey_group", "survey_path", "write_survey"]

SURVEYS: Final = f"{names.INDEX}/surveys"

_OWN: Final = {names.ZV_ARRAY: "zvview_survey"}
_CHOICE: Final = "choice"


def survey_group() -> dict[str, Any]:
    """The document of the group of all surveys."""
    return documents.group()


def write_survey(putter: Putter, level: int, like: Mapping[str, Any], state: LineState) -> dict[str, Any]:
    """Put the cells of a level's survey, and give the document of their array.

    Parameters
    ----------
    putter : Putter
    level : int
        The coarser one.
    like : mapping
        Document of the level's vertices, for the grid.
    state : LineState
    """
    origin, shape, shards = grid_of(like)
    cells = GridCells(putter, SURVEYS, origin, shape, documents.CHECKED_ZSTD, shards)
    chunks, payloads = encode_state(state)
    order = cells.order(chunks)
    if len(order):
        cells.put(str(level), chunks[order], [payloads[i] for i in order.tolist()])
    cells.finish(str(level), _with_choice(_OWN, state.choice))
    return cells.documents[survey_path(level)]


class StoredSurvey:
    """The survey of a level in a store.

    Parameters
    ----------
    source : Source
    array : GridArray
        Its cells.

    Attributes
    ----------
    choice : Choice or None
        Of the level; None where it leaves nothing out.
    """

    def __init__(self, source: Source, array: GridArray) -> None:
        self._source, self._array = source, array
        told = array.attributes.get(_CHOICE)
        self.choice = None if told is None else Choice.parse(told)

    @classmethod
    def open(cls, source: Source, level: int) -> StoredSurvey | None:
        """The survey of a level; None where there is none that can be opened."""
        path = survey_path(level)
        (data,) = source.get_many([(document_key(path), None)])
        try:
            return None if data is None else cls(source, GridArray(source, path, parse_document(data, path)))
        except ZvviewError:
            return None

    def read(self, chunks: NDArray[np.int64] | None = None) -> LineState | None:
        """What is told of some chunks, (n, D), or of all; None where that cannot be read."""
        try:
            there = self._array.chunks
            if chunks is not None:
                there = there[ChunkTable.of(chunks).find(there) >= 0]
            (cells,) = read_cells(Hierarchy(self._source), [(self._array, there)])
            return replace(decode_state(there, cells), choice=self.choice)
        except ZvviewError:
            return None


def read_survey(source: Source, level: int) -> LineState | None:
    """All of the survey of a level; None where there is none that can be read."""
    found = StoredSurvey.open(source, level)
    return None if found is None else found.read()


def patch_survey(overlay: Overlay, level: int, chunks: NDArray[np.int64], fresh: LineState) -> None:
    """Let a level's survey say of `chunks`, (n, D), and of the level what `fresh` says; it must be there."""
    path = survey_path(level)
    (data,) = overlay.get_many([(document_key(path), None)])
    assert data is not None
    table = ChunkTable.of(chunks)
    cells = PatchedCells(
        overlay, SURVEYS, {path: parse_document(data, path)}, lambda _, coords: table.find(coords) >= 0
    )
    there, payloads = encode_state(fresh)
    if len(there):
        cells.put(str(level), there, payloads)
    cells.finish(str(level), _OWN)
    document = cells.documents.get(path)
    if document is None:
        overlay.remove([document_key(path)])
    else:
        document = {**document, "attributes": _with_choice(document["attributes"], fresh.choice)}
        overlay.put(document_key(path), documents.encode_document(document))


def survey_path(level: int) -> str:
    """Where the survey of a level lies."""
    return f"{SURVEYS}/{level}"


def _with_choice(attributes: Mapping[str, Any], choice: Choice | None) -> dict[str, Any]:
    return dict(attributes) if choice is None else {**attributes, _CHOICE: choice.document()}
