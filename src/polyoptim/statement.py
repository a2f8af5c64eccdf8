"""A problem as the user states it: read, checked, sampled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from polyoptim.arguments import Arguments, check_powers, read_count, resolve_domain
from polyoptim.bases import FAMILIES
from polyoptim.bases.family import Family
from polyoptim.domain import Domain
from polyoptim.errors import ArgumentError
from polyoptim.losses import find_loss
from polyoptim.problem import Problem
from polyoptim.registry import match
from polyoptim.targets.target import Target

# Left out, as this very object tells, it is the range of x where there are data.
DEFAULT_DOMAIN = ("-pi", "pi")
# What states a problem, by the words of train(), with its defaults; data come beside it.
DEFAULTS: Mapping[str, Any] = {
    "domain": DEFAULT_DOMAIN,
    "samples": 2000,
    "degree": 3,
    "powers": None,
    "basis": "power",
    "mapped": None,
    "reduction": "sum",
}


@dataclass(frozen=True)
class Statement:
    """A problem with the squared loss, in float64, and what is known of its target.

    Parameters
    ----------
    problem : the problem.
    about : "kind" and "text" of the target, as in a result.
    mapped : as it was given.
    """

    problem: Problem
    about: Mapping[str, Any]
    mapped: bool | None = None

    def with_words(self, *, basis: str | None = None, degree: Any = None) -> Problem:
        """Return the problem with another basis or degree, on the same samples."""
        family: Family = self.problem.family if basis is None else FAMILIES[basis]
        powers = self.problem.powers if degree is None else check_powers(degree, None)
        domain = replace(self.problem.domain, window=_window(family, self.mapped))
        return replace(self.problem, family=family, domain=domain, powers=powers)

    @property
    def words(self) -> dict[str, Any]:
        """The problem for JSON, in the words of train()."""
        problem = self.problem
        return {
            "domain": [problem.domain.a, problem.domain.b],
            "samples": len(problem.samples),
            "degree": problem.degree,
            "powers": list(problem.powers),
            "basis": problem.family.name,
            "mapped": problem.domain.window is not None,
            "reduction": problem.reduction,
        }


def state(target: Any, y: Any, x: Any, weight: Any, given: Mapping[str, Any], check: Arguments) -> Statement:
    """Return the problem that train() would make of these arguments, for the squared loss.

    Raises
    ------
    ArgumentError, DataError
        With a sentence for each wrong argument, those that `check` has collected too.
    """
    words = {**DEFAULTS, **given}
    family: Family = check(lambda: FAMILIES[words["basis"]])
    chosen = check(lambda: check_powers(words["degree"], words["powers"]))
    interval = check(lambda: resolve_domain(words["domain"], None))
    count = check(lambda: read_count(words["samples"]))
    reduction = check(lambda: match("reduction", words["reduction"], ("sum", "mean")))
    mapped = check(lambda: _read_mapped(words["mapped"]))
    what = check(lambda: _read_target(target, y, x, weight))
    check.done()
    points = what.points(interval, count, "float64", "numpy")
    if what.is_data and words["domain"] is DEFAULT_DOMAIN:
        interval = points.interval()
    domain = Domain(interval.a, interval.b, _window(family, mapped))
    return Statement(Problem(points, family, domain, chosen, find_loss("squared"), {}, reduction), what.about, mapped)


def _read_target(target: Any, y: Any, x: Any, weight: Any) -> Target:
    what = Target(target, y, x, weight)
    if what.width > 1:
        raise ArgumentError(f"x must have one column to compare runs, got {what.width}. Use train for several.")
    return what


def _window(family: Family, mapped: bool | None) -> tuple[float, float] | None:
    return family.window if (family.mapped if mapped is None else mapped) else None


def _read_mapped(mapped: Any) -> bool | None:
    if mapped is not None and not isinstance(mapped, bool):
        raise ArgumentError(f"mapped must be True, False or None, got {mapped!r}.")
    return mapped
