"""Dashboards: their shape, one panel's figures, values to choose."""

from __future__ import annotations

import httpx
import orjson

from gateway.console.dashboards import MAX_CHOICES
from sluice.clock import now_micros
from sluice.eventstore.dashboards.definitions import load_dashboards
from tests.gateway.console.running import APPS, HOUR, Ledger


def day() -> dict[str, str]:
    """The last day, and an hour to spare."""
    return {"start": str(now_micros() - 24 * HOUR), "end": str(now_micros() + HOUR)}


async def test_every_dashboard_is_shown_as_it_is_defined(admin: httpx.AsyncClient) -> None:
    """Names, order, panels and charts are those of the definitions, and no query is in it."""
    found = (await admin.get("dashboards")).json()["dashboards"]
    assert [(each["name"], [panel["name"] for panel in each["panels"]]) for each in found] == [
        (each.name, [panel.name for panel in each.panels]) for each in load_dashboards()
    ]
    assert "measures" not in str(found)


async def test_figures_equal_the_ledger(reader: httpx.AsyncClient, ledger: Ledger) -> None:
    """Requests, money to the nano, outcomes and models; over time they add up to the same. Apps have their names."""
    path = "dashboards/overview/panels"
    requests = (await reader.get(f"{path}/requests", params=day())).json()
    assert requests["total"] == [ledger.requests]
    assert sum(point[0] for point in requests["series"][0]["points"]) == ledger.requests
    assert requests["previous"]["total"] == [0]
    assert (await reader.get(f"{path}/cost", params=day())).json()["total"] == [{"USD": ledger.nanos}]
    outcomes = (await reader.get(f"{path}/requests_by_outcome", params=day())).json()["series"]
    assert {each["key"][0]: each["total"][0] for each in outcomes} == ledger.by_outcome
    models = (await reader.get(f"{path}/top_models", params=day())).json()["series"]
    assert {each["key"][1]: each["total"][0] for each in models} == ledger.by_model
    apps = (await reader.get(f"{path}/cost_by_app", params=day())).json()
    assert apps["names"]["app_id"]["1"] == APPS[0]


async def test_every_panel_answers(admin: httpx.AsyncClient) -> None:
    """Of every dashboard, over a day and over a year, with and without the period before."""
    year = {
        "start": str(now_micros() - 365 * 24 * HOUR),
        "end": str(now_micros()),
        "zone": "Europe/Berlin",
        "compare": "false",
    }
    for dashboard in load_dashboards():
        for panel in dashboard.panels:
            for asked in (day(), year):
                answer = await admin.get(f"dashboards/{dashboard.name}/panels/{panel.name}", params=asked)
                assert answer.status_code == 200, (panel.name, answer.text)


async def test_a_reader_s_conditions_narrow_every_panel_that_knows_the_field(
    admin: httpx.AsyncClient, ledger: Ledger
) -> None:
    """A model's requests are that model's; a field that a panel's events do not have is another panel's."""
    model = next(iter(ledger.by_model))
    where = orjson.dumps([["model_name", "is", [model]], ["no_such_field", "is", ["x"]]]).decode()
    found = await admin.get("dashboards/overview/panels/requests", params={**day(), "where": where})
    assert found.json()["total"] == [ledger.by_model[model]]


async def test_nothing_in_a_range_is_no_error(admin: httpx.AsyncClient) -> None:
    """Zero requests, no money, no percentile."""
    empty = {"start": "1000000", "end": "90000000000"}
    assert (await admin.get("dashboards/overview/panels/requests", params=empty)).json()["total"] == [0]
    assert (await admin.get("dashboards/overview/panels/cost", params=empty)).json()["total"] == [{}]
    assert (await admin.get("dashboards/overview/panels/latency", params=empty)).json()["total"] == [None]


async def test_what_cannot_be_asked_says_why(admin: httpx.AsyncClient) -> None:
    """A panel or a field that is not there, a zone, an operator, a range, a parameter: 4xx with the remedy."""
    panel = "dashboards/overview/panels/requests"
    for path, asked in (
        ("dashboards/overview/panels/nothing", {}),
        ("dashboards/nothing/panels/requests", {}),
        (panel, {"zone": "Mars/Olympus"}),
        (panel, {"where": '[["vendor","like",["x"]]]'}),
        (panel, {"where": '[["vendor","is",[7]]]'}),
        (panel, {"start": "9", "end": "8"}),
        (panel, {"start": "x"}),
        (panel, {"limit": "9"}),
        ("choices/request_headers", {}),
    ):
        answer = await admin.get(path, params=asked)
        assert answer.status_code in {400, 404}, (path, asked, answer.text)
        assert answer.json()["message"]


async def test_a_chart_over_time_is_split_as_a_reader_chooses(admin: httpx.AsyncClient, ledger: Ledger) -> None:
    """By app, vendor, LLM or model: the same money each time; a table, or another field, is not."""
    path, total = "dashboards/spend/panels/cost_by_day", {"USD": ledger.nanos}
    fields = ("app_id", "vendor", "llm_slug", "model_name")
    found = {field: (await admin.get(path, params={**day(), "by": field})).json() for field in fields}
    assert {field: each["total"] for field, each in found.items()} == {field: [total] for field in fields}
    assert {each["key"][0] for each in found["model_name"]["series"]} == set(ledger.by_model)
    assert (await admin.get(path, params={**day(), "by": "request_headers"})).status_code in {400, 422}
    assert (await admin.get("dashboards/spend/panels/apps", params={**day(), "by": "vendor"})).status_code == 400


async def test_values_to_choose(admin: httpx.AsyncClient) -> None:
    """Apps by a part of their names, vendors as they were seen; never more than can be shown."""
    apps = (await admin.get("choices/app_id", params={"search": "CHECK"})).json()["choices"]
    assert apps == [{"value": 1, "name": "checkout"}]
    vendors = (await admin.get("choices/vendor", params={"search": "open", **day()})).json()["choices"]
    assert vendors == [{"value": "openai", "name": "openai"}]
    assert MAX_CHOICES == 50
