"""Managing a gateway that runs: over REST as scripts do it, from an empty database to an answered exchange."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx

from gateway.control.bootstrap import APP_ID
from sluice.dev.vendor import MockVendor
from tests.integration.managing import bare, made, manager_of, run
from tests.integration.waiting import until_found

SCRIPT = """
curl -X POST http://localhost:3000/api/v1/plugins -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" -d '{
    "name": "My Plugin",
    "slug": "my-plugin",
    "description": "Custom plugin",
    "command": "python://sluice.plugins.request_enricher:RequestEnricher",
    "hook_type": "post_auth",
    "is_active": true,
    "plugin_type": "gateway"
  }'
curl -X PUT http://localhost:3000/api/v1/llms/1/plugins -H "Authorization: Bearer $TOKEN" -d '{"plugin_ids": [1]}'
curl -X POST http://localhost:3000/api/v1/llms/1/proxy/v1/chat/completions -H "Authorization: Bearer $TOKEN" -d '{"messages": [{"role": "user", "content": "test"}]}'
"""  # noqa: E501 - as it is written on the page that people copy it from
PRICE = {"vendor": "openai", "model_name": "gpt-4o*", "cpt": 6e-7, "cpit": 1.5e-7}
USED = 25


async def test_the_script_that_people_copy_runs(tmp_path: Path, mock_vendor: MockVendor, unique_name: str) -> None:
    """Create a plugin, attach it, call the LLM by its id: one token, from the first admin token on, no reload."""
    stack = bare(tmp_path, unique_name)
    async with stack.running(collector=False), manager_of(stack) as manager:
        await made(manager, "/llms", name="Mock GPT", vendor="openai", endpoint=mock_vendor.url, default_model="gpt-4o")
        assert (await manager.put(f"/apps/{APP_ID}/llms", json={"llm_ids": [1]})).status_code == 200
        token = manager.headers["authorization"].removeprefix("Bearer ")
        created, attached, answered = await run(SCRIPT, stack.url, token)
        assert created["data"]["slug"] == "my-plugin"
        assert [plugin["id"] for plugin in attached["data"]] == [1]
        assert answered["choices"][0]["message"]["content"]


async def test_what_was_spent_is_what_analytics_say(tmp_path: Path, mock_vendor: MockVendor, unique_name: str) -> None:
    """An app with a budget, used through two workers: budget status and analytics have every nano, and only once."""
    stack = bare(tmp_path, unique_name)
    async with stack.running(), manager_of(stack) as manager:
        llm = await made(manager, "/llms", name="Mock GPT", vendor="openai", endpoint=mock_vendor.url)
        await made(manager, "/pricing", **PRICE)
        app = await made(manager, "/apps", name="spender", owner_email="s@example.com", llm_ids=[llm["id"]])
        token = await made(manager, "/tokens", app_id=app["id"], name="t", scopes=["api"])
        changed = await manager.put(f"/budgets/{app['id']}", content=json.dumps({"monthly_budget": "1.25"}))
        assert changed.status_code == 200, changed.text
        headers = {"authorization": f"Bearer {token['token']}"}
        async with httpx.AsyncClient(base_url=stack.url, headers=headers, timeout=30) as client:
            body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
            calls = [client.post("/llm/call/mock-gpt/chat/completions", json=body) for _ in range(USED)]
            answers = await asyncio.gather(*calls)
        assert [answer.text for answer in answers if answer.status_code != 200] == []
        usages = [answer.json()["usage"] for answer in answers]
        nanos = sum(150 * usage["prompt_tokens"] + 600 * usage["completion_tokens"] for usage in usages)

        async def status() -> Any:
            found = (await manager.get(f"/budgets/{app['id']}/usage")).json()["data"]
            return found if found["requests_count"] == USED else None

        assert (await until_found(status, 60, "the budget's report"))["current_usage_nanos"] == nanos

        async def summary() -> Any:
            found = (await manager.get("/analytics/summary", params={"app_id": app["id"]})).json()["data"]
            return found if found["total_requests"] == USED else None

        found = await until_found(summary, 60, "the documents")
        assert [cost["nanos"] for cost in found["total_costs"]] == [nanos]
        assert found["prompt_tokens"] == sum(usage["prompt_tokens"] for usage in usages)
