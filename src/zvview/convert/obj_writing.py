"""Meshes of a store as OBJ files: one with a section for each object, or a folder with a file for each."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from zvview.convert.appearing import appear
from zvview.convert.contract import Outgoing
from zvview.convert.file_sets import safe_names
from zvview.convert.obj_format import Section, format_sections
from zvview.convert.obj_ids import needed_ids, tell_ids
from zvview.convert.object_files import (
    chosen_ids,
    common_unit,
    distinct_titles,
    kept_comments,
    object_names,
    with_unit,
)
from zvview.convert.selecting import read_selected
from zvview.geometry.batches import Mesh

__all__ = ["write_obj"]


def write_obj(path: Path, outgoing: Outgoing) -> None:
    """Write to a file, or to a folder with a file for each object where `path` does not end in ``.obj``.

    Numbers are written as short as they can be; comments state the unit, and ids that names do not lead to. Faces that
    join two objects have no place in a folder.

    Raises
    ------
    InvalidInputError
        Axes other than three of space, one unit for all.
    MissingError
        There are no such objects or groups.
    ExistsError, UnreachableError, Cancelled
    """
    unit = common_unit(outgoing, "OBJ")
    known = [name for name, widths in (("color", (3, 4)), ("normal", (3,))) if _is_of_width(outgoing, name, widths)]
    if left_out := [name for name in outgoing.level.attribute_names if name not in known]:
        warnings.warn(f"OBJ files cannot hold the attributes {', '.join(left_out)}: left out", stacklevel=2)
    titles, comments = _titles(outgoing), kept_comments(outgoing, "obj")
    with appear(path) as aside:
        if path.suffix.lower() == ".obj":
            with aside.open("xb") as out:
                texts = dict.fromkeys(comments[i] for i in titles or [0] if i in comments)
                out.write(_head(needed_ids(titles), "\n".join(texts), unit))
                for section in _sections(outgoing, known, is_one_file=True):
                    if title := titles.get(section.object_id):
                        out.write(f"o {title}\n".encode())
                    out.write(section.text)
        else:
            aside.mkdir()
            files = dict(zip(titles, safe_names(list(titles.values()), ".obj", can_nest=True), strict=True))
            for section in _sections(outgoing, known, is_one_file=False):
                place = aside / files.get(section.object_id, "rest.obj")
                place.parent.mkdir(parents=True, exist_ok=True)
                number, comment = section.object_id, comments.get(section.object_id, "")
                title = titles.get(number, str(number))
                told = {} if number < 0 or title == str(number) else {number: title}
                place.write_bytes(_head(told, comment, unit) + section.text)


def _sections(outgoing: Outgoing, known: Sequence[str], *, is_one_file: bool) -> Iterator[Section]:
    vertices = normals = torn = 0
    for batch in read_selected(outgoing):
        assert isinstance(batch, Mesh)
        colors, directions = (batch.attributes[n] if n in known else None for n in ("color", "normal"))
        found = format_sections(batch, colors, directions, (vertices, normals) if is_one_file else None)
        if is_one_file:
            vertices += len(batch)
            normals += sum(section.normals for section in found.sections)
        torn += found.torn
        yield from found.sections
    if torn:
        warnings.warn(f"{torn} faces join two objects and are in no file", stacklevel=2)


def _head(told: Mapping[int, str], comment: str, unit: str | None) -> bytes:
    return "".join(f"#{line}\n" for line in (*tell_ids(told), *with_unit(comment, unit))).encode()


def _is_of_width(outgoing: Outgoing, name: str, widths: Sequence[int]) -> bool:
    found = outgoing.level.attributes.get(name)
    return found is not None and found.categories is None and found.row_shape in [(width,) for width in widths]


def _titles(outgoing: Outgoing) -> dict[int, str]:
    """A name for each object that is selected, all different; none where there is only object 0, without a name."""
    ids = chosen_ids(outgoing)
    names = {number: _clean(name) for number, name in object_names(outgoing).items()}
    if ids.tolist() == [0] and not names.get(0):
        return {}
    return distinct_titles(ids.tolist(), names)


def _clean(name: str) -> str:
    """A name that one line holds and that ends in no backslash, which would join the next line to it."""
    return " ".join(name.split()).rstrip("\\").rstrip()
