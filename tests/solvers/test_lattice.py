"""Coefficients in formats, against all neighbours, against fpminimax, and against what must hold."""

from __future__ import annotations

import importlib
import itertools
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linprog

from polyoptim import ArgumentError
from polyoptim.formats import find_format, read_format
from polyoptim.solvers import branching
from polyoptim.solvers.lattice import RoundingProblem, round_polynomial
from polyoptim.solvers.minimax import minimax as minimax_polynomial
from polyoptim.solvers.normal_equations import fraction
from polyoptim.solvers.sought import Sought
from polyoptim.solvers.space import Space
from polyoptim.targets.constants import read_constant
from polyoptim.targets.expression import parse

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(str(BENCHMARKS))
    published = importlib.import_module("problems").published
CASES = [one.name for one in published()]
UNIT = ((Fraction(0), Fraction(1)),)
SYMMETRIC = ((Fraction(-1), Fraction(1)),)


def sampler(function, *, relative):
    """What evaluates an expression and the weight of its errors in ball arithmetic."""
    sought = Sought(parse(function).root, "relative" if relative else "absolute")
    return lambda x: sought.at(fraction(x))


def minimax(given, function, *, relative):
    """The real coefficients with the least largest error."""
    space = Space(given.powers, given.pieces[0][0], given.pieces[-1][1])
    sought = Sought(parse(function).root, "relative" if relative else "absolute")
    found = minimax_polynomial(sought, space, given.fixed, given.pieces)
    return tuple(found.coef[power] for power in given.powers)


def read(name):
    """A published problem, its real coefficients, and the error that fpminimax reaches."""
    one = published([name])[0]
    pieces = [tuple(read_constant(end, "domain").nearest(200) for end in pair) for pair in one.pieces]
    fixed = {power: Fraction(value) for power, value in one.fixed.items()}
    relative = one.error == "relative"
    given = problem(one.target, one.free, one.format, pieces, fixed, relative=relative)
    return given, minimax(given, one.target, relative=relative), one.recorded


def problem(function, powers, formats, pieces=UNIT, fixed=None, through=(), *, relative=False):
    sample = sampler(function, relative=relative)
    return RoundingProblem(sample, pieces, tuple(powers), read_format(formats, powers), fixed or {}, tuple(through))


def solve(*arguments, **options):
    given = problem(*arguments, **options)
    return given, round_polynomial(given, minimax(given, arguments[0], relative=options.get("relative", False)))


def sound(given, found):
    """What holds for every answer."""
    assert all(known.holds(value) for known, value in zip(given.formats, found.coef, strict=True))
    assert 0 <= found.bound <= found.error
    assert found.nearest is None or found.error <= found.nearest
    for x, y in given.through:
        terms = [*zip(given.powers, found.coef, strict=True), *given.fixed.items()]
        assert sum(c * x**k for k, c in terms) == y
    return True


@pytest.mark.parametrize("name", CASES)
def test_published_polynomial_is_at_least_as_good_as_fpminimaxs_and_nearly_the_best(name):
    given, real, fpminimax = read(name)
    found = round_polynomial(given, real)
    assert sound(given, found)
    assert found.error <= 1.0005 * fpminimax
    assert found.gap <= 1e-4


def test_a_third_of_the_published_polynomials_is_better_than_fpminimaxs_by_a_percent():
    better = ["xnn_f16_exp_p2", "arm_exp2f_1u", "cephes_exp10f", "dxm_sin11", "dxm_acos7", "eigen_asinf"]
    for name in better:
        given, real, fpminimax = read(name)
        assert round_polynomial(given, real).error < 0.95 * fpminimax


def values_between(known, low, high):
    """All numbers of a format between two."""
    value, found = known.next_up(Fraction(low) - known.spacing(Fraction(low))), []
    while value <= high:
        if value >= low:
            found.append(float(value))
        value = known.next_up(value)
    return np.array(found)


def best_of_all(function, powers, name, ceiling, *, relative):
    """The least error of all coefficients in a format whose error can be at most `ceiling`: each is tried."""
    known = find_format(name)
    x = (1 - np.cos(np.linspace(0, np.pi, 61))) / 2
    fine = np.linspace(0, 1, 4001)
    matrix, target = x[:, None] ** np.array(powers), function(x)
    weight = 1 / np.abs(target) if relative else np.ones_like(x)
    system = np.vstack([matrix * weight[:, None], -matrix * weight[:, None]])
    ends = np.concatenate([ceiling + weight * target, ceiling - weight * target])
    choices = []
    for k in range(len(powers)):
        cost = np.eye(len(powers))[k]
        low = linprog(cost, system, ends, bounds=(None, None)).fun
        high = -linprog(-cost, system, ends, bounds=(None, None)).fun
        choices.append(values_between(known, low * (1 - 1e-9) - 1e-12, high * (1 + 1e-9) + 1e-12))
    best, coef = math.inf, None
    # The first coefficient last: all of its numbers in one array.
    for rest in itertools.product(*choices[1:]):
        error = matrix[:, 1:] @ np.array(rest) - target
        each = np.abs((error[:, None] + matrix[:, :1] * choices[0]) * weight[:, None]).max(axis=0)
        for k in np.flatnonzero(each <= min(best, ceiling)):
            values = np.array([choices[0][k], *rest])
            there = function(fine)
            size = np.abs(fine[:, None] ** np.array(powers) @ values - there) / (np.abs(there) if relative else 1)
            if size.max() < best:
                best, coef = float(size.max()), values
    return best, coef


@pytest.mark.parametrize(
    ("powers", "name", "relative"),
    [
        ([0, 1, 2], "bfloat16", False),
        ([0, 1, 2], "float16", True),
        ([0, 1, 2, 3], "bfloat16", False),
        ([0, 1, 2, 3], "bfloat16", True),
        ([0, 1, 2, 3], "float16", False),
    ],
)
def test_answer_is_the_best_of_all_numbers_of_16_bits(powers, name, relative):
    given, found = solve("2**x", powers, name, relative=relative)
    assert sound(given, found)
    best, coef = best_of_all(np.exp2, powers, name, found.error * (1 + 1e-6), relative=relative)
    assert found.error == pytest.approx(best, rel=2e-5)
    assert found.bound <= best * (1 + 1e-6)
    assert list(map(float, found.coef)) == pytest.approx(coef.tolist(), rel=2e-3)


def test_answer_is_the_best_of_all_where_subnormals_are_coarse():
    scale = 2.0**-20
    given, found = solve("2**x / 2**20", [0, 1, 2], "float16")
    assert sound(given, found)
    best, _ = best_of_all(lambda x: np.exp2(x) * scale, [0, 1, 2], "float16", found.error * (1 + 1e-6), relative=False)
    assert found.error == pytest.approx(best, rel=2e-5)
    assert all((value * 2**24).denominator == 1 for value in found.coef)


@pytest.mark.parametrize("name", ["bfloat16", "float16", "float32"])
def test_coefficients_near_zero_have_their_fine_numbers(name):
    given, found = solve("sin(x)", range(4), name, SYMMETRIC)
    odd, alone = solve("sin(x)", [1, 3], name, SYMMETRIC)
    assert sound(given, found)
    assert sound(odd, alone)
    assert found.gap <= 1e-4
    assert found.error <= alone.error * (1 + 1e-5)


def test_range_of_a_coefficient_is_split_where_spacings_change():
    # c1 is within reach of 1, below which bfloat16 is twice as fine, and the last one of 2**-12.
    given, real, _ = read("anchor_sin_d7_bf16")
    found = round_polynomial(given, real)
    assert sound(given, found)
    assert found.boxes > 1
    assert found.gap <= 1e-5


def test_formats_may_differ_and_real_is_one():
    given, found = solve("2**x", range(4), ["float32", "bfloat16", "q0.15", "real"])
    assert sound(given, found)
    assert found.gap <= 1e-4
    _, narrow = solve("2**x", range(4), ["float32", "bfloat16", "q0.15", "float16"])
    assert found.error <= narrow.error
    coarse = find_format("bfloat16").round(minimax(given, "2**x", relative=False)[1])
    assert found.error < 0.2 * found.nearest
    assert abs(found.coef[1] - coarse) <= 3 * find_format("bfloat16").spacing(coarse)


def test_real_coefficients_come_back_as_they_are():
    given = problem("exp(x)", range(5), "real")
    real = minimax(given, "exp(x)", relative=False)
    found = round_polynomial(given, real)
    assert found.coef == real
    assert (found.gap, found.boxes) == (0, 0)


def test_real_coefficients_are_moved_to_given_points():
    given, found = solve("exp(x)", range(5), "real", through=[(Fraction(0), Fraction(1))])
    assert found.coef[0] == 1
    assert sound(given, found)
    assert found.gap <= 1e-4


@pytest.mark.parametrize("name", ["q5.26", "q1.14", "q1.6"])
def test_fixed_point_has_one_spacing(name):
    given, found = solve("2**x", range(4), name)
    assert sound(given, found)
    assert found.gap <= 1e-4
    assert found.boxes == 1


def test_errors_far_below_the_coefficients_lose_no_digits():
    given, found = solve(
        "exp(x)", range(2, 9), "float64", ((Fraction(-1, 16), Fraction(1, 16)),), {0: Fraction(1), 1: Fraction(1)}
    )
    assert sound(given, found)
    assert found.error < 1e-18
    assert found.gap <= 1e-4


def test_polynomial_that_the_format_holds_is_found():
    given, found = solve("x**3 - x / 2", range(4), "float16", SYMMETRIC)
    assert found.coef == (0, Fraction(-1, 2), 0, 1)
    assert (found.error, found.gap) == (0, 0)
    assert sound(given, found)


def test_errors_may_be_near_the_end_of_the_range_of_doubles():
    given, found = solve("2**(x - 990)", range(3), "float64")
    assert sound(given, found)
    assert 0 < found.error < 1e-299
    assert found.gap <= 1e-4


def test_several_intervals_are_one_problem():
    pieces = ((Fraction(1, 100), Fraction(1, 10)), (Fraction(1, 2), Fraction(1)))
    given, found = solve("sqrt(x)", range(5), "bfloat16", pieces, relative=True)
    assert sound(given, found)
    assert found.gap <= 1e-4


@pytest.mark.parametrize("name", ["bfloat16", "float32", "q2.13"])
def test_curve_goes_through_points_exactly(name):
    ends = [(Fraction(0), Fraction(1)), (Fraction(1), Fraction(2))]
    given, found = solve("2**x", range(4), name, through=ends)
    assert sound(given, found)
    assert found.gap <= 1e-4
    _, free = solve("2**x", range(4), name)
    assert free.error <= found.error


def test_curve_goes_through_points_that_leave_one_polynomial():
    points = [(Fraction(0), Fraction(1)), (Fraction(1), Fraction(11, 4)), (Fraction(1, 2), Fraction(13, 8))]
    given, found = solve("exp(x)", range(3), "float16", through=points)
    assert found.coef == (1, Fraction(3, 4), 1)
    assert sound(given, found)
    assert found.gap <= 1e-6


def test_real_coefficient_makes_points_possible_that_formats_miss():
    point = (Fraction(1, 2), Fraction(707, 500))
    given, found = solve("2**x", range(4), ["float32", "float32", "float32", "real"], through=[point])
    assert sound(given, found)
    assert found.gap <= 1e-4
    with pytest.raises(ArgumentError, match=r"no polynomial near the best .* float32 goes through \(1/2, 707/500\)"):
        solve("2**x", range(4), "float32", through=[point])


def test_points_with_a_fixed_coefficient_are_met():
    given, found = solve("2**x", [1, 2, 3], "bfloat16", fixed={0: Fraction(1)}, through=[(Fraction(1), Fraction(2))])
    assert sound(given, found)
    assert found.gap <= 1e-4


def test_coefficients_beyond_the_range_are_all_said():
    with pytest.raises(ArgumentError) as caught:
        solve("70000 * x + 80000", [0, 1], "float16")
    said = str(caught.value)
    assert "coefficient of x**0: 80000 is out of the range of float16, -65504 to 65504" in said
    assert "coefficient of x**1: 70000" in said


def test_target_without_values_is_said():
    given = problem("log(x)", [0, 1], "float32", ((Fraction(-2), Fraction(-1)),))
    with pytest.raises(ArgumentError, match="finite value at no point"):
        round_polynomial(given, [Fraction(0), Fraction(1)])


def test_search_that_is_cut_short_has_an_honest_gap(monkeypatch):
    given, real, _ = read("dxm_sin11")
    whole = round_polynomial(given, real)
    monkeypatch.setattr(branching, "WORK", 1)
    cut = round_polynomial(given, real)
    assert sound(given, cut)
    assert cut.bound <= whole.error
    assert whole.error <= cut.error


def test_answer_is_the_same_each_time():
    given, real, _ = read("eigen_asinf")
    assert round_polynomial(given, real) == round_polynomial(given, real)
