"""The ``config`` of ``sink://elasticsearch``: forms of the reference, nodes, log-ins, patterns; nothing doubtful."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from collectors.sinks.elasticsearch.settings import ElasticsearchSettings, IndexSettings
from schemas.events import KINDS
from sluice.eventstore.elasticsearch_http import ElasticsearchHttp


def refusal(model: type[ElasticsearchSettings | IndexSettings], **config: Any) -> str:
    """What is said about a config that is refused."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate(config)
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://localhost:9200", "http://localhost:9200"),
        ("https://es.example.com/", "https://es.example.com"),
        ("https://es.example.com/prefix//", "https://es.example.com/prefix"),
        ("http://[::1]:9200", "http://[::1]:9200"),
    ],
)
def test_urls_that_are_kept(url: str, kept: str) -> None:
    """Absolute, with a path before it where a proxy has one, without the slash at the end."""
    assert ElasticsearchSettings(elasticsearch_url=url).elasticsearch_url == kept


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:9200",
        "//localhost",
        "ftp://x",
        "http://",
        "http:///x",
        "http://x?a=1",
        "http://x#f",
        "http://[::1",
    ],
)
def test_urls_that_are_refused(url: str) -> None:
    """What the client could not reach is refused before anything starts, with an example of what it could."""
    assert "elasticsearch_url" in refusal(ElasticsearchSettings, elasticsearch_url=url)


@pytest.mark.parametrize("url", ["http://user@x", "http://user:hunter2@x", "http://:hunter2@x"])
def test_credentials_do_not_belong_into_a_url(url: str) -> None:
    """URLs are logged; the keys for credentials are not."""
    assert "use username and password" in refusal(ElasticsearchSettings, elasticsearch_url=url)


@pytest.mark.parametrize("url", ["http://localhost:99999", "http://localhost:port", "http://localhost:0"])
def test_a_port_that_is_none(url: str) -> None:
    """Refused with the settings, not in a service that then fails for good."""
    said = refusal(ElasticsearchSettings, elasticsearch_url=url)
    assert "elasticsearch_url" in said
    assert "must have a port from 1 to 65535" in said


@pytest.mark.parametrize("url", ["http://localhost", "http://localhost:", "http://localhost:1", "http://[::1]:65535"])
async def test_a_url_that_is_accepted_can_be_opened(url: str) -> None:
    """Without a port, or with any from the first to the last."""
    await ElasticsearchHttp(ElasticsearchSettings(elasticsearch_url=url).urls()).close()


def test_secrets_do_not_show() -> None:
    """Printed settings hide the password."""
    config = ElasticsearchSettings.model_validate({"username": "elastic", "password": "hunter2"})
    assert "hunter2" not in repr(config) + str(config) + config.model_dump_json()


def test_defaults_are_the_reference_s_names() -> None:
    """A config of nothing works, and each event has an index of its own."""
    config = ElasticsearchSettings()
    assert set(config.indices.names()) == set(KINDS)
    assert len(set(config.indices.names().values())) == len(KINDS)
    assert (config.batch_size, config.flush_interval) == (None, None)
    with pytest.raises(ValidationError):
        config.timeout = 3.0


@pytest.mark.parametrize(
    "name",
    ["", "Logs", "_logs", "-logs", ".logs", "lo gs", "logs*", "lögs", "logs/x", "logs\n", "l" * 201, "a,b", "a#b"],
)
def test_index_names_that_elasticsearch_refuses(name: str) -> None:
    """Lower case, no signs that mean something in a path or a pattern, and room for the day behind it."""
    assert "analytics" in refusal(IndexSettings, analytics=name)


@pytest.mark.parametrize(
    ("proxy_logs", "budget"), [("logs", "logs"), ("logs", "logs-budget"), ("logs-a-b", "logs-a"), ("microgateway", "b")]
)
def test_events_do_not_share_indices(proxy_logs: str, budget: str) -> None:
    """One name for two events, or one in reach of another's pattern: both keys are named, and what to do."""
    said = refusal(IndexSettings, proxy_logs=proxy_logs, budget=budget)
    assert "proxy_logs: " in said
    assert "give each event a name" in said


def test_names_that_only_look_alike() -> None:
    """A pattern ends in a dash: a name that goes on otherwise is out of its reach."""
    names = IndexSettings(proxy_logs="logs", analytics="logs2", budget="logs.b").names()
    assert list(names.values()) == ["logs", "logs2", "logs.b"]


def test_index_names_up_to_the_bound() -> None:
    """Letters, digits, dots, dashes; 200 characters."""
    for name in ("a", "0", "team.logs-v1_x", "l" * 200):
        assert IndexSettings(budget=name).names()["budget"] == name


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("batch_size", 0),
        ("batch_size", 100_001),
        ("batch_size", "many"),
        ("oldest_days", 0),
        ("newest_days", 31),
        ("max_bulk_bytes", 0),
        ("timeout", "0s"),
        ("compress", "maybe"),
        ("unknown", 1),
    ],
)
def test_values_out_of_their_bounds(key: str, value: Any) -> None:
    """Each key's own bound, and a key that would be ignored is refused."""
    assert key in refusal(ElasticsearchSettings, **{key: value})


@pytest.mark.parametrize(
    "config",
    [
        {"elasticsearch_url": ["http://a:1/", "http://b:2"]},
        {"elasticsearch_url": "http://a:1/, http://b:2"},
        {"elasticsearch_urls": ["http://a:1", "http://b:2"]},
        {"elasticsearch_urls": "http://a:1,http://b:2/"},
    ],
)
def test_several_nodes(config: dict[str, Any]) -> None:
    """Under either name, as a list or as the one text that an environment variable holds."""
    assert ElasticsearchSettings.model_validate(config).urls() == ("http://a:1", "http://b:2")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"elasticsearch_url": []}, "must name a node"),
        ({"elasticsearch_url": ["http://a", "http://a/"]}, "stands twice"),
        ({"elasticsearch_url": ["http://a", "ftp://b"]}, "must be an absolute"),
        ({"elasticsearch_url": "http://a", "elasticsearch_urls": ["http://b"]}, "put all nodes into one"),
        ({"username": "u", "api_key": "k"}, "username and api_key are both given"),
        ({"api_key": "k", "bearer_token": "t"}, "api_key and bearer_token are both given"),
        ({"password": "p"}, "password: needs a username"),
        ({"username": "a:b"}, "username: must not have a colon"),
        ({"api_key": "two words"}, "api_key: must be one word"),
        ({"bearer_token": "line\nend"}, "bearer_token: must be one word"),
        ({"elasticsearch_url": "https://a", "ca_file": "f", "ca_fingerprint": "ab" * 32}, "beside ca_file"),
        ({"elasticsearch_url": "https://a", "ca_fingerprint": "ab" * 31}, "must be a SHA-256"),
        ({"elasticsearch_url": "https://a", "client_key_file": "k"}, "needs a client_certificate_file"),
        ({"ca_file": "f"}, "ca_file: is for https alone"),
        ({"flavour": "elasticsearch7"}, "flavour"),
        ({"flavour": "opensearch", "lifecycle_policy": "p"}, "OpenSearch has no ILM"),
        ({"lifecycle_policy": "p", "use_index_templates": False}, "stands in the index templates"),
        ({"lifecycle_policy": "a b"}, "must be a name"),
        ({"pipeline": "x&refresh=true"}, "must be a name"),
        ({"pipeline": "_none"}, "must be a name"),
        ({"data_streams": True, "indices": {"budget": "b-{YYYY}"}}, "a data stream has no date"),
        ({"failure_store": "ignore"}, "failure_store"),
    ],
)
def test_what_contradicts_itself(config: dict[str, Any], said: str) -> None:
    """Nothing is given in vain or twice, and nothing that would change the request."""
    assert said in refusal(ElasticsearchSettings, **config)


@pytest.mark.parametrize(
    ("pattern", "name", "period"),
    [
        ("logs", "logs", "day"),
        ("logs-{YYYY.MM.DD}", "logs", "day"),
        ("my-logs-{YYYY.MM}", "my-logs", "month"),
        ("logs-{YYYY}", "logs", "year"),
    ],
)
def test_patterns_of_indices(pattern: str, name: str, period: str) -> None:
    """The name that readers ask, and how much time an index spans; each event has its own."""
    found = IndexSettings(budget=pattern)
    assert (found.names()["budget"], found.periods()["budget"]) == (name, period)
    assert (found.names()["analytics"], found.periods()["analytics"]) == ("microgateway-analytics", "day")


@pytest.mark.parametrize(
    "pattern", ["logs-{MM}", "logs{YYYY}", "logs-{YYYY.DD}", "{YYYY}", "logs-{YYYY}-x", "l-{yyyy}"]
)
def test_patterns_that_are_none(pattern: str) -> None:
    """The date is at the end, in one of three forms."""
    assert "-{YYYY.MM.DD}" in refusal(IndexSettings, budget=pattern)
