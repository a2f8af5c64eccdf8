"""Who may ask, and how much: Host, Origin, token, and the sizes of what is sent."""

from __future__ import annotations

import hmac
import re
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polyoptim.web.limits import LIMITS

COOKIE = "polyoptim_token"
# 'unsafe-eval' is for those who drive the page: tools evaluate text in it. Its own scripts never do; a test says so.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; "
        "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """Lets through what comes from the page itself, and from people with the token where one is wanted.

    A page of another site can make a browser ask this server, and a name in its own domain can be made to point to
    this machine. So the Host must be one of the server's own, and what asks must not be of another origin.

    Parameters
    ----------
    app : what is guarded.
    hosts : the names under which the server is reached, at any port, for a tunnel may have another; None: any name, for
        the token decides.
    token : that is wanted, once as ``?token=``, then as a cookie; None without.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str] | None, token: str | None) -> None:
        self._app, self._hosts, self._token = app, hosts, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refused: Response | None
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        refused = self._refusal(scope, headers) or self._without_token(scope, headers)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {key.lower().encode(): value.encode() for key, value in HEADERS.items()}
                message["headers"] = [*message.get("headers", []), *own.items()]
            await send(message)

        await (refused or self._app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if len(scope.get("query_string", b"")) > LIMITS.query:
            return refuse(414, f"the address has more than {LIMITS.query} characters. Shorten the expression.")
        if self._hosts is not None and re.sub(r":\d+$", "", host).lower() not in self._hosts:
            return refuse(421, f"this server is not {host or 'without a name'}. Use the address that it printed.")
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
        foreign = origin is not None and urlsplit(origin).netloc.lower() != host.lower()
        if foreign or (site not in ("same-origin", "none") and scope["path"] != "/"):
            return refuse(403, "requests from other pages are not answered.")
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return refuse(405, f"{scope['method']} is not answered here. Use GET, or POST for files.")
        return None

    def _without_token(self, scope: Scope, headers: Headers) -> Response | None:
        if self._token is None or self._is_token(_cookie(headers)):
            return None
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        if not self._is_token(query.pop("token", [""])[0]):
            return refuse(401, "a token is wanted. Use the address that the server printed.")
        rest = urlencode(query, doseq=True)
        response = RedirectResponse(scope["path"] + (f"?{rest}" if rest else ""), status_code=303)
        response.set_cookie(COOKIE, self._token, httponly=True, samesite="strict")
        return response

    def _is_token(self, given: str) -> bool:
        return self._token is not None and hmac.compare_digest(given.encode(), self._token.encode())


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


def refuse(status: int, message: str, **more: Any) -> JSONResponse:
    """Return an error as the page reads it."""
    return JSONResponse({"error": {"message": message, "fields": {"page": message}, "position": None, **more}}, status)
