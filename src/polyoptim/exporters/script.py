"""A standalone PyTorch program: the same floats as the run, and nothing of polyoptim in it."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from polyoptim.engines.plan import STEP_FUNCTIONS
from polyoptim.errors import ExportError
from polyoptim.losses import Loss, find_loss
from polyoptim.reports.curves import kind_of_polynomial
from polyoptim.reports.formula import mapped_variable
from polyoptim.result import Result
from polyoptim.targets.expression import number, parse

WIDTH = 100


@dataclass(frozen=True)
class Cell:
    """Prose or code between two ``# %%`` lines."""

    kind: str  # "markdown" or "code"
    text: str


def script(result: Result) -> str:
    """Return the program as text, in cells that editors and notebooks know.

    Raises
    ------
    ExportError
        For what a program without polyoptim cannot hold: a class or function of the user's own, data that was too
        large to keep.
    """
    parts = []
    for cell in cells(result):
        if cell.kind == "markdown":
            prose = "\n".join(f"# {line}".rstrip() for line in cell.text.split("\n"))
            parts.append(f"# %% [markdown]\n{prose}\n")
        else:
            parts.append(f"# %%\n{cell.text}\n")
    return "\n".join(parts)


def cells(result: Result) -> list[Cell]:
    """Return the program as prose and code, from top to bottom."""
    _check(result)
    made = [
        ("markdown", _introduction(result)),
        ("code", _imports(result)),
        ("markdown", "The samples: inputs x and outputs y."),
        ("code", _samples(result)),
        ("markdown", "The features: one column for each power above the constant."),
        ("code", _features(result)),
        (
            "markdown",
            "The model is linear in its coefficients; its bias is the constant."
            if 0 in result.powers
            else "The model is linear in its coefficients; it has no constant, so no bias.",
        ),
        ("code", _model(result)),
        ("markdown", "The loop: forward, loss, gradients, update. The loss is printed before the update of that step."),
        ("code", _loop(result)),
        ("markdown", "What was learned."),
        ("code", _outcome(result)),
    ]
    return [Cell(kind, text.strip("\n")) for kind, text in made]


def _check(result: Result) -> None:
    """Raise ExportError for all that a standalone program cannot hold."""
    wrong = []
    if result.samples is not None and len(result.samples) < result.count:
        wrong.append(f"the {result.count} samples, of which only {len(result.samples)} were kept")
    wrong += [
        f"the {what} {found!r}, which torch does not have"
        for what, value in (
            ("optimizer", result.method["optimizer"]),
            ("schedule", result.method["schedule"]),
            ("loss", result.arguments["loss"]),
            ("value in optimizer_options", result.arguments["optimizer_options"]),
            ("value in schedule_options", result.method["schedule_options"]),
        )
        if (found := _first_object(value))
    ]
    if not wrong:
        _check_words(result)
    else:
        raise ExportError(
            f"a standalone program cannot hold {', and '.join(wrong)}. Save the result as .json, or export to='numpy'."
        )


def _check_words(result: Result) -> None:
    """Raise ExportError unless what becomes code is a name or a number: a made-up file must not become a program."""
    names = [result.arguments["dtype"], result.method["optimizer"], *result.arguments["optimizer_options"]]
    names += [*result.arguments["loss_options"], result.arguments["reduction"]]
    if result.method["schedule"]:
        names += _schedule_words(result.method["schedule"], result.method["schedule_options"])
    counts = [result.arguments["every"], result.arguments["batch_size"] or 1]
    if not all(isinstance(name, str) and name.isidentifier() for name in names) or not all(
        isinstance(count, int) and count > 0 for count in counts
    ):
        raise ExportError("the provenance of this result is damaged, so no program can be written. Train it again.")


def _schedule_words(name: Any, options: Any) -> list[Any]:
    words = [name, *options]
    for pair in options.get("schedulers", ()):
        words += _schedule_words(*pair)
    return words


def one_line(text: str) -> str:
    """Return a text for a comment: without line breaks or anything that ends a docstring."""
    return " ".join(str(text).replace('"', "'").replace("\\", "/").split())


def _first_object(value: Any) -> str | None:
    if isinstance(value, Mapping):
        if set(value) == {"object"}:
            return str(value["object"])
        value = list(value.values())
    if isinstance(value, list):
        return next((found for item in value if (found := _first_object(item))), None)
    return None


def _introduction(result: Result) -> str:
    target = result.target
    text = one_line(target["text"])
    learned = {"expression": text, "callable": f"samples of {text}"}.get(target["kind"], "data")
    lines = [
        f"# A {kind_of_polynomial(result)} learns {learned}",
        "",
        f"Trained with PyTorch's `nn` and `optim`: {result.method['optimizer']} minimises the "
        f"{result.arguments['loss']} loss of a polynomial in the {result.basis} basis, {result.steps} updates.",
    ]
    if result.engine != "torch":
        lines.append("The run was made without torch, by the same rule; this program agrees with it to rounding.")
    if result.optimum is not None and result.optimum_kind == "best found":
        lines.append(
            f"The best {kind_of_polynomial(result)} that was found for these samples has a loss of {result.optimum!r}; "
            "the loss is not convex, so a better one may exist."
        )
    elif result.optimum is not None:
        lines.append(
            f"No {kind_of_polynomial(result)} can do better on these samples than a loss of {result.optimum!r}."
        )
    lines.append(
        f"Written by polyoptim {one_line(result.versions['polyoptim'])}; the training needs torch and nothing else."
    )
    return "\n".join(textwrap.fill(line, WIDTH - 2) if line else "" for line in lines)


def _imports(result: Result) -> str:
    seed = f"torch.manual_seed({result.seed})"
    if result.powers != (0,):
        return f"import math\n\nimport torch\n\n{seed}"
    quiet = 'warnings.filterwarnings("ignore", message="Initializing zero-element")  # a constant has no weights'
    return f"import math\nimport warnings\n\nimport torch\n\n{quiet}\n{seed}"


def _dtype(result: Result) -> str:
    return str(result.arguments["dtype"])


def _dtype_argument(result: Result) -> str:
    return "" if _dtype(result) == "float32" else f", dtype=torch.{_dtype(result)}"


def _samples(result: Result) -> str:
    lines: list[str] = []
    if result.samples is None:
        expression = parse(result.target["text"])
        code, helpers = expression.source("torch")
        ends = ", ".join(
            _end(given, value) for given, value in zip(result.arguments["domain"], result.domain, strict=True)
        )
        lines += [f"{helper}\n\n" for helper in helpers]
        lines.append(f"x = torch.linspace({ends}, {result.count}{_dtype_argument(result)})")
        lines.append(f"y = {code}")
    else:
        for name in ("x", "y", "weight"):
            values = getattr(result.samples, name)
            if values is not None:
                lines.append(f"{name} = torch.tensor([\n{_literals(values.tolist())}\n], dtype=torch.{_dtype(result)})")
    if result.arguments["device"] != "cpu":
        names = ["x", "y", *(["weight"] if _weighted(result) else [])]
        lines.append(f"device = torch.device({result.arguments['device']!r})")
        lines.append(f"{', '.join(names)} = {', '.join(f'{name}.to(device)' for name in names)}")
    return "\n".join(lines)


def _end(given: Any, value: float) -> str:
    """Return an end of the domain as Python: a plain multiple of pi as it was written, else the number."""
    if isinstance(given, str) and re.fullmatch(r"[+-]?(\d+\*)?pi(/\d+)?", given) and number(given) == value:
        return given.replace("pi", "math.pi").lstrip("+")
    return repr(value)


def _literals(values: list[float]) -> str:
    return textwrap.fill(", ".join(map(repr, values)), WIDTH, initial_indent="    ", subsequent_indent="    ") + ","


def _features(result: Result) -> str:
    above = [k for k in result.powers if k]
    lines = []
    variable = "x"
    if result.window is not None:
        domain = result.map
        variable = "u"
        lines.append(
            f"# u is x, mapped from [{domain.a!r}, {domain.b!r}] to {list(result.window)}: {mapped_variable(result)}"
        )
        lines.append(f"u = ((x.double() - {domain.center!r}) * {domain.scale!r} + {domain.offset!r}).to(x.dtype)")
    if not above:
        return "\n".join([*lines, f"features = {variable}.new_zeros(len(x), 0)"])
    if result.basis == "power":
        device = "" if result.arguments["device"] == "cpu" else ", device=device"
        lines.append(f"features = {variable}.unsqueeze(-1).pow(torch.tensor({above}{device}))")
        return "\n".join(lines)
    rule = plain_source(result.family.recurrence)
    return "\n".join(
        [
            rule,
            "",
            *lines,
            f"before, last = {variable} * 0, {variable} * 0 + 1",
            "columns = [last]",
            f"for k in range({above[-1]}):",
            f"    a, b, c = {result.family.recurrence.__name__}(k)",
            f"    before, last = last, (a * {variable} + b) * last - c * before",
            "    columns.append(last)",
            f"features = torch.stack([columns[k] for k in {above}], dim=-1)",
        ]
    )


def plain_source(function: Any) -> str:
    """Return the text of a plain function without its annotations and linter remarks."""
    text = inspect.getsource(function)
    text = re.sub(r"  # noqa.*", "", text)
    head, _, body = text.partition("\n")
    head = re.sub(r": (Any|float)\b", "", re.sub(r" -> [^:]+:$", ":", head))
    return f"{head}\n{body}"


def _model(result: Result) -> str:
    arguments = result.arguments
    columns = sum(k > 0 for k in result.powers)
    bias = "" if 0 in result.powers else ", bias=False"
    to_device = "" if arguments["device"] == "cpu" else ".to(device)"
    linear = f"torch.nn.Linear({columns}, 1{bias}{_dtype_argument(result)})"
    lines = [f"model = torch.nn.Sequential({linear}, torch.nn.Flatten(0, 1)){to_device}"]
    lines += _loss_lines(result)
    rate = {} if arguments["lr"] is None else {"lr": arguments["lr"]}
    options = {**rate, **arguments["optimizer_options"]}
    given = "".join(f", {name}={_value(value)}" for name, value in options.items())
    lines.append(f"optimizer = torch.optim.{result.method['optimizer']}(model.parameters(){given})")
    if result.method["schedule"]:
        lines.append(f"schedule = {_schedule(result.method['schedule'], result.method['schedule_options'])}")
    return "\n".join(lines)


def _weighted(result: Result) -> bool:
    return result.samples is not None and result.samples.weight is not None


def _loss_lines(result: Result) -> list[str]:
    """Return the definition of loss_fn(prediction, y) or loss_fn(prediction, y, weight)."""
    loss: Loss = find_loss(result.arguments["loss"])
    given = "".join(f", {name}={value!r}" for name, value in result.arguments["loss_options"].items())
    reduction = result.arguments["reduction"]
    if loss.torch_class and not _weighted(result):
        return [f"loss_fn = torch.nn.{loss.torch_class}(reduction={reduction!r}{given})"]
    if loss.torch_class:
        lines = [f"each = torch.nn.{loss.torch_class}(reduction='none'{given})"]
        term = "each(prediction, y)"
    else:
        function = loss.function
        lines = [plain_source(function)]
        term = f"{loss.name}(prediction, y{given})"
    if not _weighted(result):
        body = f"{term}.{reduction}()"
        signature = "prediction, y"
    else:
        body = f"(weight * {term}).sum()" + (" / weight.sum()" if reduction == "mean" else "")
        signature = "prediction, y, weight"
    return ["", *lines, "", f"def loss_fn({signature}):", f"    return {body}", "", ""]


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"({', '.join(map(_value, value))}{',' if len(value) == 1 else ''})"
    return repr(value)


def _schedule(name: str, options: Mapping[str, Any]) -> str:
    given = []
    for key, value in options.items():
        if key == "schedulers":
            given.append(f"schedulers=[{', '.join(_schedule(*pair) for pair in value)}]")
        elif key in STEP_FUNCTIONS:
            code, helpers = parse(str(value)).source("torch")
            if helpers:
                raise ExportError(f"a standalone program cannot hold {key} = {value!r}: torch lacks a function in it.")
            body = re.sub(r"\bx\b", "torch.tensor(float(step), dtype=torch.float64)", code)
            given.append(f"{key}=lambda step: ({body}).item()")
        else:
            given.append(f"{key}={_value(value)}")
    first = "" if name == "ChainedScheduler" else "optimizer, "
    return f"torch.optim.lr_scheduler.{name}({(first + ', '.join(given)).rstrip(', ')})"


def _loop(result: Result) -> str:
    every, steps = result.arguments["every"], result.steps
    batch_size = result.arguments["batch_size"]
    weight = ", weight" if _weighted(result) else ""
    whole = f"loss_fn(model(features), y{weight})"
    printing = f"if t % {every} == {every - 1}:"
    after = []
    if result.method["schedule"]:
        after = ["schedule.step(loss.item())" if result.method["schedule_loss"] else "schedule.step()"]
    if batch_size is None and not result.method["closure"]:
        body = [
            f"loss = {whole}",
            printing,
            "    print(t, loss.item())",
            "optimizer.zero_grad()",
            "loss.backward()",
            "optimizer.step()",
        ]
        return _indented(f"for t in range({steps}):", [*body, *after])
    head, body = [], [printing, f"    print(t, {whole}.item())"]
    one = whole
    if batch_size is not None:
        head = ["batches = []  # one random order of the samples an epoch, the last short batch kept", ""]
        body += [
            "if not batches:",
            f"    batches = list(torch.randperm({result.count}).split({batch_size}))",
            f"batch = batches.pop(0){'' if result.arguments['device'] == 'cpu' else '.to(device)'}",
        ]
        one = f"loss_fn(model(features[batch]), y[batch]{weight and ', weight[batch]'})"
    if result.method["closure"]:
        body += [
            "",
            "def closure():",
            f"    loss = {one}",
            "    optimizer.zero_grad()",
            "    loss.backward()",
            "    return loss",
            "",
            "loss = optimizer.step(closure)",
        ]
    else:
        body += [f"loss = {one}", "optimizer.zero_grad()", "loss.backward()", "optimizer.step()"]
    return "\n".join([*head, _indented(f"for t in range({steps}):", [*body, *after])])


def _indented(head: str, body: list[str]) -> str:
    return "\n".join([head, *(f"    {line}".rstrip() for line in body)])


def _outcome(result: Result) -> str:
    variable = "x" if result.window is None else "u"
    symbol = result.family.symbol
    terms, column = [], 0
    for k in result.powers:
        if k == 0:
            terms.append("{linear.bias.item()}")
            continue
        name = f"{symbol}{k}({variable})" if symbol else variable if k == 1 else f"{variable}^{k}"
        terms.append(f"{{linear.weight[:, {column}].item()}} {name}")
        column += 1
    where = "" if result.window is None else f", u = {mapped_variable(result)}"
    lines = ["linear = model[0]", "print("]
    pieces = [f'    f"Result: y = {terms[0]}"', *(f'    f" + {term}"' for term in terms[1:])]
    if where:
        pieces.append(f'    "{where}"')
    return "\n".join([*lines, *pieces, ")"])
