"""The examples that plugin authors know, in Python: each as small as its original, each tested as an author would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from sluice.plugin_host.opening import open_plugin
from sluice.sdk import App, BudgetStatus, Credential, CredentialCheck, Llm, PluginResponse
from sluice.sdk.testing import (
    Known,
    RecordingServices,
    make_analytics,
    make_auth_request,
    make_budget_usage,
    make_context,
    make_edge_payload,
    make_plugin,
    make_proxy_log,
    make_request,
    make_response,
    start_plugin,
)
from tests.sluice.plugin_host.processes.peers import make_opening, make_registration
from tests.sluice.sdk.examples.both_runtimes import Anywhere
from tests.sluice.sdk.examples.config_schema import SCHEMA, Configured
from tests.sluice.sdk.examples.custom_auth import CustomAuthPlugin
from tests.sluice.sdk.examples.data_collector import Watcher
from tests.sluice.sdk.examples.elasticsearch_collector import ElasticsearchCollector
from tests.sluice.sdk.examples.gateway_services import Asks
from tests.sluice.sdk.examples.pre_auth import OnlyPosts
from tests.sluice.sdk.examples.quick_start import MyGatewayPlugin
from tests.sluice.sdk.examples.response_handler import Processed
from tests.sluice.sdk.examples.send_to_control import GatewayStats

EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.py"))
LARGER = {"elasticsearch_collector.py": 50, "send_to_control.py": 40}
"""Where the page's own is larger: the collector has 170 lines there, sending and receiving are on two pages."""


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_as_small_as_the_page_s(path: Path) -> None:
    """25 lines of code, but for two."""
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith('"""')]
    assert len(lines) <= LARGER.get(path.name, 26 if path.name == "config_schema.py" else 25)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
async def test_a_host_takes_it_as_a_file(path: Path, tmp_path: Path) -> None:
    """Found, configured, initialised and shut down, by the path of its file alone; a default of the schema applied."""
    ctx = make_context()
    config = {"api_key": "k"} if path.name in {"config_schema.py", "quick_start.py"} else {}
    registration = make_registration(str(path), hook_types=(), config=config)
    plugin = await open_plugin(registration, make_opening(tmp_path))
    await plugin.initialize(ctx)
    assert plugin.handlers() or plugin.described.collects
    if path.name == "config_schema.py":
        answer = await plugin.handlers()["post_auth"](ctx, make_request())
        assert answer.context_updates == {"batch_size": "100"}
    await plugin.shutdown(ctx)


async def test_quick_start() -> None:
    """Headers are added to a whole request, and its configuration is text."""
    ctx = make_context(app_id=7)
    plugin = await start_plugin(MyGatewayPlugin, ctx, api_key="k", retries=3)
    assert (plugin.api_key, plugin.config["retries"]) == ("k", "3")
    answer = await plugin.handle_post_auth(ctx, make_request())
    assert answer.request is not None
    assert answer.request.headers["x-custom-header"] == "gateway-plugin"
    assert answer.request.headers["x-app-id"] == "7"
    assert [entry.event for entry in ctx.services.logger.entries] == ["plugin initialized", "processing request"]


@pytest.mark.parametrize(
    ("method", "app_id", "message"),
    [("GET", None, "Only POST requests allowed"), ("POST", None, ""), ("POST", 1, "Budget exceeded"), ("POST", 2, "")],
)
async def test_pre_auth(method: str, app_id: int | None, message: str) -> None:
    """Blocks by method and by budget; the unit test of the page, as it is in Python."""
    budgets = [BudgetStatus(app_id=1, monthly_budget_nanos=5, used_nanos=5), BudgetStatus(app_id=2)]
    ctx = make_context(services=RecordingServices(Known(budgets=budgets)), request_id="test-123", app_id=app_id)
    request = make_request(b'{"messages": []}', method=method, path="/v1/chat/completions", app_id=None)
    answer = await make_plugin(OnlyPosts).handle_pre_auth(ctx, request)
    assert (answer.decision, answer.message) == ("block" if message else "allow", message)


async def test_response_handler() -> None:
    """The headers hook knows the id of its request; the body hook changes the body."""
    ctx, plugin = make_context(), make_plugin(Processed)
    headers = (await plugin.on_before_write_headers(ctx, make_response())).headers or {}
    assert (headers["x-processed-by"], headers["x-request-id"]) == ("gateway-plugin", "request-1")
    assert (await plugin.on_before_write(ctx, make_response(b'{"a":"colour"}'))).body == b'{"a":"color"}'


async def test_data_collector() -> None:
    """Each kind of event has its method; ``None`` acknowledges."""
    ctx, plugin = make_context(runtime="collector"), make_plugin(Watcher)
    await plugin.handle_proxy_log(ctx, make_proxy_log(response_code=429))
    await plugin.handle_analytics(ctx, make_analytics(cost_nanos=2_500_000_000))
    await plugin.handle_budget_usage(ctx, make_budget_usage(cost_nanos=1))
    values = [entry.values for entry in ctx.services.logger.entries]
    assert (values[0]["status"], values[1]["cost"], values[2]["cost"]) == (429, "2.5", "1E-9")


async def test_config_schema() -> None:
    """The schema is the page's; what it defaults the plugin finds."""
    assert json.loads(make_plugin(Configured).get_config_schema()) == SCHEMA
    answer = await make_plugin(Configured, api_key="k", batch_size=100).handle_post_auth(make_context(), make_request())
    assert answer.context_updates == {"batch_size": "100"}


async def test_custom_auth() -> None:
    """A credential for the right token, 401 with what is wanted for any other."""
    ctx = make_context(app_id=None)
    plugin = await start_plugin(CustomAuthPlugin, ctx, valid_token="right")
    accepted = await plugin.handle_auth(ctx, make_auth_request("right"))
    assert isinstance(accepted, Credential)
    assert (accepted.user_id, accepted.username) == ("plugin-user", "Plugin User")
    assert accepted.claims == {"source": "custom-auth-plugin"}
    refused = await plugin.handle_auth(ctx, make_auth_request("wrong"))
    assert isinstance(refused, PluginResponse)
    assert (refused.status_code, refused.message, refused.headers) == (
        401, "Invalid token", {"WWW-Authenticate": "Bearer"},
    )  # fmt: skip
    assert (await start_plugin(CustomAuthPlugin, ctx)).valid_token == "default-token"


async def test_elasticsearch_collector() -> None:
    """A document of each kind, in the index of the event's day, under the event's id."""
    written: dict[str, Any] = {}

    def answer(request: httpx.Request) -> httpx.Response:
        written[str(request.url)] = json.loads(request.content)
        return httpx.Response(201)

    ctx = make_context(runtime="collector", services=RecordingServices(answer=answer))
    plugin = await start_plugin(ElasticsearchCollector, ctx, elasticsearch_url="http://es.example:9200")
    handled = [
        await plugin.handle_proxy_log(ctx, make_proxy_log(event_id="1", response_body=b"hi")),
        await plugin.handle_analytics(ctx, make_analytics(event_id="2", cost_nanos=2_500_000_000)),
        await plugin.handle_budget_usage(ctx, make_budget_usage(event_id="3")),
    ]
    assert all(each.success and each.handled for each in handled)
    days = {url.removeprefix("http://es.example:9200/microgateway-"): document for url, document in written.items()}
    assert list(days) == [f"{kind}-2026.01.01/_doc/{number}" for number, kind in enumerate(
        ["proxy-logs", "analytics", "budget"], 1)]  # fmt: skip
    log, analytics, budget = written.values()
    assert (log["@timestamp"], log["response_body"]) == ("2026-01-01T12:00:00+00:00", "hi")
    assert (analytics["cost"], analytics["total_tokens"]) == (2.5, 15)
    assert (budget["period_end"], budget["requests_count"]) == ("2026-02-01T00:00:00+00:00", 1)


async def test_elasticsearch_collector_away() -> None:
    """What was not written is said, so that it comes again."""
    services = RecordingServices(answer=lambda _: httpx.Response(503))
    ctx = make_context(runtime="collector", services=services)
    plugin = await start_plugin(ElasticsearchCollector, ctx)
    answer = await plugin.handle_proxy_log(ctx, make_proxy_log())
    assert (answer.success, answer.message) == (False, "elasticsearch returned status 503")
    assert str(services.http_requests[0].url).startswith("http://localhost:9200/")


async def test_send_to_control() -> None:
    """What the gateway's plugin sends, control's receives; without the scope the request passes all the same."""
    ctx = make_context()
    plugin = await start_plugin(GatewayStats, ctx)
    await plugin.handle_post_auth(ctx, make_request())
    (sent,) = ctx.services.sent
    studio = make_context(runtime="studio")
    receiver = await start_plugin(GatewayStats, studio)
    payload = make_edge_payload(sent.payload, metadata=sent.metadata, edge_id="edge-7")
    assert await receiver.accept_edge_payload(studio, payload)
    assert json.loads(await studio.services.kv.read("stats")) == {"edge-7": 1}
    assert not await receiver.accept_edge_payload(studio, make_edge_payload())
    denied = make_context(services=RecordingServices(scopes=()))
    assert (await plugin.handle_post_auth(denied, make_request())).decision == "allow"
    assert denied.services.logger.entries[0].level == "warning"


async def test_both_runtimes() -> None:
    """One plugin, the services of where it runs."""
    known = Known(apps=[App(id=7, name="shop")], llms=[Llm(id=1, name="fast"), Llm(id=2, name="slow")])
    ctx = make_context(services=RecordingServices(known), app_id=7)
    await ctx.services.kv.write("config", b"on")
    plugin = make_plugin(Anywhere)
    assert (await plugin.handle_post_auth(ctx, make_request())).context_updates == {"app_name": "shop", "config": "on"}
    studio = make_context(services=RecordingServices(known), runtime="studio")
    assert (await plugin.handle_post_auth(studio, make_request())).context_updates == {"llms": "fast,slow"}


async def test_gateway_services() -> None:
    """App, budget, credential and LLM, in one hook; what is unknown is an error that can be caught."""
    known = Known(
        apps=[App(id=7, name="shop")],
        llms=[Llm(id=1, slug="gpt")],
        budgets=[BudgetStatus(app_id=7, monthly_budget_nanos=3_000_000_000, used_nanos=1_000_000_000)],
        credentials={"other": CredentialCheck(valid=True, app_id=8)},
    )
    ctx, plugin = make_context(services=RecordingServices(known), app_id=7), make_plugin(Asks)
    answer = await plugin.handle_post_auth(ctx, make_request(headers={"x-other-token": "other"}))
    assert answer.context_updates == {"name": "shop", "left": "2", "valid": "True", "of": "gpt"}
    assert (await plugin.handle_post_auth(make_context(app_id=9), make_request())).status_code == 503
    studio = make_context(runtime="studio")
    assert (await plugin.handle_post_auth(studio, make_request())).decision == "allow"
