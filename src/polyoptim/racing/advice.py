"""advise(): what the eigenvalues of a problem say about its bases, and which rates are good."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.arguments import Arguments, read_seed
from polyoptim.bases import FAMILIES
from polyoptim.certificate import Best, best_rate, best_rate_and_momentum, condition_number, stable_rates
from polyoptim.errors import ArgumentError
from polyoptim.optim.rules import RULES
from polyoptim.racing.contest import RATES, Counter, check_runs, read_grid
from polyoptim.racing.stage import Stage, entrant, runs, stage_of
from polyoptim.racing.views import VIEWS
from polyoptim.statement import DEFAULT_DOMAIN, state
from polyoptim.tables import Table, plain
from polyoptim.targets.expression import integer

Array = npt.NDArray[np.float64]
WELL_CONDITIONED = 100.0  # one learning rate then suits all coefficients


@dataclass(frozen=True)
class BasisAdvice:
    """What holds for one basis.

    Parameters
    ----------
    basis : the family by name.
    eigenvalues : of the Hessian of the loss, ascending, shape (m,).
    optimum : the least loss in this basis; another only where `powers` leave some out, for then the polynomials differ.
    smallest, largest, condition : λmin, λmax and λmax / λmin, infinite where λmin is zero to rounding.
    stable : 2/λmax, the largest stable rate of plain SGD.
    plain, momentum : the best rate of plain SGD, and the best rate and momentum; None where the condition is infinite.
    rates : for each optimizer a measured good rate and the gap that it reached; empty where not measured.
    """

    basis: str
    eigenvalues: Array
    optimum: float
    smallest: float
    largest: float
    condition: float
    stable: float
    plain: Best | None
    momentum: Best | None
    rates: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Advice(Table):
    """What to train a problem with.

    Parameters
    ----------
    target, problem : what was asked.
    optimum, is_zero : the least loss in the basis that was asked for, and whether it is zero to rounding, so that there
        is no gap.
    bases : one advice for each basis.
    left_out : the bases whose columns overflow on the samples.
    sentence : why the basis matters here.
    steps, seeds, lrs : how the rates were measured.
    interrupted : whether Ctrl-C left rates unmeasured.
    """

    target: Mapping[str, Any]
    problem: Mapping[str, Any]
    optimum: float
    bases: tuple[BasisAdvice, ...]
    left_out: tuple[str, ...]
    sentence: str
    steps: int
    seeds: int
    lrs: Array
    is_zero: bool = False
    interrupted: bool = False

    @property
    def degree(self) -> int:
        """The highest power."""
        return int(self.problem["degree"])

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """Return the table: one entry for each basis."""
        rows = [
            {
                "basis": basis.basis, "optimum": basis.optimum, "smallest": basis.smallest, "largest": basis.largest,
                "condition": basis.condition, "stable": basis.stable,
                **{f"{kind}_{name}": getattr(best, name, math.nan) for kind, name, best in _bests(basis)},
            }
            for basis in self.bases
        ]  # fmt: skip
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

    def to_dict(self) -> dict[str, Any]:
        """Return the advice for JSON; what is not finite is None."""
        return {
            "verb": "advise",
            **{name: plain(value) for name, value in vars(self).items() if name not in ("bases", "problem")},
            **self.problem,
            "bases": [_document(basis) for basis in self.bases],
        }

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
    domain: Any = DEFAULT_DOMAIN,
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

    Returns
    -------
    Advice
        Ctrl-C ends the measuring early; what was measured is there.

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
    first = check(lambda: read_seed(0 if seed is None else seed))
    check(lambda: check_runs(2 * len(RULES) * len(() if grid is None else grid), count))
    check(lambda: read_seed((first or 0) + (count or 0)))
    words = {
        "domain": domain, "samples": samples, "degree": degree, "powers": powers, "basis": basis, "mapped": mapped,
        "reduction": reduction,
    }  # fmt: skip
    stated = state(target, y, x, weight, words, check)
    own, stages = stated.problem.family.name, {}
    for name in FAMILIES:
        try:
            stages[name] = stage_of(stated.with_words(basis=name))
        except ArgumentError:
            if name == own:
                raise
    found = {name: advice for name, stage in stages.items() if (advice := _of_basis(name, stage)) is not None}
    if not found:
        raise ArgumentError("the loss overflows in every basis. Scale x and y.")
    best = min(found, key=lambda name: found[name].condition)
    measured = [name for name in dict.fromkeys((own, best)) if name in found]
    counter = Counter(len(measured) * len(RULES) * len(grid) * count, progress)
    rates: dict[str, dict[str, tuple[float, float]]] = {name: {} for name in measured}
    interrupted = False
    try:
        for name, rule in itertools.product(measured, RULES):
            rates[name][rule] = _rate(stages[name], rule, grid, budget, range(first, first + count), counter)
    except KeyboardInterrupt:
        interrupted = True
    return Advice(
        target=stated.about,
        problem=stated.words,
        optimum=stages[own].value,
        bases=tuple(replace(advice, rates=rates.get(name, {})) for name, advice in found.items()),
        left_out=tuple(name for name in FAMILIES if name not in found),
        sentence=_sentence(found, own, best),
        steps=budget,
        seeds=count,
        lrs=grid,
        is_zero=stages[own].optimum.is_zero,
        interrupted=interrupted,
    )


def _of_basis(name: str, stage: Stage) -> BasisAdvice | None:
    eigenvalues = stage.quadratic.eigenvalues()
    if eigenvalues is None:
        return None
    condition = condition_number(eigenvalues)
    return BasisAdvice(
        name, eigenvalues, stage.value, float(eigenvalues[0]), float(eigenvalues[-1]),
        math.inf if condition is None else condition, float(stable_rates(eigenvalues)[1]),
        best_rate(eigenvalues), best_rate_and_momentum(eigenvalues),
    )  # fmt: skip


def _rate(
    stage: Stage, rule: str, lrs: Array, steps: int, seeds: Sequence[int], counter: Counter
) -> tuple[float, float]:
    """Return a good rate of the grid, and the gap that it reached.

    It has the least excess in its worst run, even where it is missed by a place: a rate that is good by chance is none.
    """
    who = entrant(rule, {})
    _, flags = who.hyper()
    starts = np.tile(np.array([stage.start(seed) for seed in seeds]), (len(lrs), 1))
    hyper = np.repeat(np.array([who.hyper(float(lr))[0] for lr in lrs]), len(seeds), axis=0)
    excess = runs(stage, who, flags, hyper, starts, steps, (), counter.tell, budget=steps).excess.reshape(len(lrs), -1)
    known = np.where(np.isnan(excess), np.inf, excess)
    medians, worst = np.median(known, axis=1), known.max(axis=1)
    beside = np.pad(worst, 1, mode="edge")
    place = int(np.lexsort((medians, np.maximum(np.maximum(beside[:-2], worst), beside[2:])))[0])
    return float(lrs[place]), math.nan if stage.optimum.is_zero else float(medians[place]) / stage.value


def _bests(basis: BasisAdvice) -> Iterator[tuple[str, str, Best | None]]:
    for kind, best in (("plain", basis.plain), ("momentum", basis.momentum)):
        for name in ("lr", "momentum", "steps_per_digit"):
            if not (kind == "plain" and name == "momentum"):
                yield kind, name, best


def _sentence(found: Mapping[str, BasisAdvice], own: str, best: str) -> str:
    """Return why the basis matters, with the numbers of this problem."""
    if found[best].condition > WELL_CONDITIONED:
        return (
            f"Of these bases the {best} basis has the smallest condition number, {_large(found[best].condition)}: even "
            "there the loss is so many times steeper in one direction than in another, and no learning rate suits all "
            "coefficients."
        )
    if own not in found or own == best:
        return (
            f"The {best} basis has the smallest condition number of all here, {_large(found[best].condition)}: "
            "the loss is nearly as steep in every direction, so that one learning rate suits all coefficients."
        )
    here, there = found[own], found[best]
    same = "with the same polynomials and the same optimum, "
    if not math.isclose(here.optimum, there.optimum, rel_tol=1e-9):
        same = f"where these powers are other polynomials, with the optimum {there.optimum:.4g}, "
    first = (
        f"In the {own} basis the loss is {_large(here.condition)} times steeper in one direction than in another, so "
        "that a rate that is stable for the steepest hardly moves along the flattest"
    )
    if here.plain is None or there.plain is None:
        return f"{first}; in the {best} basis, {same}that ratio is {_large(there.condition)}."
    return (
        f"{first}: plain SGD at its best takes {here.plain.steps_per_digit:,.0f} steps for each further digit; in the "
        f"{best} basis, {same}that ratio is {_large(there.condition)}, and "
        f"it takes {there.plain.steps_per_digit:,.0f}."
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
