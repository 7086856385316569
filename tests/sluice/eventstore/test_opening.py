"""The store that settings name, and what is said where they name none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sluice.eventstore.database_queries import DatabaseStore
from sluice.eventstore.elasticsearch_queries import ElasticsearchStore
from sluice.eventstore.opening import open_store
from sluice.eventstore.queries import EventStoreError

SECRET = "hunter2-swordfish"


async def test_elasticsearch_goes_before_the_database(tmp_path: Path) -> None:
    """Where both are named; nothing is connected, made or asked until the first question."""
    database_url = f"sqlite:///{tmp_path / 'events.db'}"
    both = open_store(database_url=database_url, elasticsearch_url="http://127.0.0.1:1", username="a", password="b")
    assert isinstance(both, ElasticsearchStore)
    one = open_store(database_url=database_url)
    assert isinstance(one, DatabaseStore)
    assert await one.count_events("budget") == 0
    await both.close()
    await one.close()


async def test_the_time_limit_is_whoever_s_who_opens_it() -> None:
    """A page's is short, a demo's long."""
    for store in (
        open_store(elasticsearch_url="http://h", time_limit_seconds=7),
        open_store(database_url="sqlite:///x", time_limit_seconds=7),
    ):
        with pytest.raises(EventStoreError, match="within 7 s"):
            raise store._late()  # type: ignore[attr-defined]
        await store.close()


def test_without_any_url_the_setting_is_named() -> None:
    """Nothing is guessed."""
    with pytest.raises(EventStoreError, match=r"control\.events: neither"):
        open_store()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"http://me:{SECRET}@host:9200", "must not hold credentials"),
        (f"http://:{SECRET}@host", "must not hold credentials"),
        ("host:9200", "must be an absolute URL"),
        ("ftp://host", "must be an absolute URL"),
        ("http://", "must be an absolute URL"),
        ("http://host:0", "must be an absolute URL"),
        ("http://host:99999", "must be an absolute URL"),
        ("http://[::1", "must be an absolute URL"),
        ("sqlite:///x", "must be an absolute URL"),
    ],
)
def test_a_url_that_is_none_is_refused_by_its_setting(url: str, said: str) -> None:
    """Before anything is asked, and without repeating what may be secret."""
    with pytest.raises(EventStoreError, match=rf"control\.events\.elasticsearch_url: {said}") as error:
        open_store(elasticsearch_url=url)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("sluice.eventstore.opening", "polars elasticsearch elastic_transport sqlalchemy aiosqlite"),
        ("sluice.eventstore.database_queries", "polars elasticsearch elastic_transport"),
        ("sluice.eventstore.elasticsearch_queries", "polars elasticsearch sqlalchemy"),
    ],
)
def test_nobody_pays_for_the_other_store(module: str, absent: str) -> None:
    """An installation that lacks a library still opens the store that does not need it."""
    script = f"import sys, {module}; print(*(set({absent.split()!r}) & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


@pytest.mark.parametrize(
    ("missing", "argument", "remedy"),
    [
        ("elastic_transport", "elasticsearch_url='http://h'", "pip install 'sluice-gateway[collectors]'"),
        ("sqlalchemy", "database_url='sqlite:///x'", "pip install 'sluice-gateway[gateway]'"),
        ("asyncpg", "database_url='postgresql://h/d'", "pip install 'sluice-gateway[postgres]'"),
    ],
)
def test_a_missing_library_is_named_with_what_installs_it(missing: str, argument: str, remedy: str) -> None:
    """Instead of a traceback at the first page."""
    script = f"""
import sys
sys.modules[{missing!r}] = None
from sluice.eventstore.opening import open_store
from sluice.eventstore.queries import EventStoreError
try:
    open_store({argument})
except EventStoreError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert remedy in run.stdout
