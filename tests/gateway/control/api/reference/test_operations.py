"""Probes say what is wrong, in the shape that is looked for."""

from __future__ import annotations

from gateway.control.api.reference.operations import oci_status, probe_body, summary
from gateway.control.api.services import SystemInfo

INFO = SystemInfo(version="1", gateway_id="g")


def test_a_gateway_that_is_not_ready_says_why() -> None:
    """All reasons in one text."""
    body = probe_body("ready", {"status": "unready", "problems": ["a", "b"]}, ["failed", "unknown"], INFO)
    assert (body["status"], body["error"]) == ("not ready", "a; b")
    assert (body["plugin_health"]["failed_plugins"], body["plugin_health"]["unknown_plugins"]) == (1, 1)


def test_a_database_that_is_away_is_told() -> None:
    """By the error's name, and no more."""
    found = {"status": "unhealthy", "database": {"status": "unhealthy", "error": "E", "generation": 3}, "plugins": {}}
    body = probe_body("detailed", found, [], INFO)
    assert body["database"] == {"status": "unhealthy", "error": "E"}
    assert body["status"] == "unhealthy"


def test_every_plugin_is_counted_once() -> None:
    """By its state."""
    found = summary(["ready", "ready", "failed", "unknown"])
    assert found["total_plugins"] == 4 == found["ready_plugins"] + found["failed_plugins"] + found["unknown_plugins"]


def test_an_answer_is_nobody_s_to_change() -> None:
    """Each has its own."""
    oci_status()["enabled"] = True
    assert oci_status()["enabled"] is False
