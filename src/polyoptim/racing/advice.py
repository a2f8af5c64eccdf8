"""advise(): what the eigenvalues of a problem say about its bases, and which rates are good."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim import canonical
from polyoptim.arguments import Arguments
from polyoptim.bases import FAMILIES
from polyoptim.certificate import Best, best_rate, best_rate_and_momentum, condition_number, stable_rates
from polyoptim.errors import ArgumentError, PolyoptimError
from polyoptim.optim.rules import RULES
from polyoptim.racing.contest import RATES, plain, read_grid
from polyoptim.racing.stage import Stage, entrant, runs, stage_of
from polyoptim.racing.views import VIEWS
from polyoptim.result import write
from polyoptim.statement import state
from polyoptim.targets.expression import integer

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BasisAdvice:
    """What holds for one basis.

    Parameters
    ----------
    basis : the family by name.
    eigenvalues : of the Hessian of the loss, ascending, shape (m,).
    smallest, largest, condition : λmin, λmax and λmax / λmin, infinite where λmin is zero to rounding.
    stable : 2/λmax, the largest stable rate of plain SGD.
    plain, momentum : the best rate of plain SGD, and the best rate and momentum; None where the condition is infinite.
    rates : for each optimizer the measured best rate and the gap that it reached; empty where not measured.
    """

    basis: str
    eigenvalues: Array
    smallest: float
    largest: float
    condition: float
    stable: float
    plain: Best | None
    momentum: Best | None
    rates: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Advice:
    """What to train a problem with.

    Parameters
    ----------
    target, degree, optimum : of the problem.
    bases : one advice for each basis, those that overflow left out.
    sentence : why the basis matters here.
    steps, seeds, lrs : how the rates were measured.
    """

    target: Mapping[str, Any]
    degree: int
    optimum: float
    bases: tuple[BasisAdvice, ...]
    sentence: str
    steps: int
    seeds: int
    lrs: Array

    def to_dict(self) -> dict[str, Any]:
        """Return the advice for JSON; what is not finite is None."""
        return {
            "verb": "advise",
            **{name: plain(value) for name, value in vars(self).items() if name != "bases"},
            "bases": [_document(basis) for basis in self.bases],
        }

    def save(self, path: Any) -> None:
        """Write the advice as JSON, atomically."""
        write(path, canonical.spell(self.to_dict()))

    def report(self) -> str:
        """Return what a person wants to know, as text."""
        return VIEWS["advice_report"](self)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<Advice: {self.sentence}>"


def advise(
    target: Any,
    y: Any = None,
    *,
    x: Any = None,
    weight: Any = None,
    domain: Any = ("-pi", "pi"),
    samples: Any = 2000,
    degree: Any = 3,
    powers: Sequence[int] | None = None,
    basis: str = "power",
    mapped: bool | None = None,
    reduction: str = "sum",
    steps: Any = 2000,
    lrs: Any = RATES,
    seeds: Any = 3,
    seed: Any = 0,
    progress: Callable[[int, int], object] | None = None,
) -> Advice:
    """Say how hard a problem is in each basis, and which learning rates are good.

    Parameters
    ----------
    target, y, x, weight, domain, samples, degree, powers, basis, mapped, reduction : the problem, as in train(). All
        bases are looked at; rates are measured for this one and for the one of the least condition number.
    steps, lrs, seeds, seed : the rates are measured on this grid, with so many evaluations and seeds.
    progress : called with (runs done, runs in all) now and then.

    Raises
    ------
    ArgumentError, DataError
        With a sentence for each wrong argument.

    Examples
    --------
    >>> found = advise("sin(x)", seeds=1, steps=100, lrs=[1e-3])
    >>> [basis.basis for basis in found.bases if basis.condition < 10]
    ['chebyshev', 'legendre']
    """
    check = Arguments()
    grid = check(lambda: read_grid(lrs))
    budget = check(lambda: integer(steps, "steps", minimum=1))
    count = check(lambda: integer(seeds, "seeds", minimum=1))
    first = check(lambda: integer(0 if seed is None else seed, "seed", minimum=0))
    words = {
        "domain": domain, "samples": samples, "degree": degree, "powers": powers, "mapped": mapped,
        "reduction": reduction,
    }  # fmt: skip
    own = state(target, y, x, weight, {**words, "basis": basis}, check)
    stages: dict[str, Stage] = {}
    for name in FAMILIES:
        try:
            stages[name] = stage_of(state(target, y, x, weight, {**words, "basis": name}, Arguments()).problem)
        except PolyoptimError:
            if name == own.problem.family.name:
                raise
    found = {name: advice for name, stage in stages.items() if (advice := _of_basis(name, stage)) is not None}
    if not found:
        raise ArgumentError("the loss overflows in every basis. Scale x and y.")
    best = min(found, key=lambda name: found[name].condition)
    measured = [name for name in dict.fromkeys((own.problem.family.name, best)) if name in found]
    done, total = [0], len(measured) * len(RULES) * len(grid) * count

    def tell(more: int) -> None:
        done[0] += more
        if progress is not None:
            progress(done[0], total)

    for name in measured:
        rates = _rates(stages[name], grid, budget, range(first, first + count), tell)
        found[name] = BasisAdvice(**{**vars(found[name]), "rates": rates})
    problem = own.problem
    return Advice(
        own.about, problem.degree, stages[measured[0]].value, tuple(found.values()),
        _sentence(found, problem.family.name, best), budget, count, grid,
    )  # fmt: skip


def _of_basis(name: str, stage: Stage) -> BasisAdvice | None:
    eigenvalues = stage.quadratic.eigenvalues()
    if eigenvalues is None:
        return None
    condition = condition_number(eigenvalues)
    return BasisAdvice(
        name, eigenvalues, float(eigenvalues[0]), float(eigenvalues[-1]),
        math.inf if condition is None else condition, float(stable_rates(eigenvalues)[1]),
        best_rate(eigenvalues), best_rate_and_momentum(eigenvalues),
    )  # fmt: skip


def _rates(
    stage: Stage, lrs: Array, steps: int, seeds: Sequence[int], tell: Callable[[int], object]
) -> dict[str, tuple[float, float]]:
    """Return for each rule the rate of the grid with the least median excess, and the gap that it reached."""
    found = {}
    starts = np.tile(np.array([stage.start(seed) for seed in seeds]), (len(lrs), 1))
    for name in RULES:
        who = entrant(name, {})
        _, flags = who.hyper()
        hyper = np.repeat(np.array([who.hyper(float(lr))[0] for lr in lrs]), len(seeds), axis=0)
        excess = runs(stage, who, flags, hyper, starts, steps, (), tell, budget=steps).excess.reshape(len(lrs), -1)
        medians = np.median(np.where(np.isnan(excess), np.inf, excess), axis=1)
        place = int(np.argmin(medians))
        gap = math.nan if stage.optimum.is_zero else float(medians[place]) / stage.value
        found[name] = (float(lrs[place]), gap)
    return found


def _sentence(found: Mapping[str, BasisAdvice], own: str, best: str) -> str:
    """Return why the basis matters, with the numbers of this problem."""
    if own not in found or own == best:
        return (
            f"The {best} basis has the smallest condition number of all here, {_large(found[best].condition)}: "
            "the loss is nearly as steep in every direction, so that one learning rate suits all coefficients."
        )
    here, there = found[own], found[best]
    first = (
        f"In the {own} basis the loss is {_large(here.condition)} times steeper in one direction than in another, so "
        "that a rate that is stable for the steepest hardly moves along the flattest"
    )
    if here.plain is None or there.plain is None:
        return f"{first}; in the {best} basis that ratio is {_large(there.condition)}."
    return (
        f"{first}: plain SGD at its best takes {here.plain.steps_per_digit:,.0f} steps for each further digit; in the "
        f"{best} basis, with the same polynomials and the same optimum, that ratio is {_large(there.condition)}, and "
        f"it takes {max(there.plain.steps_per_digit, 1):,.0f}."
    )


def _large(condition: float) -> str:
    if math.isinf(condition):
        return "more than 1e15"
    return f"{condition:,.3g}" if condition < 1e4 else f"{condition:.2e}"


def _document(basis: BasisAdvice) -> dict[str, Any]:
    best = {
        name: None if found is None else {k: plain(v) for k, v in vars(found).items()}
        for name, found in (("plain", basis.plain), ("momentum", basis.momentum))
    }
    rates = {name: {"lr": plain(lr), "gap": plain(gap)} for name, (lr, gap) in basis.rates.items()}
    known = {name: plain(value) for name, value in vars(basis).items() if name not in ("plain", "momentum", "rates")}
    return {**known, **best, "rates": rates}
