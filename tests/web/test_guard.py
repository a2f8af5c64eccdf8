"""Who may ask, and how much: what comes from elsewhere is refused before anything is computed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from polyoptim.web.guard import COOKIE, HEADERS, Guard
from polyoptim.web.limits import LIMITS

HERE = "127.0.0.1:8765"
Ask = Callable[..., Any]


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("here")(scope, receive, send)


@pytest.fixture
def ask(asking: Ask) -> Any:
    return asking(Guard(page, frozenset({"127.0.0.1", "localhost"}), None), HERE)


def refused(answer: Any, status: int) -> str:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert error["fields"] == {"page": error["message"]}
    return str(error["message"])


def test_the_page_itself_is_answered(ask: Ask) -> None:
    for more in ({}, {"Origin": f"http://{HERE}", "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}):
        assert ask("GET", "/api/train", headers=more).text == "here"
    assert ask("GET", "/", headers={"Host": "LOCALHOST:8765"}).text == "here"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8765", "", "127.0.0.1:8765.evil.example", "127.0.0.1.evil.example", "[::1]"],
)
def test_another_host_is_refused(ask: Ask, host: str) -> None:
    assert "address that it printed" in refused(ask("GET", "/", headers={"Host": host}), 421)


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://127.0.0.1:8766",
        "http://127.0.0.1",
        "file://",
        "",
        "http://localhost:8765",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_origin_is_refused(ask: Ask, origin: str, method: str) -> None:
    assert "other pages" in refused(ask(method, "/api/data", headers={"Origin": origin}), 403)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "weird"])
def test_what_another_site_embeds_is_refused_but_its_links_to_the_page_work(ask: Ask, site: str) -> None:
    refused(ask("GET", "/api/train", headers={"Sec-Fetch-Site": site}), 403)
    refused(ask("GET", "/static/main.js", headers={"Sec-Fetch-Site": site}), 403)
    assert ask("GET", "/?degree=5", headers={"Sec-Fetch-Site": site}).text == "here"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "WEIRD"])
def test_other_methods_are_refused(ask: Ask, method: str) -> None:
    refused(ask(method, "/"), 405)


def test_a_long_query_is_refused(ask: Ask) -> None:
    assert ask("GET", "/?" + "x" * LIMITS.query).text == "here"
    assert "Shorten" in refused(ask("GET", "/?" + "x" * (LIMITS.query + 1)), 414)


def test_every_answer_has_the_headers_that_keep_it_to_itself(ask: Ask) -> None:
    for answer in (ask("GET", "/"), ask("PUT", "/"), ask("GET", "/", headers={"Host": "evil.example"})):
        for name, value in HEADERS.items():
            assert answer.headers.get_list(name) == [value]
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "http" not in policy
    assert "frame-ancestors 'none'" in policy


@pytest.fixture
def guarded(asking: Ask) -> Any:
    return asking(Guard(page, None, "secret-ü"), "192.0.2.7:9000")


def test_a_token_is_wanted_where_others_can_ask(guarded: Ask) -> None:
    for path in ("/", "/?token=", "/?token=wrong", "/?token=secret", "/?token=%ff%00", "/api/train", "/static/main.js"):
        answer = guarded("GET", path)
        assert "token" in refused(answer, 401)
        assert "set-cookie" not in answer.headers
    for cookie in (f"{COOKIE}=wrong", f"{COOKIE}=", '\\"=;;,', f"other={'secret'}"):
        refused(guarded("GET", "/", headers={"Cookie": cookie}), 401)


def test_a_token_in_the_address_becomes_a_cookie(guarded: Ask) -> None:
    answer = guarded("GET", "/?token=secret-%C3%BC&degree=5&target=sin(x)%2B1")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/?degree=5&target=sin%28x%29%2B1"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_a_cookie_lets_in_and_another_origin_is_still_refused(asking: Ask) -> None:
    guarded = asking(Guard(page, None, "secret"), "192.0.2.7:9000")
    cookie = {"Cookie": guarded("GET", "/?token=secret").headers["set-cookie"].partition(";")[0]}
    assert guarded("GET", "/", headers=cookie).text == "here"
    refused(guarded("GET", "/", headers={**cookie, "Origin": "http://evil.example"}), 403)
    refused(guarded("GET", "/api/train", headers={**cookie, "Sec-Fetch-Site": "cross-site"}), 403)


def test_a_socket_is_not_answered() -> None:
    sent: list[Any] = []

    async def nothing(*given: Any) -> None:
        sent.append(given)

    asyncio.run(Guard(page, None, None)({"type": "websocket", "path": "/"}, nothing, nothing))
    assert sent == []
