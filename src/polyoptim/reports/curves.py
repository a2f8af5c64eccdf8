"""What every picture of a result shows: the target, the polynomial, and how one became the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from polyoptim.errors import ArgumentError
from polyoptim.result import Result
from polyoptim.solvers.sought import Sought
from polyoptim.targets.constants import read_constant
from polyoptim.targets.expression import parse

Array = npt.NDArray[np.float64]

KINDS = ("absolute", "relative")  # of errors by name; others are weights
BITS = 120  # of the points of a picture
DEGREES = {0: "constant", 1: "line", 2: "quadratic", 3: "cubic", 4: "quartic", 5: "quintic"}


def target_points(result: Result, count: int) -> tuple[Array, Array]:
    """Return x and y of the target: an expression on `count` points of the domain, else the samples."""
    if result.samples is not None:
        order = np.argsort(result.samples.x, kind="stable")
        return result.samples.x[order], result.samples.y[order]
    a, b = result.domain
    x = a + (b - a) * np.linspace(0, 1, count)
    return x, parse(result.target["text"]).evaluate("numpy", x)


def error_curves(result: Result, count: int) -> Iterator[tuple[Array, Array, Array, Array]]:
    """Yield x, target, polynomial and weighted p - f for each interval of an approximation's domain, in many digits."""
    if result.target["kind"] != "expression":
        raise ArgumentError("a picture of an approximation wants an expression as target.")
    error = result.arguments["error"]
    sought = Sought(parse(result.target["text"]).root, error if error in KINDS else parse(error).root)
    coef = {power: Fraction(value) for power, value in enumerate(result.coef.tolist())}
    for ends in result.target["domains"]:
        low, high = (read_constant(end, "domain").nearest(BITS) for end in ends)
        points = sought.usable([low + (high - low) * Fraction(place, count - 1) for place in range(count)])
        x = np.array([float(point) for point in points])
        values = np.array([float(sought.value(point)) for point in points])
        yield x, values, np.asarray(result(x)), -sought.errors(coef, points)


def grid(result: Result, count: int) -> Array:
    """Return `count` points of the domain."""
    a, b = result.domain
    return a + (b - a) * np.linspace(0, 1, count)


def at_row(result: Result, coef: list[float], x: Array) -> Array:
    """Return the polynomial with the coefficients of a row of the trace."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(result.family.evaluate(coef, result.map.map(x)))


def optimum_curve(result: Result, x: Array) -> Array | None:
    """Return the best such polynomial at x, or None where its coefficients are not known."""
    if result.optimum_coef is None:
        return None
    return np.asarray(result.family.evaluate(result.optimum_coef, result.map.map(x)))


def optimum_name(result: Result) -> str:
    """Return what the optimum is called: where the loss is not convex, nobody knows whether it is one."""
    return "best found" if result.optimum_kind == "best found" else "optimum"


def kind_of_polynomial(result: Result) -> str:
    """Return what a person calls such a polynomial, such as "cubic" or "polynomial of degree 8"."""
    if result.terms is not None:
        width = len(result.domains or ())
        return f"polynomial of total degree {result.degree} in {width} columns"
    if result.powers == tuple(range(result.degree + 1)):
        return DEGREES.get(result.degree, f"polynomial of degree {result.degree}")
    return f"polynomial with the powers {', '.join(map(str, result.powers))}"


def term_name(term: Sequence[int], names: Sequence[str]) -> str:
    """Return what a person calls a coefficient: "constant", "x", "x^2" or "a b^2"."""
    parts = [power_name(power, name) for power, name in zip(term, names, strict=True) if power]
    return " ".join(parts) or "constant"


def power_name(k: int, variable: str) -> str:
    """Return what a person calls the coefficient of a power: "constant", "x" or "x^2"."""
    return ("constant", variable)[k] if k < 2 else f"{variable}^{k}"


def y_range(*curves: Array) -> tuple[float, float]:
    """Return a range that shows all curves, with a margin."""
    low, high = min(float(np.nanmin(curve)) for curve in curves), max(float(np.nanmax(curve)) for curve in curves)
    margin = 0.08 * (high - low) or 0.5 * abs(high) or 1.0
    return low - margin, high + margin
