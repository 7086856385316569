"""The sinks' ``config``: the reference's forms are read as they are meant, and nothing doubtful gets through."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from collectors.sinks.settings import DatabaseSettings, Duration, ElasticsearchSettings, IndexSettings, Size
from schemas.events import KINDS
from sluice.eventstore.elasticsearch_http import ElasticsearchHttp

DURATION: TypeAdapter[float] = TypeAdapter(Duration)
SIZE: TypeAdapter[int] = TypeAdapter(Size)


def refusal(model: type[ElasticsearchSettings | DatabaseSettings | IndexSettings], **config: Any) -> str:
    """What is said about a config that is refused."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate(config)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30.0),
        ("5m", 300.0),
        ("2h", 7_200.0),
        ("1.5s", 1.5),
        ("7", 7.0),
        (" 10 s ", 10.0),
        (7, 7.0),
        (0.25, 0.25),
    ],
)
def test_durations(text: Any, seconds: float) -> None:
    """Text with a unit, text that is a number, as environment variables are, and numbers are seconds."""
    assert DURATION.validate_python(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value", ["", "s", "soon", "-5s", "+5s", "5 days", "1e3", "5s5s", ".5s", "5S", "0s", "0", 0, -1, None, [], "5s\n6s"]
)
def test_what_is_no_duration(value: Any) -> None:
    """Nothing is guessed, and no wait is zero or negative."""
    with pytest.raises(ValidationError):
        DURATION.validate_python(value)


@pytest.mark.parametrize("value", [float("inf"), "9" * 400 + "h"])
def test_no_duration_is_without_end(value: Any) -> None:
    """A timeout that never ends is none, however it is written."""
    with pytest.raises(ValidationError):
        DURATION.validate_python(value)


def test_not_a_number_is_no_duration() -> None:
    """YAML has ``.nan``."""
    with pytest.raises(ValidationError):
        DURATION.validate_python(float("nan"))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("100", 100),
        ("512KiB", 524_288),
        ("5MB", 5_000_000),
        ("5 mb", 5_000_000),
        ("1GiB", 1 << 30),
        ("1b", 1),
        ("2KB", 2_000),
        ("1gb", 10**9),
        ("3mib", 3 << 20),
        (4_096, 4_096),
    ],
)
def test_sizes(text: Any, size: int) -> None:
    """Decimal and binary units in any case; a bare number is bytes."""
    assert SIZE.validate_python(text) == size


@pytest.mark.parametrize(
    "value", ["", "MB", "1.5MB", "-1MB", "1TB", "0", "0KiB", 0, -1, 1.5, None, "1 M B", "9" * 5_000]
)
def test_what_is_no_size(value: Any) -> None:
    """No fractions, no units that are not in the list, nothing that is not above zero, and no number without end."""
    with pytest.raises(ValidationError):
        SIZE.validate_python(value)


@settings(deadline=None)
@given(st.text(max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing else is raised, and what is read is above zero."""
    for adapter in (DURATION, SIZE):
        try:
            found = adapter.validate_python(text)
        except ValidationError:
            continue
        assert found > 0


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
    await ElasticsearchHttp(ElasticsearchSettings(elasticsearch_url=url).elasticsearch_url).close()


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


@pytest.mark.parametrize("url", ["sqlite:///.sluice/events.db", "sqlite+aiosqlite:////var/events.db"])
def test_database_urls(url: str) -> None:
    """SQLAlchemy's form with or without the driver, relative or absolute; the default is read the same way."""
    assert DatabaseSettings(url=url).url == "sqlite+aiosqlite:///" + url.partition(":///")[2]
    assert DatabaseSettings().url == "sqlite+aiosqlite:///.sluice/events.db"


@pytest.mark.parametrize(
    "url", ["", "sqlite://", "sqlite:///", "sqlite:events.db", "postgresql://u:p@h/db", "/x.db", 7]
)
def test_databases_that_are_not_in_this_version(url: Any) -> None:
    """Refused with the form that is."""
    assert "url" in refusal(DatabaseSettings, url=url)
