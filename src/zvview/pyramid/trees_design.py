"""Choosing a level of skeletons or graphs: its bin from how far a sample can be simplified, its chunks from bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError, InvalidInputError
from zvview.format.attributes import AttributeMetadata
from zvview.format.cells import FARTHEST_CHUNK
from zvview.format.metadata import space_axes
from zvview.geometry.batches import Graph, Skeletons
from zvview.pyramid.chunk_choice import choose_multiples
from zvview.pyramid.design import LevelDesign, PyramidOptions
from zvview.pyramid.hashing import hash_ids
from zvview.pyramid.networks import Network, Rules, find_changes, span_network, thin_runs
from zvview.pyramid.parts import row_bytes
from zvview.store.level import Level

__all__ = ["as_network", "design_level", "rules_of"]

_SAMPLE_NODES = 150_000
_HALF_BIN = 0.49  # tolerances of levels whose bins double sum to less than a bin
_WHOLE_BIN = 0.98
_LABEL_CHANGES = 0.2  # an integer that changes along more links than these is a number, not a label
_COARSEST_FIRST = 64  # the bin of level 1 is at most this part of the extent, that of each next level twice as much
_NEAR_FLOOR = 1.1  # of the nodes that no bin can thin: fewer are not worth a larger bin
_STEPS = 7  # of the search, over
_OCTAVES = 20
_EXACT = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """Some chunks of a level.

    Attributes
    ----------
    network : Network
        Their nodes, then the far ends of links that leave them.
    nodes : int
        Without the far ends.
    extent : float
        Longest edge, along space, of the box of the whole level.
    """

    network: Network
    nodes: int
    extent: float


def design_level(fine: Level, previous: LevelDesign | None, options: PyramidOptions, method: str) -> LevelDesign:
    """Decide on the next coarser level; see :meth:`zvview.pyramid.kind.Kind.design`.

    The bin is the least with which counts fall by ``options.factor``, or nearly as far as the branch points and tips
    allow; it at least doubles from level to level. Reads about 150,000 nodes, those of one chunk at least.

    Raises
    ------
    InvalidInputError
        Wished shapes that do not fit each other.
    """
    number = fine.number + 1
    is_space = space_axes(fine.axes)
    sample = _read_sample(fine, is_space, options.seed)
    share = options.object_sparsity if options.object_sparsity is not None else 1.0
    finer: Mapping[str, Any] = {} if previous is None else previous.parameters
    rules = Rules(
        bin_shape=tuple(fine.resolution.tolist()),
        tolerance=_HALF_BIN,
        chunk_shape=tuple(np.where(is_space, 2, 1) * fine.chunk_shape),
        labels=tuple(finer["labels"]) if previous is not None else _find_labels(sample.network, fine.attributes),
        radius=_find_radius(fine.attributes),
        other_axes=tuple(np.flatnonzero(~is_space).tolist()),
    )
    wished = _wish(options, "bin_shapes", fine)
    edge = None
    if wished is None:
        least = None if previous is None else 2 * max(np.array(previous.bin_shape)[is_space].tolist())
        edge = _choose_edge(sample, rules, is_space, least, number, options.factor)
        rules = replace(rules, bin_shape=tuple(np.where(is_space, edge, fine.resolution).tolist()))
    else:
        rules = replace(rules, bin_shape=wished)
    chunk_shape = _wish(options, "chunk_shapes", fine)
    if chunk_shape is None:
        chunk_shape = _choose_chunks(fine, sample, rules, is_space, share)
    spent = np.array(finer.get("spent", [0.0] * len(is_space)))
    bin_shape = wished if edge is None else _fit_bins(edge, chunk_shape, rules.bin_shape, is_space)
    assert bin_shape is not None
    _check_shapes(fine, chunk_shape, bin_shape)
    tolerance = max(1e-4, min(_HALF_BIN, _WHOLE_BIN - float((spent / bin_shape).max())))
    parameters = {
        "tolerance": tolerance,
        "spent": (spent + tolerance * np.array(bin_shape)).tolist(),
        "labels": list(rules.labels),
        "radius": rules.radius,
        "other_axes": list(rules.other_axes),
        "object_share": share * float(finer.get("object_share", 1.0)),
        "seed": options.seed,
    }
    return LevelDesign(number, chunk_shape, bin_shape, method, parameters)


def rules_of(design: LevelDesign) -> Rules:
    """The rules of a level, from what its design keeps."""
    own = design.parameters
    return Rules(
        design.bin_shape, own["tolerance"], design.chunk_shape, own["labels"], own["radius"], own["other_axes"]
    )


def as_network(batch: Graph, fine: Level) -> Network:
    """The nodes and links of a batch of a level.

    Raises
    ------
    DamagedError
        Positions that are not finite, or so far away that chunks cannot be counted.
    """
    farthest = np.abs(batch.positions).max(axis=0, initial=0.0) / fine.chunk_shape
    if not (farthest < FARTHEST_CHUNK).all():  # NaN is not either
        raise DamagedError("vertices", found="a position beyond all chunks", expected="positions inside their chunks")
    return Network(
        batch.positions, batch.edges, batch.attributes, batch.vertex_object_ids, isinstance(batch, Skeletons)
    )


def _wish(options: PyramidOptions, what: str, fine: Level) -> tuple[float, ...] | None:
    shape = options.shape_of(what, fine.number + 1, len(fine.chunk_shape))
    return None if shape is None else tuple(shape.tolist())


def _read_sample(fine: Level, is_space: NDArray[np.bool_], seed: int) -> _Sample:
    """Chunks in the order of a hash, whole, until there are enough nodes."""
    chunks, counts = fine.chunks, fine.chunk_vertex_counts
    hashes = hash_ids(np.arange(len(chunks)), seed) if len(chunks) else np.empty(0, np.uint32)
    order = np.argsort(hashes, kind="stable")
    enough = int(np.searchsorted(np.cumsum(counts[order]), _SAMPLE_NODES)) + 1
    batch = fine.read_chunks(chunks[np.sort(order[:enough])])
    assert isinstance(batch, Graph)
    network, inner = as_network(batch, fine), int(batch.offsets[-1])
    leaves = network.edges[(network.edges >= inner).any(axis=1)]
    objects = network.objects.copy()
    objects[leaves.max(axis=1)] = objects[leaves.min(axis=1)]  # not known of far ends: taken for the same
    network = replace(network, objects=objects)
    if enough >= len(chunks) and len(batch):
        extent = np.ptp(batch.positions.astype(np.float64), axis=0)
    else:
        extent = _span(chunks[:, -len(is_space) :]) * fine.chunk_shape
    return _Sample(network, inner, float(extent[is_space].max()))


def _find_labels(network: Network, attributes: Mapping[str, AttributeMetadata]) -> tuple[str, ...]:
    """Categories, and the integers that rarely change along links."""
    most = _LABEL_CHANGES * len(network.edges)
    found = []
    for name, values in network.columns.items():
        if attributes[name].categories is not None or (
            values.dtype.kind in "biu" and len(find_changes(values, network.edges)) <= most
        ):
            found.append(name)
    return tuple(found)


def _find_radius(attributes: Mapping[str, AttributeMetadata]) -> str | None:
    """The column of radii: one float for each node, by name."""
    for name, attribute in attributes.items():
        if (
            name.lower() in ("radius", "radii")
            and attribute.dtype.kind == "f"
            and not math.prod(attribute.row_shape) > 1
        ):
            return name
    return None


def _choose_edge(
    sample: _Sample, rules: Rules, is_space: NDArray[np.bool_], least: float | None, number: int, factor: float
) -> float:
    """Edge of the bin along the space axes."""
    most = sample.extent / max(2.0, _COARSEST_FIRST / 2.0 ** (number - 1))
    most = most if most > 0 else 1.0
    low = most / 2**_OCTAVES if least is None else least
    if low >= most or not sample.nodes:
        return max(low, most) if least is None else low
    runs = span_network(sample.network, rules)

    def count(edge: float) -> int:
        tried = replace(rules, bin_shape=tuple(np.where(is_space, edge, rules.bin_shape).tolist()))
        nodes = thin_runs(sample.network, runs, tried).nodes
        return int(np.searchsorted(nodes, sample.nodes))

    goal = max(sample.nodes / factor, _NEAR_FLOOR * count(most))
    for _ in range(_STEPS):
        middle = math.sqrt(low * most)
        low, most = (low, middle) if count(middle) <= goal else (middle, most)
    return most


def _choose_chunks(
    fine: Level, sample: _Sample, rules: Rules, is_space: NDArray[np.bool_], share: float
) -> tuple[float, ...]:
    """The finer chunks made longer along space, as far as their mean holds no more than a megabyte."""
    network = sample.network
    kept = len(thin_runs(network, span_network(network, rules), rules).nodes) / max(1, len(network.positions))
    link_bytes = 2 if network.is_tree else 16 + 4 * len(fine.link_attribute_names)
    bytes_each = share * kept * (row_bytes(fine) + link_bytes * len(network.edges) / max(1, len(network.positions)))
    sizes = fine.chunk_vertex_counts.astype(np.float64) * bytes_each
    edges = fine.chunk_shape.tolist()
    multiples = choose_multiples(fine.chunks[:, -len(edges) :], sizes, edges, is_space.tolist())
    return tuple(edge * multiple for edge, multiple in zip(edges, multiples, strict=True))


def _check_shapes(fine: Level, chunk_shape: Sequence[float], bin_shape: Sequence[float]) -> None:
    """Refuse wished shapes that do not fit each other.

    Raises
    ------
    InvalidInputError
    """
    multiples = np.array(chunk_shape) / fine.chunk_shape
    if not _are_whole(multiples):
        finer = fine.chunk_shape.tolist()
        raise InvalidInputError(f"chunk shape {list(chunk_shape)}, expected multiples of the finer level's {finer}")
    bins = np.array(chunk_shape) / bin_shape
    if not _are_whole(np.maximum(bins, 1 / bins)):
        raise InvalidInputError(
            f"bin shape {list(bin_shape)}, expected edges that divide the chunk's {list(chunk_shape)} or are multiples"
        )


def _are_whole(ratios: NDArray[np.float64]) -> bool:
    nearest = np.rint(ratios)
    return bool((nearest >= 1).all() and (np.abs(ratios - nearest) <= _EXACT * nearest).all())


def _span(chunks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Edges of the box of some chunks, in chunks, (D,)."""
    if not len(chunks):
        return np.ones(chunks.shape[1], np.int64)
    return np.asarray(chunks.max(axis=0) - chunks.min(axis=0) + 1)


def _fit_bins(
    edge: float, chunk_shape: Sequence[float], bin_shape: Sequence[float], is_space: NDArray[np.bool_]
) -> tuple[float, ...]:
    """Bins not smaller than `edge` along space that divide the chunks, or are multiples of them."""
    out = []
    for chunk, other, free in zip(chunk_shape, bin_shape, is_space.tolist(), strict=True):
        if not free:
            out.append(other)
        elif edge <= chunk:
            out.append(chunk / math.floor(chunk / edge * (1 + 1e-9)))
        else:
            out.append(chunk * math.ceil(edge / chunk * (1 - 1e-9)))
    return tuple(out)
