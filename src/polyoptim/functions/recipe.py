"""Recipe: what a whole function is made of: reduced problems, and how their polynomials become the function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from polyoptim.instructions import Writer

Coefficients = Mapping[str, Mapping[int, Fraction]]


@dataclass(frozen=True)
class Reduced:
    """A reduced problem, whose polynomial `polyoptim.approximate` finds.

    Parameters
    ----------
    target, domain, error, fixed : as `approximate` takes them.
    degrees : that are tried, ascending.
    first, step : the powers are first, first + step, … up to the degree.
    """

    target: str
    domain: tuple[Any, Any]
    degrees: tuple[int, ...]
    first: int = 0
    step: int = 1
    error: str = "relative"
    fixed: Mapping[int, str] = field(default_factory=dict)

    def powers(self, degree: int) -> list[int]:
        """Return the powers that may appear."""
        return list(range(self.first, degree + 1, self.step))


@dataclass(frozen=True)
class Limit:
    """An interval of inputs, ends included, on which the rounded function is one number.

    Parameters
    ----------
    low, high : float32, or infinite.
    value : as text: "inf", "0", "-0", "1", "nan".
    """

    low: float
    high: float
    value: str


@dataclass(frozen=True)
class Recipe:
    """A whole function.

    Parameters
    ----------
    name : as users ask for it.
    truth : an expression in x, for ball arithmetic.
    reduced : the problems, by the prefix of their coefficients' names.
    build : writes the function of the found coefficients, in a scheme, and returns the name of its value.
    limits : where the truth is not evaluated; ±inf and NaN are among the inputs too.
    zeros : the values at +0 and at -0, as text, which tells the sign of a zero.
    halved : for abs(x) up to it the truth is x / 2 and a little more, which is known to decide how halves of odd
        subnormal numbers are rounded; so many that balls would take long.
    turns : whether it is the sine, whose large inputs are measured by `polyoptim.functions.turning`.
    needs_fma : whether its reduction is exact only where a product and a sum are rounded once.
    """

    name: str
    truth: str
    reduced: Mapping[str, Reduced]
    build: Callable[[Writer, Coefficients, str], str]
    limits: tuple[Limit, ...]
    zeros: tuple[str, str]
    halved: float = 0.0
    turns: bool = False
    needs_fma: bool = True
