"""The update rules by name; each is loaded when it is first asked for."""

from __future__ import annotations

from polyoptim.registry import Registry

RULES = Registry(
    "rule",
    {
        "Adadelta": "polyoptim.optim.adadelta:Adadelta",
        "Adafactor": "polyoptim.optim.adafactor:Adafactor",
        "Adagrad": "polyoptim.optim.adagrad:Adagrad",
        "Adam": "polyoptim.optim.adam:Adam",
        "AdamW": "polyoptim.optim.adam:AdamW",
        "Adamax": "polyoptim.optim.adamax:Adamax",
        "ASGD": "polyoptim.optim.asgd:ASGD",
        "LBFGS": "polyoptim.optim.lbfgs:LBFGS",
        "Lion": "polyoptim.optim.lion:Lion",
        "NAdam": "polyoptim.optim.nadam:NAdam",
        "RAdam": "polyoptim.optim.radam:RAdam",
        "RMSprop": "polyoptim.optim.rmsprop:RMSprop",
        "Rprop": "polyoptim.optim.rprop:Rprop",
        "SGD": "polyoptim.optim.sgd:SGD",
    },
)
