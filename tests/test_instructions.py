"""Instructions: bits of numbers, what a body is checked for, each kind against Python's integers and floats."""

from __future__ import annotations

import math
import struct
from fractions import Fraction

import numpy as np
import pytest

from polyoptim.arithmetic import evaluate_body
from polyoptim.formats import FORMATS
from polyoptim.instructions import KINDS, Body, Instruction, Word, Writer, bits_of, pruned, usual_case

WORDS = [0, 1, 2, 31, 0x7F, 0x7FFFFF, 0x800000, 0x3F800000, 0x3FC00001, 0x7F7FFFFF, 0x7F800000, 0x7FC00000, 0x7FFFFFFF]
WORDS += [0x80000000 | word for word in WORDS] + [0xDEADBEEF, 0x12345678, 0x4B400003, 0xC1480000]
F, I = np.float32, 1 << 32  # noqa: E741


def of(kind, *inputs):
    """One instruction on words, by a body whose first input is x."""
    write = Writer()
    rest = [write.word(word) for word in inputs[1:]]
    body = write.body(write.do(kind, "x", *rest))
    return int(evaluate_body(body, np.array([inputs[0]], dtype=np.uint32).view(F)).view(np.uint32)[0])


def as_float(word):
    return struct.unpack("f", struct.pack("I", word))[0]


def signed(word):
    return word - I if word >> 31 else word


def same_float(found, expected):
    return (
        math.isnan(as_float(found))
        if math.isnan(expected)
        else found == struct.unpack("I", struct.pack("f", expected))[0]
    )


def nearest(value):
    """The float32 nearest to a rational number, infinity beyond the range."""
    own = FORMATS["float32"]
    halfway = own.largest + own.spacing(own.largest) / 2
    return math.copysign(math.inf if abs(value) >= halfway else float(own.round(abs(value))), value)


INTEGERS = {
    "iadd": lambda a, b: (a + b) % I,
    "isub": lambda a, b: (a - b) % I,
    "imul": lambda a, b: a * b % I,
    "umulhi": lambda a, b: a * b >> 32,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
    "ilt": lambda a, b: I - 1 if signed(a) < signed(b) else 0,
    "ult": lambda a, b: I - 1 if a < b else 0,
    "ieq": lambda a, b: I - 1 if a == b else 0,
}
SHIFTS = {
    "shl": lambda a, b: (a << b) % I,
    "shr": lambda a, b: a >> b,
    "sar": lambda a, b: (signed(a) >> b) % I,
}
COMPARED = {"lt": lambda a, b: a < b, "le": lambda a, b: a <= b, "eq": lambda a, b: a == b}
ROUNDED = {"mul": lambda a, b: a * b, "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "div": lambda a, b: a / b}


@pytest.mark.parametrize("kind", INTEGERS)
def test_integers_wrap_as_those_of_python_modulo_2_to_the_32(kind):
    for a in WORDS:
        for b in WORDS:
            assert of(kind, a, b) == INTEGERS[kind](a, b), (a, b)


@pytest.mark.parametrize("kind", SHIFTS)
def test_shifts(kind):
    for a in WORDS:
        for b in (0, 1, 7, 31):
            assert of(kind, a, b) == SHIFTS[kind](a, b)


@pytest.mark.parametrize("kind", COMPARED)
def test_comparisons_of_floats_are_false_for_nan(kind):
    for a in WORDS:
        for b in WORDS:
            assert of(kind, a, b) == (I - 1 if COMPARED[kind](as_float(a), as_float(b)) else 0)


@pytest.mark.parametrize("kind", ROUNDED)
def test_floats_are_rounded_once_from_the_exact_value(kind):
    finite = [word for word in WORDS if math.isfinite(as_float(word))]
    for a in finite:
        for b in finite:
            if kind == "div" and as_float(b) == 0:
                continue
            exact = ROUNDED[kind](Fraction(as_float(a)), Fraction(as_float(b)))
            if exact:
                assert same_float(of(kind, a, b), nearest(exact)), (a, b)


def test_fma_is_rounded_once():
    draw = np.random.default_rng(1)
    for _ in range(2000):
        words = [int(word) for word in draw.integers(0, I, 3)]
        floats = [as_float(word) for word in words]
        if all(map(math.isfinite, floats)):
            a, b, c = map(Fraction, floats)
            if exact := a * b + c:
                assert same_float(of("fma", *words), nearest(exact)), words
    one, small = bits_of(1 + Fraction(1, 2**23)), bits_of(1 - Fraction(1, 2**24))
    exact = as_float(one) * as_float(small) - 1
    assert as_float(of("fma", one, small, bits_of(-1))) == exact != 0


def test_conversions_and_selection():
    assert [signed(of("int", bits_of(v))) for v in (0, -3, 2**30, -(2**31))] == [0, -3, 2**30, -(2**31)]
    assert as_float(of("flt", 0xFFFFFFFF)) == -1
    assert as_float(of("flt", 2**24 + 1)) == 2**24
    write = Writer()
    mask = write.do("lt", "x", write.number(0))
    body = write.body(write.select(mask, write.number(-1), write.number(1)))
    assert evaluate_body(body, np.array([-5.0, 0.0, 5.0, np.nan])).tolist() == [-1, 1, 1, 1]


def test_every_kind_is_tried_here():
    assert set(KINDS) == {*INTEGERS, *SHIFTS, *COMPARED, *ROUNDED, "fma", "int", "flt", "select"}


@pytest.mark.parametrize("word", [word for word in WORDS if Word(word, True).is_finite and word != 1 << 31])
def test_bits_of_a_number_are_read_back(word):
    assert bits_of(Word(word, True).value) == word
    assert Word(word, True).value == Fraction(as_float(word))


def test_a_body_with_an_unknown_or_a_double_name_is_refused():
    with pytest.raises(ValueError, match="wrong inputs"):
        Body({}, (Instruction("r1", "add", ("x", "y")),), "r1")
    with pytest.raises(ValueError, match="wrong inputs"):
        Body({}, (Instruction("r1", "add", ("x",)),), "r1")
    with pytest.raises(ValueError, match="wrong inputs"):
        Body({}, (Instruction("x", "add", ("x", "x")),), "x")
    with pytest.raises(ValueError, match="name of no word"):
        Body({}, (), "r1")
    with pytest.raises(ValueError, match="no number of float32"):
        bits_of(Fraction(1, 3))


def test_what_is_not_needed_is_left_out():
    write = Writer()
    write.usual = write.do("lt", "x", write.number(1))
    rare = write.div(write.number(3), "x")
    write.mul(rare, rare)
    body = write.body(write.select(write.usual, write.add("x", "x"), rare))
    assert [one.kind for one in body.instructions] == ["lt", "div", "add", "select"]
    assert [one.kind for one in usual_case(body).instructions] == ["add"]
    assert [one.kind for one in pruned(body, body.usual).instructions] == ["lt"]
    x = np.array([0.25, -7], dtype=np.float32)
    assert evaluate_body(usual_case(body), x).tolist() == evaluate_body(body, x).tolist()


def test_the_same_instruction_is_written_once_and_a_scheme_is_embedded():
    write = Writer()
    assert write.add("x", "x") == write.add("x", "x")
    coef = {1: Fraction(1), 3: Fraction(-1, 8), 5: Fraction(1, 128)}
    square = write.mul("x", "x")
    found = write.polynomial(coef, square, "horner", "s", first=1, step=2)
    body = write.body(write.mul(found, "x"))
    assert list(body.constants) == ["s1", "s3", "s5"]
    x = np.array([0.5, -2.0])
    assert evaluate_body(body, x).tolist() == (x - x**3 / 8 + x**5 / 128).tolist()
