"""The objects of a level: ids, manifests, attributes and groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.errors import InvalidInputError
from zvview.format import documents, names
from zvview.format.manifests import Manifests, encode_manifests
from zvview.format.sequences import offsets_of
from zvview.geometry.arguments import as_array, as_list, as_mapping, check_type, to_array
from zvview.store.writing.fragment_owners import FragmentOwners
from zvview.store.writing.grid_cells import Putter
from zvview.store.writing.options import AttributeSpec, check_name
from zvview.store.writing.plain_cells import plain_cells, row_cells, rows_per_cell

__all__ = [
    "FragmentOwners",
    "GroupContent",
    "write_group_attributes",
    "write_groups",
    "write_object_attributes",
    "write_object_index",
]

_MOST_OF_RANGE = 1 << 24  # members of a range with steps, which is written out
_SLAB_FRAGMENTS = 1 << 16  # manifests are encoded so many fragments at a time, of 200 bytes each on the way


@dataclass(frozen=True, slots=True, eq=False)
class GroupContent:
    """Groups of objects.

    Attributes
    ----------
    members : sequence of (n,) int64 or range
        Ids of each group; a range of step 1 is kept as its ends.
    names : tuple of str
        One for each group, or none.
    attributes : mapping of str to (G,) or (G, C)
    """

    members: Sequence[NDArray[np.int64] | range]
    names: tuple[str, ...] = ()
    attributes: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        groups: Mapping[str, ArrayLike | range] | Mapping[int, ArrayLike | range],
        attributes: Mapping[str, ArrayLike] | None = None,
    ) -> GroupContent:
        """Groups by name, in the order given, or by number, which must be 0 to G - 1.

        Raises
        ------
        InvalidInputError
            Names mixed with numbers, missing numbers, members that are no integers, attributes of another length.
        """
        check_type(groups, "groups", Mapping, "a mapping of names or numbers to ids")
        labels = list(groups)
        if all(isinstance(label, str) for label in labels):
            members = list(groups.values())
        elif all(type(label) is int for label in labels) and set(labels) == set(range(len(labels))):
            members = [groups[i] for i in range(len(labels))]  # type: ignore[index]
            labels = []
        else:
            raise InvalidInputError(f"groups {labels[:20]}: expected names, or the numbers 0 to {len(labels) - 1}")
        given = as_mapping(attributes, "group_attributes")
        rows = {name: to_array(values, f"group attribute {name!r}") for name, values in given.items()}
        for name, values in rows.items():
            check_name("group attribute", name)
            if values.ndim not in (1, 2) or len(values) != len(members) or 0 in values.shape[1:]:
                raise InvalidInputError(
                    f"group attribute {name!r} has shape {values.shape}, expected ({len(members)}, ...)"
                )
        return cls([_members(m) for m in members], tuple(map(str, labels)), rows)


def write_object_index(
    putter: Putter, level_path: str, ids: NDArray[np.int64], owners: FragmentOwners, chunks: NDArray[np.int64]
) -> dict[str, dict[str, Any]]:
    """Write ``object_index`` and give its documents by path.

    Parameters
    ----------
    ids : (n,) int64
        Object rows, ascending; rows without fragments are absent objects.
    owners : FragmentOwners
    chunks : (K, sid) int64
        Coordinates of the chunks that `owners` counts.
    """
    path = f"{level_path}/{names.OBJECT_INDEX}"
    counts = owners.count(ids)
    attributes = {
        names.ZV_ARRAY: "object_index",
        "num_objects": len(ids),
        "num_present": int((counts > 0).sum()),
        "sid_ndim": chunks.shape[1],
        "layout": names.LAYOUT_V2,
        "object_ids_sorted": True,
    }
    out = {path: documents.group(attributes)}
    id_path = f"{path}/{names.OBJECT_IDS}"
    out[id_path] = documents.plain_array(ids)
    putter.put_many(plain_cells(id_path, out[id_path], ids))
    if not len(ids):
        return out
    sizes = 4 + counts * (8 * chunks.shape[1] + 9)
    rows = rows_per_cell(sizes)
    manifest_path = f"{path}/{names.MANIFESTS}"
    document = out[manifest_path] = documents.row_array(len(ids), rows)
    offsets = offsets_of(counts)
    slab = rows * max(1, int(_SLAB_FRAGMENTS / max(1.0, len(owners) / len(ids)) / rows))
    for start in range(0, len(ids), slab):
        stop = min(start + slab, len(ids))
        here = owners.between(int(ids[start]), int(ids[stop - 1]))
        part = Manifests(offsets[start : stop + 1] - offsets[start], chunks[here.chunks], here.fragments)
        buffer, part_sizes = encode_manifests(part)
        putter.put_many(row_cells(manifest_path, document, buffer, part_sizes, start // rows))
    return out


def write_object_attributes(
    putter: Putter, level_path: str, values: Mapping[str, NDArray[Any]], specs: Mapping[str, AttributeSpec]
) -> dict[str, dict[str, Any]]:
    """Write attributes of objects, one row for each object row, and give their documents by path."""
    if not values:
        return {}
    family = f"{level_path}/{names.OBJECT_ATTRIBUTES}"
    out = {family: documents.group()}
    for name, rows in values.items():
        spec = specs.get(name)
        out[f"{family}/{name}"] = documents.object_array(name, rows, None if spec is None else spec.document())
        putter.put_many(plain_cells(f"{family}/{name}", out[f"{family}/{name}"], rows))
    return out


def write_groups(
    putter: Putter, level_path: str, groups: GroupContent, ids: NDArray[np.int64]
) -> dict[str, dict[str, Any]]:
    """Write groups and their attributes, and give the documents by path.

    Raises
    ------
    InvalidInputError
        A group names an id that is no object's.
    """
    ranges = {str(g): [m.start, m.stop] for g, m in enumerate(groups.members) if isinstance(m, range)}
    listed = [np.empty(0, np.int64) if isinstance(m, range) else m for m in groups.members]
    for g, members in enumerate(groups.members):
        if (unknown := _first_unknown(members, ids)) is not None:
            raise InvalidInputError(
                f"group {groups.names[g] if groups.names else g} names {unknown}, which is no object"
            )
    attributes: dict[str, Any] = {names.ZV_ARRAY: "groups", "num_groups": len(listed)}
    if ranges:
        attributes["group_ranges"] = ranges
    if groups.names:
        attributes["group_names"] = list(groups.names)
    path = f"{level_path}/{names.GROUPS}"
    sizes = np.array([m.nbytes for m in listed], np.int64)
    out = {path: documents.row_array(len(listed), rows_per_cell(sizes), attributes)}
    buffer = np.concatenate([np.empty(0, np.uint8), *(m.astype("<i8").view(np.uint8) for m in listed)])
    putter.put_many(row_cells(path, out[path], buffer, sizes))
    return out | write_group_attributes(putter, level_path, groups.attributes)


def write_group_attributes(
    putter: Putter, level_path: str, values: Mapping[str, NDArray[Any]]
) -> dict[str, dict[str, Any]]:
    """Write attributes of groups, one row for each group, and give their documents by path."""
    if not values:
        return {}
    family = f"{level_path}/{names.GROUP_ATTRIBUTES}"
    out = {family: documents.group()}
    for name, rows in values.items():
        own = {names.ZV_ARRAY: "groupings_attribute", "name": name, "dtype": rows.dtype.name, "shape": list(rows.shape)}
        out[f"{family}/{name}"] = documents.plain_array(rows, own)
        putter.put_many(plain_cells(f"{family}/{name}", out[f"{family}/{name}"], rows))
    return out


def _members(value: ArrayLike | range) -> NDArray[np.int64] | range:
    if isinstance(value, range):
        if not value:
            return np.empty(0, np.int64)
        if value.step == 1:
            return value
        count = (value[-1] - value[0]) // value.step + 1  # len of a long range overflows
        if count > _MOST_OF_RANGE or max(map(abs, (value[0], value[-1]))) >= 2**62:
            raise InvalidInputError(f"{value} as the members of a group: give the ids themselves as an array")
        return np.arange(value.start, value.stop, value.step, dtype=np.int64)
    listed = as_list(value, "the members of a group", "integer ids") if isinstance(value, set | frozenset) else value
    return as_array(listed, "the members of a group", np.int64, (None,)).copy()


def _first_unknown(members: NDArray[np.int64] | range, ids: NDArray[np.int64]) -> int | None:
    """The first member that is none of the `ids`, ascending; a range is compared without making a list of it."""
    if not isinstance(members, range):
        at = np.searchsorted(ids, members)
        is_known = at < len(ids)
        is_known[is_known] = ids[at[is_known]] == members[is_known]
        return None if is_known.all() else int(members[np.argmin(is_known)])
    if not -(2**63) <= members.start < 2**63:
        return members.start
    last = min(members.stop - 1, 2**63 - 1)
    inside = ids[np.searchsorted(ids, members.start) : np.searchsorted(ids, last, side="right")]
    if len(inside) == members.stop - members.start:
        return None
    gaps = np.flatnonzero(inside != members.start + np.arange(len(inside)))
    return members.start + (int(gaps[0]) if len(gaps) else len(inside))
