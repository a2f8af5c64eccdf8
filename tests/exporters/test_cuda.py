"""CUDA of an approximation: run as C++ with what it calls put in place, compiled by nvcc, run where there is a GPU."""

from __future__ import annotations

import collections
import ctypes
import itertools
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from polyoptim import ExportError, approximate, verify
from polyoptim.arithmetic import delivered, evaluate
from polyoptim.exporters.evaluation import evaluation
from polyoptim.exporters.manifest import read_manifest

SHIMS = Path(__file__).parent / "shims"
COMPILERS = [name for name in ("g++", "clang++") if shutil.which(name)]
NVCC = shutil.which("nvcc")
GPU = Path("/dev/nvidia0").exists()
ARCH = "native" if GPU else "sm_80"
OPTIONS = [("-O0",), ("-O3", "-march=native")]
STRICT = ("-std=c++17", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function")
FLOATS = ("float64", "float32", "float16", "bfloat16")
TYPES = {"float64": "double", "float32": "float", "float16": "__half", "bfloat16": "__nv_bfloat16"}
SINE = {"target": "sin(x)", "domain": ("-pi/4", "pi/4"), "degree": 5, "error": "relative"}
EXP2 = {"target": "2**x", "domain": (0, 1), "degree": 4, "error": "relative", "fixed": {0: 1}}
DELIVERED = [  # coefficients, operations, output
    ("bfloat16", "float32", "bfloat16"),
    ("float32", None, "float16"),
    ("float64", None, "float32"),
    ("float32", "float64", "float16"),
    ("float16", "float64", "bfloat16"),
]

needs_compiler = pytest.mark.skipif(not COMPILERS, reason="there is no C++ compiler")
needs_nvcc = pytest.mark.skipif(not NVCC, reason="nvcc is not installed")


def numbers(name):
    """All numbers of the formats of 16 bits, with NaN and infinities; of others many, of all sizes."""
    if name in ("float16", "bfloat16"):
        bits = np.arange(1 << 16, dtype=np.uint32)
        with np.errstate(invalid="ignore"):
            wide = (bits << 16).view(np.float32) if name == "bfloat16" else bits.astype(np.uint16).view(np.float16)
            return wide.astype(np.float64)
    draw = np.random.default_rng(11)
    near = draw.uniform(-2, 2, 100_000)
    if name == "float64":
        wide = near[:20_000] * 2.0 ** draw.integers(-1060, 900, 20_000)
        return np.concatenate([near, wide, [0.0, -0.0, np.inf, np.nan]])
    bits = draw.integers(0, 1 << 32, 500_000, dtype=np.uint64).astype(np.uint32)
    with np.errstate(invalid="ignore"):
        wide = bits.view(np.float32).astype(np.float64)
    return np.concatenate([near.astype(np.float32).astype(np.float64), wide])


def tried(one):
    """What a file is tried on: numbers of its own format, all of the small ones where that holds them."""
    small = [numbers(name) for name in ("float16", "bfloat16") if str(one.own) in ("float32", "float64")]
    return np.concatenate([numbers(str(one.own)), *small])


def moved(one, x):
    """x as its guard moves it."""
    low, high = float(one.ends[0][0]), float(one.ends[-1][1])
    return np.clip(x, low, high) if one.guard == "clamp" else x


def expected_of(one, x):
    found = delivered(evaluate(one.program, one.coef, one.own, moved(one, x)), one.own, one.output)
    if one.guard == "nan":
        found = np.where((x >= float(one.ends[0][0])) & (x <= float(one.ends[-1][1])), found, np.nan)
    return found


def wrong(found, expected):
    """Where bits differ, those of NaN aside."""
    differ = found.view(np.uint64) != np.asarray(expected, dtype=np.float64).view(np.uint64)
    return np.flatnonzero(differ & ~(np.isnan(found) & np.isnan(expected)))


def wrapper(one, name):
    """A function of doubles around the kernel."""
    own, output = str(one.own), str(one.output)
    narrow = {"float16": "__float2half_rn((float)x[i])", "bfloat16": "__float2bfloat16_rn((float)x[i])"}
    wide = {"float16": "__half2float(b)", "bfloat16": "__bfloat162float(b)"}
    return f"""
extern "C" void call(const double *x, double *y, size_t n)
{{
    for (size_t i = 0; i < n; ++i) {{
        {TYPES[own]} a = {narrow.get(own, f"({TYPES[own]})x[i]")};
        {TYPES[output]} b;
        {name}_kernel(&a, &b, 1);
        y[i] = {wide.get(output, "b")};
    }}
}}
"""


def of_shims(folder, path, code, compiler, options):
    """The library of a file as C++."""
    unit = folder / "unit.cpp"
    unit.write_text(f'#include "{path.name}"\n{code}')
    library = folder / f"{path.stem}_{compiler}_{len(options)}.so"
    command = [compiler, "-shared", "-fPIC", *STRICT, *options, f"-I{SHIMS}", "-o", str(library), str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(os.fspath(library))


def called(library, x, dtype=np.float64):
    x = np.ascontiguousarray(x, dtype=dtype)
    y = np.empty_like(x)
    library.call(x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(len(x)))
    return y


def check_on_shims(folder, result, choices):
    one = evaluation(result)
    path = folder / "poly.cuh"
    result.export(path)
    x = tried(one)
    expected = expected_of(one, x)
    for compiler, options in choices:
        found = called(of_shims(folder, path, wrapper(one, "poly_poly"), compiler, options), x)
        bad = wrong(found, expected)
        assert not len(bad), (compiler, options, x[bad[:3]], found[bad[:3]], expected[bad[:3]])


@needs_compiler
@pytest.mark.parametrize("scheme", ["horner", "estrin"])
@pytest.mark.parametrize("fma", [True, False])
@pytest.mark.parametrize("name", FLOATS)
def test_cuda_as_cpp_gives_the_bits_of_the_reference(tmp_path, name, fma, scheme):
    for place, (case, guard) in enumerate([(SINE, "none"), (EXP2, "nan"), (EXP2, "clamp")]):
        folder = tmp_path / str(place)
        folder.mkdir()
        choices = itertools.product(COMPILERS, OPTIONS) if place == 0 else [(COMPILERS[-1], OPTIONS[1])]
        check_on_shims(folder, approximate(**case, format=name, scheme=scheme, fma=fma, guard=guard), choices)


@needs_compiler
@pytest.mark.parametrize("fma", [True, False])
@pytest.mark.parametrize(("coefficients", "compute", "output"), DELIVERED)
def test_cuda_rounds_the_value_to_the_output_format(tmp_path, coefficients, compute, output, fma):
    formats = {"format": coefficients, "compute_format": compute, "output_format": output}
    result = approximate(**SINE, **formats, fma=fma, guard="nan")
    check_on_shims(tmp_path, result, [(COMPILERS[0], OPTIONS[1])])
    assert f"the value is rounded to {output}" in (tmp_path / "poly.cuh").read_text()


@needs_compiler
@pytest.mark.parametrize(("name", "output", "kind"), [("q0.15", None, "int16"), ("q5.26", "q5.10", "int32")])
def test_cuda_of_fixed_point_gives_the_integers_of_the_reference(tmp_path, name, output, kind):
    given = {"target": "0.4*sin(x)+0.1", "domain": (0, "7/8"), "degree": 4, "guard": "clamp"}
    result = approximate(**given, format=name, output_format=output)
    one = evaluation(result)
    path = tmp_path / "poly.cuh"
    result.export(path)
    low, high = (int(end * 2**-one.own.finest) for end in one.ends[0])
    x = np.unique(np.linspace(low, high, 100_001).astype(np.int64))
    expected = delivered(evaluate(one.program, one.coef, one.own, x), one.own, one.output)
    call = f'extern "C" void call(const {kind}_t *x, {kind}_t *y, size_t n) {{ poly_poly_kernel(x, y, n); }}\n'
    for compiler in COMPILERS:
        found = called(of_shims(tmp_path, path, call, compiler, OPTIONS[1]), x, np.dtype(kind))
        assert np.array_equal(found, expected)


def ptx_of(folder, paths, *options):
    """The assembly that nvcc makes of files."""
    unit = folder / "unit.cu"
    unit.write_text("".join(f'#include "{path.name}"\n' * 2 for path in paths))
    command = [NVCC, "-ptx", "-Werror", "all-warnings", *options, "-o", str(folder / "unit.ptx"), str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return (folder / "unit.ptx").read_text()


# What the hardware is told: on sm_80 bfloat16 has one operation, the fused one.
SPELLED = {
    "float64": {"mul": "mul.rn.f64", "add": "add.rn.f64", "fma": "fma.rn.f64"},
    "float32": dict.fromkeys(("mul", "add", "fma"), "fma.rn.f32"),
    "float16": {"mul": "mul.rn.f16", "add": "add.rn.f16", "fma": "fma.rn.f16"},
    "bfloat16": dict.fromkeys(("mul", "add", "fma"), "fma.rn.bf16"),
}


@needs_nvcc
@pytest.mark.parametrize("fma", [True, False])
def test_nvcc_makes_one_instruction_of_each_operation(tmp_path, fma):
    paths, wanted = [], collections.Counter()
    for name in FLOATS:
        result = approximate(**EXP2, format=name, fma=fma, scheme="estrin")
        paths.append(tmp_path / f"of_{name}.cuh")
        result.export(paths[-1])
        wanted.update(SPELLED[name][each.kind] for each in evaluation(result).program.operations)
    for options in (("-arch=sm_80",), ("-arch=sm_80", "-use_fast_math")):
        text = ptx_of(tmp_path, paths, *options)
        found = collections.Counter(re.findall(r"\b(?:mul|add|fma)(?:\.\w+)*\.(?:f64|f32|f16|bf16)\b", text))
        assert found == wanted, options
        assert ".ftz" not in text, options


@needs_nvcc
def test_nvcc_compiles_every_kind_of_file(tmp_path):
    paths = []
    cases = [{"format": name, "guard": guard} for name in FLOATS for guard in ("clamp", "nan")]
    cases += [{"format": a, "compute_format": b, "output_format": c} for a, b, c in DELIVERED]
    cases += [{"format": "q5.26", "guard": "clamp"}, {"format": "q0.15"}]
    for place, case in enumerate(cases):
        result = approximate("0.4*sin(x)+0.1", domain=(0, "7/8"), degree=2, **case)
        paths.append(tmp_path / f"p{place}.cuh")
        result.export(paths[-1])
    for options in (("-arch=sm_80",), ("-arch=sm_90",)):
        ptx_of(tmp_path, paths, *options)


@needs_nvcc
def test_bfloat16_is_refused_where_the_hardware_has_none(tmp_path):
    path = tmp_path / "e.cuh"
    approximate("exp(x)", domain=(0, 1), degree=2, format="bfloat16").export(path)
    (tmp_path / "e.cu").write_text('#include "e.cuh"\n')
    command = [NVCC, "-arch=sm_75", "-ptx", "-o", str(tmp_path / "e.ptx"), str(tmp_path / "e.cu")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "begins with compute capability 8.0" in done.stderr


@needs_nvcc
@pytest.mark.skipif(not GPU, reason="there is no GPU")
@pytest.mark.parametrize("name", FLOATS)
def test_cuda_on_a_gpu_gives_the_bits_of_the_reference(tmp_path, name):
    for fma in (True, False):
        result = approximate(**SINE, format=name, fma=fma)
        one = evaluation(result)
        path = tmp_path / f"poly{fma}.cuh"
        result.export(path)
        x = tried(one)
        expected = expected_of(one, x)
        bad = wrong(called(of_gpu(tmp_path, path, one), x), expected)
        assert not len(bad), (fma, x[bad[:3]], expected[bad[:3]])


def of_gpu(folder, path, one):
    """The library of a file, that runs it on the GPU."""
    unit, library = folder / "unit.cu", folder / f"{path.stem}_gpu.so"
    unit.write_text(f'#include "{path.name}"\n' + on_a_gpu(one, f"{path.stem}_poly"))
    command = [NVCC, f"-arch={ARCH}", "-shared", "-Xcompiler", "-fPIC", "-o", str(library), str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(os.fspath(library))


def on_a_gpu(one, name):
    """A function of doubles that runs the device function on the GPU."""
    own, output = str(one.own), str(one.output)
    narrow = {"float16": "__float2half_rn((float)x[i])", "bfloat16": "__float2bfloat16_rn((float)x[i])"}
    wide = {"float16": "__half2float(b)", "bfloat16": "__bfloat162float(b)"}
    return f"""
__global__ void all_of(const double *x, double *y, size_t n)
{{
    for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (size_t)gridDim.x * blockDim.x) {{
        const {TYPES[output]} b = {name}({narrow.get(own, f"({TYPES[own]})x[i]")});
        y[i] = {wide.get(output, "b")};
    }}
}}
extern "C" void call(const double *x, double *y, size_t n)
{{
    double *a, *b;
    cudaMalloc(&a, n * sizeof *a);
    cudaMalloc(&b, n * sizeof *b);
    cudaMemcpy(a, x, n * sizeof *a, cudaMemcpyHostToDevice);
    all_of<<<256, 256>>>(a, b, n);
    cudaMemcpy(y, b, n * sizeof *b, cudaMemcpyDeviceToHost);
    cudaFree(a);
    cudaFree(b);
}}
"""


def test_the_manifest_says_that_nothing_was_executed_and_verify_accepts_the_file(tmp_path):
    path = tmp_path / "sine.cuh"
    approximate(**SINE, format="float32", output_format="bfloat16").export(path)
    assert read_manifest(path.read_text(), str(path))["executed"] == "not executed"
    assert verify(path).status == "verified"
    path.write_text(path.read_text().replace("c3 = -0x1.5", "c3 = -0x1.4"))
    assert verify(path).status == "failed"


def test_what_cuda_cannot_hold_is_refused(tmp_path):
    with pytest.raises(ExportError, match="format real"):
        approximate("exp(x)", domain=(0, 1), degree=2, format="real").export(tmp_path / "e.cuh")
    with pytest.raises(ExportError, match="no NaN"):
        approximate("exp(x)", domain=(0, 1), degree=2, format="q3.20", guard="nan").export(tmp_path / "e.cuh")


def test_what_an_option_of_nvcc_changes_is_said(tmp_path):
    path = tmp_path / "e.cuh"
    for given, said in [
        ({"format": "float32", "guard": "clamp"}, "takes subnormal x for 0"),
        ({"format": "float64", "output_format": "float32"}, "subnormal in float32 are rounded to 0"),
    ]:
        approximate("exp(x)", domain=(0, 1), degree=2, **given).export(path)
        assert said in path.read_text()
    approximate("exp(x)", domain=(0, 1), degree=2, format="float32").export(path)
    assert "-ftz" not in path.read_text()
