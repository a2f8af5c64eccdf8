"""CSV as a source: one set of numbers and messages, whichever reader made them."""

from __future__ import annotations

import gzip
import math
import random
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from polyoptim import ArgumentError, DataError, PolyoptimError
from polyoptim.targets import csv_blocks, csv_reader
from polyoptim.targets.source import open_source

XY = {"x": "t", "y": "v"}


def write(path: Path, text: str | bytes, name: str = "data.csv") -> Path:
    found = path / name
    found.write_bytes(text if isinstance(text, bytes) else text.encode())
    return found


def read(path: Any, wanted: dict[str, str] = XY, **options: Any) -> dict[str, list[Any]]:
    selection = open_source(path).select(wanted, **options)
    chunks = list(selection.chunks())
    return {role: [value for chunk in chunks for value in chunk[role].tolist()] for role in wanted}


@pytest.fixture(params=["python", "pyarrow"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    name: str = request.param
    monkeypatch.setattr(csv_reader, "LARGE", 0 if name == "pyarrow" else math.inf)
    return name


def outcome(path: Path, wanted: dict[str, str], **options: Any) -> Any:
    try:
        selection = open_source(path).select(wanted, **options)
        found = [{role: values.tolist() for role, values in chunk.items()} for chunk in selection.chunks()]
    except PolyoptimError as error:
        return type(error), str(error)
    return repr(found), selection.dropped, selection.origins


# Decimals on which a parser that rounds twice, or from too few digits, goes wrong.
HARD = [
    "0.1", "1e23", "8.5e22", "9007199254740993", "9007199254740992.9999999999999999999", "2.2250738585072011e-308",
    "2.2250738585072012e-308", "4.9406564584124654e-324", "2.4703282292062328e-324", "2.4703282292062327e-324",
    "1.7976931348623157e308", "6.631236846766476e-316", "3.2378839133029012895883524125015321748630094e-319",
    "0.500000000000000166533453693773481063544750213623046875", "3.518437208883201171875e13", "62.5364939768271845828",
    "1.00000000000000011102230246251565404236316680908203125",
    "1.00000000000000011102230246251565404236316680908203124", "0." + "0" * 400 + "1", "1" * 300 + "e-300",
    "123456789012345678901234567890", "-0", "5.", ".5", "+1.5", "1E+05", "0e999", "1e-999", "７",
]  # fmt: skip


def test_decimals_are_read_correctly_rounded(tmp_path: Path, reader: str) -> None:
    draw = random.Random(1)  # noqa: S311 - a test wants the same numbers again
    texts = HARD + [f"{draw.uniform(-1, 1) * 10 ** draw.randint(-300, 300):.16e}" for _ in range(2000)]
    texts += [repr(math.ldexp(draw.random(), draw.randint(-1074, 1000))) for _ in range(2000)]
    texts += [
        "".join(draw.choices("0123456789", k=draw.randint(1, 40))) + f"e{draw.randint(-340, 260)}" for _ in range(2000)
    ]
    path = write(tmp_path, "t,v\n" + "".join(f"{text},1\n" for text in texts))
    assert list(map(repr, read(path)["x"])) == [repr(float(text)) for text in texts], reader


def test_python_and_pyarrow_both_read_where_they_should(tmp_path: Path, reader: str, monkeypatch: Any) -> None:
    calls = []
    from polyoptim.targets import arrow_csv

    real = arrow_csv.parse
    monkeypatch.setattr(arrow_csv, "parse", lambda *task: calls.append(found := real(*task)) or found)
    assert read(write(tmp_path, "t,v\n1,2\n3,4\n")) == {"x": [1.0, 3.0], "y": [2.0, 4.0]}
    assert [found is not None for found in calls] == ([True] if reader == "pyarrow" else [])


def test_csv_needs_no_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_reader, "LARGE", 0)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "polyoptim.targets.arrow_csv", raising=False)
    assert read(write(tmp_path, "t,v\n1,2\n")) == {"x": [1.0], "y": [2.0]}


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "polyoptim.targets.parquet_reader", raising=False)
    with pytest.raises(ImportError, match=r"pyarrow.*pip install 'polyoptim\[data\]'"):
        open_source(write(tmp_path, b"PAR1", "a.parquet"))


CELL = st.sampled_from(
    ["1", "-2.5", "1e3", "+4", "", "NA", " 7 ", "nan", "NAN", "inf", "one", '"3"', '""', '"a, b"', '"line\nbreak"',
     '"q""q"', "größe", ' "5"', 'a"b', '"open', "2020-01-01", "2020-01-01T10:30Z", "2021-01-01 10:30:00.25", "\r",
     "x\ry", "None", "é" * 9, "\t2 ", "\u00a03", "\x0b4", "a\0b", "5\0", "  ", "1" * 400, "2020-01-01 ",
     "1,2", "#", "\ufeff1"]
)  # fmt: skip
ROW = st.lists(CELL, min_size=3, max_size=3) | st.lists(CELL, min_size=0, max_size=4)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(ROW, max_size=12),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["raise", "drop"]),
    st.sampled_from([{"x": "t"}, {"x": "t", "y": "v"}, {"y": "v", "by": "note"}]),
    st.sampled_from([8, 64, 2**20]),
    st.sampled_from(["t,note,v", "t"]),
)
@example([["2020-01-01", "", ""], ["NA", "", ""], ["1600-01-01", "", ""]], "\n", "drop", {"x": "t"}, 2**20, "t,note,v")
@example([["1", '"a\n1,a,1\n"', "1"]] * 5, "\n", "raise", {"x": "t", "y": "v"}, 8, "t,note,v")
@example([["1"], ["\ufeff1"]], "\n", "raise", {"x": "t"}, 8, "t")
def test_both_readers_agree_on_any_file(
    tmp_path: Path, rows: list[list[str]], end: str, missing: str, wanted: dict[str, str], size: int, header: str
) -> None:
    if header == "t":
        rows, wanted = [row[:1] for row in rows], {"by" if "by" in wanted else "x": "t"}
    path = write(tmp_path, end.join([header, *map(",".join, rows)]))
    found = []
    for large, block in ((math.inf, 2**24), (0, size), (math.inf, size)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(csv_reader, "LARGE", large)
            patch.setattr(csv_reader, "SIZE", block)
            found.append(outcome(path, wanted, missing=missing))
    assert found[1] == found[0]
    assert found[2] == found[0]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(['"', ",", "\n", "a", '""', '"\n"', "\r\n"]), max_size=60).map("".join), st.integers(1, 30)
)
def test_blocks_are_the_file_and_end_where_rows_end(text: str, size: int) -> None:
    import csv
    import io

    data = text.encode()
    stream = io.BytesIO(data)
    found = list(csv_blocks.blocks(stream, 1, 0, size))
    whole = b"".join(block.data for block in found if block.data is not None)
    assert data.startswith(whole)
    if not found or found[-1].data is not None:
        assert whole == data
        pieces = [row for block in found for row in csv.reader(block.lines(stream), strict=True)]
        assert pieces == list(csv.reader(io.StringIO(text, newline=""), strict=True))
    for block in found:
        assert block.line == 1 + data[: block.offset].count(b"\n")


NUMBER, REPAIR = "is not a finite number", "Repair or drop that row"
MOMENT = "is not a date or time as the first value is"
BAD = {
    "text": ("t,v\n0,1\n0.5,one\n", f", line 3, column 'v': 'one' {NUMBER}. {REPAIR}."),
    "empty": ("t,v\n0,1\n,2\n", f", line 3, column 't': '' {NUMBER}. {REPAIR}, or pass missing='drop'."),
    "infinite": ("t,v\n0,-inf\n", f", line 2, column 'v': '-inf' {NUMBER}. {REPAIR}."),
    "quoted": ('t,note,v\n0,"a\nb",1\n1,c,bad\n', f", line 4, column 'v': 'bad' {NUMBER}. {REPAIR}."),
    "ragged": ("t,v\n0,1\n2\n", ", line 3: 1 cell, but the header has 2. Repair that line."),
    "date after number": ("t,v\n0,1\n2020-01-01,2\n", f", line 3, column 't': '2020-01-01' {NUMBER}. {REPAIR}."),
    "number after date": ("t,v\n2020-01-01,2\n5,1\n", f", line 3, column 't': '5' {MOMENT}. {REPAIR}."),
    "zone after none": (
        "t,v\n2020-01-01,2\n2020-01-02T00:00Z,1\n",
        ", line 3, column 't': '2020-01-02T00:00Z' names a time zone, but the first value does not. "
        f"Give all or none one. {REPAIR}.",
    ),
    "no such day": ("t,v\n2020-01-01,2\n2020-02-30,1\n", f", line 3, column 't': '2020-02-30' {MOMENT}. {REPAIR}."),
    "not UTF-8": (b"t,v\n0,1\n1,2\n\xff,3\n", " is not UTF-8 text (byte 12). Save it as CSV in UTF-8."),
    "no rows": ("t,v\n\n", " has a header but no rows. Give at least one sample."),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("compressed", [False, True])
def test_bad_file_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str, kind: str, compressed: bool
) -> None:
    text, message = BAD[kind]
    data = text if isinstance(text, bytes) else text.encode()
    write(tmp_path, gzip.compress(data) if compressed else data)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as caught:
        read("data.csv")
    assert str(caught.value) == "data.csv" + message, reader


def test_line_of_a_bad_cell_counts_from_the_beginning_of_a_large_file(
    tmp_path: Path, reader: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr(csv_reader, "SIZE", 1000)
    rows = [f"{i},{i}" for i in range(5000)]
    rows[4000] = "4000,x"
    path = write(tmp_path, "\ufeff\nt,v\n" + "\n".join(rows))
    with pytest.raises(DataError, match=r"line 4003, column 'v': 'x'"):
        read(path)
    assert reader


def test_cell_too_long_for_python_is_refused_by_both(tmp_path: Path, reader: str) -> None:
    path = write(tmp_path, "t,note,v\n0,a,1\n1," + "b" * 140_000 + ",2\n")
    with pytest.raises(DataError, match=r"line 3: field larger than field limit"):
        read(path)
    assert reader


def test_missing_cells_drop_their_rows(tmp_path: Path, reader: str) -> None:
    path = write(
        tmp_path,
        "t,v,w\n" + "".join(f"{cell},1,\n" for cell in ["0", "", "NA", "NaN", "nan", "null", "None", " ", '""', "5"]),
    )
    selection = open_source(path).select(XY, missing="drop")
    assert selection.dropped == 0
    assert [chunk["x"].tolist() for chunk in selection.chunks()] == [[0.0, 5.0]]
    assert selection.dropped == 8, reader
    with pytest.raises(DataError, match=r"data\.csv, line 3, column 't': ''"):
        read(path)


def test_all_rows_dropped_is_one_clear_error(tmp_path: Path, reader: str) -> None:
    with pytest.raises(DataError, match=r"missing value in each of its 2 rows"):
        read(write(tmp_path, "t,v\n1,\n,2\n"), missing="drop")
    assert reader


def test_dates_become_seconds_since_the_first_midnight(tmp_path: Path, reader: str) -> None:
    path = write(tmp_path, "t,v\n2020-03-01 06:00,1\n2020-02-29,2\n2020-03-02 00:00:00.000000001,3\n")
    selection = open_source(path).select(XY)
    assert selection.origins == {"x": "2020-03-01T00:00:00"}
    (chunk,) = selection.chunks()
    assert chunk["x"].tolist() == [21_600.0, -86_400.0, 86_400.000000001], reader


def test_times_with_a_zone_are_counted_in_utc(tmp_path: Path, reader: str) -> None:
    path = write(tmp_path, "t,v\n2020-03-01T06:00+09:00,1\n2020-03-01T06:00Z,2\n2020-03-01T06:00-0130,3\n")
    selection = open_source(path).select(XY)
    assert selection.origins == {"x": "2020-02-29T00:00:00Z"}
    assert next(selection.chunks())["x"].tolist() == [75_600.0, 108_000.0, 113_400.0], reader


def test_date_after_missing_cells_is_the_origin(tmp_path: Path, reader: str) -> None:
    selection = open_source(write(tmp_path, "t,v\n,1\nNA,2\n2020-03-01,3\n")).select(XY, missing="drop")
    assert selection.origins == {"x": "2020-03-01T00:00:00"}
    assert next(selection.chunks())["x"].tolist() == [0.0], reader


def test_dates_beyond_the_nanoseconds_of_64_bits_are_read(tmp_path: Path, reader: str) -> None:
    path = write(tmp_path, "t,v\n0001-01-01,1\n9999-12-31T23:59:59.5,2\n")
    assert read(path)["x"] == [0.0, 315_537_897_599.5], reader


def test_labels_are_text(tmp_path: Path, reader: str) -> None:
    path = write(tmp_path, 't,by\n1,a\n2," b "\n3,\n4,07\n5,"x,y"\n6,é\n')
    selection = open_source(path).select({"x": "t", "by": "by"}, missing="drop")
    (chunk,) = selection.chunks()
    assert chunk["by"].tolist() == ["a", "b", "07", "x,y", "é"], reader
    assert chunk["by"].dtype == object
    assert selection.dropped == 1
    with pytest.raises(DataError, match=r"line 4, column 'by': '' is not a label"):
        read(path, {"x": "t", "by": "by"})


def test_column_may_have_two_roles(tmp_path: Path, reader: str) -> None:
    path = write(tmp_path, "t,v\n1,2\n2,3\n")
    assert read(path, {"x": "t", "y": "t", "by": "t"}) == {"x": [1, 2], "y": [1, 2], "by": ["1", "2"]}, reader


def test_texts_are_exact(tmp_path: Path) -> None:
    path = write(tmp_path, "t,v\n0.1, 1e-400\n.25,5.\n,3\n+3,4\n")
    selection = open_source(path).select(XY, missing="drop")
    (texts,) = selection.texts()
    assert texts == {"x": ["0.1", ".25", "+3"], "y": ["1e-400", "5.", "4"]}
    assert [Fraction(text) for text in texts["x"]] == [Fraction(1, 10), Fraction(1, 4), 3]
    (chunk,) = selection.chunks()
    assert {role: [float(text) for text in texts[role]] for role in texts} == {r: chunk[r].tolist() for r in chunk}


def test_texts_of_times_are_decimals_of_seconds(tmp_path: Path) -> None:
    path = write(tmp_path, "t,v\n2020-01-01T12:00:00.1,1\n2019-12-31T23:59:59.75,2\n")
    (texts,) = open_source(path).select(XY).texts()
    assert [Fraction(text) for text in texts["x"]] == [Fraction("43200.1"), Fraction("-0.25")]


def test_texts_refuse_what_chunks_refuse(tmp_path: Path) -> None:
    path = write(tmp_path, "t,v\n0.1,bad\n")
    with pytest.raises(DataError, match="line 2, column 'v': 'bad'"):
        list(open_source(path).select(XY).texts())


def test_texts_exist_only_in_csv() -> None:
    with pytest.raises(ArgumentError, match="exact decimals exist only in CSV"):
        list(open_source({"t": [1.0], "v": [2.0]}).select(XY).texts())


def test_numeric_columns_are_those_of_the_first_rows(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b,c,d,e,f\n1,x,2020-01-01,,NA,1\n2.5,y,2020-01-02T00:00Z,,3,one\n")
    assert open_source(path).numeric() == ("a", "c", "e")
    assert open_source(write(tmp_path, "a,b\n")).numeric() == ()


def test_damaged_gzip_is_one_clear_error(tmp_path: Path) -> None:
    packed = gzip.compress(b"t,v\n" + b"".join(b"%d,1\n" % i for i in range(300_000)))
    with pytest.raises(DataError, match=r"a\.csv\.gz is a damaged gzip file"):
        read(write(tmp_path, packed[: len(packed) // 2], "a.csv.gz"))
    with pytest.raises(DataError, match="damaged gzip"):
        read(write(tmp_path, packed[:-8] + b"12345678", "a.csv.gz"))


def test_header_that_does_not_end_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line of column names is longer|field larger"):
        open_source(write(tmp_path, "a," * 2_000_000))


def test_chunks_are_the_same_whatever_read_them(tmp_path: Path, reader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_reader, "SIZE", 777)
    path = write(tmp_path, "t,v\n" + "".join(f"{i},{i}\n" for i in range(1000)))
    selection = open_source(path).select(XY)
    for _ in range(2):
        chunks = list(selection.chunks(rows=300))
        assert [len(chunk["x"]) for chunk in chunks] == [300, 300, 300, 100], reader
        assert np.concatenate([chunk["y"] for chunk in chunks]).tolist() == list(range(1000))
        for chunk in chunks:
            for values in chunk.values():
                assert values.dtype == np.float64
                assert values.flags.c_contiguous
                assert values.flags.writeable
                assert values.flags.owndata
