"""The least largest error over points of a lattice: a mixed-integer linear program, solved by HiGHS through SciPy.

Q. Huangfu, J. A. J. Hall, Parallelizing the dual revised simplex method, Math. Prog. Comp. 10, 119-142, 2018,
doi:10.1007/s12532-017-0130-5.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

Array = npt.NDArray[np.float64]

SLACK = 1e-6  # relative, HiGHS' tolerance
GAP = 1e-5  # relative, between the best point and the bound
OPTIMAL, LIMIT, INFEASIBLE = 0, 1, 2  # SciPy's statuses
_ONE = threading.Lock()


@dataclass(frozen=True)
class Limits:
    """The ends between which the products of a matrix, shape (k, m), with g must be, shape (k,) each."""

    matrix: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class Found:
    """A point, or None where there is none, what no point is below, and how many nodes HiGHS searched."""

    g: Array | None
    bound: float
    nodes: int


def least_largest(
    b: Array, offset: Array, whole: npt.NDArray[np.bool_], reach: Array, limits: Limits, nodes: int
) -> Found:
    """Find the g that makes the largest ``abs(offset + b @ g)`` least.

    Parameters
    ----------
    b : shape (rows, m).
    offset : shape (rows,), scaled so that the answer is near 1.
    whole : which of g are integers, shape (m,).
    reach : how far each of g may be from 0, shape (m,).
    limits : what else g must satisfy.
    nodes : of a tree of linear programs, after which the best point so far and the bound so far come back.

    Returns
    -------
    Found
        The bound is HiGHS' own, to its tolerance of 1e-6; infinite where no g is within the limits, 0 where HiGHS
        gives up.
    """
    size = np.where(whole | ~b.any(axis=0), 1.0, np.abs(b).max(axis=0))  # a continuous direction may have any length
    rows, m = b.shape
    columns, t = b / size, np.ones((rows, 1))
    system = np.block([[columns, -t], [-columns, -t], [limits.matrix / size, np.zeros((len(limits.low), 1))]])
    starts = np.concatenate([np.full(2 * rows, -np.inf), limits.low])
    ends = np.concatenate([-offset, offset, limits.high])
    far = np.append(np.where(whole, np.floor(reach), reach * size), np.inf)
    bound, used = 0.0, 0
    for presolve in (True, False):  # status 4, numerical trouble, is rare; another way through the same program helps
        with silent_output():
            solved = milp(
                np.append(np.zeros(m), 1.0),
                integrality=np.append(whole, False).astype(int),
                bounds=Bounds(np.append(-far[:-1], 0.0), far),
                constraints=LinearConstraint(system, starts, ends),
                options={"mip_rel_gap": GAP, "node_limit": nodes, "presolve": presolve},
            )
        used += solved.mip_node_count or 1
        if solved.status == INFEASIBLE:
            return Found(None, np.inf, used)
        below = solved.mip_dual_bound if whole.any() else solved.fun
        bound = max(bound, below) if below is not None and np.isfinite(below) else bound
        # SciPy 1.17 has no status of its own for the limit of nodes.
        if solved.status in (OPTIMAL, LIMIT) or used >= nodes:
            return Found(None if solved.x is None else solved.x[:-1] / size, float(bound), used)
    return Found(None, 0.0, used)


@contextmanager
def silent_output() -> Iterator[None]:
    """Send what C code prints to the error output: HiGHS 1.12 prints a line where it repairs a solution.

    It does so whatever its options say, and would spoil what users pipe. Where there is no standard output, or no error
    output, nothing is done. One call at a time: descriptors belong to the process.
    """
    with _ONE:
        flush = _flush()
        flush(None)  # what is C's so far belongs to the output
        try:
            kept = os.dup(1)
            os.dup2(2, 1)
        except OSError:
            yield
            return
        try:
            yield
        finally:
            flush(None)
            os.dup2(kept, 1)
            os.close(kept)


@cache
def _flush() -> Any:
    """Return C's fflush."""
    return ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None).fflush


def extent(b: Array, offset: Array, direction: Array) -> tuple[float, float]:
    """Return the ends of ``direction @ g`` where no ``abs(offset + b @ g)`` exceeds 1; infinite where unknown."""
    if np.any(direction[~b.any(axis=0)]):  # no error tells how far
        return -np.inf, np.inf
    size = np.where(b.any(axis=0), np.abs(b).max(axis=0), 1.0)
    cost = direction / size
    cost, unit = cost / np.abs(cost).max(), np.abs(cost).max()
    ends = []
    for way in (1.0, -1.0):
        solved = linprog(way * cost, np.vstack([b, -b]) / size, np.append(1 - offset, 1 + offset), bounds=(None, None))
        ends.append(way * float(solved.fun) * unit if solved.status == OPTIMAL else -way * np.inf)
    slack = SLACK * (ends[1] - ends[0])
    return (ends[0] - slack, ends[1] + slack) if np.isfinite(slack) else (ends[0], ends[1])
