"""Mixed-integer programs and reduced lattices, against every point and against exact arithmetic."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from polyoptim.solvers.mixed_integer import Limits, extent, least_largest
from polyoptim.solvers.reduction import nearest_plane, solving, spaced
from polyoptim.solvers.weighted_grid import Grid, Watched

MANY = 10_000
SOURCE = Path(__file__).resolve().parents[2] / "src"


def free(m):
    return Limits(np.zeros((0, m)), np.zeros(0), np.zeros(0))


def some(seed, rows=12, m=3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, m)), rng.normal(size=rows)


@pytest.mark.parametrize("seed", range(8))
def test_program_finds_the_best_of_all_points(seed):
    b, offset = some(seed)
    reach = np.full(3, 4.0)
    found = least_largest(b, offset, np.ones(3, dtype=bool), reach, free(3), MANY)
    values = {g: np.abs(offset + b @ np.array(g)).max() for g in itertools.product(range(-4, 5), repeat=3)}
    best = min(values, key=values.get)
    assert found.g is not None
    assert np.abs(offset + b @ np.round(found.g)).max() == pytest.approx(values[best], rel=2e-5)
    assert found.bound == pytest.approx(values[best], rel=2e-5)


@pytest.mark.parametrize("seed", range(4))
def test_program_with_a_continuous_direction_is_below_all_points(seed):
    b, offset = some(seed)
    reach = np.full(3, 4.0)
    whole = least_largest(b, offset, np.array([True, True, True]), reach, free(3), MANY)
    mixed = least_largest(b, offset, np.array([True, False, True]), reach, free(3), MANY)
    real = least_largest(b, offset, np.zeros(3, dtype=bool), reach, free(3), MANY)
    assert real.bound <= mixed.bound * (1 + 1e-6)
    assert mixed.bound <= whole.bound * (1 + 1e-6)
    assert mixed.g[[0, 2]] == pytest.approx(np.round(mixed.g[[0, 2]]), abs=1e-6)


def test_program_keeps_its_limits_and_says_where_nothing_does():
    b, offset = some(0)
    matrix = np.array([[1.0, 0.0, 0.0]])
    whole, reach = np.ones(3, dtype=bool), np.full(3, 4.0)
    found = least_largest(b, offset, whole, reach, Limits(matrix, np.array([2.0]), np.array([3.0])), MANY)
    assert 2 <= round(found.g[0]) <= 3
    found = least_largest(b, offset, whole, reach, Limits(matrix, np.array([0.2]), np.array([0.8])), MANY)
    assert found.g is None
    assert found.bound == np.inf


def test_program_that_is_cut_short_has_a_bound_below_the_best():
    b, offset = some(1, rows=40, m=9)
    reach, whole = np.full(9, 50.0), np.ones(9, dtype=bool)
    best = least_largest(20 * b, 30 * offset, whole, reach, free(9), MANY)
    cut = least_largest(20 * b, 30 * offset, whole, reach, free(9), 1)
    assert cut.nodes < best.nodes
    assert 0 <= cut.bound <= best.bound * (1 + 1e-6)


def test_extent_is_the_projection_of_the_polytope():
    b = np.array([[1.0, 0.0], [0.0, 2.0]])
    low, high = extent(b, np.array([0.5, 0.0]), np.array([1.0, 1.0]))
    assert (low, high) == pytest.approx((-2.0, 1.0), abs=1e-5)
    assert low <= -2.0
    assert high >= 1.0


def exp_grid(powers, bits=160, count=30):
    grid = Grid(lambda x: (x.exp(), arb(1)), ((Fraction(0), Fraction(1)),), powers, {}, bits)
    grid.fill(count)
    return grid


def test_errors_on_the_grid_are_exact():
    grid = exp_grid((0, 1, 3))
    coef = (Fraction(1), Fraction(3, 4), Fraction(-1, 3))
    with ctx.workprec(200):
        for row, error in zip(grid.rows, grid.errors(coef), strict=True):
            x = arb(row.x.numerator) / row.x.denominator
            wanted = coef[0].numerator + x * 3 / 4 - x * x * x / 3 - x.exp()
            assert error == pytest.approx(float(wanted), rel=1e-15, abs=1e-40)


def test_points_without_a_value_are_left_out_and_peaks_are_added():
    grid = Grid(lambda x: (x.sin(), 1 / abs(x.sin())), ((Fraction(0), Fraction(1)),), (1, 3), {}, 160)
    grid.fill(9)
    assert len(grid.rows) == 8
    coef = (Fraction(1), Fraction(-1, 6))
    before = np.abs(grid.errors(coef)).max()
    grid.add([(0, 0.5)] * 3)
    assert len({row.x for row in grid.rows}) == len(grid.rows)
    grid.refine(grid.errors(coef))
    assert [row.x for row in grid.rows] == sorted(row.x for row in grid.rows)
    assert np.abs(grid.errors(coef)).max() >= before


def test_refining_finds_the_top_between_points():
    grid = exp_grid((0, 1), count=12)
    coef = (Fraction(23, 25), Fraction(17, 10))
    top = float(np.log(1.7))  # where 0.92 + 1.7 x - exp(x) is largest
    grid.refine(grid.errors(coef))
    grid.refine(grid.errors(coef))
    errors = grid.errors(coef)
    assert errors.max() == pytest.approx(0.92 + 1.7 * top - 1.7, rel=1e-5)


@pytest.mark.parametrize("exponents", [[-10, -10, -10], [-3, -30, -20], [-10, -200, -4]])
def test_reduced_basis_spans_the_same_lattice_and_babais_point_is_near(exponents):
    grid = exp_grid((0, 1, 2), bits=400)
    wide = spaced(exponents)
    narrow = wide.reduced(grid.rows)
    transform = wide.basis.inv() * narrow.basis
    assert abs(transform.det()) == 1
    assert all(value.q == 1 for value in transform.entries())
    watched = Watched(grid, grid.bits)
    watched.add(grid.rows)
    columns = narrow.columns(grid.rows, grid.bits)
    sizes = np.linalg.norm(columns, axis=0)
    for _ in range(4):
        narrow = narrow.moved(nearest_plane(columns, watched.errors(narrow.origin())))
    start = np.abs(watched.errors(tuple(Fraction(0) for _ in exponents))).max()
    assert np.abs(watched.errors(narrow.origin())).max() < min(start, sizes.sum() + 0.1)


@settings(max_examples=100, deadline=None)
@given(
    point=st.lists(st.integers(-40, 40), min_size=3, max_size=3),
    xs=st.lists(st.fractions(-2, 2, max_denominator=6), min_size=1, max_size=2, unique=True),
    steps=st.lists(st.integers(-6, 2), min_size=3, max_size=3),
    real=st.lists(st.booleans(), min_size=3, max_size=3),
)
def test_solutions_of_equations_are_all_solutions(point, xs, steps, real):
    spacing = [Fraction(2) ** step for step in steps]
    coef = [k * step for k, step in zip(point, spacing, strict=True)]
    equations = [([x**k for k in range(3)], sum(c * x**k for k, c in enumerate(coef))) for x in xs]
    lattice = solving(equations, steps, real)
    assert lattice is not None
    assert lattice.width == 3 - len(xs)
    for g in itertools.product((-1, 0, 2), repeat=lattice.width):
        found = lattice.moved(g).origin() if g else lattice.origin()
        for row, total in equations:
            assert sum(a * c for a, c in zip(row, found, strict=True)) == total
        for value, step, free_of_steps in zip(found, spacing, real, strict=True):
            assert free_of_steps or (value / step).denominator == 1


def test_equations_without_solutions_have_no_lattice():
    half = [Fraction(1), Fraction(1, 2)]
    assert solving([(half, Fraction(1, 3))], [-8, -8], [False, False]) is None
    assert solving([(half, Fraction(1, 3))], [-8, -8], [False, True]) is not None
    assert solving([(half, Fraction(1)), (half, Fraction(2))], [-8, -8], [True, True]) is None


def test_a_direction_without_effect_stays_where_it_is_and_its_extent_is_unknown():
    b, offset = some(0, m=2)
    b[:, 1] = 0.0
    assert nearest_plane(b, offset)[1] == 0
    assert extent(b, offset / 10, np.array([0.0, 1.0])) == (-np.inf, np.inf)
    low, high = extent(b, offset / 10, np.array([1.0, 0.0]))
    assert -np.inf < low < 0 < high < np.inf
    found = least_largest(b, offset, np.array([True, True]), np.full(2, 5.0), free(2), 1000)
    assert found.bound <= np.abs(offset + b @ found.g).max() * (1 + 1e-6)


# HiGHS 1.12 prints a line while it solves this one, whatever its options say.
LOUD = """
from polyoptim import approximate
approximate("sin(log(1.5 + sin(x)))/log(1.5 + sin(x))", domain=(0, "2**-30"), degree=3, error="relative")
print("done")
"""


def test_nothing_is_printed_where_highs_prints():
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run([sys.executable, "-c", LOUD], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "done\n"
