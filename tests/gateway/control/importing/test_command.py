"""``sluice import`` from one end to the other: an export goes in, and the gateway has what the other had."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.access.credentials import hash_token
from gateway.settings import Settings
from sluice.settings import load_settings
from tests.gateway.control.admin.shell import Shell
from tests.gateway.control.api.harness import ADMIN
from tests.gateway.control.importing.conftest import TOKEN, app, save
from tests.gateway.control.importing.test_litellm import CONFIG


def test_an_export_comes_over(shell: Shell, export: Path) -> None:
    """Twice; status 1 for what cannot come (keys, and tokens without their option), unless that is allowed."""
    result = shell.run("import", str(export), "--token", ADMIN, code=1)
    assert "made: LLM Mock GPT" in result.stdout
    assert "not carried over: LLM Mock GPT: its vendor key" in result.stderr
    assert "--tokens" in result.stderr
    llms = shell.json("llms", "list")["data"]
    assert [(row["slug"], row["plugin_ids"]) for row in llms] == [("mock-gpt", [1]), ("other", [])]
    again = shell.run("import", str(export), "--token", ADMIN, "--allow-partial")
    assert "0 made" in again.stdout
    assert shell.json("llms", "list")["data"] == llms


def test_tokens_come_over_into_the_database(shell: Shell, export: Path) -> None:
    """Of the gateway that was asked: its clients go on with what they have."""
    config = shell.write("sluice.yaml", f"data_dir: {shell.folder}\n")
    arguments = ["import", str(export), "--tokens", "--config", str(config), "--token", ADMIN, "--allow-partial"]
    shell.run(*arguments)
    (found,) = shell.store(shell.api.store.tokens.find, sha256=hash_token(TOKEN)).items
    assert found.name == "t3"
    shell.store(shell.api.snapshots.refresh)
    identity = shell.api.snapshots.authenticate(TOKEN)
    assert identity is not None
    assert identity.app_id == shell.store(shell.api.store.apps.find, name="bench").items[0].id
    assert "exists already: token t3 of app bench" in shell.run(*arguments).stdout


def test_a_dry_run_says_what_would_be(shell: Shell, export: Path) -> None:
    """And asks for nothing to be made."""
    result = shell.run("import", str(export), "--dry-run", "--json", "--token", ADMIN, code=1)
    report = json.loads(result.stdout)
    assert "LLM Mock GPT" in report["made"]
    assert {request.method for request in shell.requests} == {"GET"}
    target = shell.folder / "new.yaml"
    shell.run("import", str(export), "--dry-run", "-o", str(target), "--allow-partial")
    assert not target.exists()


def test_a_settings_file_comes_out(shell: Shell, export: Path) -> None:
    """With the tokens; no gateway is asked, no token is in it."""
    target = shell.folder / "new.yaml"
    shell.run("import", str(export), "--output", str(target), code=1)
    assert shell.requests == []
    assert TOKEN not in target.read_text()
    settings = load_settings(target, Settings)
    assert {llm.slug: llm.id for llm in settings.llms} == {"mock-gpt": 7, "other": 9}
    assert hash_token(TOKEN) in {token.sha256 for token in settings.tokens}
    assert "new.yaml" in shell.run("import", str(export), "--output", str(target), code=2).stderr


def test_what_all_came_over_is_0(shell: Shell) -> None:
    """Without any option."""
    shell.run("import", str(save(shell.folder / "e", apps=[app(2, "x")])), "--token", ADMIN)


def test_litellm_s_file_comes_over(shell: Shell) -> None:
    """Over the API, whose policy holds: a private address needs its setting, which this gateway has."""
    config = shell.write("config.yaml", CONFIG)
    result = shell.run("import", str(config), "--token", ADMIN, "--allow-partial")
    assert "made: LLM gpt-4o" in result.stdout
    rows = {row["slug"]: row for row in shell.json("llms", "list")["data"]}
    assert rows["gpt-4o"]["api_key_source"] == "env:OPENAI_KEY_EU"
    assert rows["vllm-models"]["failover_llm_ids"] == [rows["gpt-4o"]["id"], rows["gpt-4o-2"]["id"]]
    assert shell.json("prices", "list")["data"][0]["model_name"] == "gpt-4o"


@pytest.mark.parametrize("name", ["away.json", "broken.json"])
def test_what_is_no_export_is_status_2(shell: Shell, name: str) -> None:
    """And nothing is asked."""
    shell.write("broken.json", "{")
    assert name in shell.run("import", str(shell.folder / name), "--token", ADMIN, code=2).stderr
    assert shell.requests == []


def test_a_database_that_cannot_be_used_is_status_2(shell: Shell, export: Path) -> None:
    """What was made until then is told."""
    config = shell.write("sluice.yaml", "data_dir: [\n")
    result = shell.run(
        "import", str(export), "--tokens", "-c", str(config), "--url", "http://h", "--token", ADMIN, code=2
    )
    assert "sluice.yaml" in result.stderr


def test_its_help_has_an_example(shell: Shell) -> None:
    """To copy."""
    assert "Example: sluice import export/ --tokens --dry-run" in " ".join(shell.run("import", "--help").stdout.split())
