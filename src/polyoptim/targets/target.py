"""Target: what the user wants predicted, in any of its forms, and its samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from polyoptim.domain import Domain
from polyoptim.errors import ArgumentError, DataError
from polyoptim.targets.expression import Expression, parse
from polyoptim.targets.files import is_file
from polyoptim.targets.samples import SAMPLERS, Samples, check_finite, check_lengths, check_weight, column, columns_of
from polyoptim.targets.source import is_table
from polyoptim.targets.table import read


class Target:
    """What is to be predicted, recognised but not yet sampled.

    Parameters
    ----------
    target : an expression in x, a function, the values of x, the path of a CSV file, or a table.
    y, x, weight : values with arrays; names of columns with a file or a table.

    Raises
    ------
    ArgumentError, DataError
        Where they do not go together, or hold what is no number.
    """

    def __init__(self, target: Any, y: Any, x: Any, weight: Any) -> None:
        self.expression: Expression | None = None
        self.function: Callable[[Any], Any] | None = None
        self.data: tuple[Any, Any, Any] | None = None
        if is_file(target) or is_table(target):
            found = read(target, {"x": x, "y": y, "weight": weight})
            self.data = (found["x"], found["y"], found["weight"])
            names = {name: value for name, value in (("x", x), ("y", y), ("weight", weight)) if value is not None}
            text = str(target) if is_file(target) else "a table"
            self.about = {"kind": "table", "text": text, **names}
        elif isinstance(target, str) or (callable(target) and (y is None or not hasattr(target, "__array__"))):
            given = [name for name, value in (("x", x), ("y", y), ("weight", weight)) if value is not None]
            if given:
                raise ArgumentError(
                    f"{' and '.join(given)} cannot be given where the target is a function; "
                    "they belong to arrays and tables."
                )
            if isinstance(target, str):
                self.expression = parse(target)
                self.about = {"kind": "expression", "text": target}
            else:
                self.function = target
                self.about = {"kind": "callable", "text": getattr(target, "__name__", type(target).__name__)}
        else:
            if x is not None:
                raise ArgumentError("x names a column of a table; with arrays write train(x, y).")
            if y is None:
                raise ArgumentError(
                    "the target is neither an expression, a function, a file nor a table. "
                    "For arrays give x and y: train(x, y)."
                )
            self.data = (_inputs(target), column(y, "y"), None if weight is None else column(weight, "weight"))
            self.about = {"kind": "arrays", "text": "arrays"}

    @property
    def width(self) -> int:
        """How many columns x has."""
        return 1 if self.data is None or self.data[0].ndim == 1 else int(self.data[0].shape[1])

    @property
    def is_data(self) -> bool:
        """Whether the samples are given rather than drawn from a function."""
        return self.data is not None

    def points(self, domain: Domain, count: int, dtype: str, sampler_name: str) -> Samples:
        """Return the samples as the engine will see them, in the arithmetic of its sampler."""
        sampler = SAMPLERS[sampler_name]
        if self.data is None:
            what = f"the target {self.about['text']!r}"
            task = (self.expression or self.function, domain.a, domain.b, count, dtype, what)
            try:
                x, y = sampler.sample(*task)
            except DataError:
                if self.function is None or sampler_name == "torch":
                    raise
                x, y = SAMPLERS["torch"].sample(*task)  # one of torch's own functions, or it says why not
            check_finite(x, y, what)
            return Samples(x, y)
        check_lengths(x=self.data[0], y=self.data[1], weight=self.data[2])
        check_weight(self.data[2])
        rounded = {}
        for name, values in zip(("x", "y", "weight"), self.data, strict=True):
            if values is None:
                continue
            rounded[name] = sampler.round_to(values, dtype)
            if not np.isfinite(rounded[name]).all():
                place = np.unravel_index(int(np.argmax(~np.isfinite(rounded[name]))), values.shape)
                where = f"{name}{place[1] + 1}" if len(place) > 1 else name
                raise DataError(
                    f"{where}[{place[0]}] is {values[place]}, beyond the range of {dtype}. Use dtype='float64'."
                )
        check_weight(rounded.get("weight"))
        return Samples(rounded["x"], rounded["y"], rounded.get("weight"))

    def notes(self, points: Samples, dtype: str) -> list[str]:
        """Return what rounding to the dtype has lost."""
        if points.width > 1 or (points.x[1:] > points.x[:-1]).all():  # a fifth of the time of what follows
            return []
        before = len(points) if self.data is None else len(np.unique(self.data[0]))
        after = len(np.unique(points.x))
        if after == before:
            return []
        return [
            f"{dtype} cannot tell all values of x apart: {before} different ones became {after}. Use dtype='float64'."
        ]


def _inputs(x: Any) -> npt.NDArray[np.float64]:
    """Return x in float64, shape (n,), or (n, p) for p columns."""
    read = {name: column(values, name) for name, values in columns_of(x).items()}
    return read["x"] if "x" in read else np.stack(list(read.values()), axis=-1)
