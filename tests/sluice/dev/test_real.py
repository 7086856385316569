"""Both real servers together; that each of them works is in ``test_servers.py``."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from sluice.dev import real
from sluice.dev.real import RealServers
from sluice.dev.servers import FetchError, MissingPrerequisitesError, ServerError, Step


class StandIn:
    """In the place of a server."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.bootstrap_servers = "127.0.0.1:29092"
        self.url = "http://127.0.0.1:29200"
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


KAFKA, ELASTICSEARCH = "Apache Kafka", "Elasticsearch"


def starting(server: StandIn) -> Callable[..., StandIn]:
    """A start that tells one step."""

    def start(progress: Callable[[Step], None], **_: Any) -> StandIn:
        progress(Step(server.name, "downloading", 1_000_000, 45_000_000))
        return server

    return start


def failing(progress: Callable[[Step], None], **_: Any) -> StandIn:
    """A start that fails."""
    del progress
    raise FetchError("no way to fetch it: check the network")


@pytest.fixture(autouse=True)
def prerequisites(monkeypatch: pytest.MonkeyPatch) -> None:
    """Java and Maven are taken to be there."""
    monkeypatch.setattr(real, "missing_prerequisites", list)


def test_both_start_with_progress_in_bytes_and_both_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed names the two settings and the two variables."""
    kafka, elasticsearch = StandIn(KAFKA), StandIn(ELASTICSEARCH)
    monkeypatch.setattr(real, "start_kafka", starting(kafka))
    monkeypatch.setattr(real, "start_elasticsearch", starting(elasticsearch))
    told: list[str] = []
    with RealServers.start(told.append) as both:
        text = both.describe()
    assert sorted(told) == [f"{name}: downloading (1 MB of about 45 MB)" for name in (KAFKA, ELASTICSEARCH)]
    assert "bootstrap_servers: 127.0.0.1:29092, single_broker: true" in text
    assert "elasticsearch_url: http://127.0.0.1:29200" in text
    assert "KAFKA_BOOTSTRAP=127.0.0.1:29092 ES_URL=http://127.0.0.1:29200" in text
    assert kafka.is_closed
    assert elasticsearch.is_closed


def test_one_that_fails_ends_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would ever close it otherwise."""
    elasticsearch = StandIn(ELASTICSEARCH)
    monkeypatch.setattr(real, "start_kafka", failing)
    monkeypatch.setattr(real, "start_elasticsearch", starting(elasticsearch))
    with pytest.raises(ServerError, match="check the network"):
        RealServers.start(lambda _: None)
    assert elasticsearch.is_closed


def test_nothing_is_started_where_java_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setattr(real, "missing_prerequisites", lambda: ["no `java`: install it"])
    with pytest.raises(MissingPrerequisitesError, match="install it"):
        RealServers.start(lambda _: None)


@pytest.mark.long
def test_the_command_starts_both_until_ctrl_c() -> None:
    """The real thing; the fixtures start the same servers in the ordinary run."""
    with subprocess.Popen([sys.executable, "-m", "sluice", "dev", "servers"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        text = ""
        while "Ctrl-C ends both" not in text:
            line = process.stdout.readline()
            assert line, text
            text += line.decode()
        url = re.findall(r"ES_URL=(\S+)", text)[0]
        assert httpx.get(f"{url}/_cluster/health").status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)
