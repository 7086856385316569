"""Plugins on LLMs, LLMs of apps, tokens after tokens: from the shell."""

from __future__ import annotations

import pytest

from tests.gateway.control.admin.shell import Shell


@pytest.fixture
def made(shell: Shell) -> Shell:
    """LLMs 1 and 2, app 2, plugins 1 to 3, tokens 2 and 3 of app 2."""
    for name in ("one", "two"):
        shell.admin("llms", "create", f"name={name}", "vendor=openai", "endpoint=http://127.0.0.1:9/v1")
    for name in ("a", "b", "c"):
        shell.admin("plugins", "create", f"name={name}", f"command=python://shields:{name.upper()}")
    shell.admin("apps", "create", "name=bench")
    shell.admin("tokens", "create", "app_id=2", "name=t2")
    shell.admin("tokens", "create", "app_id=2", "name=t3")
    return shell


def test_plugins_are_attached_in_order(made: Shell) -> None:
    """Exactly those; taking all away must be said."""
    assert [row["id"] for row in made.json("plugins", "attach", "1", "3", "1")["data"]] == [3, 1]
    assert [row["id"] for row in made.json("plugins", "attached", "1")["data"]] == [3, 1]
    assert "--none" in made.admin("plugins", "attach", "1", code=2).stderr
    assert "--none" in made.admin("plugins", "attach", "1", "3", "--none", code=2).stderr
    assert made.json("plugins", "attach", "1", "--none")["data"] == []
    assert "77" in made.admin("plugins", "attach", "1", "77", code=1).stderr
    assert len(made.admin("plugins", "attached", "2").stdout.splitlines()) == 1


def test_an_attachment_has_settings_of_its_own(made: Shell) -> None:
    """Changed by name, else shown."""
    made.admin("plugins", "attach", "1", "3")
    assert made.json("plugins", "configure", "1", "3", "app_id=2")["data"]["app_id"] == 2
    changed = made.json("plugins", "configure", "1", "3", 'config={"a": 1}')["data"]
    assert made.json("plugins", "configure", "1", "3")["data"] == changed
    assert (changed["app_id"], changed["config"]) == (2, {"a": 1})


def test_a_plugin_is_tried(made: Shell) -> None:
    """Status 1 with the reason where it cannot be loaded."""
    assert "passed" in made.admin("plugins", "test", "1").stdout
    made.api.plugins.broken["python://shields:A"] = "no such class"
    assert "no such class" in made.admin("plugins", "test", "1", code=1).stdout


def test_the_health_of_plugins(made: Shell) -> None:
    """A row for each."""
    assert [line.split()[0] for line in made.admin("plugins", "health").stdout.splitlines()] == ["id", "1", "2", "3"]
    assert made.json("plugins", "health")["data"]["summary"]["total_plugins"] == 3


def test_apps_are_linked(made: Shell) -> None:
    """Exactly to those."""
    assert made.json("apps", "link", "2", "2", "1")["data"]["llm_ids"] == [1, 2]
    assert made.json("apps", "link", "2", "2")["data"]["llm_ids"] == [2]
    assert made.json("apps", "link", "2", "--none")["data"]["llm_ids"] == []
    assert made.admin("apps", "link", "2", code=2).stderr


def test_a_token_is_rotated(made: Shell) -> None:
    """A new one is shown; the old one's end is set."""
    new = made.json("tokens", "rotate", "2", "--overlap-seconds", "60")["data"]
    assert new["token"]
    assert made.json("tokens", "show", "2")["data"]["expires_at"] is not None


def test_a_token_is_revoked_by_id_or_by_itself(made: Shell) -> None:
    """Itself stands on no command line, and in no request's path."""
    secret = made.json("tokens", "create", "app_id=2")["data"]["token"]
    made.requests.clear()
    made.admin("tokens", "revoke", secret, code=2)
    assert made.requests == []
    made.admin("tokens", "revoke", "-", stdin=f"{secret}\n")
    assert secret not in str(made.requests[0].url)
    made.admin("tokens", "revoke", "2")
    assert [row["id"] for row in made.json("tokens", "list", "app_id=2")["data"]] == [3]
