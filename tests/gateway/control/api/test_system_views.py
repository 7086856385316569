"""The audit, the system, identities."""

from __future__ import annotations

from dataclasses import fields

from gateway.control.api.services import Identity, SystemInfo
from gateway.control.api.system_views import AuditEntryView, IdentityView, SystemState, SystemView
from gateway.control.audit import AuditEntry


def test_an_audit_entry_is_shown_whole() -> None:
    """Every field of it."""
    assert set(AuditEntryView.model_fields) == {each.name for each in fields(AuditEntry)}


def test_an_identity_says_no_more_than_whose_it_is() -> None:
    """Neither name nor prefix nor addresses: whoever found a token learns nothing else."""
    identity = Identity(token_id=1, app_id=2, name="ops", prefix="slc_", scopes=("api",), expires_at=0)
    assert IdentityView.of(identity).model_dump() == {
        "valid": True,
        "app_id": 2,
        "scopes": ["api"],
        "expires_at": "1970-01-01T00:00:00.000000Z",
    }


def test_the_system_counts_everything() -> None:
    """By the names of the store."""
    counts = {"llms": 1, "apps": 2, "tokens": 3, "prices": 4, "plugins": 5}
    view = SystemView.of(SystemState(SystemInfo(version="1", gateway_id="g"), 9, counts))
    assert (view.stats.model_dump(), view.generation, view.status) == (counts, 9, "running")
