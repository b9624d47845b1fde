"""Which levels can have chunks made anew in the writer's form, beside chunks that stay in the form in which they are.

What cannot is refused with the words for it: a store made of it by ``zvview convert`` can be edited in every way. Where
edits only set positions and attributes of rows that stay in their place, much less is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zvview.errors import UnsupportedError
from zvview.format import names
from zvview.store.cell_arrays import key_encoding
from zvview.store.layout import LinkFamily
from zvview.store.reading.reader import LevelReader
from zvview.store.writing.level_vertices import OWNERS

__all__ = ["check_arrays", "check_renewable"]


def check_arrays(nodes: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse grid arrays whose cells or shards zvview only reads.

    Parameters
    ----------
    nodes : mapping
        Documents by path.

    Raises
    ------
    UnsupportedError
    """
    for path, document in nodes.items():
        if document["node_type"] != "array" or names.NONEMPTY_CHUNKS not in document["attributes"]:
            continue
        if key_encoding(document) != ("/", "c/"):
            raise _refused(f"{path} has keys of another form than c/0/0/0")
        outer = document["codecs"][0]
        if outer.get("name") == "sharding_indexed":
            shards = outer["configuration"]
            ends = [codec.get("name") for codec in shards.get("index_codecs", ())]
            if shards.get("index_location", "end") != "end" or ends != ["bytes", "crc32c"]:
                raise _refused(f"{path} has shards of another form than zvview writes")


def check_renewable(reader: LevelReader, nodes: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse levels in which the writer's form would not fit what stays.

    Parameters
    ----------
    reader : LevelReader
        Of the level.
    nodes : mapping
        Its documents by path.

    Raises
    ------
    UnsupportedError
    """
    if not (found := _find_misfit(reader, nodes)):
        return
    if reader.is_sequence:
        raise _refused(found)
    raise UnsupportedError(
        f"{found}: such a store can only have positions and attributes set where no vertex changes its place; "
        "'zvview convert' makes a store that can be edited in every way"
    )


def _find_misfit(reader: LevelReader, nodes: Mapping[str, Mapping[str, Any]]) -> str:
    """What of a level the writer's form would not fit; empty where it would."""
    layout, path = reader.layout, reader.layout.path
    if layout.metadata.sid_ndim != reader.root.ndim:
        return f"the chunks of level {path} are split by an attribute as well as in space"
    if layout.metadata.is_presence_deferred or f"{path}/{names.VERTICES}" not in nodes:
        return f"level {path} was not finished by its writer"
    if layout.metadata.shared_fragments:
        return f"fragments of level {path} belong to several objects"
    families = {node.split("/")[1] for node in nodes if node.count("/")}
    if unknown := sorted(families.difference(names.LEVEL_FAMILIES)):
        return f"level {path} holds {unknown[0]!r}, of which zvview does not know how it goes by vertices"
    known = {names.OBJECT_ID} if reader.objects is not None else set()
    if more := sorted(set(layout.attribute_names(names.FRAGMENT_ATTRIBUTES)) - known):
        return f"fragments of level {path} have the attribute {more[0]!r}, which new ones would lack"
    owners = layout.cell_attribute(names.FRAGMENT_ATTRIBUTES, names.OBJECT_ID)
    if owners is not None and owners[1].dtype != np.int64:
        return f"{path}/{OWNERS} holds {owners[1].dtype.name}, where zvview writes int64"
    if reader.kind == names.GRAPH and reader.root.links_convention != names.EXPLICIT:
        return f"edges of the graph are partly implied ({reader.root.links_convention})"
    family = layout.links(0) if reader.is_linked or reader.is_sequence else None
    if family is not None:
        return _find_misfit_of_links(reader, family)
    return ""


def _find_misfit_of_links(reader: LevelReader, family: LinkFamily) -> str:
    if family.is_duplicated or family.is_directed:
        form = "stored once for each chunk that they touch" if family.is_duplicated else "directed"
        return f"the links of {family.path} are {form}, where zvview writes each once, undirected"
    for array in family.arrays:
        is_crossing = bool(array.offsets.any())
        if array.dtype != np.int64 or array.has_perm != is_crossing or array.is_ragged != is_crossing:
            return f"{array.cells.path} has records of another form than zvview writes"
        if missing := [name for name in family.attribute_names if name not in array.attributes]:
            return f"links in {array.cells.path} lack the attribute {missing[0]!r} that others have"
    if family.attribute_names and reader.root.links_convention != names.EXPLICIT:
        return f"links of {family.path} have attributes though most are implied"
    return ""


def _refused(found: str) -> UnsupportedError:
    return UnsupportedError(f"{found}: nothing of such a store is edited; 'zvview convert' makes one that can be")
