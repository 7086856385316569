"""The demo's two settings files, as text."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sluice.dev.demo.cast import LLMS, NEWCOMER_ID, TEAMS, Llm, Team

FORBIDDEN = "ignore all previous instructions"
"""What the demo's firewall blocks."""
LIVE_LABEL = "demo:live"
HISTORY_LABEL = "demo:history"

_SLUICE = """# Made by `sluice up --demo`. Edit it: it is not written again while it is here.
version: "1"
data_dir: {folder}/data
gateway: {{id: demo, host: 127.0.0.1, port: {gateway_port}}}
budget: {{ask_timeout_seconds: 10}}   # for machines that are busy with other things
control: {{allow_private_endpoints: true, events: {{{events}}}}}
console: {{collectors: ["http://127.0.0.1:{collectors_port}"]}}
{kafka}
llms:   # all of them are the mock vendor, which speaks as each vendor does
  - id: 1
    slug: demo
    name: The mock vendor
    base_url: http://127.0.0.1:{vendor_port}/v1
    default_model: mock-small
    plugins: [firewall]
    labels: ['{label}']
  - id: 2
    slug: broken
    name: A vendor whose server is down
    base_url: http://127.0.0.1:1/v1
    labels: ['{label}']
{llms}
apps:
  - {{id: {newcomer}, name: demo, user_id: {newcomer}, llms: [demo, broken]}}
{apps}
tokens:
{tokens}
prices:   # per million tokens; what no line here is for costs what its vendor publishes
  - {{id: mock, model: "mock-*", currency: USD, prompt: "0.15", response: "0.60", cache_read: "0.075"}}

plugins:
  - id: 1
    name: firewall
    command: python://sluice.plugins.firewall:Firewall
    config: {{patterns: ['{forbidden}']}}
  - id: 2
    name: prompt_size_limit
    command: python://sluice.plugins.prompt_size_limit:PromptSizeLimit
    config: {{max_body_bytes: 100000}}
"""
_LLM = """  - id: {id}
    slug: {slug}
    name: {name}
    vendor: {vendor}
    base_url: http://127.0.0.1:{vendor_port}{path}
    plugins: [firewall, prompt_size_limit]
    labels: ['{label}']
"""
_APP = (
    "  - {{id: {id}, name: {name}, user_id: {id}, llms: [{llms}], monthly_budget: '{budget}', rate_limit_rpm: {rpm}}}\n"
)
_CREDENTIAL = "  - {{app: {app}, prefix: {prefix}, sha256: {sha256}}}\n"
_KAFKA = "kafka: {bootstrap_servers: '${KAFKA_BOOTSTRAP}', single_broker: true}\n"

_COLLECTORS = """# Made by `sluice up --demo`. Edit it: it is not written again while it is here.
version: "1.0"
server: {{host: 127.0.0.1, port: {collectors_port}}}
shutdown_seconds: 4
data_collection_plugins:
  - name: events
    path: {sink}
    config: {{{config}}}
    batch: {{max_age_seconds: 0.2}}
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the three services listen."""

    gateway: int
    vendor: int
    collectors: int


def sluice_text(folder: Path, database: Path, ports: Ports, tokens: Mapping[int, str], *, real: bool) -> str:
    """``sluice.yaml``; of ``tokens``, by app, it has the hashes alone."""
    return _SLUICE.format(
        folder=folder.as_posix(),
        gateway_port=ports.gateway,
        vendor_port=ports.vendor,
        collectors_port=ports.collectors,
        events=_events(database, real=real),
        kafka=_KAFKA if real else "",
        label=LIVE_LABEL,
        llms="".join(_llm(llm, ports.vendor) for llm in LLMS),
        newcomer=NEWCOMER_ID,
        apps="".join(_app(team) for team in TEAMS),
        tokens="".join(_token(app, token) for app, token in tokens.items()),
        forbidden=FORBIDDEN,
    )


def collectors_text(database: Path, ports: Ports, *, real: bool) -> str:
    """``collectors.yaml``."""
    return _COLLECTORS.format(
        collectors_port=ports.collectors,
        sink="sink://elasticsearch" if real else "sink://database",
        config="elasticsearch_url: '${ES_URL}'" if real else f"url: sqlite:///{database.as_posix()}",
    )


def _events(database: Path, *, real: bool) -> str:
    """Where the control API reads what the collector wrote."""
    return "elasticsearch_url: '${ES_URL}'" if real else f"database_url: 'sqlite:///{database.as_posix()}'"


def _llm(llm: Llm, vendor_port: int) -> str:
    return _LLM.format(
        id=llm.id,
        slug=llm.slug,
        name=llm.name,
        vendor=llm.vendor,
        vendor_port=vendor_port,
        path=llm.path,
        label=LIVE_LABEL,
    )


def _app(team: Team) -> str:
    llms = ", ".join(team.llms)
    return _APP.format(id=team.id, name=team.name, llms=llms, budget=team.budget, rpm=team.requests_a_minute)


def _token(app: int, token: str) -> str:
    return _CREDENTIAL.format(app=app, prefix=token[:8], sha256=hashlib.sha256(token.encode()).hexdigest())
