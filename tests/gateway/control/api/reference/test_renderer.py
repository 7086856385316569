"""Existing scripts go on working: each call that was observed at the reference has the answer that was observed."""

from __future__ import annotations

from typing import Any
from unittest.mock import ANY

import httpx
import pytest

from gateway.control.api.reference import renderer as renderer_module
from sluice.eventstore.queries import LlmStats
from sluice.plugin_host.host import PluginHealth
from tests.gateway.control.api.harness import ADMIN, BASE, Api, bearer
from tests.gateway.control.api.reference.examples import (
    APP_ROW,
    AT,
    LLM_ROW,
    MOCK_GPT,
    PLUGIN,
    PLUGIN_ROW,
    SUMMARY_OF_ONE,
    with_llm_and_app,
)


async def test_every_answer_has_a_request_id(api: Api) -> None:
    """``req_`` and something."""
    assert (await api.client.get("/api/v1/llms")).headers["x-request-id"].startswith("req_")


async def test_llm_created(api: Api) -> None:
    """The whole row; relations are null; never a key."""
    assert await api.post("/llms", MOCK_GPT) == {"data": LLM_ROW, "message": "LLM created successfully"}


async def test_llm_read_and_listed(api: Api) -> None:
    """Both fill ``Apps`` with whole rows; a list has pages."""
    await with_llm_and_app(api)
    row = {**LLM_ROW, "Apps": [APP_ROW], "Filters": []}
    assert await api.get("/llms/1") == {"data": row}
    pages = {"limit": 20, "page": 1, "total": 1, "total_pages": 1}
    assert await api.get("/llms") == {"data": [row], "pagination": pages}


async def test_llm_updated_and_deleted(api: Api) -> None:
    """A change answers the whole row, a deletion its message."""
    await api.post("/llms", MOCK_GPT)
    changed = await api.put("/llms/1", {"allowed_models": ["gpt-4o.*"], "timeout_seconds": 30, "retry_count": 3})
    row = {**LLM_ROW, "allowed_models": ["gpt-4o.*"], "timeout_seconds": 30, "retry_count": 3}
    assert changed == {"data": row, "message": "LLM updated successfully"}
    assert await api.delete("/llms/1") == {"message": "LLM deleted successfully"}


async def test_llm_stats(api: Api) -> None:
    """Costs are ten thousand times the amount."""
    await api.post("/llms", MOCK_GPT)
    api.events.stats = LlmStats(5, 768, {"USD": 439_200})
    assert await api.get("/llms/1/stats") == {"data": {"request_count": 5, "total_cost": 4.392, "total_tokens": 768}}


async def test_app_created(api: Api) -> None:
    """The whole row; relations are null."""
    await api.post("/llms", MOCK_GPT)
    answer = await api.post("/apps", {"name": "bench", "owner_email": "dev@example.com", "llm_ids": [1]})
    assert answer == {"data": APP_ROW, "message": "App created successfully"}


async def test_app_read_embeds_tokens_without_themselves(api: Api) -> None:
    """Where the reference shows them in clear, and keys encrypted: here neither."""
    await with_llm_and_app(api)
    secret = (await api.post("/tokens", {"app_id": 2, "name": "t1", "scopes": ["api"]}))["data"]["token"]
    answer = await api.get("/apps/2")
    token = {"ID": 2, "CreatedAt": ANY, "UpdatedAt": ANY, "DeletedAt": None, "token": "", "name": "t1", "app_id": 2}
    times = {"scopes": ["api"], "is_active": True, "expires_at": None, "last_used_at": None, "namespace": ""}
    assert answer == {"data": {**APP_ROW, "Tokens": [{**token, **times}], "LLMs": [LLM_ROW]}}
    assert secret not in str(answer)
    assert "sk-up" not in str(answer)


async def test_app_updated(api: Api) -> None:
    """Amounts are numbers."""
    await with_llm_and_app(api)
    changed = await api.put("/apps/2", {"monthly_budget": 10, "description": "d"})
    assert changed["data"] == {**APP_ROW, "monthly_budget": 10, "description": "d"}
    assert (await api.put("/apps/2", {"monthly_budget": 12.5}))["data"]["monthly_budget"] == 12.5


async def test_app_llms(api: Api) -> None:
    """A change answers its message alone."""
    await with_llm_and_app(api)
    assert await api.put("/apps/2/llms", {"llm_ids": [1]}) == {"message": "App LLMs updated successfully"}
    assert await api.get("/apps/2/llms") == {"data": [LLM_ROW]}


@pytest.mark.parametrize(
    ("path", "message"),
    [("/tokens", "Token created successfully"), ("/auth/token", "Token generated successfully")],
)
async def test_token_created(api: Api, path: str, message: str) -> None:
    """Shown this once; an expiry only where there is one."""
    await with_llm_and_app(api)
    body = {"app_id": 2, "name": "t1", "scopes": ["api"]}
    row = {"token": ANY, "name": "t1", "app_id": 2, "scopes": ["api"], "created_at": ANY}
    answer = await api.post(path, body)
    assert answer == {"data": row, "message": message}
    assert len(answer["data"]["token"]) > 40
    expiring = await api.post(path, {**body, "expires_in": 3_600_000_000_000})
    assert expiring["data"] == {**row, "expires_at": ANY}


async def test_a_repeated_token_is_not_shown_again(api: Api) -> None:
    """Its text is kept nowhere; the key is there, and empty."""
    await with_llm_and_app(api)
    headers = {"idempotency-key": "k"}
    assert (await api.post("/tokens", {"app_id": 2}, headers=headers))["data"]["token"]
    assert (await api.post("/tokens", {"app_id": 2}, headers=headers))["data"]["token"] == ""


async def test_tokens_listed_read_and_revoked(api: Api) -> None:
    """The newest first, all of them, without pages; one by itself, by its text."""
    await with_llm_and_app(api)
    secrets = [
        (await api.post("/tokens", {"app_id": 2, "name": f"t{number}", "scopes": ["api"]}))["data"]["token"]
        for number in range(1, 4)
    ]
    await api.store.touch_tokens({2: AT})
    row = {
        "id": 2,
        "name": "t1",
        "app_id": 2,
        "scopes": ["api"],
        "is_active": True,
        "created_at": ANY,
        "last_used": ANY,
    }
    listed = await api.get("/tokens", params={"app_id": 2, "limit": 1})
    assert listed.keys() == {"data"}
    assert [each["name"] for each in listed["data"]] == ["t3", "t2", "t1"]
    assert listed["data"][-1] == row
    assert await api.get(f"/tokens/{secrets[0]}") == {"data": row}
    assert await api.delete(f"/tokens/{secrets[0]}") == {"message": "Token revoked successfully"}


async def test_of_many_tokens_the_newest_are_listed(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """However they fall into the store's pages."""
    monkeypatch.setattr(renderer_module, "MAX_TOKENS", 2)
    await with_llm_and_app(api)
    assert (await api.get("/tokens", params={"app_id": 2}))["data"] == []
    for number in range(1, 4):
        await api.post("/tokens", {"app_id": 2, "name": f"t{number}"})
        names = [each["name"] for each in (await api.get("/tokens", params={"app_id": 2}))["data"]]
        assert names == [f"t{last}" for last in range(number, max(number - 2, 0), -1)]


async def test_token_validated(api: Api) -> None:
    """No ``data`` around it; a bad one is 401 with ``valid``."""
    await with_llm_and_app(api)
    token = (await api.post("/tokens", {"app_id": 2, "scopes": ["api"]}))["data"]["token"]
    good = await api.post("/auth/validate", {"token": token}, 200)
    assert good == {"app_id": 2, "expires_at": None, "scopes": ["api"], "valid": True}
    bad = await api.post("/auth/validate", {"token": "nope"}, 401)
    assert bad == {"error": "Invalid token", "message": "Invalid token", "valid": False}


async def test_price_created(api: Api) -> None:
    """Fully capitalised numbers; a cache price that was not given is the prompt's, and is charged, so it is shown."""
    body = {"vendor": "openai", "model_name": "gpt-4o-mini", "cpt": 6e-7, "cpit": 1.5e-7, "currency": "USD"}
    row = {
        "ID": 1,
        "CreatedAt": ANY,
        "ModelName": "gpt-4o-mini",
        "Vendor": "openai",
        "CPT": 6e-7,
        "CPIT": 1.5e-7,
        "CacheWritePT": 1.5e-7,
        "CacheReadPT": 1.5e-7,
        "Currency": "USD",
        "Namespace": "",
    }
    assert await api.post("/pricing", body) == {"data": row, "message": "Model price created successfully"}
    free = await api.post("/pricing", {**body, "model_name": "free", "cache_write_pt": 0, "cache_read_pt": 0})
    assert (free["data"]["CacheWritePT"], free["data"]["CacheReadPT"]) == (0, 0)


async def test_plugin_created_and_updated(api: Api) -> None:
    """All in lower case."""
    assert await api.post("/plugins", PLUGIN) == {"data": PLUGIN_ROW, "message": "Plugin created successfully"}
    changed = await api.put("/plugins/1", {"description": "…"})
    assert changed["data"] == {**PLUGIN_ROW, "description": "…"}


async def test_a_plugin_of_several_hooks_names_them(api: Api) -> None:
    """The first is its ``hook_type``; one without any has none."""
    several = await api.post("/plugins", {**PLUGIN, "hook_types": ["post_auth", "response"]})
    assert several["data"]["hook_type"] == "post_auth"
    assert several["data"]["hook_types"] == ["post_auth", "response"]
    assert several["data"]["hook_types_customized"] is True
    none = await api.post("/plugins", {"name": "n", "command": PLUGIN["command"]})
    assert (none["data"]["hook_type"], none["data"]["hook_types"]) == ("", None)


async def test_llm_plugins(api: Api) -> None:
    """Attached and detached with a message alone; read as plugin rows; listed with their LLMs."""
    await api.post("/llms", MOCK_GPT)
    await api.post("/plugins", PLUGIN)
    done = {"message": "LLM plugins updated successfully"}
    assert await api.put("/llms/1/plugins", {"plugin_ids": [1]}) == done
    assert await api.get("/llms/1/plugins") == {"data": [PLUGIN_ROW]}
    pages = {"limit": 20, "page": 1, "total": 1, "total_pages": 1}
    assert await api.get("/plugins") == {"data": [{**PLUGIN_ROW, "llms": [LLM_ROW]}], "pagination": pages}
    assert await api.put("/llms/1/plugins", {"plugin_ids": []}) == done
    assert await api.get("/llms/1/plugins") == {"data": []}


async def test_an_unknown_plugin_is_not_attached(api: Api) -> None:
    """Where the reference answers 200 and attaches nothing: 400, so that a slip is seen."""
    await api.post("/llms", MOCK_GPT)
    refused = await api.put("/llms/1/plugins", {"plugin_ids": [77]}, 400)
    assert refused.keys() == {"error", "message"}
    assert "77" in refused["message"]


async def test_plugin_tested(api: Api) -> None:
    """The checks of the reference, and the reason where it cannot be loaded."""
    await api.post("/plugins", PLUGIN)
    tests = ["command_validation", "config_parsing", "hook_type_validation", "checksum_verification"]
    details = {"config_keys": 1, "config_parsed": True, "hook_type_valid": True, "tests_run": tests}
    data = {
        "details": details,
        "hook_type": "post_auth",
        "message": "Basic plugin validation completed successfully",
        "plugin_id": 1,
        "plugin_name": "Request enricher",
        "status": "passed",
    }
    done = {"data": data, "message": "Plugin test completed successfully"}
    assert await api.post("/plugins/1/test", {}, 200) == done
    api.plugins.broken[str(PLUGIN["command"])] = "no such class"
    failed = await api.post("/plugins/1/test", {}, 200)
    assert (failed["data"]["status"], failed["message"]) == ("failed", "Plugin test failed")
    assert "no such class" in failed["data"]["message"]


def ready(plugin_id: int, **values: Any) -> PluginHealth:
    """An instance that serves."""
    made: dict[str, Any] = {"key": str(plugin_id), "plugin_id": plugin_id, "name": "p", "status": "ready", "error": ""}
    times = {"is_serving": True, "attempted_at": AT, "load_micros": 38_069, "failures": 0}
    return PluginHealth(**{**made, **times, **values})


async def test_plugins_health(api: Api) -> None:
    """No ``data`` around it; only plugins that were loaded; times in nanoseconds."""
    await api.post("/plugins", PLUGIN)
    await api.post("/plugins", {**PLUGIN, "name": "idle"})
    api.plugins.found = [ready(1)]
    row = {
        "id": 1,
        "name": "Request enricher",
        "command": PLUGIN["command"],
        "hook_type": "post_auth",
        "status": "ready",
        "last_attempt": ANY,
        "is_oci": False,
        "load_time": 38_069_000,
    }
    assert await api.get("/plugins/health") == {"plugins": {"1": row}, "summary": SUMMARY_OF_ONE}
    api.plugins.found = [ready(1, status="failed", error="no such class")]
    failed = await api.get("/plugins/health")
    assert failed["plugins"]["1"]["error"] == "no such class"
    assert (failed["summary"]["all_ready"], failed["summary"]["failed_plugins"]) == (False, 1)


async def test_plugin_deleted(api: Api) -> None:
    """An unknown one is 404 in the reference's words."""
    await api.post("/plugins", PLUGIN)
    assert await api.delete("/plugins/1") == {"message": "Plugin deleted successfully"}
    refused = {"error": "Plugin not found", "message": "plugin not found: 99"}
    assert await api.delete("/plugins/99", 404) == refused


async def test_oci_status(api: Api) -> None:
    """There are none, and that is no error."""
    found = await api.get("/plugins/oci/status")
    assert found == {"cache_size": 0, "cached_plugins": None, "enabled": False, "stats": {}}
    assert (await api.get("/plugins/oci/status", 401, headers=bearer("nope")))["error"] == "Unauthorized"


async def test_filters_say_what_does_it_now(api: Api) -> None:
    """501, in the reference's shape."""
    refused = await api.post("/filters", {"name": "f1", "script": "x := 1", "is_active": True}, 501)
    assert refused.keys() == {"error", "message"}
    assert "plugins" in refused["message"]


async def test_system(api: Api) -> None:
    """A reload that scripts ask for, and the figures they read."""
    reloaded = {"message": "AI Gateway configuration reloaded successfully"}
    assert await api.post("/system/reload", {}, 200) == reloaded
    analytics = {"buffer_size": 0, "enabled": True, "flush_interval": 0, "max_buffer_size": 0, "realtime": True}
    tokens = {"TotalTokens": 1, "ActiveTokens": 1, "ExpiredTokens": 0, "AppsWithTokens": 1}
    data = {
        "build_hash": "unknown",
        "build_time": "unknown",
        "service": "microgateway",
        "stats": {"analytics": analytics, "tokens": tokens},
        "status": "running",
        "version": "0.0.0",
    }
    assert await api.get("/system/info") == {"data": data}


async def test_probes(api: Api) -> None:
    """The paths outside of the API, which need no token."""
    api.plugins.found = [ready(1)]

    async def probe(path: str) -> Any:
        return (await api.client.get(path, headers={"authorization": ""})).json()

    assert await probe("/health") == {"service": "microgateway", "status": "ok"}
    assert await probe("/ready") == {"plugin_health": SUMMARY_OF_ONE, "service": "microgateway", "status": "ready"}
    assert await probe("/health/detailed") == {
        "database": {"status": "healthy"},
        "plugins": {"all_ready": True, "oci_stats": ANY, "summary": SUMMARY_OF_ONE},
        "service": "microgateway",
        "status": "healthy",
    }
    service = {"build_hash": "unknown", "build_time": "unknown", "service": "microgateway", "status": "running"}
    assert await probe("/") == {**service, "version": "0.0.0"}


async def test_what_the_reference_has_not_is_clean(api: Api) -> None:
    """Rotation and the audit are ours."""
    await with_llm_and_app(api)
    await api.post("/tokens", {"app_id": 2, "name": "t"})
    rotated = await api.post("/tokens/2/rotate", {})
    assert rotated["data"]["id"] == 3
    assert rotated["data"]["token"]
    assert (await api.get("/audit"))["data"][0]["kind"] == "token"


async def test_no_token_and_no_right(api: Api) -> None:
    """401 and 403 in the reference's words."""
    await with_llm_and_app(api)
    token = (await api.post("/tokens", {"app_id": 2}))["data"]["token"]
    missing = {"error": "Unauthorized", "message": "Missing or invalid authorization token"}
    assert await api.get("/llms", 401, headers={"authorization": ""}) == missing
    assert await api.get("/llms", 401, headers=bearer("unknown")) == missing
    denied = {"error": "Forbidden", "message": "Insufficient permissions"}
    assert await api.get("/llms", 403, headers=bearer(token)) == denied


async def test_a_script_of_its_client_runs(api: Api) -> None:
    """The calls of a first hour, with their bodies as they are and a content type that is wrong."""
    async with httpx.AsyncClient(transport=api.client._transport, base_url=BASE) as client:
        headers = {**bearer(ADMIN), "content-type": "application/x-www-form-urlencoded"}
        text = '{"name":"Mock GPT","vendor":"openai","endpoint":"http://127.0.0.1:19001/v1","default_model":"m"}'
        made = await client.post("/api/v1/llms", content=text, headers=headers)
        assert (made.status_code, made.json()["data"]["ID"]) == (201, 1)
