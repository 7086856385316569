"""Refusals: one shape, every class of error, nothing of the inside."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.control.api.problems import Problem, problem_of
from gateway.control.entities import Actor
from gateway.control.errors import (
    ChangesLostError,
    ControlDatabaseError,
    ControlError,
    DuplicateError,
    FileConflictError,
    FileManagedError,
    InvalidError,
    NotFoundError,
    StaleVersionError,
    UnknownReferenceError,
)
from sluice.eventstore.queries import EventStoreError
from sluice.secrets import SecretError
from tests.gateway.control.api.harness import Api

CASES: list[tuple[Exception, int, str]] = [
    (NotFoundError("llm", 7), 404, "not_found"),
    (DuplicateError("app", "name", "x"), 409, "duplicate"),
    (FileConflictError("app", "apps[id=1]", "name", "x", 1), 409, "file_conflict"),
    (FileManagedError("llm", 7, "llms[slug=x]"), 409, "managed_by_file"),
    (StaleVersionError(3), 412, "stale_version"),
    (UnknownReferenceError("llms.llm_id", 7), 400, "unknown_reference"),
    (InvalidError("name", "must be text"), 400, "invalid"),
    (ChangesLostError(7), 400, "invalid"),
    (ControlDatabaseError("postgresql://user:***@db refused"), 503, "database_unavailable"),
    (SecretError("no key"), 503, "secret_unavailable"),
    (EventStoreError("http://elastic"), 503, "events_unavailable"),
    (RuntimeError("sk-secret"), 500, "gateway_error"),
    (Problem(418, "teapot", "short and stout"), 418, "teapot"),
]


@pytest.mark.parametrize(("error", "status", "code"), CASES, ids=lambda value: type(value).__name__)
def test_every_error_has_its_answer(error: Exception, status: int, code: str) -> None:
    """By its class; faults of ours are logged, and say nothing of what happened inside."""
    with capture_logs() as logs:
        problem = problem_of(error)
    assert (problem.status, problem.code) == (status, code)
    assert problem.error
    assert bool(logs) == (status >= 500)
    assert not any(word in problem.message for word in ("db refused", "elastic", "sk-secret"))


def test_no_class_of_the_store_is_forgotten() -> None:
    """A new one must be thought of here."""
    assert {type(error) for error, _, _ in CASES} >= set(ControlError.__subclasses__())


async def test_what_the_file_manages_is_read_only(api: Api) -> None:
    """409 with the file and the key, for changes of every kind."""
    file = Actor("file")
    endpoint = "https://api.openai.com/v1"
    await api.store.llms.create({"slug": "f", "name": "f", "vendor": "openai", "endpoint": endpoint}, file)
    await api.store.plugins.create({"name": "f", "slug": "f", "command": "python://a:B"}, file)
    app = await api.store.apps.create({"name": "f"}, file)
    for path in ("/llms/1", "/plugins/1", f"/apps/{app.id}"):
        assert (await api.get(path))["data"]["managed_by"] == "file"
        for method, body in (("PUT", {"name": "x"}), ("DELETE", None)):
            refused = await api.request(method, path, 409, body)
            assert refused["code"] == "managed_by_file"
            assert "sluice.yaml" in refused["message"]
    await api.put("/llms/1/plugins", {"plugin_ids": [1]}, 409)
    await api.put(f"/apps/{app.id}/llms", {"llm_ids": [1]}, 409)
    await api.put(f"/budgets/{app.id}", {"monthly_budget": 1}, 409)


@pytest.mark.parametrize("path", ["/llms", "/llms/x", "/nowhere", "/apps/0"])
async def test_every_refusal_has_the_one_shape(api: Api, path: str) -> None:
    """error, message, code; a field where there is one."""
    answer = await api.client.request("POST", f"/api/v1{path}", json={"x": 1})
    body = answer.json()
    assert answer.status_code >= 400
    assert {"error", "message", "code"} <= body.keys() <= {"error", "message", "code", "field", "problems"}
    assert answer.headers["content-type"] == "application/json"


BAD_IDS: list[Any] = ["x", "0", "-1", "1.5", "9007199254740992", "1e3", "%00", "1;DROP", "٣", "../1", "1" * 5000]


async def test_an_id_is_a_number(api: Api) -> None:
    """400 by the parameter, or another path altogether; never a fault."""
    for value in BAD_IDS:
        for path in ("/llms", "/apps", "/pricing", "/plugins"):
            for method in ("GET", "PUT", "DELETE"):
                answer = await api.client.request(method, f"/api/v1{path}/{value}", json={})
                assert answer.status_code in {400, 404, 405}, (path, value, answer.text)
