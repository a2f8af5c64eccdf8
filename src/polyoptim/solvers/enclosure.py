"""What is asked about the error of a polynomial, and what is known of it: values only, no search."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from flint import arb, fmpq

from polyoptim.targets.nodes import Node

End = Node | Fraction


@dataclass(frozen=True, slots=True)
class Statement:
    """What is to be bounded: ``abs(e(x))`` on intervals.

    Parameters
    ----------
    target : f.
    coef : of p by powers of x.
    error : "absolute" for e = p - f, "relative" for (p - f) / f, or w for w (p - f).
    domains : pairs of ends.
    """

    target: Node
    coef: Mapping[int, Fraction]
    error: str | Node
    domains: tuple[tuple[End, End], ...]


@dataclass(slots=True)
class Cell:
    """A part of the domain with an upper bound of abs(e).

    Parameters
    ----------
    low, high : its ends.
    centre, side, root : x is ``centre + s`` (side 0), or ``centre + side * s**root`` with s >= 0.
    order : of the expansion, the remainder's term included; 1 where the bound is that of plain balls.
    coef : of the polynomial in s, lowest first, shape (order - 1,) or less where powers of s were
        divided out; empty without an expansion.
    cuts : between which the polynomial is bounded, ascending; the first and the last are the range of s.
    tail : what the remainder adds at most.
    apart : abs(e) at the centre alone where that need not be the limit.
    bound : of abs(e), rounded up.
    is_tight : whether the cuts are at the extrema.
    """

    low: fmpq
    high: fmpq
    centre: fmpq
    side: int = 0
    root: int = 1
    order: int = 1
    coef: list[arb] = field(default_factory=list)
    cuts: list[fmpq] = field(default_factory=list)
    tail: arb = field(default_factory=arb)
    apart: arb = field(default_factory=arb)
    bound: float = math.inf
    is_tight: bool = False

    def x(self, s: fmpq) -> fmpq:
        """Return the point of a parameter."""
        return self.centre + (self.side or 1) * s**self.root

    @property
    def reach(self) -> arb:
        """The largest size of s."""
        return arb(max(abs(self.cuts[0]), abs(self.cuts[-1])))

    @property
    def noise(self) -> arb:
        """How far the polynomial may be from known: from the radii of its coefficients."""
        return sum((one.rad() * self.reach**place for place, one in enumerate(self.coef)), arb(0))


@dataclass(frozen=True, slots=True)
class Enclosure:
    """What is known of the largest error.

    Parameters
    ----------
    lower, upper : bounds of the supremum, rounded outwards; upper is inf where there is none. Both hold whether or not
        they are close.
    proved : whether they are as close as was asked for.
    witness : a point of the domain where abs(e) >= lower.
    reason : why they are not close; empty where they are.
    points : how many points were sampled for `lower`; 0 where it is proved.
    seen : how many cells were looked at.
    precision : bits.
    cells : a partition of a domain that contains the one asked for, ascending.
    statement : what was asked.
    """

    lower: float
    upper: float
    proved: bool
    witness: Fraction | None
    reason: str
    points: int
    seen: int
    precision: int
    cells: tuple[Cell, ...]
    statement: Statement
