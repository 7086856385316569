"""Every resource from the shell: made, listed, shown, changed, deleted; refused with the field, status 1."""

from __future__ import annotations

import shlex

import pytest

from gateway.control.admin.resources import RESOURCES, Resource
from tests.gateway.control.admin.shell import Shell


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.name)
def test_the_examples_of_the_help_work(shell: Shell, resource: Resource) -> None:
    """As they stand, one after the other; they are what people copy."""
    key = shell.write("key", "sk-from-a-file\n")
    shell.admin("llms", "create", "name=first", "vendor=openai", "endpoint=http://127.0.0.1:9/v1")
    shell.admin("apps", "create", "name=second")
    create = resource.create.replace("/run/secrets/openai", str(key)).replace("api.openai.com", "93.184.215.14")
    made = shell.json(resource.name, "create", *shlex.split(create))["data"]
    id_ = str(made["id"])
    assert shell.json(resource.name, "show", id_)["data"].items() <= made.items()
    listed = shell.json(resource.name, "list", *shlex.split(resource.filters))["data"]
    assert made["id"] in [row["id"] for row in listed]
    assert set(resource.columns) <= listed[0].keys()
    if resource.change:
        changed = shell.json(resource.name, "update", id_, *shlex.split(resource.change))["data"]
        assert changed["version"] == made["version"] + 1
    assert "successfully" in shell.admin(resource.name, "delete", id_).output
    assert "not found" in shell.admin(resource.name, "show", id_, code=1).stderr


def test_a_table_for_people(shell: Shell) -> None:
    """Its columns' names, a row for each, and what it is only for."""
    shell.admin("apps", "create", "name=bench", "monthly_budget=12.50")
    shown = shell.admin("apps", "list").stdout.splitlines()
    assert shown[0].split() == ["id", "name", "owner_email", "is_active", "monthly_budget", "rate_limit_rpm", "llm_ids"]
    assert [row.split()[1] for row in shown[1:]] == ["Admin", "bench"]
    assert "12.5" in shown[2]


def test_a_new_token_is_shown_whole(shell: Shell) -> None:
    """In one line, however long: it is shown this once."""
    result = shell.admin("tokens", "create", "app_id=1", "name=ci")
    (token,) = [line.split()[1] for line in result.stdout.splitlines() if line.startswith("token ")]
    assert shell.store(shell.api.snapshots.refresh) is None
    identity = shell.api.snapshots.authenticate(token)
    assert identity is not None
    assert identity.name == "ci"


def test_a_refusal_names_the_field(shell: Shell) -> None:
    """On the error output, with status 1; nothing on the other."""
    result = shell.admin("apps", "create", "name=bench", "budget_reset_day=31", code=1)
    assert "budget_reset_day" in result.stderr
    assert result.stdout == ""
    assert "name" in shell.admin("apps", "create", "name=Admin", code=1).stderr


def test_a_version_can_be_asked_for(shell: Shell) -> None:
    """Whoever was overtaken is told, and changes nothing."""
    shell.admin("apps", "create", "name=bench")
    shell.admin("apps", "update", "2", "description=a", "--if-version", "1")
    assert "version 2" in shell.admin("apps", "update", "2", "description=b", "--if-version", "1", code=1).stderr
    assert "version 2" in shell.admin("apps", "delete", "2", "--if-version", "1", code=1).stderr
    shell.admin("apps", "delete", "2", "--if-version", "2")


def test_values_come_from_a_file_and_the_command_line(shell: Shell) -> None:
    """The command line wins."""
    file = shell.write("app.yaml", "name: bench\nmonthly_budget: '3'\n")
    made = shell.json("apps", "create", "description=d", "name=other", "--from-file", str(file))["data"]
    assert (made["name"], made["description"], made["monthly_budget"]) == ("other", "d", "3")
    again = shell.admin("apps", "create", "-f", "-", "--json", stdin='{"name": "third"}')
    assert '"third"' in again.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["apps", "create", "name"],
        ["apps", "show", "zero"],
        ["apps", "show", "0"],
        ["apps", "update"],
        ["apps", "create", "name=@/nowhere"],
        ["apps", "create", "--from-file", "/nowhere"],
        ["tokens", "update", "1", "name=x"],
        ["apps", "list", "--url", "ftp://x"],
    ],
)
def test_what_cannot_be_meant_is_status_2(shell: Shell, arguments: list[str]) -> None:
    """Nothing is asked of the API."""
    assert shell.admin(*arguments, code=2).stderr
    assert shell.requests == []
