"""Plugins as collectors: the page's Elasticsearch example and plugins in Go, on events of a gateway that runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.go_build import GoPlugins
from tests.integration.managing import made
from tests.integration.plugin_gateway import EXAMPLES, SECONDS, install, open_edge, plugin_folder, write_executable
from tests.integration.stores import searched
from tests.integration.waiting import until_found
from tests.servers import Elasticsearch

EXCHANGES = 4
PRICE = {"vendor": "openai", "model_name": "gpt-4o*", "cpt": 6e-7, "cpit": 1.5e-7}
COST = 1.35e-05
"""Of 10 prompt and 20 response tokens."""
FIELDS = {
    "proxy-logs": {"app_id", "user_id", "vendor", "request_body", "response_body", "response_code", "request_id"},
    "analytics": {
        "llm_id", "model_name", "vendor", "prompt_tokens", "response_tokens", "total_tokens", "cost", "request_id",
    },
    "budget": {"app_id", "llm_id", "tokens_used", "cost", "requests_count", "period_start", "period_end"},
}  # fmt: skip
"""The documents of each kind, as the page has them, beside ``@timestamp``."""


def example(folder: Path, prefix: str) -> Path:
    """The page's collector, whose indices are this test's alone: there is one Elasticsearch for the whole run."""
    path = folder / f"{prefix}.py"
    path.write_text((EXAMPLES / "elasticsearch_collector.py").read_text().replace("microgateway-", f"{prefix}-"))
    return path


async def documents(url: str, prefix: str) -> dict[str, dict[str, Any]]:
    """What lies in the indices that begin so, by its id, with the rest of the index's name."""
    async with httpx.AsyncClient(base_url=url, timeout=10) as client:
        (await client.post(f"/{prefix}-*/_refresh")).raise_for_status()
        answer = await searched(client, f"/{prefix}-*/_search", {"size": 1000})
    hits = answer.json()["hits"]["hits"]
    return {hit["_id"]: {**hit["_source"], "index": hit["_index"].removeprefix(f"{prefix}-")} for hit in hits}


async def test_plugins_collect(
    tmp_path: Path, unique_name: str, elasticsearch_server: Elasticsearch, go_plugins: GoPlugins
) -> None:
    """Each has every event once: in the collector's process and in one of its own, in Python and in Go."""
    config = {"elasticsearch_url": elasticsearch_server.address}
    folder = plugin_folder(tmp_path)
    here, there = f"{unique_name}-here", f"{unique_name}-there"
    served = write_executable(folder, example(tmp_path, there), "ElasticsearchCollector")
    entries: list[dict[str, Any]] = [
        {"name": "in_process", "path": str(example(tmp_path, here)), "config": config},
        {"name": "process", "path": f"file://{served}", "config": config},
        {"name": "go", "path": install(folder, go_plugins.unified), "config": {"collect_to": str(tmp_path / "go.txt")}},
        {"name": "go_legacy", "path": install(folder, go_plugins.legacy("data_collection"))},
    ]
    async with open_edge(tmp_path, unique_name, entries=entries) as edge:
        await made(edge.manager, "/pricing", **PRICE)
        target = await edge.target()
        answers = [
            await target.ask("prompt_tokens=10;response_tokens=20", x_request_id=f"r{n}") for n in range(EXCHANGES)
        ]

        async def arrived() -> bool:
            counts = [len(await documents(elasticsearch_server.address, prefix)) for prefix in (here, there)]
            passed = [await delivered(edge.stack.collector, name) for name in ("go", "go_legacy")]
            return [*counts, *passed] == [3 * EXCHANGES] * 4

        await until_found(arrived, SECONDS, "every event at every collector")
        found = [await documents(elasticsearch_server.address, prefix) for prefix in (here, there)]
        assert found[0] == found[1]
    check_documents(found[0], answers[0], target.app_id)
    lines = sorted((tmp_path / "go.txt").read_text().splitlines())
    kinds = ("analytics", "budget", "proxy_log")
    assert lines == [f"{kind} r{number} {target.app_id}" for kind in kinds for number in range(EXCHANGES)]


def check_documents(found: Mapping[str, Mapping[str, Any]], answer: httpx.Response, app_id: int) -> None:
    """The page's fields, in the page's indices of the day, with what the exchange was."""
    exchange = answer.headers["x-sluice-exchange-id"]
    log, analytics, budget = (found[f"{exchange}-{suffix}"] for suffix in "pab")
    day = log["@timestamp"][:10].replace("-", ".")
    assert [each["index"] for each in (log, analytics, budget)] == [f"{kind}-{day}" for kind in FIELDS]
    assert [set(each) - {"index", "@timestamp"} for each in (log, analytics, budget)] == list(FIELDS.values())
    assert (log["app_id"], log["vendor"], log["response_code"], log["request_id"]) == (app_id, "openai", 200, "r0")
    assert (log["response_body"], '"hi"' in log["request_body"]) == (answer.text, True)
    assert [analytics[f"{kind}_tokens"] for kind in ("prompt", "response", "total")] == [10, 20, 30]
    assert analytics["cost"] == budget["cost"] == COST
    assert (budget["tokens_used"], budget["requests_count"]) == (30, 1)
    assert budget["period_start"] <= budget["@timestamp"] < budget["period_end"]


async def delivered(collector: Any, service: str) -> int:
    """How many events a service's plugin has taken."""
    return int(await collector.metric("sluice_collector_records_total", f'service="{service}"', 'outcome="delivered"'))
