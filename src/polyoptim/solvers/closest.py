"""Closest: the point of a lattice that is nearest to 0, by enumeration.

C. P. Schnorr, M. Euchner, Lattice basis reduction: improved practical algorithms and solving subset sum problems, Math.
Program. 66, 181-199, 1994, doi:10.1007/BF01581144; E. Agrell, T. Eriksson, A. Vardy, K. Zeger, Closest point search in
lattices, IEEE Trans. Inf. Theory 48, 2201-2214, 2002, doi:10.1109/TIT.2002.800499.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

FINE = 1e-5  # of the radius: steps as short are rounded and not enumerated, which changes distances by half its square
SLACK = 1e-12  # relative, of the float64 sums in which distances are counted


@dataclass
class Enumeration:
    """The points of a lattice nearer than a radius, the nearest branches first.

    Parameters
    ----------
    columns : of a reduced basis, the short vectors first, shape (rows, m).
    offset : the point at g = 0, shape (rows,).
    radius : beyond which no point is of interest.
    take : is told g of every point in reach; returns the new radius.
    nodes : of the tree, after which the search stops.
    """

    columns: Array
    offset: Array
    radius: float
    take: Callable[[list[int]], float]
    nodes: int

    def run(self) -> bool:
        """Search; tell whether the whole tree was seen."""
        self._sizes = np.linalg.norm(self.columns, axis=0)
        q, r = np.linalg.qr(self.columns / self._sizes)
        self._rows = (r * self._sizes).tolist()
        middle = q.T @ self.offset
        self._apart = max(float(self.offset @ self.offset - middle @ middle), 0.0)
        self._middle = middle.tolist()
        self._steps = np.abs(np.diag(r)) * self._sizes
        self._fine = int(np.argmax(np.r_[self._steps >= FINE * self.radius, True]))
        size = len(self._middle)
        self._g = [0] * size
        return self._descend(size - 1, self._apart)

    def _descend(self, level: int, distance: float) -> bool:
        """Try the numbers of a level, the nearest first, each with the levels below it."""
        if level < 0:
            self.radius = min(self.radius, self.take(list(self._g)))
            return True
        row = self._rows[level]
        middle = self._middle[level]
        for k in range(level + 1, len(self._g)):
            middle += row[k] * self._g[k]
        step = row[level]
        best = -middle / step
        number = round(best)
        way = 1 if best >= number else -1
        tried = 0
        while True:
            left = middle + step * number
            total = distance + left * left
            if level < self._fine:
                total = distance
            if total > self.radius * self.radius * (1 + SLACK):
                return True
            if self.nodes <= 0:
                return False
            self.nodes -= 1
            self._g[level] = number
            if not self._descend(level - 1, total):
                return False
            if level < self._fine:
                return True
            tried += 1
            number += way * tried
            way = -way
