"""make.py: set-up and commands, tried without a network; every command it advertises is run."""

import ast
import importlib.util
import io
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """make.py as a module, as if started without make."""
    spec = importlib.util.spec_from_file_location("make", ROOT / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.delenv("MAKELEVEL", raising=False)
    monkeypatch.delenv("PYTHON", raising=False)
    return module


@pytest.fixture
def checkout(make: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A checkout of its own for make.py, in which children are written down and not run; a stub .venv appears."""
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    venv = tmp_path / ".venv"
    for name, value in {
        "ROOT": tmp_path,
        "VENV": venv,
        "LOG": venv / "install.log",
        "UNFINISHED": venv / ".unfinished",
    }.items():
        monkeypatch.setattr(make, name, value)
    make.steps = []

    def logged(doing: str, words: list[str]) -> None:
        make.steps.append((doing, words))
        if "venv" in words:
            Path(make.tool("python")).parent.mkdir(parents=True)
            Path(make.tool("python")).symlink_to(sys.executable)

    monkeypatch.setattr(make, "logged", logged)
    monkeypatch.setattr(make, "torch_report", lambda: '{"install": []}')
    return tmp_path


def report(*names: str) -> str:
    """What pip's --report says, as far as make.py reads it."""
    return json.dumps({"version": "1", "install": [{"metadata": {"name": name, "version": "1"}} for name in names]})


# ---- versions


def test_version_line_names_version_executable_and_choice(make: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKELEVEL", "1")
    assert make.too_old((3, 9, 2), "/usr/bin/python3") == (
        "polyoptim needs Python 3.11 or newer; this is 3.9.2 (/usr/bin/python3). "
        "Choose another with: make train PYTHON=python3.11"
    )


def test_version_line_is_empty_when_new_enough(make: ModuleType) -> None:
    assert [make.too_old(version, "python3") for version in ((3, 11, 0), (3, 14, 1), (4, 0, 0))] == [""] * 3


def test_oldest_version_is_that_of_pyproject(make: ModuleType) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=" + ".".join(map(str, make.OLDEST))


def test_old_python_can_parse_the_script() -> None:
    ast.parse((ROOT / "make.py").read_text(encoding="utf-8"), feature_version=(3, 7))


def test_missing_ensurepip_gets_one_line(make: ModuleType, monkeypatch: pytest.MonkeyPatch, checkout: Path) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)  # as on a Debian without python3-venv
    with pytest.raises(make.Trouble) as caught:
        make.set_up("test", ("test",))
    line = str(caught.value)
    assert "\n" not in line
    assert re.search(r"ensurepip.*apt install python3(\.\d+)?-venv", line)
    assert not (checkout / ".venv").exists()


# ---- set-up


def test_set_up_creates_installs_and_stamps(make: ModuleType, checkout: Path) -> None:
    make.set_up("lint", ("test", "lint"))
    creating, updating, installing = make.steps
    assert creating[0].startswith("Creating .venv")
    assert "pip>=25.1" in updating[1]
    words = installing[1]
    assert words[words.index("--editable") + 1] == ".[all]"
    assert [words[i + 1] for i, word in enumerate(words) if word == "--group"] == ["test", "lint"]
    assert words[words.index("-c") + 1] == str(checkout / "constraints.txt")
    assert make.missing(["package", "test", "lint"]) == []
    assert make.missing(["package", "docs"]) == ["docs"]


@pytest.mark.usefixtures("checkout")
def test_set_up_does_nothing_when_stamped(make: ModuleType) -> None:
    make.set_up("test", ("test",))
    make.steps.clear()
    make.set_up("test", ("test",))
    make.set_up("train", ())
    assert make.steps == []


@pytest.mark.parametrize("change", ["dependency", "constraint"])
def test_set_up_installs_again_in_the_same_venv_when(make: ModuleType, checkout: Path, change: str) -> None:
    make.set_up("train", ())
    make.steps.clear()
    if change == "dependency":
        text = (checkout / "pyproject.toml").read_text(encoding="utf-8")
        (checkout / "pyproject.toml").write_text(text.replace('"numpy>=2.0"', '"numpy>=2.1"'), encoding="utf-8")
    else:
        with (checkout / "constraints.txt").open("a") as file:
            file.write("somepackage==1\n")
    make.set_up("train", ())
    assert [doing.split()[0] for doing, _ in make.steps] == ["Updating", "Installing"]


def test_set_up_ignores_tool_settings(make: ModuleType, checkout: Path) -> None:
    make.set_up("train", ())
    with (checkout / "pyproject.toml").open("a") as file:
        file.write("\n[tool.unknown]\nline = 1\n")
    assert make.missing(["package"]) == []


@pytest.mark.parametrize(
    ("harm", "because"),
    [
        ("unfinished", "an earlier set-up did not finish"),
        ("moved", "the checkout has moved"),
        ("no python", "its Python or pip does not start"),
        ("other python", r"it has Python 3\.0, this is 3\.\d+"),
    ],
)
def test_set_up_creates_venv_again_when(
    make: ModuleType, monkeypatch: pytest.MonkeyPatch, checkout: Path, harm: str, because: str
) -> None:
    make.set_up("train", ())
    make.steps.clear()
    if harm == "unfinished":
        (checkout / ".venv" / ".unfinished").touch()
    elif harm == "moved":
        (checkout / ".venv" / ".stamp-place").write_text("/elsewhere")
        (checkout / ".venv" / ".stamp-package").write_text("")
    elif harm == "no python":
        Path(make.tool("python")).unlink()
    else:
        (checkout / ".venv" / ".stamp-package").write_text("")
        monkeypatch.setattr(make.subprocess, "check_output", lambda *_, **__: "3.0\n")
    make.set_up("train", ())
    assert re.search(f"again, because {because}", make.steps[0][0])


def test_failed_step_quotes_the_log(make: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(make, "ROOT", tmp_path)
    monkeypatch.setattr(make, "LOG", tmp_path / "install.log")
    monkeypatch.setattr(make, "UNFINISHED", tmp_path / ".unfinished")
    program = "print('Collecting torch'); print('ERROR: No matching distribution found for torch'); raise SystemExit(3)"
    with pytest.raises(make.Trouble, match=r"(?s)Installing failed .exit code 3.*ERROR: No matching.*install.log"):
        make.logged("Installing", [sys.executable, "-c", program, "pip"])
    assert "Collecting torch\nERROR" in (tmp_path / "install.log").read_text(encoding="utf-8")
    assert not (tmp_path / ".unfinished").exists()  # nothing had been installed yet


def test_step_stays_unfinished_when_pip_stops_half_way(
    make: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("ROOT", "LOG", "UNFINISHED"):
        monkeypatch.setattr(make, name, tmp_path / name if name != "ROOT" else tmp_path)
    with pytest.raises(make.Trouble):
        make.logged("Installing", [sys.executable, "-c", "print('Installing collected packages: x'); exit(1)", "pip"])
    assert (tmp_path / "UNFINISHED").exists()


def test_step_shows_large_downloads_when_there_is_no_terminal(
    make: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    progress = make.Progress()
    for line in (
        "Downloading https://pypi.invalid/torch-2.13.0-cp311-none-any.whl (526.6 MB)\n",
        "Downloading numpy-2.4.6-cp311-none-any.whl (16.6 MB)\n",
        "Progress 10 of 100\n",
    ):
        progress(line)
    assert sys.stderr.getvalue() == "  downloading torch (526.6 MB)\n"


# ---- CUDA


def test_cuda_warning_names_amount_and_cpu_build(make: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    make.warn_of_cuda("train", report("torch", "nvidia-cudnn-cu13", "cuda-toolkit", "triton", "numpy"))
    said = capsys.readouterr().err
    assert "3 CUDA packages" in said
    assert "2.7 GB" in said
    assert "PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu" in said
    assert "make.py train" in said


@pytest.mark.parametrize("text", [report("torch", "numpy", "sympy"), report(), "", "no JSON", "[]", '{"install": [1]}'])
def test_cuda_warning_is_silent_when_none_or_unknown(
    make: ModuleType, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    make.warn_of_cuda("train", text)
    assert capsys.readouterr().err == ""


def test_torch_report_gives_up_in_time(
    make: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(make, "ROOT", tmp_path)
    monkeypatch.setattr(make, "LOG", tmp_path / "install.log")
    monkeypatch.setattr(make, "pip", lambda *_: [sys.executable, "-c", "import time; time.sleep(60)"])
    assert make.torch_report(patience=0.01, limit=0.02) == ""
    assert "Asking pip" in capsys.readouterr().err


# ---- commands


def test_help_lists_every_target(make: ModuleType) -> None:
    for target in make.TARGETS:
        assert re.search(rf"make.py {target.name} +{re.escape(target.summary)}\n", make.help_text())


def test_makefile_has_the_targets_of_the_script(make: ModuleType) -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    names = [target.name for target in make.TARGETS]
    assert re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE) == [" ".join(names)]
    assert re.findall(r"^([a-z ]+):$", text, re.MULTILINE) == [" ".join(names)]


def test_dependency_groups_exist(make: ModuleType) -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    assert {group for target in make.TARGETS for group in target.groups or ()} <= set(groups)


def test_unknown_target_suggests_the_nearest(make: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert make.exit_code(["tets"]) == 1
    assert "did you mean 'test'?" in capsys.readouterr().err


def test_arguments_reach_only_targets_that_take_them(
    make: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = []
    monkeypatch.setattr(make, "set_up", lambda *_: None)
    monkeypatch.setattr(make, "run", lambda *words: ran.append(words) or 5)
    assert make.exit_code(["test", "--", "-k", "a or b"]) == 5
    assert ran == [("python", "-m", "pytest", "-n", "auto", "--dist", "worksteal", "-k", "a or b")]
    assert make.exit_code(["lint", "x"]) == 1
    assert "lint takes no arguments, got x." in capsys.readouterr().err


def test_lint_runs_every_check_when_one_fails(make: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []
    monkeypatch.setattr(make, "run", lambda *words: ran.append(words) or int(words[0] == "ruff"))
    assert make.lint([]) == 1
    assert tuple(ran) == make.CHECKS


def test_interrupt_is_130_without_a_traceback(
    make: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(make, "set_up", interrupted)
    assert make.exit_code(["train"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_clean_removes_what_was_made_and_nothing_else(make: ModuleType, checkout: Path) -> None:
    for name in (".venv/bin", "src/polyoptim/__pycache__", "docs/_build", "examples", "src/polyoptim/build"):
        (checkout / name).mkdir(parents=True)
    (checkout / "polynomial_optim.py").touch()
    make.clean([])
    left = {path.relative_to(checkout).as_posix() for path in checkout.rglob("*")}
    files = {"pyproject.toml", "constraints.txt", "polynomial_optim.py"}
    assert left == files | {"src", "src/polyoptim", "src/polyoptim/build", "docs", "examples"}


# ---- what `make train` advertises


def test_next_commands_are_read_back_by_a_shell(make: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKELEVEL", "1")
    for words in make.TRY_NEXT:
        assert [Path(word).name for word in shlex.split(make.shown(words))][1:] == list(words[1:])


def test_main_command_writes_the_script_that_is_tried_next(make: ModuleType, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", *make.MAIN], cwd=tmp_path, check=True, stdin=subprocess.DEVNULL, timeout=300)
    names = {"polynomial_optim.py", "polynomial_optim.ipynb", "polynomial_optim.png"}
    assert names <= {path.name for path in tmp_path.iterdir()}
    for words in make.TRY_NEXT:
        if words[0] == "python":
            subprocess.run(
                [sys.executable, *words[1:]], cwd=tmp_path, check=True, stdin=subprocess.DEVNULL, timeout=300
            )


def test_next_commands_run(make: ModuleType, tmp_path: Path) -> None:
    for words in make.TRY_NEXT:
        assert words[0] in ("python", "polyoptim", "make")
        if words[0] == "polyoptim":
            subprocess.run(
                [sys.executable, "-m", *words], cwd=tmp_path, check=True, stdin=subprocess.DEVNULL, timeout=300
            )
        elif words[0] == "make":
            assert words[1] in {target.name for target in make.TARGETS}
