"""Measuring: parts of all float32 inputs against balls, and that wrong bodies are found wrong."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from polyoptim.exhaustive import Meter, machine_of
from polyoptim.formats import FORMATS
from polyoptim.functions import FUNCTIONS, measuring
from polyoptim.functions.judging import judge, judged, truth_of
from polyoptim.functions.measuring import AllInputs
from polyoptim.functions.search import coefficients, write_body
from polyoptim.functions.turning import TASK, Turning, true_sines
from polyoptim.instructions import Body, Instruction, Word, Writer
from polyoptim.targets.expression import parse

SINGLE = FORMATS["float32"]


def body_of(name):
    recipe = FUNCTIONS[name]
    coef = {prefix: coefficients(one, one.degrees[-1]) for prefix, one in recipe.reduced.items()}
    return write_body(recipe, coef, SINGLE, "horner", True)


@pytest.fixture(scope="module")
def sine():
    return body_of("sin")


def test_sines_of_all_sizes_are_those_of_balls():
    draw = np.random.default_rng(4)
    for exponent in range(-23, 105, 5):
        significands = draw.integers(1 << 23, 1 << 24, 20, dtype=np.uint64)
        x = np.ldexp(significands.astype(np.float64), exponent).astype(np.float32)
        true = truth_of(FUNCTIONS["sin"], x, SINGLE).high
        assert np.all(np.abs(true_sines(significands, exponent) / true - 1) < 2.0**-46)


@pytest.mark.parametrize(("exponent", "begin"), [(127, 0), (150, 5 * TASK), (254, 31 * TASK)])
def test_a_task_of_sines_is_judged_as_by_balls(sine, exponent, begin):
    found = Turning(sine, parse("sin(x)").root).part(exponent, begin)
    assert found.count == 2 * TASK
    some = np.arange(begin, begin + TASK, 257, dtype=np.uint32) | np.uint32(exponent << 23)
    x = np.append(some.view(np.float32), np.float32(found.worst[0][0]))
    again = judge(sine, truth_of(FUNCTIONS["sin"], x, SINGLE))
    assert again.max_ulp == pytest.approx(found.max_ulp, rel=1e-6)
    assert again.flips == pytest.approx(found.flips, abs=0.03)


def test_a_sine_that_is_not_odd_is_found_wrong(sine):
    added = (
        Instruction("sign", "shr", ("x", "places")),  # 1 for negative numbers
        Instruction("wrong", "or", (sine.output, "sign")),
    )
    constants = {**sine.constants, "places": Word(31, False)}
    body = Body(constants, (*sine.instructions, *added), "wrong")
    found = Turning(body, parse("sin(x)").root).part(130, 0)
    assert found.max_ulp == math.inf
    assert found.worst[0][0] < 0


@pytest.mark.parametrize("name", ["gelu", "silu"])
def test_halves_of_odd_subnormal_numbers_are_rounded_as_by_balls(name):
    body = body_of(name)
    ends = ((1, 400), ((1 << 24) - 400, (1 << 24) + 1))
    bits = np.concatenate([np.arange(*end, dtype=np.uint32) for end in ends])
    x = np.concatenate([bits.view(np.float32), -bits.view(np.float32)])
    balls = truth_of(replace(FUNCTIONS[name], zeros=("0", "-0")), x, SINGLE)
    more = np.full(len(x), measuring.MORE)
    known = replace(balls, high=x.astype(np.float64) / 2, low=more)
    assert np.array_equal(known.nearest, balls.nearest)
    assert judge(body, known).max_ulp <= 0.51


@pytest.mark.parametrize("value", ["inf", "-0", "1", "nan"])
def test_a_constant_part_is_checked_bit_for_bit(value):
    write = Writer()
    right = write.float_of_bits(int(np.float32(float(value)).view(np.uint32)))
    other = write.number(0) if value == "-0" else write.number(2)
    low = write.do("lt", "x", write.number(1.5))
    bodies = [write.body(write.select(low, right, right)), write.body(write.select(low, other, right))]
    truth = measuring._ones(measuring._runs(Fraction(1), Fraction(2)))  # noqa: SLF001 - what is tested
    results = []
    for body in bodies:
        one = measuring._checked(body, value)  # noqa: SLF001
        machine = machine_of(one.instructions, SINGLE, SINGLE, constants=list(one.constants), value=one.output)
        meter = Meter(truth, machine)
        patterns = np.array([word.bits for word in one.constants.values()], dtype=np.uint32)
        results.append(measuring._right_or_wrong(meter.measure(patterns), meter, patterns))  # noqa: SLF001
    assert (results[0].max_ulp, results[0].flips, results[0].count) == (0, 0, (1 << 23) + 1)
    assert (results[1].max_ulp, results[1].flips) == (math.inf, (1 << 22) / ((1 << 23) + 1))


def test_special_inputs_are_all_nan_zeros_and_infinities():
    body = body_of("exp2")
    found = AllInputs(FUNCTIONS["exp2"])._special(body)  # noqa: SLF001 - what is tested
    assert (found.max_ulp, found.count) == (0, 2 * ((1 << 23) - 1) + 4)
    write = Writer()
    lost = AllInputs(FUNCTIONS["exp2"])._special(write.body(write.number(1)))  # noqa: SLF001
    assert lost.max_ulp == math.inf


def test_the_work_stops_where_an_error_is_too_large():
    write = Writer()
    found = AllInputs(FUNCTIONS["exp2"]).measure(write.body("x"), most_ulp=1.0)
    assert found.max_ulp > 1
    assert found.count < 1 << 25


def test_known_errors_take_the_place_of_those_in_doubt():
    x = np.array([1.0, 2.0], dtype=np.float32)
    truth = truth_of(FUNCTIONS["exp2"], x, SINGLE)
    values = np.array([2.0, 5.0], dtype=np.float32)
    assert judged(values, truth).flips == 0.5
    assert judged(values, truth, {1: (0.25, False)}).worst == ((2.0, 0.25), (1.0, 0.0))
