import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import polyoptim
from polyoptim.cli import COMMANDS, run
from polyoptim.cli.words import settings, value
from polyoptim.errors import ArgumentError

KEYS = {
    "coef", "basis", "domain", "formula", "loss", "optimum", "excess", "gap", "status", "engine", "seed", "seconds",
    "trace",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_train_prints_the_lessons_output_when_in_a_pipe(capsys):
    assert run(["train", "sin(x)", "--seed", "0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    result = polyoptim.train("sin(x)", seed=0)
    assert lines[:20] == [f"{row['step']} {row['loss']!r}" for row in result.trace if row["step"] < 2000]
    a, b, c, d = result.coef.tolist()
    assert lines[20] == f"Result: y = {a!r} + {b!r} x + {c!r} x^2 + {d!r} x^3"
    assert repr(result.optimum) in lines[21]
    assert repr(result.gap) in lines[21]
    assert "no cubic can do better than 8.8172; you are" in lines[21]
    assert lines[22].startswith("Total running time:")
    assert len(lines) == 23


def test_train_json_equals_python(capsys):
    words = ["train", "exp(-x**2)", "--domain", "-pi/2", "2", "--degree", "4", "--basis", "legendre", "--optimizer"]
    words += [
        "sgd",
        "--lr",
        "2**-12",
        "--set",
        "momentum=0.9",
        "nesterov=true",
        "--steps",
        "150",
        "--seed",
        "7",
        "--json",
    ]
    assert run(words) == 0
    printed = json.loads(capsys.readouterr().out)
    result = polyoptim.train(
        "exp(-x**2)", domain=("-pi/2", 2), degree=4, basis="legendre", optimizer="SGD", lr=2**-12,
        optimizer_options={"momentum": 0.9, "nesterov": True}, steps=150, seed=7,
    )  # fmt: skip
    assert set(printed) >= KEYS
    expected = json.loads(json.dumps(result.to_dict()))
    for key in KEYS - {"seconds"}:
        assert printed[key] == expected[key], key
    assert [row["step"] for row in printed["trace"]] == [99, 150]
    assert printed["coef"] == result.coef.tolist()


@pytest.mark.parametrize("target", ["-x**2+1", "-sin(x)", "--x", "-(x)", "-2*x", "-pi*x"])
def test_train_takes_a_target_that_begins_with_a_minus_sign(capsys, target):
    assert run(["train", "--steps", "2", "--json", "--seed", "1", target]) == 0 or target == "--x"
    if target != "--x":
        assert json.loads(capsys.readouterr().out)["target"]["text"] == target


def test_train_takes_a_target_after_two_dashes(capsys):
    assert run(["train", "--steps", "2", "--json", "--", "-x"]) == 0
    assert json.loads(capsys.readouterr().out)["target"]["text"] == "-x"


def test_train_takes_several_words_after_set_and_export(capsys):
    words = ["train", "--steps", "3", "--set", "momentum=0.9", "alpha=0.9", "--export", "a.py", "b.ipynb", "cos(x)"]
    assert run(words) == 0
    assert Path("a.py").exists()
    assert Path("b.ipynb").exists()
    assert "Written: a.py" in capsys.readouterr().err


def test_train_reads_a_csv_file(capsys):
    Path("data.csv").write_text("t,v,w\n" + "".join(f"{k},{k * k},1\n" for k in range(20)))
    assert run(["train", "data.csv", "--x", "t", "--y", "v", "--weight", "w", "--steps", "3", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["domain"] == [0, 19]
    assert printed["target"] == {"kind": "table", "text": "data.csv", "x": "t", "y": "v", "weight": "w"}


def test_train_writes_what_it_is_asked_for_and_show_and_export_read_it(capsys):
    words = ["train", "sin(x)", "--steps", "120", "--seed", "0", "--save", "r.json", "--plot", "r.png", "--quiet"]
    assert run(words) == 0
    out = capsys.readouterr().out
    assert out.startswith("Result: y = ")
    assert len(out.splitlines()) == 1
    assert Path("r.png").read_bytes().startswith(b"\x89PNG")
    assert run(["show", "r.json"]) == 0
    shown = capsys.readouterr().out
    assert "no cubic can do better than 8.8172" in shown
    assert run(["show", "r.json", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seed"] == 0
    assert run(["export", "r.json", "f.py", "r.tex", "copy.json", "r.ipynb"]) == 0
    assert Path("copy.json").read_bytes() == Path("r.json").read_bytes()
    assert run(["export", "r.json", "g.py", "--to", "numpy"]) == 0
    assert "def polynomial(x)" in Path("g.py").read_text()


def test_train_report_has_the_pictures(capsys):
    assert run(["train", "sin(x)", "--seed", "0", "--report", "--export", "p.py"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("99 ")
    assert "The polynomial over the target" in out
    assert "The loss, log scale" in out
    assert out.rstrip().endswith("Written: p.py")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trian"], "did you mean 'train'"),
        (["train"], "Missing argument 'TARGET'"),
        (["train", "sin(x)", "--stepz", "3"], "--steps"),
        (["train", "sinn(x)"], "did you mean 'sin'"),
        (["train", "log(x)"], "x = -3.14"),
        (["train", "sin(x)", "--optimizer", "rmspop"], "did you mean 'RMSprop'"),
        (["train", "sin(x)", "--set", "momentun=0.9"], "did you mean 'momentum'"),
        (["train", "sin(x)", "--set", "momentum"], "NAME=VALUE"),
        (["train", "sin(x)", "--degree", "-1"], "degree must be an integer >= 0, got -1"),
        (["train", "sin(x)", "--degree", "2.5"], "2.5"),
        (["train", "sin(x)", "--steps", "many"], "steps"),
        (["train", "sin(x)", "--basis", "chebychev"], "did you mean 'chebyshev'"),
        (["train", "sin(x)", "--loss", "hubber"], "did you mean 'huber'"),
        (["train", "sin(x)", "--powers", "1,x"], "powers"),
        (["train", "sin(x)", "--domain", "1", "1"], "a < b"),
        (["train", "none.csv", "--x", "a", "--y", "b"], "there is no file"),
        (["train", "sin(x)", "--x", "a"], "x cannot be given"),
        (["train", "sin(x)", "--plot", "r.txt"], ".png"),
        (["train", "sin(x)", "--export", "r.doc"], ".ipynb"),
        (["train", "sin(x)", "--save", "nowhere/r.json"], "nowhere"),
        (["train", "sin(x)", "--device", "abacus"], "device 'abacus'"),
        (["train", "sin(x)", "--dtype", "float8"], "float16"),
        (["train", "sin(x)", "--engine", "steam"], "torch"),
        (["show", "none.json"], "there is no file"),
        (["export", "none.json", "a.py"], "there is no file"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(capsys, words, said):
    assert run(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert "Traceback" not in captured.err


def test_train_exits_with_1_when_it_diverges(capsys):
    assert run(["train", "sin(x)", "--optimizer", "SGD", "--lr", "0.1", "--seed", "0", "--json"]) == 1
    captured = capsys.readouterr()
    printed = json.loads(captured.out)
    assert printed["status"] == "diverged"
    assert "2/λmax" in captured.err


def test_train_strict_exits_with_1_unless_it_converges(capsys):
    assert run(["train", "sin(x)", "--steps", "5", "--strict"]) == 1
    assert "Not converged" in capsys.readouterr().err
    words = ["train", "x**2", "--basis", "legendre", "--optimizer", "LBFGS", "--lr", "1", "--steps", "50", "--dtype"]
    assert run([*words, "float64", "--tol-gradient", "0.1", "--seed", "0", "--strict", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "converged"


@pytest.mark.parametrize("name", list(COMMANDS))
def test_help_of_each_command_has_an_example(name, capsys):
    assert run([name, "--help"]) == 0
    assert f"polyoptim {name}" in capsys.readouterr().out.split("Example", 1)[1]


def test_help_imports_neither_torch_nor_numpy():
    code = (
        "import sys; from polyoptim.cli import run; run(['--help']); "
        "assert not {'torch', 'numpy', 'matplotlib'} & set(sys.modules), 'heavy'"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_show_and_export_do_not_import_torch():
    polyoptim.train("gamma(x)*sin(x)", domain=(1, 2), steps=3, seed=0).save("r.json")
    code = (
        "import sys; from polyoptim.cli import run\n"
        "assert run(['show', 'r.json']) == 0\n"
        "assert run(['export', 'r.json', 'r.py', 'r.ipynb', 'r.tex', 's.json']) == 0\n"
        "assert 'torch' not in sys.modules, 'torch'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_completion_knows_the_commands_and_options():
    environment = {
        **os.environ,
        "_POLYOPTIM_COMPLETE": "bash_complete",
        "COMP_WORDS": "polyoptim tr",
        "COMP_CWORD": "1",
    }
    code = "from polyoptim.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert "train" in done.stdout
    environment |= {"COMP_WORDS": "polyoptim train --basis c", "COMP_CWORD": "3"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert "chebyshev" in done.stdout


def test_an_interrupted_run_keeps_what_there_is_and_exits_with_130():
    words = ["train", "sin(x)", "--steps", "100000000", "--save", "r.json", "--seed", "0", "--track", "rows.jsonl"]
    process = subprocess.Popen(
        [sys.executable, "-m", "polyoptim", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    end = time.monotonic() + 120
    while not (Path("rows.jsonl").exists() and Path("rows.jsonl").read_bytes().count(b"\n") > 1):
        assert time.monotonic() < end  # it has not begun to train
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert b"Result: y = " in out
    assert b"Traceback" not in err
    result = polyoptim.load("r.json")
    assert result.status == "interrupted"
    assert result.steps > 100


def test_a_closed_pipe_is_no_error():
    words = f"{sys.executable} -m polyoptim train 'sin(x)' --steps 200 --every 1 | head -1"
    done = subprocess.run(["bash", "-c", words], capture_output=True, text=True, check=False)  # noqa: S607
    assert done.stdout.startswith("0 ")
    assert "Traceback" not in done.stderr


def test_the_version_is_the_packages(capsys):
    assert run(["--version"]) == 0
    assert polyoptim.__version__ in capsys.readouterr().out


def test_settings_reads_values_of_every_kind():
    assert settings("--set", ["a=1", "b=0.9,0.999", "c=true", "d=text", "e=2**-3", "f=none"]) == {
        "a": 1, "b": (0.9, 0.999), "c": True, "d": "text", "e": 0.125, "f": None,
    }  # fmt: skip
    assert value('[["StepLR", {"step_size": 3}]]') == [["StepLR", {"step_size": 3}]]
    assert settings("--set", []) is None
    with pytest.raises(ArgumentError, match="twice"):
        settings("--set", ["a=1", "a=2"])
