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
from polyoptim.arguments import Arguments, check_columns, check_powers, read_options, read_size, resolve_domain
from polyoptim.bases import FAMILIES
from polyoptim.bases.family import Family
from polyoptim.canonical import plain
from polyoptim.domain import Domain
from polyoptim.engines.surroundings import cores
from polyoptim.errors import ArgumentError, StatusError
from polyoptim.grouped import Task, fit_table
from polyoptim.losses import Loss, find_loss
from polyoptim.moments import Index
from polyoptim.outcome import Outcome, in_family, loss_outcome, squared_outcome
from polyoptim.result import Result
from polyoptim.result_table import ResultTable
from polyoptim.solution import Status, Trace
from polyoptim.solvers.normal_equations import Shape, system_of_rationals
from polyoptim.solvers.selection import Tried, choose_degree
from polyoptim.solvers.squared import fit_rationals, fit_squared, frame_of
from polyoptim.targets.expression import number
from polyoptim.targets.grouping import group
from polyoptim.targets.partitions import Local, Part, pieces
from polyoptim.targets.sheet import ArraySheet, Sheet, is_collection, open_sheet, roles

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
) -> Result | Any:  # a ResultTable with `by`, so that nobody without it has to tell the two apart
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
        rows that are left out of the fit is within one standard error of the least, up to 12, and up to 200 terms.
    powers : the powers of x that may appear; with several columns one tuple of powers each.
    fixed : coefficients of powers of x that keep their value, such as ``{0: 0}``; their standard error is 0.
    through : points (x, y) that the curve goes through.
    basis, domain : in which `coef` of the result stands; the domain is the range of x unless one is given.
    loss, loss_options : how far a residual is: any loss by name, as for `train`. Their optimum is found by descent and
        proved by a lower bound where they are convex; from partitions, or where the rows are too many for memory, by
        sums over the rows. Lengths such as delta are in the unit of y.
    ridge : what the squares of the Chebyshev coefficients on the range of x, all but the constant's, are multiplied by
        and added to the loss.
    by : a column of labels, text or integers, or an array of them: one polynomial for each group of rows with the same
        label, each on its own range of x.
    missing : "raise" for an error at the first missing value, "drop" to leave such rows out.
    exact : read decimals as rational numbers, and return correctly rounded coefficients and standard errors.
    strict : raise StatusError where the rows leave no degrees of freedom, so that there are no errors.
    scheduler : the address of a scheduler of dask.distributed, such as "tcp://host:8786", or a client: its workers read
        the files, or reduce dask's collections. Without one, those go to the current client, or this machine's cores.

    Returns
    -------
    Result
        With `stats`: "coef_power" and "stderr_power" in plain powers of x, lowest first, "sigma", "r2", …
    ResultTable
        With `by`: status and statistics for each group; one that cannot be fitted says why and the others are done.

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
    arguments = {name: value for name, value in locals().items() if name not in apart}
    begin = time.perf_counter()
    check = Arguments()
    family: Family = check(lambda: FAMILIES[basis])
    used = check(lambda: find_loss(loss) if isinstance(loss, str) else _no_loss(loss))
    check(lambda: _check_together(used, by, exact, degree))
    options = check(lambda: used.check(read_options(loss_options, "loss_options")) if used else {})
    penalty = check(lambda: read_size(ridge, "ridge"))
    interval = check(lambda: None if domain is None else resolve_domain(domain, None))
    check(lambda: _check_far(by, scheduler, data, y))
    with ExitStack() as opened:
        sheet: Sheet = check(
            lambda: opened.enter_context(closing(open_sheet(data, y, x, weight, sigma, missing, by, scheduler)))
        )
        width = len(sheet.x) if sheet else 1
        if width > 1 and family is not None:
            check(lambda: check_columns(family, domain))
        form = check(lambda: read_form(width, degree, powers, fixed, through))
        check.done()
        assert form is not None  # noqa: S101 - check.done has raised otherwise
        arguments["loss_options"] = options
        highest, shape = form
        shape = Shape(shape.powers, shape.fixed, shape.through, Fraction(penalty))
        tried: list[Tried] = []
        absolute = sigma is not None
        if by is not None:
            table = _by_groups(sheet, highest, shape, family, interval, used, arguments, absolute=absolute, begin=begin)
            if strict and (table.codes != 0).any():
                raise StatusError(f"{np.count_nonzero(table.codes)} of {len(table)} groups did not converge.", table)
            return table
        rows = sheet.rows(cores())
        if highest is None:
            highest, tried = choose_degree(rows, shape, absolute)
        if used.name != "squared":
            outcome = loss_outcome(rows, highest, shape, used, options)
        elif exact:
            exactly = system_of_rationals(highest, *sheet.rationals(), shape)
            outcome = squared_outcome(fit_rationals(exactly, shape), shape, absolute=absolute)
        else:
            extent = sheet.extent()
            known = None if extent is None else frame_of(highest, extent)
            outcome = squared_outcome(fit_squared(rows, highest, shape, known), shape, absolute=absolute)
        if tried:
            outcome.stats["degrees"] = [asdict(one) for one in tried]
        seconds = time.perf_counter() - begin
        result = result_of(family, interval, sheet, outcome, shape, arguments, seconds)
    if strict and result.status is not Status.CONVERGED:
        raise StatusError(f"Not converged: {result.message}", result)
    if strict and not outcome.stats["dof"] > 0:
        raise StatusError(f"{result.count} rows leave no degrees of freedom. Give more, or a lower degree.", result)
    return result


def _by_groups(
    sheet: Sheet,
    degree: int,
    shape: Shape,
    family: Family,
    interval: Domain | None,
    loss: Loss,
    arguments: Mapping[str, Any],
    *,
    absolute: bool,
    begin: float,
) -> ResultTable:
    """Return a polynomial for each group of a sheet with labels."""
    whole = sheet.whole()
    name = str(sheet.about.get("by", "by"))
    arguments = {**arguments, "by": name}

    def solve(part: Part) -> Outcome:
        if loss.name != "squared":
            return loss_outcome(Local(lambda: [part]), degree, shape, loss, arguments["loss_options"])
        return squared_outcome(fit_squared(Local(lambda: [part]), degree, shape), shape, absolute=absolute)

    def present(part: Part, outcome: Outcome, label: Any) -> Result:
        columns = {**dict(zip(roles(len(part.x)), part.x, strict=True)), "y": part.y}
        columns |= {} if part.weight is None else {"weight": part.weight}
        own = ArraySheet(columns, sheet.x, {**sheet.about, "by": name, "group": label})
        return result_of(family, interval, own, outcome, shape, arguments, 0.0)

    task = Task(degree, shape, family, interval, loss.name, absolute, solve, present)
    about = {"target": sheet.about, "arguments": {key: plain(value) for key, value in arguments.items()}}
    return fit_table(whole, group(sheet.labels), task, name, {**about, "notes": sheet.notes, "begin": begin})


def _check_together(loss: Any, by: Any, exact: bool, degree: Any) -> None:
    """Refuse what does not go together, and what is not built yet, rather than to leave it out in silence."""
    squared = loss is None or loss.name == "squared"
    if exact and not squared:
        raise ArgumentError(f"exact belongs to the squared loss, got loss {loss.name!r}. Leave one of them out.")
    if degree == AUTO and not squared:
        raise ArgumentError(f"degree='auto' compares squared errors, got loss {loss.name!r}. Give a degree.")
    if by is not None and (exact or degree == AUTO):
        said = "exact" if exact else "degree='auto'"
        raise ArgumentError(
            f"{said} is for one polynomial, not for each group. Leave it out, or fit groups one by one."
        )


def _check_far(by: Any, scheduler: Any, data: Any, y: Any) -> None:
    """Refuse groups of rows that are not in memory."""
    if by is not None and (scheduler is not None or is_collection(data) or is_collection(y)):
        raise ArgumentError("by takes rows in memory, not partitions. Compute the data first, or leave out by.")


def _no_loss(loss: Any) -> Any:
    raise ArgumentError(f"loss must be the name of a loss such as 'squared', got {loss!r}.")


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


def result_of(
    family: Family,
    interval: Domain | None,
    sheet: Sheet,
    outcome: Outcome,
    shape: Shape,
    arguments: Mapping[str, Any],
    seconds: float,
) -> Result:
    """Return the result of a fit."""
    fitted, found = outcome.fitted, outcome.stats
    frame = fitted.frame
    several = len(frame.lows) > 1
    coef, domain = in_family(outcome, family, interval)
    powers = sorted({sum(index) for index in shape.powers or fitted.system.columns})
    result = Result(
        verb="fit",
        coef=coef,
        basis=family.name,
        domain=(domain.a, domain.b),
        window=domain.window,
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
        domains=tuple((one.a, one.b) for one in frame.domains(domain.window)) if several else None,
    )
    if sheet.held:
        return replace(result, sup_error=sheet.rows(cores()).total(partial(_missed, result)).size)
    said = "The largest residual was not measured, and no rows are kept for a picture: it would take one more pass."
    return replace(result, notes=(*result.notes, said))


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
