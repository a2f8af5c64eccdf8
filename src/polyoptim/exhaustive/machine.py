"""Machine: a program in registers, as the compiled loop runs it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from polyoptim.exhaustive_kernel import CODES
from polyoptim.formats import FORMATS, Format
from polyoptim.schemes import Program


class Step(Protocol):
    """One operation: a kind of `exhaustive_kernel.WORDS`, the names of its inputs and of its result."""

    @property
    def result(self) -> str: ...  # noqa: D102
    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def inputs(self) -> tuple[str, ...]: ...  # noqa: D102


@dataclass(frozen=True)
class Machine:
    """Operations on registers: the first holds x, those after it the constants, the others results.

    Parameters
    ----------
    steps : shape (operations, 5): the code of each, its result and its inputs a, b, c.
    constants : names, in the order of their registers.
    registers : how many there are.
    value : which holds the result.
    wide : whether registers are doubles, each result rounded to `own`, or words of 32 bits.
    own, output : the formats of x and of the operations, and of the value in the end.
    """

    steps: npt.NDArray[np.int64]
    constants: tuple[str, ...]
    registers: int
    value: int
    wide: bool
    own: Format
    output: Format

    def doubles(self, coef: Mapping[int, Fraction]) -> npt.NDArray[np.float64]:
        """Return the constants c0, c1, … of a polynomial with these coefficients."""
        return np.array([float(coef[int(name[1:])]) for name in self.constants])

    @property
    def formats(self) -> npt.NDArray[np.float64]:
        """What the loop is told of the formats."""
        rows = [_row(self.own), _row(self.output), [float(self.value), 0.0, 0.0, 0.0]]
        return np.array(rows)


def _row(own: Format) -> list[float]:
    digits, finest, largest = own.digits or 0, own.finest or 0, own.largest or Fraction(0)
    return [digits, finest, float(largest), float(own.spacing(largest))]


def machine_of(
    steps: Program | Sequence[Step],
    own: Format,
    output: Format,
    *,
    constants: Iterable[str] | None = None,
    value: str | None = None,
) -> Machine:
    """Return a machine for a program.

    Parameters
    ----------
    steps : a scheme's program, whose constants are its coefficients c0, c1, …; or operations on words of 32 bits.
    own, output : the formats in which each operation and the value in the end are rounded.
    constants, value : of operations that are no scheme's: names of constants, and which name holds the value.
    """
    if isinstance(steps, Program):
        operations: Sequence[Any] = steps.operations
        names, wanted = [f"c{power}" for power in steps.powers], steps.output
    else:
        operations, names, wanted = steps, list(constants or ()), str(value)
    wide = own != FORMATS["float32"]
    last = {name: place for place, one in enumerate(operations) for name in one.inputs}
    last[wanted] = len(operations)
    places = {"x": 0, **{name: place for place, name in enumerate(names, 1)}}
    kept = set(places)
    free: list[int] = []
    count = len(places)
    rows = []
    for place, one in enumerate(operations):
        inputs = [places[name] for name in one.inputs]
        if free:
            target = free.pop()
        else:
            target, count = count, count + 1
        free += [places[name] for name in sorted(set(one.inputs) - kept) if last[name] == place]
        places[one.result] = target
        rows.append([CODES[one.kind], target, *inputs, *[0] * (3 - len(inputs))])
    table = np.array(rows, dtype=np.int64).reshape(-1, 5)
    return Machine(table, tuple(names), count, places[wanted], wide, own, output)
