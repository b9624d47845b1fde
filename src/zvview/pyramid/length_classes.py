"""Classes of length, of each of which the object of the least hash stays."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from zvview.pyramid.line_heads import Heads
from zvview.pyramid.line_survey import Survey

__all__ = ["MOST_OF_CLASS", "class_of", "heads_of_classes", "sum_lengths"]

Ints = NDArray[np.int64]

MOST_OF_CLASS: Final = 64
"""Objects of a class that are kept: only when all of them are gone the others are looked at."""


def class_of(lengths: Ints) -> Ints:
    """Class of each length, by powers of two."""
    return np.frexp(lengths.astype(np.float64))[1].astype(np.int64)


def sum_lengths(survey: Survey) -> tuple[Ints, Ints]:
    """Objects of a survey, ascending, and the length of each in all its chunks."""
    ids, row = np.unique(survey.ids, return_inverse=True)
    lengths = np.zeros(len(ids), np.int64)
    np.add.at(lengths, row, survey.lengths)
    return ids, lengths


def heads_of_classes(survey: Survey, seed: int) -> Heads:
    """The least objects of each class, given the survey of all chunks of a level."""
    ids, lengths = sum_lengths(survey)
    return Heads.of(class_of(lengths)[:, None], ids, seed, MOST_OF_CLASS)
