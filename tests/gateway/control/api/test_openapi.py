"""The OpenAPI document: complete, true, and whatever it describes finds no fault of ours."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from gateway.control.api.application import openapi_document
from gateway.control.api.openapi import CONDITIONAL, example_of
from gateway.control.api.services import Identity
from gateway.control.database import ControlDatabase
from gateway.control.store import ControlStore
from gateway.settings import ControlSettings
from sluice.secrets import SecretBox, new_key
from tests.gateway.control.api.harness import ADMIN, BASE, Api, open_api

DOCUMENT = openapi_document()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = [(path, method) for path, item in DOCUMENT["paths"].items() for method in item]
EXAMPLES_EACH = 12
STATUSES = Counter[int]()
"""What was answered."""


def operation(path: str, method: str) -> dict[str, Any]:
    """What the document says of it."""
    found: dict[str, Any] = DOCUMENT["paths"][path][method]
    return found


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_operation_is_complete(path: str, method: str) -> None:
    """Errors in the one shape with an example, an example of what is sent and of what is answered; never a 422."""
    found = operation(path, method)
    assert found["summary"]
    assert found["description"]
    answers = found["responses"]
    assert "422" not in answers
    assert {"401", "503"} <= set(answers)
    for status, answer in answers.items():
        content = answer.get("content", {}).get("application/json")
        assert status == "304" or content["example"], (path, method, status)
        if status >= "400":
            assert content["schema"] == {"$ref": "#/components/schemas/Refused"}
    if "requestBody" in found:
        schema = found["requestBody"]["content"]["application/json"]["schema"]
        assert example_of(schema, DOCUMENT["components"]["schemas"])
        assert "413" in answers
    if method in {"put", "delete"} and "501" not in answers:
        assert "If-Match" in [each["name"] for each in found["parameters"]]
    if method == "post" and "201" in answers:
        assert "Idempotency-Key" in [each["name"] for each in found["parameters"]]


def test_ids_of_operations_are_unique() -> None:
    """Clients make functions of them."""
    ids = [operation(path, method)["operationId"] for path, method in OPERATIONS]
    assert len(set(ids)) == len(ids)


def test_every_reference_leads_somewhere() -> None:
    """And the framework's own shapes, which nobody gets, are gone."""
    text = json.dumps(DOCUMENT)
    names = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= set(DOCUMENT["components"]["schemas"])
    assert "HTTPValidationError" not in text


async def test_every_example_of_a_create_makes_something(api: Api) -> None:
    """What the document shows is what works, given that what it refers to is there."""
    await api.llm("for links")
    await api.app("for tokens")
    for path in ("/llms", "/apps", "/plugins", "/pricing", "/tokens", "/apps/{app_id}/credentials"):
        body = operation(path, "post")["requestBody"]["content"]["application/json"]["schema"]
        await api.post(path.replace("{app_id}", "2"), example_of(body, DOCUMENT["components"]["schemas"]))


async def test_conditional_looks_are_those_that_are_said_to_be(api: Api) -> None:
    """304 for who has the version, on these and on no others: what shows other entities changes without it."""
    await api.llm()
    await api.plugin()
    await api.put("/llms/1/plugins", {"plugin_ids": [1]})
    await api.post("/pricing", {"vendor": "openai", "model_name": "m", "cpt": 1, "cpit": 1})
    for path, method in OPERATIONS:
        found = operation(path, method)
        if method != "get" or "501" in found["responses"] or "/analytics/" in path or "/budgets/" in path:
            continue
        url = f"/api/v1{re.sub(r'{[a-z_]+}', '1', path)}?app_id=1".removesuffix(
            "?app_id=1" if path != "/tokens" else ""
        )
        tag = (await api.client.get(url)).headers.get("etag", '"1"')
        answer = await api.client.get(url, headers={"if-none-match": tag})
        assert answer.status_code == (304 if found["operationId"] in CONDITIONAL else 200), (path, answer.text)


async def test_the_document_is_served_to_those_who_manage(api: Api) -> None:
    """As the command prints it."""
    assert await api.get("/openapi.json") == json.loads(json.dumps(DOCUMENT))


class Fuzzed:
    """The API on a loop of its own, for tests that are not; whatever they delete, its admin stays."""

    def __init__(self, folder: Path) -> None:
        self.runner = asyncio.Runner()
        self.database = ControlDatabase(f"sqlite+aiosqlite:///{folder / 'control.db'}")
        self.context = open_api(
            ControlStore(self.database, SecretBox([new_key()])),
            control=ControlSettings(allow_private_endpoints=True),
            authenticate=lambda _token: Identity(token_id=1, app_id=1, name="ops", prefix="slc_", scopes=("*",)),
        )

    def start(self) -> None:
        """Without anything but its admin."""
        self.runner.run(self.database.migrate())
        self.api = self.runner.run(self.context.__aenter__())

    def fill(self) -> dict[str, Any]:
        """Something of everything, new; by the name that paths have for its id."""
        return self.runner.run(self._fill(secrets.token_hex(8)))

    async def _fill(self, name: str) -> dict[str, Any]:
        llm, app, plugin = await self.api.llm(name), await self.api.app(name), await self.api.plugin(name)
        await self.api.put(f"/llms/{llm['id']}/plugins", {"plugin_ids": [plugin["id"]]})
        price = {"vendor": "openai", "model_name": name, "cpt": 1, "cpit": 1}
        token = await self.api.token(app["id"])
        return {
            "llm_id": llm["id"],
            "app_id": app["id"],
            "plugin_id": plugin["id"],
            "price_id": (await self.api.post("/pricing", price))["data"]["id"],
            "token_id": token["id"],
            "credential_id": token["id"],
            "token": token["token"],
        }

    def close(self) -> None:
        """End it."""
        self.runner.run(self.context.__aexit__(None, None, None))
        self.runner.run(self.database.close())
        self.runner.close()

    def send(self, case: schemathesis.Case[Any]) -> httpx.Response | None:
        """The answer; ``None`` where no client could send such a thing."""
        what = case.as_transport_kwargs(base_url=f"{BASE}/api/v1")
        content = json.dumps(what["json"]).encode() if "json" in what else what.get("data")
        try:
            headers = {name: value.encode("latin-1") for name, value in what["headers"].items()}
            headers["Authorization"] = f"Bearer {ADMIN}".encode()
            request = self.api.client.build_request(
                what["method"], what["url"], params=what["params"], headers=headers, content=content
            )
        except (ValueError, TypeError, AttributeError, httpx.InvalidURL):
            return None
        return self.runner.run(self.api.client.send(request))


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    """One for all operations: what one of them leaves the others meet."""
    fuzzed = Fuzzed(tmp_path_factory.mktemp("fuzzed"))
    fuzzed.start()
    yield fuzzed
    fuzzed.close()


@pytest.mark.parametrize(
    ("path", "method"), [each for each in OPERATIONS if "501" not in operation(*each)["responses"]]
)
def test_no_request_finds_a_fault(fuzzed: Fuzzed, path: str, method: str) -> None:
    """What the document allows, and what it does not: an answer that it describes, and never a fault of ours."""
    known = set(operation(path, method)["responses"]) | {"404", "405"}
    there = fuzzed.fill() if "{" in path else {}
    seen = Counter[int]()
    strategies = [SCHEMA[path][method].as_strategy(generation_mode=mode) for mode in GenerationMode]

    @seed(20261126)
    @settings(
        max_examples=EXAMPLES_EACH,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(strategies))
    def run(case: schemathesis.Case[Any]) -> None:
        if seen.total() % 3:
            case.path_parameters = {name: there.get(name, 1) for name in case.path_parameters or ()}
        answer = fuzzed.send(case)
        seen[0 if answer is None else answer.status_code] += 1
        if answer is None:
            return
        assert answer.status_code < 500 or answer.status_code == 501, answer.text
        assert str(answer.status_code) in known, (answer.status_code, answer.text)
        if answer.status_code >= 400:
            assert {"error", "message", "code"} <= answer.json().keys()

    run()
    assert seen.total() > seen[0], "no client could send any of them"
    STATUSES.update(seen)


def test_what_was_sent_reached_the_handlers() -> None:
    """Else the tests above would hold nothing: requests are done, refused for what they say, and not found."""
    if STATUSES.total() > 300:  # all of them ran
        assert {200, 201, 304, 400, 404} <= set(STATUSES)
