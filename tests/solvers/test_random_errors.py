"""Proved bounds of random errors, against 50 digits.

Each case is made of its number alone: a target composed of all functions, a domain, a polynomial (one that
``approximate`` finds, one that interpolates and is rounded to a format, or any), and a way to weigh errors. A few
hundred are tried; ``POLYOPTIM_CASES=0:10000 pytest -s tests/solvers/test_random_errors.py`` tries the cases of these
numbers, in half an hour or so, and says how many were proved.
"""

from __future__ import annotations

import importlib
import os
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from random import Random

import mpmath
import numpy as np
import pytest

from polyoptim import ArgumentError, DataError, approximate
from polyoptim.checker import check
from polyoptim.formats import find_format
from polyoptim.solvers.enclosure import Enclosure
from polyoptim.solvers.proof import to_certificate
from polyoptim.solvers.rationals import fraction
from polyoptim.solvers.supremum import enclose
from polyoptim.targets.nodes import FUNCTIONS
from polyoptim.targets.parser import parse_tree

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(str(Path(__file__).parent))
    truth = importlib.import_module("truth")

FIRST, END = map(int, os.environ.get("POLYOPTIM_CASES", "0:400").split(":"))
BATCH = 50  # cases of one test
DIGITS = 50
MANY_DIGITS = 400  # at the witness, which may stand at a jump or where numbers of near size are subtracted
LARGEST = 1e30  # of a value that is interpolated
POINTS, STEPS = 60, 24  # at which errors are looked at, and moves towards the top beside the largest

# What an argument must be for a function to have a value.
POSITIVE = ("log", "log2", "log10", "sqrt", "gamma", "lgamma")
UNIT = ("asin", "acos", "atanh")
NAMES = sorted(set(FUNCTIONS) - {"min", "max", "where"})
FORMATS = ("real", "float64", "float32", "float16", "bfloat16", "q4.12", "q7.24")
ENDS = ("pi/4", "-pi/4", "log(2)/2", "-log(2)/2", "sqrt(2)", "pi", "e/3", "-1/sqrt(2)")
WEIGHTS = ("exp(-x)", "1/(1 + x**2)", "1 + abs(x)", "cosh(x)", "2 - sin(x)")


def number(random):
    """A number as people write it."""
    whole, part = random.randint(-3, 3), random.randint(1, 12)
    return random.choice([f"{whole}", f"{whole}/{part}", f"{random.uniform(-3, 3):.2f}", f"pi/{part}", "0.3", "1e-3"])


def argument(random, depth):
    """An expression in x."""
    kind = random.random()
    if depth == 0 or kind < 0.3:
        return "x"
    if kind < 0.6:
        return f"(({number(random)})*x + ({number(random)}))"
    if kind < 0.7:
        return random.choice(["x**2", "(x**3 - x)", "(1 - x)", "(x/3)", "(x - 1/3)"])
    return function(random, depth - 1)


def function(random, depth=1):
    """One of the functions, of an argument for which it is likely to have a value."""
    name, inner = random.choice(NAMES), argument(random, depth)
    if name in POSITIVE:
        inner = random.choice([f"({inner})**2", f"0.2 + ({inner})**2", f"1.5 + sin({inner})", f"exp({inner})"])
    elif name in UNIT:
        inner = random.choice([f"sin({inner})", f"0.9*tanh({inner})", f"cos({inner})"])
    elif name == "acosh":
        inner = f"1 + ({inner})**2"
    elif name == "log1p":
        inner = f"abs({inner})"
    return f"{name}({inner})"


def expression(random):
    """A target."""
    f, g, c = function(random), function(random), number(random)
    several = [f"{f} + {g}", f"{f}*{g}", f"{f}/(2.5 + {g})", f"({c})*x*{f}", f"{f} - x/3", f"max({f}, {g})"]
    several += [f"min({f}, {c})", f"abs({f} - ({c}))", f"where(x < {c}, {f}, {g})", f"({f} - x)/(1 + x**2)"]
    several += [f"abs({f})**0.75", "sin(x)/x", "expm1(x)/x", f"({f})**3 - ({c})", f"sin({f})/({f})", f"2**({f}/4)"]
    return function(random, 2) if random.random() < 0.4 else random.choice(several)


def interval(random, low=None):
    """A pair of ends, rational numbers or texts."""
    if low is None and random.random() < 0.15:
        ends = sorted(random.sample(ENDS, 2), key=lambda end: float(truth.in_digits(parse_tree(end))))
        return tuple(ends)
    start = low or random.choice([Fraction(0), Fraction(-1), Fraction(random.randint(-3000, 3000), 1000)])
    width = random.choice([Fraction(1), Fraction(2), Fraction(random.randint(1, 4096), 1024), Fraction(1, 2**30)])
    return (start, start + width)


@dataclass(frozen=True)
class Case:
    """A random problem."""

    target: str
    domains: list
    error: str
    degree: int
    format: str
    kind: str
    random: Random

    @classmethod
    def of(cls, seed):
        """The case of a number."""
        random = Random(seed)  # noqa: S311 - cases, not secrets
        domains = [interval(random)]
        if random.random() < 0.1 and not isinstance(domains[0][1], str):
            domains.append(interval(random, domains[0][1] + Fraction(1, 3)))
        error = random.choices(["absolute", "relative", random.choice(WEIGHTS)], [5, 3, 2])[0]
        kind = random.choices(["found", "interpolated", "any"], [2, 5, 3])[0]
        degree = random.randint(0, 4 if kind == "found" else 9)
        return cls(expression(random), domains, error, degree, random.choice(FORMATS), kind, random)

    @property
    def ends(self):
        """The domains, ends without a rational value as trees."""
        return [
            tuple(parse_tree(end, variable=None) if isinstance(end, str) else end for end in pair)
            for pair in self.domains
        ]

    def polynomial(self):
        """Coefficients by power, exact."""
        if self.kind == "any":
            return {k: Fraction(self.random.randint(-400, 400), 200) for k in range(self.degree + 1)}
        low, high = (float(truth.in_digits(parse_tree(f"{end}"))) for end in self.domains[0])
        x = (low + high) / 2 + (high - low) / 2 * np.cos(np.pi * (np.arange(self.degree + 1) + 0.5) / (self.degree + 1))
        y = np.array([self._value(one) for one in x])
        coef = np.polynomial.Polynomial.fit(x, y, self.degree, domain=[low, high]).convert().coef
        own = find_format(self.format)
        return {k: own.round(own.clip(Fraction(value))) for k, value in enumerate(coef.tolist())}

    def _value(self, x):
        try:
            value = float(mpmath.re(truth.in_digits(parse_tree(self.target), mpmath.mpf(x))))
            return value if abs(value) < LARGEST else 0.0
        except (ValueError, TypeError, ArithmeticError):  # no value, or compared where it is complex
            return 0.0

    def solved(self):
        """What is known of the error, with its certificate: None where nothing is proved."""
        if self.kind == "found":
            pairs = [tuple(str(end) for end in pair) for pair in self.domains]
            how = {"degree": self.degree, "error": self.error, "format": self.format}
            found = approximate(self.target, domain=pairs, **how)
            coef = {power: self._read(text) for power, text in enumerate(found.coef_hex)}
            proved = found.certificate is not None
            upper = found.sup_error_bound if proved else float("inf")
            return coef, found.sup_error, upper, found.certificate, found.notes
        coef = self.polynomial()
        error = self.error if self.error in ("absolute", "relative") else parse_tree(self.error)
        found = enclose(parse_tree(self.target), coef, self.ends, error=error, budget=2000)
        certificate = to_certificate(found) if found.proved else None
        return coef, found.lower, found.upper, certificate, found

    def _read(self, text):
        if self.format == "real":
            return Fraction(text)
        own = find_format(self.format)
        return Fraction(float.fromhex(text)) if own.digits else Fraction(int(text, 16), 2**-own.finest)

    def places(self, found):
        """Points of the domains in mpmath's precision: Chebyshev's, random ones, and ends of cells."""
        for low, high in self.domains:
            a, b = (truth.in_digits(parse_tree(f"{end}")) for end in (low, high))
            some = [(1 - mpmath.cos(mpmath.pi * k / POINTS)) / 2 for k in range(POINTS + 1)]
            own = [a + (b - a) * one for one in [*some, *(self.random.random() for _ in range(POINTS // 3))]]
            if isinstance(found, Enclosure):
                cells = found.cells if len(found.cells) <= POINTS else self.random.sample(found.cells, POINTS)
                own += [min(max(truth.mpf(fraction(x)), a), b) for cell in cells for x in (cell.high, cell.centre)]
            yield sorted(own)


def climbed(size, places, sizes):
    """The largest of some errors, and those next to it."""
    k = max(range(len(sizes)), key=sizes.__getitem__)
    best, low, high = sizes[k], places[max(k - 1, 0)], places[min(k + 1, len(places) - 1)]
    x = places[k]
    for _ in range(STEPS):
        left, right = (low + x) / 2, (x + high) / 2
        at_left, at_right = size(left), size(right)
        if at_left > best:
            best, x, high = at_left, left, x
        elif at_right > best:
            best, x, low = at_right, right, x
        else:
            low, high = left, right
    return best


def seen(case, coef, found):
    """The largest error that is seen, at points where the target has a real value; None where there is no such one."""
    with mpmath.workdps(DIGITS):
        plain = truth.error_in_digits(case.target, coef, case.error)

        def size(x):
            try:
                value = plain(x)
            except (ValueError, TypeError, OverflowError):  # no value, or compared where it is complex
                return mpmath.mpf(-1)
            return value if mpmath.isfinite(value) else mpmath.mpf(-1)

        best = mpmath.mpf(-1)
        for places in case.places(found):
            best = max(best, climbed(size, places, [size(x) for x in places]))
        return best


def outcome(seed):
    """What came of a case, in a word; every claim is held to."""
    case = Case.of(seed)
    try:
        coef, lower, upper, certificate, found = case.solved()
    except (ArgumentError, DataError):
        return f"refused, {case.kind}"
    largest = seen(case, coef, found)
    with mpmath.workdps(DIGITS):
        room = mpmath.mpf(10) ** -40  # what 50 digits may lose
        assert largest <= upper + room, (seed, case, largest, upper)
    if certificate is None:
        return f"sampled, {case.kind}"
    assert lower <= upper, seed
    assert upper - lower <= 1.01e-6 * upper, seed
    with mpmath.workdps(MANY_DIGITS):
        witness, plain = Fraction(certificate["witness"]), truth.error_in_digits(case.target, coef, case.error)
        beside = [witness + Fraction(place, 10**390) for place in (-1, 0, 1)]  # digits may miss a jump at a fraction
        sizes = [plain(truth.mpf(x)) for x in beside]
        assert min(sizes) < 0 or max(sizes) >= lower * (1 - mpmath.mpf(10) ** -30) - room, (seed, case, sizes, lower)
    verdict = check(certificate)
    if not verdict.ok:  # true, but not shown: approximate() calls it sampled
        return "not accepted"
    assert verdict.upper == upper, seed
    return f"proved, {case.kind}"


COUNTS: Counter[str] = Counter()


@pytest.mark.parametrize("first", range(FIRST, END, BATCH))
def test_no_error_of_random_cases_is_above_its_proved_bound(first):
    found = Counter(outcome(seed) for seed in range(first, min(first + BATCH, END)))
    COUNTS.update(found)
    assert found["not accepted"] == (first <= 3666 < first + BATCH), found  # of 10,000 cases that one
    assert sum(count for word, count in found.items() if word.startswith("proved")) > sum(found.values()) / 2


def test_random_cases_are_counted():
    print(f"\ncases {FIRST} to {END}: {dict(sorted(COUNTS.items()))}")  # noqa: T201 - what was asked for
    assert sum(COUNTS.values()) == END - FIRST
