"""Edits as plain trees of arrays and values, in whole or what changed since others; and back, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.store.editing.edits import (
    AddedVertices,
    ChunkEdits,
    ChunkKey,
    EditedLine,
    Edits,
    GroupEdits,
    LinkEdits,
    LinkEnds,
    VertexRefs,
)

__all__ = ["are_equal", "record_changes", "replay_changes"]

K = TypeVar("K")
V = TypeVar("V")
Tree = dict[str, Any]
_Columns = Mapping[str, NDArray[Any]]


def record_changes(before: Edits, after: Edits) -> Tree:
    """What is other in `after` than in `before`; what the two share is not looked at.

    Given ``Edits()`` before, it is all of `after`.
    """
    tree: Tree = {
        "bases": _changed(before.bases, after.bases, lambda key, digest: [list(key), digest.hex()]),
        "chunks": _changed(before.chunks, after.chunks, lambda key, entry: [list(key), _of_chunk(entry)]),
        "lines": _changed(before.lines, after.lines, lambda number, line: [number, line and _of_line(line)]),
        "object_attributes": _changed(before.object_attributes, after.object_attributes, _of_objects),
        "groups": _changed(before.groups, after.groups, lambda number, g: [number, [g.added, g.removed]]),
        "line_bases": _changed(before.line_bases, after.line_bases, lambda number, digest: [number, digest.hex()]),
    }
    tree["ends"] = _changed(before.ends, after.ends, lambda key, entry: [list(key), _of_ends(entry)])
    if after.added is not before.added:
        tree["added"] = after.added and _of_added(after.added)
    if after.links is not before.links:
        tree["links"] = after.links and _of_links(after.links)
    if after.line_ties != before.line_ties:
        tree["line_ties"] = sorted(after.line_ties.items())
    if after.new_objects != before.new_objects:
        tree["new_objects"] = sorted(after.new_objects)
    return {name: value for name, value in tree.items() if value != {"gone": [], "new": []}}


def replay_changes(before: Edits, tree: object) -> Edits:
    """The edits that were recorded as changes of `before`.

    Raises
    ------
    DamagedError
        The tree is no such record.
    """
    try:
        if not isinstance(tree, dict):
            raise ValueError("no record")
        return Edits(
            _merged(before.bases, tree.get("bases"), _key, bytes.fromhex),
            _merged(before.chunks, tree.get("chunks"), _key, _to_chunk),
            _to_added(tree["added"]) if "added" in tree else before.added,
            _to_links(tree["links"]) if "links" in tree else before.links,
            _merged(before.lines, tree.get("lines"), _number, lambda line: None if line is None else _to_line(line)),
            frozenset(map(_number, tree["new_objects"])) if "new_objects" in tree else before.new_objects,
            _merged(before.object_attributes, tree.get("object_attributes"), _name, _to_objects),
            _merged(before.groups, tree.get("groups"), _number, _to_group),
            _merged(before.line_bases, tree.get("line_bases"), _number, bytes.fromhex),
            {_number(n): _number(tie) for n, tie in tree["line_ties"]} if "line_ties" in tree else before.line_ties,
            _merged(before.ends, tree.get("ends"), _key, _to_ends),
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise DamagedError("journal", found=f"a record that says otherwise ({error})", expected="edits") from error


def are_equal(one: Edits, other: Edits) -> bool:
    """Whether edits say the same, digests included."""
    return _same(record_changes(Edits(), one), record_changes(Edits(), other))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return (
            isinstance(one, np.ndarray)
            and isinstance(other, np.ndarray)
            and (one.dtype, one.shape) == (other.dtype, other.shape)
            and one.tobytes() == other.tobytes()
        )
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _changed(before: Mapping[K, V], after: Mapping[K, V], encode: Any) -> Tree:
    if before is after:
        return {"gone": [], "new": []}
    gone = sorted(list(key) if isinstance(key, tuple) else key for key in before if key not in after)  # type: ignore[type-var]
    new = [key for key, value in after.items() if key not in before or before[key] is not value]
    return {"gone": gone, "new": [encode(key, after[key]) for key in sorted(new)]}  # type: ignore[type-var]


def _merged(before: Mapping[Any, V], tree: Any, to_key: Any, decode: Any) -> Mapping[Any, V]:
    if tree is None:
        return before
    out = dict(before)
    for key in tree["gone"]:
        del out[to_key(key)]
    for key, value in tree["new"]:
        out[to_key(key)] = decode(value)
    return out


def _of_chunk(entry: ChunkEdits) -> Tree:
    return {
        "rows": entry.rows,
        "is_deleted": entry.is_deleted,
        "is_moved": entry.is_moved,
        "positions": entry.positions,
        "is_reassigned": entry.is_reassigned,
        "objects": entry.objects,
        "columns": {name: list(column) for name, column in entry.columns.items()},
        "origins": entry.origins,
        "owners": entry.owners,
    }


def _to_chunk(tree: Tree) -> ChunkEdits:
    rows = _array(tree["rows"], "i", None)
    n = len(rows)
    _check(not n or (rows[0] >= 0 and bool((np.diff(rows) > 0).all())), "rows do not rise")
    flags = [_array(tree[name], "b", n) for name in ("is_deleted", "is_moved", "is_reassigned")]
    columns = {name: (_array(is_set, "b", n), _rows(values, n)) for name, (is_set, values) in tree["columns"].items()}
    positions, objects = _rows(tree["positions"], n, "f", 2), _array(tree["objects"], "i", n)
    origins = None if tree["origins"] is None else _rows(tree["origins"], n)
    owners = None if tree["owners"] is None else _array(tree["owners"], "i", n)
    return ChunkEdits(rows, flags[0], flags[1], positions, flags[2], objects, columns, origins, owners)


def _of_added(added: AddedVertices) -> Tree:
    return {
        "numbers": added.numbers,
        "positions": added.positions,
        "columns": dict(added.columns),
        "objects": added.objects,
    }


def _to_added(tree: Tree | None) -> AddedVertices | None:
    if tree is None:
        return None
    numbers = _array(tree["numbers"], "i", None)
    n = len(numbers)
    _check(n and numbers[0] >= 0 and (np.diff(numbers) > 0).all(), "numbers do not rise")
    objects = None if tree["objects"] is None else _array(tree["objects"], "i", n)
    return AddedVertices(numbers, _rows(tree["positions"], n, "f", 2), _columns(tree["columns"], n), objects)


def _of_links(links: LinkEdits) -> Tree:
    return {
        "removed": [links.removed.chunks, links.removed.rows],
        "added": [links.added.chunks, links.added.rows],
        "columns": dict(links.columns),
        "width": links.width,
    }


def _to_links(tree: Tree | None) -> LinkEdits | None:
    if tree is None:
        return None
    width = _number(tree["width"])
    removed, added = _to_refs(tree["removed"]), _to_refs(tree["added"])
    _check(2 <= width <= 8 and not len(removed) % width and not len(added) % width, "ends of part of a link")
    return LinkEdits(removed, added, _columns(tree["columns"], len(added) // width) if len(added) else {}, width)


def _of_ends(ends: LinkEnds) -> Tree:
    return {"rows": ends.rows, "origins": ends.origins, "owners": ends.owners, "is_alone": ends.is_alone}


def _to_ends(tree: Tree) -> LinkEnds:
    rows = _array(tree["rows"], "i", None)
    n = len(rows)
    _check(not n or (rows[0] >= 0 and bool((np.diff(rows) > 0).all())), "rows do not rise")
    owners = None if tree["owners"] is None else _array(tree["owners"], "i", n)
    return LinkEnds(rows, _rows(tree["origins"], n, None, 2), owners, _array(tree["is_alone"], "b", n))


def _to_refs(pair: list[Any]) -> VertexRefs:
    rows = _array(pair[1], "i", None)
    return VertexRefs(_rows(pair[0], len(rows), "i", 2), rows)


def _of_line(line: EditedLine) -> Tree:
    return {"positions": line.positions, "columns": dict(line.columns)}


def _to_line(tree: Tree) -> EditedLine:
    positions = _rows(tree["positions"], None, "f", 2)
    _check(len(positions) >= 2, "a line of fewer than two vertices")
    return EditedLine(positions, _columns(tree["columns"], len(positions)))


def _of_objects(name: str, values: Mapping[int, NDArray[Any]]) -> list[Any]:
    ids = sorted(values)
    return [name, [np.array(ids, np.int64), np.stack([values[number] for number in ids])]]


def _to_objects(pair: list[Any]) -> Mapping[int, NDArray[Any]]:
    ids = _array(pair[0], "i", None)
    return dict(zip(ids.tolist(), _rows(pair[1], len(ids)), strict=True))


def _to_group(pair: list[Any]) -> GroupEdits:
    return GroupEdits(_array(pair[0], "i", None), _array(pair[1], "i", None))


def _key(value: list[int]) -> ChunkKey:
    return tuple(map(_number, value))


def _number(value: Any) -> int:
    _check(type(value) is int and abs(value) < 2**63, f"{value!r:.40} is no number")
    return int(value)


def _name(value: Any) -> str:
    _check(isinstance(value, str), f"{value!r:.40} is no name")
    return str(value)


def _columns(tree: Tree, n: int) -> _Columns:
    return {_name(name): _rows(values, n) for name, values in tree.items()}


def _array(value: Any, kind: str, n: int | None) -> Any:
    array = _rows(value, n, kind, 1)
    _check(kind != "i" or array.dtype == np.int64, f"{array.dtype} for int64")
    return array


def _rows(value: Any, n: int | None, kind: str | None = None, ndim: int | None = None) -> NDArray[Any]:
    """`value`, which must be an array of `n` rows, of a kind of dtype and of a number of axes where these are known."""
    if not isinstance(value, np.ndarray) or not 1 <= value.ndim <= 2:
        raise ValueError("no array of rows")
    _check(n is None or len(value) == n, f"{len(value)} rows, expected {n}")
    _check(kind is None or value.dtype.kind == kind, f"dtype {value.dtype}")
    _check(ndim is None or value.ndim == ndim, f"{value.ndim} axes")
    _check(kind != "f" or value.dtype == np.float64, f"{value.dtype} for float64")
    return value


def _check(is_true: object, found: str) -> None:
    if not is_true:
        raise ValueError(found)
