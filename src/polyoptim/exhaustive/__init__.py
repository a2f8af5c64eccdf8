"""Every input tried: the values that a program gives against the truth, in units in the last place."""

from polyoptim.exhaustive.inputs import Run, count_of, runs_of
from polyoptim.exhaustive.machine import Machine, machine_of
from polyoptim.exhaustive.measure import Measured, Meter
from polyoptim.exhaustive.truth import Truth, truth_of

__all__ = ["Machine", "Measured", "Meter", "Run", "Truth", "count_of", "machine_of", "runs_of", "truth_of"]
