"""Moments in time: text, objects, origins."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyoptim.targets.times import BILLION, iso, midnight, moment_of, parse_moment

EPOCH = datetime(1970, 1, 1)


@given(st.datetimes())
def test_iso_text_of_any_moment_is_read_back(moment: datetime) -> None:
    microseconds = (moment - EPOCH) // timedelta(microseconds=1)
    for text in (moment.isoformat(), moment.isoformat(" ")):
        assert parse_moment(text) == (microseconds * 1000, False)
    assert moment_of(moment) == (microseconds * 1000, False)


@given(st.datetimes(timezones=st.timezones()))
def test_moments_with_a_zone_are_read_in_utc(moment: datetime) -> None:
    try:
        text = moment.isoformat()
        expected = (moment - datetime.fromisoformat("1970-01-01T00:00+00:00")) // timedelta(microseconds=1) * 1000
        found = moment_of(moment)
    except OverflowError:  # at an end of the calendar
        return
    assert found == (expected, True)
    seconds_east = (moment.utcoffset() or timedelta()) % timedelta(minutes=1)
    assert parse_moment(text) == (None if seconds_east else (expected, True)) or parse_moment(text) is None


TEXTS = [
    "2020-01-01", "2020-01-01T12", "2020-01-01 12:30", "2020-01-01T12:30:15.123456789", "2020-01-01T12:30:15.5",
    "2020-01-01T12:30Z", "2020-01-01T12:30+09:00", "2020-01-01T12:30+0900", "2020-01-01T12:30-09", "2020-02-29",
    "2020-01-01T1230", "2020-01-01T12:30:60", "2020-02-30", "2021-02-29", "2020-01-01T24:00", "2020-01-01t12:30",
    "2020-01-01T12:30z", "2020-1-1", "2020-01-01T12:30+25:00", "2020-01-01T12:30+09:60", "2020-01-01T12:30:15.",
    "-2020-01-01", "2020-01-01T12:30:15.1234567891", "20200101", "2020-W01-1", "2020-01", "now", "2020-01-01Z",
    "2020-01-01T12:30:15+00:00:01", "２020-01-01", "2020-01-01T12:30 Z", "2020-01-01T", "2020-01-01  12:30",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_text_is_read_as_pyarrow_reads_it(text: str) -> None:
    expected = None
    for zone in (None, "UTC"):
        try:
            table = pyarrow.csv.read_csv(
                pa.BufferReader(text.encode()),
                pyarrow.csv.ReadOptions(column_names=["t"]),
                convert_options=pyarrow.csv.ConvertOptions(column_types={"t": pa.timestamp("ns", zone)}),
            )
        except pa.ArrowInvalid:
            continue
        expected = (table["t"].cast(pa.int64())[0].as_py(), zone is not None)
    assert parse_moment(text) == expected


@given(st.integers(-(2**62), 2**62))
def test_midnight_is_the_day_before(nanoseconds: int) -> None:
    found = midnight(nanoseconds)
    assert found % 86_400 == 0
    assert 0 <= nanoseconds - found * BILLION < 86_400 * BILLION
    assert iso(found, zone=False) == str(np.datetime64(found, "s"))
    assert iso(found, zone=True).endswith("T00:00:00Z")


def test_what_is_no_moment_is_none() -> None:
    for cell in (None, 5, 5.0, "2020-01-01", np.datetime64("NaT"), timedelta(1)):
        assert moment_of(cell) is None
