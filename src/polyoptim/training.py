"""train(): a polynomial by an optimizer, step by step."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np

from polyoptim import __version__
from polyoptim.arguments import (
    Arguments,
    check_columns,
    check_powers,
    read_count,
    read_options,
    read_seed,
    read_size,
    resolve_domain,
)
from polyoptim.bases import FAMILIES
from polyoptim.bases.family import Family
from polyoptim.canonical import plain
from polyoptim.certificate import largest_stable_rate
from polyoptim.checkpoint import Store
from polyoptim.domain import Domain
from polyoptim.engines import ENGINES, comparison
from polyoptim.engines.keeper import Keeper
from polyoptim.engines.options import (
    check_agreement,
    read_callbacks,
    read_checkpoint,
    read_loss,
    read_rate,
    without_rate,
)
from polyoptim.engines.plan import DEFAULT_RATE, STEP_FUNCTIONS, Callback, Plan
from polyoptim.engines.surroundings import cores, processor
from polyoptim.errors import ArgumentError, CheckpointError, DataError, PolyoptimError, StatusError
from polyoptim.losses import Loss
from polyoptim.problem import Problem, problem_in_columns
from polyoptim.quadratic import Quadratic
from polyoptim.registry import match
from polyoptim.result import Result
from polyoptim.solution import Optimum, Solution, Status
from polyoptim.solvers.least_loss import least_loss
from polyoptim.solvers.least_squares import least_squares
from polyoptim.targets.expression import integer
from polyoptim.targets.samples import LARGEST_KEPT, Samples
from polyoptim.targets.target import Target

DEFAULT_DOMAIN = ("-pi", "pi")
AUTO = "auto"
# Spacing of each dtype at 1.
EPS = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
# What of a plan makes a run this run; not its steps, so that it may be given more.
DECISIVE = (
    "optimizer", "optimizer_options", "lr", "schedule", "schedule_options", "batch_size", "every", "tol_loss",
    "tol_gradient", "seed", "dtype", "device",
)  # fmt: skip
# Arguments that are no part of a result: they do not decide its numbers, or are kept in another way.
NOT_RECORDED = ("target", "y", "x", "weight", "callbacks", "checkpoint", "checkpoint_every", "resume")
MOST_NUMBERS = 100_000_000  # rows times terms with several columns of x, which are held in memory
SMALLEST_ADVISED = 1e-12  # a smaller learning rate is no advice


def train(
    target: Any,
    y: Any = None,
    *,
    x: Any = None,
    weight: Any = None,
    domain: Any = DEFAULT_DOMAIN,
    samples: Any = 2000,
    degree: Any = 3,
    powers: Sequence[int] | None = None,
    basis: str = "power",
    mapped: bool | None = None,
    loss: Any = "squared",
    loss_options: Mapping[str, Any] | None = None,
    reduction: str = "sum",
    optimizer: Any = "RMSprop",
    lr: Any = DEFAULT_RATE,
    optimizer_options: Mapping[str, Any] | None = None,
    schedule: Any = None,
    schedule_options: Mapping[str, Any] | None = None,
    steps: Any = 2000,
    batch_size: Any = None,
    every: Any = 100,
    tol_loss: Any = None,
    tol_gradient: Any = None,
    seed: Any = None,
    dtype: str | None = None,
    device: str = "cpu",
    engine: str = "torch",
    strict: bool = False,
    callbacks: Sequence[Callback] = (),
    checkpoint: Any = None,
    checkpoint_every: Any = "30s",
    resume: bool = False,
) -> Result:
    """Train a polynomial step by step, and put it next to the best that any such polynomial can do.

    The defaults are the reference run: a cubic learns sin(x) on 2000 points of [-π, π] from torch's default start, by
    2000 updates of RMSprop on the sum of squares, in float32. With the same seed every float is that of a plain
    PyTorch program. Numbers may be given as text: ``lr="2**-10"``, ``domain=("-pi/2", "pi/2")``.

    Parameters
    ----------
    target : an expression in x (``"sin(x)"``), a vectorised function, the values of x (then `y` holds those of y) of
        shape (n,), or (n, p) for p columns of x, a CSV file with a header, or a data frame (then `x`, `y`, `weight`
        name columns).
    y, x, weight : see `target`; a weight multiplies the loss of its sample.
    domain : the interval (a, b) on which a function is sampled and which is mapped. Left out: (-π, π), and for data the
        range of x.
    samples : points of a function, at ``torch.linspace(a, b, samples)``.
    degree, powers : the highest power, with several columns of x the highest total power; or the list of powers that
        may appear; without a 0 there is no constant.
    basis : "power", "chebyshev", "legendre", "hermite" or "laguerre".
    mapped : whether the domain is mapped onto the window of the basis. None: all but "power".
    loss, loss_options : "squared", "absolute", "huber" (delta), "smooth_l1" (beta), "soft_l1" (delta), "logcosh",
        "pnorm" (p), "quantile" (q), "tukey" (c), or a torch.nn.Module of one's own, called with (prediction, y).
    reduction : "sum" or "mean".
    optimizer, lr, optimizer_options : a class of torch.optim by name in any letter case, or one's own class or
        factory, with torch's names and defaults; ``lr=None`` takes the optimizer's own default.
    schedule, schedule_options : a class of torch.optim.lr_scheduler, likewise; stepped after each update.
    steps, batch_size : updates, and samples that an update sees (None: all of them).
    every : a row of the trace is recorded each time so many updates have gone by.
    tol_loss : stop as converged where the loss changed by at most this share of itself in 10 updates running
        (with `batch_size`: in 10 recorded rows running).
    tol_gradient : stop as converged where the norm of the gradient is at most this.
    seed : of the run's own generator, -2**63 <= seed < 2**64; None draws one and records it.
    dtype : "float32", "float64", "float16" or "bfloat16"; None takes the engine's own: float32 with torch, float64
        with fused.
    device : "cpu", "cuda", …
    engine : "torch": torch.nn and torch.optim themselves. "fused": our own update rules in float64, compiled, without
        torch; the squared loss as a quadratic in its coefficients. "auto": fused where it can, torch where it must.
    strict : raise StatusError where the run does not converge.
    callbacks : functions of a recorded row; one that returns True, or raises StopIteration, stops the run.
    checkpoint : a folder in which the state of the run is kept, the last two checkpoints of it; None keeps none. Where
        one cannot be written the run goes on, and a note says so.
    checkpoint_every : updates between two checkpoints, or seconds as in "30s". The last state is written too.
    resume : go on from the newest checkpoint that is whole, or from the beginning where there is none. The result is
        bit for bit that of a run without a break. `steps` may be others: with more, a run that is done goes on. Without
        a seed, that of the checkpoint is taken. What is the caller's own, a function or a class, is known by its name.
        Without `resume` a run in a folder with checkpoints of the same run, its seed given, starts anew.

    Returns
    -------
    Result

    Raises
    ------
    ArgumentError
        With a sentence for each wrong argument.
    DataError
        For a target that is not finite on the samples, a bad cell, columns that do not fit.
    CheckpointError
        Where the folder cannot be used, or holds the checkpoint of another run: of other arguments or other data.
    StatusError
        Under ``strict=True``.

    Examples
    --------
    >>> result = train("sin(x)", seed=0, steps=100)
    >>> result.status, len(result.coef), round(result.optimum, 4)
    (<Status.STEPS_DONE: 'steps_done'>, 4, 8.8172)
    """
    arguments = {name: value for name, value in locals().items() if name not in NOT_RECORDED}
    check = Arguments()
    plan = {
        "lr": check(lambda: read_rate(lr, optimizer_options)),
        "optimizer": optimizer,
        "optimizer_options": check(lambda: without_rate(read_options(optimizer_options, "optimizer_options"))),
        "schedule": schedule,
        "schedule_options": check(lambda: read_options(schedule_options, "schedule_options", STEP_FUNCTIONS)),
        "steps": check(lambda: integer(steps, "steps", minimum=0)),
        "batch_size": check(lambda: None if batch_size is None else integer(batch_size, "batch_size", minimum=1)),
        "every": check(lambda: integer(every, "every", minimum=1)),
        "tol_loss": check(lambda: None if tol_loss is None else read_size(tol_loss, "tol_loss")),
        "tol_gradient": check(lambda: None if tol_gradient is None else read_size(tol_gradient, "tol_gradient")),
        "seed": check(lambda: read_seed(seed)),
        "dtype": check(lambda: None if dtype is None else match("dtype", dtype, EPS)),
        "device": str(device),
        "callbacks": check(lambda: read_callbacks(callbacks)),
    }
    family: Family = check(lambda: FAMILIES[basis])
    chosen = check(lambda: check_powers(degree, powers))
    interval = check(lambda: resolve_domain(domain, None))
    count = check(lambda: read_count(samples))
    reduced = check(lambda: match("reduction", reduction, ("sum", "mean")))
    loss_used, loss_values = check(lambda: read_loss(loss, loss_options)) or (None, {})
    engine_name, note = check(lambda: _choose_engine(engine, plan, loss_used)) or ("", "")
    chosen_engine: Any = ENGINES[engine_name] if engine_name else None
    if chosen_engine and plan["dtype"] is None:
        plan["dtype"] = chosen_engine.DTYPE
    what = check(lambda: Target(target, y, x, weight))
    check(lambda: check_agreement(schedule, schedule_options, mapped, strict))
    if what is not None and what.width > 1:
        check(lambda: check_columns(family, None if domain is DEFAULT_DOMAIN else domain))
        check(lambda: _check_products(what, powers, chosen))
    pace = check(lambda: read_checkpoint(checkpoint, checkpoint_every, resume))
    if chosen_engine and None not in (plan["optimizer_options"], plan["schedule_options"], loss_used):
        check(lambda: chosen_engine.check(Plan(**plan), chosen is None or 0 in chosen, loss_used))
    check.done()

    points = what.points(interval, count, plan["dtype"], chosen_engine.SAMPLER)
    window = family.window if (family.mapped if mapped is None else mapped) else None
    if what.width > 1:
        problem = problem_in_columns(points, family, chosen[-1], window, loss_used, loss_values, reduced)
    else:
        if what.is_data and domain is DEFAULT_DOMAIN:
            interval = _range(points, what.notes(points, plan["dtype"]))
        map_used = Domain(interval.a, interval.b, window)
        problem = Problem(points, family, map_used, chosen, loss_used, loss_values, reduced)
    optimum, quadratic, unknown = least_loss(problem, EPS[plan["dtype"]])
    notes = [said for said in (note, unknown) if said]
    ready = Plan(**plan, optimum=optimum, quadratic=quadratic)
    with _store(checkpoint, problem, what, ready, engine_name, drawn=seed is None) as store:
        if store is not None:
            _check_seed(store, ready.seed, resume)
            ready = replace(ready, seed=store.identity["seed"], keeper=_keeper(store, pace, resume, ready.steps))
            plan["seed"] = ready.seed
        solution: Solution = chosen_engine.run(problem, ready)
    notes += [] if ready.keeper is None else ready.keeper.notes
    if engine_name == "torch" and (dtype is None or plan["dtype"] == "float64"):
        notes += _beside_fused(problem, what, ready, solution)
    read = {name: value for name, value in plan.items() if name in arguments}
    shape = {"degree": chosen[-1], "powers": None if powers is None else chosen, "samples": count}
    arguments = {**arguments, **read, **shape, "loss_options": loss_values, "reduction": reduced}
    result = _result(problem, what, solution, optimum, quadratic, plan, arguments, engine_name, notes)
    if strict and result.status is not Status.CONVERGED:
        hint = "" if tol_loss is not None or tol_gradient is not None else " Give tol_loss or tol_gradient."
        raise StatusError(f"Not converged: {result.message}{hint}", result)
    return result


def _result(
    problem: Problem,
    what: Target,
    solution: Solution,
    optimum: Optimum,
    quadratic: Quadratic | None,
    plan: Mapping[str, Any],
    arguments: Mapping[str, Any],
    engine: str,
    notes: Sequence[str],
) -> Result:
    points, domain = problem.samples, problem.domain
    with np.errstate(over="ignore", invalid="ignore"):
        residual = problem.values(solution.coef) - points.y
    message = solution.message
    if solution.status is Status.DIVERGED and quadratic is not None:
        message += _advice(problem, largest_stable_rate(quadratic), plan["optimizer"], plan["lr"])
    notes = [*notes, *what.notes(points, plan["dtype"])]
    samples = None if what.expression or problem.terms is not None else points
    if samples is not None and len(samples) > LARGEST_KEPT:
        notes.append(f"Of the {len(points)} samples {LARGEST_KEPT}, evenly spread, are kept in the result.")
        samples = samples.thinned(LARGEST_KEPT)
    return Result(
        verb="train",
        coef=solution.coef,
        basis=problem.family.name,
        domain=(domain.a, domain.b),
        window=domain.window,
        powers=problem.powers if problem.terms is None else tuple(range(problem.total_degree + 1)),
        target=what.about,
        loss=solution.loss,
        optimum=optimum.value,
        optimum_kind=optimum.kind,
        optimum_coef=optimum.coef,
        excess=solution.excess,
        gap=solution.gap,
        sup_error=float(np.abs(residual).max()),
        sup_error_kind="sampled",
        trace=solution.trace,
        status=solution.status,
        message=message,
        steps=solution.steps,
        seconds=solution.seconds,
        engine=engine,
        seed=plan["seed"],
        count=len(points),
        samples=samples,
        arguments={name: plain(value) for name, value in arguments.items()},
        method=plain(solution.method),
        versions={"polyoptim": __version__, "numpy": np.__version__, **solution.versions},
        notes=tuple(notes),
        terms=problem.terms,
        domains=None if problem.domains is None else tuple((one.a, one.b) for one in problem.domains),
    )


def _beside_fused(problem: Problem, what: Target, plan: Plan, solution: Solution) -> list[str]:
    """Return a sentence on what the fused engine makes of a run of torch, where it can and where that costs little."""
    if solution.status not in (Status.STEPS_DONE, Status.CONVERGED):
        return []
    fused = ENGINES["fused"]
    alike = {"dtype": fused.DTYPE, "steps": solution.steps, "callbacks": (), "keeper": None}
    again = replace(plan, **alike, tol_loss=None, tol_gradient=None)
    try:
        fused.check(again, 0 in problem.powers, problem.loss)
        way = comparison.how(problem, again, solution.seconds)
        if not way:
            return []
        if what.function is None:  # a function of the user's own is not called again
            points = what.points(problem.domain, len(problem.samples), fused.DTYPE, fused.SAMPLER)
            problem = replace(problem, samples=points)
        if problem.is_squared:
            optimum, quadratic = least_squares(problem, EPS[fused.DTYPE])
            again = replace(again, optimum=optimum, quadratic=quadratic)
        single = plan.dtype != fused.DTYPE
        ours = comparison.apart(lambda: fused.run(problem, again, single=single), way)
    except PolyoptimError:
        return []
    said = comparison.sentence(solution, ours, single)
    return [said] if said else []


def _check_products(what: Target, powers: Any, chosen: tuple[int, ...] | None) -> None:
    """Refuse, before anything is allocated, what several columns of x do not take."""
    if powers is not None:
        raise ArgumentError("powers cannot be given with several columns of x; all terms of a total degree appear.")
    if chosen is None:
        return
    degree = chosen[-1]
    terms, rows = math.comb(what.width + degree, degree), len(what.data[1] if what.data else ())
    if terms * max(rows, 1) > MOST_NUMBERS:
        raise ArgumentError(
            f"degree {degree} in {what.width} columns of x has {terms} terms for {rows} rows, more than "
            f"{MOST_NUMBERS} numbers. Use a lower degree or fewer columns."
        )


def _store(
    checkpoint: Any, problem: Problem, what: Target, plan: Plan, engine: str, drawn: bool
) -> AbstractContextManager[Store | None]:
    """Return the folder of the checkpoints; where the seed was `drawn`, that of the checkpoint is taken."""
    if checkpoint is None:
        return nullcontext()
    points = problem.samples
    data = hashlib.sha256()
    for values in (points.x, points.y, points.weight):
        data.update(b"" if values is None else np.ascontiguousarray(values).tobytes())
    named = {name: getattr(plan, name) for name in DECISIVE}
    named |= {name: named[name].casefold() for name in ("optimizer", "schedule") if isinstance(named[name], str)}
    shape = {"domain": (problem.domain.a, problem.domain.b), "window": problem.domain.window, "powers": problem.powers}
    loss = problem.loss.name if isinstance(problem.loss, Loss) else problem.loss
    losses = {"loss": loss, "loss_options": problem.loss_options, "reduction": problem.reduction}
    target = {"target": what.about["text"]} if what.expression else {"data": data.hexdigest()}
    identity = {"engine": engine, **target, "samples": len(points), "basis": problem.family.name}
    around = {
        "polyoptim": __version__,
        "numpy": np.__version__,
        "processor": processor(),
        "cores": cores(),
        # The samples of an expression are computed anew, by what may be another version.
        **({"data": data.hexdigest()} if what.expression else {}),
        **ENGINES[engine].surroundings(problem, plan),
    }
    return Store(checkpoint, plain({**identity, **shape, **losses, **named}), around, ("seed",) if drawn else ())


def _check_seed(store: Store, seed: int, resume: bool) -> None:
    there = store.identity["seed"]
    if there != seed and not resume:
        raise CheckpointError(
            f"{store.folder} holds a checkpoint of this run with seed={there}. Resume it, give that seed to start it "
            "anew, or choose another folder."
        )


def _keeper(store: Store, pace: int | float, resume: bool, steps: int) -> Keeper:
    """Return what writes the checkpoints, and goes on from the newest one where the run is resumed."""
    found = store.newest() if resume else None
    if found is None:
        none = f"There is no checkpoint in {store.folder} yet, so the run started from the beginning."
        return Keeper(store.write, pace, notes=[none] if resume else [])
    if found.step > steps:
        raise ArgumentError(
            f"steps must be at least {found.step}, which the run in {store.folder} has made already, got {steps}."
        )
    return Keeper(store.write, pace, found.state, found.step, found.notes)


def _advice(problem: Problem, rate: float | None, optimizer: Any, lr: float | None) -> str:
    """Return a sentence with the largest stable rate of plain SGD, and what to try."""
    if rate is None:
        return ""
    a, b = problem.domain.a, problem.domain.b
    where = f"the {problem.family.name} basis of degree {problem.total_degree}"
    where += f" on [{a:.6g}, {b:.6g}]" if problem.domains is None else f" in {len(problem.domains)} columns"
    exceeds = "" if lr is None or lr <= rate else f"; lr={lr:.3g} exceeds it"
    tries = [f"lr={_round_down(rate):.1g}"] if rate > SMALLEST_ADVISED else []
    tries += ["optimizer='Adam'"] if str(optimizer).casefold() == "sgd" else []
    tries += ["basis='chebyshev'"] if problem.family.name == "power" else []
    advice = f" Use {' or '.join(tries)}." if tries else ""
    return f" The largest stable rate of plain SGD is 2/λmax = {rate:.4g} for {where}{exceeds}.{advice}"


def _round_down(rate: float) -> float:
    unit = 10.0 ** math.floor(math.log10(rate))
    return math.floor(rate / unit) * unit


def _range(points: Samples, notes: Sequence[str]) -> Domain:
    low, high = float(points.x.min()), float(points.x.max())
    if low == high and notes:  # rounding to the dtype made them one
        raise DataError(notes[0])
    if low == high:
        raise DataError(f"all values of x are {low!r}, which gives no interval. Give a domain, or more samples.")
    return Domain(low, high)


def _choose_engine(engine: Any, plan: Mapping[str, Any], loss: Any) -> tuple[str, str]:
    """Return the engine by name, and for "auto" a sentence on which was taken and why."""
    name = match("engine", engine, [*ENGINES, AUTO])
    if name != AUTO:
        return name, ""
    fused = ENGINES["fused"]
    try:
        fused.check(Plan(**{**plan, "dtype": plan["dtype"] or fused.DTYPE}), True, loss)
    except ArgumentError as error:
        return "torch", f"Engine auto took torch: {error}"
    return "fused", "Engine auto took fused, in float64: this run is one that it can do."
