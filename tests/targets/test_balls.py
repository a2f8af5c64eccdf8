"""Expressions in ball arithmetic, against mpmath in many digits."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from polyoptim.targets.balls import FUNCTIONS, UndecidedError, evaluate, expand
from polyoptim.targets.expression import parse
from polyoptim.targets.nodes import FUNCTIONS as NAMES

TRUTH = {
    "exp2": lambda x: mpmath.mpf(2) ** x,
    "log2": lambda x: mpmath.log(x, 2),
    "lgamma": lambda x: mpmath.log(abs(mpmath.gamma(x))),
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "relu": lambda x: max(x, mpmath.mpf(0)),
    "gelu": lambda x: x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
    "silu": lambda x: x / (1 + mpmath.exp(-x)),
    "abs": abs,
    "sign": mpmath.sign,
    "cbrt": lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)),
}
ONE_ARGUMENT = [name for name, (least, _) in NAMES.items() if least == 1]
POSITIVE = {"sqrt", "log", "log2", "log10", "log1p", "acosh"}
WITHIN_ONE = {"asin", "acos", "atanh"}


def truth(name, x):
    return TRUTH.get(name, getattr(mpmath, name, None))(x)


def places(name, rng, count):
    """Points at which a function has a value, with no corner near."""
    low, high = (1.1, 5) if name in POSITIVE else (-0.9, 0.9) if name in WITHIN_ONE else (-4, 4)
    found = rng.uniform(low, high, count)
    return [float(x) for x in found if abs(x - round(x)) > 0.05]


def as_mpf(ball):
    return mpmath.mpf(ball.mid().str(60, radius=False)), mpmath.mpf(ball.rad().str(10, radius=False)) * 1.01


def test_every_function_and_operator_has_a_ball():
    assert set(NAMES) <= set(FUNCTIONS)
    assert {"+", "-", "*", "/", "**", "neg", "and", "or", "not"} <= set(FUNCTIONS)


@pytest.mark.parametrize("name", ONE_ARGUMENT)
def test_values_hold_the_truth(name):
    tree = parse(f"{name}(x)").root
    rng = np.random.default_rng(0)
    with mpmath.workdps(50), ctx.workprec(160):
        for x in places(name, rng, 40):
            middle, radius = as_mpf(evaluate(tree, arb(x)))
            assert abs(middle - truth(name, mpmath.mpf(x))) <= radius + mpmath.mpf(10) ** -44 * abs(middle)
            assert radius < 1e-35


@pytest.mark.parametrize("name", ONE_ARGUMENT)
def test_a_wide_ball_holds_the_values_inside_it(name):
    tree = parse(f"{name}(x)").root
    rng = np.random.default_rng(1)
    with ctx.workprec(160):
        for x in places(name, rng, 20):
            radius = float(rng.uniform(0, 0.4 if name not in POSITIVE | WITHIN_ONE else 0.05))
            whole = evaluate(tree, arb(x, radius))
            for part in np.linspace(-1, 1, 9):
                inside = evaluate(tree, arb(x + part * radius * 0.999))
                assert not whole.is_finite() or whole.overlaps(inside)


@pytest.mark.parametrize("name", [name for name in ONE_ARGUMENT if name not in ("floor", "ceil", "sign")])
def test_taylor_coefficients_are_those_of_the_function(name):
    tree = parse(f"{name}(x)").root
    rng = np.random.default_rng(2)
    with mpmath.workdps(60), ctx.workprec(220):
        for x in places(name, rng, 4):
            found = expand(tree, arb(x), 5)
            wanted = mpmath.taylor(lambda v: truth(name, v), mpmath.mpf(x), 4)
            for ball, value in zip(found, wanted, strict=True):
                assert float(abs(as_mpf(ball)[0] - value)) <= 1e-9 * (1 + float(abs(value)))


def test_steps_are_constant_between_jumps_and_undecided_at_them():
    with ctx.workprec(100):
        for name in ("floor", "ceil", "sign"):
            tree = parse(f"{name}(x) * x").root
            assert float(expand(tree, arb(0.5), 3)[1]) == float(evaluate(parse(f"{name}(x)").root, arb(0.5)))
            with pytest.raises(UndecidedError):
                expand(tree, arb(0, 0.1) if name != "floor" else arb(1, 0.1), 3)


@pytest.mark.parametrize("text", ["abs(x)", "relu(x)", "max(x, 0)", "min(x, -x)", "where(x < 0, 1, x)", "cbrt(x)"])
def test_corners_are_undecided_for_series_and_held_by_values(text):
    tree = parse(text).root
    with ctx.workprec(100):
        with pytest.raises(UndecidedError):
            expand(tree, arb(0, 0.1), 3)
        whole = evaluate(tree, arb(0, 0.1))
        for x in (-0.09, 0.0, 0.09):
            assert whole.overlaps(evaluate(tree, arb(x)))


@settings(deadline=None, max_examples=200)
@given(st.floats(-3, 3), st.floats(0, 1), st.sampled_from([2, 3, 5, -1, -2, 0.5, 1.5, 2.25]), st.floats(-1, 1))
def test_powers_of_balls(x, radius, power, part):
    tree = parse(f"x**{power}" if power > 0 else f"x**({power})").root
    with ctx.workprec(120):
        whole = evaluate(tree, arb(x, radius))
        at = evaluate(tree, arb(x + part * radius))
        assert not whole.is_finite() or not at.is_finite() or whole.overlaps(at)
        if isinstance(power, int) and power > 0:
            assert whole.is_finite()
            assert power % 2 or float(whole.lower()) >= -1e-6 * float(abs(whole).upper()) - 1e-300


@pytest.mark.parametrize(
    ("text", "x", "value"),
    [
        ("where(x < 0, 1, 2)", -1, 1),
        ("where(0 <= x < 1 and not x == 0.5, 1, 2)", 0.5, 2),
        ("where(x > 1 or x != x, 1, 2)", 1, 2),
        ("max(x, 2, -x)", 1, 2),
        ("0.1*10", 0, 1),
        ("x**0", 0, 1),
        ("x**0.5", 0, 0),
        ("2**x", 10, 1024),
        ("1_000*x", 2, 2000),
    ],
)
def test_values(text, x, value):
    with ctx.workprec(100):
        found = evaluate(parse(text).root, arb(x))
        assert found.contains(value)
        assert float(found.rad()) < 1e-20


@pytest.mark.parametrize("power", ["0.3", "0.5", "1.25", "pi", "(1/3)"])
def test_a_power_has_no_value_on_a_ball_that_holds_negative_numbers(power):
    tree = parse(f"x**{power}").root
    with ctx.workprec(100):
        assert not evaluate(tree, arb(0.25, 0.5)).is_finite()
        assert evaluate(tree, arb(0)).contains(0)


@pytest.mark.parametrize("text", ["sign(acos(3))", "floor(log(x))", "ceil(1/x)", "abs(log(x))", "max(log(x), 1)"])
def test_what_depends_on_an_undefined_part_is_undefined(text):
    with ctx.workprec(100):
        assert not evaluate(parse(text).root, arb(0)).is_finite()


def test_the_order_of_series_is_given_back():
    before = ctx.cap
    expand(parse("exp(x)").root, arb(0), 25)
    assert ctx.cap == before
