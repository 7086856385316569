"""A plan made real over the API: once, however often it is asked for, and what is refused is told with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.control.admin.client import AdminClient
from gateway.control.admin.errors import RefusedError
from gateway.control.admin.target import Target
from gateway.control.importing.plan import Plan, PlannedApp, PlannedLlm, PlannedPlugin, PlannedPrice
from gateway.control.importing.report import Report
from gateway.control.importing.through_api import apply_plan
from gateway.settings import ControlSettings
from tests.gateway.control.admin.shell import Shell
from tests.gateway.control.api.harness import ADMIN


def a_plan() -> Plan:
    """Two LLMs of which one stands by for the other, with a plugin, an app and a price."""
    place = {"vendor": "openai", "endpoint": "http://127.0.0.1:9/v1"}
    return Plan(
        plugins=[PlannedPlugin(slug="p", values={"name": "P", "command": "python://a:B"})],
        llms=[
            PlannedLlm(slug="a", values={"name": "A", **place}, failover=["b"], plugins=["p"], source_id=7),
            PlannedLlm(slug="b", values={"name": "B", **place}),
        ],
        apps=[PlannedApp(name="x", values={"monthly_budget": "12.5"}, llms={"a": "5", "b": "0"})],
        prices=[PlannedPrice(vendor="openai", model_name="m", values={"cpt": "0.0000006", "cpit": "0.00000015"})],
    )


def applied(plan: Plan, *, is_dry: bool = False, token: str = ADMIN) -> Report:
    """What came of it."""
    report = Report()
    with AdminClient(Target("http://h", token)) as client:
        apply_plan(plan, client, report, is_dry=is_dry)
    return report


def all_of(shell: Shell, *kinds: str) -> list[list[dict[str, Any]]]:
    """Everything that the API lists of these, without versions and times."""
    found = [shell.json(kind, "list")["data"] for kind in kinds]
    return [[{k: v for k, v in row.items() if k not in {"version", "updated_at"}} for row in rows] for rows in found]


def test_a_plan_is_made_and_joined(shell: Shell) -> None:
    """With links, budgets, failover and order; an id that changes is noted."""
    report = applied(a_plan())
    assert report.made == ["plugin P", "LLM A", "LLM B", "app x", "price of openai/m"]
    assert (report.existed, report.left) == ([], [])
    assert report.notes == ["LLM A: its id was 7 and is 1 in /api/v1/llms/1/proxy"]
    llms, apps, prices = all_of(shell, "llms", "apps", "prices")
    assert (llms[0]["failover_llm_ids"], llms[0]["plugin_ids"]) == ([2], [1])
    assert [(link["llm_id"], link["monthly_budget"]) for link in apps[1]["llms"]] == [(1, "5"), (2, "0")]
    assert (prices[0]["cpt"], prices[0]["cpit"]) == ("0.0000006", "0.00000015")


def test_a_second_time_nothing_is_made(shell: Shell) -> None:
    """Nothing is changed either: people may have, meanwhile."""
    applied(a_plan())
    shell.admin("apps", "update", "2", "monthly_budget=99")
    shell.admin("plugins", "attach", "2", "1")
    before = all_of(shell, "llms", "apps", "prices", "plugins")
    report = applied(a_plan())
    assert report.made == []
    assert len(report.existed) == 5
    assert all_of(shell, "llms", "apps", "prices", "plugins") == before


def test_what_was_cut_off_is_finished(shell: Shell) -> None:
    """LLMs that are there and joined to nothing yet are joined."""
    half = a_plan()
    for llm in half.llms:
        llm.failover, llm.plugins = [], []
    applied(half)
    applied(a_plan())
    (llms,) = all_of(shell, "llms")
    assert (llms[0]["failover_llm_ids"], llms[0]["plugin_ids"]) == ([2], [1])


def test_a_dry_run_changes_nothing(shell: Shell) -> None:
    """It only looks."""
    report = applied(a_plan(), is_dry=True)
    assert len(report.made) == 5
    assert {request.method for request in shell.requests} == {"GET"}


def test_what_the_api_refuses_is_told_and_the_rest_goes_on(shell: Shell) -> None:
    """With its words, and what hangs on it."""
    plan = a_plan()
    plan.llms[1].values["endpoint"] = "ftp://nowhere"
    report = applied(plan)
    assert report.made == ["plugin P", "LLM A", "app x", "price of openai/m"]
    reasons = {each.what: each.reason for each in report.left}
    assert "endpoint" in reasons["LLM B"]
    assert reasons["LLM A: its failover"] == reasons["app x"] == "llm b is not there"
    assert [link["llm_id"] for link in all_of(shell, "apps")[0][1]["llms"]] == [1]


def test_who_may_not_is_stopped_at_once(shell: Shell) -> None:
    """Not told so for each thing."""
    with pytest.raises(RefusedError):
        applied(a_plan(), token="wrong")
    assert len(shell.requests) == 1


class TestOfTheReference:
    """Against a gateway that answers in the reference's dialect."""

    @pytest.fixture
    def control(self) -> ControlSettings:
        return ControlSettings(dialect="reference", allow_private_endpoints=True)

    def test_it_is_made_once_too(self, shell: Shell) -> None:
        """Its rows have other names."""
        assert len(applied(a_plan()).made) == 5
        again = applied(a_plan())
        assert (again.made, len(again.existed), again.left) == ([], 5, [])
        llm = shell.store(shell.api.store.llms.get, 1)
        assert (llm.failover_llm_ids, [each.plugin_id for each in llm.attachments]) == ((2,), [1])
