"""The seam: every answer and every refusal goes through the renderer, with its operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.control.api.application import RESOURCES
from gateway.control.api.problems import Problem
from gateway.control.api.renderer import MESSAGES, Answer, CleanRenderer, Probe, problem_body
from gateway.control.api.route import ControlRoute
from gateway.control.api.services import ControlServices
from gateway.control.store import ControlStore
from tests.gateway.control.api.harness import open_api


class Remembering:
    """Says nothing but what it was asked to say."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, str]] = []
        self.refusals: list[tuple[str, str]] = []

    async def answer(self, operation: str, answer: Answer) -> Mapping[str, Any]:
        self.answers.append((operation, type(answer.data).__name__))
        return {"said": operation, "data": (await CleanRenderer().answer(operation, answer)).get("data")}

    async def refusal(self, operation: str, problem: Problem) -> tuple[int, Mapping[str, Any]]:
        self.refusals.append((operation, problem.code))
        return 418, {"refused": operation}

    def probe(self, name: Probe, body: Mapping[str, Any], services: ControlServices) -> Mapping[str, Any]:
        return {"probed": name}


async def test_another_renderer_says_all_of_it(store: ControlStore) -> None:
    """Its bodies and its statuses go out, of answers, refusals, replays, unknown paths and methods."""
    renderer = Remembering()
    async with open_api(store, renderer=renderer) as api:
        assert (await api.post("/apps", {"name": "x"}))["said"] == "app.created"
        assert (await api.get("/apps"))["said"] == "app.listed"
        assert await api.get("/apps/99", 418) == {"refused": "app.read"}
        assert await api.post("/apps", {"name": "x"}, 418) == {"refused": "app.created"}
        assert await api.get("/apps", 418, headers={"authorization": ""}) == {"refused": "app.listed"}
        assert await api.get("/edge/status", 418) == {"refused": "request"}
        assert await api.request("PATCH", "/apps", 418) == {"refused": "request"}
        probes = {"/": "service", "/health": "health", "/ready": "ready", "/health/detailed": "detailed"}
        for path, name in probes.items():
            assert (await api.client.get(path)).json() == {"probed": name}
    assert renderer.answers == [("app.created", "AppEntity"), ("app.listed", "tuple")]
    assert [code for _, code in renderer.refusals] == [
        "not_found",
        "duplicate",
        "missing_token",
        "no_such_path",
        "method_not_allowed",
    ]


def test_a_problem_says_what_it_has() -> None:
    """A field and a list only where there are any."""
    assert problem_body(Problem(400, "c", "m")) == {"error": "Invalid request", "message": "m", "code": "c"}
    found = problem_body(Problem(400, "c", "m", field="f", problems=(("f", "a"), ("g", "b"))))
    assert found["problems"] == [{"field": "f", "message": "a"}, {"field": "g", "message": "b"}]


def test_every_message_belongs_to_an_operation() -> None:
    """And every operation is named for what it does to what."""
    routes = [route for resource in RESOURCES for route in resource.router.routes if isinstance(route, ControlRoute)]
    names = {route.name for route in routes}
    unused = {name for name in MESSAGES if name not in names}
    assert unused == {"token.updated", "token.deleted"}
    assert all("." in name for name in names)
