"""A commit to one store of a collection that is changed as a whole: a zip, memory, an address."""

from __future__ import annotations

from collections.abc import Mapping

from zvview.errors import InvalidInputError, NotZarrVectorsError
from zvview.store.committing.applied import Applied, Commit
from zvview.store.places.prefixed import PrefixedSource
from zvview.store.places.source import ROOT_KEY, Source

__all__ = ["MemberCommit"]


class MemberCommit:
    """Changes what lies under a prefix, by the commit of the whole.

    Parameters
    ----------
    whole : Commit
    prefix : str

    Raises
    ------
    NotZarrVectorsError
        There is no store under the prefix.
    """

    def __init__(self, whole: Commit, prefix: str) -> None:
        self._whole, self._source = whole, PrefixedSource(whole.source, prefix)
        if self._source.get_many([(ROOT_KEY, None)]) == [None]:
            raise NotZarrVectorsError(f"{self._source.place} holds no {ROOT_KEY}: there is no store")

    @property
    def source(self) -> Source:
        """See :class:`~zvview.store.committing.applied.Commit`."""
        return self._source

    def apply(self, changes: Mapping[str, bytes | None]) -> Applied:
        """See :class:`~zvview.store.committing.applied.Commit`."""
        if changes.get(ROOT_KEY, b"") is None:
            raise InvalidInputError(f"without its {ROOT_KEY} it would be no store")
        return self._whole.apply({self._source.prefix + key: data for key, data in changes.items()})
