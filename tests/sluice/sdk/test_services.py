"""Tests of ``sluice.sdk.services``: whoever implements the Protocols offers all of them."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from sluice.plugin_host.services import bare_services
from sluice.sdk.services import Logger, Services
from sluice.sdk.testing import RecordingServices


@pytest.mark.parametrize("services", [RecordingServices(), bare_services(1, "a", "gateway")])
def test_services_offer_what_the_protocols_name(services: Any) -> None:
    """The host's services and the testing ones, attribute by attribute."""
    for name, _ in inspect.getmembers(Services, lambda member: isinstance(member, property)):
        assert hasattr(services, name)
    for level in ("debug", "info", "warning", "error"):
        assert hasattr(Logger, level)
        getattr(services.logger, level)("something happened", size_bytes=7)
