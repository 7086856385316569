"""The sinks' ``config``: the reference's forms are read as they are meant, and nothing doubtful gets through."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from collectors.sinks.settings import DatabaseSettings, Duration, Size

DURATION: TypeAdapter[float] = TypeAdapter(Duration)
SIZE: TypeAdapter[int] = TypeAdapter(Size)


def refusal(model: type[DatabaseSettings], **config: Any) -> str:
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


@pytest.mark.parametrize("url", ["sqlite:///.sluice/events.db", "sqlite+aiosqlite:////var/events.db"])
def test_database_urls(url: str) -> None:
    """SQLAlchemy's form with or without the driver, relative or absolute; the default is read the same way."""
    assert DatabaseSettings(url=url).url == "sqlite+aiosqlite:///" + url.partition(":///")[2]
    assert DatabaseSettings().url == "sqlite+aiosqlite:///.sluice/events.db"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
def test_postgres_urls(scheme: str) -> None:
    """Whatever other tools call it; libpq's name of the one option that everybody needs is known too."""
    found = DatabaseSettings(url=f"{scheme}://u:p@h:5433/events?sslmode=verify-full&x=1").url
    assert found == "postgresql+asyncpg://u:p@h:5433/events?ssl=verify-full&x=1"


@pytest.mark.parametrize(
    "url",
    [
        "", "sqlite://", "sqlite:///", "sqlite:events.db", "/x.db", 7, None, "mysql://u@h/db", "postgresql:///db",
        "postgresql://h", "postgresql://h/", "postgresql://h:99999/db", "postgresql://h:0/db",
    ],
)  # fmt: skip
def test_databases_that_are_not_in_this_version(url: Any) -> None:
    """Refused with the forms that are."""
    assert "url: must be sqlite:///<path> or postgresql://" in refusal(DatabaseSettings, url=url)


def test_a_database_s_password_is_not_shown() -> None:
    """Neither in print, nor in what is written out, nor in an error; the sink has it."""
    url = "postgresql://sluice:hunter2@db.example.com/events"
    config = DatabaseSettings.model_validate({"url": url, "password": "hunter3"})
    assert "hunter" not in repr(config) + str(config) + config.model_dump_json()
    assert config.model_dump()["url"] == "postgresql+asyncpg://sluice:***@db.example.com/events"
    assert "hunter2" in config.url
    assert "hunter2" not in refusal(DatabaseSettings, url="postgresql://sluice:hunter2@/events").partition("input")[0]


def test_a_password_that_nobody_asks_for() -> None:
    """SQLite has none: one that would be ignored is refused."""
    assert "password: SQLite has none" in refusal(DatabaseSettings, url="sqlite:///x.db", password="hunter2")
