"""The secured broker: every listener asks for what its name says."""

from __future__ import annotations

import pytest

from sluice.dev.servers.secured_kafka import ListenerName
from sluice.eventlog.kafka.probe import find_cause
from tests.sluice.eventlog.kafka.securing import Secured


@pytest.mark.parametrize("listener", ["SASL_SSL", "SASL_PLAINTEXT", "PLAIN_ONLY", "SSL", "MUTUAL"])
async def test_each_listener_is_there_and_locked(secured: Secured, unique_name: str, listener: ListenerName) -> None:
    """Its key opens it, and nothing else does."""
    own = {"client_certificate_file": secured.client_file} if listener == "MUTUAL" else {}
    assert await find_cause(secured.settings(unique_name, listener, **own).kafka) == ""
    without = {"security_protocol": "PLAINTEXT", "username": "", "password": "", "ca_file": ""}
    assert await find_cause(secured.settings(unique_name, listener, **without).kafka) != ""


async def test_the_plain_listener_is_for_who_administers(secured: Secured, unique_name: str) -> None:
    """Everybody may do everything there."""
    settings = secured.settings(
        unique_name,
        bootstrap_servers=secured.kafka.server.bootstrap_servers,
        security_protocol="PLAINTEXT",
        ca_file="",
        username="",
        password="",
    )
    assert await find_cause(settings.kafka) == ""
