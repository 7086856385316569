"""A registry in this process that answers as Confluent's does, goes away, and can be told to misbehave."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import unquote

from aiohttp import web

from sluice.dev.servers.ports import free_port

AVRO = "AVRO"


class ScriptedRegistry:
    """Ids count from ``first_id``; one id per text, whatever its subjects are."""

    def __init__(self, first_id: int = 1, credential: str = "", tls: ssl.SSLContext | None = None) -> None:
        self.texts: dict[int, str] = {}
        self.subjects: dict[str, list[int]] = {}
        self.asked: list[str] = []
        """Method and path of each request."""
        self.incompatible: set[str] = set()
        """Subjects that refuse everything new."""
        self.answer: web.Response | None = None
        """Instead of any other."""
        self.port = free_port()
        self._first_id = first_id
        self._credential = credential
        self._tls = tls
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://localhost:{self.port}"

    def settings(self, **more: Any) -> dict[str, Any]:
        """For ``schema_registry``."""
        return {"url": self.url, "timeout_seconds": 2, **more}

    async def start(self) -> Self:
        """Listen; again after ``stop``, on the same port, with what it knew."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "localhost", self.port, ssl_context=self._tls).start()
        return self

    async def stop(self) -> None:
        """Be away."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def add(self, subject: str, text: str) -> int:
        """As if somebody had registered it."""
        found = next((known for known, other in self.texts.items() if other == text), None)
        schema_id = self._first_id + len(self.texts) if found is None else found
        self.texts[schema_id] = text
        if schema_id not in self.subjects.setdefault(subject, []):
            self.subjects[subject].append(schema_id)
        return schema_id

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path}")
        if self.answer is not None:
            return web.Response(status=self.answer.status, body=self.answer.body, headers=self.answer.headers)
        if self._credential and request.headers.get("Authorization") != self._credential:
            return _error(401, 40101, "Unauthorized")
        match [unquote(part) for part in request.rel_url.raw_path.strip("/").split("/")]:
            case ["schemas", "ids", number] if request.method == "GET":
                text = self.texts.get(int(number))
                return _error(404, 40403, "Schema not found") if text is None else web.json_response({"schema": text})
            case ["subjects", subject, "versions"] if request.method == "POST":
                return self._register(subject, await request.json())
            case ["subjects", subject] if request.method == "POST":
                return self._look_up(subject, (await request.json())["schema"])
        return _error(404, 404, "no such path")

    def _register(self, subject: str, document: dict[str, Any]) -> web.Response:
        text = document["schema"]
        json.loads(text)
        assert document["schemaType"] == AVRO
        known = [self.texts[schema_id] for schema_id in self.subjects.get(subject, ())]
        if subject in self.incompatible and text not in known:
            return _error(409, 409, "Schema being registered is incompatible with an earlier schema")
        return web.json_response({"id": self.add(subject, text)})

    def _look_up(self, subject: str, text: str) -> web.Response:
        if subject not in self.subjects:
            return _error(404, 40401, "Subject not found")
        for schema_id in self.subjects[subject]:
            if self.texts[schema_id] == text:
                return web.json_response({"id": schema_id, "subject": subject, "version": 1, "schema": text})
        return _error(404, 40403, "Schema not found")


def _error(status: int, code: int, message: str) -> web.Response:
    return web.json_response({"error_code": code, "message": message}, status=status)


@asynccontextmanager
async def scripted_registry(first_id: int = 1, **more: Any) -> AsyncIterator[ScriptedRegistry]:
    """One that listens until the end of the block."""
    registry = await ScriptedRegistry(first_id, **more).start()
    try:
        yield registry
    finally:
        await registry.stop()
