"""The text of the loops of one run: on a quadratic, and on data.

The traced operations are written out as plain lines, once for each coefficient, or as a loop over the coefficients
where there are many. The same text is compiled by numba or, for a short run, executed as it is. On a quadratic nothing
is reordered or fused, so that all of them, and many runs side by side, give the same numbers to the bit.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from polyoptim.bases import FAMILIES
from polyoptim.engines.elementary import elementary_functions
from polyoptim.engines.traces import Kind, Step, traced_loss, traced_slope, traced_step
from polyoptim.engines.watch import CALM_UPDATES
from polyoptim.losses import find_loss
from polyoptim.optim.rules import RULES
from polyoptim.tracing import Operation

# How each operation is written; what is not here is a binary operator. Compiled code follows IEEE 754; plain Python
# calls the primitives where it would raise, and keeps calls out of what is usual.
COMPILED = {
    "negative": "-{0}",
    "abs": "abs({0})",
    "where": "({1} if {0} else {2})",
    "maximum": "({0} if ({0} > {1}) | ({0} != {0}) else {1})",
    "minimum": "({0} if ({0} < {1}) | ({0} != {0}) else {1})",
    "sign": "(1.0 if {0} > 0.0 else (-1.0 if {0} < 0.0 else 0.0))",
    "sqrt": "math.sqrt({0})",
    "divide": "{0} / {1}",
    "power": "{0} ** {1}",
    "to_float32": "np.float64(np.float32({0}))",
    "exp": "math.exp({0})",
    "log1p": "math.log1p({0})",
}
# Over samples, functions that are vectorised.
SAMPLED = {**COMPILED, "exp": "exp({0})", "log1p": "log1p({0})"}
PLAIN = {
    **COMPILED,
    "sqrt": "(sqrt({0}) if {0} >= 0.0 else nan)",
    "divide": "({0} / {1} if {1} else divide({0}, {1}))",
    "power": "power({0}, {1})",
    "to_float32": "to_float32({0})",
}
# inf and nan are how these numbers are spelled as text.
HEADERS = {
    True: "import math\nfrom math import inf, nan\n\nimport numba\nimport numpy as np\n\n\n",
    False: "from math import inf, nan, sqrt\n\nfrom polyoptim.primitives import divide, power, to_float32\n\n\n",
}
FLOATS, TABLE, WHOLE, FLOAT = "float64[::1]", "float64[:, ::1]", "int64", "float64"
# In place of a basis: the columns are stored, as those of products in several columns of x are.
STORED = "stored"
# How many samples are summed at a time; their sums are added in order, whoever computed them.
BLOCK = 16384

# What every loop over the updates of one run takes. `coef`, `state` and `calm` are also where it leaves them. In
# `noted` it leaves the coefficients before the update that comes after `ahead` others, and before each `every` later.
UPDATES = {
    "coef": FLOATS, "state": FLOATS, "hyper": FLOATS,
    "lrs": FLOATS, "lr_stride": WHOLE, "momenta": FLOATS, "momentum_stride": WHOLE,
    "first": WHOLE, "count": WHOLE, "limit": FLOAT, "tol_loss": FLOAT, "tol_gradient": FLOAT, "calm": FLOATS,
    "work": FLOATS, "ahead": WHOLE, "every": WHOLE, "noted": FLOATS,
}  # fmt: skip
QUADRATIC = {"rows": FLOATS, "wanted": FLOATS, "down": FLOATS, "factor": FLOAT, "optimum": FLOAT}
DATA = {"u": FLOATS, "y": FLOATS, "weight": FLOATS, "options": FLOATS}


@lru_cache(maxsize=256)
def run_text(kind: Kind, compiled: bool) -> str | None:
    """Return a module with ``advance(…)``: updates on a quadratic, until `count` or until one is of interest.

    An update is of interest where its loss is above `limit` or not a number, and where a tolerance may be reached; the
    loop stops before it. Returns how many were made.
    """
    step = traced_step(kind)
    if step is None:
        return None
    m = kind.columns
    if kind.unrolled:
        formula = traced_slope(m)
        evaluate = [
            *lines_of(formula.operations, compiled),
            *(f"g{k} = {name}" for k, name in enumerate(formula.slope)),
            f"loss = optimum + factor * {formula.value}",
        ]
        setup = numbers_of_quadratic(m)
    else:
        evaluate = [*looped_slope(m), "loss = optimum + factor * value"]
        setup = (
            [f"residual, gradient = work[:{m}], work[{m}:]"]
            if compiled
            else [f"residual, gradient = [0.0] * {m}, [0.0] * {m}"]
        )
    return HEADERS[compiled] + _advance({**QUADRATIC, **UPDATES}, kind, step, setup, evaluate, compiled)


@lru_cache(maxsize=256)
def data_text(kind: Kind, loss: str, basis: str, powers: tuple[int, ...], weighted: bool) -> str | None:
    """Return a module with ``sums(…)`` of a loss over samples, and ``advance(…)``, updates on them as in ``run_text``.

    An update sees `size` samples from `low` on, the next ones each time `stride` further, and the last ones up to
    `high`.
    """
    step = traced_step(kind)
    if step is None:
        return None
    m = kind.columns
    evaluate = [
        *([f"coef[{k}] = c{k}" for k in range(m)] if kind.unrolled else []),
        "begin = low + made * stride",
        "end = min(begin + size, high)",
        "sums(u, y, weight, options, begin, end, coef, work)",
        f"scale = 1.0 / work[{m + 1}] if mean else 1.0",
        "loss = scale * work[0]",
        *([f"g{k} = scale * work[{k + 1}]" for k in range(m)] if kind.unrolled else []),
        *([] if kind.unrolled else [f"for k in range({m}):", "    gradient[k] = scale * work[k + 1]"]),
    ]
    setup = [] if kind.unrolled else [f"gradient = work[{m + 2}:]"]
    parameters = {**DATA, "low": WHOLE, "high": WHOLE, "size": WHOLE, "stride": WHOLE, "mean": WHOLE, **UPDATES}
    return (
        HEADERS[True]
        + sums_functions(loss, basis, powers, weighted, shared=False)
        + "\n\n"
        + _advance(parameters, kind, step, setup, evaluate, True)
    )


@lru_cache(maxsize=64)
def sums_text(loss: str, basis: str, powers: tuple[int, ...], weighted: bool) -> str:
    """Return a module with ``blocks(…)`` and ``sums(…)``."""
    return HEADERS[True] + sums_functions(loss, basis, powers, weighted, shared=True)


def shuffle_text() -> str:
    """Return a module with ``shuffle(order, words)``, the loop of ``generator.shuffle``."""
    body = [
        "count = order.size",
        "for place in range(count - 1):",
        "    other = place + np.int64(words[place] % np.uint64(count - place))",
        "    order[place], order[other] = order[other], order[place]",
    ]
    return HEADERS[True] + function_text("shuffle", "void", {"order": "int64[::1]", "words": "uint64[::1]"}, body)


def sums_functions(loss: str, basis: str, powers: tuple[int, ...], weighted: bool, *, shared: bool) -> str:
    """Return ``block``, with `shared` ``blocks``, and ``sums``: loss, slopes and weights summed over samples.

    ``sums(u, y, weight, options, begin, end, coef, out)`` leaves in `out` the sum of the losses, of their slopes by
    each coefficient, and of the weights. ``blocks`` leaves the same of each block of samples in a row of its own. Where
    the columns are stored, `u` holds them, sample by sample.
    """
    m, formula = len(powers), traced_loss(loss)
    block = _stored_block(loss, m, weighted) if basis == STORED else _block(loss, basis, powers, weighted)
    parameters = {**DATA, "begin": WHOLE, "end": WHOLE, "coef": FLOATS, "out": FLOATS}
    many = {**DATA, "begin": WHOLE, "end": WHOLE, "coef": FLOATS, "table": TABLE}
    blocks = [
        "for place in range(table.shape[0]):",
        f"    start = begin + place * {BLOCK}",
        f"    block(u, y, weight, options, start, min(start + {BLOCK}, end), coef, table[place])",
    ]
    sums = [
        f"block(u, y, weight, options, begin, min(begin + {BLOCK}, end), coef, out)",
        f"if end - begin > {BLOCK}:",
        f"    more = np.empty({m + 2})",
        f"    for start in range(begin + {BLOCK}, end, {BLOCK}):",
        f"        block(u, y, weight, options, start, min(start + {BLOCK}, end), coef, more)",
        f"        for k in range({m + 2}):",
        "            out[k] += more[k]",
    ]
    return "\n\n".join(
        [
            *elementary_functions({operation for _, operation, _ in formula.operations}),
            function_text("block", "void", parameters, block, fast=True),
            *([function_text("blocks", "void", many, blocks)] if shared else []),
            function_text("sums", "void", parameters, sums),
        ]
    )


def _block(loss: str, basis: str, powers: tuple[int, ...], weighted: bool) -> list[str]:
    """Return the lines of ``block`` where each sample's columns are computed."""
    m, formula, times = len(powers), traced_loss(loss), "w * " if weighted else ""
    basis_lines = _basis_lines(basis, powers)
    prediction = _sum(f"c{k} * p{power}" if power else f"c{k}" for k, power in enumerate(powers))
    inner = [
        "x = us[i]",
        *basis_lines,
        f"r = {prediction} - ys[i]",
        *_written(formula.operations, SAMPLED),
        *(["w = ws[i]", "total += w"] if weighted else []),
        f"pull = {times}{formula.slope[0]}",
        f"value += {times}{formula.value}",
        *(f"g{k} += pull * p{power}" if power else f"g{k} += pull" for k, power in enumerate(powers)),
    ]  # fmt: skip
    return [
        *(f"c{k} = coef[{k}]" for k in range(m)),
        *(f"o{k} = options[{k}]" for k in range(len(find_loss(loss).options))),
        "value = 0.0",
        *(f"g{k} = 0.0" for k in range(m)),
        "total = 0.0" if weighted else "total = float(end - begin)",
        "us, ys = u[begin:end], y[begin:end]",
        *(["ws = weight[begin:end]"] if weighted else []),
        "for i in range(us.size):",
        *(f"    {line}" for line in inner),
        "out[0] = value",
        *(f"out[{k + 1}] = g{k}" for k in range(m)),
        f"out[{m + 1}] = total",
    ]


def _stored_block(loss: str, m: int, weighted: bool) -> list[str]:
    """Return the lines of ``block`` where each sample's columns are read."""
    formula, times = traced_loss(loss), "w * " if weighted else ""
    return [
        *(f"o{k} = options[{k}]" for k in range(len(find_loss(loss).options))),
        "value = 0.0",
        f"for k in range({m}):",
        "    out[k + 1] = 0.0",
        "total = 0.0" if weighted else "total = float(end - begin)",
        "for i in range(begin, end):",
        f"    columns = u[i * {m}:(i + 1) * {m}]",
        "    r = 0.0",
        f"    for k in range({m}):",
        "        r += coef[k] * columns[k]",
        "    r -= y[i]",
        *(f"    {line}" for line in _written(formula.operations, SAMPLED)),
        *(["    w = weight[i]", "    total += w"] if weighted else []),
        f"    pull = {times}{formula.slope[0]}",
        f"    value += {times}{formula.value}",
        f"    for k in range({m}):",
        "        out[k + 1] += pull * columns[k]",
        "out[0] = value",
        f"out[{m + 1}] = total",
    ]


def _basis_lines(basis: str, powers: tuple[int, ...]) -> list[str]:
    """Return lines that compute p1, p2, … at x by the three-term recurrence; p0 is 1."""
    recurrence = FAMILIES[basis].recurrence
    lines = []
    for k in range(max(powers)):
        a, b, c = (float(part) for part in recurrence(k))
        factor = "x" if a == 1.0 else f"{a!r} * x"
        factor = factor if b == 0.0 else f"({factor} + {b!r})"
        product = factor if k == 0 else f"{factor} * p{k}"
        before = f"p{k - 1}" if k > 1 else "1.0"
        lines.append(f"p{k + 1} = {product}" + (f" - {c!r} * {before}" if k and c else ""))
    return lines


@lru_cache(maxsize=64)
def slope_text(columns: int) -> str:
    """Return a module with ``bound(rows, wanted, down)``, which returns ``slope`` as a function of the coefficients.

    For plain Python: straight lines take a third of the time of the loops that they come from.
    """
    formula = traced_slope(columns)
    names = ", ".join(f"c{k}" for k in range(columns))
    inner = [f"{names}, = coef", *lines_of(formula.operations, False)]
    inner.append(f"return {formula.value}, [{', '.join(formula.slope)}]")
    body = [*numbers_of_quadratic(columns), function_text("at", "", {"coef": ""}, inner, compiled=False), "return at"]
    return function_text("bound", "", {"rows": "", "wanted": "", "down": ""}, body, compiled=False)


def numbers_of_quadratic(m: int) -> list[str]:
    """Return lines that take a triangle of numbers out of its arrays."""
    pairs = [(i, j) for i in range(m) for j in range(i, m)]
    return [
        *(f"r{i}_{j} = rows[{i * m + j}]" for i, j in pairs),
        *(f"d{i}_{j} = down[{i * m + j}]" for i, j in pairs),
        *(f"q{i} = wanted[{i}]" for i in range(m)),
    ]


def looped_slope(m: int | str) -> list[str]:
    """Return the lines of ``slope`` as loops whose inner one runs over neighbours; each sum keeps its order.

    `rows` is transposed here: its inner loop goes down a column.
    """
    return f"""\
for j in range({m}):
    c = coef[j]
    for i in range(j):
        residual[i] += rows[j * {m} + i] * c
    residual[j] = rows[j * {m} + j] * c - wanted[j]
value = residual[0] * residual[0]
for i in range(1, {m}):
    value = value + residual[i] * residual[i]
c = residual[0]
for j in range({m}):
    gradient[j] = down[j] * c
for i in range(1, {m}):
    c = residual[i]
    for j in range(i, {m}):
        gradient[j] += down[i * {m} + j] * c""".splitlines()


def _advance(
    parameters: Mapping[str, str],
    kind: Kind,
    step: Step,
    setup: Sequence[str],
    evaluate: Sequence[str],
    compiled: bool,
) -> str:
    """Return the loop over the updates of one run, around lines that find ``loss`` and its gradient."""
    m, rule = kind.columns, RULES[kind.rule]
    count = len(step.state) if kind.unrolled else step.scalars
    taken = [f"c{k}" for k in range(m)] if kind.unrolled else []
    kept = [f"s{k}" for k in range(count)]
    parts = [f"g{k}" for k in range(m)] if kind.unrolled else ["gradient[k]"]
    added = [f"    squares += {part} * {part}" for part in parts]
    body = [
        "if made == mark:",
        *(f"    noted[place + {k}] = c{k}" for k in range(len(taken))),
        *([] if kind.unrolled else [f"    for k in range({m}):", "        noted[place + k] = coef[k]"]),
        "    mark, place = mark + every, place + " + str(m),
        "number = float(first + made + 1)",
        "h_lr = lrs[made * lr_stride]",
        *([f"h_{kind.momentum} = momenta[made * momentum_stride]"] if kind.momentum else []),
        *evaluate,
        "if not loss <= limit:",
        "    break",
        "if tol_gradient >= 0.0:",
        "    squares = 0.0",
        *([] if kind.unrolled else [f"    for k in range({m}):"]),
        *(added if kind.unrolled else [f"    {line}" for line in added]),
        "    if squares <= tol_gradient:",
        "        break",
        "if tol_loss >= 0.0:",
        "    still = abs(loss - last) <= tol_loss * abs(loss)",
        f"    if still and quiet >= {CALM_UPDATES - 1}.0:",
        "        break",
        "    quiet = quiet + 1.0 if still else 0.0",
        "last = loss",
        *lines_of(step.once, compiled),
        *([] if kind.unrolled else _each(m, step, compiled)),
        *_assigned([*taken, *kept], [*(step.coef if kind.unrolled else []), *step.state[:count]]),
        "made += 1",
    ]
    return function_text(
        "advance",
        WHOLE,
        parameters,
        [
            *setup,
            *(f"h_{known} = hyper[{place}]" for place, known in enumerate(rule.hyper)),
            *(f"{name} = state[{k}]" for k, name in enumerate(kept)),
            *(f"{name} = coef[{k}]" for k, name in enumerate(taken)),
            "quiet, last = calm[0], calm[1]",
            "made, mark, place = 0, ahead, 0",
            "while made < count:",
            *(f"    {line}" for line in body),
            *(f"state[{k}] = {name}" for k, name in enumerate(kept)),
            *(f"coef[{k}] = {name}" for k, name in enumerate(taken)),
            "calm[0], calm[1] = quiet, last",
            "return made",
        ],
        compiled=compiled,
    )


def _each(m: int, step: Step, compiled: bool) -> list[str]:
    """Return the loop over the coefficients."""
    scalars, own = step.scalars, len(step.state) - step.scalars
    inner = [
        "c, g = coef[k], gradient[k]",
        *(f"e{n} = state[{scalars + n} + {own} * k]" for n in range(own)),
        *lines_of(step.each, compiled),
        f"coef[k] = {step.coef[0]}",
        *(
            f"state[{scalars + n} + {own} * k] = {step.state[scalars + n]}"
            for n in range(own)
            if step.changed[scalars + n]
        ),
    ]
    return [f"for k in range({m}):", *(f"    {line}" for line in inner)]


def _assigned(names: Sequence[str], values: Sequence[str]) -> list[str]:
    """Return one assignment of all at once: a new value may be named by an old one."""
    return [f"{', '.join(names)}, = {', '.join(values)},"] if names else []


def _sum(terms: Iterable[str]) -> str:
    return " + ".join(terms)


def lines_of(operations: Iterable[Operation], compiled: bool) -> list[str]:
    """Return the operations as assignments."""
    return _written(operations, COMPILED if compiled else PLAIN)


def _written(operations: Iterable[Operation], spelling: Mapping[str, str]) -> list[str]:
    return [
        f"{name} = {spelling.get(operation, f'{{0}} {operation} {{1}}').format(*operands)}"
        for name, operation, operands in operations
    ]


def function_text(
    name: str,
    returned: str,
    parameters: Mapping[str, str],
    body: Iterable[str],
    *,
    compiled: bool = True,
    fast: bool = False,
) -> str:
    """Return the text of a function, for numba compiled at once, for these types, outside Python's lock.

    With `fast` sums may be reordered and products fused; not a number and infinity keep their meaning.
    """
    lines = "\n".join(body)
    text = f"def {name}({', '.join(parameters)}):\n{textwrap.indent(lines, '    ')}\n"
    if not compiled:
        return text
    sums = ', fastmath={"reassoc", "contract", "nsz"}' if fast else ""
    types = f"{returned}({', '.join(parameters.values())})"
    return f'@numba.njit("{types}", nogil=True, error_model="numpy", cache=CACHE{sums})\n{text}'
