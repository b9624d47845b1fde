"""The names that others build on. A name may be added here on purpose; removing or renaming one breaks users."""

from __future__ import annotations

import inspect

import zvview

EXPECTED = [
    "AttributeMetadata",
    "AttributeSpec",
    "Axis",
    "BadFileError",
    "Batch",
    "CancelToken",
    "Cancelled",
    "Categories",
    "Collection",
    "Committed",
    "ConflictError",
    "DamagedError",
    "EditSession",
    "Edits",
    "ExistsError",
    "Finding",
    "Findings",
    "Graph",
    "Groups",
    "InvalidInputError",
    "Level",
    "Lines",
    "Mesh",
    "MissingError",
    "NewCollection",
    "NewStore",
    "NotZarrVectorsError",
    "ParametricObjects",
    "ParametricType",
    "Points",
    "Polylines",
    "Selection",
    "Skeletons",
    "Store",
    "Streamlines",
    "UnreachableError",
    "UnsupportedError",
    "VertexRefs",
    "Writer",
    "ZvviewError",
    "batch_type",
    "check",
    "concatenate",
    "create",
    "create_collection",
    "grow",
    "open",
]


def test_public_names_are_exactly_these() -> None:
    assert sorted(zvview.__all__) == sorted(EXPECTED)


def test_every_public_name_can_be_imported_and_is_documented() -> None:
    assert {name for name in zvview.__all__ if not hasattr(zvview, name)} == set()
    documented = {name for name in zvview.__all__ if inspect.getdoc(getattr(zvview, name))}
    assert set(zvview.__all__) - documented == set()


def test_no_public_name_is_given_twice() -> None:
    assert len(set(zvview.__all__)) == len(zvview.__all__)
