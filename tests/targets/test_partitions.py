"""Partitions: each counts once and in its place, however it arrives."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyoptim import DataError
from polyoptim.solvers.normal_equations import Shape
from polyoptim.solvers.selection import choose_degree
from polyoptim.solvers.squared import fit_squared
from polyoptim.targets import partitions
from polyoptim.targets.partitions import Local, Part, Partitions, once, pieces


@dataclass(frozen=True)
class Unruly(Partitions):
    """Partitions that arrive in any order, and some of them again and again."""

    parts: list
    seed: int

    def arrivals(self, function):
        rng = np.random.default_rng(self.seed)
        count = len(self.parts)
        for place in rng.permutation([*range(count), *rng.integers(0, count, 20)]).tolist():
            yield place, function(self.parts[place]) if len(self.parts[place].y) else None


def rows(part):
    """Return the rows as a list, which has the law of a sum in the order of the rows."""
    return list(zip(part.x[0].tolist(), part.y.tolist(), strict=True))


def table(count=1000, noise=0.1, weighted=False):
    rng = np.random.default_rng(count)
    x = rng.uniform(-3, 5, count)
    weight = rng.integers(0, 4, count).astype(float) if weighted else None
    return Part([x], 1 + x - 0.25 * x**2 + noise * rng.normal(size=count), weight)


def cut(part, count, seed):
    ends = np.sort(np.random.default_rng(seed).integers(0, len(part.y) + 1, count - 1))
    return [part.rows(slice(a, b)) for a, b in itertools.pairwise([0, *ends.tolist(), len(part.y)])]


@given(st.lists(st.integers(0, 8), max_size=40), st.randoms())
def test_each_place_comes_once_and_in_order(again, chance):
    places = [*range(9), *again]
    chance.shuffle(places)
    assert list(once((place, place) for place in places)) == list(range(9))


def test_a_partition_that_never_arrives_is_an_error():
    with pytest.raises(RuntimeError, match="partition 1 never arrived, but 2 did"):
        list(once([(0, "a"), (2, "c")]))


@pytest.mark.parametrize("seed", range(5))
def test_rows_that_arrive_twice_count_once(seed):
    whole = table()
    assert Unruly(cut(whole, 12, seed), seed).total(rows) == rows(whole)


@pytest.mark.parametrize("noise", [0.1, 1e-13, 0.0])
def test_a_fit_does_not_see_how_partitions_arrive(noise):
    whole = table(noise=noise, weighted=True)
    plain = fit_squared(Local(lambda: [whole]), 3, Shape())
    for seed in range(3):
        found = fit_squared(Unruly(cut(whole, 15, seed), seed), 3, Shape())
        assert found.frame == plain.frame
        for place in range(4):
            assert found.solved.coef[place, 0].mid() == plain.solved.coef[place, 0].mid()
        assert found.solved.rss.mid() == plain.solved.rss.mid()


def test_a_choice_of_degree_does_not_see_how_partitions_arrive():
    whole = table(weighted=True)
    shape = Shape(fixed={(0,): Fraction(1)})
    assert choose_degree(Unruly(cut(whole, 15, 1), 1), shape) == choose_degree(Local(lambda: [whole]), shape)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("count", [1, 5, 1000, 2000])
def test_threads_keep_the_rows_in_order(monkeypatch, threads, count):
    monkeypatch.setattr(partitions, "MANY", 300)
    whole = table(count)
    parts = [piece for part in cut(whole, 4, 1) for piece in pieces(part, 100)]
    assert Local(lambda: iter(parts), threads).total(rows) == rows(whole)


def test_pieces_know_their_place_in_the_table():
    whole = table(1000)
    parts = cut(whole, 4, 3)
    firsts = Local(lambda: iter(parts)).total(lambda part: [(part.first, part.y[0])])
    assert all(whole.y[first] == value for first, value in firsts)
    assert [piece.first for piece in pieces(whole, 300)] == [0, 300, 600, 900]


def test_no_rows_are_an_error():
    with pytest.raises(DataError, match="hold no rows"):
        Unruly([Part([np.zeros(0)], np.zeros(0))], 0).total(rows)
