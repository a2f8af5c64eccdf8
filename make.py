#!/usr/bin/env python3
"""Set up ``.venv`` where that is needed, then run one command in it: ``python make.py help`` lists them.

Standard library only, in a syntax that Python 3.6 reads, so that an older Python gets a clear line and no traceback.
Messages about the set-up go to stderr; stdout belongs to the command.
"""

import difflib
import hashlib
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
LOG = VENV / "install.log"
UNFINISHED = VENV / ".unfinished"  # stands while .venv is being changed: what an interrupted run leaves behind
OLDEST = (3, 11)  # requires-python in pyproject.toml
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
CUDA_SIZES = "about 2.7 GB to download, 4.9 GB on disk"  # torch 2.13.0 from PyPI, Linux x86-64, Python 3.11
CUDA_NAMES = re.compile(r"(nvidia|cuda|triton|pytorch-triton)\b")

MAIN = (
    *("polyoptim", "train", "sin(x)", "--seed", "0", "--report", "--plot", "polynomial_optim.png"),
    *("--export", "polynomial_optim.py", "--export", "polynomial_optim.ipynb"),
)
TRY_NEXT = (
    ("python", "polynomial_optim.py"),
    (
        *("polyoptim", "train", "exp(-x**2)*cos(3*x)", "--degree", "8", "--basis", "chebyshev"),
        *("--optimizer", "Adam", "--lr", "0.05"),
    ),
    (
        *("polyoptim", "train", "sin(x)", "--optimizer", "LBFGS", "--lr", "1", "--steps", "20", "--every", "1"),
        *("--set", "line_search_fn=strong_wolfe"),
    ),
    ("polyoptim", "train", "--help"),
    ("make", "test"),
)
CHECKS = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",), ("lint-imports",))
RUBBISH = (
    *(".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".import_linter_cache"),
    *("dist", "build", "docs/_build", "docs/learn", "docs/benchmarks", "src/*.egg-info", "__pycache__"),
    *(folder + "/**/__pycache__" for folder in ("src", "tests", "docs", "examples", "benchmarks")),
)


class Trouble(Exception):  # noqa: N818 - a message for the user, who reads no class name
    """What stops a command, in words for the user."""


def say(text: str) -> None:
    """Print a line about the set-up."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def said(doing: str) -> "Iterator[None]":
    """Say what is being done, and then how long it took."""
    say(doing + " ...")
    start = time.monotonic()
    yield
    say(f"  done in {time.monotonic() - start:.1f} s")


# ---- the words on the screen


def from_make() -> bool:
    """Tell whether make started this run."""
    return "MAKELEVEL" in os.environ


def starter() -> str:
    """Return the words before a target."""
    return "make" if from_make() else re.sub(r"\.exe$", "", Path(sys.executable).name) + " make.py"


def command(target: str, rest: str = "") -> str:
    """Return the line that runs a target the way this run was started: through make or without."""
    if not from_make():
        return " ".join([starter(), target, *rest.split()])
    chosen = os.environ.get("PYTHON", "python3")
    python = "" if chosen == "python3" else f" PYTHON={chosen}"
    return f"make {target}{rest and f' ARGS={quoted(rest)}'}{python}"


def with_variable(name: str, value: str, line: str) -> str:
    """Return the line that runs another one with an environment variable set."""
    return f'set "{name}={value}" && {line}' if os.name == "nt" else f"{name}={value} {line}"


def quoted(word: str) -> str:
    """Quote a word so that POSIX shells and Windows' cmd both read it back."""
    return word if re.match(r"[\w./=+:\\-]+$", word) else f'"{word}"'


def shown(words: "Sequence[str]") -> str:
    """Return a line of TRY_NEXT as it is typed in the checkout."""
    if words[0] == "make":
        return command(words[1])
    folder = ".venv\\Scripts\\" if os.name == "nt" else ".venv/bin/"
    return " ".join([folder + words[0], *map(quoted, words[1:])])


def help_text() -> str:
    """Return what `help` prints, from the table of targets."""
    lines = [
        "polyoptim: polynomials trained step by step with PyTorch.\n",
        *(f"  {starter()} {target.name:<8} {target.summary}" for target in TARGETS),
        "\nSet-up happens where it is needed, in .venv, and again only when what it depends on changed.\n",
        f"  {command('test', '-k basis')}",
        "        arguments for pytest; docs takes some for docs/build.py",
        f"  {with_variable('PIP_INDEX_URL', 'https://...', command('train'))}",
        "        another package index for pip; PIP_EXTRA_INDEX_URL gives a further one, and pip's own settings hold",
        f"  {with_variable('PIP_EXTRA_INDEX_URL', CPU_INDEX, command('train'))}",
        "        the CPU build of PyTorch (0.2 GB), where PyPI's would bring the CUDA packages (2.7 GB)",
    ]
    if from_make():
        lines += ["  make train PYTHON=python3.12", "        another Python; .venv is then created again with it"]
        lines += ["", "Without make: python make.py train, python make.py test -k basis"]
    return "\n".join(lines)


# ---- what this machine has


def too_old(version: "Sequence[int]", executable: str) -> str:
    """Return the line that a Python too old for polyoptim gets, empty for any other."""
    if tuple(version[:2]) >= OLDEST:
        return ""
    oldest = ".".join(map(str, OLDEST))
    this = ".".join(map(str, version))
    choice = f"make train PYTHON=python{oldest}" if from_make() else f"python{oldest} make.py train"
    return f"polyoptim needs Python {oldest} or newer; this is {this} ({executable}). Choose another with: {choice}"


def no_venv() -> str:
    """Return the line that a Python without venv or ensurepip gets, empty for any other."""
    try:
        importlib.import_module("venv")
        importlib.import_module("ensurepip").version()  # Debian's needs wheels of another package
    except (ImportError, AttributeError, OSError) as error:
        own = Path(sys.executable).resolve() == Path("/usr/bin/python3").resolve()
        package = "python3-venv" if own else "python{}.{}-venv".format(*sys.version_info)
        return (
            f"{sys.executable} cannot create virtual environments: {error}. "
            f"On Debian and Ubuntu: apt install {package if os.name == 'posix' else 'python3-venv'}"
        )
    return ""


def tool(name: str) -> str:
    """Return the path of a program in .venv."""
    return str(VENV / "Scripts" / (name + ".exe") if os.name == "nt" else VENV / "bin" / name)


def remove(path: Path) -> None:
    """Remove a file, a folder or a link."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.exists() or path.is_symlink():
        path.unlink()


# ---- children


@contextmanager
def ending_with(child: "subprocess.Popen[str] | subprocess.Popen[bytes]") -> "Iterator[None]":
    """After Ctrl-C let the child, which the terminal told too, end first; kill it after ten seconds or a second one."""
    try:
        yield
    except KeyboardInterrupt:
        try:
            child.wait(timeout=10)
        except (KeyboardInterrupt, subprocess.TimeoutExpired):
            child.kill()
            child.wait()
        raise


def run(*words: str) -> int:
    """Run a program of .venv in the foreground and return its exit code."""
    try:
        child = subprocess.Popen([tool(words[0]), *words[1:]], cwd=ROOT)
    except FileNotFoundError:
        raise Trouble(f"{tool(words[0])} is missing. Set up again with: {command('clean')}") from None
    with ending_with(child):
        code = child.wait()
    return 128 - code if code < 0 else code


def pip_environment() -> "dict[str, str]":
    """Return the user's environment, with what would keep pip out of .venv or its log out of UTF-8 settled."""
    return dict(os.environ, PIP_USER="0", PIP_DISABLE_PIP_VERSION_CHECK="1", PYTHONUTF8="1")


class Progress:
    """pip's downloads: one changing line on a terminal, elsewhere a line for each large file."""

    def __init__(self) -> None:
        self.live = sys.stderr.isatty()
        self.file = ""

    def __call__(self, line: str) -> None:
        """Take a line of pip's."""
        downloading = re.match(r"\s*Downloading (\S+) \((.+)\)", line)
        parts = re.match(r"Progress (\d+) of (\d+)", line)
        if downloading:
            self.file = downloading.group(1).split("/")[-1].split("-")[0]
            if not self.live and re.match(r"[\d.]+ GB|\d{3,}[\d.]* MB", downloading.group(2)):
                say(f"  downloading {self.file} ({downloading.group(2)})")
        elif parts and int(parts.group(2)):
            done, total = map(int, parts.groups())
            self.show(f"  downloading {self.file}: {done / total:4.0%} of {total / 1e6:.0f} MB")
        elif re.match(r"\s*(Collecting|Installing|Successfully|Building|Preparing)\b", line):
            self.show("  " + line.strip())

    def show(self, text: str) -> None:
        """Replace the line on the terminal."""
        if self.live:
            print("\r" + text[:78].ljust(78), end="\r", file=sys.stderr, flush=True)


def logged(doing: str, words: "Sequence[str]") -> None:
    """Run a step of the set-up with its output in the log; where it fails, quote the log's last errors."""
    UNFINISHED.touch()
    progress = Progress()
    lines = []
    with said(doing), LOG.open("a", encoding="utf-8") as log:
        print("\n$ " + " ".join(map(quoted, words)), file=log, flush=True)
        child = subprocess.Popen(
            list(words),
            cwd=ROOT,
            env=pip_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        assert child.stdout is not None  # noqa: S101 - for the type checker: stdout is a pipe
        with child, ending_with(child):
            for line in child.stdout:
                progress(line)
                if not line.startswith("Progress "):
                    lines.append(line.rstrip())
                    log.write(line)
        progress.show("")
        if child.returncode:
            if "pip" in words and not any(line.startswith("Installing collected packages") for line in lines):
                remove(UNFINISHED)  # pip has changed nothing yet: .venv is as good as before
            errors = [line for line in lines if line.lower().lstrip().startswith("error")] or lines
            head = f"{doing} failed (exit code {child.returncode}):"
            raise Trouble("\n  ".join([head, *errors[-3:], f"All of it: {LOG}"]))
    remove(UNFINISHED)


# ---- set-up


def stamp(unit: str) -> str:
    """Return a hash of all that an installed unit, the package or a dependency group, depends on."""
    import tomllib  # noqa: PLC0415 - new in Python 3.11, which is known to be there only now

    tables = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    if unit == "package":
        depends = [tables["build-system"], tables["project"], tables.get("tool", {}).get("hatch")]
    else:
        depends = [tables["dependency-groups"]]
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    facts = [unit, depends, constraints, sys.version_info[:2], str(ROOT)]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def stamp_file(unit: str) -> Path:
    """Return where the stamp of a unit stands."""
    return VENV / f".stamp-{unit}"


def read(path: Path) -> str:
    """Return a file's text, empty where there is no file."""
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def missing(units: "Sequence[str]") -> "list[str]":
    """Return the units that are not in .venv as they should be."""
    if not Path(tool("python")).exists() or UNFINISHED.exists():
        return list(units)
    return [unit for unit in units if read(stamp_file(unit)) != stamp(unit)]


def unusable() -> str:
    """Return why .venv cannot be kept: a clause, empty where it can."""
    if not VENV.exists():
        return "new"
    if UNFINISHED.exists():
        return "an earlier set-up did not finish"
    if read(VENV / ".stamp-place") not in ("", str(ROOT)):
        return "the checkout has moved"  # programs in .venv name it in their first line
    ask = [tool("python"), "-c", "import sys, pip._internal.cli.main; print('{}.{}'.format(*sys.version_info))"]
    try:
        has = subprocess.check_output(ask, stderr=subprocess.DEVNULL, encoding="utf-8").strip()
    except (OSError, subprocess.CalledProcessError):
        return "its Python or pip does not start"
    wanted = "{}.{}".format(*sys.version_info)
    return "" if has == wanted else f"it has Python {has}, this is {wanted}"


def create_venv(why: str) -> None:
    """Create .venv from nothing."""
    problem = no_venv()
    if problem:
        raise Trouble(problem)
    # Also right when this Python is the one in .venv, which is removed here.
    base = getattr(sys, "_base_executable", None) or sys.executable
    remove(VENV)
    VENV.mkdir()
    version = "{}.{}.{}".format(*sys.version_info)
    again = "" if why == "new" else f" again, because {why}"
    logged(f"Creating .venv with Python {version}{again}", [base, "-m", "venv", str(VENV)])


def pip(*words: str) -> "list[str]":
    """Return the command line of pip in .venv, held to constraints.txt."""
    return [tool("python"), "-m", "pip", *words, "--no-input", "-c", str(ROOT / "constraints.txt")]


def cuda_packages(report: str) -> "list[str]":
    """Return the names of the CUDA packages in a report of `pip install --dry-run --report -`."""
    try:
        names = [item["metadata"]["name"] for item in json.loads(report)["install"]]
        return sorted(name for name in names if CUDA_NAMES.match(name.lower()))
    except (ValueError, KeyError, TypeError, AttributeError):
        return []  # a report that cannot be read must not stop the set-up


def torch_report(patience: float = 3, limit: float = 60) -> str:
    """Ask pip what installing torch would bring, empty where it does not answer in time."""
    # fast-deps reads the dependencies of a wheel without downloading it, also where an index does not list them.
    words = pip("install", "--dry-run", "--quiet", "--report", "-", "--use-feature=fast-deps", "torch")
    with LOG.open("a", encoding="utf-8") as log:
        print("\n$ " + " ".join(map(quoted, words)), file=log, flush=True)
        child = subprocess.Popen(
            words,
            cwd=ROOT,
            env=pip_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            encoding="utf-8",
        )
        with child, ending_with(child):
            try:
                return child.communicate(timeout=patience)[0]
            except subprocess.TimeoutExpired:
                say("Asking pip which build of PyTorch it finds ...")
            try:
                return child.communicate(timeout=limit - patience)[0]
            except subprocess.TimeoutExpired:
                child.kill()
                return ""


def warn_of_cuda(target: str, report: str) -> None:
    """Say so where a download of more than 1 GB is ahead, and how to choose the CPU build."""
    packages = cuda_packages(report)
    if packages:
        say(f"The PyTorch that pip finds here brings {len(packages)} CUDA packages: {CUDA_SIZES}.")
        say("polyoptim needs no GPU. For the CPU build (0.2 GB), press Ctrl-C and run:")
        say("  " + with_variable("PIP_EXTRA_INDEX_URL", CPU_INDEX, command(target)))


def set_up(target: str, groups: "Sequence[str]") -> None:
    """Bring .venv to what pyproject.toml and constraints.txt ask for; a matter of milliseconds where it is there."""
    units = ["package", *groups]
    todo = missing(units)
    if not todo:
        return
    why = unusable()
    if why:
        create_venv(why)
        todo = units
    (VENV / ".stamp-place").write_text(str(ROOT), encoding="utf-8")
    for unit in todo:
        remove(stamp_file(unit))
    logged("Updating pip", pip("install", "--upgrade", "pip>=25.1"))  # the first to know --group
    if "package" in todo:
        warn_of_cuda(target, torch_report())
    wanted = [word for group in groups for word in ("--group", group)]
    what = " and ".join(["polyoptim with its extras", *(f"the {group} tools" for group in groups)])
    logged(f"Installing {what}", pip("install", "--progress-bar", "raw", "--editable", ".[all]", *wanted))
    for unit in units:
        stamp_file(unit).write_text(stamp(unit), encoding="utf-8")


# ---- the targets


def train(_: "Sequence[str]") -> int:
    """Run the main job, then say what to try next."""
    code = run(*MAIN)
    if code == 0:
        print("\nTry next{}:".format("" if Path.cwd() == ROOT else f" (in {ROOT})"))
        print("".join(f"  {shown(words)}\n" for words in TRY_NEXT), end="", flush=True)
    return code


def test(arguments: "Sequence[str]") -> int:
    """Run the tests, on all cores."""
    return run("python", "-m", "pytest", "-n", "auto", "--dist", "worksteal", *arguments)


def docs(arguments: "Sequence[str]") -> int:
    """Build the documentation."""
    return run("python", str(Path("docs", "build.py")), *arguments)


def lint(_: "Sequence[str]") -> int:
    """Run every check, also after one has failed."""
    failed = []
    for check in CHECKS:
        say("== " + " ".join(check))
        code = run(*check)
        if code == 130:
            return code
        if code:
            failed.append(" ".join(check))
    say("Failed: " + ", ".join(failed) if failed else "All checks passed.")
    return 1 if failed else 0


def format_(_: "Sequence[str]") -> int:
    """Write the files anew in the project's format."""
    return run("ruff", "check", "--fix", ".") | run("ruff", "format", ".")


def clean(_: "Sequence[str]") -> int:
    """Remove what the other targets made."""
    for pattern in RUBBISH:
        for path in sorted(ROOT.glob(pattern)):
            say(f"removing {path.relative_to(ROOT)}")
            remove(path)
    return 0


def help_(_: "Sequence[str]") -> int:
    """Print the help."""
    print(help_text())
    return 0


class Target(NamedTuple):
    """One command: its dependency groups (None: it needs no set-up), and whether it takes arguments."""

    name: str
    summary: str
    groups: "tuple[str, ...] | None"
    action: "Callable[[Sequence[str]], int]"
    takes_arguments: bool = False


TARGETS = (
    Target("train", "see a cubic learn sin(x): writes polynomial_optim.py, .ipynb and .png", (), train),
    Target("test", "run the tests", ("test",), test, takes_arguments=True),
    Target("docs", "build the documentation, English and Chinese", ("docs",), docs, takes_arguments=True),
    Target("lint", "check style, types and import contracts", ("test", "lint"), lint),
    Target("format", "format the code, and fix what can be fixed", ("lint",), format_),
    Target("help", "this list", None, help_),
    Target("clean", "remove .venv, caches and build outputs", None, clean),
)


def main(words: "Sequence[str]") -> int:
    """Run one target and return the exit code."""
    name, *arguments = words or ["help"]
    name = "help" if name in ("-h", "--help") else name
    targets = {target.name: target for target in TARGETS}
    if name not in targets:
        near = difflib.get_close_matches(name, targets, 1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise Trouble(f"unknown target {name!r}{hint} All of them: {command('help')}")
    target = targets[name]
    if arguments[:1] == ["--"]:
        del arguments[0]
    if arguments and not target.takes_arguments:
        raise Trouble(f"{name} takes no arguments, got {' '.join(arguments)}.")
    if target.groups is not None:
        problem = too_old(sys.version_info[:3], sys.executable)
        if problem:
            raise Trouble(problem)
        set_up(name, target.groups)
    return target.action(arguments)


def exit_code(words: "Sequence[str]") -> int:
    """Run one target; say what went wrong in words, and return the exit code."""
    try:
        return main(words)
    except Trouble as trouble:
        say(str(trouble))
        return 1
    except OSError as error:  # a full disk, a folder that cannot be written
        say(f"{type(error).__name__}: {error}")
        return 1
    except KeyboardInterrupt:
        say("\nInterrupted.")
        return 130


if __name__ == "__main__":
    sys.exit(exit_code(sys.argv[1:]))
