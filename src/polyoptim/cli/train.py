"""``polyoptim train TARGET``."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Any

import rich_click as click

import polyoptim
from polyoptim.cli.codes import FAILED, INTERRUPTED
from polyoptim.cli.files import check_files, write_files
from polyoptim.cli.output import announce_compiling, emit_result, say
from polyoptim.cli.problem import completion, panels, problem, stated
from polyoptim.cli.progress import Progress
from polyoptim.cli.words import NUMBER, WORD, Command, settings
from polyoptim.registry import Registry

# Loaded late: --help needs no engine.
SINGLE_RUN = Registry("setting", {"single_run": "polyoptim.compiler:single_run"})

# Loaded late: TensorBoard may not be installed.
TRACKERS = Registry("setting", {"callbacks": "polyoptim.callbacks:CALLBACKS"})


def tracker(path: str) -> Any:
    """Return the callback that writes rows to `path`: JSON lines for .jsonl, else TensorBoard."""
    kind = "jsonlines" if path.casefold().endswith(".jsonl") else "tensorboard"
    return TRACKERS["callbacks"][kind](path)


def tell(message: Warning | str, *_: Any, **__: Any) -> None:
    """Show a warning of the run, such as a full disk, as a sentence."""
    say(f"polyoptim train: {message}")


# The panels of --help, from what is learned to what is written.
PANELS = {
    "Polynomial": ("--degree", "--powers", "--basis", "--mapped"),
    "Loss": ("--loss", "--loss-set", "--reduction"),
    "Steps": ("--optimizer", "--lr", "--set", "--schedule", "--schedule-set", "--steps", "--batch-size", "--every"),
    "End and surroundings": ("--tol-loss", "--tol-gradient", "--strict", "--seed", "--dtype", "--device", "--engine"),
    "Long runs": ("--checkpoint", "--checkpoint-every", "--resume", "--track"),
    "Output": ("--save", "--plot", "--export", "--json", "--report", "--quiet", "--help"),
}


@click.command(cls=Command)
@panels("train", PANELS)
@problem
@click.option(
    "--loss",
    metavar="NAME",
    default="squared",
    show_default=True,
    shell_complete=completion("loss"),
    help="squared, absolute, huber, smooth_l1, soft_l1, logcosh, pnorm, quantile or tukey.",
)
@click.option("--loss-set", metavar="NAME=VALUE …", multiple=True, help="Options of the loss, such as delta=0.5.")
@click.option(
    "--optimizer",
    metavar="NAME",
    default="RMSprop",
    show_default=True,
    shell_complete=completion("optimizer"),
    help="A class of torch.optim, in any letter case.",
)
@click.option(
    "--lr",
    type=NUMBER,
    metavar="RATE",
    default="0.001",
    show_default=True,
    help="Learning rate; none: the optimizer's own default.",
)
@click.option(
    "--set",
    "set_",
    metavar="NAME=VALUE …",
    multiple=True,
    help="Options of the optimizer in torch's names, such as momentum=0.9 betas=0.9,0.99.",
)
@click.option(
    "--schedule",
    metavar="NAME",
    shell_complete=completion("schedule"),
    help="A class of torch.optim.lr_scheduler, in any letter case.",
)
@click.option(
    "--schedule-set",
    metavar="NAME=VALUE …",
    multiple=True,
    help="Options of the schedule, such as step_size=500; lr_lambda takes an expression in x, the step.",
)
@click.option("--steps", type=NUMBER, metavar="N", default="2000", show_default=True, help="Updates.")
@click.option("--batch-size", type=NUMBER, metavar="N", help="Samples that an update sees.  [default: all]")
@click.option(
    "--every", type=NUMBER, metavar="N", default="100", show_default=True, help="Updates between recorded rows."
)
@click.option(
    "--tol-loss",
    type=NUMBER,
    metavar="T",
    help="Converged where the loss changed by at most this share of itself in 10 updates running.",
)
@click.option(
    "--tol-gradient", type=NUMBER, metavar="T", help="Converged where the norm of the gradient is at most this."
)
@click.option("--seed", type=NUMBER, metavar="N", help="Of the run's own generator.  [default: drawn, and recorded]")
@click.option(
    "--dtype",
    metavar="NAME",
    shell_complete=completion("dtype"),
    help="float32, float64, float16 or bfloat16.  [default: float32; fused: float64]",
)
@click.option("--device", metavar="NAME", default="cpu", show_default=True, help="cpu, cuda, …")
@click.option(
    "--engine",
    metavar="NAME",
    default="torch",
    show_default=True,
    shell_complete=completion("engine"),
    help="torch: torch.nn and torch.optim themselves; fused: our own rules in float64, without torch; auto.",
)
@click.option(
    "--checkpoint", type=WORD, metavar="DIR", help="Keep the state of the run in this folder, the last two checkpoints."
)
@click.option(
    "--checkpoint-every",
    type=NUMBER,
    metavar="N|Ns",
    default="30s",
    show_default=True,
    help="Updates between two checkpoints, or seconds.",
)
@click.option("--resume", is_flag=True, help="Go on from the newest checkpoint that is whole.")
@click.option(
    "--track",
    type=WORD,
    metavar="PATH",
    help="Write each row as it is recorded: to a file of JSON lines (.jsonl), or to a folder for TensorBoard.",
)
@click.option("--save", type=WORD, metavar="FILE", help="Save the result as JSON; polyoptim show reads it.")
@click.option("--plot", type=WORD, metavar="FILE", help="Draw a picture: .png, .svg or .pdf.")
@click.option(
    "--export",
    type=WORD,
    metavar="FILE …",
    multiple=True,
    help="Write a program (.py), a notebook (.ipynb), a model (.onnx), the formula (.tex), the result (.json).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--report", is_flag=True, help="Print the report with its plots also where this is no terminal.")
@click.option("--quiet", is_flag=True, help="Print the result line only.")
@click.option("--strict", is_flag=True, help="Exit with 1 unless the run converges (see --tol-loss, --tol-gradient).")
def train(
    target: str,
    lr: str,
    set_: Sequence[str],
    loss_set: Sequence[str],
    schedule_set: Sequence[str],
    track: str | None,
    save: str | None,
    plot: str | None,
    export: Sequence[str],
    as_json: bool,
    report: bool,
    quiet: bool,
    strict: bool,
    **arguments: Any,
) -> int:
    """Train a polynomial step by step to predict TARGET, and put it next to the best that any such polynomial can do.

    TARGET is an expression in x, such as "sin(x)", or a CSV file (then --x and --y name its columns).
    Numbers may be expressions: --lr 2**-10, --domain -pi/2 pi.

    \b
    Examples:
    polyoptim train "sin(x)" --seed 0
    polyoptim train "exp(-x**2)" --degree 8 --basis chebyshev --optimizer Adam --lr 0.05
    polyoptim train data.csv --x t --y v --dtype float64 --set momentum=0.9 --save run.json
    """  # noqa: D301 - click's mark against wrapping
    check_files(save, plot, export, "train")
    tracks = [] if track is None else [tracker(track)]
    given = stated(arguments)
    SINGLE_RUN["single_run"].set(True)
    announce_compiling()
    progress = Progress(shown=not (quiet or as_json) and sys.stderr.isatty())
    with progress, warnings.catch_warnings():
        warnings.showwarning = tell
        result = polyoptim.train(
            target,
            **given,
            lr=None if lr.casefold() == "none" else lr,
            optimizer_options=settings("--set", set_),
            loss_options=settings("--loss-set", loss_set),
            schedule_options=settings("--schedule-set", schedule_set),
            callbacks=[progress, *tracks],
        )
    full = report or (sys.stdout.isatty() and not as_json)
    emit_result(result, as_json=as_json, quiet=quiet, full=full)
    if not (quiet or full):
        for note in result.notes:
            say(f"Note: {note}")
    bad = result.status in ("diverged", "interrupted") or (strict and result.status != "converged")
    if bad:
        hint = "" if result.status != "steps_done" else " Not converged: raise --steps, or give a wider --tol-loss."
        say(f"polyoptim train: {result.message}{hint}")
    wrong = write_files(result, save, plot, export, show=full)
    if result.status == "interrupted":
        return INTERRUPTED
    return wrong or (FAILED if bad else 0)
