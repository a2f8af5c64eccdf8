"""Request: an approximation as a caller writes it, read and checked, each mistake one sentence."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from polyoptim.arguments import check_powers
from polyoptim.errors import ArgumentError
from polyoptim.formats import Format
from polyoptim.registry import match
from polyoptim.targets.constants import Constant, read_constant
from polyoptim.targets.expression import Expression, number, parse
from polyoptim.targets.nodes import Node

SHIPPED = ("ulp", "flips")  # objectives in the arithmetic that ships
INPUTS = ("all", "grid")
END_BITS = 160  # to which ends that are no rational numbers are rounded outwards


def read_target(target: Any) -> tuple[Expression | None, Node | Callable[[float], float]]:
    """Return the expression, where it is one, and what is evaluated."""
    if isinstance(target, Expression):
        return target, target.root
    if isinstance(target, str):
        found = parse(target)
        return found, found.root
    if callable(target):
        return None, target
    raise ArgumentError(f"target must be an expression in x or a function of floats, got {type(target).__name__}.")


def read_domains(domain: Any) -> list[tuple[Constant, Constant]]:
    """Return the ends of each interval, ascending."""
    if isinstance(domain, str) or not isinstance(domain, Iterable):
        raise ArgumentError(f"domain must be a pair of numbers a < b, or a list of pairs, got {domain!r}.")
    given = list(domain)
    several = bool(given) and all(isinstance(one, Iterable) and not isinstance(one, str) for one in given)
    pairs = [list(one) for one in given] if several else [given]
    if any(len(pair) != 2 for pair in pairs):
        raise ArgumentError(f"domain must be a pair of numbers a < b, or a list of pairs, got {domain!r}.")
    found = [(read_constant(a, "domain"), read_constant(b, "domain")) for a, b in pairs]
    for low, high in found:
        if not low.below(END_BITS) < high.above(END_BITS) or not low.above(END_BITS) < high.below(END_BITS):
            raise ArgumentError(
                f"domain must have a < b, got {low.text} and {high.text}. Give them in ascending order."
            )
    found.sort(key=lambda pair: pair[0].below(END_BITS))
    for (_, end), (start, _) in itertools.pairwise(found):
        if end.above(END_BITS) > start.below(END_BITS):
            raise ArgumentError(f"the intervals of domain overlap at {start.text}. Give them apart.")
    return found


def ends_of(pair: tuple[Constant, Constant]) -> tuple[Any, Any]:
    """Return an interval's ends as a proof takes them: rational numbers, or trees."""
    low, high = (end.exact if end.exact is not None else end.root for end in pair)
    return low, high


def exact_text(value: Constant) -> str:
    """Return a text from which the same number is read; 0.1 as a float is none of tenths."""
    return value.text if value.exact is None or read_constant(value.text, "").exact == value.exact else str(value.exact)


def short_text(value: Constant) -> str:
    """Return a number as a person reads it: its text, or the float that it is where that is shorter."""
    if value.exact is None or Fraction(float(value.exact)) != value.exact:
        return value.text
    return min(value.text, repr(float(value.exact)), key=len)


def read_truth(value: Any, name: str) -> bool:
    """Return a truth value."""
    if not isinstance(value, (bool, np.bool)):
        raise ArgumentError(f"{name} must be True or False, got {value!r}.")
    return bool(value)


def read_weight(error: Any) -> str | Node:
    """Return "absolute", "relative", or the tree of a weight."""
    if error in ("absolute", "relative"):
        return str(error)
    if not isinstance(error, str):
        raise ArgumentError(f"error must be 'absolute', 'relative' or an expression in x, got {error!r}.")
    return parse(error).root


def read_tolerance(tolerance: Any) -> float:
    """Return the largest error that is allowed."""
    found = number(tolerance, "tolerance")
    if not found > 0:
        raise ArgumentError(f"tolerance must be a number > 0, got {found!r}.")
    return found


def read_powers(degree: Any, tolerance: Any, powers: Any) -> tuple[int, ...]:
    """Return the powers of the one of three arguments that is given; none for a tolerance."""
    given = [
        name for name, value in (("degree", degree), ("tolerance", tolerance), ("powers", powers)) if value is not None
    ]
    if len(given) != 1:
        said = "none of them" if not given else " and ".join(given)
        raise ArgumentError(f"give one of degree, tolerance and powers, got {said}.")
    return () if tolerance is not None else check_powers(degree, powers)


def read_fixed(fixed: Any) -> dict[int, Constant]:
    """Return the coefficients that keep their value, by power."""
    if fixed is None:
        return {}
    if not isinstance(fixed, Mapping):
        raise ArgumentError(f"fixed must map powers to values such as {{0: 1}}, got {fixed!r}.")
    return {check_powers(power, None)[-1]: read_constant(value, "fixed") for power, value in fixed.items()}


def hold(value: Constant, power: int, powers: Sequence[int], formats: Sequence[Format]) -> Fraction:
    """Return a fixed coefficient, which must be a number of its format."""
    own = formats[powers.index(power)]
    exact = value.exact if value.exact is not None else value.nearest(400)
    if own.holds(exact) and value.exact is not None:
        return exact
    nearest = own.round(exact)
    if own.finest is None:
        return exact
    raise ArgumentError(
        f"fixed coefficient {value.text} of power {power} is no number of {own}. Give one, such as {float(nearest)!r}."
    )


def read_inputs(inputs: Any) -> str:
    """Return over which inputs a measurement is: "all" or "grid"."""
    return match("inputs", inputs, INPUTS)


def check_shipped(objective: str, expression: Expression | None, through: Any) -> None:
    """Raise for what a search in the arithmetic that ships cannot have."""
    if objective not in SHIPPED:
        return
    if expression is None:
        raise ArgumentError(
            f"objective {objective!r} needs an expression in x: of another function nothing tells the true value."
        )
    if through is not None:
        raise ArgumentError(f"objective {objective!r} knows no points to go through. Fix a coefficient instead.")


def inner_ends(pieces: Sequence[tuple[Constant, Constant]]) -> list[tuple[Fraction, Fraction]]:
    """Return intervals with rational ends inside those of a domain, for numbers that lie in it."""
    return [(low.above(END_BITS), high.below(END_BITS)) for low, high in pieces]


def read_through(through: Any) -> tuple[Fraction, ...]:
    """Return the points at which the polynomial has the target's value."""
    if through is None:
        return ()
    given = through if isinstance(through, Iterable) and not isinstance(through, str) else [through]
    found = [read_constant(x, "through") for x in given]
    wrong = [one.text for one in found if one.exact is None]
    if wrong:
        raise ArgumentError(f"through must be rational numbers, got {wrong[0]}. Fix a coefficient instead.")
    return tuple(one.exact for one in found if one.exact is not None)
