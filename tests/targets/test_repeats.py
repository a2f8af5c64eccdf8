"""Rows that repeat each other."""

from __future__ import annotations

import numpy as np
import pytest

from polyoptim.targets.repeats import merged
from polyoptim.targets.samples import Samples

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(30,), (30, 2)])
def test_weights_order_and_repetition_give_the_same_rows(shape: tuple[int, ...]) -> None:
    x, y = RNG.integers(0, 3, size=shape).astype(float), RNG.integers(0, 2, size=30).astype(float)
    weight = RNG.integers(0, 3, size=30).astype(float)
    places = RNG.permutation(np.repeat(np.arange(30), weight.astype(int)))
    one, other = merged(Samples(x, y, weight)), merged(Samples(x[places], y[places]))
    for name in ("x", "y", "weight"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist()
    assert one.x.shape[1:] == shape[1:]
    assert one.weight is not None
    assert one.weight.sum() == weight.sum()


def test_rows_that_differ_are_sorted_and_keep_no_weight_of_one() -> None:
    found = merged(Samples(np.array([3.0, 1.0]), np.array([0.0, 5.0]), np.ones(2)))
    assert (found.x.tolist(), found.y.tolist(), found.weight) == ([1.0, 3.0], [5.0, 0.0], None)
