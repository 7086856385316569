"""Plugins through a gateway that runs: the page's own examples, in its process and in processes of their own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_asyncio

from gateway.control.bootstrap import APP_ID
from sluice.dev.vendor import MockVendor
from sluice.plugin_host.kv import FILE_NAME, KvStore
from tests.go_build import GoPlugins
from tests.integration.managing import bare, changed, made, manager_of, run
from tests.integration.plugin_gateway import EXAMPLES, SECONDS, SEED_PLUGINS, Edge, open_edge, plugin_folder
from tests.integration.plugin_gateway import write_executable as executable
from tests.integration.waiting import until_found

SCRIPT = """
curl -X POST http://localhost:3000/api/v1/plugins \\
  -H "Authorization: Bearer YOUR_TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{
    "name": "My Plugin",
    "slug": "my-plugin",
    "description": "Custom plugin",
    "command": "file:///path/to/my-plugin",
    "hook_type": "pre_auth",
    "is_active": true,
    "plugin_type": "gateway"
  }'
curl -X PUT http://localhost:3000/api/v1/llms/1/plugins \\
  -H "Authorization: Bearer YOUR_TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{
    "plugin_ids": [1, 2, 3]
  }'
curl -X POST http://localhost:3000/api/v1/llms/1/proxy/v1/chat/completions \\
  -H "Authorization: Bearer $TOKEN" \\
  -d '{"messages": [{"role": "user", "content": "test"}]}'
"""
"""As it is written on the page that people copy it from."""
CREATE, USE = SCRIPT.split("curl -X PUT")
CREATE, USE = CREATE.replace("YOUR_TOKEN", "$TOKEN"), "curl -X PUT" + USE.replace("YOUR_TOKEN", "$TOKEN")

How = Literal["in_process", "process"]
BOTH = pytest.mark.parametrize("how", ["in_process", "process"])
PRICE = {"vendor": "openai", "model_name": "gpt-4o*", "cpt": 6e-7, "cpit": 1.5e-7}
SCOPES = ["apps.read", "llms.read", "budget.read", "credentials.validate", "kv.readwrite", "control.send"]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="edge")
async def _edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    async with open_edge(tmp_path_factory.mktemp("plugins"), "plugins") as edge:
        await made(edge.manager, "/pricing", **PRICE)
        yield edge


async def plugin(edge: Edge, how: How, stem: str, name: str, *, folder: Path = EXAMPLES, **values: Any) -> int:
    """An example, in the gateway's process or in one of its own."""
    path = folder / f"{stem}.py"
    command = str(path) if how == "in_process" else edge.serve(path, name)
    found = await edge.plugin(command, name=stem.replace("_", "-"), **values)
    assert (await edge.instance(found))["where"] == how
    return found


async def metadata_after(edge: Edge, *plugin_ids: int) -> dict[str, str]:
    """What plugins left for those behind them."""
    teller = await edge.plugin(str(SEED_PLUGINS / "tell_metadata.py"))
    target = await edge.target(*plugin_ids, teller)
    answer = await target.ask()
    assert answer.status_code == 200, answer.text
    found: dict[str, str] = json.loads(edge.seen(answer).header("x-metadata") or "")
    return found


@pytest.mark.parametrize("language", ["go", "python"])
async def test_the_page_s_shell_text_runs(
    language: str, tmp_path: Path, unique_name: str, go_plugins: GoPlugins, request: pytest.FixtureRequest
) -> None:
    """Create, attach, ask; the text as it is written, with another port and another path."""
    plugin_folder(tmp_path).mkdir()
    path = plugin_folder(tmp_path) / "my-plugin"
    if language == "go":
        path.write_bytes(go_plugins.unified.read_bytes())
        path.chmod(0o755)
    else:
        executable(plugin_folder(tmp_path), EXAMPLES / "pre_auth.py", "OnlyPosts").rename(path)
    vendor = MockVendor()
    await vendor.start()
    stack = bare(tmp_path, unique_name, workers=1)
    try:
        async with stack.running(collector=False), manager_of(stack) as manager:
            await made(manager, "/llms", name="Mock GPT", vendor="openai", endpoint=vendor.url, default_model="gpt-4o")
            await changed(manager, f"/apps/{APP_ID}/llms", llm_ids=[1])
            token = manager.headers["authorization"].removeprefix("Bearer ")
            (created,) = await run(CREATE.replace("/path/to/my-plugin", str(path)), stack.url, token)
            assert created["data"]["slug"] == "my-plugin"
            for stem in ("quick_start", "response_handler"):  # the page attaches three
                await made(manager, "/plugins", name=stem, command=str(EXAMPLES / f"{stem}.py"))
            attached, answered = await run(USE, stack.url, token)
            assert [each["id"] for each in attached["data"]] == [1, 2, 3]
            assert answered["choices"][0]["message"]["content"]
            assert vendor.requests[-1].header("x-custom-header") == "gateway-plugin"
            health = (await manager.get("/plugins/health")).json()["data"]["plugins"]["1"]
            assert [(each["where"], each["status"]) for each in health["instances"]] == [("process", "ready")]
    finally:
        await vendor.close()


@BOTH
async def test_quick_start(edge: Edge, how: How) -> None:
    """It is told its configuration as text, logs under its name, and gives back a whole modified request."""
    config = {"api_key": "very-secret", "retries": 3}
    found = await plugin(edge, how, "quick_start", "MyGatewayPlugin", config=config)
    target = await edge.target(found)
    answer = await target.ask(x_own="kept")
    assert answer.status_code == 200, answer.text
    seen = edge.seen(answer)
    added = {name: seen.header(name) for name in ("x-custom-header", "x-app-id", "x-own")}
    assert added == {"x-custom-header": "gateway-plugin", "x-app-id": str(target.app_id), "x-own": "kept"}
    assert json.loads(seen.body)["messages"] == [{"role": "user", "content": "hi"}]
    slug = await edge.slug(found)
    for phrase, values in (
        ("plugin initialized", {"runtime": "gateway"}),
        ("processing request", {"app_id": target.app_id}),
    ):
        (line,) = [line for line in edge.logged(phrase) if line["plugin"] == slug]
        assert values.items() <= line.items()
    assert "very-secret" not in edge.stack.gateway.log_path.read_text()


@BOTH
async def test_pre_auth_refuses_what_is_no_post(edge: Edge, how: How) -> None:
    """Before anybody knows who asks; the event names the plugin."""
    found = await plugin(edge, how, "pre_auth", "OnlyPosts", service_scopes=SCOPES)
    target = await edge.target(found)
    assert (await target.ask()).status_code == 200
    refused = await target.ask(method="GET", path="/models", token="nobody")
    assert (refused.status_code, refused.json()["error"]["message"]) == (403, "Only POST requests allowed")
    event = await edge.proxy_log(refused)
    assert event["outcome"] == "blocked_pre_auth"
    assert [(each["plugin"], each["hook"], each["decision"]) for each in event["plugins"]] == [
        (await edge.slug(found), "pre_auth", "block")
    ]


@BOTH
async def test_pre_auth_refuses_whose_budget_is_spent(edge: Edge, how: How) -> None:
    """By the ledger's own figures, as soon as it has been told of the request that spent it."""
    found = await plugin(edge, how, "budget_gate", "BudgetGate", folder=SEED_PLUGINS, service_scopes=SCOPES)
    target = await edge.target(found, app={"monthly_budget": "0.01"})
    body = {"model": "gpt-4o-mini", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
    assert (await target.ask("response_tokens=100000", body=body)).status_code == 200

    async def blocked() -> bool:
        refused = await target.ask(body=body)
        assert refused.status_code == 403  # by the gateway's own admission, until the plugin knows
        return bool(refused.json()["error"]["message"] == "Budget exceeded")

    await until_found(blocked, SECONDS, "the plugin's own refusal")
    assert (await target.ask(body=body, token="nobody")).status_code == 401


@BOTH
async def test_response_handler(edge: Edge, how: How) -> None:
    """Headers are added to answers, with the id of the request; the body is another."""
    target = await edge.target(await plugin(edge, how, "response_handler", "Processed"))
    answer = await target.ask("text=colour;chunks=1", x_request_id="req-42")
    assert answer.json()["choices"][0]["message"]["content"] == "color"
    assert (answer.headers["x-processed-by"], answer.headers["x-request-id"]) == ("gateway-plugin", "req-42")
    stream = await target.ask("text=colour;chunks=2", body={"model": "m", "stream": True, "messages": []})
    assert stream.headers["x-processed-by"] == "gateway-plugin"
    assert stream.text.count('"color"') == 2
    assert "colour" not in stream.text


@BOTH
async def test_custom_auth(edge: Edge, how: How) -> None:
    """The right token is a person, whose app the attachment names; the wrong one is told what is wanted."""
    found = await plugin(edge, how, "custom_auth", "CustomAuthPlugin", config={"valid_token": "open-sesame"})
    target = await edge.target(found)
    unknown = await target.ask(token="open-sesame")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (401, "auth_app_unknown")
    await changed(edge.manager, f"/llms/{target.llm_id}/plugins/{found}/config", app_id=target.app_id)
    refused = await target.ask(token="wrong")
    assert (refused.status_code, refused.json()["error"]["message"]) == (401, "Invalid token")
    assert refused.headers["www-authenticate"] == "Bearer"
    assert (await target.ask()).status_code == 401  # a token of the gateway's own is no longer asked for
    answer = await target.ask(token="open-sesame")
    assert answer.status_code == 200, answer.text
    event = await edge.proxy_log(answer)
    assert (event["app_id"], event["outcome"]) == (target.app_id, "ok")
    assert "user:plugin-user" in event["labels"]
    assert (await edge.proxy_log(refused))["outcome"] == "auth_failed"
    assert "open-sesame" not in edge.stack.gateway.log_path.read_text()


@BOTH
async def test_a_configuration_is_held_to_its_schema(edge: Edge, how: How) -> None:
    """Defaults are filled in; a change acts on the next request; a wrong one is refused by its key."""
    found = await plugin(edge, how, "config_schema", "Configured", config={"api_key": "k"})
    schema = (await edge.manager.get(f"/plugins/{found}/config-schema")).json()["data"]["config_schema"]
    assert schema["properties"]["batch_size"]["maximum"] == 1000
    assert await metadata_after(edge, found) == {"batch_size": "100"}
    await changed(edge.manager, f"/plugins/{found}", config={"api_key": "k", "batch_size": 7})
    assert await metadata_after(edge, found) == {"batch_size": "7"}
    for config, key in (({"api_key": "k", "batch_size": "many"}, "batch_size"), ({}, "api_key")):
        await changed(edge.manager, f"/plugins/{found}", config=config)
        tested = (await edge.manager.post(f"/plugins/{found}/test")).json()["data"]
        assert (tested["status"], key in tested["error"]) == ("failed", True), tested
        assert key in await edge.error_of(found)
        assert await metadata_after(edge, found) == {"batch_size": "7"}


@BOTH
async def test_gateway_services(edge: Edge, how: How) -> None:
    """App, budget, credential and LLM, as the gateway serves by them."""
    found = await plugin(edge, how, "gateway_services", "Asks", service_scopes=SCOPES)
    teller = await edge.plugin(str(SEED_PLUGINS / "tell_metadata.py"))
    target = await edge.target(found, teller, app={"monthly_budget": "5"})
    answers = [await target.ask(x_other_token=token) for token in (target.token, "nothing")]
    told = [json.loads(edge.seen(answer).header("x-metadata") or "") for answer in answers]
    assert [(each["name"], each["of"], each["valid"]) for each in told] == [
        (target.slug, target.slug, "True"), (target.slug, target.slug, "False"),
    ]  # fmt: skip
    assert 4.9 < float(told[0]["left"]) <= 5


async def test_services_want_their_scopes(edge: Edge) -> None:
    """A process is refused what it was not granted, and hears which scope it lacks."""
    found = await plugin(edge, "process", "gateway_services", "Asks", service_scopes=["apps.read"])
    answer = await (await edge.target(found)).ask()
    assert answer.status_code == 503
    assert "budget.read" in answer.json()["error"]["message"]


@BOTH
async def test_what_is_sent_to_control_is_received(edge: Edge, how: How) -> None:
    """By the plugin of the same id on the control side, which keeps it."""
    found = await plugin(edge, how, "send_to_control", "GatewayStats", service_scopes=SCOPES)
    target = await edge.target(found)
    assert (await target.ask()).status_code == 200
    assert await kept(edge, found, "stats") == {edge.stack.name: 1}


@BOTH
async def test_one_plugin_in_both_runtimes(edge: Edge, how: How) -> None:
    """Each side has its own services, and says so of the other's; key-value pairs are shared."""
    found = await plugin(edge, how, "both_sides", "BothSides", folder=SEED_PLUGINS, service_scopes=SCOPES)
    target = await edge.target(found)
    answer = await target.ask()
    assert answer.status_code == 200, answer.text
    heard = await kept(edge, found, "heard")
    assert heard["sent"]["runtime"] == "gateway"
    assert (heard["sent"]["app"], heard["sent"]["edge"], heard["from"]) == (
        target.slug,
        edge.stack.name,
        edge.stack.name,
    )
    assert (heard["correlation"], heard["metadata"]) == ("c-1", {"kind": "greeting"})
    if how == "process":
        assert "python://" in heard["studio"]  # the protocol has no such services; it is said what to do
    else:
        assert heard["runtime"] == "studio"
        assert "gateway" in heard["gateway"]
        assert target.slug in heard["studio"].split(",")


@BOTH
async def test_kv_and_app_in_the_page_s_plugin_for_both_runtimes(edge: Edge, how: How) -> None:
    """The example as the page has it, in a gateway."""
    found = await plugin(edge, how, "both_runtimes", "Anywhere", service_scopes=SCOPES)
    told = await metadata_after(edge, found)
    assert (told["config"], told["app_name"][:4]) == ("", "llm-")


async def kept(edge: Edge, plugin_id: int, key: str) -> Any:
    """What a plugin has in its key-value store, once it is there."""
    store = KvStore(edge.stack.folder / "data" / FILE_NAME)
    try:

        async def look() -> Any:
            keys = await store.of_plugin(plugin_id).list(key)
            return json.loads(await store.of_plugin(plugin_id).read(key)) if keys else None

        return await until_found(look, SECONDS, f"the key {key} of plugin {plugin_id}")
    finally:
        await store.close()
