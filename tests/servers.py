"""One real Kafka, Elasticsearch and PostgreSQL for the whole run, and a closing table that says what ran on what.

A test asks for ``kafka_server``, ``elasticsearch_server``, ``opensearch_server`` or ``postgres_url`` (or carries the
marker ``kafka``, ``elasticsearch``, ``opensearch`` or ``postgres`` when it asks by ``request.getfixturevalue``). The
first such test starts everything that the selected tests need, in parallel and outside every test's timeout.
``KAFKA_BOOTSTRAP``, ``ES_URL``, ``OPENSEARCH_URL`` and ``POSTGRES_URL`` name servers of your own instead.

Where Java, Maven or PostgreSQL is missing these tests skip and say what to install; under ``CI=true`` they fail.
Everything else that keeps a server away is an error everywhere.
"""

from __future__ import annotations

import os
import queue
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field

import pytest
from sqlalchemy import URL, make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from sluice.dev.servers import (
    ElasticsearchServer,
    KafkaServer,
    MissingPrerequisitesError,
    OpenSearchServer,
    PostgresServer,
    Progress,
    Server,
    ServerError,
    Step,
    missing_postgres,
    missing_prerequisites,
    start_elasticsearch,
    start_kafka,
    start_opensearch,
    start_postgres,
)
from sluice.dev.vendor import MockVendor

_PROGRESS_SECONDS = 1.0


class YourServer:
    """Somebody's own cluster, which no test may kill."""

    name = "your own"

    def __init__(self, address: str) -> None:
        self.address = address

    def kill(self) -> None:
        """Skip the test that wants it."""
        pytest.skip(f"{self.address} is your own: it is not killed by tests")

    stop = restart = start = kill

    def close(self) -> None:
        """Leave it running."""


class YourKafka(YourServer):
    """The cluster that ``KAFKA_BOOTSTRAP`` names."""

    @property
    def bootstrap_servers(self) -> str:
        return self.address


class YourElasticsearch(YourServer):
    """The cluster that ``ES_URL`` names."""

    @property
    def url(self) -> str:
        return self.address


class YourOpenSearch(YourElasticsearch):
    """The cluster that ``OPENSEARCH_URL`` names."""


class YourPostgres(YourServer):
    """The database that ``POSTGRES_URL`` names, whose user may create others."""

    def __init__(self, address: str) -> None:
        url = make_url(address)
        super().__init__(f"{url.host}:{url.port or 5432}")
        self._url = url.set(drivername="postgresql+asyncpg")

    @property
    def url(self) -> str:
        return _text(self._url)

    def database_url(self, database: str) -> str:
        """Another database of the same server."""
        return _text(self._url.set(database=database))


def _text(url: URL) -> str:
    return url.render_as_string(hide_password=False)


Kafka = KafkaServer | YourKafka
Elasticsearch = ElasticsearchServer | YourElasticsearch
OpenSearch = OpenSearchServer | YourOpenSearch
Postgres = PostgresServer | YourPostgres


@dataclass(frozen=True)
class Kind:
    """How one kind of server is asked for and had."""

    marker: str
    fixture: str
    variable: str
    missing: Callable[[], list[str]]
    start: Callable[[Progress], Server]
    yours: Callable[[str], YourServer]


KINDS = (
    Kind("kafka", "kafka_server", "KAFKA_BOOTSTRAP", missing_prerequisites, start_kafka, YourKafka),
    Kind(
        "elasticsearch", "elasticsearch_server", "ES_URL", missing_prerequisites, start_elasticsearch, YourElasticsearch
    ),
    Kind("opensearch", "opensearch_server", "OPENSEARCH_URL", missing_prerequisites, start_opensearch, YourOpenSearch),
    Kind("postgres", "postgres_server", "POSTGRES_URL", missing_postgres, start_postgres, YourPostgres),
)


@dataclass
class Entry:
    """What became of one kind of server in this run, and of the tests that wanted it."""

    server: Server | YourServer | None = None
    error: ServerError | None = None
    outcomes: Counter[str] = field(default_factory=Counter)

    def describe(self) -> str:
        if self.server is not None:
            return f"{self.server.name} at {self.server.address}"
        return f"not started: {self.error}".splitlines()[0] if self.error else "not started"


class RealServers:
    """The plugin: starts servers when the first test needs them, counts tests, closes, reports."""

    def __init__(self, config: pytest.Config, environment: dict[str, str]) -> None:
        self._config = config
        self._environment = environment
        self._wanted: list[Kind] = []
        self._needs: dict[str, list[Kind]] = {}
        self.entries: dict[str, Entry] = {}

    # Hooks, in the order in which pytest calls them.

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            for kind in KINDS:
                if kind.fixture in getattr(item, "fixturenames", ()):
                    item.add_marker(kind.marker)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._needs = {
            item.nodeid: [kind for kind in KINDS if item.get_closest_marker(kind.marker)] for item in session.items
        }
        self._wanted = [kind for kind in KINDS if any(kind in needs for needs in self._needs.values())]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        if self._needs.get(item.nodeid):
            self._start_wanted()
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            for kind in self._needs.get(report.nodeid, ()):
                self._entry(kind.marker).outcomes[report.outcome] += 1

    def pytest_sessionfinish(self) -> None:
        for entry in self.entries.values():
            if entry.server is not None:
                entry.server.close()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._wanted:
            return
        terminalreporter.section("what ran on what")
        for kind in self._wanted:
            entry = self._entry(kind.marker)
            counts = ", ".join(f"{number} {outcome}" for outcome, number in sorted(entry.outcomes.items())) or "no test"
            terminalreporter.write_line(f"{kind.marker:<14} {counts:<24} {entry.describe()}")

    # What the fixtures call.

    def get(self, marker: str) -> Server | YourServer:
        """The server, or the skip or failure that its absence means."""
        self._start_wanted()
        entry = self._entry(marker)
        if entry.server is None and entry.error is None:  # asked for by a name that collection could not see
            self._start([kind for kind in KINDS if kind.marker == marker])
        if entry.server is not None:
            return entry.server
        if isinstance(entry.error, MissingPrerequisitesError) and self._environment.get("CI") != "true":
            pytest.skip(str(entry.error))
        pytest.fail(str(entry.error), pytrace=False)

    def _entry(self, marker: str) -> Entry:
        return self.entries.setdefault(marker, Entry())

    def _start_wanted(self) -> None:
        self._start([kind for kind in self._wanted if kind.marker not in self.entries])

    def _start(self, kinds: list[Kind]) -> None:
        steps: queue.SimpleQueue[Step] = queue.SimpleQueue()
        with ThreadPoolExecutor() as threads:
            starting = [threads.submit(self._start_one, kind, steps.put) for kind in kinds]
            self._show_until_done(starting, steps)
        for future in starting:
            future.result()

    def _start_one(self, kind: Kind, progress: Progress) -> None:
        entry = self._entry(kind.marker)
        address = self._environment.get(kind.variable)
        if address:
            entry.server = kind.yours(address)
            return
        try:
            if missing := kind.missing():
                raise MissingPrerequisitesError(missing)
            entry.server = kind.start(progress)
        except ServerError as error:
            entry.error = error

    def _show_until_done(self, starting: list[Future[None]], steps: queue.SimpleQueue[Step]) -> None:
        """The newest step of each server, once a second."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        shown: dict[str, str] = {}
        running = set(starting)
        while running:
            running = wait_for(running, timeout=_PROGRESS_SECONDS).not_done
            newest = {step.server: str(step) for step in _drain(steps)}
            for server, line in newest.items():
                if reporter is not None and shown.get(server) != line:
                    reporter.ensure_newline()
                    reporter.write_line(line)
            shown |= newest


def _drain(steps: queue.SimpleQueue[Step]) -> Iterator[Step]:
    while not steps.empty():
        yield steps.get()


_SERVERS = pytest.StashKey[RealServers]()


def pytest_configure(config: pytest.Config) -> None:
    """Take part in the run."""
    names = ("CI", *(kind.variable for kind in KINDS))
    environment = {name: os.environ.get(name, "") for name in names}  # noqa: TID251 (settings are not read in tests)
    config.stash[_SERVERS] = RealServers(config, environment)
    config.pluginmanager.register(config.stash[_SERVERS], "sluice-real-servers")


@pytest.fixture(scope="session")
def kafka_server(pytestconfig: pytest.Config) -> Kafka:
    """A real Kafka, one for the whole run: use unique topics and groups, and leave it running."""
    server = pytestconfig.stash[_SERVERS].get("kafka")
    assert isinstance(server, KafkaServer | YourKafka)
    return server


@pytest.fixture(scope="session")
def elasticsearch_server(pytestconfig: pytest.Config) -> Elasticsearch:
    """A real Elasticsearch, one for the whole run: use unique indices, and leave it running."""
    server = pytestconfig.stash[_SERVERS].get("elasticsearch")
    assert isinstance(server, ElasticsearchServer | YourElasticsearch)
    return server


@pytest.fixture(scope="session")
def opensearch_server(pytestconfig: pytest.Config) -> OpenSearch:
    """A real OpenSearch, one for the whole run, started where a selected test asks for it: use unique indices."""
    server = pytestconfig.stash[_SERVERS].get("opensearch")
    assert isinstance(server, OpenSearchServer | YourOpenSearch)
    return server


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> Postgres:
    """A real PostgreSQL, one for the whole run: most tests want ``postgres_url``."""
    server = pytestconfig.stash[_SERVERS].get("postgres")
    assert isinstance(server, PostgresServer | YourPostgres)
    return server


@pytest.fixture
async def postgres_url(postgres_server: Postgres, unique_name: str) -> AsyncIterator[str]:
    """A fresh, empty database for this test alone, as SQLAlchemy takes it; who is connected at its end is cut off."""
    await _administer(postgres_server, f"CREATE DATABASE {unique_name}")
    yield postgres_server.database_url(unique_name)
    await _administer(postgres_server, f"DROP DATABASE {unique_name} WITH (FORCE)")


async def _administer(server: Postgres, statement: str) -> None:
    engine = create_async_engine(server.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.exec_driver_sql(statement)


@pytest.fixture
def unique_name() -> str:
    """A short name that no other test and no other run has: for topics, groups and indices."""
    return f"t{secrets.token_hex(5)}"


@pytest.fixture
async def mock_vendor() -> AsyncIterator[MockVendor]:
    """A scripted vendor in this process, for this test alone."""
    vendor = MockVendor()
    await vendor.start()
    yield vendor
    await vendor.close()
