from __future__ import annotations

import numpy as np

from polyoptim.bases import FAMILIES
from polyoptim.domain import Domain
from polyoptim.engines.batches import EPOCHS_A_LOOK, Batches
from polyoptim.engines.objective import DataObjective
from polyoptim.generator import Generator
from polyoptim.losses import find_loss
from polyoptim.problem import Problem
from polyoptim.targets.samples import Samples


def batches(seed: int) -> Batches:
    x = np.linspace(-1, 1, 5)
    problem = Problem(Samples(x, x), FAMILIES["power"], Domain(-1, 1), (0, 1), find_loss("squared"), {})
    return Batches(DataObjective(problem, problem.loss, {}), 2, Generator(seed), None)


def test_snapshot_holds_the_generator_before_the_permutation_of_its_epoch() -> None:
    run, generator = batches(3), Generator(3)
    assert run.snapshot() == {"generator": generator.snapshot(), "drawn": False, "low": 5}
    for epoch in range(2 * EPOCHS_A_LOOK + 3):
        before = generator.snapshot()
        run.renew()
        generator.permutation(5)
        assert run.snapshot() == {"generator": before, "drawn": True, "low": 0}
        if epoch % 37 == 5:  # a run that goes on from there has the same orders
            u, other = run.data.u, batches(0)
            other.restore(run.snapshot())
            run = other
            assert run.data.u.tolist() == u.tolist()
        run.skip(3)
