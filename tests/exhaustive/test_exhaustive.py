"""Every input: all are there, the truth is mpmath's, NumPy and the compiled loop agree, published figures hold."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from polyoptim.arithmetic import evaluate
from polyoptim.errors import ArgumentError
from polyoptim.exhaustive import Meter, count_of, machine_of, runs_of, truth_of
from polyoptim.exhaustive import measure as measuring
from polyoptim.exhaustive.truth import settle_one
from polyoptim.exhaustive_kernel import CODES, WORDS, kernel
from polyoptim.formats import FORMATS
from polyoptim.schemes import program_of
from polyoptim.targets.expression import parse

HALF, BRAIN, SINGLE, DOUBLE = (FORMATS[name] for name in ("float16", "bfloat16", "float32", "float64"))
# FlashAttention-4's: github.com/Dao-AILab/flash-attention, flash_attn/cute/utils.py (POLY_EX2), commit 0251105a.
FA4_3 = [1.0, 0.695146143436431884765625, 0.227564394474029541015625, 0.077119089663028717041015625]
FA4_5 = [1.0, 0.693151414394378662109375, 0.24016360938549041748046875, 5.5802188813686370849609375e-2]
FA4_5 += [9.01452265679836273193359375e-3, 1.86810153536498546600341796875e-3]
TRUE = {
    "2**x": lambda x: mpmath.mpf(2) ** x,
    "sin(x)": mpmath.sin,
    "sin(x)/x": lambda x: mpmath.sin(x) / x if x else mpmath.mpf(1),
    "1+x": lambda x: 1 + mpmath.mpf(x),
    "exp(5*x)": lambda x: mpmath.exp(5 * mpmath.mpf(x)),
}


def meter_of(text, own, pieces, output=None, which="all", coef=None, scheme="horner", fma=True):
    coef = {power: Fraction(value) for power, value in enumerate(coef)}
    truth = truth_of(parse(text).root, runs_of(own, pieces, which), output or own)
    machine = machine_of(program_of(coef, scheme, fma), own, output or own)
    return Meter(truth, machine), machine.doubles(coef), coef


def numbers_of(name):
    """All finite numbers of a format of 16 bits, once each, ascending."""
    patterns = np.arange(1 << 16, dtype=np.uint32)
    values = patterns.astype(np.uint16).view(np.float16) if name == "float16" else (patterns << 16).view(np.float32)
    values = values[np.isfinite(values)].astype(np.float64)
    return np.unique(values)


def nearest_by_mpmath(value, own):
    """The number of a format nearest to a number of mpmath's, ties to even, and the unit in the last place."""
    if value == 0:
        return 0.0, float(own.spacing(Fraction(0)))
    exponent = int(mpmath.floor(mpmath.log(abs(value), 2)))
    exponent += (abs(value) >= mpmath.mpf(2) ** (exponent + 1)) - (abs(value) < mpmath.mpf(2) ** exponent)
    place = max(exponent - own.digits + 1, own.finest)
    found = mpmath.nint(mpmath.ldexp(value, -place))
    return float(mpmath.ldexp(found, place)), 2.0**place


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
@pytest.mark.parametrize("ends", [(-2, 3), (0, 1), ("1/3", 70000), (-7, "-1e-6"), ("-1/1000", "1/1024")])
def test_inputs_are_all_numbers_of_the_domain_once(name, ends):
    own, (low, high) = FORMATS[name], map(Fraction, ends)
    runs = runs_of(own, [(low, high)])
    found = np.concatenate([run.at(np.arange(run.count)) for run in runs])
    numbers = numbers_of(name)
    assert np.array_equal(found, numbers[(numbers >= float(low)) & (numbers <= float(high))])
    assert count_of(runs) == len(found)


def test_inputs_of_float32_are_counted_and_a_grid_has_its_points():
    assert count_of(runs_of(SINGLE, [(Fraction(0), Fraction(1))])) == 0x3F800000 + 1
    assert count_of(runs_of(SINGLE, [(Fraction(-1), Fraction(1))])) == 2 * 0x3F800000 + 1
    (grid,) = runs_of(SINGLE, [(Fraction(-1, 2), Fraction(1, 2))], "grid")
    assert grid.count == 1 << 24
    assert grid.at([0, 1, (1 << 24) - 1]).tolist() == [-0.5, -0.5 + 2.0**-24, 0.5 - 2.0**-24]


@pytest.mark.parametrize(("own", "words"), [(DOUBLE, "grid"), (FORMATS["real"], "not tried")])
def test_inputs_that_cannot_be_tried_are_refused(own, words):
    with pytest.raises(ArgumentError, match=words):
        runs_of(own, [(Fraction(0), Fraction(1))])


@pytest.mark.parametrize("own", [HALF, BRAIN], ids=str)
@pytest.mark.parametrize(
    ("text", "ends", "coef"),
    [
        ("2**x", (0, 1), [1.0, 0.6953125, 0.2265625, 0.078125]),
        ("sin(x)", (-3, 3), [0.0, 1.0, 0.0, -0.15625, 0.0, 0.0068359375]),
        ("sin(x)/x", (-1, 1), [1.0, 0.0, -0.166015625, 0.0, 0.007415771484375]),
        ("1+x", (0, 1), [1.0, 1.0]),
        ("exp(5*x)", (-3, 3), [1.0, 5.0, 12.5]),
    ],
)
def test_all_inputs_of_16_bits_are_judged_as_mpmath_does(own, text, ends, coef):
    meter, constants, exact = meter_of(text, own, [tuple(map(Fraction, ends))], coef=coef)
    found = meter.exact(meter.measure(constants), constants)
    numbers = numbers_of(own.name)
    x = numbers[(numbers >= ends[0]) & (numbers <= ends[1])]
    y = evaluate(program_of(exact), exact, own, x)
    mpmath.mp.prec = 300
    true = [TRUE[text](mpmath.mpf(value)) for value in x.tolist()]
    pairs = [nearest_by_mpmath(value, own) for value in true]
    flips = sum(bool(value != right) for value, (right, _) in zip(y.tolist(), pairs, strict=True))
    errors = [abs(mpmath.mpf(v) - t) / u for v, t, (_, u) in zip(y.tolist(), true, pairs, strict=True)]
    assert (found.count, found.flips, found.undecided) == (len(x), flips, 0)
    assert found.max_ulp == pytest.approx(float(max(errors)), rel=1e-12)
    assert found.histogram.sum() == len(x)
    assert float(errors[x.tolist().index(found.worst[0][1])]) == pytest.approx(found.max_ulp, rel=1e-12)


@pytest.mark.parametrize("own", [HALF, BRAIN], ids=str)
@pytest.mark.parametrize("fma", [True, False])
@pytest.mark.parametrize("scheme", ["horner", "estrin"])
def test_the_compiled_loop_finds_what_numpy_finds(own, fma, scheme, monkeypatch):
    meter, constants, _ = meter_of(
        "cos(x)", own, [(Fraction(-2), Fraction(1)), (Fraction(3, 2), Fraction(9, 4))],
        coef=[0.99609375, 0.001953125, -0.486328125, -0.0078125, 0.037109375], scheme=scheme, fma=fma,
    )  # fmt: skip
    plain = meter.measure(constants)
    monkeypatch.setattr(measuring, "FEW", 0)
    compiled = meter.measure(constants)
    assert (plain.count, plain.flips) == (compiled.count, compiled.flips)
    assert np.array_equal(plain.histogram, compiled.histogram)
    assert plain.max_ulp == pytest.approx(compiled.max_ulp, rel=1e-4)  # each within 2^-16 units of the truth


def test_published_kernels_are_measured_as_published():
    pieces = [(Fraction(0), Fraction(1))]
    cubic, constants, _ = meter_of("2**x", SINGLE, pieces, BRAIN, "grid", FA4_3)
    found = cubic.measure(constants)
    assert found.count == 1 << 24
    assert found.share == pytest.approx(0.00997, abs=5e-6)  # 0.997 %
    quintic, constants, _ = meter_of("2**x", SINGLE, pieces, None, "grid", FA4_5)
    assert quintic.exact(quintic.measure(constants), constants).max_ulp == pytest.approx(2.205, abs=5e-4)


@pytest.mark.parametrize("output", [SINGLE, HALF, BRAIN], ids=str)
def test_float32_is_judged_as_mpmath_does_on_a_sample(output):
    """The loop on a few thousand inputs, each judged by mpmath, with results from subnormal to infinite."""
    coef = [1.0, 1.0, 0.5, 0.1666259765625]
    for low, high in ((Fraction(-1, 2), Fraction(1, 2)), (Fraction(30), Fraction(31)), (Fraction(1, 2**120), 2)):
        run = runs_of(SINGLE, [(low, Fraction(high))])[-1]
        places = np.unique(np.linspace(0, run.count - 1, 600).astype(np.int64))
        part = [run.part(place, place + 3) for place in places[:-1].tolist()]
        truth = truth_of(parse("exp(x)").root, part, output)
        exact = {power: Fraction(value) for power, value in enumerate(coef)}
        machine = machine_of(program_of(exact), SINGLE, output)
        meter = Meter(truth, machine)
        found = meter.measure(machine.doubles(exact))
        x = np.concatenate([one.at(np.arange(one.count)) for one in part])
        y = meter.values(x, machine.doubles(exact))
        mpmath.mp.prec = 300
        largest = float(output.largest)
        flips = 0
        for point, value in zip(x.tolist(), y.tolist(), strict=True):
            right, _ = nearest_by_mpmath(mpmath.exp(point), output)
            flips += value != (np.inf if right > largest else right)
        assert (found.count, found.flips, found.undecided) == (len(x), flips, 0)


def test_a_grid_of_float64_is_decided():
    """One unit of float64 is 2^-53 of 1: panels decide most inputs, balls the others."""
    run = runs_of(DOUBLE, [(Fraction(0), Fraction(1))], "grid")[0].part(5_000_000, 5_040_000)
    truth = truth_of(parse("exp(x)").root, [run], DOUBLE)
    coef = {k: DOUBLE.round(Fraction(1, int(mpmath.factorial(k)))) for k in range(18)}
    machine = machine_of(program_of(coef), DOUBLE, DOUBLE)
    meter = Meter(truth, machine)
    found = meter.exact(meter.measure(machine.doubles(coef)), machine.doubles(coef))
    x = run.at(np.arange(run.count))
    y = evaluate(program_of(coef), coef, DOUBLE, x)
    mpmath.mp.prec = 200
    chosen = np.linspace(0, len(x) - 1, 2000).astype(np.int64)
    flips = np.array([float(y[k]) != nearest_by_mpmath(mpmath.exp(x[k]), DOUBLE)[0] for k in chosen])
    assert found.by_balls < run.count / 100
    assert abs(flips.mean() - found.share) < 4 * np.sqrt(found.share / len(chosen)) + 1e-3
    assert 0.5 < found.max_ulp < 1.5


def test_ties_go_to_even_and_zeros_have_a_unit():
    line = parse("1 + x").root
    assert settle_one(line, 2.0**-8, 1.0, BRAIN) == (0.5, False)
    assert settle_one(line, 3 * 2.0**-8, 1 + 2.0**-7, BRAIN) == (0.5, True)
    assert settle_one(line, 3 * 2.0**-8, 1 + 2.0**-6, BRAIN) == (0.5, False)
    assert settle_one(line, -1.0, 2.0**-133, BRAIN) == (1.0, True)
    assert settle_one(parse("exp(x)").root, 100.0, float("inf"), SINGLE) == (0.0, False)
    assert settle_one(parse("exp(x)").root, 88.0, float("inf"), SINGLE) == (float("inf"), True)
    assert settle_one(parse("exp(x)").root, 0.0, float("nan"), SINGLE) == (float("inf"), True)


def test_work_is_told_and_stops_where_a_limit_is_passed():
    meter, constants, _ = meter_of("2**x", SINGLE, [(Fraction(0), Fraction(1))], None, "grid", FA4_5)
    told = []
    meter.measure(constants, advance=lambda done, total: told.append((done, total)))
    assert told[-1] == (1 << 24, 1 << 24)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    stopped = meter.measure(constants, most_ulp=1.0)
    assert not stopped.whole
    assert stopped.count < 1 << 24


PATTERNS = [0, 0x80000000, 1, 0x7F800000, 0xFF800000, 0x7FC00000, 0x3F800000, 0xBF800000, 0x7F7FFFFF, 0x00800000]


@pytest.mark.parametrize("kind", sorted(WORDS))
def test_operations_on_words_are_numpys(kind):
    random = np.random.default_rng(3)
    words = random.integers(0, 1 << 32, (3, 1000), dtype=np.uint64).astype(np.uint32)
    words[:, : len(PATTERNS)] = [PATTERNS, PATTERNS[::-1], PATTERNS[3:] + PATTERNS[:3]]
    if kind in ("shl", "shr", "sar"):
        words[1] %= 32
    if kind == "int":
        words[0] = np.rint(random.uniform(-(2.0**31), 2.0**31 - 129, 1000)).astype(np.float32).view(np.uint32)
    f, i, u = words.view(np.float32), words.view(np.int32), words.astype(np.uint64)
    with np.errstate(all="ignore"):
        expected = {
            "mul": lambda: f[0] * f[1], "add": lambda: f[0] + f[1], "sub": lambda: f[0] - f[1],
            "div": lambda: f[0] / f[1], "iadd": lambda: words[0] + words[1], "isub": lambda: words[0] - words[1],
            "fma": lambda: fused(*f), "imul": lambda: words[0] * words[1],
            "umulhi": lambda: (u[0] * u[1] >> np.uint64(32)).astype(np.uint32), "and": lambda: words[0] & words[1],
            "or": lambda: words[0] | words[1], "xor": lambda: words[0] ^ words[1],
            "shl": lambda: words[0] << words[1], "shr": lambda: words[0] >> words[1], "sar": lambda: i[0] >> i[1],
            "int": lambda: f[0].astype(np.int32), "flt": lambda: i[0].astype(np.float32),
            "lt": lambda: mask(f[0] < f[1]), "le": lambda: mask(f[0] <= f[1]), "eq": lambda: mask(f[0] == f[1]),
            "ilt": lambda: mask(i[0] < i[1]), "ult": lambda: mask(words[0] < words[1]),
            "ieq": lambda: mask(words[0] == words[1]),
            "select": lambda: np.where(words[0] != 0, words[1], words[2]),
        }[kind]()  # fmt: skip
    room = np.zeros((4, 1024), dtype=np.uint32)
    room[:3, :1000] = words
    step = np.array([[CODES[kind], 3, 0, 1, 2]], dtype=np.int64)
    kernel().run_words(1000, step, room.view(np.float32), room.view(np.int32), room)
    found = room[3, :1000]
    same = found == np.asarray(expected).view(np.uint32)
    both_nan = np.isnan(found.view(np.float32)) & np.isnan(np.asarray(expected).view(np.float32))
    assert (same | both_nan).all()


def fused(a, b, c):
    program = program_of({0: Fraction(1), 1: Fraction(1)})
    assert [one.kind for one in program.operations] == ["fma"]
    found = []
    for x, y, z in zip(a.tolist(), b.tolist(), c.tolist(), strict=True):
        if not np.isfinite([x, y, z]).all():
            found.append(np.float32(np.float32(x) * np.float32(y) + np.float32(z)))
            continue
        exact = Fraction(x) * Fraction(y) + Fraction(z)
        try:
            found.append(np.float32(float(SINGLE.round(exact))) if exact else np.float32(x * y + z))
        except ArgumentError:
            found.append(np.float32(np.inf if exact > 0 else -np.inf))
    return np.array(found, dtype=np.float32)


def mask(truth):
    return np.where(truth, np.uint32(0xFFFFFFFF), np.uint32(0))
