"""CSV, TSV and Parquet: what columns become, equal round trips, streaming, and bad files told by their lines."""

from __future__ import annotations

import datetime
import gzip
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import zvview
from zvview.convert.contract import ReadOptions
from zvview.convert.converting import convert
from zvview.convert.registry import load_format
from zvview.convert.sources import Selection, Source
from zvview.errors import BadFileError, InvalidInputError, UnreachableError

SLOW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(path: Path, **options: Any) -> list[Any]:
    """What a table gives, batch after batch."""
    return list(load_format(path.name.split(".")[-1]).open_input(path, ReadOptions(**options)).batches())


def first(path: Path, text: str, **options: Any) -> Any:
    path.write_text(text)
    return read(path, **options)[0].batch


def through(source: Source, folder: Path, suffix: str = "") -> Any:
    """A table that went into a store and came out again."""
    convert(source, folder / "store", mode="w")
    out = folder / f"out{suffix or Path(source.path).suffix}"
    convert(folder / "store", out, mode="w")
    return pq.read_table(out) if out.suffix == ".parquet" else out.read_text()


def sorted_table(table: Any) -> Any:
    plain = [c.cast(c.type.value_type) if pa.types.is_dictionary(c.type) else c for c in table.columns]
    plain = [pa.chunked_array(c) if isinstance(c, list) else c for c in plain]
    keys = [
        (name, "ascending") for name, c in zip(table.column_names, plain, strict=True) if not pa.types.is_nested(c.type)
    ]
    return pa.table(dict(zip(table.column_names, plain, strict=True))).sort_by(keys)


def rich_table(n: int = 400) -> Any:
    """A column of every type that a store can keep."""
    rng = np.random.default_rng(3)
    every = np.arange(n)
    noon = datetime.datetime(2021, 5, 4, 12)
    lists = pa.FixedSizeListArray.from_arrays(pa.array(rng.normal(0, 1, 3 * n).astype("f4")), 3)
    return pa.table(
        {
            "Z": rng.normal(0, 1e4, n),
            "pos_x": rng.normal(0, 1, n),
            "X": rng.normal(0, 1e4, n),
            "Y": rng.normal(0, 1e4, n).astype("f4"),
            "id": pa.array(every + (1 << 60), pa.uint64()),
            "count": pa.array([None if i % 5 == 0 else i for i in every.tolist()], pa.int16()),
            "ok": pa.array([None if i % 3 == 0 else i % 2 == 0 for i in every.tolist()]),
            "sure": pa.array([i % 2 == 0 for i in every.tolist()]),
            "when": pa.array([noon + datetime.timedelta(seconds=i) for i in every.tolist()], pa.timestamp("us", "UTC")),
            "day": pa.array([noon.date() if i % 2 else None for i in every.tolist()], pa.date32()),
            "took": pa.array(every, pa.duration("ms")),
            "gene": pa.array([None if i % 7 == 0 else f"G{i % 11}" for i in every.tolist()]),
            "class": pa.array(["a", "b"] * (n // 2)).dictionary_encode(),
            "a/b": pa.array(rng.normal(0, 1, n).astype("f4")),
            "gap": pa.array([None if i % 9 == 0 else i / 3 for i in every.tolist()], pa.float64()),
            "vector": lists,
            "nothing": pa.nulls(n),
        }
    )


def test_parquet_goes_through_a_store_and_is_equal(tmp_path: Path) -> None:
    table = rich_table()
    pq.write_table(table, tmp_path / "in.parquet")
    out = through(Source(str(tmp_path / "in.parquet"), unit="nanometer", batch_bytes=20_000), tmp_path)
    assert out.schema.names == table.schema.names
    assert [str(t) for t in out.schema.types if not pa.types.is_nested(t)] == [
        str(t) for t in table.schema.types if not pa.types.is_nested(t)
    ]
    assert sorted_table(out).to_pylist() == sorted_table(table).to_pylist()
    store: Any = zvview.open(tmp_path / "store")
    assert [(a.name, a.unit) for a in store.axes] == [(n, "nanometer") for n in "xyz"]
    assert store.attributes["when"].unit == "microseconds since 1970-01-01"
    assert zvview.check(tmp_path / "store").ok
    convert(tmp_path / "out.parquet", tmp_path / "again")
    assert zvview.open(tmp_path / "again").axes == store.axes  # type: ignore[union-attr]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz"])
def test_text_goes_through_a_store_and_is_equal(suffix: str, tmp_path: Path) -> None:
    table = rich_table().drop_columns(["vector", "class", "took", "nothing", "pos_x", "when"])
    pq.write_table(table, tmp_path / "in.parquet")
    convert(tmp_path / "in.parquet", tmp_path / "first")
    convert(tmp_path / "first", tmp_path / f"a{suffix}")
    convert(tmp_path / f"a{suffix}", tmp_path / "second")
    convert(tmp_path / "second", tmp_path / f"b{suffix}")
    one, two = (tmp_path / f"{n}{suffix}" for n in "ab")
    raw = [p.read_bytes() for p in (one, two)]
    texts = [(gzip.decompress(data) if suffix.endswith("gz") else data).decode() for data in raw]
    assert texts[0].splitlines()[0] == texts[1].splitlines()[0]
    assert sorted(texts[0].splitlines()) == sorted(texts[1].splitlines())
    back: Any = zvview.open(tmp_path / "second").level(0).read()  # type: ignore[union-attr]
    assert np.array_equal(np.sort(back.attributes["a_b"]), np.sort(table["a/b"].to_numpy()))
    assert sorted(back.labels("gene"), key=str) == sorted(table["gene"].to_pylist(), key=str)


COLUMN = st.sampled_from(["f4", "f8", "i1", "i8", "text", "bool"])
VALUES: dict[str, Any] = {
    "f4": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "f8": st.floats(allow_nan=False, allow_infinity=False),
    "i1": st.integers(-128, 127),
    "i8": st.integers(-(2**53), 2**53),
    "text": st.text(string.ascii_letters + " ,;'\"#é", max_size=6),
    "bool": st.booleans(),
}
TYPES = {
    "f4": pa.float32(),
    "f8": pa.float64(),
    "i1": pa.int8(),
    "i8": pa.int64(),
    "text": pa.string(),
    "bool": pa.bool_(),
}


@st.composite
def tables(draw: st.DrawFn) -> Any:
    rows = draw(st.integers(1, 8))
    where = st.floats(-1e6, 1e6, width=32)
    columns = {name: pa.array(draw(st.lists(where, min_size=rows, max_size=rows)), pa.float32()) for name in "xyz"}
    for name, kind in draw(
        st.dictionaries(st.sampled_from(["a", "b c", "d/e", "ID", "é"]), COLUMN, max_size=4)
    ).items():
        value = VALUES[kind] | st.none() if draw(st.booleans()) else VALUES[kind]
        columns[name] = pa.array(draw(st.lists(value, min_size=rows, max_size=rows)), TYPES[kind])
    columns["row"] = pa.array(range(rows), pa.int64())
    return pa.table(columns)


@SLOW
@given(table=tables())
def test_any_parquet_table_comes_back(table: Any, tmp_path: Path) -> None:
    pq.write_table(table, tmp_path / "any.parquet")
    out = through(Source(str(tmp_path / "any.parquet")), tmp_path).sort_by("row")
    assert out.schema.remove_metadata().equals(table.schema)
    assert out.to_pylist() == table.to_pylist()


@SLOW
@given(table=tables())
def test_any_csv_table_comes_back_in_its_values(table: Any, tmp_path: Path) -> None:
    pcsv.write_csv(table, tmp_path / "any.csv")
    through(Source(str(tmp_path / "any.csv")), tmp_path)
    options = pcsv.ConvertOptions(
        column_types=table.schema, strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""]
    )
    out = pcsv.read_csv(tmp_path / "out.csv", convert_options=options).sort_by("row")
    assert out.to_pylist() == table.to_pylist()


def test_text_gets_the_smallest_types_that_lose_nothing(tmp_path: Path) -> None:
    rows = "".join(
        f"{i},{i}.5,{i}.123456789,{i},{i * 40000},{'' if i % 3 else i},{i % 2 == 0},2020-01-0{1 + i % 9},,t{i % 3}\n"
        for i in range(50)
    )
    text = "x,y,z,small,large,some,flag,day,none,word\n" + rows
    batch = first(tmp_path / "a.csv", text)
    assert batch.positions.dtype == np.float64
    kinds = {name: values.dtype.name for name, values in batch.attributes.items()}
    assert kinds == {
        "small": "int8",
        "large": "int32",
        "some": "float32",
        "flag": "bool",
        "day": "int16",
        "none": "float32",
        "word": "int32",
    }
    assert np.isnan(batch.attributes["some"]).sum() == 33
    assert batch.labels("word").tolist()[:3] == ["t0", "t1", "t2"]
    convert(tmp_path / "a.csv", tmp_path / "store")
    convert(tmp_path / "store", tmp_path / "b.csv")
    values = [line.replace('"', "") for line in (tmp_path / "b.csv").read_text().splitlines()]
    assert sorted(values[1:]) == sorted(rows.replace("True", "true").replace("False", "false").splitlines())


def test_types_that_show_late_are_found(tmp_path: Path) -> None:
    lines = [f"{i},{i},1,{i},,true" for i in range(30_000)]
    lines += ["1,1,1,2.5,word,maybe", "1,1,1,,,false"]
    batches = read_after(tmp_path / "late.csv", "x,y,z,a,b,c\n" + "\n".join(lines) + "\n", batch_bytes=1 << 16)
    assert len(batches) > 3
    assert {b.batch.attributes["a"].dtype.name for b in batches} == {"float32"}
    assert batches[-1].batch.labels("b").tolist()[-2:] == ["word", None]
    assert batches[-1].batch.labels("c").tolist()[-2:] == ["maybe", "false"]
    assert batches[0].batch.labels("c").tolist()[0] == "true"


def read_after(path: Path, text: str, **options: Any) -> list[Any]:
    path.write_text(text)
    return read(path, **options)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_larger_than_a_batch_is_streamed(suffix: str, tmp_path: Path) -> None:
    n = 60_000
    rng = np.random.default_rng(0)
    table = pa.table(
        {name: rng.normal(0, 1, n).astype("f4") for name in "xyz"} | {"w": [f"w{i // 20_000}" for i in range(n)]}
    )
    path = tmp_path / f"big.{suffix}"
    pcsv.write_csv(table, path) if suffix == "csv" else pq.write_table(table, path)
    batches = read(path, batch_bytes=200_000)
    assert len(batches) >= 4 and max(len(b.batch) for b in batches) < n / 3
    assert np.array_equal(np.concatenate([b.batch.positions for b in batches])[:, 0], table["x"].to_numpy())
    convert(Source(str(path), batch_bytes=200_000), tmp_path / "store")
    store: Any = zvview.open(tmp_path / "store")
    assert store.attributes["w"].categories.labels == ("w0", "w1", "w2")
    assert store.level(0).vertex_count == n


@pytest.mark.parametrize(
    ("header", "axes", "units"),
    [
        ("x,y,z", "xyz", None),
        ("Z,Y,X,t", "xyzt", None),
        ("id,pos_x,pos_y,pos_z", "xyz", None),
        ("x_centroid,y_centroid,cell", "xy", None),
        ("global_x,global_y,global_z,x_location", "xyz", None),
        ("x [nm],y [nm],z [nm]", "xyz", "nanometer"),
        ("x (px),y (px)", "xy", None),
        ("axis_x,axis_y;", None, None),
        ("centre.x,centre.y,w", "xy", None),
        ("pos_x,pos_y,global_x,global_y", None, None),
        ("a,b,c", None, None),
        ("x,z,w", None, None),
    ],
)
def test_names_tell_the_axes_or_nothing_does(header: str, axes: str | None, units: str | None, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"{header}\n{','.join('1234'[: header.count(',') + 1])}\n")
    opened = load_format("csv").open_input
    if axes is None:
        with pytest.raises(BadFileError, match="--axes"):
            opened(tmp_path / "a.csv", ReadOptions())
        return
    found = opened(tmp_path / "a.csv", ReadOptions()).axes
    assert "".join(a.name for a in found) == axes
    assert [a.unit for a in found if a.type == "space"] == [units] * len(axes.replace("t", ""))
    stated = opened(tmp_path / "a.csv", ReadOptions(unit="micrometer")).axes
    assert {a.unit for a in stated if a.type == "space"} == {"micrometer"}


def test_the_caller_names_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    text = "a,b,c,d\n1,2,3,4\n"
    batch = first(path, text, axes=["c", "a"])
    assert batch.positions.tolist() == [[3, 1]] and sorted(batch.attributes) == ["b", "d"]
    batch = first(path, text, axes=["x", "y"], columns={"x": "d", "y": "B"}, drop=["a"])
    assert batch.positions.tolist() == [[4, 2]] and sorted(batch.attributes) == ["c"]
    batch = first(path, "1 ;2;3\n4;5;6\n", axes=["x", "y"])
    assert batch.positions.tolist() == [[1, 2], [4, 5]] and batch.attributes["column_2"].tolist() == [3, 6]
    for wrong in (
        {"axes": ["a", "e"]},
        {"axes": ["a", "a"]},
        {"columns": {"object_id": "q"}},
        {"drop": ["q"]},
        {"kind": "mesh"},
    ):
        with pytest.raises(InvalidInputError):
            first(path, text, **{"axes": ["a", "b"], **wrong})


def test_objects_by_number_by_name_and_missing(tmp_path: Path) -> None:
    text = "x,y,Object_ID,cell\n0,0,7,B\n1,1,,A\n2,2,7,B\n3,3,-3,\n"
    (tmp_path / "a.csv").write_text(text)
    (incoming,) = read(tmp_path / "a.csv")
    assert incoming.batch.object_ids.tolist() == [7, -1, 7, -3]
    out = through(Source(str(tmp_path / "a.csv")), tmp_path)
    assert sorted(out.replace('"', "").splitlines()) == sorted(text.splitlines())
    named = Source(str(tmp_path / "a.csv"), columns={"object_id": "cell"}, drop=["Object_ID"])
    convert(named, tmp_path / "named")
    level: Any = zvview.open(tmp_path / "named").level(0)  # type: ignore[union-attr]
    assert level.object_ids.tolist() == [-1, 0, 1]
    assert level.object_attribute("cell").tolist() == [None, "B", "A"]
    convert(Source(str(tmp_path / "named")), tmp_path / "b.csv", selection=Selection(objects=[0]))
    assert (tmp_path / "b.csv").read_text() == '"x","y","cell"\n0,0,"B"\n2,2,"B"\n'
    with pytest.raises(BadFileError, match="2\\*\\*63"):
        first(tmp_path / "a.csv", f"x,y,object_id\n1,1,{2**63}\n")


def test_object_attributes_stand_beside_points_and_come_back(tmp_path: Path) -> None:
    store = zvview.create(
        tmp_path / "s", kind="point_cloud", axes=["x", "y"], object_attributes={"size": {"unit": "um"}}
    )
    points = zvview.Points(np.arange(8).reshape(4, 2), attributes={"v": [1, 2, 3, 4]}, object_ids=[5, 5, 2, 9])
    store.write(
        points, {"size": np.array([1.5, 2.5, np.nan]), "v": ["p", None, "q"], "pair": np.arange(6).reshape(3, 2)}
    )
    convert(tmp_path / "s", tmp_path / "a.parquet")
    rows = {r["x"]: r for r in pq.read_table(tmp_path / "a.parquet").to_pylist()}
    assert rows[2.0] == {"x": 2, "y": 3, "object_id": 5, "v": 2, "size": 1.5, "object_v": "p", "pair": [0, 1]}
    assert rows[4.0]["object_v"] is None and rows[6.0]["size"] is None
    convert(tmp_path / "a.parquet", tmp_path / "back")
    level: Any = zvview.open(tmp_path / "back").level(0)  # type: ignore[union-attr]
    assert level.object_attribute("size").tolist() == [2.5, 1.5, None]
    assert level.object_attribute("pair").tolist() == [[2, 3], [0, 1], [4, 5]]
    convert(tmp_path / "s", tmp_path / "a.csv")
    assert '"pair.0","pair.1"' in (tmp_path / "a.csv").read_text().splitlines()[0]


def test_missing_words_empty_text_and_breaks_in_text(tmp_path: Path) -> None:
    text = 'x,y,a,b\n1,1,NA,NA\n2,2,3,"NA"\n3,3,,""\n4,4,nan,"two\nlines"\n'
    batch = first(tmp_path / "a.csv", text)
    assert np.isnan(batch.attributes["a"]).tolist() == [True, False, True, True]
    assert batch.labels("b").tolist() == [None, "NA", "", "two\nlines"]
    batch = first(tmp_path / "b.csv", "# made by hand\n\n\ufeff"[:-1] + "x;y\n\n1;2\n")
    assert batch.positions.tolist() == [[1, 2]]


def test_a_folder_of_tables_is_one_store(package_data: Callable[[str], Path], tmp_path: Path) -> None:
    folder = package_data("navis") / "data" / "synapses"
    named = Source(str(folder), columns={"object_id": "file"}, scale=[8], unit="nanometer")
    report = convert(named, tmp_path / "synapses")
    assert (report.written[0].vertices, report.written[0].objects, report.skipped) == (14_836, 5, ())
    store: Any = zvview.open(tmp_path / "synapses")
    one = store.level(0).read_objects([754534424])
    table = pcsv.read_csv(folder / "754534424.csv")
    wanted = np.stack([table[n].to_numpy() * 8 for n in "xyz"], axis=1)
    assert sorted(map(tuple, one.positions.tolist())) == sorted(map(tuple, wanted.tolist()))
    assert sorted(one.labels("type")) == sorted(table["type"].to_pylist())
    assert np.array_equal(np.sort(one.attributes["confidence"]), np.sort(table["confidence"].to_numpy().astype("f4")))


def test_a_bad_table_of_many_is_skipped_and_listed(tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    for i in range(30):
        (folder / f"t{i:02}.csv").write_text(f"x,y,v\n{i},1,{'word' if i == 4 else i}\n")
    (folder / "t07.csv").write_text("x,y,v\n1,2,3\n1,2\n")
    (folder / "t08.csv").write_text("x,y,w\n1,2,3\n")
    (folder / "t09.csv").write_text("")
    report = convert(folder, tmp_path / "store")
    assert report.skipped[0].reason.startswith("line 3")
    assert [Path(s.place).name for s in report.skipped] == ["t07.csv", "t08.csv", "t09.csv"]
    batch: Any = zvview.open(tmp_path / "store").level(0).read()  # type: ignore[union-attr]
    assert len(batch) == 27 and {"word", "3"} <= set(batch.labels("v")) and "t03" in batch.labels("file")
    for path in folder.iterdir():
        path.write_text("x\n")
    with pytest.raises(BadFileError):
        convert(folder, tmp_path / "none")


@pytest.mark.parametrize(
    ("data", "where", "told"),
    [
        (b"", "", "empty"),
        (b"\n\n# only this\n", "", "empty"),
        (b"x,y\n1,2\n3\n", "line 3", "1 field, expected 2"),
        (b"x,y\n1,2\n\n3,4,5\n", "line 4", "3 fields"),
        (b"x,y\n1,2\n\n3,four\n", "line 4", "'four' is no number"),
        (b"x,y\n1,2\n3,\n", "line 3", "expected a finite number"),
        (b"x,y\n1,2\n3,inf\n", "line 3", "expected a finite number"),
        (b"x,y,a\n1,2,\xff\xfe\n", "line 2", "UTF-8"),
        (b"x,y,\xff\n1,2,3\n", "line 1", "UTF-8"),
        ("x,y\n1,2\n".encode("utf-16"), "line 1", "UTF-8"),
        (b"x,y,x\n1,2,3\n", "line 1", "two columns"),
        (b"x y\n1 2\n", "line 1", "one column, 'x y': expected several"),
        (b"x,y\n" + b"a" * 9999 + b",2\n", "line 2", f"'{'a' * 80}' is no number"),
        (b"x,y\n,2\n", "line 2", "the value is missing"),
        (b"1,2,3\n4,5,6\n", "line 1", "--axes"),
        (b"\x1f\x8b\x08\x00broken", "", "cannot be read"),
        (gzip.compress(b"x,y\n" + b"1,2\n" * 99_999)[:-300], "", "cannot be read"),
    ],
)
def test_a_bad_text_names_the_line(data: bytes, where: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_bytes(data)
    with pytest.raises(BadFileError) as caught:
        convert(tmp_path / "bad.csv", tmp_path / "store")
    assert caught.value.where == where and told in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["bad.csv"]


def test_a_bad_parquet_is_told(tmp_path: Path) -> None:
    table = pa.table({n: np.arange(500.0) for n in "xyz"})
    pq.write_table(table, tmp_path / "good.parquet", compression="none")
    data = (tmp_path / "good.parquet").read_bytes()
    for bad in (b"", data[:-1], data[:200], data[4:], b"x" * 400, data[:300] + data[700:]):
        (tmp_path / "bad.parquet").write_bytes(bad)
        with pytest.raises(BadFileError, match=r"bad\.parquet"):
            convert(tmp_path / "bad.parquet", tmp_path / "store")
    for columns, told in [
        ({"x": ["a"], "y": [1]}, "axis"),
        ({"x": [1.0], "y": [None]}, "null"),
        ({"x": [1.0, 2.0], "y": [1.0, None]}, "row 1: .*finite"),
        ({"x": [1.0], "y": [1.0], "v": [[1, 2]]}, "--drop"),
        ({"x": [1.0], "y": [1.0], "v": [b"raw"]}, "--drop"),
        ({"x": [1.0, 1.0], "y": [1.0, 1.0], "v": [2**60, None]}, "--drop"),
    ]:
        pq.write_table(pa.table(columns), tmp_path / "bad.parquet")
        with pytest.raises(BadFileError, match=told):
            convert(tmp_path / "bad.parquet", tmp_path / "store")
    lying = table.replace_schema_metadata({b"zvview": b'{"axes": [{"name": "x"}]}'})
    pq.write_table(lying, tmp_path / "bad.parquet")
    with pytest.raises(BadFileError, match="damaged"):
        convert(tmp_path / "bad.parquet", tmp_path / "store")
    with pytest.raises(UnreachableError):
        load_format("parquet").open_input(tmp_path / "none.parquet", ReadOptions())
    assert not (tmp_path / "store").exists()


def test_a_table_without_rows_is_an_empty_store(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y,z,v\n")
    pq.write_table(pa.table({n: pa.array([], pa.float32()) for n in "xyzv"}), tmp_path / "a.parquet")
    for name in ("a.csv", "a.parquet"):
        assert convert(tmp_path / name, tmp_path / "store", mode="w").written[0].vertices == 0


def test_a_box_of_a_store_as_a_table(tmp_path: Path) -> None:
    positions = np.random.default_rng(2).uniform(0, 100, (5000, 3)).astype("f4")
    zvview.create(tmp_path / "s", kind="point_cloud", chunk_shape=(20, 20, 20)).write(zvview.Points(positions))
    box = ((10, 20, 30), (60, 70, 55.5))
    convert(tmp_path / "s", tmp_path / "a.parquet", selection=Selection(box=box))
    found = np.stack([column.to_numpy() for column in pq.read_table(tmp_path / "a.parquet").columns], axis=1)
    wanted = positions[((positions >= box[0]) & (positions <= box[1])).all(axis=1)]
    assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, wanted.tolist()))


@pytest.mark.parametrize("value", ["18446744073709551615", "9223372036854775808", "2.5", "inf", "1e300"])
def test_object_ids_that_are_none_name_their_line(value: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"# note\nx,y,object_id\n1,2,9\n1,2,\n1,2,{value}\n1,2,{value}\n")
    with pytest.raises(BadFileError, match=r"column 'object_id' holds .*2\*\*63 - 1") as caught:
        convert(tmp_path / "a.csv", tmp_path / "store")
    assert caught.value.where == "line 5" and not (tmp_path / "store").exists()


def test_object_ids_of_64_bits_of_a_parquet_file(tmp_path: Path) -> None:
    for name, last in (("good", 2**63 - 1), ("bad", 2**64 - 1)):
        ids = pa.array([None, 7, last], pa.uint64())
        pq.write_table(pa.table({"x": [1.0, 2, 3], "y": [1.0, 2, 3], "object_id": ids}), tmp_path / f"{name}.parquet")
    assert read(tmp_path / "good.parquet")[0].batch.object_ids.tolist() == [-1, 7, 2**63 - 1]
    with pytest.raises(BadFileError, match="row 2: column 'object_id' holds 18446744073709551615"):
        read(tmp_path / "bad.parquet")
    days = pa.array([datetime.date(2020, 1, 1)], pa.date32())
    pq.write_table(pa.table({"x": [1.0], "y": [1.0], "object_id": days}), tmp_path / "days.parquet")
    with pytest.raises(BadFileError, match="holds type date32"):
        read(tmp_path / "days.parquet")
