"""C of an approximation: compiled, and compared bit for bit with the reference evaluation."""

from __future__ import annotations

import ctypes
import itertools
import os
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
import torch

from polyoptim import ExportError, approximate
from polyoptim.arithmetic import delivered, evaluate
from polyoptim.exporters.evaluation import evaluation

COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
OPTIONS = [
    ("-O0",),
    ("-O3", "-march=native"),
    ("-O3", "-march=native", "-ffp-contract=fast"),
    ("-O3", "-ffp-contract=off", "-std=c99"),
]
STRICT = ("-Wall", "-Wextra", "-Werror", "-Wno-unused-function")
CASES = {
    "exp2": {"target": "2**x", "domain": (0, 1), "degree": 5, "error": "relative", "fixed": {0: 1}},
    "sine": {"target": "sin(x)", "domain": ("-pi/4", "pi/4"), "degree": 5, "error": "relative"},
    "gaps": {"target": "exp(x)", "domain": (-1, 1), "powers": [0, 1, 2, 5]},
}
FLOATS = ("float64", "float32", "float16", "bfloat16")

needs_compiler = pytest.mark.skipif(not COMPILERS, reason="there is no C compiler")


def inputs(name):
    """All numbers of the formats of 16 bits, and NaN and infinities; of others a million, of all sizes."""
    if name == "float16":
        return np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float64)
    if name == "bfloat16":
        with np.errstate(invalid="ignore"):
            return (np.arange(1 << 16, dtype=np.uint32) << 16).view(np.float32).astype(np.float64)
    draw = np.random.default_rng(7)
    if name == "float32":
        bits = draw.integers(0, 1 << 32, 400_000, dtype=np.uint64).astype(np.uint32)
        with np.errstate(invalid="ignore"):  # of signalling NaN
            wide = bits.view(np.float32).astype(np.float64)
        return np.concatenate([draw.uniform(-2, 2, 600_000).astype(np.float32).astype(np.float64), wide])
    wide = draw.uniform(-2, 2, 400_000) * 2.0 ** draw.integers(-300, 40, 400_000)
    return np.concatenate([draw.uniform(-2, 2, 600_000), wide, [0.0, -0.0, np.inf, -np.inf, np.nan]])


def compiled(folder, path, name, compiler, options):
    """The array function of a header or a source, as a function of arrays."""
    code = folder / "unit.c"
    extra = f"void call(const T *x, T *y, size_t n) {{ {name}_array(x, y, n); }}\nT one(T x) {{ return {name}(x); }}\n"
    code.write_text(f'#include "{path.name}"\n{extra}')
    library = folder / f"{path.stem}_{compiler}_{abs(hash((path.name, options)))}.so"
    kind = {"d": "double", "f": "float"}.get(path.stem[-1], "int32_t")
    command = [compiler, "-shared", "-fPIC", f"-DT={kind}", *STRICT, *options, "-o", library, code, "-lm"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(os.fspath(library))


def called(library, x, dtype):
    with np.errstate(invalid="ignore"):
        given = np.ascontiguousarray(x, dtype=dtype)
    found = np.empty_like(given)
    library.call(given.ctypes.data_as(ctypes.c_void_p), found.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(len(x)))
    return found


def same(found, expected):
    """The same bits, of NaN any."""
    with np.errstate(invalid="ignore"):
        expected = expected.astype(found.dtype)
    size = f"u{found.dtype.itemsize}"
    both = np.isnan(found) & np.isnan(expected) if found.dtype.kind == "f" else np.zeros(found.shape, dtype=bool)
    wrong = (found.view(size) != expected.view(size)) & ~both
    return np.flatnonzero(wrong)


@needs_compiler
@pytest.mark.parametrize("scheme", ["horner", "estrin"])
@pytest.mark.parametrize("fma", [True, False])
@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("case", CASES)
def test_c_gives_the_bits_of_the_reference(tmp_path, case, name, fma, scheme):
    result = approximate(**CASES[case], format=name, scheme=scheme, fma=fma)
    one = evaluation(result)
    x = inputs(name)
    if name == "float64" and case != "exp2":
        x = np.concatenate([x[:-5:5], x[-5:]])  # the reference takes long for them; the last five are special
    expected = evaluate(one.program, one.coef, one.own, x)
    letter = "d" if name == "float64" else "f"
    for ending, compiler, options in itertools.product((".h", ".c"), COMPILERS, OPTIONS):
        if ending == ".c" and options != OPTIONS[2]:
            continue
        path = tmp_path / f"{case}_{letter}{ending}"
        result.export(path)
        library = compiled(tmp_path, path, f"{case}_{letter}_poly", compiler, options)
        found = called(library, x, np.float64 if letter == "d" else np.float32)
        wrong = same(found, expected)
        assert not len(wrong), (compiler, options, x[wrong[:3]], found[wrong[:3]], expected[wrong[:3]])
        kind = ctypes.c_double if letter == "d" else ctypes.c_float
        library.one.argtypes, library.one.restype = [kind], kind
        assert library.one(0.375) == evaluate(one.program, one.coef, one.own, [0.375])[0]


DELIVERED = [  # coefficients, operations, output
    ("bfloat16", "float32", "bfloat16"),
    ("bfloat16", "float32", "float16"),
    ("float32", None, "bfloat16"),
    ("float16", "float64", "bfloat16"),
    ("float32", "float64", "float16"),
    ("float64", None, "float32"),
]


@needs_compiler
@pytest.mark.parametrize("fma", [True, False])
@pytest.mark.parametrize(("coefficients", "compute", "output"), DELIVERED)
def test_the_value_is_rounded_to_the_output_format(tmp_path, coefficients, compute, output, fma):
    formats = {"format": coefficients, "compute_format": compute, "output_format": output}
    result = approximate(**CASES["sine"], **formats, fma=fma)
    one = evaluation(result)
    assert (str(one.own), str(one.output)) == (compute or coefficients, output)
    x = np.concatenate([inputs("bfloat16"), inputs("float16"), inputs(str(one.own))[::5]])
    expected = delivered(evaluate(one.program, one.coef, one.own, x), one.own, one.output)
    double = str(one.own) == "float64"
    path = tmp_path / f"sine_{'d' if double else 'f'}.h"
    result.export(path)
    assert f"the value is rounded to {output}" in path.read_text()
    for compiler, options in itertools.product(COMPILERS, OPTIONS[1:3]):
        found = called(compiled(tmp_path, path, f"{path.stem}_poly", compiler, options), x, "f8" if double else "f4")
        wrong = same(found, expected)
        assert not len(wrong), (compiler, options, x[wrong[:3]], found[wrong[:3]], expected[wrong[:3]])
    if double and fma:  # Python's own has a range
        expected, x = expected[np.abs(x) < 1e30], x[np.abs(x) < 1e30]
    for lib in ("numpy", "torch"):
        found = of_module(tmp_path, result, lib, x)
        wrong = same(found, expected)
        assert not len(wrong), (lib, x[wrong[:3]], found[wrong[:3]], expected[wrong[:3]])


@needs_compiler
def test_values_of_fixed_point_are_rounded_to_the_output_format(tmp_path):
    given = {"target": "0.4*sin(x)+0.1", "domain": (0, "7/8"), "degree": 4, "guard": "clamp"}
    result = approximate(**given, format="q3.20", output_format="q3.9")
    one = evaluation(result)
    x = fixed_inputs(one)
    expected = delivered(evaluate(one.program, one.coef, one.own, x), one.own, one.output)
    assert np.abs(expected / 2.0**9 - (0.4 * np.sin(x / 2.0**20) + 0.1)).max() <= result.total_error_bound
    path = tmp_path / "fixed_i.h"
    result.export(path)
    assert "the value is rounded to q3.9, and stands for multiples of 2^-9" in path.read_text()
    found = called(compiled(tmp_path, path, "fixed_i_poly", COMPILERS[0], OPTIONS[0]), x, np.int32)
    assert np.array_equal(found, expected)
    for lib in ("numpy", "torch"):
        assert np.array_equal(of_module(tmp_path, result, lib, x), expected)


def fixed_inputs(one):
    size = 2.0**-one.own.finest
    return np.unique(np.linspace(float(one.ends[0][0]) * size, float(one.ends[-1][1]) * size, 200_001).astype(np.int64))


@needs_compiler
@pytest.mark.parametrize(("name", "dtype"), [("q0.15", np.int16), ("q3.20", np.int32), ("q5.26", np.int32)])
@pytest.mark.parametrize("scheme", ["horner", "estrin"])
def test_c_of_fixed_point_gives_the_integers_of_the_reference(tmp_path, name, dtype, scheme):
    result = approximate("0.4*sin(x)+0.1", domain=(0, "7/8"), degree=4, format=name, scheme=scheme, guard="clamp")
    one = evaluation(result)
    x = fixed_inputs(one)
    expected = evaluate(one.program, one.coef, one.own, x)
    path = tmp_path / "fixed_i.h"
    result.export(path)
    assert f"{dtype.__name__}_t fixed_i_poly({dtype.__name__}_t x)" in path.read_text()
    for compiler, options in itertools.product(COMPILERS, OPTIONS[:2]):
        code = tmp_path / "unit.c"
        kind = f"{dtype.__name__}_t"
        call = f"void call(const {kind} *x, {kind} *y, size_t n) {{ fixed_i_poly_array(x, y, n); }}"
        code.write_text(f'#include "fixed_i.h"\n{call}\n')
        library = tmp_path / f"{compiler}{len(options)}.so"
        command = [compiler, "-shared", "-fPIC", *STRICT, *options, "-o", str(library), str(code)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert np.array_equal(called(ctypes.CDLL(os.fspath(library)), x, dtype), expected)
        outside = called(ctypes.CDLL(os.fspath(library)), np.array([x[0] - 9, x[-1] + 9]), dtype)
        assert outside.tolist() == [expected[0], expected[-1]]
    seen = np.abs(expected * 2.0**one.own.finest - (0.4 * np.sin(x * 2.0**one.own.finest) + 0.1)).max()
    assert seen <= result.total_error_bound


@needs_compiler
@pytest.mark.parametrize("guard", ["none", "clamp", "nan"])
@pytest.mark.parametrize("name", FLOATS)
def test_guards_of_c_and_python_do_the_same(tmp_path, name, guard):
    domains = [(-1, "-1/3"), (0.25, "pi/4")]
    result = approximate("cos(x)", domain=domains, degree=4, format=name, guard=guard)
    one = evaluation(result)
    (low, left), (right, high) = ([float(end) for end in pair] for pair in one.ends)
    assert -1 <= low < left <= -1 / 3 and 0.25 <= right < high <= np.pi / 4  # noqa: PT018
    x = inputs(name)[::16]
    inside = ((x >= low) & (x <= left)) | ((x >= right) & (x <= high))
    moved = x
    if guard == "clamp":
        middle = float(one.own.round((one.ends[0][1] + one.ends[1][0]) / 2))
        moved = np.clip(x, low, high)
        moved = np.where((moved > left) & (moved < right), np.where(moved < middle, left, right), moved)
    expected = evaluate(one.program, one.coef, one.own, moved)
    expected = np.where(inside, expected, np.nan) if guard == "nan" else expected
    letter = "d" if name == "float64" else "f"
    path = tmp_path / f"cosine_{letter}.h"
    result.export(path)
    library = compiled(tmp_path, path, f"cosine_{letter}_poly", COMPILERS[-1], OPTIONS[1])
    assert not len(same(called(library, x, np.float64 if letter == "d" else np.float32), expected))
    for lib in ("numpy", "torch"):
        found = of_module(tmp_path, result, lib, x)
        assert not len(same(found, expected)), lib


def of_module(folder, result, lib, x):
    path = folder / f"{lib}_module.py"
    result.export(path, to=lib)
    space = {}
    exec(compile(path.read_text(), str(path), "exec"), space)  # noqa: S102 - that is what is tested
    if lib == "numpy":
        with np.errstate(invalid="ignore"):
            found = space["polynomial"](x)
        return np.asarray(found, dtype=np.float64 if x.dtype.kind == "f" else np.int64)
    found = space["polynomial"](torch.from_numpy(x.copy()))
    return (found.double() if x.dtype.kind == "f" else found).numpy()


@pytest.mark.parametrize("scheme", ["horner", "estrin"])
@pytest.mark.parametrize("fma", [True, False])
@pytest.mark.parametrize("name", FLOATS)
def test_python_gives_the_bits_of_the_reference(tmp_path, name, fma, scheme):
    result = approximate(**CASES["sine"], format=name, scheme=scheme, fma=fma)
    one = evaluation(result)
    x = inputs(name)
    x = x[np.isfinite(x) & (np.abs(x) < 1e30)] if name == "float64" else x
    expected = evaluate(one.program, one.coef, one.own, x)
    for lib in ("numpy", "torch"):
        found = of_module(tmp_path, result, lib, x)
        wrong = same(found, expected)
        assert not len(wrong), (lib, x[wrong[:3]], found[wrong[:3]], expected[wrong[:3]])


@pytest.mark.parametrize("name", ["q3.20", "q0.15"])
def test_python_of_fixed_point_gives_the_integers_of_the_reference(tmp_path, name):
    result = approximate("0.4*sin(x)+0.1", domain=(0, "7/8"), degree=4, format=name)
    one = evaluation(result)
    x = fixed_inputs(one)
    for lib in ("numpy", "torch"):
        assert np.array_equal(of_module(tmp_path, result, lib, x), evaluate(one.program, one.coef, one.own, x))


@pytest.mark.skipif(not shutil.which("g++"), reason="there is no C++ compiler")
@pytest.mark.parametrize("fma", [True, False])
def test_headers_are_c_plus_plus_too(tmp_path, fma):
    for place, name in enumerate((*FLOATS, "q5.26")):
        result = approximate("exp(x)", domain=(0, 1), degree=3, format=name, fma=fma, guard="clamp")
        result.export(tmp_path / f"e{place}.h")
    code = "".join(f'#include "e{place}.h"\n#include "e{place}.h"\n' for place in range(5))
    (tmp_path / "all.cpp").write_text(code + "int main() { return e1_poly(0.0f) != 1.0f && e4_poly(0) == 0; }\n")
    command = ["g++", "-std=c++17", *STRICT, "-Wno-unused-variable", "-o", "all", "all.cpp"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr


@needs_compiler
def test_fast_math_is_refused(tmp_path):
    approximate("exp(x)", domain=(0, 1), degree=2, format="float32").export(tmp_path / "e.c")
    command = ["gcc", "-c", "-Ofast", "-o", "e.o", "e.c"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode != 0
    assert "without -ffast-math" in done.stderr


def test_what_has_no_code_is_refused(tmp_path):
    with pytest.raises(ExportError, match="format real"):
        approximate("exp(x)", domain=(0, 1), degree=2, format="real").export(tmp_path / "e.h")
    with pytest.raises(ExportError, match=r"format q3.20, q1.14"):
        approximate("exp(x)", domain=(0, 1), degree=1, format=["q3.20", "q1.14"]).export(tmp_path / "e.h")
    with pytest.raises(ExportError, match="64 bits"):
        approximate("exp(x)", domain=(0, 1), degree=2, format="q3.60").export(tmp_path / "e.h")
    with pytest.raises(ExportError, match="no NaN"):
        approximate("exp(x)", domain=(0, 1), degree=2, format="q3.20", guard="nan").export(tmp_path / "e.h")
    with pytest.raises(ExportError, match="no number of bfloat16"):
        approximate("exp(x)", domain=(1.0001, 1.0002), degree=1, format="bfloat16").export(tmp_path / "e.h")


def test_a_target_cannot_leave_its_comment(tmp_path):
    result = approximate("x**2 * 3 ", domain=(0, 1), degree=2, format="float32")
    damaged = replace(result, target={**result.target, "text": '*/ int evil; /* """ \n evil'})
    damaged.export(tmp_path / "e.h")
    damaged.export(tmp_path / "e.py")
    text = (tmp_path / "e.h").read_text()
    assert text.index("*/") > text.index("sha256")
    compile((tmp_path / "e.py").read_text(), "e.py", "exec")
    assert "\n evil" not in (tmp_path / "e.py").read_text()
