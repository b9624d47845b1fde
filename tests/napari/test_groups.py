"""Groups of objects as colours need them."""

from __future__ import annotations

from zvview.napari.groups import read_membership
from zvview.testing import make_store


def test_groups_of_a_store() -> None:
    store = make_store({}, "streamline", size=2000, n_objects=20)
    members = read_membership(store)
    assert members is not None and store.groups is not None
    first = store.groups.members[0]
    assert (members.groups_of(first) == 0).all()
    assert read_membership(make_store({}, "streamline", size=200, with_groups=False)) is None
