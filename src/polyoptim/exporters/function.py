"""A NumPy function: the polynomial and nothing else."""

from __future__ import annotations

from polyoptim.exporters.script import one_line, plain_source
from polyoptim.reports.curves import kind_of_polynomial
from polyoptim.reports.formula import mapped_variable
from polyoptim.result import Result


def function(result: Result) -> str:
    """Return a module with ``polynomial(x)``, which gives the floats of the result, bit for bit."""
    a, b = result.domain
    rule = plain_source(result.family.recurrence).rstrip()
    name = result.family.recurrence.__name__
    domain = result.map
    mapping = "u = x"
    where = "x"
    if result.window is not None:
        mapping = f"u = (x - {domain.center!r}) * {domain.scale!r} + {domain.offset!r}"
        where = f"u = {mapped_variable(result)}"
    coefs = "\n".join(f"    {value!r}," for value in result.coef.tolist())
    return f'''"""A {kind_of_polynomial(result)}, written by polyoptim {one_line(result.versions["polyoptim"])}.

{result.formula}
"""

import numpy as np

# Coefficients in the {result.basis} basis of {where}, lowest degree first.
COEF = [
{coefs}
]
DOMAIN = ({a!r}, {b!r})


{rule}


def polynomial(x):
    """Return the polynomial at x, in float64, of the shape of x."""
    x = np.asarray(x, dtype=np.float64)
    {mapping}
    last, before = np.zeros_like(u), np.zeros_like(u)
    for k in reversed(range(len(COEF))):
        a, b, _ = {name}(k)
        c = {name}(k + 1)[2]
        last, before = COEF[k] + (a * u + b) * last - c * before, last
    return last[()]
'''
