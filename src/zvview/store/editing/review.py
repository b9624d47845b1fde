"""What edits come to, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass, fields

from zvview.store.editing.edits import Edits

__all__ = ["Review", "is_empty", "review"]


@dataclass(frozen=True, slots=True)
class Review:
    """How many of what; its text is for people, such as "3 moved, 12 deleted, 1 relabelled".

    Attributes
    ----------
    moved, deleted, added, relabelled, set : int
        Vertices that are elsewhere, gone, new, part of another object, or have another value of some attribute.
        A vertex that is gone counts as nothing else.
    linked, cut : int
        Edges or faces that came, and that were taken away.
    lines_changed, lines_deleted : int
    objects_described, objects_regrouped : int
        Objects with another value of some object attribute, or in other groups.
    """

    moved: int = 0
    deleted: int = 0
    added: int = 0
    relabelled: int = 0
    set: int = 0
    linked: int = 0
    cut: int = 0
    lines_changed: int = 0
    lines_deleted: int = 0
    objects_described: int = 0
    objects_regrouped: int = 0

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))

    def __str__(self) -> str:
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        texts = [f"{count:,} {_WORDS[name]}" for name, count in told.items() if count]
        return ", ".join(texts) or "no edits"


_WORDS = {
    "moved": "moved",
    "deleted": "deleted",
    "added": "added",
    "relabelled": "relabelled",
    "set": "with other values",
    "linked": "linked",
    "cut": "links cut",
    "lines_changed": "lines changed",
    "lines_deleted": "lines deleted",
    "objects_described": "objects described",
    "objects_regrouped": "objects regrouped",
}


def review(edits: Edits) -> Review:
    """What `edits` come to."""
    moved = deleted = relabelled = with_values = 0
    for entry in edits.chunks.values():
        alive = ~entry.is_deleted
        deleted += len(alive) - int(alive.sum())
        moved += int((alive & entry.is_moved).sum())
        relabelled += int((alive & entry.is_reassigned).sum())
        is_set = ~alive
        for where, _ in entry.columns.values():
            is_set = is_set | where
        with_values += int((alive & is_set).sum())
    links = edits.links
    regrouped: set[int] = set()
    for members in edits.groups.values():
        regrouped.update(members.added.tolist(), members.removed.tolist())
    lines_deleted = sum(line is None for line in edits.lines.values())
    return Review(
        moved,
        deleted,
        0 if edits.added is None else len(edits.added.numbers),
        relabelled,
        with_values,
        0 if links is None else len(links.added) // links.width,
        0 if links is None else len(links.removed) // links.width,
        len(edits.lines) - lines_deleted,
        lines_deleted,
        len({number for values in edits.object_attributes.values() for number in values}),
        len(regrouped),
    )


def is_empty(edits: Edits) -> bool:
    """Whether edits change nothing; digests alone are no change."""
    return not (
        edits.chunks
        or edits.added is not None
        or edits.links is not None
        or edits.lines
        or edits.new_objects
        or edits.object_attributes
        or edits.groups
    )
