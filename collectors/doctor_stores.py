"""What ``sluice doctor`` looks at in the stores of sinks: tables and indexes, index templates; and what it can make."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import SQLAlchemyError

from collectors.entries import AnyEntry, DatabaseEntry, ElasticsearchEntry
from collectors.errors import CollectorError
from collectors.sinks.database.engines import open_engine, prepare
from collectors.sinks.elasticsearch.access import open_http
from collectors.sinks.elasticsearch.template_install import install_templates, outdated_templates
from collectors.sinks.settings import DatabaseSettings
from sluice.command_line.findings import Finding, Fix
from sluice.eventstore.database_errors import known_errors
from sluice.eventstore.tables import METADATA, is_wanted

T = TypeVar("T")

LIMIT_SECONDS = 15.0
"""For one store, however slowly it answers."""


def check_store(entry: AnyEntry) -> Iterator[Finding]:
    """Of the sinks whose stores have something to be made first."""
    if isinstance(entry, DatabaseEntry):
        yield check_database(f"{entry.name}: the events database", entry.config)
    elif isinstance(entry, ElasticsearchEntry):
        yield _check_elasticsearch(entry)


def check_database(what: str, settings: DatabaseSettings) -> Finding:
    """Whether it has every table and index of ours. SQLite's file is not made by looking."""
    engine = open_engine(settings, 1)
    path = Path(engine.url.database or "")
    if engine.dialect.name == "sqlite" and not path.exists():
        return Finding(True, f"{what} {path} is made at the first start")
    errors: tuple[type[Exception], ...] = (*known_errors(), SQLAlchemyError, OSError, CollectorError)
    try:
        missing = _run(_missing_of(settings))
    except errors as error:
        why = "its collector halts or retries, and its events wait in the log"
        return Finding(False, f"{what} cannot be read ({type(error).__name__})", "see its config.url", why)
    if not missing:
        return Finding(True, f"{what} has every table and index")
    fix = Fix(f"make {', '.join(missing)} in {what}", lambda: _prepared(settings))
    why = "readers find nothing, or read the whole table for each page"
    remedy = "sluice doctor --fix, or the next start of sluice collect; over a million rows it takes seconds"
    return Finding(False, f"{what} lacks {', '.join(missing)}", remedy, why, fix)


async def _missing_of(settings: DatabaseSettings) -> list[str]:
    engine = open_engine(settings, 1)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_missing)
    finally:
        await engine.dispose()


def _missing(connection: Connection) -> list[str]:
    known, lacking = inspect(connection), []
    for table in METADATA.sorted_tables:
        if not known.has_table(table.name):
            lacking.append(table.name)
            continue
        there = {index["name"] for index in known.get_indexes(table.name)}
        wanted = {str(index.name) for index in table.indexes if is_wanted(index, connection.dialect.name)}
        lacking.extend(sorted(wanted - there))
    return lacking


def _prepared(settings: DatabaseSettings) -> str:
    async def make() -> None:
        engine = open_engine(settings, 1)
        try:
            await prepare(engine)
        finally:
            await engine.dispose()

    asyncio.run(make())
    return "made"


def _check_elasticsearch(entry: ElasticsearchEntry) -> Finding:
    what = f"{entry.name}: Elasticsearch"
    try:
        outdated = _run(_templates(entry, install=False))
    except (CollectorError, TimeoutError) as error:
        why = "its collector retries, and its events wait in the log for as long as that keeps them"
        remedy = "start it, or correct config.elasticsearch_url and what signs in there"
        return Finding(False, f"{what} cannot be asked: {str(error) or 'no answer'}", remedy, why)
    if not outdated:
        return Finding(True, f"{what} answers, and its templates are ours")
    names = ", ".join(path.rpartition("/")[2] for path in outdated)
    why = "an index that is made without them guesses its fields, and sums and dashboards are wrong"
    fix = Fix(f"install {names}", lambda: ", ".join(_run(_templates(entry, install=True))) + " installed")
    remedy = "sluice doctor --fix, or the next start of sluice collect"
    return Finding(False, f"{what} lacks templates, or has older ones: {names}", remedy, why, fix)


async def _templates(entry: ElasticsearchEntry, *, install: bool) -> list[str]:
    settings = entry.config
    if not settings.use_index_templates:
        return []
    names = settings.indices.names()
    stems = {kind: names[kind] for kind in entry.hook_types}
    http = open_http(settings, connections=1)
    try:
        if install:
            return await install_templates(http, settings, stems)
        return await outdated_templates(http, settings, stems)
    finally:
        await http.close()


def _run(work: Coroutine[Any, Any, T]) -> T:
    async def limited() -> T:
        async with asyncio.timeout(LIMIT_SECONDS):
            return await work

    return asyncio.run(limited())
