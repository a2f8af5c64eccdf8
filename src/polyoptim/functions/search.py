"""function(): a whole function of the smallest degrees that meet a largest error, measured at every input."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from polyoptim.approximating import approximate, versions
from polyoptim.arguments import Arguments
from polyoptim.errors import ArgumentError
from polyoptim.formats import FORMATS, Format
from polyoptim.functions import FUNCTIONS
from polyoptim.functions.judging import Judged, judge, numbers_of, sample, truth_of
from polyoptim.functions.measuring import Advance, AllInputs
from polyoptim.functions.recipe import Coefficients, Recipe, Reduced
from polyoptim.functions.rounding import narrowed
from polyoptim.functions.whole import Function
from polyoptim.instructions import Body, Writer
from polyoptim.registry import match
from polyoptim.request import read_truth
from polyoptim.schemes import SCHEMES
from polyoptim.targets.expression import number

OWN = ("float32", "bfloat16", "float16")
LEAST_ULP = 0.5  # of a correctly rounded function
SEEN = 1 << 14  # inputs of the first look at a degree


@lru_cache(maxsize=2)
def _all_inputs(name: str) -> AllInputs:
    return AllInputs(FUNCTIONS[name])


def measured(
    recipe: Recipe, body: Body, own: Format, most_ulp: float = math.inf, advance: Advance | None = None
) -> Judged:
    """Return how far a body is from the truth at every input of a format; see `AllInputs.measure`."""
    if own.name == "float32":
        return _all_inputs(recipe.name).measure(body, most_ulp, advance)
    return judge(body, truth_of(recipe, numbers_of(own), own))


def function(
    name: str,
    *,
    format: str = "float32",  # noqa: A002 - the word for it
    max_ulp: Any = 1.0,
    scheme: str = "horner",
    fma: bool = True,
    progress: Advance | None = None,
) -> Function:
    """Find a whole function: range reduction, polynomials, reconstruction and special values, for every input.

    The polynomials have the smallest degrees with which no error is larger than `max_ulp`, one polynomial after the
    other; a degree is tried on a sample first, and then measured at every number of the format.

    Parameters
    ----------
    name : such as "exp2" or "sin"; see `polyoptim.functions.FUNCTIONS`.
    format : of inputs and values, "float32", or "bfloat16" or "float16": then the operations are those of float32 all
        the same, and the value is rounded once more at the end.
    max_ulp : the largest error that is allowed, in units in the last place of the truth; 0.5 is correct rounding.
    scheme, fma : in which order the polynomials are evaluated, "horner" or "estrin", and whether a product and a sum
        are rounded once. Most reductions need that they are.
    progress : called with the number of inputs that were measured, and of all.

    Returns
    -------
    Function
        With `degrees`, `coef_hex`, `max_ulp`, `flips` and `histogram`; callable, and exported as code.

    Raises
    ------
    ArgumentError
        With a sentence for each wrong argument; where no degree meets `max_ulp`, with the best that was seen.

    Examples
    --------
    >>> found = function("exp2", format="bfloat16", max_ulp=0.51)
    >>> found.degrees, found.max_ulp_kind, float(found(3.0)), float(found(1000.0))
    ({'c': 4}, 'exhaustive', 8.0, inf)
    """
    begin = time.perf_counter()
    check = Arguments()
    found = check(lambda: match("function", name, FUNCTIONS))
    own = check(lambda: FORMATS[match("format", format, OWN)])
    most = check(lambda: _read_ulp(max_ulp))
    order = check(lambda: match("scheme", scheme, SCHEMES))
    check(lambda: read_truth(fma, "fma"))
    check.done()
    recipe: Recipe = FUNCTIONS[found]
    if recipe.needs_fma and not fma:
        raise ArgumentError(
            f"fma=False is not possible for {found}: its reduction is exact only where a product and a sum are "
            "rounded once. Use fma=True; without hardware for it, C computes it by a library."
        )
    search = _Search(recipe, own, most, order, bool(fma))
    coef, body, judged = search.found(progress)
    arguments = {"name": found, "format": own.name, "max_ulp": most, "scheme": order, "fma": bool(fma)}
    return Function(
        name=found,
        format=own.name,
        body=body,
        degrees=search.degrees,
        coef_hex=_texts(coef),
        max_ulp=judged.max_ulp,
        max_ulp_kind="exhaustive",
        flips=judged.flips,
        worst_inputs=judged.worst,
        histogram=judged.histogram,
        count=judged.count,
        seconds=time.perf_counter() - begin,
        arguments=arguments,
        versions=versions(),
    )


def _read_ulp(value: Any) -> float:
    found = number(value, "max_ulp")
    if found < LEAST_ULP:
        raise ArgumentError(f"max_ulp must be a number >= {LEAST_ULP}, which is correct rounding, got {found!r}.")
    return found


def _texts(coef: Coefficients) -> dict[str, dict[int, str]]:
    own = FORMATS["float32"]
    return {prefix: {power: own.hex(value) for power, value in sorted(one.items())} for prefix, one in coef.items()}


def write_body(recipe: Recipe, coef: Coefficients, own: Format, scheme: str, fma: bool) -> Body:
    """Return the body of a function of given coefficients."""
    write = Writer(fma)
    return write.body(narrowed(write, recipe.build(write, coef, scheme), own))


@dataclass
class _Search:
    """The smallest degrees, one polynomial after the other, the later ones of the highest degree meanwhile."""

    recipe: Recipe
    own: Format
    most: float
    scheme: str
    fma: bool
    degrees: dict[str, int] = field(default_factory=dict)
    _coef: dict[tuple[str, int], dict[int, Fraction]] = field(default_factory=dict)

    def found(self, progress: Advance | None) -> tuple[Coefficients, Body, Judged]:
        """Return coefficients, body and what was measured of it."""
        single = self.own.name == "float32"
        x = sample(self.recipe, SEEN) if single else numbers_of(self.own)
        self.truth = truth_of(self.recipe, x, self.own)
        while True:
            self.degrees = {prefix: one.degrees[-1] for prefix, one in self.recipe.reduced.items()}
            for prefix, one in self.recipe.reduced.items():
                self._smallest(prefix, one)
            coef, body = self._made()
            judged = measured(self.recipe, body, self.own, self.most, progress) if single else judge(body, self.truth)
            if judged.max_ulp <= self.most:
                return coef, body, judged
            # Those inputs are looked at first from now on.
            x = np.concatenate([x, np.array([one for one, _ in judged.worst], dtype=np.float32)])
            self.truth = truth_of(self.recipe, x, self.own)

    def _smallest(self, prefix: str, one: Reduced) -> None:
        seen: list[tuple[float, int]] = []
        for degree in one.degrees:
            self.degrees[prefix] = degree
            judged = judge(self._made()[1], self.truth)
            if judged.max_ulp <= self.most:
                return
            seen.append((judged.max_ulp, degree))
        best, degree = min(seen)
        raise ArgumentError(
            f"no degree up to {one.degrees[-1]} meets max_ulp={self.most:g} for {self.recipe.name} in {self.own}: the "
            f"best has {best:.4g} ulp, at degree {degree} of its polynomial {prefix!r}. Allow more."
        )

    def _made(self) -> tuple[Coefficients, Body]:
        coef = {prefix: self._coefficients(prefix, degree) for prefix, degree in self.degrees.items()}
        return coef, write_body(self.recipe, coef, self.own, self.scheme, self.fma)

    def _coefficients(self, prefix: str, degree: int) -> dict[int, Fraction]:
        if (prefix, degree) not in self._coef:
            self._coef[prefix, degree] = coefficients(self.recipe.reduced[prefix], degree)
        return self._coef[prefix, degree]


def coefficients(one: Reduced, degree: int) -> dict[int, Fraction]:
    """Return the coefficients of a reduced problem, float32."""
    powers = one.powers(degree)
    fixed = tuple((power, value) for power, value in one.fixed.items() if power in powers)
    return dict(_approximated(one.target, one.domain, tuple(powers), fixed, one.error))


@lru_cache(maxsize=256)  # several functions share the exponential, and a verification asks for what a search has found
def _approximated(
    target: str, domain: tuple[Any, Any], powers: tuple[int, ...], fixed: tuple[tuple[int, str], ...], error: str
) -> tuple[tuple[int, Fraction], ...]:
    result = approximate(
        target,
        domain=domain,
        powers=list(powers),
        fixed=dict(fixed) or None,
        error=error,
        format="float32",
        prove=False,
    )
    texts = result.coef_hex or ()
    return tuple((power, FORMATS["float32"].read(texts[power])) for power in powers)
