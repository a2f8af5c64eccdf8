"""ResultTable: one polynomial for each group of rows, with status and statistics, as one table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.bases import FAMILIES
from polyoptim.domain import Domain
from polyoptim.errors import ArgumentError, DataError
from polyoptim.result import REPORTS, Result
from polyoptim.solution import Status
from polyoptim.tables import Table, plain

Array = npt.NDArray[np.float64]
STATUSES = (Status.CONVERGED, Status.STEPS_DONE, Status.RANK_DEFICIENT, Status.FAILED)


@dataclass(frozen=True, eq=False)
class ResultTable(Table):
    """Polynomials of the same shape, one for each group of rows.

    ``table[label]`` is the `Result` of one group, with everything that a fit of its rows alone has.

    Parameters
    ----------
    by : the column that the groups come from.
    labels : of the groups, integers before text, each ascending, shape (groups,).
    codes : how each group ended, as places in `STATUSES`, shape (groups,).
    messages : a sentence for each group that has no polynomial, by its place.
    count : rows of a weight > 0, shape (groups,).
    domain : of each group, shape (groups, 2), or (groups, columns, 2) with several columns of x.
    coef : in `basis` on that domain, lowest degree first, shape (groups, terms); nan without a polynomial.
    coef_power, stderr_power : in powers of x, with standard errors; nan without degrees of freedom.
    sigma : residual standard deviation; for other losses than the squared one the scale, shape (groups,).
    loss : of each group.
    rss, tss : sums of squares of the residuals, and of y about its mean (about 0 without a free constant).
    dof : degrees of freedom.
    terms : the power of each column of x in each coefficient.
    basis, window : the family, and onto which interval the domain is mapped.
    constant : whether the polynomials have a free constant.
    errors : "absolute", "relative" or "asymptotic".
    target, arguments, seconds, versions, notes : as in `Result`.

    Examples
    --------
    >>> from polyoptim import fit
    >>> table = fit([0, 1, 2, 0, 1, 2, 5], [1, 3, 5, 9, 8, 7, 0], by=[1, 1, 1, 2, 2, 2, 3], degree=1)
    >>> table.status.tolist(), table.coef_power[:2].tolist()
    (['converged', 'converged', 'rank_deficient'], [[1.0, 2.0], [9.0, -1.0]])
    >>> table[2].formula
    'y = 9 - x'
    """

    by: str
    labels: npt.NDArray[Any]
    codes: npt.NDArray[np.int8]
    messages: Mapping[int, str]
    count: npt.NDArray[np.int64]
    domain: Array
    coef: Array
    coef_power: Array
    stderr_power: Array
    sigma: Array
    loss: Array
    rss: Array
    tss: Array
    dof: Array
    terms: tuple[tuple[int, ...], ...]
    basis: str
    window: tuple[float, float] | None
    constant: bool
    errors: str
    target: Mapping[str, Any]
    arguments: Mapping[str, Any]
    seconds: float
    versions: Mapping[str, str]
    notes: tuple[str, ...]
    single: Callable[[int], Result] = field(repr=False)
    verb: str = "fit"

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.labels.tolist())

    def __contains__(self, label: Any) -> bool:
        return label in self._places

    def has(self, label: Any) -> bool:
        """Tell whether the group with this label has a polynomial."""
        return self._place(label) not in self.messages

    def __getitem__(self, label: Any) -> Result:
        """Return the result of the group with this label.

        Raises
        ------
        ArgumentError
            Where there is no such group.
        DataError
            Where it has no polynomial.
        """
        place = self._place(label)
        if place in self.messages:
            raise DataError(f"group {label!r} has no polynomial: {self.messages[place]}")
        return self.single(place)

    @cached_property
    def _places(self) -> dict[Any, int]:
        return {label: place for place, label in enumerate(self.labels.tolist())}

    def _place(self, label: Any) -> int:
        label = label.item() if isinstance(label, np.generic) else label
        if label not in self._places:
            near = ", ".join(map(repr, self.labels[:5].tolist()))
            raise ArgumentError(f"no group of {self.by!r} has the label {label!r}. The first labels: {near}.")
        return self._places[label]

    @property
    def status(self) -> npt.NDArray[np.str_]:
        """How each group ended: converged, steps_done (not known to be least), rank_deficient or failed."""
        return np.array([str(status) for status in STATUSES])[self.codes]

    @property
    def statuses(self) -> dict[str, int]:
        """How many groups ended in each way."""
        counts = np.bincount(self.codes, minlength=len(STATUSES)).tolist()
        return {str(status): count for status, count in zip(STATUSES, counts, strict=True) if count}

    @property
    def r2(self) -> Array:
        """The explained share of the squares of y."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.tss > 0, 1 - self.rss / self.tss, math.nan)

    @property
    def r2_adjusted(self) -> Array:
        """The same, with the degrees of freedom taken into account."""
        with np.errstate(divide="ignore", invalid="ignore"):
            share = self.rss / self.tss * ((self.count - self.constant) / self.dof)
            return np.where((self.tss > 0) & (self.dof > 0), 1 - share, math.nan)

    @property
    def t(self) -> Array:
        """Each coefficient in powers of x over its standard error."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.stderr_power > 0, self.coef_power / self.stderr_power, math.nan)

    @property
    def aicc(self) -> Array:
        """Akaike's criterion for few rows, as in `statistics`."""
        return self._criteria[0]

    @property
    def bic(self) -> Array:
        """The criterion of Schwarz."""
        return self._criteria[1]

    @cached_property
    def _criteria(self) -> tuple[Array, Array]:
        absolute = self.errors == "absolute"
        size = self.count - self.dof + (not absolute)
        rest = self.count - size - 1
        with np.errstate(divide="ignore", invalid="ignore"):
            plain_fit = self.count * (np.log(2 * math.pi * self.rss / self.count) + 1)
            likelihood = self.rss if absolute else plain_fit
            known = (self.rss > 0) & (rest > 0)
            aicc = likelihood + 2 * size + 2 * size * (size + 1) / rest
            bic = likelihood + size * np.log(self.count)
        return np.where(known, aicc, math.nan), np.where(known, bic, math.nan)

    def predict(self, x: npt.ArrayLike, by: Any) -> Array:
        """Return for each row the polynomial of its group at x.

        Parameters
        ----------
        x : shape (n,), or (n, p) with p columns of x.
        by : the label of each row, or one for all; a group without a polynomial gives nan.

        Notes
        -----
        Bands and what lies outside the data: ``table[label].predict(x, "confidence")``.
        """
        points = np.asarray(x, dtype=np.float64)
        width = 1 if self.domain.ndim == 2 else self.domain.shape[1]
        columns = points[..., None] if width == 1 else points
        if columns.shape[-1] != width:
            raise ArgumentError(f"x must have {width} columns, got shape {points.shape}.")
        given = np.asarray(by)
        if given.ndim and given.shape != columns.shape[:-1]:
            raise ArgumentError(f"by must have a label for each of {columns.shape[:-1]} rows, got shape {given.shape}.")
        places = np.array([self._place(label) for label in given.ravel().tolist()], dtype=np.int64)
        places = np.broadcast_to(places.reshape(given.shape), columns.shape[:-1])
        family, found = FAMILIES[self.basis], np.ones((*places.shape, len(self.terms)))
        degree = max(map(max, self.terms))
        ends = self.domain.reshape(len(self), width, 2)[places]
        for place in range(width):
            values = family.columns(self._mapped(columns[..., place], ends[..., place, :]), degree)
            for k, term in enumerate(self.terms):
                found[..., k] *= values[term[place]]
        result: Array = np.einsum("...k,...k->...", found, self.coef[places])
        return result

    def _mapped(self, x: Array, ends: Array) -> Array:
        """Return x in the variable of the basis, as `Domain.map` does."""
        if self.window is None:
            return x
        unit = Domain(-1.0, 1.0, self.window)
        a, b = ends[..., 0], ends[..., 1]
        mapped: Array = (x - (a / 2 + b / 2)) * (2 * unit.scale / (b - a)) + unit.offset
        return mapped

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """Return the table: one array a column, one entry a group."""
        names = ["_".join(map(str, term)) for term in self.terms]
        found = {self.by: self.labels, "status": self.status, "rows": self.count}
        found |= {f"coef_power_{name}": self.coef_power[:, k] for k, name in enumerate(names)}
        found |= {f"stderr_power_{name}": self.stderr_power[:, k] for k, name in enumerate(names)}
        numbers = ("sigma", "r2", "r2_adjusted", "aicc", "bic", "loss", "rss", "tss", "dof")
        return found | {name: getattr(self, name) for name in numbers}

    def to_dict(self) -> dict[str, Any]:
        """Return everything for JSON, a record for each group; what is not finite is None."""
        names = ("sigma", "r2", "r2_adjusted", "aicc", "bic", "rss", "tss", "dof")
        numbers = {name: plain(getattr(self, name)) for name in names}
        rows = {name: plain(getattr(self, name)) for name in ("coef", "coef_power", "stderr_power", "domain", "t")}
        status, count, loss = self.status.tolist(), self.count.tolist(), plain(self.loss)
        groups = [
            {
                "by": label,
                "status": status[place],
                "message": self.messages.get(place, "Solved."),
                "count": count[place],
                "coef": rows["coef"][place],
                "domain": rows["domain"][place],
                "loss": loss[place],
                "stats": {
                    **{name: rows[name][place] for name in ("coef_power", "stderr_power", "t")},
                    **{name: numbers[name][place] for name in names},
                    "rows": count[place],
                },
            }
            for place, label in enumerate(self.labels.tolist())
        ]
        return {
            "verb": self.verb,
            "by": self.by,
            "basis": self.basis,
            "window": self.window,
            "terms": [list(term) for term in self.terms],
            "errors": self.errors,
            "target": dict(self.target),
            "arguments": dict(self.arguments),
            "statuses": self.statuses,
            "groups": groups,
            "seconds": self.seconds,
            "versions": dict(self.versions),
            "notes": list(self.notes),
        }

    def report(self) -> str:
        """Return what a person wants to know, as aligned text."""
        return REPORTS["table"](self)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        ended = ", ".join(f"{count} {status}" for status, count in self.statuses.items())
        return f"<ResultTable of {self.verb}: {len(self)} groups by {self.by!r}; {ended}>"
