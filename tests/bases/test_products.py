"""Products of polynomials in several columns."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from polyoptim.bases import FAMILIES
from polyoptim.bases.products import columns, to_power
from polyoptim.domain import Domain
from polyoptim.moments import indices


@pytest.mark.parametrize(("width", "degree"), [(1, 5), (2, 4), (3, 3), (5, 2), (4, 0)])
def test_indices_are_all_of_a_total_degree_in_their_order(width: int, degree: int) -> None:
    every = itertools.product(range(degree + 1), repeat=width)
    inside = [index for index in every if sum(index) <= degree]
    expected = sorted(inside, key=lambda index: (sum(index), tuple(-part for part in index)))
    assert indices(width, degree) == expected


def test_indices_of_many_columns_are_found_at_once() -> None:
    assert len(indices(30, 3)) == 5456  # of 4^30 that a product would try


@pytest.mark.parametrize("basis", list(FAMILIES))
def test_columns_are_products_and_powers_reproduce_them(basis: str) -> None:
    family, rng = FAMILIES[basis], np.random.default_rng(0)
    domains = [Domain(2.0, 5.0, family.window), Domain(-1e6, 3e6, family.window), Domain(0.0, 1.0, None)]
    x = np.column_stack([rng.uniform(one.a, one.b, 9) for one in domains])
    terms = indices(3, 3)
    found = columns(family, domains, terms, x)
    u = [domain.map(x[:, place]) for place, domain in enumerate(domains)]
    for place, term in enumerate(terms):
        parts = [family.evaluate([0.0] * k + [1.0], part) for k, part in zip(term, u, strict=True)]
        assert found[:, place] == pytest.approx(np.prod(parts, axis=0))
    coef = rng.normal(size=len(terms))
    powers = [np.prod(x ** np.array(term), axis=1) for term in terms]
    plain = np.array(to_power(family, domains, terms, coef)) @ powers
    assert plain == pytest.approx(found @ coef, rel=1e-9, abs=1e-9)
