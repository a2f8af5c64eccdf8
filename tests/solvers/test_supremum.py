"""Enclosures of the largest error, against mpmath in 50 digits."""

from __future__ import annotations

import importlib
import json
import math
from fractions import Fraction
from pathlib import Path

import mpmath
import pytest
from flint import ctx, fmpq, fmpq_poly
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import chebyshev

from polyoptim.checker import check
from polyoptim.errors import ArgumentError
from polyoptim.solvers.proof import to_certificate, written
from polyoptim.solvers.rationals import fraction
from polyoptim.solvers.supremum import enclose
from polyoptim.targets.nodes import FUNCTIONS
from polyoptim.targets.parser import parse_tree

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(str(Path(__file__).parent))
    known = importlib.import_module("truth")
error_in_digits, in_digits, mpf = known.error_in_digits, known.in_digits, known.mpf

F = Fraction
DIGITS = 60
EXAMPLES = 150  # of random polynomials
PUBLISHED = json.loads(Path(__file__).with_name("published.json").read_text(encoding="utf-8"))["cases"]


def largest_error(text, coef, low, high, error="absolute", digits=DIGITS, count=400):
    """The largest error from samples and golden sections about the largest of them."""
    with mpmath.workdps(digits):
        size = error_in_digits(text, coef, error)
        a, b = (in_digits(end(one)) if isinstance(one, str) else mpf(F(one)) for one in (low, high))
        places = [a + (b - a) * (1 - mpmath.cos(mpmath.pi * k / count)) / 2 for k in range(count + 1)]
        sizes = [size(x) for x in places]
        best = max(sizes)
        tops = [k for k in range(count + 1) if sizes[k] >= max(sizes[max(k - 1, 0) : k + 2]) and 1.1 * sizes[k] > best]
        for k in sorted(tops, key=sizes.__getitem__)[-8:]:
            start, stop = places[max(k - 1, 0)], places[min(k + 1, count)]
            ratio = (mpmath.sqrt(5) - 1) / 2
            left, right = stop - ratio * (stop - start), start + ratio * (stop - start)
            at_left, at_right = size(left), size(right)
            for _ in range(100):
                if at_left > at_right:
                    stop, right, at_right = right, left, at_left
                    left = stop - ratio * (stop - start)
                    at_left = size(left)
                else:
                    start, left, at_left = left, right, at_right
                    right = start + ratio * (stop - start)
                    at_right = size(right)
            best = max(best, at_left, at_right)
        return best


def exact(value):
    """An mpf as a fraction."""
    sign, mantissa, exponent, _ = value._mpf_
    return (-1) ** sign * int(mantissa) * F(2) ** int(exponent)


def interpolant(function, low, high, degree, digits=100):
    """The coefficients, exact, of a polynomial through a function at Chebyshev's points."""
    with mpmath.workdps(digits):
        count = degree + 1
        angles = [mpmath.pi * (2 * k + 1) / (2 * count) for k in range(count)]
        values = [function(low + (high - low) * (1 + mpmath.cos(angle)) / 2) for angle in angles]
        series = [
            mpmath.fsum(value * mpmath.cos(j * angle) for value, angle in zip(values, angles, strict=True)) * 2 / count
            for j in range(count)
        ]
    t = fmpq_poly([fmpq(-(high + low), high - low), fmpq(2, high - low)])
    before, now = fmpq_poly([1]), t
    found = before * (as_fmpq(exact(series[0])) / 2)
    for one in series[1:]:
        found += now * as_fmpq(exact(one))
        before, now = now, 2 * t * now - before
    return {power: F(int(one.p), int(one.q)) for power, one in enumerate(found.coeffs())}


def as_fmpq(value):
    return fmpq(value.numerator, value.denominator)


CHEBYSHEV_40 = "+".join(
    f"({int(one)})*x**{power}" for power, one in enumerate(chebyshev.cheb2poly([0] * 40 + [1])) if one
)


def end(value):
    return parse_tree(value, variable=None) if isinstance(value, str) else F(value)


def bounds(text, coef, *domains, error="absolute", **options):
    """The enclosure of an error; coefficients as a list from the constant, or by powers."""
    coef = coef if isinstance(coef, dict) else dict(enumerate(map(F, coef)))
    kind = error if error in ("absolute", "relative") else parse_tree(error)
    return enclose(parse_tree(text), coef, [tuple(map(end, pair)) for pair in domains], error=kind, **options)


def assert_holds(found, truth, within=1e-5):
    """Truth lies between the bounds, these are close, and the checker agrees."""
    assert found.proved, found.reason
    assert found.points == 0
    assert not found.reason
    # A truth from samples and refinement is a little low; 1e-12 of it is what is left after refinement.
    assert found.lower <= truth * (1 + mpmath.mpf(10) ** -12) + mpmath.mpf(10) ** -300
    assert truth <= found.upper
    assert found.upper - found.lower <= within * found.upper
    verdict = check(to_certificate(found))
    assert verdict.ok, verdict.reason
    assert (verdict.lower, verdict.upper) == (found.lower, found.upper)


# Where each function has a value, with its corners and ends where they are exact.
PLACES = {
    "sqrt": (0, 2), "cbrt": (-1, 2), "exp": (-1, 1), "exp2": (-1, 1), "expm1": (-1, 1), "log": ("1/10", 2),
    "log2": ("1/10", 2), "log10": ("1/10", 2), "log1p": ("-1/2", 2), "sin": (-2, 3), "cos": (-2, 3), "tan": (-1, 1),
    "asin": (-1, 1), "acos": (-1, 1), "atan": (-3, 3), "sinh": (-2, 2), "cosh": (-2, 2), "tanh": (-2, 2),
    "asinh": (-20, 3), "acosh": (1, 3), "atanh": ("-3/4", "3/4"), "erf": (-2, 2), "erfc": (-2, 2),
    "gamma": ("1/2", 3), "lgamma": ("1/2", 3), "abs": (-1, 2), "sigmoid": (-3, 3), "softplus": (-3, 3),
    "relu": (-1, 2), "gelu": (-3, 3), "silu": (-3, 3), "sign": (-1, 2), "floor": (-1, 2), "ceil": (-1, 2),
}  # fmt: skip
SMOOTH = [name for name in PLACES if name not in ("sign", "floor", "ceil")]


def test_every_function_has_a_place():
    assert set(PLACES) | {"min", "max", "where"} == set(FUNCTIONS)


@pytest.mark.parametrize("name", SMOOTH)
def test_every_function_is_enclosed(name):
    low, high = PLACES[name]
    coef = [F(1, 3), F(2, 5), F(-1, 7)]
    found = bounds(f"{name}(x)", coef, (low, high))
    assert_holds(found, largest_error(f"{name}(x)", coef, low, high))


@pytest.mark.parametrize("name", [name for name in SMOOTH if name not in ("relu",)])
def test_every_function_is_enclosed_by_relative_error_where_it_is_not_zero(name):
    low, high = {"log": ("3/2", 2), "log2": ("3/2", 2), "log10": ("3/2", 2), "acosh": ("3/2", 3), "acos": (-1, "1/2"),
                 "lgamma": ("5/2", 3)}.get(name, ("3/4", "7/8"))  # fmt: skip
    coef = [F(1, 3), F(2, 5), F(-1, 7)]
    found = bounds(f"{name}(x)", coef, (low, high), error="relative")
    assert_holds(found, largest_error(f"{name}(x)", coef, low, high, "relative"))


@pytest.mark.parametrize(
    ("text", "coef", "truth"),
    [
        ("sign(x)", [0, 1], 1),  # approached from both sides of the jump
        ("floor(x)", [0, 1], 1),
        ("ceil(3*x)", [0, 3], 1),
        ("where(x == 0, 5, x)", [0, 1], 5),  # one point
        ("where(x < 1/3, 0, 1)", [0, 0, 1], 1),
        ("where(x < 1/3, 1, x)", [1], F(2, 3)),
        ("where(0 <= x < 1/2 and not x == 1/4 or x > 7/8, 1, 0)", [0], 1),
        ("x**0", [F(1, 4)], F(3, 4)),
        ("x/x", [F(1, 4)], F(3, 4)),
        ("min(x, 1/3, -x)", [0], 1),
        ("max(x**2, 1/2)", [F(1, 2)], F(1, 2)),
        ("abs(x - 0.12345)", [F(12345, 100000)], 1),
        ("1", [F(1, 3)], F(2, 3)),
        ("relu(x)", [F(9, 7)], F(9, 7)),  # on a whole interval
        ("floor(x**3)", [0], 1),
    ],
)
def test_jumps_corners_and_constants(text, coef, truth):
    assert_holds(bounds(text, coef, (-1, 1)), truth)


@pytest.mark.parametrize("case", PUBLISHED, ids=lambda case: case["id"])
@pytest.mark.parametrize("error", ["absolute", "relative"])
def test_published_sets(case, error):
    coef = {int(power): number_of(text) for power, text in case["coef"].items()}
    found = bounds(case["function"], coef, case["interval"], error=error)
    assert_holds(found, largest_error(case["function"], coef, *case["interval"], error))
    if error == case["objective"]:
        assert found.lower == pytest.approx(case["error"], rel=1e-3)  # some were sampled on a shorter interval


def number_of(text):
    return F(float.fromhex(text)) if "x" in text else F(text)


@pytest.mark.parametrize(
    ("text", "coef", "domain", "error"),
    [
        ("expm1(x)/x", [1, F(1, 2), F(1, 6)], (-1, 2), "absolute"),
        ("sin(x)/x", [1, 0, F(-1, 6)], (-1, 2), "relative"),
        ("sin(x)", {1: F(1), 3: F(-1, 6)}, (-1, 2), "relative"),
        ("log(x)", {0: F(-1), 1: F(1)}, (F(1, 2), 3), "relative"),
        ("(exp(x) - 1 - x)/x**2", [F(1, 2), F(1, 6)], (-1, 2), "absolute"),
        ("1/sin(x) - 1/x", {1: F(1, 6)}, (-1, 2), "relative"),
        ("(x - 1/3)/(3*x - 1)", [0, 1], (0, 1), "absolute"),
        ("asin(sqrt(x))/sqrt(x)", [1, F(1, 6)], (0, 1), "relative"),
        ("acos(x)/sqrt(1 - x)", [F(3, 2), F(-1, 5)], (0, 1), "relative"),
        ("x**0.75", [F(1, 9), 1], (0, 1), "absolute"),
        ("x**(1/2.4)", [F(1, 9), 1], (0, 1), "absolute"),
        ("sqrt(abs(x - 0.3))", [F(1, 9), 1], (0, 1), "absolute"),
        ("sqrt(1 - x**2)", [1, 0, F(-2, 3)], (-1, 1), "absolute"),
        ("abs(x - 1/sqrt(2))", [F(71, 100), F(-99, 100)], (F(1, 2), 1), "absolute"),  # at no rational point
        ("abs(sin(x) - 0.5)", [F(3, 10), F(1, 10)], (0, 6), "absolute"),
        ("where(x**(1/3) == 0.3, 2, x*x)", [3, -1, -1], (0, F(9, 8)), "absolute"),
        ("exp(-1000*x**2)", [F(1, 10)], (-10, 10), "absolute"),
        ("cos(1000*x)", [F(1, 10)], (0, 1), "absolute"),
        ("exp(exp(x))", [1], (0, 6), "absolute"),
        ("sin(x)", [0, 1], (0, "pi"), "1/(1 + x**2)"),
        ("exp(x)", [1, 1], ("-pi/4", "log(2)/2"), "absolute"),
    ],
)
def test_hard_targets(text, coef, domain, error):
    given_coef = coef if isinstance(coef, dict) else dict(enumerate(map(F, coef)))
    assert_holds(bounds(text, coef, domain, error=error), largest_error(text, given_coef, *domain, error))


@pytest.mark.parametrize("power", [13, 20, 27, 34])
def test_errors_far_below_double_precision(power):
    coef = interpolant(mpmath.exp, -1, 1, power)
    found = bounds("exp(x)", coef, (-1, 1))
    assert found.upper < 10.0 ** -(power + 1)
    assert_holds(found, largest_error("exp(x)", coef, -1, 1, digits=120))


def test_a_chebyshev_polynomial_of_degree_40_by_one_of_degree_20():
    # On its 21 nodes the interpolant of degree 20 is -T_2, so the error T_40 + T_2 is 2 at 1.
    coef = interpolant(lambda x: mpmath.chebyt(40, x), -1, 1, 20)
    found = bounds(CHEBYSHEV_40, coef, (-1, 1))
    assert_holds(found, largest_error(CHEBYSHEV_40, coef, -1, 1))
    assert found.lower == pytest.approx(2, rel=1e-6)


def test_degree_110_with_coefficients_that_cancel():
    coef = interpolant(lambda x: mpmath.sin(x**2) + mpmath.sin(x) ** 2, 0, 15, 110, digits=120)
    found = bounds("sin(x**2) + sin(x)**2", coef, (0, 15))
    # Samples in 150 digits are largest near 9.2886.
    truth = largest_error("sin(x**2) + sin(x)**2", coef, F(92884, 10000), F(92888, 10000), digits=150, count=40)
    assert_holds(found, truth)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("sqrt(1 - x**2)", "absolute"), ("sin(x)/x", "relative"), ("1/sin(x) - 1/x", "relative"),
        ("floor(3*x)", "absolute"),
        ("where(x < 1/3, exp(x), cos(x))", "relative"), ("cbrt(x)", "absolute"), ("acos(x)", "absolute"),
        ("abs(sin(3*x) - 0.5)", "1/(2 + x)"), ("max(x, x**2, 1/4)", "relative"), ("gamma(x + 2)", "relative"),
        ("asin(x)", "absolute"), ("abs(x - 0.3)**(2/3)", "absolute"), ("tanh(20*x)", "absolute"),
    ],
)  # fmt: skip
def test_the_bound_of_every_cell_holds(text, error):
    coef = [F(1, 3), F(1, 5), F(-1, 7)] if "sin(x)" not in text else [0, F(1, 7)]
    found = bounds(text, coef, (-1, 1), error=error)
    with mpmath.workdps(45):
        size = error_in_digits(text, coef, error)
        for cell in found.cells:
            low, high = fraction(cell.low), fraction(cell.high)
            for place in (0, F(1, 7), F(1, 2), F(9, 10), 1):
                assert size(mpf(low + (high - low) * place)) <= cell.bound
    assert [cell.low for cell in found.cells[1:]] == [cell.high for cell in found.cells[:-1]]


def test_several_domains():
    coef = [1, 1]
    found = bounds("exp(x)", coef, (1, 2), (-3, -2), (0, 0))
    assert_holds(found, largest_error("exp(x)", coef, 1, 2))
    assert found.witness == 2


@pytest.mark.parametrize("width", [F(1, 2**30), F(1, 2**100), F(1, 2**300), F(0)])
def test_tiny_domains(width):
    coef = [1, 1]
    third = F(1, 3)
    truth = largest_error("exp(x)", coef, third, third + width)
    assert_holds(bounds("exp(x)", coef, (third, third + width)), truth)


def test_a_polynomial_that_is_its_target():
    for text, coef in [("x**2 + x/3", {1: F(1, 3), 2: F(1)}), ("(1 + x)**3/7", [F(1, 7), F(3, 7), F(3, 7), F(1, 7)])]:
        found = bounds(text, coef, (0, 1))
        assert (found.proved, found.lower, found.upper) == (True, 0.0, 0.0)
        assert check(to_certificate(found)).ok


def test_an_error_that_is_zero_without_being_seen_to_be_is_bounded_and_not_called_proved():
    found = bounds("sin(x)**2 + cos(x)**2", [1], (0, 1))
    assert not found.proved
    assert found.lower == 0.0
    assert found.upper < 1e-100
    assert "do not tell the error from zero" in found.reason


@pytest.mark.parametrize(
    ("text", "coef", "domain", "error", "reason"),
    [
        ("1/x", [1], (-1, 1), "absolute", "pole here at x = 0"),
        ("1/(x - 0.3)", [1], (0, 1), "absolute", "pole here at x = 0.3"),
        ("tan(x)", [1], (0, 3), "absolute", "near x = 1.5708"),
        ("sqrt(x)", [1], (-1, 1), "absolute", "no finite value"),
        ("x**0.3", [1], (-1, 1), "absolute", "no finite value"),
        ("x**pi", [1], (-1, 1), "absolute", "no finite value"),
        ("log(x)", [1], (0, 1), "absolute", "no finite value was found near x ="),
        ("gamma(x)", [1], (F(-1, 2), 1), "absolute", "no finite value was found near x ="),
        ("sin(x)", [F(1, 10)], (-1, 1), "relative", "pole here at x = 0"),
        ("sin(x)", [0, 1], (3, 4), "relative", "the target seems to be zero near x = 3.14159"),
        ("abs(x)", [F(1, 10), 1], (-1, 1), "relative", "x = 0"),
        ("sign(x)", [F(1, 10)], (-1, 1), "relative", "x"),
        ("x", [1], (0, 1), "1/x", "pole here at x = 0"),
        ("sign(acos(3))", [1], (0, 1), "absolute", "no finite value"),
        ("log(x)", [1], (-2, -1), "relative", "no finite value"),
        ("cosh(cosh(x))", [1], (0, 30), "absolute", "above the largest float"),
        ("exp(x)", [1], ("pi", "pi"), "absolute", "one irrational number"),
    ],
)
def test_what_has_no_bound_is_sampled_with_a_reason(text, coef, domain, error, reason):
    found = bounds(text, coef, domain, error=error, budget=400)
    assert not found.proved
    assert reason in found.reason
    assert found.points == (1 if domain == ("pi", "pi") else 1001)
    assert found.upper == math.inf
    with pytest.raises(ArgumentError, match="nothing was proved"):
        to_certificate(found)


def test_a_pole_inside_a_function_that_is_bounded_there_is_not_called_one():
    found = bounds("atan(1/x)", [1], (-1, 1), budget=300)
    assert not found.proved
    assert "pole here" not in found.reason


def test_a_domain_that_is_not_looked_at_leaves_no_upper_bound():
    found = bounds("exp(x)", [1, 1], (0, 1), ("pi", "pi"))
    assert (found.proved, found.upper, found.points) == (False, math.inf, 1002)
    assert "one irrational number" in found.reason
    found = bounds("1/x", [1, 1], (1, 2), (-1, 1))
    assert (found.proved, found.upper) == (False, math.inf)


def test_without_a_budget_the_error_is_sampled():
    found = bounds("exp(x)", [1, 1], (-1, 1), budget=0)
    assert (found.proved, found.upper, found.points, found.seen) == (False, math.inf, 1001, 0)
    assert found.lower == pytest.approx(math.e - 2, rel=1e-9)
    assert "budget" in found.reason


def test_a_small_budget_leaves_bounds_that_hold():
    truth = largest_error("cos(1000*x)", [F(1, 10)], 0, 1)
    found = bounds("cos(1000*x)", [F(1, 10)], (0, 1), budget=40)
    assert not found.proved
    assert found.lower <= truth <= found.upper
    assert "40 cells" in found.reason or "Raise the budget" in found.reason


def test_a_smaller_width_is_reached():
    found = bounds("exp(x)", [1, 1, F(1, 2)], (-1, 1), within=1e-12)
    assert_holds(found, largest_error("exp(x)", [F(1), F(1), F(1, 2)], -1, 1), within=1e-12)


def test_wrong_arguments_are_all_named():
    with pytest.raises(ArgumentError) as caught:
        enclose(parse_tree("x"), {-1: F(1)}, [(F(1), F(0))], error="ulp", within=2.0, budget=-1)
    message = str(caught.value)
    for part in ("powers >= 0, got -1", "lower end first", "got 'ulp'", "got 2.0", "budget must be >= 0"):
        assert part in message
    with pytest.raises(ArgumentError, match="at least one pair"):
        enclose(parse_tree("x"), {}, [])
    with pytest.raises(ArgumentError, match="an end of a domain"):
        bounds("x", [1], ("1/0", 1))
    with pytest.raises(ArgumentError, match="an end of a domain"):
        bounds("x", [1], ("log(0)", 1))


def test_the_context_of_flint_is_given_back():
    before = ctx.prec, ctx.cap
    bounds("exp(x)", interpolant(mpmath.exp, -1, 1, 27), (-1, 1))
    with pytest.raises(ArgumentError):
        bounds("x", [1], ("1/0", 1))
    assert (ctx.prec, ctx.cap) == before


@pytest.mark.parametrize(
    "text",
    [
        "-x**2", "(-x)**2", "2**-x", "x - (1 - x)", "1/(x/2)", "where(0 <= x < 1 and not x == 0.5, sin(x), pi*e)",
        "max(x, 2, -x)", "1_000*x + 1e-3", "where(x != 0 or x > 1, min(x, tau), abs(x))",
    ],
)  # fmt: skip
def test_an_expression_is_written_so_that_it_is_read_again(text):
    assert parse_tree(written(parse_tree(text))) == parse_tree(text)


NAMES = ("exp", "sin", "cos", "tanh", "atan", "erf", "sigmoid", "gelu", "cosh", "softplus", "asinh", "abs", "relu")
rationals = st.fractions(-2, 2, max_denominator=1000)


@settings(deadline=None, max_examples=EXAMPLES)
@given(
    st.sampled_from(NAMES),
    st.lists(rationals, min_size=1, max_size=8),
    rationals,
    st.fractions(0, 3, max_denominator=100),
    st.lists(st.fractions(0, 1, max_denominator=1000), min_size=5, max_size=5),
)
def test_no_value_is_above_the_proved_bound(name, coef, low, width, places):
    found = bounds(f"{name}(x)", coef, (low, low + width))
    if not found.proved:
        assert found.reason
        return
    assert found.upper - found.lower <= 1e-6 * found.upper
    with mpmath.workdps(50):
        error = error_in_digits(f"{name}(x)", coef, "absolute")
        for x in [low + width * place for place in places]:
            assert error(mpf(x)) <= found.upper * (1 + mpmath.mpf(10) ** -45)
        assert error(mpf(found.witness)) >= found.lower * (1 - mpmath.mpf(10) ** -45)
