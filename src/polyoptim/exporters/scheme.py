"""Python: an approximation as a function of NumPy arrays or torch tensors, in the arithmetic of its format.

Values are those of `polyoptim.arithmetic.evaluate`, bit for bit. Neither library has a product and a sum that are
rounded once, and NumPy has no bfloat16: such operations are done on doubles and rounded as they should be.
"""

from __future__ import annotations

from fractions import Fraction

from polyoptim.exporters.evaluation import Evaluation, evaluation, unit_places
from polyoptim.exporters.function import function
from polyoptim.exporters.manifest import comment, manifest, sealed, with_coefficients
from polyoptim.exporters.script import one_line
from polyoptim.formats import Format
from polyoptim.reports.curves import kind_of_polynomial
from polyoptim.result import Result
from polyoptim.schemes import Operation

NEAREST = '''
def {verb}(v):
    """Return doubles rounded to {format}: to nearest, ties to even, beyond its range to infinity."""
    exponent = v.view({lib}.int64) >> 52 & 0x7FF
    near = {lib}.clip(exponent, {finest}, {highest})
    unit = ((near + {shift}) << 52 | 1 << 51).view({lib}.float64)  # its last bit is that of the format
    r = (v + unit) - unit
    r = {lib}.where({lib}.abs(r) > {largest!r}, float("inf"), r)
    return {lib}.where(exponent == 0x7FF, v, {lib}.copysign(r, v))
'''
ODD = '''
def odd_sum(a, b):
    """Return a + b, where it is not exact its neighbour with an odd last bit: rounded again, it is as if once."""
    total = a + b
    part = total - a
    left = (a - (total - part)) + (b - part)
    bits = total.view({lib}.int64)
    step = {lib}.where((left > 0) == (total > 0), 1, -1)
    inexact = ((left < 0) | (left > 0)) & (bits & 1 == 0)
    return {lib}.where(inexact, bits + step, bits).view({lib}.float64)
'''
FMA = '''
def two_sum(a, b):
    """Return a + b, and what its rounding leaves out."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def two_product(a, b):
    """Return a * b, and what its rounding leaves out."""
    total = a * b
    a_high, b_high = a * 134217729.0, b * 134217729.0
    a_high, b_high = a_high - (a_high - a), b_high - (b_high - b)
    a_low, b_low = a - a_high, b - b_high
    return total, ((a_high * b_high - total) + a_high * b_low + a_low * b_high) + a_low * b_low


def fma(a, b, c):
    """Return a * b + c, rounded once; products from 2**-960 to 2**960 in size."""
    high, low = two_product(a, b)
    sum_high, sum_low = two_sum(low, c)
    total, left = two_sum(high, sum_high)
    found = total + odd_sum(left, sum_low)
    return {lib}.where({lib}.isfinite(found) & (high != 0), found, a * b + c)
'''


def numpy_scheme(result: Result) -> str:
    """Return a module with ``polynomial(x)`` for NumPy; of real coefficients in float64, as the result computes it.

    Raises
    ------
    ExportError
        For a format in which nothing can be evaluated.
    """
    if set(result.arguments["format"]) == {"real"}:  # nothing is rounded but where floats are
        block = with_coefficients(result, "numpy", "# ")
        docstring, mark, code = function(result).partition("\nimport numpy")
        return sealed(f"{docstring}\n{block}\n{mark}{code}")
    return _module(result, "numpy", "np")


def torch_scheme(result: Result) -> str:
    """Return a module with ``polynomial(x)`` for torch; see `numpy_scheme`."""
    return _module(result, "torch", "torch")


def _module(result: Result, export: str, lib: str) -> str:
    one = evaluation(result)
    ends = " and ".join(f"[{low}, {high}]" for low, high in result.target["domains"])
    title = one_line(f"A {kind_of_polynomial(result)} for {result.target['text']} on {ends}, by polyoptim.")
    what = {"np": "import numpy as np", "torch": "import torch"}[lib]
    block = comment(manifest(result, export), "# ")
    return sealed(f'"""{title}"""\n\n{block}\n\n{what}\n\n{_code(one, lib)}')


def _code(one: Evaluation, lib: str) -> str:
    own = one.own
    if own.digits is None:
        return _fixed(one, lib)
    doubles = own.name == "float64"
    native = (not one.program.count("fma")) and not (lib == "np" and own.name == "bfloat16")
    helpers = ""
    if not native and not doubles:
        helpers += _nearest(own, lib, "nearest")
    if one.program.count("fma"):
        helpers += "\n" * bool(helpers) + ODD.format(lib=lib)
        helpers += "\n" + FMA.format(lib=lib) if doubles else ""
    apart = _delivered_apart(one, lib)
    helpers += "\n" * bool(helpers and apart) + (_nearest(one.output, lib, "delivered") if apart else "")
    kind, delivered = f"{lib}.{own.name}", f"{lib}.{one.output.name}"
    held = "np.float32" if delivered == "np.bfloat16" else delivered
    inside = kind if native else f"{lib}.float64"
    body = [f"x = {'np.asarray' if lib == 'np' else 'torch.as_tensor'}(x, dtype={inside})"]
    body += ["x = nearest(x)"] if not native and not doubles else []
    body += _guarded(one, lib)
    number = f"{kind}(float.fromhex({{!r}}))" if native and lib == "np" else "float.fromhex({!r})"
    body += [f"c{power} = {number.format(text)}  # x^{power}".replace("'", '"') for power, text in one.table]
    body += [f"{step.result} = {_step(step, native, doubles)}" for step in one.program.operations]
    value = one.program.output if one.program.operations else f"{one.program.output} + 0 * x"
    if one.guard == "nan":
        value = f"{lib}.where({_inside(one)}, {value}, float('nan'))".replace("'", '"')
    if apart:
        value = {"np": f"delivered(np.asarray({value}, dtype=np.float64))", "torch": f"delivered(({value}).double())"}[
            lib
        ]
    cast = {"np": f"np.asarray({value}).astype({held})[()]", "torch": f"({value}).to({held})"}[lib]
    body.append(f"return {cast if inside != held or one.guard == 'nan' or apart else f'{value}'}")
    about = f"numbers of {one.output.name}" + (", held in float32" if held != delivered else "")
    return helpers + _function(body, about, own.name, lib)


def _nearest(own: Format, lib: str, verb: str) -> str:
    """Return the function that rounds doubles to a format."""
    return NEAREST.format(lib=lib, verb=verb, format=own.name, largest=float(own.largest or 0), **unit_places(own))


def _delivered_apart(one: Evaluation, lib: str) -> bool:
    """Tell whether the library has no cast to the output format, or one that goes by float32 and rounds twice."""
    if one.output == one.own or one.output.name == "float32":
        return False
    return (lib == "np" and one.output.name == "bfloat16") or (lib == "torch" and one.own.name == "float64")


def _function(body: list[str], about: str, name: str, lib: str) -> str:
    lines = "\n".join(f"    {line}" for line in body)
    quiet = '@np.errstate(all="ignore")\n' if lib == "np" else ""  # infinities and NaN are values
    doc = f'    """Return the polynomial at x, {about}; every operation is rounded to {name}."""'
    return f"\n\n{quiet}def polynomial(x):\n{doc}\n{lines}\n"


def _step(step: Operation, native: bool, doubles: bool) -> str:
    a, b, *rest = step.inputs
    if step.kind == "fma":
        return f"fma({a}, {b}, {rest[0]})" if doubles else f"nearest(odd_sum({a} * {b}, {rest[0]}))"
    value = f"{a} {'+' if step.kind == 'add' else '*'} {b}"
    return value if native or doubles else f"nearest({value})"


def _inside(one: Evaluation) -> str:
    return " | ".join(f"((x >= {float(low)!r}) & (x <= {float(high)!r}))" for low, high in one.ends)


def _guarded(one: Evaluation, lib: str) -> list[str]:
    """Return lines that move x to the nearest end of the domain."""
    if one.guard != "clamp":
        return []
    number = (lambda v: int(v / _unit(one))) if one.own.digits is None else float
    low, high = one.ends[0][0], one.ends[-1][1]
    lines = [f"x = {'np.clip' if lib == 'np' else 'torch.clamp'}(x, {number(low)!r}, {number(high)!r})"]
    for (_, left), (right, _) in zip(one.ends, one.ends[1:], strict=False):
        middle = number(one.own.round((left + right) / 2))
        lines += [
            f"x = {lib}.where((x > {number(left)!r}) & (x < {middle!r}), {number(left)!r}, x)",
            f"x = {lib}.where((x >= {middle!r}) & (x < {number(right)!r}), {number(right)!r}, x)",
        ]
    return lines


def _unit(one: Evaluation) -> Fraction:
    return Fraction(2) ** (one.own.finest or 0)


def _fixed(one: Evaluation, lib: str) -> str:
    own = one.own
    places = -(own.finest or 0)
    half = f" + {1 << (places - 1)}" if places else ""
    body = [f"x = {'np.asarray' if lib == 'np' else 'torch.as_tensor'}(x, dtype={lib}.int64)", *_guarded(one, lib)]
    body += [f"c{power} = {text}  # x^{power}" for power, text in one.table]
    for step in one.program.operations:
        a, b, *rest = step.inputs
        product = f"({a} * {b}{half} >> {places})" + "".join(f" + {c}" for c in rest)
        body.append(f"{step.result} = {f'{a} + {b}' if step.kind == 'add' else product}")
    value = one.program.output if one.program.operations else f"({one.program.output} + 0 * x)"
    shift = places + (one.output.finest or 0)
    body.append(f"return {value} + {1 << shift - 1} >> {shift}" if shift else f"return {value}")
    about = (
        f"integers k that stand for k / 2**{places}"
        if not shift
        else (f"integers k that stand for k / 2**{places - shift}, of x that stand for k / 2**{places}")
    )
    return _function(body, about, f"{own}, ties upwards", lib)
