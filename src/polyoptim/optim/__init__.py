"""How to step: the optimizers and the schedules of their learning rate."""
