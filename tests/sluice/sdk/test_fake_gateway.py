"""Tests of ``sluice.sdk.fake_gateway``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from sluice.sdk import App, BudgetStatus, CredentialCheck, Llm, ModelPrice, NotFound, PayloadTooLarge, ScopeDenied
from sluice.sdk.fake_gateway import Known, RecordingGateway
from sluice.sdk.testing import RecordingServices

KNOWN = Known(
    apps=[App(id=2, name="two"), App(id=1, name="one"), App(id=3, is_active=False)],
    llms=[Llm(id=1, vendor="openai"), Llm(id=2, vendor="anthropic"), Llm(id=3, vendor="openai", is_active=False)],
    budgets=[BudgetStatus(app_id=1, monthly_budget_nanos=10, used_nanos=4), BudgetStatus(app_id=1, llm_id=2)],
    prices=[ModelPrice(vendor="openai", model_name="gpt-4o", prompt_nanos=5)],
    credentials={"right": CredentialCheck(valid=True, app_id=1)},
)
SCOPED: dict[str, Callable[[RecordingGateway], Awaitable[Any]]] = {
    "apps.read": lambda gateway: gateway.get_app(1),
    "llms.read": lambda gateway: gateway.get_llm(1),
    "budget.read": lambda gateway: gateway.get_budget_status(1),
    "pricing.read": lambda gateway: gateway.list_model_prices(),
    "credentials.validate": lambda gateway: gateway.validate_credential("right"),
    "control.send": lambda gateway: gateway.send_to_control(b"{}"),
}


async def test_apps_and_llms_are_those_that_a_test_put_there() -> None:
    """By id, in pages, the active ones unless asked otherwise; unknown ones raise."""
    gateway = RecordingServices(KNOWN).gateway()
    assert (await gateway.get_app(1)).name == "one"
    assert [app.id for app in await gateway.list_apps()] == [1, 2]
    assert [app.id for app in await gateway.list_apps(2, 1)] == [2]
    assert [app.id for app in await gateway.list_apps(is_active=None)] == [1, 2, 3]
    assert (await gateway.count_apps(), await gateway.count_apps(is_active=False)) == (2, 1)
    assert [llm.id for llm in await gateway.list_llms(vendor="openai", is_active=None)] == [1, 3]
    assert (await gateway.count_llms(), await gateway.count_llms(vendor="anthropic")) == (2, 1)
    assert (await gateway.get_llm(2)).vendor == "anthropic"
    for missing in (gateway.get_app(9), gateway.get_llm(9)):
        with pytest.raises(NotFound):
            await missing


async def test_budgets_prices_and_credentials_too() -> None:
    """An app without a budget is unlimited, an unknown one raises; a wrong secret is not valid."""
    gateway = RecordingServices(KNOWN).gateway()
    assert (await gateway.get_budget_status(1)).remaining_nanos == 6
    assert (await gateway.get_budget_status(1, 2)).llm_id == 2
    assert (await gateway.get_budget_status(2)).remaining_budget is None
    with pytest.raises(NotFound):
        await gateway.get_budget_status(9)
    assert (await gateway.get_model_price("gpt-4o", "openai")).prompt_nanos == 5
    assert len(await gateway.list_model_prices()) == 1
    assert await gateway.list_model_prices("anthropic") == []
    with pytest.raises(NotFound):
        await gateway.get_model_price("gpt-4o", "anthropic")
    assert (await gateway.validate_credential("right")).app_id == 1
    assert not (await gateway.validate_credential("wrong")).valid
    assert (await gateway.get_license_info()).license_type == "community"


async def test_what_is_sent_to_control_is_kept() -> None:
    """In order; the answer is how many wait. Its bounds are the gateway's."""
    services = RecordingServices()
    gateway = services.gateway()
    assert await gateway.send_to_control(b"\xff", "id-1", {"a": "b"}) == 1
    assert await gateway.send_to_control_json({"n": 1}) == 2
    assert (services.sent[0].payload, services.sent[0].correlation_id, services.sent[0].metadata) == (
        b"\xff", "id-1", {"a": "b"},
    )  # fmt: skip
    assert services.sent[1].value == {"n": 1}
    for arguments in (
        (b"x" * ((1 << 20) + 1),),
        (b"", "x" * 257),
        (b"", "", {str(number): "" for number in range(51)}),
        (b"", "", {"k" * 257: ""}),
        (b"", "", {"k": "v" * 4097}),
    ):
        with pytest.raises(PayloadTooLarge):
            await gateway.send_to_control(*arguments)
    assert len(services.sent) == 2


@pytest.mark.parametrize("scope", SCOPED)
async def test_a_scope_that_was_not_granted_is_denied(scope: Any) -> None:
    """As to a plugin in a process of its own; with it, and without any rule, the call is answered."""
    with pytest.raises(ScopeDenied, match=scope):
        await SCOPED[scope](RecordingServices(KNOWN, scopes=set(SCOPED) - {scope}).gateway())  # type: ignore[arg-type]
    await SCOPED[scope](RecordingServices(KNOWN, scopes=[scope]).gateway())
    await SCOPED[scope](RecordingServices(KNOWN).gateway())
