"""What a collector's plugins are told by the control API is what a gateway's are told by the gateway."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from collectors.control_client import ControlClient
from collectors.control_services import ControlServices, _micros
from collectors.settings import ControlSettings
from gateway.control.api.services import BudgetStatus as LedgerStatus
from gateway.control.database import ControlDatabase, control_url
from gateway.control.entities import Actor, AppEntity, LlmEntity, PriceEntity
from gateway.control.store import ControlStore
from gateway.plugin_services.records import app_of, budget_of, llm_of, price_of
from sluice.clock import iso_micros, now_micros
from sluice.sdk.errors import NotFound, ServiceError, ServiceUnavailable
from sluice.sdk.records import CredentialCheck
from sluice.sdk.services import GatewayServices
from sluice.secrets import SecretBox, new_key
from tests.gateway.control.api.harness import ADMIN, BASE, Api, open_api


class Told:
    """A real API over a real store, and a collector that asks it."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.client = client_of(api)
        self.services = ControlServices(self.client)

    async def app(self, **values: Any) -> AppEntity:
        return await self.api.store.apps.get((await self.api.app(**values))["id"])

    async def llm(self, **values: Any) -> LlmEntity:
        return await self.api.store.llms.get((await self.api.llm(**values))["id"])

    async def price(self, model: str, **values: Any) -> PriceEntity:
        body = {"vendor": "openai", "model_name": model, "cpt": 6e-7, "cpit": 1.5e-7, **values}
        return await self.api.store.prices.get((await self.api.post("/pricing", body))["data"]["id"])


def client_of(api: Api, token: str = ADMIN) -> ControlClient:
    """A client of the same application."""
    return ControlClient(ControlSettings.model_validate({"url": BASE, "token": token}), api.client._transport)


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[Told]:
    """App 1 is the admin's."""
    database = ControlDatabase(control_url("", tmp_path))
    await database.migrate()
    async with open_api(ControlStore(database, SecretBox([new_key()]))) as api:
        made = Told(api)
        yield made
        await made.client.close()
    await database.close()


def test_every_method_is_there_with_its_parameters() -> None:
    """What the sdk promises."""
    for name, promised in inspect.getmembers(GatewayServices, inspect.isfunction):
        if not name.startswith("_"):
            own = inspect.signature(getattr(ControlServices, name))
            assert own.parameters.keys() == inspect.signature(promised).parameters.keys(), name


async def test_apps_are_those_of_the_gateway(told: Told) -> None:
    """Field by field, with and without a budget; by id, active or not, pages of any size."""
    rich = await told.app(
        name="a", monthly_budget="12.5", metadata={"plan": "gold"}, allowed_ips=["10.0.0.0/8"], owner_email="o@x.org"
    )
    plain = await told.app(name="b", is_active=False)
    for entity in (rich, plain):
        assert await told.services.get_app(entity.id) == app_of(entity)
    assert [app.id for app in await told.services.list_apps()] == [1, rich.id]
    assert [app.id for app in await told.services.list_apps(2, 1, is_active=None)] == [rich.id]
    assert [app.id for app in await told.services.list_apps(1, 1000, is_active=None)] == [1, rich.id, plain.id]
    assert [await told.services.count_apps(is_active=which) for which in (True, False, None)] == [2, 1, 3]


async def test_lists_longer_than_the_api_s_pages(told: Told) -> None:
    """A page of a plugin's may be several of the API's, and begin in the middle of one."""
    for number in range(230):
        await told.api.store.apps.create({"name": f"a{number}"}, Actor("test"))
    everything = [app.id for app in await told.services.list_apps(1, 1000)]
    assert len(everything) == 231
    for page, limit in ((1, 150), (2, 150), (3, 70), (4, 70), (99, 10)):
        found = [app.id for app in await told.services.list_apps(page, limit)]
        assert found == everything[(page - 1) * limit : page * limit]


async def test_llms_are_those_of_the_gateway(told: Told) -> None:
    """Whether there is a key, never which."""
    keyed = await told.llm(name="A", api_key="sk-secret-key", allowed_models=["a.*"], timeout_seconds=7)
    plain = await told.llm(name="B", is_active=False)
    for entity in (keyed, plain):
        assert await told.services.get_llm(entity.id) == llm_of(entity)
    assert [llm.id for llm in await told.services.list_llms()] == [keyed.id]
    assert [llm.id for llm in await told.services.list_llms(vendor="openai", is_active=None)] == [keyed.id, plain.id]
    assert await told.services.count_llms(vendor="anthropic", is_active=None) == 0


def ledger_status(app_id: int, llm_id: int | None, limit: int) -> LedgerStatus:
    """Somebody who has spent 120."""
    return LedgerStatus(
        app_id=app_id,
        llm_id=llm_id,
        limit_nanos=limit,
        spent_nanos=120,
        prompt_tokens=3,
        response_tokens=4,
        requests_count=5,
        period_start=1_764_000_000_000_000,
        period_end=1_765_000_000_000_000,
    )


async def test_budgets_are_those_of_the_ledger(told: Told) -> None:
    """Of the app, and of the app on one LLM; no limit is ``None``."""
    app = await told.app(name="a")
    statuses = [ledger_status(app.id, llm_id, limit) for llm_id, limit in ((None, 100), (3, 0))]
    told.api.budgets.statuses = statuses
    for status in statuses:
        assert await told.services.get_budget_status(app.id, status.llm_id) == budget_of(status)


async def test_prices_are_those_that_hold(told: Told) -> None:
    """The same row that an exchange is charged by."""
    await told.price("gpt-4o")
    tiers = [{"above_prompt_tokens": 200_000, "cpt": "0.0000014", "cache_write_1h_pt": "0.000009"}]
    newer = await told.price(
        "gpt-4o",
        cpt=7e-7,
        valid_from="2025-01-01T00:00:00Z",
        cache_write_1h_pt="0.000006",
        image_response_pt="0.00003",
        request_price="0.01",
        tool_request_price="0.025",
        tiers=tiers,
        batch_percent=40,
        aliases=["gpt4o"],
    )
    await told.price("gpt-4o", cpt=9e-7, valid_from="2125-01-01T00:00:00Z")
    pattern = await told.price("gpt-*")
    assert await told.services.get_model_price("gpt-4o", "openai") == price_of(newer)
    assert await told.services.get_model_price("gpt-5", "openai") == price_of(pattern)
    assert await told.services.list_model_prices() == [price_of(pattern), price_of(newer)]
    with pytest.raises(NotFound):
        await told.services.get_model_price("other", "openai")


async def test_credentials_are_judged_as_the_gateway_does(told: Told) -> None:
    """Those that may call LLMs are valid; garbage is not, and raises nothing."""
    app = await told.app(name="a")
    good = await told.api.token(app.id)
    admin = await told.api.token(app.id, scopes=["admin"])
    assert await told.services.validate_credential(good["token"]) == CredentialCheck(valid=True, app_id=app.id)
    garbage: list[Any] = [admin["token"], "unknown", "", "x" * 5000, "\ud800", None, b"x", 7]
    for secret in garbage:
        assert not (await told.services.validate_credential(secret)).valid


@pytest.mark.parametrize("unknown", [999, 0, -1, "1", None, 1 << 80])
async def test_what_is_not_there_is_not_found(told: Told, unknown: Any) -> None:
    """Whatever a plugin takes for an id."""
    for ask in (told.services.get_app, told.services.get_llm, told.services.get_budget_status):
        with pytest.raises(ServiceError):
            await ask(unknown)


async def test_nothing_is_sent_from_here(told: Told) -> None:
    """Payloads are a gateway's; a licence is for who asks."""
    for send in (told.services.send_to_control(b"x"), told.services.send_to_control_json({})):
        with pytest.raises(ServiceUnavailable, match="gateway"):
            await send
    assert (await told.services.get_license_info()).license_valid


async def test_a_token_that_may_not_ask_is_said_so(told: Told) -> None:
    """By its setting."""
    for token in ("unknown", (await told.api.token((await told.app(name="a")).id))["token"]):
        client = client_of(told.api, token)
        with pytest.raises(ServiceUnavailable, match=r"control\.token"):
            await ControlServices(client).get_app(1)
        await client.close()


def test_moments_are_exact() -> None:
    """A moment that goes through the API's text comes back as it was."""
    now = now_micros()
    assert _micros(iso_micros(now)) == now
