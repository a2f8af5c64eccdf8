"""How long after a slider was moved the new curve is painted, in headless Chromium; ``--write`` writes playground.md.

A key is pressed on a slider as a person does; the page's own clock runs from the time stamp of that trusted event to
the first moment after the frame in which the curve of the new run was painted. Each move has to show another run.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright
from report import AIM_COLUMNS, AIMS, MACHINE, Aim, table

from polyoptim.engines.surroundings import processor

PAGE = Path(__file__).with_suffix(".md")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync")  # fmt: skip
MOVES, WARM = 100, 8  # of each slider, and before any counts
REST, COMPILED = 300, 4000  # milliseconds after a move in which the details come, and a loop is compiled
NOWHERE = {"POLYOPTIM_CACHE_DIR": os.devnull, "XDG_CACHE_HOME": os.devnull}  # where nothing can be kept
PLAYED = 3.0  # seconds
WAIT = 60_000
INTRODUCTION = (
    "`polyoptim serve` and headless Chromium on one machine, the reference run (a cubic for sin(x), 2000 updates of "
    "RMSprop), every picture of the page shown. Each move is a key pressed on a slider with the run at rest; the time "
    "ends when the frame with the new curve has been painted; the other pictures are drawn in a later frame. *Answer* "
    "is the part of it that the page waits for the server: the whole run, its optimum and their way through HTTP. Each "
    "degree was shown for some seconds before, so that its loop has been compiled; in *plain Python* it cannot be, "
    "since nothing can be kept on disk."
)
# What is put into the page: the clock.
CLOCK = """
() => {
  window.times = { moves: [], pictures: [], answers: [] };
  new PerformanceObserver(list => { for (const one of list.getEntries()) if (/train/.test(one.name) && !/full/.test(one.name)) window.times.answers.push(one.duration); })
    .observe({ type: "resource" });
  const painted = (done, begun) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => done.push(performance.now() - begun);
    channel.port2.postMessage(null);
  };
  for (const [plot, done, next] of [["plot-curve", window.times.moves, requestAnimationFrame], ["plot-path", window.times.pictures, then => then()]]) {
    let since = null;
    document.addEventListener("input", event => { if (event.isTrusted) since = event.timeStamp; }, true);
    new MutationObserver(() => {
      if (since === null) return;
      const begun = since;
      since = null;
      next(() => painted(done, begun));
    }).observe(document.getElementById(plot), { subtree: true, childList: true, attributes: true, attributeFilter: ["aria-label"] });
  }
}
"""  # noqa: E501 - a script


def measure(**environment: str) -> dict[str, list[float]]:
    """Return the milliseconds of the moves of each slider, of all pictures and answers; and frames a second in play."""
    words = [sys.executable, "-m", "polyoptim", "serve", "--port", "0", "--no-open"]
    pipe = subprocess.PIPE
    server = subprocess.Popen(words, stdout=pipe, text=True, start_new_session=True, env={**os.environ, **environment})
    address = server.stdout.readline().strip() if server.stdout else ""
    try:
        with sync_playwright() as playwright:
            path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
            browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
            page = browser.new_page(viewport={"width": 1400, "height": 1300}, reduced_motion="reduce")
            page.set_default_timeout(WAIT)
            page.goto(address)
            page.wait_for_function("() => document.querySelector('[name=memory]').options.length > 0")
            page.evaluate(CLOCK)
            degree, lr = (moved(page, name, 0 if environment else COMPILED) for name in ("degree", "lr"))
            page.goto(address)
            page.wait_for_function("() => document.querySelector('[name=memory]').options.length > 0")
            found = {name: degree[name] + lr[name] for name in degree}
            found |= {"degree": degree["moves"], "lr": lr["moves"], "frames": [frames(page)]}
            found["browser"] = [float(browser.version.split(".")[0])]
            browser.close()
    finally:
        os.killpg(server.pid, signal.SIGINT)
        server.wait(60)
    return found


def moved(page: Any, name: str, wait: int) -> dict[str, list[float]]:
    """Return the milliseconds of each move of a slider; before any counts, each value is shown for so many, too."""
    page.locator(f"[name={name}]").focus()
    for place in range(WARM + MOVES):
        if place in (0, WARM):
            page.evaluate("() => { for (const list of Object.values(window.times)) list.length = 0; }")
        before = page.locator("#plot-curve [role=img]").get_attribute("aria-label")
        count = page.evaluate("() => window.times.moves.length")
        page.keyboard.press("ArrowRight" if place % 8 < 4 else "ArrowLeft")  # four values up, four down
        page.wait_for_function("count => window.times.moves.length > count", arg=count)
        after = page.locator("#plot-curve [role=img]").get_attribute("aria-label")
        if after == before:
            raise RuntimeError(f"moving {name} showed the same run again: {after}")
        page.wait_for_timeout(REST + (wait if place < WARM else 0))
    times: dict[str, list[float]] = page.evaluate("() => window.times")
    return times


def frames(page: Any) -> float:
    """Return how many frames a second show another step while the run is played."""
    page.locator(".play >> visible=true").click()
    count: int = page.evaluate(
        """seconds => new Promise(done => {
          const step = document.getElementById("step"), begin = performance.now();
          let shown = 0, last = step.value;
          const look = now => {
            if (step.value !== last) { shown += 1; last = step.value; }
            if (now - begin < 1000 * seconds) requestAnimationFrame(look); else done(shown);
          };
          requestAnimationFrame(look);
        })""",
        PLAYED,
    )
    return count / PLAYED


def share(times: Sequence[float], part: float) -> float:
    """Return the value that a share of the times does not exceed."""
    ordered = sorted(times)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)]


def machine(browser: int) -> Mapping[str, str]:
    """Return where this runs."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "processor": processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "load when it began": f"{os.getloadavg()[0]:.2f}",
        "Chromium": str(browser),
        "Python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in ("numpy", "starlette", "uvicorn", "playwright")},
    }


def main() -> int:
    """Measure, print the page, and return 1 where an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    given = parser.parse_args()
    load = f"{os.getloadavg()[0]:.2f}"
    found = measure()
    header = {**machine(int(found["browser"][0])), "load when it began": load}
    plain = measure(**NOWHERE)
    rows = [
        [name, str(len(times)), *(f"{share(times, part):.1f}" for part in (0.5, 0.95, 1.0))]
        for name, times in (
            *((f"slider of {name}, to the painted curve", found[name]) for name in ("degree", "lr")),
            ("both sliders", found["moves"]),
            ("of that, the answer", found["answers"]),
            ("both sliders, to all pictures", found["pictures"]),
            ("both sliders, to the painted curve, in plain Python", plain["moves"]),
            ("of that, the answer, in plain Python", plain["answers"]),
        )
    ]
    aims = [
        Aim("a moved slider to a painted curve, median, ms", 50.0, share(found["moves"], 0.5), at_most=True),
        Aim("the same, 95th percentile, ms", 100.0, share(found["moves"], 0.95), at_most=True),
    ]
    text = "\n".join([
        f"# The playground: from a slider to a curve\n\n{INTRODUCTION}\n",
        f"## {MACHINE}\n\n{table(('what', 'which'), list(header.items()))}\n",
        f"## {AIMS}\n\n{table(AIM_COLUMNS, [aim.row() for aim in aims])}\n",
        f"## Milliseconds\n\n{table(('what', 'how many', 'median', '95 %', 'largest'), rows)}\n",
        f"While the run is played, {found['frames'][0]:.0f} frames a second show another step.\n",
    ])  # fmt: skip
    print(text)
    if given.write:
        PAGE.write_text(text, encoding="utf-8")
    return int(any(aim.outcome == "missed" for aim in aims))


if __name__ == "__main__":
    sys.exit(main())
