"""Surveys of lines in a store: what a refresh has to know of the chunks that it does not look at again.

They lie beside zvview's own index, out of sight of other readers, one cell for each chunk of the coarser level that
they speak of. ::

    zvview/surveys/          group
    zvview/surveys/<level>   grid array in the form of the level's own, compressed, with a checksum in each cell;
                             attribute "length_classes" where lines are chosen by length as well

As the index they are hints: where they are missing, damaged, or older than their level, the level is made as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.errors import ZvviewError
from zvview.format import documents, names
from zvview.format.grid import ChunkTable
from zvview.pyramid.length_classes import LengthClasses
from zvview.pyramid.line_survey import Survey
from zvview.pyramid.survey_cells import decode_survey, encode_survey
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
_CLASSES: Final = "length_classes"


def survey_group() -> dict[str, Any]:
    """The document of the group of all surveys."""
    return documents.group()


def write_survey(
    putter: Putter, level: int, like: Mapping[str, Any], survey: Survey, classes: LengthClasses | None
) -> dict[str, Any]:
    """Put the cells of a level's survey, and give the document of their array.

    Parameters
    ----------
    putter : Putter
    level : int
        The coarser one.
    like : mapping
        Document of the level's vertices, for the grid.
    survey : Survey
    classes : LengthClasses or None
    """
    origin, shape, shards = grid_of(like)
    cells = GridCells(putter, SURVEYS, origin, shape, documents.CHECKED_ZSTD, shards)
    order = cells.order(survey.chunks)
    payloads = encode_survey(survey)
    if len(order):
        cells.put(str(level), survey.chunks[order], [payloads[i] for i in order.tolist()])
    cells.finish(str(level), _with_classes(_OWN, classes))
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
    classes : LengthClasses or None
        Of all objects of the level; None where none are kept.
    """

    def __init__(self, source: Source, array: GridArray) -> None:
        self._source, self._array = source, array
        told = array.attributes.get(_CLASSES)
        self.classes = None if told is None else LengthClasses.parse(told)

    @classmethod
    def open(cls, source: Source, level: int) -> StoredSurvey | None:
        """The survey of a level; None where there is none that can be opened."""
        path = survey_path(level)
        (data,) = source.get_many([(document_key(path), None)])
        try:
            return None if data is None else cls(source, GridArray(source, path, parse_document(data, path)))
        except ZvviewError:
            return None

    def read(self, chunks: NDArray[np.int64] | None = None) -> Survey | None:
        """What is told of some chunks, (n, D), or of all; None where that cannot be read."""
        try:
            there = self._array.chunks
            if chunks is not None:
                there = there[ChunkTable.of(chunks).find(there) >= 0]
            (cells,) = read_cells(Hierarchy(self._source), [(self._array, there)])
            return decode_survey(there, cells)
        except ZvviewError:
            return None


def read_survey(source: Source, level: int) -> Survey | None:
    """All of the survey of a level; None where there is none that can be read."""
    found = StoredSurvey.open(source, level)
    return None if found is None else found.read()


def patch_survey(
    overlay: Overlay, level: int, chunks: NDArray[np.int64], fresh: Survey, classes: LengthClasses | None
) -> None:
    """Let a level's survey say of `chunks`, (n, D), what `fresh` says, and of classes this; it must be there."""
    path = survey_path(level)
    (data,) = overlay.get_many([(document_key(path), None)])
    assert data is not None
    table = ChunkTable.of(chunks)
    cells = PatchedCells(
        overlay, SURVEYS, {path: parse_document(data, path)}, lambda _, coords: table.find(coords) >= 0
    )
    if len(fresh.chunks):
        cells.put(str(level), fresh.chunks, encode_survey(fresh))
    cells.finish(str(level), _OWN)
    document = cells.documents.get(path)
    if document is None:
        overlay.remove([document_key(path)])
    else:
        document = {**document, "attributes": _with_classes(document["attributes"], classes)}
        overlay.put(document_key(path), documents.encode_document(document))


def survey_path(level: int) -> str:
    """Where the survey of a level lies."""
    return f"{SURVEYS}/{level}"


def _with_classes(attributes: Mapping[str, Any], classes: LengthClasses | None) -> dict[str, Any]:
    return dict(attributes) if classes is None else {**attributes, _CLASSES: classes.document()}
