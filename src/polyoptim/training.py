"""train(): a polynomial by an optimizer, step by step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from polyoptim import __version__
from polyoptim.arguments import (
    Arguments,
    check_powers,
    read_count,
    read_options,
    read_seed,
    read_size,
    resolve_domain,
)
from polyoptim.bases import FAMILIES
from polyoptim.bases.family import Family
from polyoptim.certificate import largest_stable_rate
from polyoptim.domain import Domain
from polyoptim.engines import ENGINES
from polyoptim.engines.plan import DEFAULT_RATE, STEP_FUNCTIONS, Callback, Plan
from polyoptim.errors import ArgumentError, DataError, StatusError
from polyoptim.losses import Loss, find_loss
from polyoptim.problem import Problem
from polyoptim.quadratic import Quadratic
from polyoptim.registry import match
from polyoptim.result import Result
from polyoptim.solution import Optimum, Solution, Status
from polyoptim.solvers.least_squares import least_squares
from polyoptim.targets.expression import integer, number
from polyoptim.targets.samples import Samples
from polyoptim.targets.target import Target

DEFAULT_DOMAIN = ("-pi", "pi")
AUTO = "auto"
# Spacing of each dtype at 1.
EPS = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
LARGEST_KEPT = 100_000
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
) -> Result:
    """Train a polynomial step by step, and put it next to the best that any such polynomial can do.

    The defaults are the reference run: a cubic learns sin(x) on 2000 points of [-π, π] from torch's default start, by
    2000 updates of RMSprop on the sum of squares, in float32. With the same seed every float is that of a plain
    PyTorch program. Numbers may be given as text: ``lr="2**-10"``, ``domain=("-pi/2", "pi/2")``.

    Parameters
    ----------
    target : an expression in x (``"sin(x)"``), a vectorised function, the values of x (then `y` holds those of y), a
        CSV file with a header, or a data frame (then `x`, `y`, `weight` name columns).
    y, x, weight : see `target`; a weight multiplies the loss of its sample.
    domain : the interval (a, b) on which a function is sampled and which is mapped. Left out: (-π, π), and for data the
        range of x.
    samples : points of a function, at ``torch.linspace(a, b, samples)``.
    degree, powers : the highest power, or the list of powers that may appear; without a 0 there is no constant.
    basis : "power", "chebyshev", "legendre", "hermite" or "laguerre".
    mapped : whether the domain is mapped onto the window of the basis. None: all but "power".
    loss, loss_options : "squared", "absolute", "huber" (delta), "smooth_l1" (beta), "logcosh", "pnorm" (p), or a
        torch.nn.Module of one's own, called with (prediction, y).
    reduction : "sum" or "mean".
    optimizer, lr, optimizer_options : a class of torch.optim by name in any letter case, or one's own class or
        factory, with torch's names and defaults; ``lr=None`` takes the optimizer's own default.
    schedule, schedule_options : a class of torch.optim.lr_scheduler, likewise; stepped after each update.
    steps, batch_size : updates, and samples that an update sees (None: all of them).
    every : a row of the trace is recorded each time so many updates have gone by.
    tol_loss : stop as converged where the loss changed by at most this share of itself in 10 updates running
        (with `batch_size`: in 10 recorded rows running).
    tol_gradient : stop as converged where the norm of the gradient is at most this.
    seed : of the run's own generator, 0 <= seed < 2**64; None draws one and records it.
    dtype : "float32", "float64", "float16" or "bfloat16"; None takes the engine's own: float32 with torch, float64
        with fused.
    device : "cpu", "cuda", …
    engine : "torch": torch.nn and torch.optim themselves. "fused": the squared loss as a quadratic in its
        coefficients, stepped by our own rules in float64, without torch. "auto": fused where it can, torch where it
        must.
    strict : raise StatusError where the run does not converge.
    callbacks : functions of a recorded row; one that returns True, or raises StopIteration, stops the run.

    Returns
    -------
    Result

    Raises
    ------
    ArgumentError
        With a sentence for each wrong argument.
    DataError
        For a target that is not finite on the samples, a bad cell, columns that do not fit.
    StatusError
        Under ``strict=True``.

    Examples
    --------
    >>> result = train("sin(x)", seed=0, steps=100)
    >>> result.status, len(result.coef), round(result.optimum, 4)
    (<Status.STEPS_DONE: 'steps_done'>, 4, 8.8172)
    """
    arguments = {
        name: value for name, value in locals().items() if name not in ("callbacks", "target", "y", "x", "weight")
    }
    check = Arguments()
    plan = {
        "lr": check(lambda: _rate(lr, optimizer_options)),
        "optimizer": optimizer,
        "optimizer_options": check(lambda: _without_rate(read_options(optimizer_options, "optimizer_options"))),
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
        "callbacks": check(lambda: _callbacks(callbacks)),
    }
    family: Family = check(lambda: FAMILIES[basis])
    chosen = check(lambda: check_powers(degree, powers))
    interval = check(lambda: resolve_domain(domain, None))
    count = check(lambda: read_count(samples))
    reduced = check(lambda: match("reduction", reduction, ("sum", "mean")))
    loss_used, loss_values = check(lambda: _loss(loss, loss_options)) or (None, {})
    engine_name, note = check(lambda: _choose_engine(engine, plan, loss_used)) or ("", "")
    chosen_engine: Any = ENGINES[engine_name] if engine_name else None
    if chosen_engine and plan["dtype"] is None:
        plan["dtype"] = chosen_engine.DTYPE
    what = check(lambda: Target(target, y, x, weight))
    check(lambda: _agree(schedule, schedule_options, mapped, strict))
    if chosen_engine and None not in (plan["optimizer_options"], plan["schedule_options"]):
        check(lambda: chosen_engine.check(Plan(**plan), chosen is None or 0 in chosen, loss_used))
    check.done()

    points = what.points(interval, count, plan["dtype"], chosen_engine.SAMPLER)
    if what.is_data and domain is DEFAULT_DOMAIN:
        interval = _range(points, what.notes(points, plan["dtype"]))
    window = family.window if (family.mapped if mapped is None else mapped) else None
    problem = Problem(points, family, Domain(interval.a, interval.b, window), chosen, loss_used, loss_values, reduced)
    optimum, quadratic = least_squares(problem, EPS[plan["dtype"]]) if problem.is_squared else (Optimum(), None)
    solution: Solution = chosen_engine.run(problem, Plan(**plan, optimum=optimum, quadratic=quadratic))
    read = {name: value for name, value in plan.items() if name in arguments}
    shape = {"degree": chosen[-1], "powers": None if powers is None else chosen, "samples": count}
    arguments = {**arguments, **read, **shape, "loss_options": loss_values, "reduction": reduced}
    notes = [note] if note else []
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
        residual = problem.family.evaluate(solution.coef, domain.map(points.x)) - points.y
    message = solution.message
    if solution.status is Status.DIVERGED and quadratic is not None:
        message += _advice(problem, largest_stable_rate(quadratic), plan["optimizer"], plan["lr"])
    notes = [*notes, *what.notes(points, plan["dtype"])]
    samples = None if what.expression else points
    if samples is not None and len(samples) > LARGEST_KEPT:
        notes.append(f"Of the {len(points)} samples {LARGEST_KEPT}, evenly spread, are kept in the result.")
        samples = _thinned(samples)
    return Result(
        verb="train",
        coef=solution.coef,
        basis=problem.family.name,
        domain=(domain.a, domain.b),
        window=domain.window,
        powers=problem.powers,
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
        arguments={name: _plain(value) for name, value in arguments.items()},
        method=_plain(solution.method),
        versions={"polyoptim": __version__, "numpy": np.__version__, **solution.versions},
        notes=tuple(notes),
    )


def _advice(problem: Problem, rate: float | None, optimizer: Any, lr: float | None) -> str:
    """Return a sentence with the largest stable rate of plain SGD, and what to try."""
    if rate is None:
        return ""
    a, b = problem.domain.a, problem.domain.b
    where = f"the {problem.family.name} basis of degree {problem.degree} on [{a:.6g}, {b:.6g}]"
    exceeds = "" if lr is None or lr <= rate else f"; lr={lr:.3g} exceeds it"
    tries = [f"lr={_round_down(rate):.1g}"] if rate > SMALLEST_ADVISED else []
    tries += ["optimizer='Adam'"] if str(optimizer).casefold() == "sgd" else []
    tries += ["basis='chebyshev'"] if problem.family.name == "power" else []
    advice = f" Use {' or '.join(tries)}." if tries else ""
    return f" The largest stable rate of plain SGD is 2/λmax = {rate:.4g} for {where}{exceeds}.{advice}"


def _round_down(rate: float) -> float:
    unit = 10.0 ** math.floor(math.log10(rate))
    return math.floor(rate / unit) * unit


def _thinned(samples: Samples) -> Samples:
    order = np.argsort(samples.x, kind="stable")
    places = np.sort(order[np.linspace(0, len(order) - 1, LARGEST_KEPT).astype(np.int64)])
    weight = None if samples.weight is None else samples.weight[places]
    return Samples(samples.x[places], samples.y[places], weight)


def _plain(value: Any) -> Any:
    """Return an argument as JSON knows it; an object that JSON does not know becomes {"object": its name}."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"object": repr(value)}
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, range)):
        return [_plain(item) for item in value]
    return {"object": getattr(value, "__qualname__", type(value).__qualname__)}


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


def _agree(schedule: Any, schedule_options: Any, mapped: Any, strict: Any) -> None:
    if schedule is None and schedule_options:
        raise ArgumentError("schedule_options are given without a schedule. Name one, or leave them out.")
    if mapped is not None and not isinstance(mapped, bool):
        raise ArgumentError(f"mapped must be True, False or None, got {mapped!r}.")
    if not isinstance(strict, bool):
        raise ArgumentError(f"strict must be True or False, got {strict!r}.")


def _rate(lr: Any, options: Any) -> float | None:
    """Return the learning rate, which may stand among the optimizer's options too."""
    if isinstance(options, Mapping) and "lr" in options:
        if lr not in (None, DEFAULT_RATE):
            raise ArgumentError(f"lr is given twice: {lr!r}, and {options['lr']!r} in optimizer_options. Give it once.")
        lr = options["lr"]
    return None if lr is None else read_size(lr, "lr")


def _without_rate(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "lr"}


def _loss(loss: Any, options: Any) -> tuple[Loss | Any, Mapping[str, Any]]:
    given = read_options(options, "loss_options")
    if isinstance(loss, str):
        found = find_loss(loss)
        return found, found.check({name: number(value, name) for name, value in given.items()})
    if not callable(loss):
        raise ArgumentError(f"loss must be a name or a torch.nn.Module, got {loss!r}.")
    if given and not isinstance(loss, type):
        raise ArgumentError("loss_options belong to a loss by name or a class; this loss is made already.")
    return loss, given


def _callbacks(callbacks: Any) -> tuple[Callback, ...]:
    if not callable(callbacks) and not isinstance(callbacks, Iterable):
        raise ArgumentError(f"callbacks must be a list of functions of a row, got {callbacks!r}.")
    found = (callbacks,) if callable(callbacks) else tuple(callbacks)
    for callback in found:
        if not callable(callback):
            raise ArgumentError(f"each of callbacks must be a function of a row, got {callback!r}.")
    return found
