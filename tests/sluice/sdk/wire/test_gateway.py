"""Tests of ``sluice.sdk.wire.gateway``."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from sluice.plugin_wire import management_pb2 as pb
from sluice.sdk import App, CredentialCheck, LicenseInfo, Llm, wire
from tests.sluice.sdk.wire.strategies import APPS, IDS, JSON_MAPS, MICROS, NO_IDS, TEXTS, U31, for_all, sent

NANOS = st.none() | st.integers(0, 1 << 62)
LLMS = st.builds(
    Llm,
    id=IDS,
    **dict.fromkeys(("name", "vendor", "slug", "endpoint", "default_model"), TEXTS),
    **dict.fromkeys(("max_tokens", "retry_count", "rate_limit_rpm"), U31),
    has_api_key=st.booleans(),
    is_active=st.booleans(),
    allowed_models=st.lists(TEXTS, max_size=3).map(tuple),
    timeout_seconds=st.floats(0, 86_400),
    monthly_budget_nanos=NANOS,
    metadata=JSON_MAPS,
    created_at=MICROS,
    updated_at=MICROS,
)
CHECKS = st.builds(
    CredentialCheck, valid=st.booleans(), app_id=NO_IDS, credential_id=NO_IDS, expires_at=st.none() | MICROS
)
LICENSES = st.builds(
    LicenseInfo,
    license_valid=st.booleans(),
    days_remaining=st.integers(-1, 10_000),
    license_type=TEXTS,
    entitlements=st.lists(TEXTS, max_size=3).map(tuple),
    organization=TEXTS,
    expires_at=st.none() | MICROS,
)


@for_all(APPS)
def test_an_app_comes_back_whole(app: App) -> None:
    """Metadata is JSON text there."""
    assert wire.app_info_from_wire(sent(wire.app_info_to_wire(app))) == app


@for_all(LLMS)
def test_an_llm_comes_back_whole(llm: Llm) -> None:
    """Its vendor's key is not among what it has."""
    assert wire.llm_info_from_wire(sent(wire.llm_info_to_wire(llm))) == llm


@for_all(CHECKS)
def test_a_credential_s_check_comes_back_whole(check: CredentialCheck) -> None:
    """With what it proves."""
    assert wire.credential_check_from_wire(sent(wire.credential_check_to_wire(check))) == check


@for_all(LICENSES)
def test_a_licence_comes_back_whole(info: LicenseInfo) -> None:
    """For those who ask."""
    assert wire.license_from_wire(sent(wire.license_to_wire(info))) == info


def test_a_peer_s_answers_are_read_by_the_protocol_s_fields() -> None:
    """A plugin of ours under another host gets what there is."""
    app = wire.app_info_from_wire(pb.AppInfo(id=1, monthly_budget=2.5))
    assert (app.monthly_budget_nanos, app.metadata, app.budget_reset_day) == (2_500_000_000, {}, 1)
    llm = wire.llm_info_from_wire(pb.LLMInfo(id=1, timeout_seconds=30, metadata={"a": "b"}))
    assert (llm.monthly_budget_nanos, llm.timeout_seconds, llm.metadata) == (None, 30, {"a": "b"})
    check = wire.credential_check_from_wire(pb.ValidateCredentialResponse(valid=True, app_id=3, expires_at=5))
    assert check == CredentialCheck(valid=True, app_id=3, expires_at=5_000_000)


def test_metadata_that_is_no_object_is_refused() -> None:
    """A plugin that asks gets an error, not a surprise further on."""
    for metadata in ("[1]", "{", "7"):
        with pytest.raises(ValueError, match=r"."):
            wire.app_info_from_wire(pb.AppInfo(id=1, metadata=metadata))
