"""``sluice plugins``: what runs, from the shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.settings import ControlSettings
from sluice.plugin_host.health import PluginHealth
from sluice.plugin_host.running import Described
from sluice.plugin_host.tally import HookFigures
from sluice.plugin_kit.scaffold import write_scaffold
from sluice.sdk.capabilities import Hook
from tests.gateway.control.admin.shell import Shell
from tests.gateway.control.api.harness import ADMIN

TOKEN = ("--token", ADMIN)


@pytest.fixture
def made(shell: Shell) -> Shell:
    """Two plugins, the second attached before the first; the second has been called."""
    shell.admin("llms", "create", "name=one", "vendor=openai", "endpoint=http://127.0.0.1:9/v1")
    for name in ("a", "b"):
        shell.admin("plugins", "create", f"name={name}", f"command=python://shields:{name.upper()}")
    shell.admin("plugins", "attach", "1", "2", "1")
    figures: dict[Hook, HookFigures] = {"post_auth": HookFigures(calls=7, failures=2, p50_micros=3, p99_micros=40)}
    found = PluginHealth(
        "2", 2, "b", "ready", "", True, 0, 0, 2, version="1.2.3", figures=figures, breaker="open", breaker_openings=1,
        restarts=2,
    )  # fmt: skip
    shell.api.plugins.found = [found]
    return shell


def test_plugins_are_listed_as_they_run(made: Shell) -> None:
    """Name, version, capabilities, order, health, timings; one that runs nowhere is listed too."""
    rows = json.loads(made.run("plugins", "--json", *TOKEN).stdout)
    assert [(row["name"], row["order"]) for row in rows] == [("a", "one:2"), ("b", "one:1")]
    first, second = rows
    assert (first["health"], first["version"]) == ("unknown", "-")
    assert (second["health"], second["version"], second["hooks"]) == (
        "ready, breaker open, 2 restarts", "1.2.3", "post_auth",
    )  # fmt: skip
    assert [second[key] for key in ("calls", "failures", "p50 µs", "p99 µs")] == [7, 2, 3, 40]
    lines = made.run("plugins", *TOKEN).stdout.splitlines()
    assert lines[0].split()[:4] == ["name", "version", "where", "health"]
    assert len(lines) == 3
    assert [request.url.path for request in made.requests[-2:]].count("/api/v1/llms") == 1


class TestOfTheReference:
    """Against a gateway that answers in the reference's dialect."""

    @pytest.fixture
    def control(self) -> ControlSettings:
        return ControlSettings(dialect="reference", allow_private_endpoints=True)

    def test_they_are_listed_too(self, made: Shell) -> None:
        """With what its answers have: those that are loaded, their order and their health."""
        (row,) = json.loads(made.run("plugins", "--json", *TOKEN).stdout)
        assert (row["name"], row["order"], row["health"]) == ("b", "one:1", "ready")
        assert "b" in made.run("plugins", *TOKEN).stdout
        made.api.plugins.said["python://shields:A"] = Described(name="a", config_schema={"type": "object"})
        assert json.loads(made.run("plugins", "schema", "a", *TOKEN).stdout) == {"type": "object"}


def test_where_there_are_none_the_first_step_is_named(shell: Shell) -> None:
    """Rather than an empty table."""
    assert "sluice plugins new" in shell.run("plugins", *TOKEN).stdout


def test_a_registered_plugin_s_schema_is_printed(made: Shell) -> None:
    """By its name or its slug; what says nothing takes anything."""
    schema = {"type": "object", "required": ["token"]}
    made.api.plugins.said["python://shields:A"] = Described(name="a", config_schema=schema)
    assert json.loads(made.run("plugins", "schema", "a", *TOKEN).stdout) == schema
    assert json.loads(made.run("plugins", "schema", "b", *TOKEN).stdout) == {"type": "object"}
    assert "'zebra'" in made.run("plugins", "schema", "zebra", *TOKEN, code=1).stderr


def test_a_file_s_schema_needs_no_gateway(shell: Shell, tmp_path: Path) -> None:
    """Nor a configuration."""
    made = write_scaffold("mine", tmp_path, "auth")
    found = json.loads(shell.run("plugins", "schema", str(made.plugin)).stdout)
    assert sorted(found["required"]) == ["app_id", "token"]
    assert "gone.py" in shell.run("plugins", "schema", "gone.py", code=1).stderr
    assert shell.requests == []


def test_a_new_plugin_is_written_and_looked_at(shell: Shell, tmp_path: Path) -> None:
    """From the shell alone: 0 where it is good, 1 where it is not or cannot be."""
    written = json.loads(shell.run("plugins", "new", "mine", "--folder", str(tmp_path), "--json").stdout)
    assert json.loads(shell.run("plugins", "check", written["plugin"], "--json").stdout)["good"] is True
    assert "implements: post_auth" in shell.run("plugins", "check", written["plugin"]).stdout
    assert "there already" in shell.run("plugins", "new", "mine", "--folder", str(tmp_path), code=1).stderr
    Path(written["plugin"]).write_text("import nothing_like_this\n")
    assert "nothing_like_this" in shell.run("plugins", "check", written["plugin"], code=1).stdout
    assert "KEY=VALUE" in shell.run("plugins", "check", written["plugin"], "--set", "oops", code=2).stderr
