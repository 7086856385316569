"""Credentials: valid is what the gateway itself would let in, and nothing that is asked ever raises."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.clock import now_micros
from sluice.sdk.records import CredentialCheck
from tests.gateway.control.made import ADMIN, token
from tests.gateway.plugin_services.making import Worker

INVALID = CredentialCheck(valid=False)


async def issued(worker: Worker, app_id: int, text: str, **values: Any) -> int:
    """A token that is served."""
    made = await worker.store.tokens.create(token(app_id, text, **values), ADMIN)
    await worker.refresh()
    return made.id


async def test_a_token_of_an_active_app_is_valid(worker: Worker) -> None:
    """With whose it is, and until when; it asks nobody."""
    app_id, end = await worker.app(), now_micros() + 10**9
    token_id = await issued(worker, app_id, "slc_good", expires_at=end)
    found = await worker.gateway().validate_credential("slc_good")
    assert found == CredentialCheck(valid=True, app_id=app_id, credential_id=token_id, expires_at=end)
    assert worker.queries == 0


async def test_what_the_gateway_would_refuse_is_not_valid(worker: Worker) -> None:
    """Expired, revoked, for managing alone, of an app that is not active or gone."""
    app_id, sleeping = await worker.app(), await worker.app(name="b", is_active=False)
    await issued(worker, app_id, "expired", expires_at=now_micros() - 1)
    await issued(worker, app_id, "admin", scopes=("admin",))
    await issued(worker, app_id, "revoked", is_active=False)
    await issued(worker, sleeping, "sleeping")
    await issued(worker, app_id, "everything", scopes=("*",))
    for secret in ("expired", "admin", "revoked", "sleeping"):
        assert await worker.gateway().validate_credential(secret) == INVALID, secret
    assert (await worker.gateway().validate_credential("everything")).valid
    await worker.store.apps.delete(app_id, ADMIN)
    await worker.refresh()
    assert await worker.gateway().validate_credential("everything") == INVALID


@pytest.mark.parametrize("secret", ["", " ", "unknown", "\ud800", "x" * 10_000_000, None, b"slc_good", 7, [], {"a": 1}])
async def test_garbage_is_not_valid_and_raises_nothing(worker: Worker, secret: Any) -> None:
    """Whatever a client sent as its credential."""
    await issued(worker, await worker.app(), "slc_good")
    assert await worker.gateway().validate_credential(secret) == INVALID


async def test_asking_is_no_use(worker: Worker) -> None:
    """``last_used_at`` is of exchanges: there is nothing here that counts."""
    await issued(worker, await worker.app(), "slc_good")
    await worker.gateway().validate_credential("slc_good")
    assert (await worker.store.tokens.find()).items[0].last_used_at is None
