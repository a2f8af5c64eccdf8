"""LaTeX: the formula as an equation."""

from __future__ import annotations

from polyoptim.exporters.manifest import sealed, with_coefficients
from polyoptim.exporters.script import one_line
from polyoptim.reports.curves import kind_of_polynomial
from polyoptim.reports.formula import latex as formula
from polyoptim.result import Result


def latex(result: Result) -> str:
    """Return an equation, with where it comes from in a comment."""
    a, b = result.domain
    version = one_line(result.versions["polyoptim"])
    about = f"{with_coefficients(result, 'latex', '% ')}\n" if result.verb == "approximate" else ""
    return sealed(
        f"{about}% A {kind_of_polynomial(result)} on [{a!r}, {b!r}], written by polyoptim {version}.\n"
        f"% {result.formula_note}\n"
        f"\\begin{{equation}}\n  {formula(result)}\n\\end{{equation}}\n"
    )
