"""What one request may ask for; the page shows the same limits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The largest request that is answered.

    Parameters
    ----------
    text : characters of one value.
    query : characters of a query.
    body : bytes of a file that is sent.
    degree, steps, samples : of a problem.
    long_steps : of an optimizer that evaluates the loss many times a step.
    runs : of one part of a map.
    rows : of a table that is read.
    seconds : until an answer is given up; of a run, of a map or a race, and of a search or a file.
    waiting : requests that wait for their turn.
    """

    text: int = 500
    query: int = 4000
    body: int = 32 << 20
    degree: int = 30
    steps: int = 50_000
    long_steps: int = 200
    samples: int = 20_000
    runs: int = 20_000
    rows: int = 1_000_000
    seconds: tuple[float, float, float] = (10.0, 30.0, 60.0)
    waiting: int = 16


LIMITS = Limits()
