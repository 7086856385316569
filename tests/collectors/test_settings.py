"""``collectors.yaml``: the reference's form loads as it is, and every refusal names the key, the value, the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.entries import ElasticsearchEntry, PluginEntry
from collectors.settings import HostSettings, Settings
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


OTHER = "  - {name: x, path: p.py, service: s, fallback: 'sink://database'}\n"


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
        (entry("    config: {indices: {analitics: a}}\n"), ["config.indices.analitics", "did you mean analytics?"]),
        (entry("    breaker: {open_second: 1}\n"), ["breaker.open_second", "did you mean open_seconds?"]),
        (entry("    breaker: {max_failures: -1}\n"), ["breaker.max_failures", "-1"]),
        (entry("    include: {app: [7]}\n"), ["include.app", "did you mean apps?"]),
        (entry("    include: {}\n"), ["include: names nothing", "apps, llms, vendors, outcomes"]),
        (entry("    exclude: {llms: [1.5]}\n"), ["exclude.llms[0]", "1.5", "id of an LLM"]),
        (entry("    exclude: {apps: [seven]}\n"), ["exclude.apps[0]", "seven"]),
        (entry("    sample: 0\n"), ["sample", "0"]),
        (entry("    sample: 1.5\n"), ["sample", "1.5"]),
        (entry("    redact: {bodies: non}\n"), ["redact.bodies", "non"]),
        (entry("    fallback: p.py\n"), ["fallback", "p.py", "sink://database"]),
        (entry("    fallback: null\n"), ["fallback", "or none"]),
        (entry("    fallback: {config: {}}\n"), ["fallback", "path"]),
        (entry("    fallback: {path: 'sink://database', config: {urll: x}}\n"), ["fallback.config.urll", "mean url?"]),
        (entry("    fallback: {path: 'sink://database', confg: {}}\n"), ["fallback.confg", "did you mean config?"]),
        (entry("    fallback: {path: 'sink://database', sample: 1}\n"), ["sample has no meaning for a fallback"]),
        (entry("    servise: x\n"), ["servise", "did you mean service?"]),
        (entry("  - name: x\n    path: sink://database\n    config: {urll: y}\n"), ["[1].config.urll", "mean url?"]),
        (entry("  - name: x\n    path: p.py\n    max_atempts: 3\n"), ["[1].max_atempts", "mean max_attempts?"]),
        (entry("    batch: {max_records: 0}\n"), ["batch.max_records", "0"]),
        (entry("  - name: es\n    path: sink://database\n"), ["name 'es' names two entries"]),
        ("data_collection_plugins: [{name: fallback, path: p.py}]", ["name 'fallback' is what fallbacks are called"]),
        (entry("    service: s\n    fallback: none\n" + OTHER), ["service 's': fallback:", "'es'", "'x'"]),
        ("data_collection_plugins: [{name: x, path: ./plugin}]", ["path", "sink://elasticsearch", "python://"]),
        ("data_collection_plugins: [{name: x, path: p.py, timeout_ms: 0}]", ["timeout_ms", "0"]),
        ("data_collection_plugins: [{name: x, path: p.py, checksum: abc}]", ["checksum", "'abc'"]),
        ("data_collection_plugins: [{name: x, path: 'grpc://h:1', token: secret}]", ["token"]),
        ("data_collection_plugins: [{name: x, path: p.py, token: 'env:T'}]", ["[0]: token: only a grpc://"]),
        ("data_collection_plugins: [{name: x, path: p.py, max_attempts: -1}]", ["max_attempts", "-1"]),
        ("data_collection_plugins: [{name: .x, path: p.py}]", ["name"]),
        ("data_collection_plugins: [{name: x, path: p.py, on_stream: skip}]", ["on_stream"]),
        ("version: 9", ["version", "9"]),
        ("control: {url: 'http://h:1'}", ["control", "token"]),
        ("control: {url: 'http://u:p@h:1', token: t}", ["control.url"]),
        ("control: {url: 'h:1', token: t}", ["control.url"]),
        ("control: {url: 'http://h:1/api/v1', token: t}", ["control.url"]),
    ],
)
def test_refusals_name_key_value_and_remedy(tmp_path: Path, text: str, parts: list[str]) -> None:
    """Whoever wrote the file finds the line and knows what to write instead."""
    message = refusal(tmp_path, text)
    assert str(tmp_path / "collectors.yaml") in message
    for part in parts:
        assert part in message


def test_a_token_written_where_its_place_belongs_is_not_shown(tmp_path: Path) -> None:
    """The refusal goes into logs."""
    text = "data_collection_plugins: [{name: x, path: 'grpc://h:1', token: top-secret}]"
    assert "top-secret" not in refusal(tmp_path, text)


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


@pytest.mark.parametrize("path", ["python://a.b:C", "plugin.py", "sub/p.py:C", "file:///abs/p", "grpc://h:1"])
def test_a_plugin_of_any_scheme_is_an_entry(tmp_path: Path, path: str) -> None:
    """What the gateway runs as a plugin a collector runs too: as a data collector, with the reference's half minute."""
    text = f"data_collection_plugins: [{{name: x, path: '{path}', config: {{a: 1}}, hook_types: [budget]}}]"
    [found] = load(tmp_path, text).entries()
    assert isinstance(found, PluginEntry)
    registration = found.registration()
    assert (registration.command, registration.name, registration.config) == (path, "x", {"a": 1})
    assert registration.hook_types == ("data_collection",)
    assert registration.timeout_ms == 30_000
    assert found.hook_types == ("budget",)


def test_what_a_plugin_keeps_is_its_own_unless_it_is_said_to_be_the_gateway_s(tmp_path: Path) -> None:
    """Without ``plugin_id`` an entry has an id that no gateway gives, the same at each start; with it that one."""
    text = (
        "data_collection_plugins: [{name: a, path: p.py}, {name: b, path: p.py}, {name: c, path: p.py, plugin_id: 7}]"
    )
    first, again = load(tmp_path, text).entries(), load(tmp_path, text).entries()
    ids = [found.registration().id for found in first if isinstance(found, PluginEntry)]
    assert ids == [found.registration().id for found in again if isinstance(found, PluginEntry)]
    assert ids[2] == 7
    assert len(set(ids)) == 3
    assert all(1 << 31 <= own < 1 << 32 for own in ids[:2])


def test_the_host_of_plugins_is_set_in_the_gateway_s_file() -> None:
    """``plugin_host`` of ``sluice.yaml`` holds for collectors too."""
    assert (
        HostSettings.model_validate({"plugin_host": {"kv": {"max_value_bytes": 7}}}).plugin_host.kv.max_value_bytes == 7
    )


def test_a_control_api_s_token_is_not_shown(tmp_path: Path) -> None:
    """It is a secret like any other."""
    control = load(tmp_path, "control: {url: 'https://h:1/', token: '${TOKEN}'}", TOKEN="slc_x").control
    assert control.token.get_secret_value() == "slc_x"
    assert "slc_x" not in repr(control)
