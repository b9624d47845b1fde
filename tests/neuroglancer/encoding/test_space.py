from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from neuroglancer import CoordinateSpace

from zvview.format.metadata import Axis
from zvview.neuroglancer.encoding.space import model_frame, space_of


def xyz(unit: str | None = None, names: str = "xyz") -> list[Axis]:
    return [Axis(name, "space", unit) for name in names]


def test_dimensions_are_axes_with_scales_that_neuroglancer_takes() -> None:
    axes = [Axis("t", "time", "second"), *xyz("micrometer")]
    space = space_of(axes)
    assert space.dimensions == {"t": (1.0, "s"), "x": (1e-6, "m"), "y": (1e-6, "m"), "z": (1e-6, "m")}
    assert CoordinateSpace({name: list(one) for name, one in space.dimensions.items()}).names == ("t", "x", "y", "z")
    assert space.notes == ()
    positions = np.ones((2, 4))
    assert space.place(positions) is positions


def test_plane_stores_get_a_third_dimension() -> None:
    space = space_of(xyz("nm", "xy"))
    assert space.dimensions["z"] == (1e-9, "m")
    assert space.place(np.ones((2, 2), np.float32)).tolist() == [[1, 1, 0]] * 2
    assert space.place(np.ones((2, 5, 2))).shape == (2, 5, 3)
    lower, upper = space.bounds([0, 1], [2, 3])
    assert lower.tolist() == [0, 1, -0.5] and upper.tolist() == [2, 3, 0.5]
    with_time = space_of([Axis("t", "time", "s"), *xyz("mm", "xy")], least_rank=4)
    assert with_time.names == ("t", "x", "y", "z") and with_time.dimensions["z"] == (1e-3, "m")


def test_what_has_no_unit_takes_that_of_others() -> None:
    space = space_of([Axis("x"), Axis("y", "space", "nanometer"), Axis("t", "time")])
    units = {"x": (1e-6, "m"), "y": (1e-6, "m"), "z": (1e-3, "m")}
    assert space.measured(units).dimensions == {"x": (1e-6, "m"), "y": (1e-9, "m"), "t": (1.0, "")}
    assert space.measured({}) == space


def test_names_and_units_that_neuroglancer_does_not_know_are_told_of() -> None:
    space = space_of([Axis("depth (\u00b5m)"), Axis("1"), Axis("x", "space", "furlong"), Axis("x")])
    assert space.names == ("depth_m", "d1", "x", "x2")
    assert space.units == ("", "", "", "")
    assert len(space.notes) == 4 and "furlong" in space.notes[0]
    assert CoordinateSpace({name: list(one) for name, one in space.dimensions.items()}).rank == 4


@given(st.permutations("xyz"), st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=6))
def test_models_lie_where_the_store_says_in_nanometres(order: list[str], numbers: list[float]) -> None:
    offset, origin = np.array(numbers[:3]), np.array(numbers[3:])
    frame = model_frame(xyz("micrometer", "".join(order)), offset=offset, origin=origin)
    stored = origin + np.array([[0.5, 2, 3], [-1, 0, 8]])
    matrix = np.array(frame.transform).reshape(3, 4)
    found = frame.place(stored) @ matrix[:, :3].T + matrix[:, 3]
    world = (stored + offset) * 1000
    np.testing.assert_allclose(found, world[:, [order.index(n) for n in "xyz"]], rtol=1e-6, atol=1e-2)
    assert frame.notes == ()


def test_models_of_other_axes_are_told_of() -> None:
    frame = model_frame([Axis("t", "time", "s"), Axis("a", "space", "nm"), Axis("b", "space", "parrot")])
    assert frame.columns == (1, 2)
    assert frame.transform == (1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)
    assert any("t" in note for note in frame.notes) and any("parrot" in note for note in frame.notes)
    assert frame.place(np.array([[9.0, 1, 2]])).tolist() == [[1, 2, 0]]
    assert "no unit" in model_frame(xyz()).notes[0]


def test_a_plane_of_z_and_x_stays_one() -> None:
    frame = model_frame(xyz("nm", "zx"))
    matrix = np.array(frame.transform).reshape(3, 4)
    assert (frame.place(np.array([[3.0, 1.0]])) @ matrix[:, :3].T).tolist() == [[1, 0, 3]]


def test_what_is_said_of_several_axes_is_said_once() -> None:
    axes = [Axis("x", "space", "parsec2"), Axis("y", "space", "parsec2"), Axis("z", "space", None)]
    assert space_of(axes).notes == ("axes 'x', 'y': unit 'parsec2' is not known, so that there is none",)
    length, none = model_frame(axes).notes
    assert length.startswith("axes 'x', 'y': unit 'parsec2' is no length") and none.startswith("axis 'z': no unit")
