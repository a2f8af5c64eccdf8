"""The answers to the page about training: a run, the runs of a race, a part of a map."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import polyoptim
from polyoptim.arguments import Arguments
from polyoptim.bases import FAMILIES
from polyoptim.certificate import largest_stable_rate
from polyoptim.compiler import cache_folder
from polyoptim.engines.memory import remembered
from polyoptim.engines.method import Method
from polyoptim.engines.plan import Plan
from polyoptim.errors import ArgumentError, PolyoptimError
from polyoptim.optim.rules import RULES
from polyoptim.racing.stage import Stage, stage_of
from polyoptim.result import Result
from polyoptim.solution import Status
from polyoptim.statement import DEFAULT_DOMAIN, Statement, state
from polyoptim.targets.expression import integer, number, parse
from polyoptim.web.choices import most_steps
from polyoptim.web.limits import LIMITS
from polyoptim.web.packing import pack
from polyoptim.web.query import BadRequestError, Query, bad_request

POINTS = 401  # of a curve
LIVE_ROWS, ROWS = 250, 2000  # of a trace, while a slider moves and when it rests
SHOWN = 2000  # samples that are drawn
NUMBERS = 60_000  # coefficients of a trace, rows times columns
RATES = (1e-9, 10.0, 81)  # of a race, 8 a decade
RAISED, LOWERED = (str.maketrans("0123456789", digits) for digits in ("⁰¹²³⁴⁵⁶⁷⁸⁹", "₀₁₂₃₄₅₆₇₈₉"))
FIELDS = ("target", "x", "y", "domain", "samples", "degree", "basis", "optimizer", "lr", "schedule", "steps", "seed")


@dataclass(frozen=True)
class Wish:
    """What the page asks for.

    Parameters
    ----------
    target, problem : what is to be learned, and the problem in the words of train().
    optimizer, options, lr, schedule, schedule_options, steps, seed : how.
    """

    target: str
    problem: Mapping[str, Any]
    optimizer: str
    options: Mapping[str, Any]
    lr: float
    schedule: str | None
    schedule_options: Mapping[str, Any]
    steps: int
    seed: int

    def train(self, every: int) -> Result:
        """Return the run."""
        return polyoptim.train(
            self.target, **self.problem, optimizer=self.optimizer, lr=self.lr, optimizer_options=self.options,
            schedule=self.schedule, schedule_options=self.schedule_options, steps=self.steps, seed=self.seed,
            every=every, engine="fused",
        )  # fmt: skip

    def state(self) -> Statement:
        """Return the problem."""
        words = {name: value for name, value in self.problem.items() if name not in ("x", "y")}
        return state(self.target, self.problem.get("y"), self.problem.get("x"), None, words, Arguments())

    def plan(self) -> Plan:
        """Return how the run goes."""
        return Plan(
            self.optimizer, self.options, self.lr, self.schedule, self.schedule_options, self.steps,
            None, 1, None, None, self.seed, "float64", "cpu",
        )  # fmt: skip

    def command(self) -> str:
        """Return the line that makes the same run in a terminal."""
        words = ["polyoptim", "train", self.target]
        given: dict[str, Any] = {**self.problem, "optimizer": self.optimizer, "lr": self.lr, "steps": self.steps}
        defaults = {"domain": DEFAULT_DOMAIN, "degree": 3, "basis": "power", "samples": 2000, "optimizer": "RMSprop"}
        defaults |= {"lr": 1e-3, "steps": 2000}
        for name, value in given.items():
            if name not in defaults or defaults[name] != value:
                words += [f"--{name}", *map(_spelled, value if isinstance(value, tuple) else (value,))]
        for name, value in self.options.items():
            words += ["--set", f"{name}={_spelled(value)}"]
        if self.schedule is not None:
            words += ["--schedule", self.schedule]
            for name, value in self.schedule_options.items():
                words += ["--schedule-set", f"{name}={_spelled(value)}"]
        return shlex.join([*words, "--seed", str(self.seed), "--engine", "fused"])


def _spelled(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return ",".join(map(_spelled, value))
    return f"{value:.17g}" if isinstance(value, float) and f"{value:g}" != repr(value) else f"{value}"


def wish(values: Mapping[str, str]) -> Wish:
    """Return what a query asks for.

    Raises
    ------
    BadRequestError
        With a sentence for each wrong field.
    """
    query = Query(values)
    problem: dict[str, Any] = {}
    data = values.get("data")
    if data is None:
        target = query.text("target", "sin(x)")
        query.read("target", None, parse)
        problem["samples"] = query.whole("samples", 2000, LIMITS.samples, least=1)
        problem["domain"] = query.pair("domain", DEFAULT_DOMAIN)
    else:
        target = Path(data).name
        problem |= {name: query.text(name) for name in ("x", "y")}
        if "range" in values:  # not domain, which is that of a function
            problem["domain"] = query.pair("range", DEFAULT_DOMAIN)
    problem["degree"] = query.whole("degree", 3, LIMITS.degree)
    problem["basis"] = query.choice("basis", "power", FAMILIES)
    rule = RULES[query.choice("optimizer", "RMSprop", RULES)]
    lr, steps = query.number("lr", 1e-3), query.whole("steps", min(2000, most_steps(rule.name)), most_steps(rule.name))
    options = query.options(rule)
    schedule, schedule_options = query.schedule(steps, lr)
    seed = query.read("seed", 0, lambda text: integer(text, "seed"))
    query.done()
    return Wish(target, problem, rule.name, options, lr, schedule, schedule_options, steps, seed)


def _names(asked: Wish) -> tuple[str, ...]:
    """Return the fields in which a run may be wrong."""
    return (*FIELDS, *RULES[asked.optimizer].options, *(f"schedule.{option}" for option in asked.schedule_options))


def _asked(values: Mapping[str, str]) -> tuple[Wish, Stage]:
    """Return what a query asks for, and its stage."""
    asked = wish(values)
    try:
        stage = stage_of(asked.state().problem)
    except PolyoptimError as error:
        raise bad_request(error, *FIELDS) from None
    _check_samples(stage)
    return asked, stage


def _check_samples(stage: Stage) -> None:
    if len(stage.problem.samples) > LIMITS.rows:
        raise BadRequestError({"data": f"the file has more than {LIMITS.rows} rows. Take a part of it, or use fit."})


def train(values: Mapping[str, str]) -> bytes:
    """Return a run: with ``detail=full`` its trace in many rows, and the state of the optimizer along it."""
    asked, stage = _asked(values)
    full = values.get("detail") == "full"
    columns = len(stage.problem.powers)
    rows = min(ROWS if full else LIVE_ROWS, max(NUMBERS // columns, 2))
    every = max(1, -(-asked.steps // rows))
    try:
        result = asked.train(every)
    except PolyoptimError as error:
        raise bad_request(error, *_names(asked)) from None
    arrays = {**_curves(result, stage), **_trace(asked, stage, result)}
    if full and result.status is not Status.INTERRUPTED:
        start, bias = stage.start(asked.seed).tolist(), 0 in stage.problem.powers
        marks = arrays["step"].astype(int).tolist()
        found = remembered(Method(asked.plan()), start, bias, stage.objective.evaluate, marks)
        arrays |= {f"state.{name}": values for name, values in found.items()}
    head = {
        "formula": result.formula,
        "formula_note": result.formula_note,
        "loss": result.loss,
        "optimum": result.optimum,
        "gap": result.gap,
        "excess": result.excess,
        "status": str(result.status),
        "message": result.message,
        "notes": result.notes,
        "steps": result.steps,
        "every": every,
        "stable_lr": largest_stable_rate(stage.quadratic),
        "schedule_options": asked.schedule_options,
        "terms": terms(stage),
        "command": asked.command(),
    }
    return pack(head, arrays)


def compile_loop(values: Mapping[str, str]) -> None:
    """Have the loop of a run compiled and kept, for the process that answers while a slider moves."""
    if cache_folder() is not None:
        replace(wish(values), steps=1).train(every=1)


def terms(stage: Stage) -> list[str]:
    """Return what each coefficient is multiplied by, as a person writes it."""
    powers, symbol = stage.problem.powers, stage.problem.family.symbol
    if symbol:
        return [f"{symbol}{str(k).translate(LOWERED)}" for k in powers]
    return ["1" if k == 0 else "x" if k == 1 else f"x{str(k).translate(RAISED)}" for k in powers]


def _curves(result: Result, stage: Stage) -> dict[str, Any]:
    """Return what is drawn over x: the target, the columns of the basis, and the loss near its optimum."""
    problem = stage.problem
    a, b = result.domain
    x = a + (b - a) * np.linspace(0, 1, POINTS)
    columns = problem.family.columns(problem.domain.map(x), problem.degree)
    arrays = {
        "x": x,
        "columns": np.stack([np.broadcast_to(columns[k], x.shape) for k in problem.powers]),
        "hessian": 2 * stage.quadratic.factor * stage.quadratic.r.T @ stage.quadratic.r,
        "best": result.optimum_coef if result.optimum_coef is not None else np.full(len(problem.powers), np.nan),
        "coef": result.coef,
    }
    if result.samples is None:
        with np.errstate(all="ignore"):
            arrays["y"] = np.broadcast_to(parse(str(result.target["text"])).evaluate("numpy", x), x.shape)
    else:
        chosen = np.linspace(0, len(problem.samples) - 1, min(SHOWN, len(problem.samples))).astype(int)
        arrays |= {"points.x": problem.samples.x[chosen], "points.y": problem.samples.y[chosen]}
    return arrays


def _trace(asked: Wish, stage: Stage, result: Result) -> dict[str, Any]:
    """Return the trace in columns, from the start on: a run that records each hundredth step begins at the 99th."""
    trace = result.trace
    columns = {name: trace[name] for name in ("step", "loss", "excess", "lr")}
    columns["coefs"] = np.array([row["coef"] for row in trace]).reshape(len(trace), -1)
    if columns["step"][0] > 0:
        start = stage.start(asked.seed)
        loss, _, excess = stage.objective.measure(start.tolist())
        first: dict[str, Any] = {
            "step": 0,
            "loss": loss,
            "excess": excess,
            "lr": Method(asked.plan()).lr,
            "coefs": start[None, :],
        }
        columns = {name: np.concatenate([np.atleast_1d(first[name]), column]) for name, column in columns.items()}
    return columns


def race(values: Mapping[str, str]) -> bytes:
    """Return the best run of one optimizer: over the rates of a grid, from the same start, in the same steps."""
    asked, stage = _asked(values)
    options = asked.options
    try:
        found = polyoptim.sweep(
            asked.target, **asked.problem, over={"lr": (*RATES, "log")}, optimizer=asked.optimizer,
            optimizer_options=options, steps=asked.steps, seed=asked.seed,
        )  # fmt: skip
        if not found.best:
            raise ArgumentError(f"{asked.optimizer} diverges with every rate from {RATES[0]:g} to {RATES[1]:g}.")
        rate = float(found.best["lr"])
        rows = max(NUMBERS // 4 // len(stage.problem.powers), 2)
        every = max(1, -(-asked.steps // min(rows, 500)))
        asked = replace(asked, lr=rate, schedule=None, schedule_options={})
        best = asked.train(every)
    except PolyoptimError as error:
        raise bad_request(error, *_names(asked)) from None
    head = {"optimizer": asked.optimizer, "lr": rate, "loss": best.loss, "gap": best.gap, "status": str(best.status)}
    return pack(head, _trace(asked, stage, best))


def chart(values: Mapping[str, str]) -> bytes:
    """Return a part of a map: the excess over the optimum at the end of a run for each lr and each second number.

    The query has ``over=momentum``, the name of the second number; ``lrs`` and ``others`` are three numbers each with
    commas: first, last, count, evenly spaced, those of lr on a log scale.
    """
    asked, stage = _asked(values)
    query = Query(values)
    other = query.text("over", "momentum")
    lrs = query.read("lrs", (1e-6, 10.0, 57), partial(_range, "lrs"))
    others = query.read("others", (0.0, 0.99, 4), partial(_range, "others"))
    query.done()
    if lrs[2] * others[2] > LIMITS.runs:
        raise BadRequestError({"map": f"a part of a map may have at most {LIMITS.runs} runs."})
    try:
        found = polyoptim.sweep(
            asked.target, **asked.problem, over={other: others, "lr": (*lrs, "log")},
            optimizer=asked.optimizer, optimizer_options=asked.options, steps=asked.steps, seed=asked.seed,
        )  # fmt: skip
    except PolyoptimError as error:
        raise bad_request(error, *_names(asked), "over", "lrs", "others") from None
    edge = np.full(found.loss.shape[0], np.nan) if found.edge is None else found.edge
    head = {"over": other, "optimum": stage.value}
    return pack(head, {"lr": found.axes["lr"], "other": found.axes[other], "excess": found.excess, "edge": edge})


def _range(name: str, text: str) -> tuple[float, float, int]:
    parts = text.split(",")
    if len(parts) != 3:
        raise ArgumentError(f"{name} must be first, last and count with commas between them, got {text!r}.")
    return number(parts[0], name), number(parts[1], name), integer(parts[2], name, 1)


def result_of(values: Mapping[str, str]) -> Result:
    """Return the run for a file, with a row for each hundredth step."""
    asked, _ = _asked(values)
    try:
        return asked.train(every=max(1, asked.steps // 100))
    except PolyoptimError as error:
        raise bad_request(error, *_names(asked)) from None
