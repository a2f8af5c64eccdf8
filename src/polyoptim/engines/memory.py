"""What an optimizer remembers: its state along a run, in torch's names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from polyoptim.engines.method import Method
from polyoptim.engines.steps import Evaluate, RuleSteps

Array = npt.NDArray[np.float64]


@np.errstate(all="ignore")
def remembered(
    method: Method, coef: Sequence[float], bias: bool, evaluate: Evaluate, marks: Sequence[int]
) -> dict[str, Array]:
    """Return the state of the optimizer after so many updates as each of `marks` says, ascending.

    The run is made again by the rule as it stands, one update at a time, about 20 µs each at four coefficients: the
    same floats as in the run, which no tolerance stops.

    Parameters
    ----------
    method : a new one, with rule and schedule.
    coef, bias : the start, and whether there is a constant.
    evaluate : the loss and its gradient.

    Returns
    -------
    dict
        The name in torch to an array of shape (marks, coefficients); empty for a rule whose state does not belong to
        single coefficients (LBFGS, Adafactor). What such a rule keeps without using it stays zero and is left out.

    Examples
    --------
    >>> from polyoptim.engines.plan import Plan
    >>> plan = Plan("SGD", {"momentum": 0.5}, 0.1, None, {}, 2, None, 1, None, None, 0, "float64", "cpu")
    >>> found = remembered(Method(plan), [1.0], True, lambda at: (at[0] ** 2, [2 * at[0]]), [0, 1, 2])
    >>> found["momentum_buffer"].tolist()
    [[0.0], [2.0], [2.6]]
    """
    rule = method.rule
    if rule.functions is None:
        return {}
    steps, rows, made = RuleSteps(method, coef, bias, evaluate), [], 0
    for mark in marks:
        while made < mark:
            method.advance(steps.one(made, method.numbers()))
            made += 1
        rows.append(steps.snapshot()[len(rule.scalars) :])
    table = np.array(rows, dtype=np.float64).reshape(len(rows), len(coef), -1)
    columns = {name: table[:, :, place] for place, name in enumerate(rule.state)}
    return {name: column for name, column in columns.items() if column.any()}
