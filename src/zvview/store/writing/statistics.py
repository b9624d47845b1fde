"""What the index says of an attribute, gathered while its rows are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.format.attributes import AttributeMetadata
from zvview.store.writing.samples import StrideSample

__all__ = ["AttributeStatistics", "widen_statistics"]

_SAMPLE_ROWS = 1 << 15
_PROBABILITIES = np.linspace(0, 1, 101)


class AttributeStatistics:
    """Least and greatest value, quantiles from a sample, or how often each label occurs.

    Values that are not finite count nowhere. An attribute of C channels has lists of C least and greatest values and no
    quantiles.

    Parameters
    ----------
    metadata : AttributeMetadata
        As the attribute is written.
    """

    __slots__ = ("_counts", "_least", "_metadata", "_most", "_sample")

    def __init__(self, metadata: AttributeMetadata) -> None:
        self._metadata = metadata
        self._sample = StrideSample(_SAMPLE_ROWS)
        self._least: NDArray[Any] | None = None
        self._most: NDArray[Any] | None = None
        labels = 0 if metadata.categories is None else len(metadata.categories.labels)
        self._counts = np.zeros(labels, np.int64)

    def add(self, rows: NDArray[Any]) -> None:
        """Take rows as they are written, (n,) or (n, C)."""
        if not len(rows):
            return
        if self._metadata.categories is not None:
            codes = rows.ravel().astype(np.int64)
            self._counts += np.bincount(codes[codes >= 0], minlength=len(self._counts))
            return
        least, most = _extremes(rows)
        self._least = least if self._least is None else np.fmin(self._least, least)
        self._most = most if self._most is None else np.fmax(self._most, most)
        if rows.ndim == 1:
            self._sample.add(rows)

    def document(self) -> dict[str, Any]:
        """``min``, ``max``, ``quantiles`` (101 values, or none) and ``counts`` by label, fit for JSON."""
        categories = self._metadata.categories
        counts = {} if categories is None else dict(zip(categories.labels, self._counts.tolist(), strict=True))
        sample = self._sample.rows()
        sample = sample[np.isfinite(sample)].astype(np.float64)
        quantiles = np.quantile(sample, _PROBABILITIES) if len(sample) else np.empty(0)
        least, most = _plain(self._least), _plain(self._most)
        if len(quantiles):  # the sample need not hold the extremes, which are known
            quantiles[0], quantiles[-1] = least, most
        return {"min": least, "max": most, "quantiles": [float(f"{q:.7g}") for q in quantiles], "counts": counts}


def widen_statistics(known: object, fresh: Mapping[str, Any]) -> dict[str, Any]:
    """Statistics of rows of which some were replaced by others: never too narrow, else as they were.

    Parameters
    ----------
    known : object
        Of all rows as they were, as an index tells it, which may say anything; nothing where it is no mapping.
    fresh : mapping
        Of those that are new, as :meth:`AttributeStatistics.document` tells it.
    """
    known = known if isinstance(known, Mapping) else {}
    out = dict(known)
    for name, pick in (("min", min), ("max", max)):
        out[name] = _joined(known.get(name), fresh[name], pick)
    quantiles = known.get("quantiles")
    if not isinstance(quantiles, list) or not quantiles:
        out["quantiles"] = fresh["quantiles"]
    elif _is_number(out["min"]) and _is_number(out["max"]) and any(out[k] != known.get(k) for k in ("min", "max")):
        out["quantiles"] = [float(f"{out['min']:.7g}"), *quantiles[1:-1], float(f"{out['max']:.7g}")]
    counts = known.get("counts")
    counts = counts if isinstance(counts, Mapping) else {}
    out["counts"] = {**counts, **{label: _joined(counts.get(label), n, max) for label, n in fresh["counts"].items()}}
    return out


def _joined(known: Any, fresh: Any, pick: Callable[[Any, Any], Any]) -> Any:
    """What `pick` takes of two numbers, or of two lists of them one by one; the one that is a number where one is."""
    if isinstance(fresh, list):
        own = known if isinstance(known, list) and len(known) == len(fresh) else [None] * len(fresh)
        return [_joined(a, b, pick) for a, b in zip(own, fresh, strict=True)]
    if fresh is None and isinstance(known, list):  # no rows are new
        return [a if _is_number(a) else None for a in known]
    if not _is_number(known):
        return fresh
    return known if fresh is None else pick(known, fresh)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _extremes(rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    least, most = rows.min(axis=0), rows.max(axis=0)
    if rows.dtype.kind == "f" and not (np.isfinite(least).all() and np.isfinite(most).all()):
        finite = np.isfinite(rows)
        least = np.where(finite, rows, np.inf).min(axis=0)
        most = np.where(finite, rows, -np.inf).max(axis=0)
        is_any = finite.any(axis=0)
        least, most = np.where(is_any, least, np.nan), np.where(is_any, most, np.nan)
    return np.asarray(least), np.asarray(most)


def _plain(value: NDArray[Any] | None) -> Any:
    """A number, or a list of them; None where there is none."""
    if value is None:
        return None
    plain = value.tolist()
    if isinstance(plain, list):
        return [None if v != v else v for v in plain]
    return None if plain != plain else plain
