"""Tests of ``sluice.plugin_host.broker.management``: the protocol's answers, field by field where they are ours."""

from __future__ import annotations

import json
import sys
from typing import Any

import grpc
import pytest

from sluice.plugin_host.broker.management import MAX_LIMIT
from sluice.plugin_wire import management_pb2 as pb
from sluice.sdk.errors import ServiceUnavailable
from tests.sluice.plugin_host.broker.asking import Asking


async def test_an_app_is_told_with_its_metadata_as_json_text(host: Asking) -> None:
    """As peers read it."""
    app = (await host.management.GetApp(pb.GetAppRequest(app_id=1))).app
    assert (app.id, app.name, app.is_active, app.monthly_budget) == (1, "shop", True, 5.0)
    assert json.loads(app.metadata) == {"tier": "gold", "seats": 3}


async def test_an_unknown_app_is_not_found(host: Asking) -> None:
    """With the text of who looked for it."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await host.management.GetApp(pb.GetAppRequest(app_id=9))
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.NOT_FOUND, "no app 9")


@pytest.mark.parametrize(
    ("asked", "page", "limit", "is_active"),
    [
        ({}, 1, 10, True),
        ({"page": 3, "limit": 50}, 3, 50, True),
        ({"page": -3, "limit": -50}, 1, 10, True),
        ({"limit": 2_000_000_000}, 1, MAX_LIMIT, True),
        ({"is_active": False}, 1, 10, False),
        ({"is_active": True}, 1, 10, True),
    ],
)
async def test_pages_have_their_defaults_and_bounds(
    host: Asking, asked: dict[str, Any], page: int, limit: int, is_active: bool
) -> None:
    """Ten active ones where nothing is said, and the count of all pages."""
    apps = await host.management.ListApps(pb.ListAppsRequest(**asked))
    llms = await host.management.ListLLMs(pb.ListLLMsRequest(vendor="openai", **asked))
    assert (len(apps.apps), apps.total_count) == (1, 23)
    assert (len(llms.llms), llms.total_count) == (2, 2)
    assert ("list_apps", page, limit, is_active) in host.gateway.asked
    assert ("list_llms", page, limit, "openai", is_active) in host.gateway.asked


async def test_an_llm_is_told_without_its_key(host: Asking) -> None:
    """Whether there is one."""
    llm = (await host.management.GetLLM(pb.GetLLMRequest(llm_id=5))).llm
    assert (llm.id, llm.slug, llm.vendor, llm.has_api_key) == (5, "demo", "openai", True)
    assert not llm.HasField("monthly_budget")


async def test_an_unlimited_budget_is_the_largest_double(host: Asking) -> None:
    """So that a plugin that checks ``remaining_budget <= 0`` lets the app through."""
    status = await host.management.GetBudgetStatus(pb.GetBudgetStatusRequest(app_id=1))
    assert status.monthly_budget == status.remaining_budget == sys.float_info.max
    assert (status.current_usage, status.is_over_budget, status.percentage_used) == (2.5, False, 0.0)
    assert not status.HasField("llm_id")


async def test_a_budget_is_told_in_currency_units_and_unix_seconds(host: Asking) -> None:
    """Of an LLM alone where one is named, also where that has the number 0."""
    status = await host.management.GetBudgetStatus(pb.GetBudgetStatusRequest(app_id=2, llm_id=0))
    assert host.gateway.asked[-1] == ("get_budget_status", 2, 0)
    assert (status.monthly_budget, status.current_usage, status.remaining_budget) == (10.0, 2.5, 7.5)
    assert (status.period_start, status.period_end) == (1_700_000_000, 1_702_000_000)
    assert (status.tokens_used, status.requests_count, status.percentage_used) == (9, 3, 25.0)


async def test_prices_are_for_a_single_token(host: Asking) -> None:
    """``cpit`` of the prompt, ``cpt`` of the response."""
    price = (await host.management.GetModelPrice(pb.GetModelPriceRequest(model_name="m", vendor="v"))).model_price
    assert (price.vendor, price.model_name, price.currency) == ("v", "m", "USD")
    assert (price.cpit, price.cpt) == (pytest.approx(0.15e-6), pytest.approx(0.6e-6))
    prices = await host.management.ListModelPrices(pb.ListModelPricesRequest(vendor="openai"))
    assert [each.model_name for each in prices.model_prices] == ["gpt-4o"]
    assert ("list_model_prices", "openai") in host.gateway.asked


async def test_a_secret_proves_an_app_or_does_not(host: Asking) -> None:
    """Until when, in seconds."""
    right = await host.management.ValidateCredential(pb.ValidateCredentialRequest(secret="right"))
    assert (right.valid, right.app_id, right.credential_id, right.expires_at) == (True, 1, 4, 1_700_000_000)
    wrong = await host.management.ValidateCredential(pb.ValidateCredentialRequest(secret="wrong"))
    assert not wrong.valid


async def test_a_payload_is_queued_and_the_waiting_ones_are_counted(host: Asking) -> None:
    """With everything that goes along."""
    request = pb.QueueControlPayloadRequest(payload=b"p", correlation_id="c", metadata={"a": "b"})
    answer = await host.management.QueueControlPayload(request)
    assert (answer.success, answer.pending_count, answer.error_message) == (True, 42, "")
    assert host.gateway.asked == [("send_to_control", b"p", "c", {"a": "b"})]


@pytest.mark.parametrize(("payload", "message"), [(b"", "not empty"), (b"x" * 11, "at most 10 bytes")])
async def test_a_payload_that_is_none_is_answered_with_why(host: Asking, payload: bytes, message: str) -> None:
    """The protocol's own way to refuse."""
    answer = await host.management.QueueControlPayload(pb.QueueControlPayloadRequest(payload=payload))
    assert not answer.success
    assert message in answer.error_message


async def test_a_queue_that_is_away_is_unavailable(host: Asking) -> None:
    """Which a plugin can tell from a payload that it need not send again."""
    host.gateway.failure = ServiceUnavailable("away")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await host.management.QueueControlPayload(pb.QueueControlPayloadRequest(payload=b"p"))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_the_licence_is_valid_for_ever(host: Asking) -> None:
    """For plugins that ask."""
    info = await host.management.GetLicenseInfo(pb.GetLicenseInfoRequest())
    assert (info.license_valid, info.days_remaining, info.license_type) == (True, -1, "community")
    assert not info.HasField("expires_at")
