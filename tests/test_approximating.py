"""approximate(): coefficients in a format, their error with its kind, and what is refused."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polyoptim
from polyoptim import ArgumentError, DataError, ExportError, approximate
from polyoptim.checker import check
from polyoptim.cli import run
from polyoptim.formats import find_format
from polyoptim.solvers.supremum import enclose
from polyoptim.targets.parser import parse_tree

TRUTH = {
    "2**x": lambda x: mpmath.mpf(2) ** x,
    "exp(x)": mpmath.exp,
    "sin(x)": mpmath.sin,
    "cos(x)": mpmath.cos,
    "tanh(x)": mpmath.tanh,
    "log(x)": mpmath.log,
    "gelu(x)": lambda x: x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
    "expm1(x)/x": lambda x: mpmath.expm1(x) / x,
}


def largest(result, text, count=400):
    """The largest error at Chebyshev points of the domain, in 50 digits."""
    with mpmath.workdps(50):
        a, b = (mpmath.mpf(end) for end in result.domain)
        found = mpmath.mpf(0)
        for place in range(count + 1):
            x = (a + b) / 2 - (b - a) / 2 * mpmath.cos(mpmath.pi * place / count)
            p = sum(mpmath.mpf(value) * x**k for k, value in enumerate(result.coef.tolist()))
            if x == 0 and "/x" in text:
                continue
            f = TRUTH[text](x)
            error = abs(p - f)
            if result.arguments["error"] == "relative":
                if f == 0:
                    continue
                error /= abs(f)
            found = max(found, error)
        return found


@pytest.mark.parametrize(
    ("text", "domain", "degree", "more"),
    [
        ("2**x", (0, 1), 3, {"error": "relative", "format": "float32", "fixed": {0: 1}}),
        ("exp(x)", (-1, 1), 5, {"format": "bfloat16"}),
        ("sin(x)", ("-pi/4", "pi/4"), 7, {"error": "relative", "format": "float32"}),
        ("tanh(x)", (-3, 3), 9, {"format": "float16"}),
        ("log(x)", (1, 2), 5, {"error": "relative"}),
        ("gelu(x)", (-4, 4), 8, {}),
        ("expm1(x)/x", (-1, 1), 5, {"error": "relative", "format": "float32"}),
        ("cos(x)", (0, 1), 4, {"format": ["float32", "float16", "bfloat16"], "powers": [0, 2, 4], "degree": None}),
        ("exp(x)", (0, 1), 4, {"format": "q3.20"}),
    ],
)
def test_proved_errors_hold_and_stand_next_to_a_bound(text, domain, degree, more):
    result = approximate(text, domain=domain, **{"degree": degree, **more})
    assert result.sup_error_kind == "proved"
    seen = largest(result, text)
    assert seen <= result.sup_error_bound
    assert seen >= result.sup_error * (1 - 1e-3)
    assert result.lower_bound <= result.sup_error <= result.sup_error_bound <= result.sup_error * (1 + 1e-5)
    checked = check(result.certificate)
    assert checked.ok, checked.reason
    assert checked.upper <= result.sup_error_bound * (1 + 1e-12)


def test_coefficients_are_numbers_of_their_formats():
    result = approximate("exp(x)", domain=(0, 1), degree=3, format=["float32", "float16", "bfloat16", "q1.14"])
    coef = result.coef
    assert np.float32(coef[0]) == coef[0]
    assert np.float16(coef[1]) == coef[1]
    assert int(np.float32(coef[2]).view(np.uint32)) & 0xFFFF == 0
    assert (coef[3] * 2**14).is_integer()
    assert [float.fromhex(text) for text in result.coef_hex[:3]] == coef[:3].tolist()


def test_rounding_is_never_worse_than_each_coefficient_by_itself():
    for name, kind in (("bfloat16", None), ("float16", np.float16)):
        result = approximate("2**x", domain=(0, 1), degree=3, format=name)
        real = approximate("2**x", domain=(0, 1), degree=3, format="real")
        nearest = [_bfloat16(value) if kind is None else float(kind(value)) for value in real.coef]
        x = np.linspace(0, 1, 2001)
        assert result.sup_error <= np.abs(np.polynomial.polynomial.polyval(x, nearest) - 2**x).max() * (1 + 1e-9)


def _bfloat16(value):
    bits = int(np.float32(value).view(np.uint32))
    kept = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return float(np.uint32(kept).view(np.float32))


@pytest.mark.parametrize(
    ("text", "powers"), [("sin(x)", (1, 3, 5)), ("cos(x)", (0, 2, 4)), ("exp(x)", (0, 1, 2, 3, 4, 5))]
)
def test_odd_and_even_functions_are_recognised(text, powers):
    assert approximate(text, domain=(-1, 1), degree=5, format="real").powers == powers
    assert approximate(text, domain=(0, 1), degree=5, format="real").powers == tuple(range(6))


def test_lowest_degree_for_a_tolerance():
    result = approximate("exp(x)", domain=(0, 1), tolerance=1e-6, format="float32")
    assert result.sup_error_bound <= 1e-6
    assert approximate("exp(x)", domain=(0, 1), degree=result.degree - 1, format="real").sup_error > 1e-6
    with pytest.raises(ArgumentError, match="not by numbers of the format"):
        approximate("exp(x)", domain=(0, 1), tolerance=1e-3, format="q2.4")


@pytest.mark.parametrize(
    ("text", "domain", "more", "least"),
    [
        ("cos(40*acos(x))", (-1, 1), {"degree": 20}, 1.0),
        ("abs(x - 0.5)", (0, 1), {"degree": 2}, 0.0625),
        ("relu(x)", (-1, 1), {"degree": 3}, 0.0625),
        ("relu(x)", (-1, 1), {"degree": 7}, None),
        ("relu(x)", (-1, 1), {"degree": 11}, None),
        ("abs(x - 0.5)", (-1, 1), {"degree": 2}, 0.18),
        ("abs(x - 1/sqrt(2))", (-1, 1), {"degree": 4}, None),
        ("sin(x**2) + sin(x)**2", (0, 15), {"degree": 60}, None),
        ("expm1(x)/x", (0, 1), {"degree": 3}, None),
        ("expm1(x)", (0, 1), {"degree": 4, "error": "relative"}, None),
        ("log(x)", ("1/2", 2), {"degree": 6, "error": "relative"}, None),
        ("log(x)", (1, 2), {"degree": 5, "error": "relative"}, None),
        ("2**x", (0, 1), {"degree": 3, "fixed": {0: 1}, "error": "relative"}, None),
        ("cosh(x) - 1", (-1, 1), {"degree": 6, "error": "relative"}, None),
        ("exp(x)", [(0, 1), (2, 3)], {"degree": 5}, None),
        ("exp(x)", (0, 1), {"degree": 3, "error": "exp(-x)"}, None),
        ("exp(x)", (0, 1), {"degree": 20}, None),
    ],
)
def test_hard_cases_reach_their_bound(text, domain, more, least):
    result = approximate(text, domain=domain, format="real", **more)
    assert result.sup_error_kind == "proved"
    assert result.lower_bound <= result.sup_error_bound <= result.lower_bound * (1 + 3e-6)  # 1e-6 is the proof's
    if least is not None:
        assert result.sup_error == pytest.approx(least, rel=1e-5)


def test_a_relative_error_is_taken_at_its_limit_at_a_zero_of_the_target():
    result = approximate("log(x)", domain=(1, 2), degree=5, error="relative", format="float32")
    assert sum(map(Fraction, result.coef.tolist())) == 0
    assert result.gap <= 1e-4
    real = approximate("log(x)", domain=(1, 2), degree=5, error="relative", format="real")
    assert real.lower_bound * (1 - 1e-9) <= result.lower_bound
    slope = sum(k * mpmath.mpf(value) for k, value in enumerate(result.coef.tolist()))
    assert abs(slope - 1) <= result.sup_error_bound


@pytest.mark.parametrize("objective", ["l2", "l1"])
def test_other_objectives_are_least_where_they_are_asked_for(objective, tmp_path, capsys):
    options = {"domain": (0, 1), "degree": 3, "format": "bfloat16"}
    found = approximate("2**x", objective=objective, **options)
    assert found.arguments["objective"] == objective
    assert found.sup_error_kind == "proved"
    assert check(found.certificate).ok
    assert found.lower_bound <= found.loss < found.sup_error <= found.sup_error_bound
    assert found.gap == found.loss / found.lower_bound - 1 < 1e-8
    others = [approximate("2**x", objective=name, **options) for name in ("minimax", "l2", "l1")]
    assert min(others, key=lambda one: one.sup_error).arguments["objective"] == "minimax"
    x = np.linspace(0, 1, 20_001)
    sizes = [np.abs(one(x) - 2**x) for one in others]
    means = [(size ** int(objective[1])).mean() for size in sizes]
    assert means[["minimax", "l2", "l1"].index(objective)] <= min(means) * (1 + 1e-6)
    report = found.report()
    assert f"{objective} bound" in report
    assert "no such polynomial has a smaller error" not in report
    found.save(tmp_path / "a.json")
    assert polyoptim.load(tmp_path / "a.json").report() == report
    found.plot(tmp_path / "a.png")
    words = ["approximate", "2**x", "--domain", "0", "1", "--degree", "3", "--format", "bfloat16", "--json"]
    assert run([*words, "--objective", objective]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["coef_hex"] == list(found.coef_hex)
    assert (printed["loss"], printed["lower_bound"]) == (found.loss, found.lower_bound)
    lowest = approximate("exp(x)", domain=(0, 1), tolerance=1e-4, objective=objective)
    assert lowest.sup_error_bound <= 1e-4
    assert approximate("exp(x)", domain=(0, 1), degree=lowest.degree - 1, objective=objective).sup_error > 1e-4


def test_the_curve_goes_through_given_points():
    result = approximate("exp(x)", domain=(0, 1), degree=4, through=[0], format="float32")
    assert result.coef[0] == 1.0
    real = approximate("exp(x)", domain=(0, 1), degree=4, through=[0, 1], format="real")
    assert sum(map(Fraction, real.coef_hex)) == pytest.approx(math.e, abs=1e-15)
    assert real.sup_error < 1e-3


def test_a_callable_is_sampled_and_the_report_says_so():
    result = approximate(np.exp, domain=(0, 1), degree=3)
    assert (result.sup_error_kind, result.sup_error_bound, result.certificate) == ("sampled", None, None)
    assert "nothing can be proved" in result.report()
    assert approximate("exp(x)", domain=(0, 1), degree=3, prove=False).sup_error_kind == "sampled"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"target": 3}, "target must be an expression"),
        ({"domain": (1, 0)}, "a < b"),
        ({"domain": (0, 1, 2)}, "pair of numbers"),
        ({"domain": [(0, 2), (1, 3)]}, "overlap"),
        ({"degree": None}, "one of degree, tolerance and powers, got none"),
        ({"tolerance": 1e-3}, "got degree and tolerance"),
        ({"degree": -1}, "degree must be an integer >= 0"),
        ({"format": "float31"}, "did you mean 'float32'"),
        ({"format": ["float32"]}, "one name for each of the 4 powers"),
        ({"fixed": {0: "0.1"}, "format": "float32"}, "no number of float32"),
        ({"fixed": {9: 1}}, "not among the powers"),
        ({"fixed": {0: 1, 1: 1, 2: 1, 3: 1}}, "all powers are fixed"),
        ({"objective": "minmax"}, "unknown objective 'minmax'; did you mean 'minimax'?"),
        ({"through": ["pi"]}, "rational"),
        ({"error": 3}, "error must be"),
        ({"target": "sin(x)", "domain": (3, 4), "error": "relative"}, "is 0 near x = 3.14159"),
        ({"target": "log(x)", "domain": (-2, -1)}, "finite value at too few points"),
        ({"target": "exp(exp(x))", "domain": (0, 8)}, "beyond the largest float"),
    ],
)
def test_wrong_arguments_are_named(arguments, words):
    given = {"target": "exp(x)", "domain": (0, 1), "degree": 3, **arguments}
    with pytest.raises((ArgumentError, DataError)) as caught:
        approximate(given.pop("target"), **given)
    assert words in str(caught.value)


def test_what_has_no_bound_is_never_called_proved():
    result = approximate("1/x", domain=(-1, 1), degree=3, format="real")
    assert result.sup_error_kind == "sampled"
    assert result.sup_error_bound is None
    assert any("pole" in note for note in result.notes)


@settings(deadline=None, max_examples=12)
@given(
    st.sampled_from(["exp(x)", "sin(x)", "cos(x)", "tanh(x)"]),
    st.integers(0, 6),
    st.floats(-3, 3),
    st.floats(0.01, 3),
    st.sampled_from(["real", "float32", "float16", "bfloat16"]),
)
def test_proved_bounds_contain_the_truth(text, degree, low, width, name):
    result = approximate(text, domain=(low, low + width), degree=degree, format=name)
    assert result.sup_error_kind == "proved"
    if name != "real":
        assert largest(result, text, 60) <= result.sup_error_bound


def test_results_are_saved_shown_and_drawn(tmp_path):
    result = approximate("2**x", domain=(0, 1), degree=3, format="float32", error="relative")
    result.save(tmp_path / "a.json")
    back = polyoptim.load(tmp_path / "a.json")
    assert back.coef_hex == result.coef_hex
    assert back.sup_error_bound == result.sup_error_bound
    assert check(back.certificate).ok
    assert back.report() == result.report()
    result.plot(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000
    result.export(tmp_path / "a.py")
    space = {}
    exec((tmp_path / "a.py").read_text(encoding="utf-8"), space)  # noqa: S102 - our own export
    assert space["polynomial"](0.5) == np.float32(result(0.5))
    approximate("exp(x)", domain=(0, 1), degree=5, format="real").export(tmp_path / "real.py")
    space = {}
    exec((tmp_path / "real.py").read_text(encoding="utf-8"), space)  # noqa: S102
    assert space["polynomial"](0.5) == approximate("exp(x)", domain=(0, 1), degree=5, format="real")(0.5)
    with pytest.raises(ExportError, match="no export has the ending"):
        result.export(tmp_path / "a.ipynb")
    with pytest.raises(ArgumentError, match="did you mean 'header'"):
        result.export(tmp_path / "a.h", to="haeder")
    assert "polyoptim approximate: a cubic for 2**x on [0, 1]" in result.report()


def test_command_line_equals_python(tmp_path, capsys):
    words = ["approximate", "2**x", "--domain", "0", "1", "--degree", "3", "--error", "relative", "--format", "float32"]
    words += ["--fixed", "0=1", "--json", "--save", str(tmp_path / "a.json"), "--plot", str(tmp_path / "a.png")]
    assert run(words) == 0
    printed = json.loads(capsys.readouterr().out)
    result = approximate("2**x", domain=(0, 1), degree=3, error="relative", format="float32", fixed={0: 1})
    for name in ("coef_hex", "sup_error", "sup_error_kind", "sup_error_bound", "lower_bound", "gap"):
        assert printed[name] == getattr(result, name) or printed[name] == list(getattr(result, name))
    assert printed["coef"] == result.coef.tolist()
    assert run(["approximate", "sin(x)", "--domain", "-pi/4", "pi/4", "--powers", "1,3,5", "--quiet"]) == 0
    assert run(["approximate", "sin(x)", "--domain", "0", "1", "--domain", "2", "3", "--tolerance", "1e-3"]) == 0
    assert "on [0, 1] and [2, 3]" in capsys.readouterr().out
    files = [str(tmp_path / name) for name in ("a.h", "b.cuh", "c.triton.py", "d.py")]
    assert run(["approximate", "--export", *files, "2**x", "--domain", "0", "1", "--degree", "2", "--quiet"]) == 0
    texts = [Path(name).read_text(encoding="utf-8") for name in files]
    for text, said in zip(texts, ("static inline double a_poly", "__device__", "@triton.jit", "np."), strict=True):
        assert said in text
    assert run(["approximate", "sin(x)", "--domain", "0", "1"]) == 2
    assert "one of degree, tolerance and powers" in capsys.readouterr().err


def test_a_tolerance_is_reached_where_a_zero_fixes_the_constant():
    result = approximate("sin(x)", domain=(0, "pi/4"), tolerance=1e-6, error="relative", format="float32")
    assert result.sup_error_bound <= 1e-6
    assert result.coef[0] == 0
    assert approximate("sin(x)", domain=(0, "pi/4"), degree=result.degree - 1, error="relative").sup_error > 1e-6


def test_ends_are_shown_as_they_were_given():
    result = approximate("exp(x)", domain=[(-0.1, "1/3"), ("1/2", 0.7)], degree=2)
    assert result.target["domains"] == [["-0.1", "1/3"], ["1/2", "0.7"]]
    assert result.arguments["domain"][0] == ["-3602879701896397/36028797018963968", "1/3"]


@pytest.mark.parametrize("name", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize(
    ("text", "domain", "degree"),
    [("abs(x-0.5)", (-1, 1), 2), ("abs(x-1/3)", (-1, 1), 4), ("max(x,1-x**2)", (-1, 2), 5), ("relu(x)", (-1, 1), 7)],
)
def test_corners_between_points_of_a_grid_are_seen(text, domain, degree, name):
    real = approximate(text, domain=domain, degree=degree, format="real")
    result = approximate(text, domain=domain, degree=degree, format=name)
    nearest = {k: find_format(name).round(Fraction(value)) for k, value in enumerate(real.coef.tolist())}
    each = enclose(parse_tree(text), nearest, [tuple(map(Fraction, domain))])
    assert real.lower_bound <= result.sup_error <= each.upper
    assert result.gap < 1e-5


@pytest.mark.parametrize(
    ("text", "domain", "more"),
    [
        ("1/x", (1e-300, 1e-299), {"error": "relative"}),
        ("x", (1e200, 2e200), {"format": "float32"}),
        ("exp(x)", (700, 709), {"error": "relative"}),
    ],
)
def test_numbers_beyond_floats_are_one_clear_error(text, domain, more):
    with pytest.raises((ArgumentError, DataError), match=r"[Ss]cale"):
        approximate(text, domain=domain, degree=3, **more)


def test_where_nothing_is_better_than_0_that_is_found():
    result = approximate("exp(x)", domain=(1000, 1001), degree=3, error="relative")
    assert 1 - 1e-9 <= result.lower_bound <= result.sup_error <= 1


def test_the_picture_marks_the_extrema_of_the_error():
    result = approximate("exp(x)", domain=(-1, 1), degree=4)
    _, below = result.plot().axes
    (dots,) = [line for line in below.lines if line.get_label() == "extrema"]
    x, y = dots.get_data()
    assert len(x) == 6
    assert np.allclose(np.abs(y), result.sup_error, rtol=1e-3)
    assert (np.sign(y[1:]) == -np.sign(y[:-1])).all()
    assert (x[0], x[-1]) == (-1, 1)


def test_what_the_checker_does_not_accept_is_not_called_proved():
    result = approximate("max(sinh(x), acos(cos(x)))", domain=(0, "1/1073741824"), degree=2, error="exp(-x)")
    assert (result.sup_error_kind, result.sup_error_bound, result.certificate) == ("sampled", None, None)
    assert "at 1001 points" in result.notes[0]
    assert "the checker did not accept the proof" in result.notes[0]
    assert "at 1001 points" in approximate("exp(x)", domain=(0, 1), degree=3, prove=False).notes[0]
