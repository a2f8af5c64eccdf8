"""The addresses of the playground, asked of a server that runs."""

from __future__ import annotations

import http.client
import io
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

import polyoptim
from polyoptim.web import application
from polyoptim.web.guard import HEADERS
from polyoptim.web.limits import LIMITS

Unpack = Callable[[bytes], tuple[dict[str, Any], dict[str, Any]]]
STATIC = Path(application.__file__).parent / "static"
CSV = b"t,name,v\n" + b"".join(b"%d,n,%d\n" % (k, k * k) for k in range(20))


@pytest.fixture
def ask(server: Any) -> Callable[..., httpx.Response]:
    def request(method: str, path: str, **more: Any) -> httpx.Response:
        return httpx.request(method, server.address.rstrip("/") + path, timeout=120, **more)

    return request


def refused(answer: Any, status: int) -> dict[str, str]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert "Traceback" not in answer.text
    error = answer.json()["error"]
    assert set(error) >= {"message", "fields", "position"}
    fields: dict[str, str] = error["fields"]
    return fields


def test_the_page_and_what_it_loads_are_here(ask: Any) -> None:
    page = ask("GET", "/")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-cache"
    loaded = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
    assert "/static/main.js" in loaded
    for path in loaded:
        assert ask("GET", path).status_code == 200, path
    for file in STATIC.glob("*.js"):
        for name in re.findall(r'from "\./([^"]+)"', file.read_text(encoding="utf-8")):
            assert ask("GET", f"/static/{name}").headers["content-type"].startswith("text/javascript"), name


def test_no_file_of_the_page_names_another_host_or_evaluates_text() -> None:
    for file in [*STATIC.glob("*.*"), *(STATIC / "vendor").glob("*.*")]:
        text = file.read_text(encoding="utf-8")
        assert not re.findall(r"\beval\(|\bFunction\(|setTimeout\(['\"]|innerHTML|document\.write", text), file.name
        hosts = set(re.findall(r"(?:https?:)?//([\w.-]+\.\w+)/", text))
        assert hosts <= {"www.w3.org", "github.com"}, file.name  # names of formats and licences, not addresses to ask


@pytest.mark.parametrize("name", ["main.js", "style.css", "vendor/uPlot.iife.min.js", "icon.svg"])
def test_files_of_the_page_are_asked_for_anew_after_an_update(ask: Any, name: str) -> None:
    answer = ask("GET", f"/static/{name}")
    assert answer.headers["cache-control"] == "no-cache"
    again = ask("GET", f"/static/{name}", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_choices_are_what_python_knows(ask: Any) -> None:
    found = ask("GET", "/api/choices").json()
    assert found["version"] == polyoptim.__version__
    assert found["limits"]["degree"] == LIMITS.degree
    assert "RMSprop" in found["optimizers"]


def test_a_run_is_that_of_python(ask: Any, unpack: Unpack) -> None:
    answer = ask("GET", "/api/train?target=exp(-x**2)&degree=5&basis=legendre")
    head, arrays = unpack(answer.content)
    result = polyoptim.train("exp(-x**2)", degree=5, basis="legendre", seed=0, engine="fused")
    assert head["loss"] == result.loss
    np.testing.assert_array_equal(arrays["coef"], result.coef)


def test_every_answer_has_the_headers_of_the_guard(ask: Any) -> None:
    for path in ("/", "/api/choices", "/api/train?steps=1", "/static/main.js", "/nothing", "/api/train?degree=-1"):
        answer = ask("GET", path)
        assert {name: answer.headers.get(name) for name in HEADERS} == dict(HEADERS), path


def test_mistakes_come_back_at_their_fields(ask: Any) -> None:
    answer = ask("GET", "/api/train?target=sin(y)&degree=99&lr=a")
    assert set(refused(answer, 400)) == {"target", "degree", "lr"}
    assert answer.json()["error"]["position"] == 4


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch /tmp/polyoptim-was-here')",
        "().__class__.__base__.__subclasses__()",
        "open('/etc/passwd').read()",
        "(lambda: 1)()",
        "x if x else x",
        "[x for x in (1,)]",
        "f'{x}'",
        "x.real",
        "exec('1')",
        "sin(x); cos(x)",
        "\x00",
        "<script>alert(1)</script>",
    ],
)
@pytest.mark.parametrize("name", ["target", "lr", "domain", "degree", "seed", "schedule.lr_lambda"])
def test_text_is_never_evaluated(ask: Any, name: str, text: str) -> None:
    given = {name: f"{text},1" if name == "domain" else text}
    if name.startswith("schedule"):
        given["schedule"] = "LambdaLR"
    fields = refused(ask("GET", "/api/train", params=given), 400)
    assert set(fields) == {name}
    assert not Path("/tmp/polyoptim-was-here").exists()  # noqa: S108 - what the text would make


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/api/nothing", 404),
        ("GET", "/api/export", 404),
        ("GET", "/api/compile", 404),
        ("GET", "/api/", 404),
        ("GET", "/static/nothing.js", 404),
        ("GET", "/static/", 404),
        ("GET", "/api/data", 404),
        ("POST", "/api/train", 405),
        ("POST", "/", 405),
        ("POST", "/static/main.js", 405),
        ("DELETE", "/api/train", 405),
        ("OPTIONS", "/api/train", 405),
        ("GET", "/export/a.exe", 400),
        ("GET", "/export/a.py?degree=-1", 400),
        ("GET", "/export/a.py?verb=weird", 400),
        ("GET", "/examples/nothing.csv", 404),
        ("GET", f"/api/train?{'x' * 4001}", 414),
        ("GET", f"/api/train?target={'x' * 501}", 400),
        ("GET", "/api/columns", 400),
        ("GET", "/api/train?data=a.csv&upload=0", 410),
        ("GET", "/api/train?data=a.csv", 410),
        ("GET", "/api/fit", 400),
    ],
)
def test_what_is_not_there_is_said_in_json(ask: Any, method: str, path: str, status: int) -> None:
    assert refused(ask(method, path), status)


@pytest.mark.parametrize(
    "path",
    [
        "/static/../application.py",
        "/static/..%2fapplication.py",
        "/static/%2e%2e/application.py",
        "/static/....//application.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/vendor/../../server.py",
        "/static/..\\application.py",
        "/static/main.js%00.css",
        "/export/../../x.py",
        "/export/%2e%2e%2fx.py",
        "/examples/..%2f__init__.py",
        "//etc/passwd",
    ],
)
def test_no_path_leads_out_of_the_page(server: Any, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", path)  # as it is: other clients tidy it up
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert answer.status in (400, 404), content[:80]
    assert "error" in json.loads(content)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_requests_from_elsewhere_are_refused(ask: Any, headers: dict[str, str], status: int) -> None:
    refused(ask("GET", "/api/train", headers=headers), status)
    refused(ask("POST", "/api/data?name=a.csv", headers=headers, content=CSV), status)


def test_a_dropped_file_is_kept_and_trained_on(ask: Any, unpack: Unpack, tmp_path: Path) -> None:
    kept = ask("POST", "/api/data?name=data.csv", content=CSV).json()
    assert kept["data"] == "data.csv"
    assert kept["names"] == ["t", "name", "v"]
    assert kept["numbers"] == ["t", "v"]
    query = {"data": "data.csv", "upload": kept["upload"], "x": "t", "y": "v", "degree": "2"}
    head, arrays = unpack(ask("GET", "/api/train", params=query).content)
    (tmp_path / "data.csv").write_bytes(CSV)
    result = polyoptim.train(tmp_path / "data.csv", x="t", y="v", degree=2, seed=0, engine="fused")
    assert head["loss"] == result.loss
    np.testing.assert_array_equal(arrays["coef"], result.coef)
    file = ask("GET", "/export/p.json", params=query)
    assert file.headers["content-disposition"] == 'attachment; filename="p.json"'
    assert json.loads(file.content)


def test_a_parquet_file_is_kept(ask: Any) -> None:
    file = io.BytesIO()
    pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}).to_parquet(file)
    assert ask("POST", "/api/data?name=data.parquet", content=file.getvalue()).json()["numbers"] == ["a", "b"]


@pytest.mark.parametrize(
    "name", ["..", ".", "-", "*", "*.csv", "", "/etc/passwd", "../other/data.csv", "other.csv", "~"]
)
def test_a_name_of_data_is_that_of_the_file_or_none(ask: Any, name: str) -> None:
    kept = ask("POST", "/api/data?name=data.csv", content=CSV).json()
    query = {"data": name, "upload": kept["upload"], "x": "t", "y": "v"}
    assert refused(ask("GET", "/api/train", params=query), 410)
    assert refused(ask("GET", "/api/columns", params=query), 410)


@pytest.mark.parametrize("upload", ["", "..", ".", "../..", "/", "a" * 32])
def test_a_key_is_one_that_was_given_out(ask: Any, upload: str) -> None:
    answer = ask("GET", "/api/train", params={"data": "data.csv", "upload": upload, "x": "t", "y": "v"})
    assert refused(answer, 410)
    assert answer.json()["error"]["code"] == "gone"


@pytest.mark.parametrize(
    ("name", "content", "status"),
    [
        ("a.txt", CSV, 415),
        ("a.exe", CSV, 415),
        ("a.csv.zip", CSV, 415),
        ("a.csv", b"", 400),
        ("a.csv", b"only,words\na,b\n", 400),
        ("a.csv", b"\x00\xff\xfe", 400),
        ("a.parquet", b"PAR1", 400),
    ],
)
def test_a_file_that_is_none_is_refused(ask: Any, name: str, content: bytes, status: int) -> None:
    assert refused(ask("POST", f"/api/data?name={name}", content=content), status)


@pytest.mark.parametrize(
    ("name", "kept"),
    [("../../evil.csv", "evil.csv"), ("%2Fetc%2Fx.csv", "x.csv"), ("数据.csv", "数据.csv"), ("数" * 90 + ".csv", None)],
)
def test_a_name_is_made_safe(ask: Any, name: str, kept: str | None) -> None:
    found = ask("POST", f"/api/data?name={name}", content=CSV).json()
    assert found["data"] == kept or (kept is None and found["data"].endswith("数.csv"))


def test_a_large_file_is_refused(ask: Any) -> None:
    fields = refused(ask("POST", "/api/data?name=a.csv", content=b"x" * (LIMITS.body + 1)), 413)
    assert "32 MiB" in fields["page"]


def test_a_file_to_keep_is_no_page(ask: Any) -> None:
    answer = ask("GET", "/export/sine.tex?steps=10")
    assert answer.headers["content-disposition"] == 'attachment; filename="sine.tex"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "html" not in answer.headers["content-type"]


def test_many_at_once_are_answered_or_told_to_wait(server: Any) -> None:
    def one(k: int) -> httpx.Response:
        return httpx.get(f"{server.address}api/race?steps=2000&seed={k}", timeout=120)

    with ThreadPoolExecutor(2 * LIMITS.waiting) as pool:
        answers = list(pool.map(one, range(2 * LIMITS.waiting)))
    codes = {answer.status_code for answer in answers}
    assert codes <= {200, 503}
    assert 200 in codes
    for answer in answers:
        if answer.status_code == 503:
            assert "Try again" in refused(answer, 503)["page"]


def test_an_example_is_the_certified_set(ask: Any) -> None:
    answer = ask("GET", "/examples/pontius.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.content == (Path(polyoptim.__file__).parent / "certified" / "pontius.csv").read_bytes()
