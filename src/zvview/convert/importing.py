"""One input, foreign files or a level of a store, opened and written into a new store batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zvview.cancel import CancelToken
from zvview.convert.contract import Extras, Incoming, Input, Outgoing, Skipped
from zvview.convert.copying import LevelInput
from zvview.convert.frames import Frame, frame_of
from zvview.convert.registry import explain_missing_packages, find_format
from zvview.convert.sources import Selection, Source, open_store, split_groups
from zvview.errors import BadFileError, InvalidInputError
from zvview.format.metadata import Axis
from zvview.store.creating import NewStore
from zvview.store.writing.options import AttributeSpec, as_axes

__all__ = ["METADATA_KEY", "Opened", "Progress", "open_source", "write_opened"]

METADATA_KEY = "zvview_convert"
"""Key of ``user_metadata`` under which it is kept what a store was made of, and what the caller stated of it."""

Progress = Callable[[int, int, str], None]
"""Called with what is done, all there is (0 where that is not known), and what is being done."""


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """An input that is ready to be written.

    Attributes
    ----------
    source : Source
    content : Input
    format : str
        Name of the format, ``"store"`` for a store.
    frame : Frame or None
        What the caller states of the coordinates.
    """

    source: Source
    content: Input
    format: str
    frame: Frame | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the store in a collection."""
        return self.source.given_name

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Axes of the store that is made of it; where the caller maps the coordinates, the unit is the stated one."""
        axes = as_axes(self.content.axes)
        if self.frame is None and not (self.format == "store" and self.source.unit):
            return axes
        return tuple(Axis(a.name, a.type, self.source.unit if a.type == "space" else a.unit) for a in axes)

    @property
    def attribute_specs(self) -> dict[str, AttributeSpec]:
        """Of the vertex attributes; lengths that are scaled along have the unit of the coordinates."""
        specs = dict(self.content.attribute_specs)
        for name in () if self.frame is None else self.frame.lengths:
            if name in specs:
                specs[name] = replace(specs[name], unit=self.source.unit)
        return specs


def open_source(source: Source, selection: Selection, held: ExitStack, cancel: CancelToken | None = None) -> Opened:
    """Open one input; tables are looked through for their types. What must be closed at the end goes into `held`.

    Raises
    ------
    ZvviewError
        As the format or the store tells; :class:`~zvview.errors.InvalidInputError` for what the caller states of it.
    """
    if source.is_store:
        if source.axes is not None or source.columns or source.drop:
            raise InvalidInputError(f"{source.path} is a store: axes, columns and drop are of tables")
        store = held.enter_context(open_store(source))
        level = store.level(selection.level)
        groups = split_groups(level, selection.groups)
        outgoing = Outgoing(store, level, selection.box, selection.objects, groups, cancel)
        content = LevelInput(outgoing, source.batch_bytes)
        options: dict[str, Any] = {"object_attributes": content.specs_of("object")}
        options |= {"link_attributes": content.specs_of("link"), "crs": store.metadata.crs, "dtype": level.dtype}
        frame = frame_of(content.axes, source.scale, source.affine)
        return Opened(source, content, "store", frame, options)
    if not selection.is_everything:
        raise InvalidInputError(f"{source.path} is no store: --level, --box, --objects and --groups select of a store")
    form = find_format(source.path, source.format)
    with explain_missing_packages():
        opened = form.open_input(Path(source.path).expanduser(), source.read_options(cancel))
    frame = frame_of(opened.axes, source.scale, source.affine, form.lengths)
    return Opened(source, opened, form.name, frame, {"dtype": None})


def write_opened(
    opened: Opened, new: NewStore, progress: Progress | None = None, cancel: CancelToken | None = None
) -> Extras:
    """Write all batches of an input; gives what it said at its end.

    Raises
    ------
    BadFileError
        Content that no store can hold, such as positions that are not finite; or no batch at all.
    Cancelled
        The token was set.
    """
    name = opened.name

    def tell(done: int, total: int) -> None:
        if progress is not None:
            progress(done, total, f"writing {name}")

    with new.writer(progress=tell, cancel=cancel) as writer, explain_missing_packages():
        done = 0
        for incoming in opened.content.batches():
            done += _append(writer, incoming, opened)
            if progress is not None:
                progress(done, 0, f"reading {name}")
        extras = opened.content.extras()
        writer.close(
            groups=extras.groups,
            group_attributes=extras.group_attributes,
            headers=extras.headers,
            user_metadata=dict(extras.user_metadata) | {METADATA_KEY: _provenance(opened, extras.skipped)},
        )
    return extras


def _append(writer: Any, incoming: Incoming, opened: Opened) -> int:
    batch = incoming.batch if opened.frame is None else opened.frame.apply(incoming.batch)
    try:
        writer.append(batch, incoming.object_attributes)
    except InvalidInputError as error:
        raise BadFileError(opened.source.path, str(error)) from error
    return len(batch)


def _provenance(opened: Opened, skipped: Any) -> dict[str, Any]:
    source = opened.source
    out: dict[str, Any] = {"source": Path(source.path).name, "format": opened.format}
    if source.unit is not None:
        out["stated_unit"] = source.unit
    if opened.frame is not None:
        out |= opened.frame.document()
    listed: list[Skipped] = list(skipped)
    return out | ({"skipped": len(listed)} if listed else {})
