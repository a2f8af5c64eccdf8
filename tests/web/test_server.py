"""polyoptim serve as a person starts it: its address, its port, Ctrl-C, and who is let in from elsewhere."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from polyoptim.cli import run
from polyoptim.errors import ArgumentError
from polyoptim.web.server import DEFAULT_PORT, is_local, listen

Start = Callable[..., Any]


def is_gone(number: int) -> bool:
    """Tell whether a process has ended; one that only waits to be counted has."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_the_first_line_is_the_address_and_nothing_else(start: Start) -> None:
    one = start("--port", "0", "--no-open")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", one.address)
    answer = httpx.get(one.address)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    code, out, err = one.end()
    assert (code, out) == (0, "")
    assert err == "Ctrl-C ends it.\n"


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the children of a process are read from /proc")
def test_ctrl_c_ends_all_processes_even_while_they_compute(start: Start) -> None:
    one = start()
    httpx.get(f"{one.address}api/train?steps=1", timeout=60)
    children = one.children()
    assert children
    query = "steps=50000&degree=30&basis=chebyshev&detail=full"
    threading.Thread(target=lambda: _ask(f"{one.address}api/train?{query}"), daemon=True).start()
    time.sleep(0.5)  # so that the question has come; were it late, the test would only show less
    code, out, err = one.end()
    assert (code, out) == (0, "")
    assert "Traceback" not in err
    deadline = time.monotonic() + 30
    while not all(map(is_gone, children)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert all(map(is_gone, children))


def _ask(address: str) -> None:
    with contextlib.suppress(httpx.HTTPError):  # the server is stopped meanwhile
        httpx.get(address, timeout=60)


def test_the_loop_of_a_run_at_rest_is_compiled_behind_the_answers(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYOPTIM_CACHE_DIR", str(tmp_path))
    one = start("--port", "0", "--no-open")
    path = f"{one.address}api/train?degree=5"
    moving = httpx.get(path, timeout=60).raise_for_status().content
    assert not list(tmp_path.rglob("*.nbc"))
    httpx.get(f"{path}&detail=full", timeout=60).raise_for_status()
    end = time.monotonic() + 60
    while not list(tmp_path.rglob("*.nbc")) and time.monotonic() < end:
        time.sleep(0.1)
    assert list(tmp_path.rglob("*.nbc"))
    assert httpx.get(path, timeout=60).content == moving
    assert one.end()[0] == 0


def test_a_port_of_ones_own_is_taken(start: Start) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    one = start("--port", str(port), "--no-open")
    assert one.address == f"http://127.0.0.1:{port}/"
    done = serve("--port", str(port), "--no-open")
    assert done.returncode == 2
    assert f"port {port} of 127.0.0.1 cannot be used" in done.stderr
    assert "--port" in done.stderr
    assert done.stdout == ""
    assert one.end()[0] == 0


def serve(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "polyoptim", "serve", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_an_address_for_others_wants_a_token_and_says_so(start: Start) -> None:
    one = start("--host", "0.0.0.0", "--port", "0", "--no-open")  # noqa: S104 - that is what is tested
    found = re.fullmatch(r"http://0\.0\.0\.0:(\d+)/\?token=([\w-]{32,})", one.address)
    assert found
    base = f"http://127.0.0.1:{found[1]}"
    assert httpx.get(f"{base}/").status_code == 401
    assert httpx.get(f"{base}/?token={found[2][:-1]}").status_code == 401
    assert httpx.get(f"{base}/api/choices").status_code == 401
    with httpx.Client(base_url=base, follow_redirects=True) as client:
        assert client.get(f"/?token={found[2]}&degree=4").url == f"{base}/?degree=4"
        assert client.get("/api/choices").status_code == 200
    code, out, err = one.end()
    assert (code, out) == (0, "")
    assert err.startswith("Warning: 0.0.0.0 can be reached from other machines.")
    assert found[2] not in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--port", "a"], "port must be an integer"),
        (["--port", "-1"], "port must be an integer"),
        (["--port", "65536"], "port must be from 0 to 65535"),
        (["--host", "192.0.2.1"], "cannot be used"),
        (["--host", "no such host"], "host must be an address of this machine"),
        (["--weird"], "--weird"),
        (["sin(x)"], "sin(x)"),
    ],
)
def test_wrong_options_are_refused(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "--no-open", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in " ".join(err.split())
    assert "Traceback" not in err


def test_help_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "--help"]) == 0
    text = capsys.readouterr().out
    for word in ("--host", "--port", "--no-open", "127.0.0.1", "8765", "token", "Ctrl-C"):
        assert word in text


def test_the_next_port_is_taken_where_the_default_one_is() -> None:
    first = listen("127.0.0.1", None)
    second = listen("127.0.0.1", None)
    try:
        ports = [one.getsockname()[1] for one in (first, second)]
        assert DEFAULT_PORT <= ports[0] < ports[1] < DEFAULT_PORT + 20
    finally:
        first.close()
        second.close()


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_is_none_is_refused(port: int) -> None:
    with pytest.raises(ArgumentError, match="port must be"):
        listen("127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.0.0.2", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - that is what is tested
        ("::", False),
        ("192.0.2.1", False),
        ("localhost.example.org", False),
    ],
)
def test_only_addresses_of_this_machine_alone_are_local(host: str, local: bool) -> None:
    assert is_local(host) is local


def test_a_browser_is_opened_unless_told_otherwise(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROWSER", f"{sys.executable} {_writer(tmp_path)} %s")
    one = start("--port", "0")
    deadline = time.monotonic() + 60
    while not (tmp_path / "seen").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    one.end()
    assert (tmp_path / "seen").read_text() == one.address


def _writer(folder: Path) -> str:
    script = folder / "browser.py"
    script.write_text(
        "import os, pathlib, sys\n"
        "target = pathlib.Path(__file__).with_name('seen')\n"
        "target.with_suffix('.tmp').write_text(sys.argv[1])\n"
        "os.replace(target.with_suffix('.tmp'), target)\n"
    )
    return os.fspath(script)
