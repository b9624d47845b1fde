"""The same edits done to plain dictionaries, to hold sessions and stores against."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import zvview
from zvview.store.editing.edits import VertexRefs
from zvview.store.editing.selection import Selection
from zvview.store.editing.session import EditSession

Key = tuple[int, ...]
"""Chunk and row of a vertex."""


def needed(session: EditSession) -> dict[str, int]:
    """A value for each attribute that new vertices must be given, the one that models have where none is given."""
    return dict.fromkeys(session.schema.must_be_given, 0)


@dataclass
class Vertex:
    """A vertex; values as bytes, so that what is not a number is equal to itself."""

    position: tuple[float, ...]
    values: dict[str, bytes]
    owner: int | None


@dataclass
class VertexModel:
    """Vertices by name, and links of graphs, skeletons and meshes by the names of their ends."""

    kind: str
    vertices: dict[Key, Vertex] = field(default_factory=dict)
    links: list[tuple[Key, ...]] = field(default_factory=list)

    @classmethod
    def of(cls, kind: str, found: Selection) -> VertexModel:
        """What a session found."""
        model = cls(kind)
        names = keys_of(found.refs)
        for i, name in enumerate(names):
            model.vertices[name] = vertex_at(found, i)
        model.links = [tuple(names[row] for row in link) for link in found.links.tolist()]
        return model

    def delete(self, names: set[Key]) -> None:
        """Without vertices; what hung on nodes of skeletons hangs on their parents."""
        if self.kind == "skeleton":
            parent = dict(self.links)
            for child in [c for c in parent if c not in names]:
                while parent.get(child) in names:
                    above = parent.get(parent[child])
                    if above is None:
                        del parent[child]
                    else:
                        parent[child] = above
            self.links = list(parent.items())
        self.links = [link for link in self.links if not names.intersection(link)]
        for name in names:
            del self.vertices[name]

    def below(self, name: Key) -> set[Key]:
        """A node of a skeleton and all that hang on it."""
        children: dict[Key, list[Key]] = {}
        for child, parent in self.links:
            children.setdefault(parent, []).append(child)
        out, todo = set(), [name]
        while todo:
            out.add(todo[-1])
            todo += children.get(todo.pop(), [])
        return out

    def has_link(self, ends: list[Key]) -> bool:
        """Whether there is a link with these ends, in any order."""
        return any(set(link) == set(ends) for link in self.links)

    def content(self) -> tuple[Counter[Any], Counter[Any]]:
        """Vertices and links by what they hold rather than by name."""
        told = {n: (v.position, tuple(sorted(v.values.items())), v.owner) for n, v in self.vertices.items()}
        links = Counter(tuple(self._ordered([told[end] for end in link])) for link in self.links)
        return Counter(told.values()), links

    def named_links(self) -> Counter[Any]:
        """Links by the names of their ends, in an order that does not depend on who tells them."""
        return Counter(tuple(self._ordered(list(link))) for link in self.links)

    def _ordered(self, ends: list[Any]) -> list[Any]:
        return ends if self.kind == "skeleton" else sorted(ends)


def keys_of(refs: VertexRefs) -> list[Key]:
    """Names of vertices as tuples."""
    return [(*chunk, row) for chunk, row in zip(refs.chunks.tolist(), refs.rows.tolist(), strict=True)]


def vertex_at(found: Selection, row: int) -> Vertex:
    """One vertex of a selection."""
    owner = None if found.object_ids is None else int(found.object_ids[row])
    values = {name: np.ascontiguousarray(column[row]).tobytes() for name, column in found.attributes.items()}
    return Vertex(tuple(found.positions[row].tolist()), values, owner)


def assert_same(session: EditSession, model: VertexModel) -> None:
    """The session tells what the model holds, vertex by vertex and link by link."""
    found = VertexModel.of(model.kind, session.find())
    assert found.vertices == model.vertices
    assert found.named_links() == model.named_links()


def edit_at_random(session: EditSession, model: VertexModel, rng: np.random.Generator) -> str:
    """One operation on both; its name comes back."""
    names = list(model.vertices)
    if not names:
        return "nothing"
    picked = [names[i] for i in rng.choice(len(names), min(len(names), int(rng.integers(1, 8))), replace=False)]
    chosen = refs_from(picked)
    kinds = ["move", "delete", "add", "set", *([] if session.schema.has_objects is False else ["reassign"])]
    kinds += {"graph": ["connect", "cut"], "skeleton": ["branch", "cut"], "mesh": ["faces"]}.get(model.kind, [])
    what = str(rng.choice(kinds))
    dtype = session.schema.dtype
    if what == "move":
        positions = _some_positions(model, len(picked), rng, dtype)
        session.move(chosen, positions)
        for name, position in zip(picked, positions, strict=True):
            model.vertices[name].position = tuple(position.tolist())
    elif what == "delete":
        session.delete(chosen)
        model.delete(set(picked))
    elif what == "add":
        positions = _some_positions(model, 3, rng, dtype)
        owner = model.vertices[picked[0]].owner
        refs = session.add(
            positions, object_ids=None if not session.schema.has_objects else owner, attributes=needed(session)
        )
        _take_over(session, model, refs)
    elif what == "set" and session.schema.columns:
        name = str(rng.choice(list(session.schema.columns)))
        metadata = session.schema.columns[name]
        shape = (len(picked), *metadata.row_shape)
        values = rng.integers(0, 2, shape).astype(metadata.dtype)
        session.set_attributes(chosen, {name: values})
        for key, value in zip(picked, values, strict=True):
            model.vertices[key].values[name] = np.ascontiguousarray(value).tobytes()
    elif what == "reassign" and model.kind == "point_cloud":
        owner = model.vertices[picked[-1]].owner
        session.reassign(chosen, owner)
        for key in picked:
            model.vertices[key].owner = owner
    elif what == "connect" and len(picked) > 1 and not model.has_link(picked[:2]):
        session.connect(refs_from(picked[:1]), refs_from(picked[1:2]))
        model.links.append((picked[0], picked[1]))
    elif what == "cut" and model.kind == "graph" and model.links:
        one, other = model.links[int(rng.integers(len(model.links)))]
        session.cut(refs_from([other]), refs_from([one]))
        model.links = [link for link in model.links if set(link) != {one, other}]
    elif what == "cut" and model.kind == "skeleton" and model.links:
        child, parent = model.links[int(rng.integers(len(model.links)))]
        new = session.cut(refs_from([child]))
        for key in model.below(child):
            model.vertices[key].owner = new
        model.links.remove((child, parent))
    elif what == "branch":
        positions = _some_positions(model, 2, rng, dtype)
        refs = session.add_branch(refs_from(picked[:1]), positions, attributes=needed(session))
        _take_over(session, model, refs)
        first, second = keys_of(refs)
        model.links += [(first, picked[0]), (second, first)]
    elif what == "faces" and model.links:
        face = model.links[int(rng.integers(len(model.links)))]
        turned = [*face[1:], face[0]]
        session.delete_faces(refs_from(turned))
        model.links = [link for link in model.links if sorted(link) != sorted(face)]
        width = session.schema.link_width
        if len(picked) >= width and not model.has_link(picked[:width]):
            session.add_faces(refs_from(picked[:width]))
            model.links.append(tuple(picked[:width]))
    return what


def refs_from(names: list[Key]) -> VertexRefs:
    """Names of vertices as arrays."""
    table = np.array(names, np.int64)
    return VertexRefs(table[:, :-1], table[:, -1])


def stored_content(kind: str, batch: zvview.Batch) -> tuple[Counter[Any], Counter[Any]]:
    """What a store that was read holds, as :meth:`VertexModel.content` tells it."""
    owners: NDArray[np.int64] | None = None
    if isinstance(batch, zvview.Points):
        owners = batch.object_ids
    elif batch.object_ids is not None:  # type: ignore[attr-defined]
        owners = batch.vertex_object_ids  # type: ignore[attr-defined]
    links = np.empty((0, 2), np.int64)
    if isinstance(batch, zvview.Mesh):
        links = batch.faces
    elif isinstance(batch, zvview.Graph):
        links = batch.edges
    refs = VertexRefs(np.zeros((len(batch), 1), np.int64), np.arange(len(batch)))
    found = Selection(refs, batch.positions.astype(np.float64), batch.attributes, owners, links)
    return VertexModel.of(kind, found).content()


def describe_lines(place: Any) -> zvview.Store:
    """A store of ten streamlines with attributes of objects, numbers and text, and two groups."""
    rng = np.random.default_rng(2)
    lines = [rng.uniform(0, 1000, (6, 3)).astype("f4") for _ in range(10)]
    batch = zvview.Streamlines.from_list(lines, object_ids=np.arange(10) * 3)
    store = zvview.create(place, kind="streamline", axes="xyz", chunk_shape=(250.0,) * 3)
    store.write(
        batch,
        object_attributes={"length": np.arange(10.0), "name": np.array([f"line {i}" for i in range(10)])},
        groups={"left": [0, 3, 6], "right": [9, 12]},
    )
    return store


def _take_over(session: EditSession, model: VertexModel, refs: VertexRefs) -> None:
    """New vertices as the session tells them."""
    found = session.look_up(refs)
    assert len(found) == len(refs)
    for i, name in enumerate(keys_of(found.refs)):
        model.vertices[name] = vertex_at(found, i)


def _some_positions(model: VertexModel, n: int, rng: np.random.Generator, dtype: np.dtype[Any]) -> NDArray[np.float64]:
    """Positions within the bounds of the vertices, and a little beyond."""
    known = np.array([vertex.position for vertex in model.vertices.values()])
    lo, hi = known.min(axis=0), known.max(axis=0)
    edge = np.maximum(hi - lo, 1) * 0.02
    return rng.uniform(lo - edge, hi + edge, (n, known.shape[1])).astype(dtype).astype(np.float64)
