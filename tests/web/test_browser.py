"""The playground in a real browser: controls, downloads, links, mistakes, files, languages, a server that restarts."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

import polyoptim
from polyoptim.optim.rules import RULES
from polyoptim.web.choices import SCHEDULES

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
]
PATIENCE = 60_000  # milliseconds, on a busy machine
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync")  # fmt: skip
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield made
        made.close()


@pytest.fixture
def visit(browser: Any, server: Any) -> Iterator[Open]:
    """Return what opens the page with a query; at the end nothing may have failed, nor been asked of another host."""
    contexts, wrong = [], []

    def opened(query: str = "", *, address: str = "", **settings: Any) -> Any:
        settings = {
            "viewport": {"width": 1300, "height": 1000},
            "locale": "en-US",
            "reduced_motion": "reduce",
        } | settings
        context = browser.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        base = address or server.address
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "request", lambda request: request.url.startswith((base, "blob:", "data:")) or wrong.append(request.url)
        )
        page.goto(base + query)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


def status(page: Any) -> str:
    text: str = page.locator("[role=status]:visible").inner_text()
    return text


def shows(page: Any, *words: str) -> None:
    """Wait until the status has all these words."""
    page.wait_for_function(
        "words => { const it = [...document.querySelectorAll('[role=status]')].find(one => one.offsetParent);"
        " return it && words.every(word => it.textContent.includes(word)); }",
        arg=list(words),
    )


def addressed(page: Any, **values: str) -> dict[str, str]:
    """Wait until the address has these values, and return all of them."""
    page.wait_for_function(
        "values => { const query = new URLSearchParams(location.search);"
        " return Object.entries(values).every(([name, value]) => query.get(name) === value); }",
        arg=values,
    )
    return {name: found[0] for name, found in parse_qs(urlsplit(page.url).query).items()}


def loss(**arguments: Any) -> str:
    """Return the loss of a run as the page writes it: with six digits."""
    found = polyoptim.train("sin(x)", **({"seed": 0, "engine": "fused"} | arguments)).loss
    return f"loss {float(f'{found:.6g}'):.6g}"


def test_page_opens_with_the_reference_run_playing(visit):
    page = visit(reduced_motion="no-preference")
    step = page.locator("[name=step]")
    page.wait_for_function(
        "() => { const at = document.getElementById('step'); return at.value > 20 && at.value < at.max - 20; }"
    )
    first = int(step.input_value())
    page.wait_for_function("first => document.getElementById('step').value > first + 10", arg=first)
    assert "optimum 8.81717" in status(page)
    page.click(".play >> visible=true")
    held = step.input_value()
    page.locator("#step").focus()
    page.keyboard.press("End")
    shows(page, loss(), "gap 1.16 %", "all steps done", "y = 0.0004706 + 0.857241*x")
    assert int(held) < int(step.input_value())
    page.keyboard.press("Home")
    shows(page, "after 0 steps")


def test_reduced_motion_does_not_play(visit):
    page = visit()
    shows(page, loss(), "all steps done")
    assert page.locator(".play >> visible=true").inner_text() == "Play"


def test_every_slider_of_the_run_moves_by_keyboard(visit):
    page = visit()
    shows(page, loss())
    page.locator("[name=degree]").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    shows(page, loss(degree=5))
    assert addressed(page, degree="5")["degree"] == "5"
    page.locator("[name=degree]").fill("3")
    page.locator("[name=lr]").focus()
    page.keyboard.press("ArrowRight")
    shows(page, loss(lr=0.00102))
    page.fill("[name=lr-text]", "2**-8")
    shows(page, loss(lr=2**-8))
    page.fill("[name=lr-text]", "0.001")
    page.locator("[name=steps]").fill("900")
    shows(page, loss(steps=900))
    page.locator("[name=samples]").fill("2.5")
    shows(page, loss(steps=900, samples=316))
    page.locator("[name=momentum]").fill("0.5")
    shows(page, loss(steps=900, samples=316, optimizer_options={"momentum": 0.5}))
    page.locator("[name=alpha]").fill("0.9")
    page.check("[name=centered]")
    options = {"momentum": 0.5, "alpha": 0.9, "centered": True}
    shows(page, loss(steps=900, samples=316, optimizer_options=options))
    page.fill("[name=seed]", "7")
    shows(page, loss(steps=900, samples=316, optimizer_options=options, seed=7))
    page.get_by_role("button", name="Another start").click()
    shows(page, loss(steps=900, samples=316, optimizer_options=options, seed=8))


def test_target_domain_and_basis(visit):
    page = visit()
    page.fill("[name=target]", "exp(x)")
    page.fill("[name=domain-0]", "-1")
    page.fill("[name=domain-1]", "pi/2")
    page.select_option("[name=basis]", "chebyshev")
    found = polyoptim.train("exp(x)", domain=(-1, "pi/2"), basis="chebyshev", seed=0, engine="fused")
    shows(page, f"loss {found.loss:.6g}")
    assert addressed(page, basis="chebyshev")["domain"] == "-1,pi/2"


def test_the_mark_stands_at_the_step_in_every_picture(visit):
    page = visit("?steps=300&degree=4")
    shows(page, loss(steps=300, degree=4))
    page.locator("#degree").press("ArrowRight")
    shows(page, loss(steps=300, degree=5))
    page.locator("#plot-state .u-legend .u-series").nth(5).wait_for()  # a picture that is made anew
    for name in ("loss", "coef", "state"):
        place = page.locator(f"#plot-{name}")
        over, mark = (place.locator(part).bounding_box() for part in (".u-over", ".mark"))
        assert mark["x"] == pytest.approx(over["x"] + over["width"], abs=3), name


@pytest.mark.parametrize("name", RULES)
def test_every_optimizer_has_its_options(visit, name):
    page = visit("?steps=200")
    shows(page, loss(steps=200))
    page.select_option("[name=optimizer]", name)
    rule = RULES[name]
    shows(page, loss(optimizer=name, lr=rule.options["lr"], steps=200))
    for option, value in rule.options.items():
        if option not in ("lr", "maximize"):
            sliders = isinstance(value, tuple) and None not in value
            assert page.locator(f"[name={option}{'-0' if sliders else ''}]").count() == 1
    if rule.functions and name not in ("SGD",):
        page.wait_for_function("() => document.querySelector('[name=memory]').options.length > 0")


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_runs(visit, name):
    page = visit("?steps=200&lr=0.01")
    shows(page, loss(steps=200, lr=0.01))
    page.select_option("[name=schedule]", name)
    option = next(iter(SCHEDULES[name]))
    page.wait_for_selector(f"[name='schedule.{option}']")
    page.wait_for_function("() => document.querySelector('.command code').textContent.includes('--schedule')")
    assert page.locator(".error:visible").all_inner_texts() in ([], [""])
    if name == "StepLR":
        page.fill("[name='schedule.step_size']", "50")
        shows(page, loss(steps=200, lr=0.01, schedule=name, schedule_options={"step_size": 50, "gamma": 0.5}))


def test_bad_expression_is_said_under_its_field(visit):
    page = visit()
    shows(page, loss())
    page.fill("[name=target]", "sin(x")
    error = page.locator("#target-error")
    page.wait_for_function("() => document.getElementById('target-error').textContent.includes('never closed')")
    assert page.locator("[name=target]").get_attribute("aria-invalid") == "true"
    assert "target-error" in (page.locator("[name=target]").get_attribute("aria-describedby") or "")
    assert loss() in status(page)  # the last good one stays
    page.fill("[name=target]", "__import__('os').getcwd()")
    page.wait_for_function("() => !document.getElementById('target-error').textContent.includes('closed')")
    assert error.inner_text() != ""
    page.fill("[name=target]", "sin(x)")
    page.wait_for_function("() => document.getElementById('target-error').textContent === ''")
    page.fill("[name=degree-text]", "-3")
    page.wait_for_function("() => document.getElementById('degree-error').textContent.includes('got -3')")
    page.fill("[name=degree-text]", "4")
    shows(page, loss(degree=4))


def test_best_rate_race_and_map(visit):
    page = visit("?optimizer=Adam&basis=legendre")
    shows(page, "optimum 8.81717")
    page.get_by_role("button", name="Find the best lr").click()
    page.wait_for_function("() => new URLSearchParams(location.search).has('lr')")
    rate = float(addressed(page)["lr"])
    shows(page, loss(optimizer="Adam", basis="legendre", lr=rate))
    page.click("#race summary")
    page.wait_for_function("() => document.querySelectorAll('#race tbody button').length === 3")
    page.uncheck("[name=racer][value=SGD]")
    page.check("[name=racer][value=Rprop]")
    page.wait_for_function("() => /Rprop[^]*Take it/.test(document.querySelector('#race tbody').textContent)")
    page.get_by_role("button", name=re.compile("Take Rprop")).click()
    assert addressed(page, optimizer="Rprop")["race"] == "RMSprop,Adam,Rprop"
    page.select_option("[name=optimizer]", "SGD")
    page.click("#map summary")
    page.wait_for_function("() => document.querySelector('#map .best').textContent.startsWith('Best')")
    page.get_by_role("button", name="Take the best").click()
    addressed(page, optimizer="SGD")
    page.wait_for_function("() => Number(new URLSearchParams(location.search).get('momentum')) > 0")
    before = addressed(page)["lr"]
    page.locator("#plot-map .u-over").click(position={"x": 60, "y": 60})
    page.wait_for_function("before => new URLSearchParams(location.search).get('lr') !== before", arg=before)


def test_coefficients_and_state_are_chosen(visit):
    page = visit("?degree=4&optimizer=Adam")
    page.wait_for_function("() => document.querySelector('[name=memory]').options.length === 2")
    page.select_option("[name=memory]", "exp_avg_sq")
    page.select_option("[name=path-x]", "0")
    page.select_option("[name=path-y]", "4")
    assert addressed(page, memory="exp_avg_sq", px="0", py="4")
    assert "exp_avg_sq" in page.locator("#plot-state [role=img]").get_attribute("aria-label")
    assert "x⁴" in page.locator("#plot-path [role=img]").get_attribute("aria-label")


def test_downloads_hold_the_run(visit, tmp_path):
    page = visit("?degree=4&steps=100&lr=0.01")
    found = polyoptim.train("sin(x)", degree=4, steps=100, lr=0.01, seed=0, engine="fused")
    shows(page, f"loss {found.loss:.6g}")
    for ending in ("py", "ipynb", "json", "png", "tex"):
        with page.expect_download() as caught:
            page.locator(f"#train [data-file='polynomial.{ending}']").click()
        caught.value.save_as(tmp_path / f"polynomial.{ending}")
    assert polyoptim.load(tmp_path / "polynomial.json").coef.tolist() == found.coef.tolist()
    assert json.loads((tmp_path / "polynomial.ipynb").read_text(encoding="utf-8"))["nbformat"] == 4
    assert (tmp_path / "polynomial.png").read_bytes().startswith(b"\x89PNG")
    assert "x^{3}" in (tmp_path / "polynomial.tex").read_text(encoding="utf-8")
    done = subprocess.run([sys.executable, "polynomial.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    result = next(line for line in done.stdout.splitlines() if line.startswith("Result: y = "))
    numbers = [float(word) for word in re.findall(r"-?\d+\.\d+(?:e-?\d+)?", result)]
    assert numbers == pytest.approx(found.coef.tolist(), rel=1e-6)


def test_link_opens_the_same(visit):
    page = visit("?optimizer=Adam&lr=0.05&degree=5&basis=legendre&target=exp(-x**2)&domain=-2,2&seed=3&steps=500")
    shows(page, "optimum")
    text = status(page)
    page.get_by_role("button", name="Copy link").click()
    other = visit(page.url.split("/", 3)[3])
    shows(other, text.splitlines()[0])
    assert status(other) == text
    for name, value in (("optimizer", "Adam"), ("basis", "legendre"), ("target", "exp(-x**2)"), ("seed", "3")):
        assert other.locator(f"[name={name}]").input_value() == value


def drop(page: Any, name: str, content: str) -> None:
    """Drop a file on the page, as a mouse does."""
    transfer = page.evaluate_handle(
        "([name, content]) => { const it = new DataTransfer(); it.items.add(new File([content], name)); return it; }",
        [name, content],
    )
    for kind in ("dragenter", "dragover", "drop"):
        page.dispatch_event("main", kind, {"dataTransfer": transfer})


@pytest.fixture
def table(tmp_path: Path) -> tuple[str, Path]:
    rng = np.random.default_rng(3)
    x = np.linspace(0, 3, 50)
    rows = [
        f"{a!r},{b!r},note"
        for a, b in zip(x.tolist(), (x**2 - x + 0.1 * rng.standard_normal(50)).tolist(), strict=True)
    ]
    path = tmp_path / "spring.csv"
    path.write_text("\n".join(["length,force,remark", *rows]) + "\n", encoding="utf-8")
    return path.read_text(encoding="utf-8"), path


def test_dropped_file_is_trained_on_and_fitted(visit, table):
    text, path = table
    page = visit()
    shows(page, loss())
    drop(page, "spring.csv", text)
    trained = polyoptim.train(path, x="length", y="force", seed=0, engine="fused")
    shows(page, f"loss {trained.loss:.6g}")
    assert addressed(page, data="spring.csv") == {"data": "spring.csv", "x": "length", "y": "force"}
    page.get_by_role("tab", name="Fit").click()
    fitted = polyoptim.fit(path, x="length", y="force")
    shows(page, fitted.formula, "50 rows")
    page.locator("[name=degree]").fill("2")
    shows(page, polyoptim.fit(path, x="length", y="force", degree=2).formula)
    page.check("[name=auto]")
    shows(page, "degree 2")
    page.uncheck("[name=auto]")
    page.select_option("[name=loss]", "huber")
    shows(page, polyoptim.fit(path, x="length", y="force", degree=2, loss="huber").formula)
    assert "prediction band, 95 %" in page.locator("#plot-fit").inner_text()
    assert page.locator("#fit .table tbody tr").count() == 3
    with page.expect_download() as caught:
        page.locator("#fit [data-file='polynomial.json']").click()
    assert polyoptim.load(caught.value.path()).verb == "fit"
    page.get_by_role("tab", name="Train").click()
    page.get_by_role("button", name="Back to a function").click()
    shows(page, loss(degree=2))


def test_opened_parquet_is_fitted(visit, tmp_path):
    pq, pa = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    x = np.linspace(0, 1, 30)
    pq.write_table(pa.table({"x": x, "y": 1 + 2 * x}), tmp_path / "line.parquet")
    page = visit("?verb=fit&degree=1")
    shows(page, "Drop a CSV")
    page.set_input_files("#file", tmp_path / "line.parquet")
    shows(page, "y = 1 + 2*x", "30 rows")
    page.get_by_role("button", name=re.compile("Pontius")).click()
    shows(page, "40 rows")


def test_files_that_cannot_be_used_are_refused(visit):
    page = visit("?verb=fit")
    drop(page, "picture.svg", "<svg/>")
    page.wait_for_function(
        "() => document.getElementById('page-error').textContent.includes('not a file that can be read')"
    )
    drop(page, "words.csv", "a,b\nred,blue\n")
    page.wait_for_function("() => /two are wanted/.test(document.body.textContent)")
    other = visit("?verb=fit&data=gone.csv&x=a&y=b")
    shows(other, "gone.csv", "not here")


def test_approximation_has_its_code(visit):
    page = visit("?verb=approximate&target=2**x&domain=0,1&error=relative")
    found = polyoptim.approximate("2**x", domain=(0, 1), degree=3, error="relative", format="float32")
    shows(page, found.formula, "(proved)")
    assert all(text in page.locator("#approximate .table").inner_text() for text in found.coef_hex)
    page.select_option("[name=format]", "bfloat16")
    shows(page, "ulp (exhaustive)")
    page.fill("[name=fixed]", "0=1")
    page.select_option("[name=scheme]", "estrin")
    page.uncheck("[name=fma]")
    small = polyoptim.approximate(
        "2**x", domain=(0, 1), degree=3, error="relative", format="bfloat16", fixed={0: 1}, scheme="estrin", fma=False
    )
    shows(page, small.formula, f"{float(f'{small.max_ulp:.4g}'):g} ulp")
    page.select_option("[name=code]", "cuda")
    page.wait_for_function("() => document.querySelector('#approximate .code').textContent.includes('__device__')")
    page.select_option("[name=code]", "c")
    page.wait_for_function("() => !document.querySelector('#approximate .code').textContent.includes('__device__')")
    with page.expect_download() as caught:
        page.locator("#approximate .codefile").click()
    assert caught.value.suggested_filename == "polynomial.h"
    assert caught.value.path().read_text(encoding="utf-8") == page.locator("#approximate .code").inner_text()
    page.fill("[name=tolerance]", "1e-2")
    shows(page, polyoptim.approximate("2**x", domain=(0, 1), tolerance=1e-2, error="relative", format="bfloat16",
                                      fixed={0: 1}, scheme="estrin", fma=False).formula)  # fmt: skip
    page.fill("[name=target]", "2**y")
    page.wait_for_function(
        "() => document.querySelector('#approximate [data-field=target] .error').textContent.includes('y')"
    )


LATIN = re.compile(r"[A-Za-z]{4,}")


@pytest.mark.parametrize("verb", ["train", "fit", "approximate"])
def test_chinese_says_everything(visit, verb):
    page = visit(f"?verb={verb}", locale="zh-CN")
    page.wait_for_function("() => document.querySelector('[role=tab][aria-selected=true]').textContent.length === 2")
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    page.wait_for_selector(f"#{verb} form .field")
    labels = page.locator(f":is(#{verb} :is(form label, form legend, figcaption > span, summary))").all_inner_texts()
    own = {"weight_decay", "momentum", "alpha", "centered"}
    assert [
        text for text in labels if LATIN.search(text) and text not in own and not re.search("[\u4e00-\u9fff]", text)
    ] == []
    page.get_by_role("button", name="English").click()
    assert page.locator("html").get_attribute("lang") == "en"
    assert not re.search("[\u4e00-\u9fff]", page.locator("main").inner_text())
    page.get_by_role("button", name="中文").click()
    page.reload()
    page.wait_for_function("() => document.documentElement.lang === 'zh-CN'")


def test_chinese_translates_mistakes(visit):
    page = visit("?lang=zh")
    shows(page, "损失", "最优值 8.81717")
    page.fill("[name=target]", "sin(x")
    page.wait_for_function("() => document.getElementById('target-error').textContent.includes('没有闭合')")
    page.fill("[name=target]", "sin(x)")
    page.fill("[name=lr-text]", "-1")
    page.wait_for_function("() => document.getElementById('lr-error').textContent.includes('不小于 0')")


def contrast(one: list[float], other: list[float]) -> float:
    def luminance(color: list[float]) -> float:
        parts = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in color]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_themes(visit, scheme):
    page = visit(color_scheme=scheme)
    shows(page, loss())
    assert page.locator("html").get_attribute("data-shade") == scheme
    colors = page.evaluate(
        "() => { const on = getComputedStyle(document.documentElement);"
        " const probe = document.body.appendChild(document.createElement('i'));"
        " return Object.fromEntries(['ink', 'soft', 'error', 'accent', 'back', 'panel'].map(name => {"
        " probe.style.color = on.getPropertyValue('--' + name);"
        " return [name, getComputedStyle(probe).color.match(/[\\d.]+/g).map(Number)]; })); }"
    )
    for ink in ("ink", "soft", "error"):
        for back in ("back", "panel"):
            assert contrast(colors[ink], colors[back]) >= 4.5, (ink, back)
    other = {"light": "dark", "dark": "light"}[scheme]
    for _ in range(3):
        page.click("#theme")
        if page.locator("html").get_attribute("data-theme") == other:
            break
    assert page.locator("html").get_attribute("data-shade") == other


def test_everything_has_a_name_and_is_reached_by_keyboard(visit):
    page = visit("?race=SGD&map=1")
    shows(page, loss())
    nameless = page.evaluate(
        "() => [...document.querySelectorAll('input, select, button')]"
        ".filter(it => it.offsetParent && !it.labels?.length)"
        ".filter(it => !it.getAttribute('aria-label') && !it.textContent.trim()).map(it => it.outerHTML)"
    )
    assert nameless == []
    names = page.evaluate(
        "() => [...document.querySelectorAll('[type=range]')].filter(it => it.offsetParent).map(it => it.name)"
    )
    seen = set()
    page.locator("#language").focus()
    for _ in range(90):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("() => document.activeElement.name || document.activeElement.id"))
    assert set(names) <= seen
    assert {"target", "basis", "optimizer", "schedule", "seed"} <= seen


@pytest.mark.parametrize("verb", ["train", "fit", "approximate"])
def test_phone_scrolls_down_only_and_keeps_the_curve_in_sight(visit, verb):
    page = visit(f"?verb={verb}", viewport={"width": 390, "height": 844})
    page.wait_for_selector(f"#{verb} form .field")
    if verb != "fit":
        shows(page, "y =")
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    page.locator("[name=degree]").scroll_into_view_if_needed()
    page.evaluate(
        "() => scrollTo(0, document.querySelector('[name=degree]').getBoundingClientRect().top + scrollY"
        " - innerHeight * 0.8)"
    )
    box = page.locator(f"#{verb} .stage").bounding_box()
    assert 0 <= box["y"] <= 200
    assert page.locator("[name=degree]").bounding_box()["y"] > box["y"]


def test_page_goes_on_after_the_server_was_started_anew(visit, start, table):
    text, path = table
    first = start()
    port = str(first.port)
    page = visit("?degree=4", address=first.address)
    shows(page, loss(degree=4))
    drop(page, "spring.csv", text)
    shows(page, f"loss {polyoptim.train(path, x='length', y='force', degree=4, seed=0, engine='fused').loss:.6g}")
    first.end()
    page.locator("[name=degree]").fill("5")
    page.wait_for_function("() => document.getElementById('page-error').textContent.includes('polyoptim serve')")
    start("--port", port, "--no-open")
    shows(page, f"loss {polyoptim.train(path, x='length', y='force', degree=5, seed=0, engine='fused').loss:.6g}")
    page.get_by_role("button", name="Back to a function").click()
    shows(page, loss(degree=5))
    page.wait_for_function("() => !location.search.includes('data')")
    page.reload()
    shows(page, loss(degree=5))
    assert page.locator("[name=degree]").input_value() == "5"


def test_sliders_of_whole_numbers_stay_whole(visit):
    page = visit()
    shows(page, loss())
    page.locator("[name=samples]").focus()
    page.keyboard.press("Home")
    for _ in range(7):
        page.keyboard.press("ArrowRight")
    samples = page.locator("[name=samples-text]").input_value()
    assert samples == "12"  # 10 to the power 1.07, to the nearest
    shows(page, loss(samples=12))
    assert page.locator("#samples-error").inner_text() == ""


def test_a_verb_that_is_none_shows_the_first(visit):
    for verb in ("nobody", "toString", ""):
        page = visit(f"?verb={verb}&degree=4")
        shows(page, loss(degree=4))
        page.wait_for_function("() => !location.search.includes('verb')")


def test_language_while_playing_says_what_the_button_does(visit):
    page = visit(reduced_motion="no-preference")
    page.wait_for_function("() => document.querySelector('.play').getAttribute('aria-pressed') === 'true'")
    page.click("#language")
    button = page.locator(".play")
    pressed, text = button.evaluate("one => [one.getAttribute('aria-pressed'), one.textContent]")
    assert text == {"true": "暂停", "false": "播放"}[pressed]
    button.click()
    assert button.inner_text() in ("暂停", "播放")


def test_options_of_a_schedule_follow_the_steps(visit):
    page = visit("?schedule=StepLR")
    field = page.locator("[id='schedule.step_size']")
    shows(page, loss(schedule="StepLR", schedule_options={"step_size": 500, "gamma": 0.5}))
    assert field.input_value() == "500"
    page.locator("[name=steps-text]").fill("1000")
    shows(page, loss(steps=1000, schedule="StepLR", schedule_options={"step_size": 250, "gamma": 0.5}))
    assert field.input_value() == "250"
    field.fill("100")
    page.locator("[name=steps-text]").fill("600")
    shows(page, loss(steps=600, schedule="StepLR", schedule_options={"step_size": 100, "gamma": 0.5}))
    assert field.input_value() == "100"


def test_a_download_or_a_search_says_when_the_server_has_gone(visit, start):
    one = start()
    page = visit(address=one.address)
    shows(page, loss())
    page.locator("#race summary").click()
    page.wait_for_function("() => document.querySelectorAll('#race tbody button').length === 3")
    port = str(one.port)
    one.end()
    gone = "() => document.getElementById('page-error').textContent.includes('polyoptim serve')"
    page.get_by_role("button", name="Download polynomial.py").click()
    page.wait_for_function(gone)
    page.get_by_role("button", name="Find the best lr").click()
    page.wait_for_function(gone)
    page.locator("[name=degree]").fill("4")
    page.wait_for_function(gone)
    start("--port", port, "--no-open")
    shows(page, loss(degree=4))
    page.wait_for_function("() => document.getElementById('page-error').hidden")
    page.wait_for_function("() => document.querySelectorAll('#race tbody button').length === 3")


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("log(x)", "目标 “log(x)” 在 x = -3.14"),
        ("2x", "2 与 x 之间缺少运算符"),
        ("sni(x)", "未知函数 “sni”；是否想写 “sin”？"),
        ("sin(x)+", "+ 的后面缺少一个值"),
        ("sin", "sin 是函数"),
    ],
)
def test_mistakes_in_an_expression_are_told_in_chinese(visit, target, says):
    page = visit("?lang=zh")
    shows(page, "最优值 8.81717")
    page.locator("[name=target]").fill(target)
    page.wait_for_function("says => document.getElementById('target-error').textContent.includes(says)", arg=says)


def test_an_approximation_needs_no_file(visit):
    page = visit("?verb=approximate&target=2**x&domain=0,1&data=gone.csv&x=a&y=b")
    shows(page, polyoptim.approximate("2**x", domain=(0, 1), degree=3, format="float32").formula)
    with page.expect_download() as caught:
        page.locator("#approximate [data-file='polynomial.json']").click()
    assert polyoptim.load(caught.value.path()).verb == "approximate"


def test_tabs_go_back_and_forth(visit):
    page = visit()
    shows(page, loss())
    page.get_by_role("tab", name="Train").focus()
    page.keyboard.press("ArrowLeft")
    shows(page, "(proved)")
    assert addressed(page, verb="approximate")
    page.go_back()
    shows(page, loss())
    assert page.locator("#train").is_visible()
