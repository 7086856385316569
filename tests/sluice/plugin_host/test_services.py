"""The services of the host: a log that says whose it is."""

from __future__ import annotations

from structlog.testing import capture_logs

from sluice.plugin_host.services import services_of


def test_a_log_line_names_its_plugin() -> None:
    """By name and id, beside what the author wrote."""
    with capture_logs() as lines:
        services_of(7, "limit").logger.info("prompt refused", size_bytes=3)
    expected = {"event": "prompt refused", "log_level": "info", "plugin": "limit", "plugin_id": 7, "size_bytes": 3}
    assert lines == [expected]


def test_two_plugins_have_two_logs() -> None:
    """What one is bound to is not said by the other, in whatever order they were made."""
    with capture_logs() as lines:
        first, second = services_of(1, "first"), services_of(2, "second")
        second.logger.warning("a phrase")
        first.logger.error("a phrase")
    assert [(line["plugin"], line["plugin_id"], line["log_level"]) for line in lines] == [
        ("second", 2, "warning"),
        ("first", 1, "error"),
    ]
