"""fit(): the best polynomial for data, solved at once, with its statistics."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from polyoptim import __version__
from polyoptim.arguments import Arguments, check_powers, read_options, read_size, resolve_domain
from polyoptim.bases import FAMILIES
from polyoptim.bases.family import Family
from polyoptim.canonical import plain
from polyoptim.domain import Domain
from polyoptim.engines.surroundings import cores
from polyoptim.errors import ArgumentError, DataError, StatusError
from polyoptim.losses import Loss, find_loss
from polyoptim.moments import Index
from polyoptim.result import Result
from polyoptim.solution import Status, Trace
from polyoptim.solvers.any_loss import fit_loss
from polyoptim.solvers.normal_equations import Shape, nearest, system_of_rationals
from polyoptim.solvers.selection import Tried, choose_degree
from polyoptim.solvers.squared import Fitted, fit_rationals, fit_squared, frame_of, in_basis
from polyoptim.statistics import loss_statistics, statistics
from polyoptim.targets.expression import number
from polyoptim.targets.partitions import Part, Partitions, pieces
from polyoptim.targets.sheet import Sheet, open_sheet

AT_A_TIME = 1 << 14  # rows whose residuals stay in a processor's cache
AUTO = "auto"


def fit(
    data: Any,
    y: Any = None,
    *,
    x: Any = None,
    weight: Any = None,
    sigma: Any = None,
    degree: Any = 3,
    powers: Sequence[Any] | None = None,
    fixed: Mapping[Any, Any] | None = None,
    through: Any = None,
    basis: str = "chebyshev",
    domain: Any = None,
    loss: Any = "squared",
    loss_options: Mapping[str, Any] | None = None,
    ridge: Any = 0.0,
    by: Any = None,
    missing: str = "raise",
    exact: bool = False,
    strict: bool = False,
    scheduler: Any = None,
) -> Result:
    """Fit a polynomial to data, to its optimum, with standard errors.

    The squared loss lives in exact sums over the rows (see ``polyoptim.moments``): its result is the same to the last
    bit for any order of the rows, any chunks and any number of threads. The coefficients are those of the real-number
    problem, rounded; how far the domain is from zero and which basis is shown cost no digits.

    Parameters
    ----------
    data : the values of x (then `y` holds those of y), shape (n,), or (n, p) for p columns of x; a CSV file with a
        header; or a table. Dask's arrays and data frames are reduced partition by partition, where they lie.
    y, x, weight, sigma : arrays, or names of columns of a file or table; `x` may be a list of names. Without `x` and
        `y` the first two numeric columns are taken, and a note says so.
    weight : multiplies the squared residual of its row; standard errors are then relative: their size comes from the
        residuals.
    sigma : the standard deviation of each y, weight = 1/sigma²; standard errors are then absolute. At most one of both.
    degree : highest power; with several columns of x the highest total power. "auto": the lowest degree whose error on
        rows that are left out of the fit is within one standard error of the least, up to 12.
    powers : the powers of x that may appear; with several columns one tuple of powers each.
    fixed : coefficients of powers of x that keep their value, such as ``{0: 0}``; their standard error is 0.
    through : points (x, y) that the curve goes through.
    basis, domain : in which `coef` of the result stands; the domain is the range of x unless one is given.
    loss, loss_options : how far a residual is: any loss by name, as for `train`. Their optimum is found by descent and
        proved by a lower bound where they are convex; from partitions, or where the rows are too many for memory, by
        sums over the rows. Lengths such as delta are in the unit of y.
    ridge : what the squares of the Chebyshev coefficients on the range of x, all but the constant's, are multiplied by
        and added to the loss.
    by : a column of groups; not built yet.
    missing : "raise" for an error at the first missing value, "drop" to leave such rows out.
    exact : read decimals as rational numbers, and return correctly rounded coefficients and standard errors.
    strict : raise StatusError where the rows leave no degrees of freedom, so that there are no errors.
    scheduler : the address of a scheduler of dask.distributed, such as "tcp://host:8786", or a client: its workers read
        the files, or reduce dask's collections. Without one, those go to the current client, or this machine's cores.

    Returns
    -------
    Result
        With `stats`: "coef_power" and "stderr_power" in plain powers of x, lowest first, "sigma", "r2", …

    Raises
    ------
    ArgumentError
        With a sentence for each wrong argument.
    DataError
        For cells that are no finite numbers, and samples that do not determine the coefficients.

    Examples
    --------
    >>> line = fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.0, 5.0, 7.5], degree=1)
    >>> line.stats["coef_power"], round(line.stats["r2"], 4)
    ([0.9, 2.15], 0.9968)
    """
    apart = ("data", "y", "x", "weight", "sigma", "strict", "scheduler")
    given = {name: value for name, value in locals().items() if name not in apart}
    begin = time.perf_counter()
    check = Arguments()
    family: Family = check(lambda: FAMILIES[basis])
    used = check(lambda: find_loss(loss) if isinstance(loss, str) else _no_loss(loss))
    check(lambda: _check_together(used, by, exact, degree))
    options = check(lambda: used.check(read_options(loss_options, "loss_options")) if used else {})
    penalty = check(lambda: read_size(ridge, "ridge"))
    interval = check(lambda: None if domain is None else resolve_domain(domain, None))
    with ExitStack() as opened:
        sheet: Sheet = check(
            lambda: opened.enter_context(closing(open_sheet(data, y, x, weight, sigma, missing, scheduler)))
        )
        width = len(sheet.x) if sheet else 1
        if width > 1 and family is not None:
            check(lambda: _check_many(family, domain))
        form = check(lambda: read_form(width, degree, powers, fixed, through))
        check.done()
        assert form is not None  # noqa: S101 - check.done has raised otherwise
        highest, shape = form
        shape = Shape(shape.powers, shape.fixed, shape.through, Fraction(penalty))
        tried: list[Tried] = []
        rows = sheet.rows(cores())
        if highest is None:
            highest, tried = choose_degree(rows, shape)
        if used.name != "squared":
            outcome = _by_loss(rows, highest, shape, used, options)
        elif exact:
            outcome = _squared(fit_rationals(system_of_rationals(highest, *sheet.rationals()), shape), shape, sigma)
        else:
            extent = sheet.extent()
            known = None if extent is None else frame_of(highest, extent)
            outcome = _squared(fit_squared(rows, highest, shape, known), shape, sigma)
        if tried:
            outcome.stats["degrees"] = [asdict(one) for one in tried]
        seconds = time.perf_counter() - begin
        result = _result(family, interval, sheet, outcome, shape, {**given, "loss_options": options}, seconds)
    if strict and result.status is not Status.CONVERGED:
        raise StatusError(f"Not converged: {result.message}", result)
    if strict and not outcome.stats["dof"] > 0:
        raise StatusError(f"{result.count} rows leave no degrees of freedom. Give more, or a lower degree.", result)
    return result


@dataclass(frozen=True)
class Outcome:
    """A fit and what is known of it: its loss, and whether that is the least one."""

    fitted: Fitted
    stats: dict[str, Any]
    loss: float
    kind: str | None
    status: Status
    message: str


def _squared(fitted: Fitted, shape: Shape, sigma: Any) -> Outcome:
    stats = statistics(fitted, shape, absolute=sigma is not None)
    kind = "exact" if math.isfinite(stats["rss"]) else None
    return Outcome(fitted, stats, stats["rss"], kind, Status.CONVERGED, "Solved.")


def _by_loss(rows: Partitions, degree: int, shape: Shape, loss: Loss, options: Mapping[str, float]) -> Outcome:
    found = fit_loss(rows, degree, shape, loss, options)
    stats = loss_statistics(found.fitted, shape, found.robust)
    stats["low_weight"] = found.low.document()
    robust = found.robust
    return Outcome(found.fitted, stats, robust.value, robust.kind, robust.status, robust.message)


def _check_together(loss: Any, by: Any, exact: bool, degree: Any) -> None:
    """Refuse what does not go together, and what is not built yet, rather than to leave it out in silence."""
    squared = loss is None or loss.name == "squared"
    if exact and not squared:
        raise ArgumentError(f"exact belongs to the squared loss, got loss {loss.name!r}. Leave one of them out.")
    if degree == AUTO and not squared:
        raise ArgumentError(f"degree='auto' compares squared errors, got loss {loss.name!r}. Give a degree.")
    if by is not None:
        raise ArgumentError("fit has no groups so far. Leave out by, and fit each group by itself.")


def _no_loss(loss: Any) -> Any:
    raise ArgumentError(f"loss must be the name of a loss such as 'squared', got {loss!r}.")


def _check_many(family: Family, domain: Any) -> None:
    if family.name not in ("chebyshev", "power"):
        raise ArgumentError(f"basis must be 'chebyshev' or 'power' with several columns of x, got {family.name!r}.")
    if domain is not None:
        raise ArgumentError("domain cannot be given with several columns of x; each is mapped from its own range.")


def read_form(width: int, degree: Any, powers: Any, fixed: Any, through: Any) -> tuple[int | None, Shape]:
    """Return the degree, None where it is to be chosen, and the shape of the polynomials."""
    check = Arguments()
    held = check(lambda: _read_fixed(width, fixed)) or {}
    points = check(lambda: _read_points(width, through)) or []
    chosen = check(lambda: _read_powers(width, degree, powers))
    check.done()
    if chosen is None:
        return None, Shape(None, held, points)
    if powers is None:
        outside = [index for index in held if sum(index) > chosen[0]]
        if outside:
            raise ArgumentError(f"fixed has power {_said(outside[0])}, beyond degree {chosen[0]}. Raise degree.")
        return chosen[0], Shape(None, held, points)
    allowed = [*chosen[1], *(index for index in held if index not in chosen[1])]
    return max(sum(index) for index in allowed), Shape(allowed, held, points)


def _read_powers(width: int, degree: Any, powers: Any) -> tuple[int, list[Index]] | None:
    if powers is None and degree == AUTO:
        return None
    if powers is None:
        return check_powers(degree, None)[-1], []
    if width == 1:
        return 0, [(power,) for power in check_powers(None, powers)]
    found = [_read_index(width, power, "each of powers") for power in powers]
    if len(set(found)) < len(found) or not found:
        raise ArgumentError("powers must name each power once, and at least one.")
    return 0, found


def _read_index(width: int, power: Any, name: str) -> Index:
    parts = power if isinstance(power, (tuple, list)) else (power,)
    if len(parts) != width:
        raise ArgumentError(f"{name} must have one power for each of {width} columns of x, got {power!r}.")
    return tuple(check_powers(part, None)[-1] for part in parts)


def _read_fixed(width: int, fixed: Any) -> dict[Index, Fraction]:
    if fixed is None:
        return {}
    if not isinstance(fixed, Mapping):
        raise ArgumentError(f"fixed must map powers to values such as {{0: 0}}, got {fixed!r}.")
    none = (0,) * width
    return {
        none if power == 0 else _read_index(width, power, "each power of fixed"): Fraction(number(value, "fixed"))
        for power, value in fixed.items()
    }


def _read_points(width: int, through: Any) -> list[tuple[list[Fraction], Fraction]]:
    if through is None:
        return []
    points = list(through) if isinstance(through, Iterable) and not isinstance(through, str) else None
    if points and not isinstance(points[0], Iterable):
        points = [points]
    if not points or any(isinstance(point, str) or len(list(point)) != width + 1 for point in points):
        raise ArgumentError(f"through must be points of {width + 1} numbers, x and then y, got {through!r}.")
    read = [[Fraction(number(value, "through")) for value in point] for point in points]
    return [(point[:-1], point[-1]) for point in read]


def _said(index: Index) -> str:
    return str(index[0]) if len(index) == 1 else str(index)


def _result(
    family: Family,
    interval: Domain | None,
    sheet: Sheet,
    outcome: Outcome,
    shape: Shape,
    arguments: Mapping[str, Any],
    seconds: float,
) -> Result:
    fitted, found = outcome.fitted, outcome.stats
    frame = fitted.frame
    low, high = frame.lows[0], frame.highs[0]
    if interval is None:
        half = 0.0 if low < high else max(abs(low), 1.0) / 2  # one value of x makes no interval
        interval = Domain(low - half, high + half)
    window = family.window if family.mapped else None
    several = len(frame.lows) > 1
    domain = Domain(interval.a, interval.b, window)
    if not math.isfinite(domain.scale):
        raise DataError(f"x spans {interval.b - interval.a!r}, too little to be mapped in float64. Scale x.")
    coef = _coef_of_many(fitted, found, family) if several else in_basis(fitted, family, domain)
    if not np.isfinite(coef).all():
        raise DataError("a coefficient is beyond the range of float64. Scale x or y.")
    powers = sorted({sum(index) for index in shape.powers or fitted.system.columns})
    result = Result(
        verb="fit",
        coef=np.array(coef),
        basis=family.name,
        domain=(domain.a, domain.b),
        window=window,
        powers=tuple(powers),
        target=sheet.about,
        loss=outcome.loss,
        optimum=None if outcome.kind is None else outcome.loss,
        optimum_kind=outcome.kind,
        optimum_coef=None,
        excess=None if outcome.kind is None else 0.0,
        gap=0.0 if outcome.kind is not None and outcome.loss else None,
        sup_error=math.nan,
        sup_error_kind="sampled",
        trace=Trace(),
        status=outcome.status,
        message=outcome.message,
        steps=0,
        seconds=seconds,
        engine="",
        seed=None,
        count=found["rows"],
        samples=sheet.samples() if sheet.held else None,
        arguments={name: plain(value) for name, value in arguments.items()},
        method={},
        versions={"polyoptim": __version__, "numpy": np.__version__},
        notes=tuple(sheet.notes),
        stats=found,
        terms=tuple(fitted.system.columns) if several else None,
        domains=tuple(zip(frame.lows, frame.highs, strict=True)) if several else None,
    )
    if sheet.held:
        return replace(result, sup_error=sheet.rows(cores()).total(partial(_missed, result)).size)
    said = "The largest residual was not measured, and no rows are kept for a picture: it would take one more pass."
    return replace(result, notes=(*result.notes, said))


def _coef_of_many(fitted: Fitted, found: Mapping[str, Any], family: Family) -> list[float]:
    """Return the coefficients with several columns of x: of products of T_k(u) on their ranges, or of powers of x."""
    if family.name == "power":
        return list(found["coef_power"])
    return [nearest(fitted.solved.coef[place, 0]) for place in range(fitted.solved.coef.nrows())]


@dataclass(frozen=True)
class Largest:
    """The largest of some numbers >= 0; ``+`` takes the larger one."""

    size: float

    def __add__(self, other: Largest) -> Largest:
        return max(self, other, key=lambda one: one.size)


def _missed(result: Result, part: Part) -> Largest:
    """Return the largest abs(p(x) - y) on a part."""
    return Largest(max(_largest_error(result, piece) for piece in pieces(part, AT_A_TIME)))


def _largest_error(result: Result, part: Part) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        error = np.abs(result(part.x[0] if len(part.x) == 1 else np.stack(part.x, axis=-1)) - part.y)
    counted = error if part.weight is None else error[part.weight > 0]
    return float(counted.max(initial=0.0))
