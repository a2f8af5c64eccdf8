"""Step by step: engines that take the steps of a run."""

from polyoptim.registry import Registry

ENGINES = Registry("engine", {"torch": "polyoptim.engines.eager", "fused": "polyoptim.engines.fused"})
