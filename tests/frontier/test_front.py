"""front(): each point is what approximate() gives, and the best ones are those that no other beats."""

from __future__ import annotations

import csv
import itertools
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import polyoptim
from polyoptim import ArgumentError, Front, Result, Status, approximate, front, verify
from polyoptim.frontier import search
from polyoptim.frontier.pictures import figure
from polyoptim.frontier.points import Point, unbeaten
from polyoptim.schemes import program_of

EXP2: dict[str, Any] = {"domain": (0, 1), "error": "relative", "fixed": {0: 1}}
SMALL: dict[str, Any] = {**EXP2, "degrees": "1:4", "formats": "bfloat16,float16", "fma": "both"}


@pytest.fixture(scope="module")
def small() -> Front:
    return front("2**x", **SMALL)


def brute(points: list[tuple[float, int, int]]) -> list[bool]:
    """Tell of each place whether it is best, by the words of the definition."""
    return [
        not any(
            all(a <= b for a, b in zip(other, own, strict=True)) and any(a < b for a, b in zip(other, own, strict=True))
            for other in points
        )
        for own in points
    ]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), max_size=30))
def test_unbeaten_rows_are_those_of_the_definition(rows: list[tuple[int, int, int]]) -> None:
    assert unbeaten(rows) == brute(rows)  # type: ignore[arg-type]


def test_best_points_are_those_of_the_definition(small: Front) -> None:
    assert small.criterion == "total_error_bound"  # ulps of two formats do not compare
    rows = [(small.error_of(point), point.depth or 0, point.operations or 0) for point in small.points]
    assert [point.best for point in small.points] == brute(rows)
    assert small.best == tuple(point for point in small.points if point.best)
    assert 0 < len(small.best) < len(small.points)


def test_points_are_compared_by_ulps_where_the_output_is_the_same() -> None:
    found = front("2**x", **EXP2, degrees=[2, 3], formats=["bfloat16", "float32"], output_format="bfloat16")
    assert found.criterion == "max_ulp"
    rows = [(point.max_ulp or 0.0, point.depth or 0, point.operations or 0) for point in found.points]
    assert [point.best for point in found.points] == brute(rows)


def assert_alike(one: Result, other: Result) -> None:
    """Hold a point's result against that of approximate(), with all that is in it but the time."""
    own, wanted = one.to_dict(), other.to_dict()
    for document in (own, wanted):
        document.pop("seconds")
    assert own == wanted


def test_points_are_what_approximate_gives(small: Front) -> None:
    degrees, formats = (1, 2, 3, 4), ("bfloat16", "float16")
    every = list(itertools.product(degrees, formats, ("horner", "estrin"), (True, False)))
    assert [(p.degree, p.format, p.scheme, p.fma) for p in small.points] == every
    assert [point.number for point in small.points] == list(range(1, len(every) + 1))
    for point in small.points[4:16]:
        given_ = {"degree": point.degree, "format": point.format, "scheme": point.scheme, "fma": point.fma}
        assert point.result is not None
        assert_alike(point.result, approximate("2**x", **EXP2, **given_))


def test_costs_are_those_of_the_scheme(small: Front) -> None:
    for point in small.points:
        assert point.result is not None
        coef = {power: Fraction(float(point.result.coef[power])) for power in point.powers}
        wanted = program_of(coef, point.scheme, point.fma)
        assert (point.fma_count, point.mul_count, point.add_count, point.depth) == (
            *(wanted.count(kind) for kind in ("fma", "mul", "add")),
            wanted.depth,
        )
        assert point.operations == len(wanted.operations)


def test_coefficients_are_found_once_for_all_schemes(monkeypatch: pytest.MonkeyPatch) -> None:
    solved: list[tuple[int, str]] = []

    def counted(target: Any, arguments: Any, *more: Any) -> Any:
        solved.append((arguments["degree"], arguments["format"]))
        return search_solve(target, arguments, *more)

    search_solve = search.solve
    monkeypatch.setattr(search, "solve", counted)
    front("2**x", **{**SMALL, "degrees": [2, 3]})
    assert solved == [(2, "bfloat16"), (2, "float16"), (3, "bfloat16"), (3, "float16")]


def test_objective_in_the_arithmetic_that_ships_is_searched_for_each_scheme() -> None:
    found = front("2**x", **EXP2, degrees=2, formats="bfloat16", objective="ulp")
    for point in found.points:
        given_ = {"degree": 2, "format": "bfloat16", "objective": "ulp", "scheme": point.scheme}
        assert point.result is not None
        assert_alike(point.result, approximate("2**x", **EXP2, **given_))
        assert point.result.loss == point.max_ulp


def test_flips_are_compared_where_they_are_made_least(tmp_path: Path) -> None:
    found = front("2**x", **EXP2, degrees=[1, 2], formats="bfloat16", objective="flips")
    assert found.criterion == "flips"
    rows = [(point.flips or 0.0, point.depth or 0, point.operations or 0) for point in found.points]
    assert [point.best for point in found.points] == brute(rows)
    assert "the error is the share of flips." in " ".join(found.report().split())
    assert found.plot(tmp_path / "a.svg").axes[0].get_ylabel() == "flips, share of bfloat16 values (exhaustive)"


def test_error_of_zero_is_in_the_picture() -> None:
    found = front("x/2", domain=(1, 2), degrees=1, formats="real,real", schemes="horner")
    assert [found.error_of(point) for point in found.points] == [0.0]
    assert figure(found).axes[0].lines


def test_domain_without_numbers_of_the_format_is_not_measured() -> None:
    found = front("2**x", domain=(1, "1+2**-9"), degrees=1, formats="bfloat16,float16", schemes="horner")
    inside = front("2**x", domain=("1+2**-10", "1+2**-9"), degrees=1, formats="bfloat16", schemes="horner")
    assert [point.max_ulp is not None for point in found.points] == [True, True]
    assert inside.points[0].max_ulp is None
    assert inside.criterion == "total_error_bound"


def test_inputs_are_all_of_16_bits_and_a_grid_of_float32() -> None:
    found = front("2**x", **EXP2, degrees=2, formats="bfloat16,float32,float64", schemes="horner")
    narrow, single, double = found.points
    assert [point.max_ulp_kind for point in found.points] == ["exhaustive", "exhaustive", None]
    assert narrow.result is not None
    assert narrow.result.input_count == 16257  # 0 and the bfloat16 of (0, 1]
    assert single.result is not None
    assert single.result.input_count == 2**24
    assert double.total_error_bound is not None
    narrowed = front("2**x", **EXP2, degrees=2, formats="float64", schemes="horner", output_format="float16")
    assert narrowed.points[0].max_ulp_kind == "sampled"


def test_exhaustive_tries_all_float32() -> None:
    close = {"domain": (1, "1+2**-12"), "degrees": 1, "schemes": "horner"}
    whole, left = front("exp(x)", **close, exhaustive=True), front("exp(x)", **close, inputs="all")
    assert whole.points[0].result is not None
    assert whole.points[0].result.input_count == 2**11 + 1
    assert left.points[0].max_ulp is None
    assert left.criterion == "total_error_bound"


def test_point_that_fails_stays_with_its_reason() -> None:
    found = front("70000*x", domain=(1, 2), degrees=[1, 2], formats="float16,bfloat16", schemes="horner")
    assert [str(point.status) for point in found.points] == ["failed", "converged", "failed", "converged"]
    assert "out of the range of float16" in found.points[0].reason
    assert not found.points[0].best
    assert found.status == Status.CONVERGED
    assert "Points 1, 3 failed: coefficient of x**1: 70000 is out of the range" in " ".join(found.report().split())
    with pytest.raises(ArgumentError, match=r"point 1 has no polynomial: .*float16"):
        found.point(1)
    with pytest.raises(ArgumentError, match=r"there is no point 5\. They are numbered from 1 to 4"):
        found.point(5)
    assert found.columns()["reason"][1] == ""
    assert front("70000*x", domain=(1, 2), degrees=1, formats="float16").status == Status.FAILED


def test_what_holds_for_one_format_only_fails_there() -> None:
    found = front("2**x", **{**EXP2, "fixed": {0: "1/3"}}, degrees=2, formats="float32,real", schemes="horner")
    assert "fixed coefficient 1/3 of power 0 is no number of float32" in found.points[0].reason
    assert found.points[1].result is not None
    wide = front("2**x", **EXP2, degrees=2, formats="bfloat16,float32", schemes="horner", output_format="float32")
    assert "output_format must be bfloat16" in wide.points[0].reason
    assert (wide.points[0].compute_format, wide.points[0].output_format) == ("bfloat16", "float32")


def test_what_no_code_computes_is_not_compared() -> None:
    found = front("2**x", domain=(0, 1), degrees=[1, 2], formats="real,bfloat16", schemes="horner")
    assert [point.format for point in found.best] == ["bfloat16", "bfloat16"]
    assert front("2**x", domain=(0, 1), degrees=[1, 2], formats="real", schemes="horner").criterion == "sup_error"


def test_odd_function_has_each_polynomial_once() -> None:
    found = front("sin(x)", domain=(-1, 1), degrees="0:5", formats="bfloat16", schemes="horner")
    assert [point.powers for point in found.points] == [(1,), (1, 3), (1, 3, 5)]
    assert [point.degree for point in found.points] == [1, 3, 5]
    assert found.notes == (
        "The function is odd: degrees 2, 4 have no powers of their own, and are shown as those below.",
        "The function is odd: degree 0 has no power of that kind.",
    )
    with pytest.raises(ArgumentError, match="an odd function has no polynomial of degree 0"):
        front("sin(x)", domain=(-1, 1), degrees=0)


def test_function_of_floats_is_compared_by_what_is_known() -> None:
    found = front(np.exp, domain=(0, 1), degrees=[1, 2], formats="bfloat16", schemes="horner")
    assert found.criterion == "sup_error"
    assert [point.sup_error_kind for point in found.points] == ["sampled", "sampled"]
    assert "in exact arithmetic, sampled." in found.report()


def test_compute_and_output_formats() -> None:
    found = front(
        "2**x",
        **EXP2,
        degrees=2,
        formats="bfloat16",
        schemes="horner",
        compute_format="float32",
        output_format="float16",
    )
    point = found.points[0]
    assert (point.format, point.compute_format, point.output_format) == ("bfloat16", "float32", "float16")
    assert point.result is not None
    wanted = approximate(
        "2**x", **EXP2, degree=2, format="bfloat16", compute_format="float32", output_format="float16", inputs="grid"
    )
    assert_alike(point.result, wanted)


@pytest.mark.parametrize("count", [0, 3, 6])
def test_interrupt_keeps_the_points_so_far(count: int) -> None:
    def stop(done: int, total: int) -> None:
        assert total == 8
        if done == count:
            raise KeyboardInterrupt

    whole = front("2**x", **EXP2, degrees="1:4", formats="bfloat16")
    found = front("2**x", **EXP2, degrees="1:4", formats="bfloat16", progress=stop)
    assert found.interrupted
    assert found.status == "interrupted"
    made = len(found.made)
    assert made == count
    assert [point.status for point in found.points[made:]] == [Status.INTERRUPTED] * (8 - made)
    assert [point.max_ulp for point in found.points[:made]] == [point.max_ulp for point in whole.points[:made]]
    assert f"Interrupted: {made} of them were tried" in found.report()
    with pytest.raises(ArgumentError, match="the front was interrupted"):
        found.point(8)
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["status"] == "interrupted"


def test_interrupted_search_keeps_its_best_and_ends_the_front() -> None:
    ticks = itertools.count()

    def stop(_done: int, _total: int) -> None:
        if next(ticks) == 1:
            raise KeyboardInterrupt

    found = front("2**x", **EXP2, degrees=[3, 4], formats="bfloat16", objective="flips", progress=stop)
    assert [point.result is not None for point in found.points] == [True, False, False, False]
    assert found.points[0].status == Status.INTERRUPTED
    assert found.points[0].flips is not None


def test_progress_counts_points() -> None:
    told: list[tuple[int, int]] = []
    front("2**x", **EXP2, degrees="1:2", formats="bfloat16", progress=lambda *both: told.append(both))
    assert told == sorted(told)
    assert told[-1] == (4, 4)


def test_exported_point_verifies(small: Front, tmp_path: Path) -> None:
    for number, name in ((9, "a.h"), (16, "b.py"), (23, "c.json")):
        result = small.point(number).result
        assert result is not None
        result.export(tmp_path / name)
        assert verify(tmp_path / name).status == "verified"


def test_table_and_document_say_the_same(small: Front, tmp_path: Path) -> None:
    small.save(tmp_path / "a.json")
    small.save_csv(tmp_path / "a.csv")
    document = json.loads((tmp_path / "a.json").read_text())
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert document["best"] == [point.number for point in small.best]
    assert len(rows) == len(document["points"]) == len(small.points)
    for row, saved, point in zip(rows, document["points"], small.points, strict=True):
        assert float(row["max_ulp"]) == saved["max_ulp"] == point.max_ulp
        assert int(row["depth"]) == saved["depth"] == point.depth
        assert row["best"] == str(point.best) == str(saved["best"])
        assert point.result is not None
        assert saved["coef_hex"] == list(point.result.coef_hex or ())


def test_report_marks_the_best(small: Front) -> None:
    lines = small.report().splitlines()
    head = next(place for place, line in enumerate(lines) if "degree" in line and "#" in line)
    rows = lines[head + 1 : head + 1 + len(small.points)]
    assert [row.startswith("*") for row in rows] == [point.best for point in small.points]
    assert [int(row.removeprefix("*").split()[0]) for row in rows] == [point.number for point in small.points]
    assert "fixed 0=1" in small.report()


def test_picture_has_labels_for_formats_schemes_and_axes(small: Front, tmp_path: Path) -> None:
    drawn = small.plot(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000
    left, right = drawn.axes
    assert left.get_xlabel().startswith("operations")
    assert right.get_xlabel() == "depth"
    assert left.get_ylabel() == "bound of the relative error with rounding (proved)"
    named = {text.get_text() for text in drawn.legends[0].get_texts()}
    assert {"bfloat16", "float16", "horner", "estrin", "horner, no FMA", "best", "least error for the cost"} <= named
    assert "2**x on [0, 1]" in drawn.get_suptitle()
    degrees = {int(part) for text in left.texts for part in text.get_text().split(", ")}
    assert degrees == {point.degree for point in small.best}


def test_picture_of_nothing_says_so() -> None:
    found = front("70000*x", domain=(1, 2), degrees=1, formats="float16")
    assert "no point has an error to show" in {text.get_text() for text in figure(found).axes[0].texts}


def test_ulps_are_named_in_the_picture() -> None:
    found = front("2**x", **EXP2, degrees="1:2", formats="bfloat16")
    assert figure(found).axes[0].get_ylabel() == "largest error, ulp of bfloat16 (exhaustive)"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"degrees": "5:2"}, "degrees must be FIRST:LAST in ascending order"),
        ({"degrees": []}, "degrees must name at least one"),
        ({"degrees": "1:x"}, "degrees must be an integer"),
        ({"degrees": [1.5]}, "each of degrees must be an integer"),
        ({"degrees": 1000}, "at most 500"),
        ({"formats": "float31"}, "did you mean 'float32'"),
        ({"formats": []}, "formats must name at least one"),
        ({"schemes": "hrner"}, "did you mean 'horner'"),
        ({"fma": "maybe"}, "fma must be True, False or 'both', got 'maybe'"),
        ({"objective": "least"}, "unknown objective 'least'"),
        ({"inputs": "most"}, "unknown inputs 'most'"),
        ({"exhaustive": 1}, "exhaustive must be True or False"),
        ({"output_format": "float31"}, "unknown format 'float31'"),
        ({"domain": (1, 0)}, "domain must have a < b"),
        ({"fixed": [1]}, "fixed must map powers to values"),
        ({"error": 3}, "error must be 'absolute'"),
    ],
)
def test_wrong_argument_is_one_sentence(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        front("2**x", **{"domain": (0, 1), "degrees": 2, **wrong})
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_arguments_are_said_at_once() -> None:
    with pytest.raises(ArgumentError) as caught:
        front("2**x", domain=(1, 0), degrees="a", formats="float31", schemes="x", fma=None, inputs="most", error="3y")
    said = str(caught.value)
    for sentence in ("domain", "degrees", "float31", "scheme", "fma must be", "inputs", "unknown name 'y'"):
        assert sentence in said


def test_search_in_the_arithmetic_that_ships_needs_an_expression() -> None:
    with pytest.raises(ArgumentError, match="needs an expression in x"):
        front(np.exp, domain=(0, 1), degrees=2, objective="ulp")


def test_public_names() -> None:
    assert polyoptim.front is front
    assert polyoptim.Front is Front
    assert isinstance(front("2**x", domain=(0, 1), degrees=1, formats="bfloat16").points[0], Point)
