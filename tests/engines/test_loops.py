"""One text of a rule, three ways to run it: as it stands, as a loop in plain Python, and compiled."""

from __future__ import annotations

import itertools
import random
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from polyoptim import Result, train
from polyoptim.bases import FAMILIES
from polyoptim.compiler import single_run
from polyoptim.domain import Domain
from polyoptim.engines import loops
from polyoptim.engines.batches import Batches, Everything
from polyoptim.engines.loops import compiled_sums, on_data, on_quadratic, plain_loop
from polyoptim.engines.objective import DataObjective, QuadraticObjective, slope
from polyoptim.engines.traces import Kind, flat, kind_of, ordered, shaped
from polyoptim.errors import ArgumentError
from polyoptim.generator import Generator
from polyoptim.losses import LOSSES, find_loss
from polyoptim.optim.rule import Rule, vector_step
from polyoptim.optim.rules import RULES
from polyoptim.problem import Problem
from polyoptim.quadratic import Quadratic
from polyoptim.targets.samples import Samples

COLUMNS = (1, 2, 4, 9, 10, 15)
UPDATES = 40
ON, OFF = 0.25, 0  # of an option that is a number and has a flag


def flags_of(rule: Rule) -> Iterator[tuple[dict[str, Any], dict[str, bool]]]:
    """Yield each set of flags that the rule can have, and options that lead to it."""
    known: list[dict[str, bool]] = []
    for on in itertools.product((False, True), repeat=len(rule.flags)):
        wanted = dict(zip(rule.flags, on, strict=True))
        options: dict[str, Any] = {}
        for flag, value in wanted.items():
            name = flag.removeprefix("with_")
            if name in rule.options:
                options[name] = value if isinstance(rule.options[name], bool) else (ON if value else OFF)
        try:
            flags = rule.read(options)[1]
        except ArgumentError:  # a combination that torch refuses
            continue
        flags.update({name: wanted[name] for name in flags if name == "cycled"})  # a schedule sets it, no option does
        if flags not in known:
            known.append(flags)
            yield options, flags


LOOPED = [name for name in RULES if not RULES[name].reevaluates]
CASES = [(name, options, flags) for name in LOOPED for options, flags in flags_of(RULES[name])]
SHAPES = list(itertools.product(COLUMNS, (True, False)))


def case_id(case: tuple[str, Any, dict[str, bool]]) -> str:
    return "-".join([case[0], *(flag for flag, value in case[2].items() if value)])


def wide(flags: dict[str, bool]) -> dict[str, bool]:
    """Return flags with all on that only leave out what does nothing: runs that differ in them can share a kernel."""
    return {name: value or name.startswith("with_") for name, value in flags.items()}


# As many kernels as there are rules with their flags, where those that can share one count once; their shapes in turn.
KERNELS: dict[Kind, tuple[str, Any, dict[str, bool]]] = {}
for _case in CASES:
    KERNELS.setdefault(kind_of(RULES[_case[0]], wide(_case[2]), 1, True), _case)
COVERING = [(case, *SHAPES[place % len(SHAPES)]) for place, case in enumerate(KERNELS.values())]


class Run:
    """A rule with drawn numbers on a random quadratic, and what it has come to."""

    def __init__(self, case: tuple[str, Any, dict[str, bool]], columns: int, bias: bool, seed: int = 0) -> None:
        name, options, self.flags = case
        self.rule, self.bias, self.columns = RULES[name], bias, columns
        draw = random.Random(repr((case, columns, bias, seed)))  # noqa: S311 - draws examples, not secrets
        noise = np.random.default_rng(draw.randrange(2**32))
        self.hyper, _ = self.rule.read({**options, **numbers(self.rule, options, draw)})
        if self.flags.get("cycled"):  # then a schedule moves the momentum
            self.momentum = next(known for known in ("beta1", "momentum") if known in self.rule.hyper)
        else:
            self.momentum = None
        self.lrs = [draw.uniform(1e-3, 0.2) for _ in range(UPDATES)]
        self.momenta = [draw.uniform(0.5, 0.95) if self.momentum else 0.0 for _ in range(UPDATES)]
        scale = 10.0 ** draw.uniform(-1, 1)
        self.objective: Any = QuadraticObjective(
            Quadratic(scale * noise.normal(size=(columns, columns)), noise.normal(size=columns), 0.3, 0.7)
        )
        self.coef: list[float] = noise.normal(size=columns).tolist()

    @property
    def kind(self) -> Kind:
        return kind_of(self.rule, self.flags, self.columns, self.bias, self.momentum)

    def widened(self) -> Run:
        """Take the flags of the kernel: those that only leave out what does nothing are on."""
        self.flags = wide(self.flags)
        return self

    def evaluate(self, coef: list[float]) -> tuple[float, list[float]]:
        made = self.objective
        rows = [row[place:] for place, row in enumerate(made.rows.tolist())]
        down = [column[: place + 1] for place, column in enumerate(made.down.T.tolist())]
        value, gradient = slope(coef, rows, made.wanted.tolist(), down)
        return made.optimum + made.factor * value, gradient

    def by_rule(self, updates: int = UPDATES, evaluate: Any = None) -> tuple[list[float], list[float], list[float]]:
        """Return coefficients, state and losses after updates by the rule as it stands."""
        begin, step = vector_step(self.rule, self.flags)
        tensors, losses = shaped(self.coef, self.bias), []
        state = begin(tensors, self.hyper)
        own = evaluate or self.evaluate

        def at(tensors: Any) -> Any:
            loss, gradient = own(ordered(tensors, self.bias))
            return loss, shaped(gradient, self.bias)

        for made in range(updates):
            numbers = list(self.hyper)
            numbers[self.rule.hyper.index("lr")] = self.lrs[made]
            if self.momentum:
                numbers[self.rule.hyper.index(self.momentum)] = self.momenta[made]
            loss, tensors, state = step(float(made + 1), tensors, state, tuple(numbers), at)
            losses.append(loss)
        return ordered(tensors, self.bias), flat(self.rule, state, self.bias), losses

    def by_loop(
        self,
        compiled: bool,
        updates: int = UPDATES,
        *,
        advance: Any = None,
        goes: int = 2,
        limit: float = sys.float_info.max,
        tolerances: tuple[float, float] = (-1.0, -1.0),
        skip: Any = None,
    ) -> tuple[list[float], list[float], float, int]:
        """Return coefficients, state, last loss and how many updates a loop makes, in some goes."""
        row: Any = (lambda values: np.array(values, dtype=np.float64)) if compiled else list
        loop: Any = advance or on_quadratic(self.kind, self.objective, compiled)
        begin, _ = vector_step(self.rule, self.flags)
        coef, calm, work = row(self.coef), row([0.0, np.nan]), row([0.0] * (2 * self.columns + 2))
        state = row(flat(self.rule, begin(shaped(self.coef, self.bias), self.hyper), self.bias))
        made, nothing = 0, row([0.0])
        for go in range(goes):
            count = (updates * (go + 1)) // goes - made
            lrs, momenta = row(self.lrs[made:]), row(self.momenta[made:])
            given = (coef, state, row(self.hyper), lrs, 1, momenta, 1, made, count, limit, *tolerances, calm, work)
            done = int(loop(*given, -1, 1, nothing))
            made += done
            if skip is not None:
                skip(done)
            if done < count:
                break
        return [*map(float, coef)], [*map(float, state)], float(calm[1]), made


def numbers(rule: Rule, options: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """Return values near the defaults, for the options that have no flag."""
    found: dict[str, Any] = {}
    for name, default in rule.options.items():
        if name in options or isinstance(default, (bool, str)) or default is None:
            continue
        if isinstance(default, tuple):
            value: Any = tuple(part and part * draw.uniform(0.9, 1.0) for part in default)
        else:
            value = default * draw.uniform(0.9, 1.0)
        try:
            rule.check({**options, name: value})
        except ArgumentError:
            continue
        found[name] = value
    return found


def bits(values: Any) -> Any:
    """Return numbers such that only the same bits are equal; one not-a-number is like the other."""
    array = np.array(values, dtype=np.float64)
    return np.where(np.isnan(array), np.nan, array).view(np.int64).tolist()


def same(run: Run, compiled: bool) -> None:
    coef, state, losses = run.by_rule()
    found, kept, loss, made = run.by_loop(compiled)
    assert made == UPDATES
    assert bits(found) == bits(coef)
    assert bits(kept) == bits(state)
    assert bits(loss) == bits(losses[-1])


@pytest.mark.parametrize("case", KERNELS.values(), ids=case_id)
def test_plain_loop_has_the_bits_of_the_rule(case: Any) -> None:
    for columns, bias in SHAPES:
        same(Run(case, columns, bias).widened(), compiled=False)


@pytest.mark.parametrize(
    ("case", "columns", "bias"), COVERING, ids=[f"{case_id(case)}-{m}-{b:d}" for case, m, b in COVERING]
)
def test_compiled_loop_has_the_bits_of_the_rule(case: Any, columns: int, bias: bool) -> None:
    for seed in range(3):
        same(Run(case, columns, bias, seed).widened(), compiled=True)


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_flag_that_starts_with_with_leaves_out_what_does_nothing(case: Any) -> None:
    for seed in range(5):
        run = Run(case, 3, True, seed)
        coef, _, losses = run.by_rule()
        found, _, lost = run.widened().by_rule()
        assert bits(found) == bits(coef)
        assert bits(lost) == bits(losses)


# Special values


class Bare:
    """Just the numbers of a quadratic, as they are."""

    def __init__(self, rows: Any, wanted: Any, optimum: float = 0.0) -> None:
        self.rows, self.wanted = np.array(rows, dtype=np.float64), np.array(wanted, dtype=np.float64)
        self.down, self.factor, self.optimum = 2 * self.rows, 1.0, optimum


# At 0: gradients that are infinite, not a number, zero and denormal, while the loss is finite.
EXTREME = Bare([[1e156, 1e156, 0, 0], [0, -1e156, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1e-160]], [-1e153, -1e153, 0, -1e-155])
FLAT = Bare(np.zeros((4, 4)), np.zeros(4), optimum=1.0)
SPECIAL = {"extreme": EXTREME, "flat": FLAT}


def special(case: Any, objective: Bare, columns: int = 4) -> Run:
    run = Run(case, columns, True, 1).widened()
    run.objective, run.coef = objective, [0.0, -0.0, 0.0, 0.0]
    return run


@pytest.mark.parametrize("compiled", [False, True])
def test_special_gradients_are_the_intended_ones(compiled: bool) -> None:
    case = next(case for case in CASES if case[0] == "SGD" and case[2]["with_momentum"])
    run = special(case, EXTREME)
    loss, gradient = run.evaluate(run.coef)
    assert np.isfinite(loss)
    assert gradient[0] == np.inf
    assert np.isnan(gradient[1])
    assert gradient[2] == 0.0
    assert 0 < abs(gradient[3]) < sys.float_info.min
    coef, _, _, made = run.by_loop(compiled)
    assert made == 1  # the loss of the next is not finite
    assert coef[0] == -np.inf


@pytest.mark.parametrize("objective", SPECIAL)
@pytest.mark.parametrize("case", KERNELS.values(), ids=case_id)
def test_plain_loop_has_the_bits_of_the_rule_when_gradients_are_special(case: Any, objective: str) -> None:
    run = special(case, SPECIAL[objective])
    coef, state, _, made = run.by_loop(False, 3, goes=1)
    expected, kept, _ = run.by_rule(made)
    assert made >= 1
    assert bits(coef) == bits(expected)
    assert bits(state) == bits(kept)


# One kernel for each rule: those of all flags are compared on usual numbers above.
@pytest.mark.parametrize("name", LOOPED)
def test_compiled_loop_has_the_bits_of_the_plain_one_when_gradients_are_special(name: str) -> None:
    case = next(case for case in KERNELS.values() if case[0] == name)
    for objective in SPECIAL.values():
        for lr in (None, 0.0):
            run = special(case, objective)
            run.lrs = run.lrs if lr is None else [lr] * UPDATES
            coef, state, loss, made = run.by_loop(True)
            found = run.by_loop(False)
            assert made == found[3]
            assert bits(coef) == bits(found[0])
            assert bits(state) == bits(found[1])
            assert bits(loss) == bits(found[2])


# Where a loop stops


@pytest.mark.parametrize("columns", [4, 10])
@pytest.mark.parametrize("compiled", [False, True])
def test_loop_stops_before_the_update_that_is_of_interest(compiled: bool, columns: int) -> None:
    case = next(case for case in CASES if case[0] == "SGD" and not any(case[2].values()))
    run = Run(case, columns, True).widened()
    run.lrs = [1e-3] * UPDATES
    losses = run.by_rule()[2]
    norms = [np.linalg.norm(run.evaluate(run.by_rule(made)[0])[1]) for made in range(UPDATES)]
    growing = Run(case, columns, True).widened()
    growing.lrs = [1e3] * UPDATES
    risen = growing.by_rule()[2]
    first = next(made for made, loss in enumerate(risen) if not loss <= 1e30)
    assert growing.by_loop(compiled, limit=1e30)[3] == first > 0
    assert run.by_loop(compiled, limit=losses[5])[3] == 0  # it starts above
    for wanted in (7, 23):
        squares = float(norms[wanted]) ** 2 * (1 + 1e-9)
        assert run.by_loop(compiled, tolerances=(-1.0, squares))[3] == wanted
    change = np.abs(np.diff(losses)) / np.abs(losses[1:])
    tolerance = float(np.sort(change)[UPDATES // 2]) * (1 + 1e-9)
    calm = [place for place in range(9, len(change)) if (change[place - 9 : place + 1] <= tolerance).all()]
    assert run.by_loop(compiled, tolerances=(tolerance, -1.0))[3] == calm[0] + 1


class Close:
    """A callback that wants to be told of each update, so that each is made by itself."""

    def __call__(self, row: Any) -> None: ...

    def on_step(self, step: int, loss: float) -> None: ...


def three_ways(**options: Any) -> list[Result]:
    """Return the same run compiled, in plain Python, and update by update."""
    found = [train("sin(x)", engine="fused", **options)]
    token = single_run.set(True)
    try:
        found.append(train("sin(x)", engine="fused", **options))
    finally:
        single_run.reset(token)
    return [*found, train("sin(x)", engine="fused", callbacks=[Close()], **options)]


def alike(results: list[Result]) -> Result:
    first = results[0]
    for other in results[1:]:
        assert other.status == first.status
        assert other.message == first.message
        assert other.steps == first.steps
        assert other.coef.tolist() == first.coef.tolist()
        assert list(other.trace) == list(first.trace)
    return first


@pytest.mark.parametrize("every", [1, 7, 100, 10**6])
def test_run_ends_at_the_same_update_in_all_ways(every: int) -> None:
    draw = np.random.default_rng(every)
    ends: set[str] = set()
    for _ in range(12):
        tolerances = {
            "tol_loss": float(10.0 ** draw.uniform(-7, -2)) if draw.random() < 0.7 else None,
            "tol_gradient": float(10.0 ** draw.uniform(-6, 2)) if draw.random() < 0.7 else None,
        }
        lr = float(10.0 ** draw.uniform(-3, 0))
        shape = {"basis": "legendre", "samples": 30, "seed": int(draw.integers(99)), "steps": 700, "every": every}
        ends.add(str(alike(three_ways(optimizer="Adam", lr=lr, **shape, **tolerances)).status))
        rate = float(10.0 ** draw.uniform(-4, 1))
        ends.add(str(alike(three_ways(optimizer="SGD", lr=rate, **shape, **tolerances)).status))
    assert ends == {"converged", "diverged", "steps_done"}


def test_run_of_a_tolerance_of_zero_ends_at_the_same_update_in_all_ways() -> None:
    shape = {"basis": "legendre", "samples": 30, "seed": 1, "steps": 4000, "optimizer": "SGD", "lr": 1e-2, "every": 900}
    assert alike(three_ways(tol_loss=0, **shape)).status == "converged"
    alike(three_ways(tol_gradient=0, **shape))


@pytest.mark.parametrize("schedule", [("OneCycleLR", {"max_lr": 0.1, "total_steps": 90}), ("StepLR", {"step_size": 7})])
@pytest.mark.parametrize("optimizer", ["Adam", "SGD", "RMSprop", "NAdam", "Adafactor"])
def test_scheduled_run_is_the_same_in_all_ways(optimizer: str, schedule: tuple[str, dict[str, Any]]) -> None:
    momentum = {"momentum": 0.5} if optimizer in ("SGD", "RMSprop") else {}
    if optimizer == "Adafactor" and schedule[0] == "OneCycleLR":
        schedule = (schedule[0], {**schedule[1], "cycle_momentum": False})
    alike(
        three_ways(
            optimizer=optimizer, optimizer_options=momentum, schedule=schedule[0], schedule_options=schedule[1],
            lr=1e-3, steps=90, every=13, basis="legendre", seed=2,
        )
    )  # fmt: skip


@pytest.mark.parametrize("every", [1, 7, 100])
@pytest.mark.parametrize(
    "options",
    [
        {"steps": 500},
        {"steps": 500, "loss": "huber"},
        {"steps": 300, "batch_size": 7, "samples": 50},
        {"steps": 150, "powers": [1, 3], "schedule": "StepLR", "schedule_options": {"step_size": 10, "gamma": 0.9}},
        {"steps": 21_000, "optimizer": "LBFGS", "lr": 0.1},
        {"steps": 500, "optimizer": "SGD", "lr": 1.0},
    ],
)
def test_rows_are_the_same_whether_or_not_somebody_is_told_of_them(options: dict[str, Any], every: int) -> None:
    told: list[int] = []

    def tell(row: Any) -> None:
        told.append(row["step"])

    results = [train("sin(x)", engine="fused", seed=1, every=every, callbacks=own, **options) for own in ([], [tell])]
    assert told == alike(results).trace["step"].tolist() or results[0].status == "diverged"


# On data


def data_of(loss: str, columns: int, bias: bool, count: int, weighted: bool) -> DataObjective:
    noise = np.random.default_rng(columns)
    weight = noise.uniform(0, 2, count) if weighted else None
    samples = Samples(noise.uniform(-1, 1, count), noise.normal(size=count), weight)
    powers = tuple(range(columns) if bias else range(1, columns + 1))
    options = {name: option.default for name, option in LOSSES[loss].options.items()}
    problem = Problem(samples, FAMILIES["chebyshev"], Domain(-1, 1), powers, find_loss(loss), options, "mean")
    return DataObjective(problem, find_loss(loss), options)


@pytest.mark.parametrize("batch_size", [None, 1, 7, 300])
@pytest.mark.parametrize(
    ("loss", "columns", "bias", "weighted"),
    [("huber", 4, True, True), ("squared", 10, True, False), ("absolute", 3, False, False), ("pnorm", 1, True, True)],
)
@pytest.mark.parametrize("name", ["Adam", "Adafactor"])
def test_compiled_loop_on_data_has_the_numbers_of_the_rule(
    name: str, loss: str, columns: int, bias: bool, weighted: bool, batch_size: int | None
) -> None:
    case = next(case for case in CASES if case[0] == name and not any(case[2].values()))
    run = Run(case, columns, bias).widened()
    data = data_of(loss, columns, bias, 100, weighted)
    made = on_data(run.kind, data)
    assert made is not None
    loop, sums = made

    def fresh() -> Everything | Batches:
        return Everything(data) if batch_size is None else Batches(data, batch_size, Generator(5), None)

    samples, seen = fresh(), fresh()
    if isinstance(samples, Batches):
        samples.renew()

    def advance(*more: Any) -> int:
        return loop(samples, *more)

    def skip(made: int) -> None:
        if isinstance(samples, Batches):
            samples.skip(made)
            samples.renew()

    def evaluate(coef: list[float]) -> tuple[float, list[float]]:
        if not isinstance(seen, Batches):
            return data.evaluate(coef)
        seen.renew()
        value = seen.evaluate(coef)
        seen.skip(1)
        return value

    count = 20 if batch_size is None else -(-100 // batch_size)
    updates = min(3 * count, UPDATES)
    goes = updates // min(count, updates)
    updates = goes * min(count, updates)
    found, state, last, count = run.by_loop(True, updates, advance=advance, goes=goes, skip=skip)
    assert count == updates
    data.sums = sums
    coef, kept, losses = run.by_rule(updates, evaluate)
    # The sums of a loss may be reordered, and in another way where they stand in a loop.
    np.testing.assert_allclose(found, coef, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(state, kept, rtol=1e-9, atol=1e-12)
    assert last == pytest.approx(losses[-1], rel=1e-11)


def test_sums_of_many_samples_do_not_depend_on_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    data = data_of("huber", 4, True, 100_003, True)
    coef = np.array([0.3, -0.2, 0.1, 0.5])
    alone = compiled_sums(data)(data, coef, 5, 100_003)
    monkeypatch.setattr(loops, "MANY", 1000)
    found = [compiled_sums(data)(data, coef, 5, 100_003)]
    if hasattr(loops.os, "sched_getaffinity"):
        for cores in (1, 2, 3, 50):
            monkeypatch.setattr(loops.os, "sched_getaffinity", lambda _pid, cores=cores: range(cores))
            loops._pool.cache_clear()  # noqa: SLF001 - the cores differ from now on
            found.append(compiled_sums(data)(data, coef, 5, 100_003))
        loops._pool.cache_clear()  # noqa: SLF001 - the cores differ from now on
    assert all(sums == alone for sums in found)
    np.testing.assert_allclose(alone, data.array_sums(coef, 5, 100_003), rtol=1e-12)


def test_there_is_no_loop_where_a_rule_evaluates_again_or_couples_many_coefficients() -> None:
    assert plain_loop(kind_of(RULES["LBFGS"], {}, 4, True)) is None
    assert plain_loop(kind_of(RULES["Adafactor"], RULES["Adafactor"].read({})[1], 25, True)) is None
