"""The demo's settings files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import yaml

from gateway.settings import Settings
from sluice.dev.demo.cast import LLMS, TEAMS
from sluice.dev.demo.files import LIVE_LABEL, Ports, collectors_text, sluice_text
from sluice.settings import load_settings

PORTS = Ports(1111, 2222, 3333)


def settings(folder: Path) -> Settings:
    """What the gateway makes of it."""
    file = folder / "sluice.yaml"
    tokens = {team.id: f"token-of-{team.name}" for team in TEAMS}
    file.write_text(sluice_text(folder, folder / "events.db", PORTS, tokens, real=False))
    return load_settings(file, Settings, {})


def test_every_llm_is_the_mock_vendor_and_every_exchange_says_that_it_is_the_demo_s(tmp_path: Path) -> None:
    """Nobody's vendor is called by a demo, and nobody takes its events for real ones."""
    llms = settings(tmp_path).llms
    assert {llm.vendor for llm in llms} == {"openai", *(llm.vendor for llm in LLMS)}
    for llm in llms:
        assert llm.labels == (LIVE_LABEL,)
        assert llm.base_url.startswith("http://127.0.0.1:2222" if llm.slug != "broken" else "http://127.0.0.1:1/")


def test_each_team_has_its_limits_and_the_hash_of_its_token(tmp_path: Path) -> None:
    """Its own LLMs and no other; the token itself is not in the file."""
    made = settings(tmp_path)
    apps = {app.id: app for app in made.apps}
    tokens = {token.app: token for token in made.tokens}
    for team in TEAMS:
        app = apps[team.id]
        assert (app.name, app.llms, app.monthly_budget) == (team.name, team.llms, team.budget)
        assert app.rate_limit_rpm == team.requests_a_minute
        assert tokens[team.id].sha256 == hashlib.sha256(f"token-of-{team.name}".encode()).hexdigest()
        assert f"token-of-{team.name}" not in (tmp_path / "sluice.yaml").read_text()


def test_the_collectors_write_where_the_gateway_reads(tmp_path: Path) -> None:
    """One events database, and the port under which the console asks them."""
    made = yaml.safe_load(collectors_text(tmp_path / "events.db", PORTS, real=False))
    assert made["server"]["port"] == PORTS.collectors
    (entry,) = made["data_collection_plugins"]
    assert entry["config"]["url"] == settings(tmp_path).control.events.database_url
