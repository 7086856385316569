"""The one port of several workers: the pages of ``collectors/server.py``, each true of all workers together.

A worker that does not answer makes ``/health`` and ``/ready`` say so; of the other pages it is left out, and named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
from aiohttp import web

from collectors.guarding import refusal
from collectors.operations.desk.asking import DeskError
from collectors.operations.desk.desk import Desk
from collectors.operations.desk.pages import DeskPages
from collectors.server import METRICS_TYPE, add_pages, add_services, listen, page
from collectors.settings import ServerSettings
from collectors.standing import families_of
from collectors.workers.asking import Page, ask_all
from collectors.workers.merging import Said, merged, merged_configuration, merged_list, merged_services
from collectors.workers.pausing import Paused
from collectors.workers.supervisor import Supervisor
from sluice.exposition import Family, load_families, render_families


class Front:
    """Serves what all workers say."""

    def __init__(
        self, settings: ServerSettings, supervisor: Supervisor, desk: Desk | None = None, data_dir: Path = Path()
    ) -> None:
        """A ``desk`` of this host answers operators beside the workers; its jobs lie in ``data_dir``."""
        self._settings = settings
        self._desk = desk
        self._data_dir = data_dir
        self._supervisor = supervisor
        self._paused = Paused(supervisor.folder)
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """Listen; returns the URL. Raises PortTakenError with the remedy."""
        app = web.Application()
        add_pages(app, self._well, self._well, self._metrics)
        add_services(app, self._list, self._show, pause=self._change, resume=self._change)
        pages = DeskPages(self._settings.token.get_secret_value())
        app.router.add_get("/desk/sinks/{exchange}", pages.guarded(self._sinks))
        if self._desk is not None:
            pages.add_desk(app, self._desk, self._data_dir)
        self._runner, url = await listen(app, self._settings)
        return url

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _ask(self, path: str, method: str = "GET") -> tuple[Said, dict[str, str], list[Page]]:
        """What workers say, how each stands, and those answers that are no documents of theirs."""
        sockets = [self._supervisor.socket(index) for index in range(self._supervisor.count)]
        said: list[tuple[int, Any]] = []
        standing: dict[str, str] = {}
        refused: list[Page] = []
        for index, answer in enumerate(await ask_all(sockets, path, method)):
            if answer is None:
                standing[str(index)] = "does not answer"
            elif answer.status in {200, 503}:
                document = orjson.loads(answer.body)
                said.append((index, document))
                standing[str(index)] = document.get("status", "ok") if isinstance(document, dict) else "ok"
            else:
                refused.append(answer)
                standing[str(index)] = f"answers {answer.status}"
        return said, standing, refused

    async def _well(self, request: web.Request) -> web.Response:
        said, standing, refused = await self._ask(_path(request))
        if refused and not said:
            return _as_it_was(refused[0])
        is_well = all(each == "ok" for each in standing.values())
        document = {"status": "ok" if is_well else "not ok", "workers": standing, "services": merged_services(said)}
        return page(200 if is_well else 503, document | _configured(said))

    async def _metrics(self, request: web.Request) -> web.Response:
        said, _, _ = await self._ask("/families")
        name = request.match_info.get("name")
        processes: list[tuple[dict[str, str], list[Family]]] = []
        if name is None:
            processes.append(({}, self._supervisor.registry.families()))
        for index, document in said:
            families = load_families(orjson.dumps(document))
            wanted = families if name is None else families_of(families, name)
            processes.append(({"worker": str(index)}, list(wanted)))
        return web.Response(body=render_families(processes).encode(), headers={"content-type": METRICS_TYPE})

    async def _list(self, request: web.Request) -> web.Response:
        said, standing, _ = await self._ask(_path(request))
        return page(200, {"services": merged_list(said), "workers": standing} | _configured(said))

    async def _show(self, request: web.Request) -> web.Response:
        return _one(*await self._ask(_path(request)))

    async def _sinks(self, request: web.Request) -> Mapping[str, Any]:
        """As the first worker says that answers: all have the same sinks."""
        for index in range(self._supervisor.count):
            [answer] = await ask_all([self._supervisor.socket(index)], _path(request))
            if answer is not None:
                found: dict[str, Any] = orjson.loads(answer.body)
                if answer.status == 200:
                    return found
                raise DeskError(answer.status, str(found.get("error", "the worker did not say why")))
        raise DeskError(503, "no worker answers")

    async def _change(self, request: web.Request) -> web.Response:
        """In all workers, those that are started later too; one that runs and does not answer is an error."""
        if refused := refusal(request, self._settings.token.get_secret_value()):
            status, reason = refused
            return page(status, {"error": reason})
        name, before = request.match_info["name"], self._paused.names()
        self._paused.keep(before | {name} if request.path.endswith("/pause") else before - {name})
        said, standing, refusals = await self._ask(_path(request), "POST")
        unheard = [at for at, how in standing.items() if how != "ok" and int(at) in self._supervisor.pids]
        if not said:
            self._paused.keep(before)
        elif unheard:
            error = f"not yet everywhere: worker {', '.join(unheard)} does not answer; ask again"
            return page(503, {**_all_of(said, standing), "error": error})
        return _one(said, standing, refusals)


def _all_of(said: Said, standing: Mapping[str, str]) -> dict[str, Any]:
    """A service as workers do it, and which of them say nothing of it."""
    one = merged(said)
    return one | {"workers": {at: how for at, how in standing.items() if how != "ok"} | one.get("workers", {})}


def _one(said: Said, standing: Mapping[str, str], refused: Sequence[Page]) -> web.Response:
    if said:
        return page(200, _all_of(said, standing))
    return _as_it_was(refused[0]) if refused else page(503, {"error": "no worker answers", "workers": standing})


def _configured(said: Said) -> dict[str, Any]:
    configuration = merged_configuration(said)
    return {} if configuration is None else {"configuration": configuration}


def _as_it_was(answer: Page) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, content_type="application/json")


def _path(request: web.Request) -> str:
    return quote(request.path)
