"""What is refused before a broker is asked anything."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from collectors.settings import Settings
from collectors.sinks.kafka.settings import KafkaSinkSettings


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "topic"),
        ({"topic": ""}, "must be the name of a topic"),
        ({"topic": "a b"}, "must be the name of a topic"),
        ({"topic": ".."}, "must be the name of a topic"),
        ({"topic": "x" * 245 + "{kind}"}, "must be the name of a topic"),
        ({"topic": "a.{app}"}, "must be the name of a topic"),
        ({"topic": "a", "cluster": {}}, "bootstrap_servers"),
        ({"topic": "a", "cluster": {"bootstrap_servers": ""}}, "bootstrap_servers"),
        ({"topic": "a", "cluster": {"bootstrap_servers": "k:1", "namespace": "x"}}, "namespace"),
        ({"topic": "a", "cluster": {"bootstrap_servers": "k:1", "security_protocol": "SASL_SSL"}}, "username"),
        ({"topic": "a", "cluster": {"bootstrap_servers": "k:1", "client_key_file": "k"}}, "client_certificate_file"),
        ({"topic": "a", "body": "avro"}, "body"),
        ({"topic": "a", "max_record_bytes": 0}, "max_record_bytes"),
        ({"topic": "a", "max_batch_bytes": "1KiB"}, "max_batch_bytes"),
    ],
)
def test_bad_settings_name_their_key(settings: dict[str, Any], expected: str) -> None:
    """Also what one setting of a cluster needs of another."""
    with pytest.raises(ValidationError, match=expected):
        KafkaSinkSettings.model_validate(settings)


def test_a_topic_for_each_kind() -> None:
    """Or one for all."""
    settings = KafkaSinkSettings(topic="llm.{kind}")
    assert [settings.topic_of(kind) for kind in ("proxy_log", "analytics", "budget")] == [
        "llm.proxy-log", "llm.analytics", "llm.budget",
    ]  # fmt: skip
    assert KafkaSinkSettings(topic="all").topic_of("budget") == "all"


def test_a_cluster_is_connected_to_as_the_log_is() -> None:
    """The same keys with the same meaning; the password is not shown."""
    given = {"bootstrap_servers": "k:1", "security_protocol": "SASL_SSL", "username": "u", "password": "hidden"}
    settings = KafkaSinkSettings.model_validate({"topic": "a", "cluster": given})
    assert settings.cluster is not None
    connection = settings.cluster.connection()
    assert connection.password.get_secret_value() == "hidden"
    assert connection.bootstrap_servers == "k:1"
    assert "hidden" not in repr(settings)


def test_original_bytes_cannot_be_redacted() -> None:
    """A rule that was believed to hold and did not would be a leak."""
    entry: dict[str, Any] = {"name": "k", "path": "sink://kafka", "config": {"topic": "a"}, "redact": {}}
    with pytest.raises(ValidationError, match=r"redact: .*config\.body: json"):
        Settings.model_validate({"data_collection_plugins": [entry]})
    entry["config"]["body"] = "json"
    Settings.model_validate({"data_collection_plugins": [entry]})
