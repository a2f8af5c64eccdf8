"""Triton of an approximation: run by its interpreter, compiled to PTX without a GPU, run where there is one."""

from __future__ import annotations

import collections
import importlib.util
import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from polyoptim import approximate, verify
from polyoptim.arithmetic import delivered, evaluate
from polyoptim.exporters.evaluation import evaluation
from polyoptim.exporters.manifest import read_manifest

GPU = Path("/dev/nvidia0").exists()
FLOATS = ("float64", "float32", "float16", "bfloat16")
SINE = {"target": "sin(x)", "domain": ("-pi/4", "pi/4"), "degree": 5, "error": "relative"}
DELIVERED = [  # coefficients, operations, output
    ("bfloat16", "float32", "bfloat16"),
    ("bfloat16", "float32", "float16"),
    ("float32", None, "bfloat16"),
    ("float64", None, "float32"),
    ("float32", "float64", "float16"),
    ("float16", "float64", "bfloat16"),
]

needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")

# Triton looks at TRITON_INTERPRET when it is imported, so that each kind of run has a process of its own. The
# interpreter before 3.9 rounds the product in an fma and then the sum, which no GPU does: it gets one that rounds once.
RUN = """
import importlib.util, sys
import numpy as np, torch, triton
from polyoptim.arithmetic import operations_in
from polyoptim.formats import find_format
from triton.runtime.interpreter import InterpreterBuilder, TensorHandle

def create_fma(self, x, y, z):
    kind = z.data.dtype
    fma = operations_in(find_format(str(kind)))["fma"]
    return TensorHandle(fma(*(each.data.astype(np.float64) for each in (x, y, z))).astype(kind), z.dtype.scalar)

if tuple(map(int, triton.__version__.split(".")[:2])) < (3, 9):
    InterpreterBuilder.create_fma = create_fma

folder, device = sys.argv[1:]
given = np.load(f"{folder}/given.npz")
found = {}
for name in given.files:
    module = importlib.util.spec_from_file_location(name, f"{folder}/{name}.triton.py")
    loaded = importlib.util.module_from_spec(module)
    module.loader.exec_module(loaded)
    with np.errstate(all="ignore"):
        y = loaded.polynomial(torch.from_numpy(given[name]).to(device))
        found[name] = (y.double() if y.is_floating_point() else y).cpu().numpy()
        found[f"{name} dtype"] = str(y.dtype)
np.savez(f"{folder}/found.npz", **found)
"""
COMPILE = """
import importlib.util, json, sys
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
found, short = {}, {"float64": "fp64", "float32": "fp32", "float16": "fp16", "bfloat16": "bf16", "int64": "i64"}
for path, given, output in json.loads(sys.argv[1]):
    module = importlib.util.spec_from_file_location("one", path)
    loaded = importlib.util.module_from_spec(module)
    module.loader.exec_module(loaded)
    types = {"x_at": f"*{short[given]}", "y_at": f"*{short[output]}", "n": "i32", "block": "constexpr"}
    source = ASTSource(fn=loaded.polynomial_kernel, signature=types, constexprs={"block": 128})
    made = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"enable_fp_fusion": False})
    found[path] = made.asm["ptx"]
print(json.dumps(found))
"""


def ran(folder, script, *arguments, interpret):
    """What a script prints, run by a Python of its own; a warning is an error there too."""
    surroundings = {
        **os.environ,
        "TRITON_INTERPRET": "1" if interpret else "0",
        "TRITON_CACHE_DIR": str(folder / "cache"),
    }
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=surroundings, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def of_polynomials(folder, cases, device="cpu"):
    """Export results, run them on all numbers of the small formats and many of others, and compare."""
    given, expected, evaluations = {}, {}, {}
    for name, result in cases.items():
        result.export(folder / f"{name}.triton.py")
        evaluations[name] = one = evaluation(result)
        given[name], expected[name] = tried(one)
    np.savez(folder / "given.npz", **given)
    ran(folder, RUN, str(folder), device, interpret=device == "cpu")
    found = np.load(folder / "found.npz")
    for name, one in evaluations.items():
        floating = one.own.digits is not None
        assert str(found[f"{name} dtype"]) == f"torch.{one.output if floating else 'int64'}"
        differ = np.flatnonzero(~alike(found[name], expected[name]))
        x = given[name][differ[:3]]
        assert not len(differ), (name, len(differ), x, found[name][differ[:3]], expected[name][differ[:3]])


def alike(found, expected):
    """Tell where bits are the same; those of NaN may be any."""
    same = found.view(np.uint64) == expected.astype(found.dtype).view(np.uint64)
    return same | (np.isnan(found) & np.isnan(expected)) if found.dtype.kind == "f" else same


def tried(one):
    """Inputs of an evaluation, and its values."""
    if one.own.digits is None:
        unit = 2.0**-one.own.finest
        x = np.linspace(float(one.ends[0][0]) * unit - 99, float(one.ends[-1][1]) * unit + 99, 20_001).astype(np.int64)
    else:
        x = np.concatenate([numbers(name) for name in ("float16", "bfloat16", str(one.own)) if within(name, one.own)])
    ends = [(float(low), float(high)) for low, high in one.ends]
    if one.own.digits is None:
        ends = [(int(low * 2**-one.own.finest), int(high * 2**-one.own.finest)) for low, high in one.ends]
    seen = x
    if one.guard == "clamp":
        seen = np.clip(x, ends[0][0], ends[-1][1])
        for (_, left), (right, _) in itertools.pairwise(ends):
            middle = float(one.own.round((one.ends[0][1] + one.ends[1][0]) / 2))
            seen = np.where((seen > left) & (seen < right), np.where(seen < middle, left, right), seen)
    expected = delivered(evaluate(one.program, one.coef, one.own, seen), one.own, one.output)
    if one.guard == "nan":
        expected = np.where(sum((x >= low) & (x <= high) for low, high in ends), expected, np.nan)
    return x, expected


def within(name, own):
    return name == str(own) or str(own) in ("float32", "float64")


def numbers(name):
    """All numbers of a small format, with NaN and infinities; 50 000 of others, of all sizes."""
    with np.errstate(invalid="ignore"):
        if name == "float16":
            return np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float64)
        if name == "bfloat16":
            return (np.arange(1 << 16, dtype=np.uint32) << 16).view(np.float32).astype(np.float64)
        draw = np.random.default_rng(13)
        if name == "float32":
            bits = draw.integers(0, 1 << 32, 50_000, dtype=np.uint64).astype(np.uint32)
            return bits.view(np.float32).astype(np.float64)
    return draw.uniform(-2, 2, 50_000) * 2.0 ** draw.integers(-300, 40, 50_000)


@needs_triton
@pytest.mark.parametrize("name", FLOATS)
def test_triton_interpreted_gives_the_bits_of_the_reference(tmp_path, name):
    cases = {
        f"{scheme}_{fma}": approximate(**SINE, format=name, scheme=scheme, fma=fma)
        for scheme in ("horner", "estrin")
        for fma in (True, False)
    }
    of_polynomials(tmp_path, cases)


@needs_triton
@pytest.mark.parametrize("fma", [True, False])
def test_triton_rounds_the_value_to_the_output_format(tmp_path, fma):
    cases = {
        f"case{place}": approximate(**SINE, format=a, compute_format=b, output_format=c, fma=fma)
        for place, (a, b, c) in enumerate(DELIVERED)
    }
    of_polynomials(tmp_path, cases)


@needs_triton
def test_guards_and_fixed_point_in_triton(tmp_path):
    domains = [(-1, "-1/3"), (0.25, "pi/4")]
    cases = {
        f"{name}_{guard}": approximate("cos(x)", domain=domains, degree=4, format=name, guard=guard)
        for name in FLOATS
        for guard in ("clamp", "nan")
    }
    fixed = {"target": "0.4*sin(x)+0.1", "domain": (0, "7/8"), "degree": 4, "guard": "clamp"}
    cases |= {"short": approximate(**fixed, format="q0.15"), "long": approximate(**fixed, format="q5.26", fma=False)}
    cases["coarse"] = approximate(**fixed, format="q3.20", output_format="q3.9")
    cases["constant"] = approximate("x*0+3", domain=(0, 1), degree=0, format="float32", output_format="bfloat16")
    of_polynomials(tmp_path, cases)


@needs_triton
@pytest.mark.skipif(not GPU, reason="there is no GPU")
@pytest.mark.parametrize("fma", [True, False])
def test_triton_on_a_gpu_gives_the_bits_of_the_reference(tmp_path, fma):
    cases = {name: approximate(**SINE, format=name, fma=fma) for name in FLOATS}
    of_polynomials(tmp_path, cases, device="cuda")


@needs_triton
def test_triton_compiles_to_one_instruction_for_each_operation(tmp_path):
    jobs, wanted = [], {}
    for name in ("float64", "float32", "float16"):
        for fma in (True, False):
            path = tmp_path / f"{name}_{fma}.triton.py"
            result = approximate(**SINE, format=name, fma=fma)
            result.export(path)
            jobs.append((str(path), name, name))
            short = name.replace("float", "f")
            wanted[str(path)] = collections.Counter(
                f"{each.kind}.rn.{short}" for each in evaluation(result).program.operations
            )
    for place, (a, b, c) in enumerate([*DELIVERED, ("bfloat16", None, "bfloat16"), ("q3.20", None, None)]):
        path = tmp_path / f"{place}.triton.py"
        given = {"format": a, "compute_format": b, "output_format": c, "guard": "clamp"}
        approximate("0.4*sin(x)+0.1", domain=(0, "7/8"), degree=3, **given).export(path)
        jobs.append((str(path), b or a, c) if c else (str(path), "int64", "int64"))
    made = json.loads(ran(tmp_path, COMPILE, json.dumps(jobs), interpret=False))
    assert len(made) == len(jobs)
    for path, text in made.items():
        assert ".ftz" not in text
        if path in wanted:
            found = collections.Counter(re.findall(r"\b(?:fma|mul|add|sub)\.rn\.\w+", text))
            assert found == wanted[path]


def test_the_manifest_says_that_nothing_was_executed_and_verify_accepts_the_file(tmp_path):
    path = tmp_path / "sine.triton.py"
    approximate(**SINE, format="bfloat16", compute_format="float32").export(path)
    assert read_manifest(path.read_text(), str(path))["executed"] == "not executed"
    assert verify(path).status == "verified"


def test_a_plain_py_is_triton_only_where_it_is_asked_for(tmp_path):
    result = approximate(**SINE, format="float32")
    result.export(tmp_path / "a.py")
    assert "triton" not in (tmp_path / "a.py").read_text()
    result.export(tmp_path / "b.py", to="triton")
    result.export(tmp_path / "c.triton.py")
    assert (tmp_path / "b.py").read_text() == (tmp_path / "c.triton.py").read_text()
