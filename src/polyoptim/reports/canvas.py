"""A small plot drawn in characters: curves in braille dots, a second curve as middle dots, a level as a line."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# Unicode's braille patterns: a cell of 2 × 4 dots, the bit of each dot by (row, column).
_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BRAILLE = 0x2800


class Canvas:
    """A grid of character cells over the rectangle [left, right] × [bottom, top].

    Parameters
    ----------
    width, height : in characters.
    plain : draw with ASCII only, for terminals that know no more.

    Examples
    --------
    >>> canvas = Canvas(4, 2, (0, 1), (0, 1), plain=True)
    >>> canvas.curve([0, 1], [0, 1])
    >>> canvas.lines()
    ['  **', '**  ']
    """

    def __init__(
        self, width: int, height: int, x_range: tuple[float, float], y_range: tuple[float, float], plain: bool = False
    ) -> None:
        self.width, self.height, self.plain = width, height, plain
        self.x_range, self.y_range = x_range, y_range
        self._dots = np.zeros((4 * height, 2 * width), dtype=bool)
        self._marks: dict[tuple[int, int], str] = {}

    def curve(self, x: npt.ArrayLike, y: npt.ArrayLike) -> None:
        """Draw the line through the points; what lies outside is left out."""
        columns, rows = self._places(x, y, 2 * self.width, 4 * self.height)
        for start in range(len(columns) - 1):
            across: list[float] = columns[start : start + 2].tolist()
            down: list[float] = rows[start : start + 2].tolist()
            if not np.isfinite(across + down).all():
                continue
            length = abs(across[1] - across[0]) + abs(down[1] - down[0])
            count = int(min(length, 8 * (self.width + self.height))) + 2
            for column, row in zip(
                np.linspace(across[0], across[1], count), np.linspace(down[0], down[1], count), strict=True
            ):
                place = round(float(row)), round(float(column))
                if 0 <= place[0] < 4 * self.height and 0 <= place[1] < 2 * self.width:
                    self._dots[place] = True

    def points(self, x: npt.ArrayLike, y: npt.ArrayLike) -> None:
        """Mark the cells of the points with a middle dot, behind the curves."""
        self._mark(x, y, "." if self.plain else "·")

    def level(self, y: float) -> None:
        """Draw a horizontal line behind the curves."""
        middle = np.linspace(*self.x_range, 2 * self.width)
        self._mark(middle, np.full_like(middle, y), "-" if self.plain else "─")

    def lines(self) -> list[str]:
        """Return the drawing, one text of `width` characters for each line."""
        return ["".join(self._cell(row, column) for column in range(self.width)) for row in range(self.height)]

    def _cell(self, row: int, column: int) -> str:
        dots = self._dots[4 * row : 4 * row + 4, 2 * column : 2 * column + 2]
        if not dots.any():
            return self._marks.get((row, column), " ")
        if self.plain:
            return "*"
        return chr(_BRAILLE + sum(_BITS[r][c] for r in range(4) for c in range(2) if dots[r, c]))

    def _mark(self, x: npt.ArrayLike, y: npt.ArrayLike, mark: str) -> None:
        columns, rows = self._places(x, y, self.width, self.height)
        for column, row in zip(columns, rows, strict=True):
            if np.isfinite(column) and np.isfinite(row):
                self._marks[round(float(row)), round(float(column))] = mark

    def _places(
        self, x: npt.ArrayLike, y: npt.ArrayLike, width: int, height: int
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return columns and rows on a grid of width × height, the first row at the top."""
        (left, right), (bottom, top) = self.x_range, self.y_range
        with np.errstate(over="ignore", invalid="ignore"):
            columns = (np.asarray(x, dtype=np.float64) - left) / ((right - left) or 1.0) * (width - 1)
            rows = (top - np.asarray(y, dtype=np.float64)) / ((top - bottom) or 1.0) * (height - 1)
        return columns, rows
