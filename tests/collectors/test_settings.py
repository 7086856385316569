"""``collectors.yaml``: the reference's form loads as it is, and every refusal names the key, the value, the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.settings import ElasticsearchEntry, Settings
from sluice.settings import SettingsError, load_settings

SEED = """
version: "1.0"
data_collection_plugins:
  - name: elasticsearch-collector
    path: sink://elasticsearch
    enabled: true
    priority: 100
    replace_database: true
    hook_types: ["proxy_log", "analytics", "budget"]
    config:
      elasticsearch_url: "${ES_URL:-http://localhost:9200}"
      username: "elastic"
      password: "${ES_PASSWORD:-}"
      indices:
        proxy_logs: "microgateway-proxy-logs"
        analytics: "microgateway-analytics"
        budget: "microgateway-budget"
      batch_size: "100"
      flush_interval: "30s"
      use_index_templates: "true"
      timeout: "10s"
"""


def load(tmp_path: Path, text: str, **variables: str) -> Settings:
    """Settings of a file with this text."""
    path = tmp_path / "collectors.yaml"
    path.write_text(text)
    return load_settings(path, Settings, variables)


def refusal(tmp_path: Path, text: str) -> str:
    """What is said about a file that is refused."""
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    return str(caught.value)


def entry(more: str) -> str:
    """A file with one entry."""
    return f"data_collection_plugins:\n  - name: es\n    path: sink://elasticsearch\n{more}"


def test_the_seeds_configuration_loads(tmp_path: Path) -> None:
    """With values as text, as its host passes them, and its own names for batch and age."""
    [found] = load(tmp_path, SEED, ES_PASSWORD="pw").entries()
    assert isinstance(found, ElasticsearchEntry)
    assert found.config.elasticsearch_url == "http://localhost:9200"
    assert found.config.password.get_secret_value() == "pw"
    assert found.config.timeout == 10.0
    assert found.config.use_index_templates is True
    assert found.config.indices.names()["budget"] == "microgateway-budget"
    assert (found.batch.max_records, found.batch.max_age_seconds) == (100, 30.0)
    assert found.service_name == "elasticsearch-collector"
    assert "pw" not in repr(found)


def test_our_batch_wins_over_the_seeds(tmp_path: Path) -> None:
    """Where both are given, ``batch`` is meant."""
    text = entry("    batch: {max_records: 7}\n    config: {batch_size: 100, flush_interval: 2s}\n")
    [found] = load(tmp_path, text).entries()
    assert (found.batch.max_records, found.batch.max_age_seconds) == (7, 2.0)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (entry("    config: {elasticsearch_uri: http://x}\n"), ["config.elasticsearch_uri", "elasticsearch_url"]),
        (entry("    config: {elasticsearch_url: localhost}\n"), ["elasticsearch_url", "localhost", "http://"]),
        (entry("    config: {elasticsearch_url: 'http://u:p@x'}\n"), ["use username and password"]),
        (entry("    config: {timeout: soon}\n"), ["timeout", "soon", "30s"]),
        (entry("    hook_types: []\n"), ["hook_types"]),
        (entry("    hook_types: [prompts]\n"), ["hook_types", "prompts", "proxy_log"]),
        (entry("    redact: {}\n"), ["redact is not in this version"]),
        (entry("    replace_database: false\n"), ["replace_database", "sink://database"]),
        (entry("    batch: {max_records: 0}\n"), ["batch.max_records", "0"]),
        (entry("  - name: es\n    path: sink://database\n"), ["service 'es' has two entries"]),
        ("data_collection_plugins: [{name: x, path: ./plugin}]", ["path", "sink://elasticsearch"]),
        ("version: 9", ["version", "9"]),
    ],
)
def test_refusals_name_key_value_and_remedy(tmp_path: Path, text: str, parts: list[str]) -> None:
    """Whoever wrote the file finds the line and knows what to write instead."""
    message = refusal(tmp_path, text)
    assert str(tmp_path / "collectors.yaml") in message
    for part in parts:
        assert part in message


def test_disabled_entries_and_named_services(tmp_path: Path) -> None:
    """Disabled entries do not run; services are chosen by name, and an unknown one is refused with those there are."""
    text = entry(
        "    service: one\n  - name: two\n    path: sink://database\n"
        "  - {name: x, path: 'sink://database', enabled: false}\n"
    )
    settings = load(tmp_path, text)
    assert [found.service_name for found in settings.entries()] == ["one", "two"]
    assert [found.service_name for found in settings.entries(("two",))] == ["two"]
    with pytest.raises(ValueError, match="no enabled service 'x'; there are: one, two"):
        settings.entries(("x",))
