"""One admitted request: who calls, what they may use, and how the answer goes out."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request, Response

from gateway.control.api.etags import etag, is_unchanged, required_version
from gateway.control.api.idempotency import Made, fingerprint, idempotency_key, once
from gateway.control.api.paging import PageInfo, PageQuery
from gateway.control.api.problems import Problem
from gateway.control.api.renderer import Answer, NewToken
from gateway.control.entities import Actor, Entity

if TYPE_CHECKING:
    from gateway.control.api.services import ControlServices, Identity

JSON = "application/json"


class Call:
    """What a handler gets. Handlers change things through the store and say what they did; the rest is here."""

    def __init__(self, services: ControlServices, operation: str, identity: Identity | None, request: Request) -> None:
        self.services = services
        self.store = services.store
        self.operation = operation
        self.request = request
        self._identity = identity

    @property
    def identity(self) -> Identity:
        """Who calls."""
        if self._identity is None:
            raise Problem(401, "missing_token", "this needs a token")
        return self._identity

    @property
    def actor(self) -> Actor:
        """Who calls, as the audit says it."""
        who = self.identity
        return Actor(f"{who.name} ({who.prefix})" if who.name else f"token {who.prefix}", who.token_id)

    @property
    def if_version(self) -> int | None:
        """The version that ``If-Match`` asks for."""
        return required_version(self.request.headers.get("if-match"))

    async def answer(self, answer: Answer) -> Response:
        """A look at something; 304 where the client has it already."""
        if answer.version is None:
            return _response(answer.status, await self._body(answer), None)
        if self._has_it(answer, answer.version):
            return Response(status_code=304, headers={"etag": etag(answer.version)})
        return _response(answer.status, await self._body(answer), answer.version)

    def _has_it(self, answer: Answer, version: int) -> bool:
        """Only of a look: what changed something is answered, whatever else its request says."""
        if self.request.method != "GET" or answer.shows_others:
            return False
        return is_unchanged(self.request.headers.get("if-none-match"), version)

    async def entity(self, entity: Entity) -> Response:
        """A look at an entity."""
        return await self.answer(Answer(data=entity, version=entity.version))

    async def listed(self, items: Sequence[object], total: int, query: PageQuery) -> Response:
        """A page of a list."""
        return await self.answer(Answer(data=tuple(items), page=PageInfo(query.page, query.limit, total)))

    async def changed(self, answer: Answer) -> Response:
        """A change, committed: seen by this worker's next request before it is answered."""
        await self.services.refresh()
        return await self.answer(answer)

    async def changed_entity(self, entity: Entity) -> Response:
        """An entity that was changed."""
        return await self.changed(Answer(data=entity, version=entity.version))

    async def create(self, make: Callable[[], Awaitable[Answer]]) -> Response:
        """Make something, once for each ``Idempotency-Key``."""
        version: list[int | None] = [None]

        async def made() -> Made:
            answer = replace(await make(), status=201)
            await self.services.refresh()
            version[0] = answer.version
            body = await self._body(answer)
            return Made(201, body, await self._kept_body(answer, body))

        key = idempotency_key(self.request)
        if key is None:
            found, is_again = await made(), False
        else:
            url = self.request.url
            sha256 = fingerprint(self.request.method, f"{url.path}?{url.query}", await self.request.body())
            found, is_again = await once(self.store.idempotency, self.identity.token_id, key, sha256, made)
        response = _response(found.status, found.body, version[0])
        if is_again:
            response.headers["idempotent-replayed"] = "true"
        return response

    async def _kept_body(self, answer: Answer, body: bytes) -> bytes:
        """What may be kept of an answer: a token's secret may not."""
        if not isinstance(answer.data, NewToken):
            return body
        return await self._body(replace(answer, data=replace(answer.data, secret=None)))

    async def _body(self, answer: Answer) -> bytes:
        return to_json(await self.services.renderer.answer(self.operation, answer))


def to_json(body: Any) -> bytes:
    """The bytes of a body, integers of any size and text that is no Unicode included."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def _response(status: int, body: bytes, version: int | None) -> Response:
    headers = {} if version is None else {"etag": etag(version)}
    return Response(body, status_code=status, media_type=JSON, headers=headers)


def _call(request: Request) -> Call:
    call: Call = request.state.call
    return call


CallOf = Annotated[Call, Depends(_call)]
"""The call, as handlers ask for it."""
