"""The addresses of the playground."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from polyoptim.errors import PolyoptimError
from polyoptim.web.choices import choices
from polyoptim.web.guard import Guard, refuse
from polyoptim.web.limits import LIMITS
from polyoptim.web.packing import MEDIA_TYPE
from polyoptim.web.query import BadRequestError, described
from polyoptim.web.uploads import ENDINGS, Uploads
from polyoptim.web.workers import TASKS, TooLongError, Worker

STATIC = Path(__file__).parent / "static"
EXAMPLES = {path.name: path for path in (Path(__file__).parents[1] / "certified").glob("*.csv")}
SHORT, MIDDLE, LONG = LIMITS.seconds
LIVE = ("train", "fit", "approximate")  # what is answered while a slider moves, by a worker of its own
DEADLINES = {"train": SHORT, "fit": MIDDLE, "race": MIDDLE, "map": MIDDLE, "columns": MIDDLE}


class Files(StaticFiles):
    """The files of the page, which a browser asks for anew: after an update it must not mix old ones with new ones."""

    def file_response(self, *given: Any, **named: Any) -> Response:
        """Return a file, with what a browser may do with it."""
        response = super().file_response(*given, **named)
        response.headers["Cache-Control"] = "no-cache"
        return response


class Playground:
    """What the addresses lead to.

    Attributes
    ----------
    uploads : the files that were dropped on the page.
    """

    def __init__(self) -> None:
        self.uploads = Uploads()
        self._live, self._slow, self._behind = Worker(warm=("train", {})), Worker(), Worker(behind=True)
        self._compiling: asyncio.Task[None] | None = None
        self._waiting = 0
        self._choices: dict[str, Any] = choices()

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        """Hold the workers and the files as long as the server runs."""
        self._live.start()
        self._slow.start()
        try:
            yield
        finally:
            self._live.stop()
            self._slow.stop()
            self._behind.stop()
            self.uploads.close()

    def give_up(self) -> None:
        """Answer no more questions, and give up those that are being answered: the server ends."""
        self._live.give_up()
        self._slow.give_up()
        self._behind.give_up()

    async def page(self, _request: Request) -> Response:
        """Return the page."""
        return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})

    async def choices(self, _request: Request) -> Response:
        """Return what can be chosen."""
        return JSONResponse(self._choices)

    async def compute(self, request: Request) -> Response:
        """Return what a task makes of the query."""
        task = request.path_params["task"]
        if task not in TASKS or task in ("export", "compile"):
            return refuse(404, f"there is no {task!r} here.")
        values = dict(request.query_params)
        seconds = MIDDLE if values.get("detail") == "full" else DEADLINES.get(task, LONG)  # nobody's slider waits
        answer = await self._ask(task, values, seconds)
        if isinstance(answer, Response):
            return answer
        if task == "train" and values.get("detail") == "full" and (self._compiling is None or self._compiling.done()):
            self._compiling = asyncio.create_task(self._compile(values))
        return Response(answer, media_type=MEDIA_TYPE)

    async def _compile(self, values: dict[str, str]) -> None:
        """Have the loop of a run compiled that rests on the page: its next changes are answered the sooner."""
        folder = self._folder(values)
        if folder is None:  # its file has gone meanwhile
            return
        with contextlib.suppress(BadRequestError, TooLongError):  # it is answered without
            await asyncio.to_thread(self._behind.ask, "compile", values, folder, LONG)

    async def export(self, request: Request) -> Response:
        """Return a file to keep."""
        values = {**request.query_params, "file": request.path_params["name"]}
        answer = await self._ask("export", values, LONG)
        if isinstance(answer, Response):
            return answer
        content, media_type = answer
        place = f'attachment; filename="{request.path_params["name"]}"'
        return Response(content, media_type=media_type, headers={"Content-Disposition": place})

    async def example(self, request: Request) -> Response:
        """Return a certified data set that ships with the package."""
        name = request.path_params["name"]
        if name not in EXAMPLES:
            return refuse(404, f"there is no {name!r} here.")
        return FileResponse(EXAMPLES[name], media_type="text/csv")

    async def upload(self, request: Request) -> Response:
        """Keep a file that was dropped, and return its key and its columns."""
        name = request.query_params.get("name", "data.csv")
        if not name.lower().endswith(ENDINGS):
            return refuse(415, f"{name} is not a file that can be read here. Drop a .csv or a .parquet file.")
        parts, size = [], 0
        async for part in request.stream():
            size += len(part)
            if size > LIMITS.body:
                return refuse(413, f"{name} has more than {LIMITS.body >> 20} MiB. Use polyoptim fit in a terminal.")
            parts.append(part)
        key = await asyncio.to_thread(self.uploads.keep, name, b"".join(parts))
        folder = self.uploads.folder(key)
        file = next(folder.iterdir()).name if folder else name
        answer = await self._ask("columns", {"data": file, "upload": key}, MIDDLE)
        return answer if isinstance(answer, Response) else JSONResponse({"upload": key, "data": file, **answer})

    async def _ask(self, task: str, values: dict[str, str], seconds: float) -> Any:
        """Return a task's answer, or the response that says why there is none."""
        folder = self._folder(values)
        # Only the file itself: a name such as "-", ".." or "*" means something else to who opens it.
        if "data" in values and (folder is None or not any(values["data"] == path.name for path in folder.iterdir())):
            return refuse(410, f"{values['data']} is not here. Drop the file on the page again.", code="gone")
        if self._waiting >= LIMITS.waiting:
            return refuse(503, "too many requests are waiting. Try again in a moment.")
        worker = self._live if task in LIVE and values.get("detail") != "full" else self._slow
        self._waiting += 1
        try:
            return await asyncio.to_thread(worker.ask, task, values, folder, seconds)
        except BadRequestError as error:
            return JSONResponse(described(error), 400)
        except TooLongError as error:
            return refuse(504, f"{error} Take fewer steps, a lower degree, or fewer samples.")
        finally:
            self._waiting -= 1

    def _folder(self, values: Mapping[str, str]) -> Path | None:
        """Return where the file of a query lies, None where it has gone; a query without one has an empty folder."""
        return self.uploads.folder(values.get("upload", "")) if "data" in values else self.uploads.nowhere


async def failed(_request: Request, error: Exception) -> Response:
    """Return the error of an address that is none, or of a method that it does not take."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    return refuse(status, error.detail if isinstance(error, HTTPException) else "the server has failed.")


async def gone(_request: Request, _error: Exception) -> Response:
    """Answer nobody: who asked has left."""
    return Response(status_code=400)


def application(playground: Playground, hosts: frozenset[str] | None = None, token: str | None = None) -> Guard:
    """Return the playground as an ASGI application; `hosts` and `token` are those of the guard."""
    routes = [
        Route("/", playground.page),
        Route("/api/choices", playground.choices),
        Route("/api/data", playground.upload, methods=["POST"]),
        Route("/api/{task}", playground.compute),
        Route("/export/{name}", playground.export),
        Route("/examples/{name}", playground.example),
        Mount("/static", Files(directory=STATIC)),
    ]
    handlers: Any = {HTTPException: failed, PolyoptimError: failed, ClientDisconnect: gone, Exception: failed}
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=playground.lifespan)
    return Guard(app, hosts, token)
