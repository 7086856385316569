"""Each reason why a broker cannot be reached is found and said with its remedy, on a real broker with all its locks."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiokafka.protocol.admin import ApiVersionResponse_v0
from aiokafka.protocol.metadata import MetadataResponse_v0

from sluice.dev.servers.ports import free_port
from sluice.dev.servers.secured_kafka import ListenerName
from sluice.eventlog.kafka.admin import ensure_topics, find_problems
from sluice.eventlog.kafka.config import KafkaUnreachableError
from sluice.eventlog.kafka.probe import find_cause, places_of
from sluice.eventlog.settings import KafkaSettings
from tests.sluice.eventlog.kafka.reading import topics_of
from tests.sluice.eventlog.kafka.securing import Secured, write_pem
from tests.sluice.eventlog.serving import Handler, hang, serving

PLAIN: dict[str, Any] = {"security_protocol": "PLAINTEXT", "username": "", "password": "", "ca_file": ""}
TLS: dict[str, Any] = {"security_protocol": "SSL", "username": "", "password": ""}

GOOD: list[tuple[ListenerName, dict[str, Any]]] = [
    ("SASL_SSL", {}),
    ("SASL_SSL", {"sasl_mechanism": "SCRAM-SHA-256"}),
    ("SASL_SSL", {"sasl_mechanism": "SCRAM-SHA-512"}),
    ("SASL_PLAINTEXT", {"sasl_mechanism": "SCRAM-SHA-512"}),
    ("PLAIN_ONLY", {}),
    ("SSL", {}),
]

BAD: dict[str, tuple[ListenerName, dict[str, Any], str]] = {
    "TLS needed": ("SSL", PLAIN, r"TLS is needed there: set kafka\.security_protocol: SSL"),
    "TLS needed, and a user": (
        "SASL_SSL", {"security_protocol": "SASL_PLAINTEXT"}, r"TLS is needed there: set .*: SASL_SSL"
    ),
    "TLS needed, and a certificate": ("MUTUAL", PLAIN, "TLS is needed there"),
    "TLS not spoken": (
        "SASL_PLAINTEXT", {"security_protocol": "SASL_SSL"}, r"TLS is not spoken there: set .*: SASL_PLAINTEXT"
    ),
    "unknown authority": ("SSL", {"ca_file": ""}, r"signed by nobody in this host's store .*: set kafka\.ca_file"),
    "client certificate": ("MUTUAL", {}, r"asks for a client certificate .*: set kafka\.client_certificate_file"),
    "mechanism": (
        "PLAIN_ONLY", {"sasl_mechanism": "SCRAM-SHA-256"},
        r"SCRAM-SHA-256 is not enabled there \(enabled: PLAIN\): set kafka\.sasl_mechanism",
    ),
    "wrong password": ("SASL_SSL", {"password": "no"}, r"wrong name or password \(PLAIN, user alice\): check kafka\."),
    "wrong password, SCRAM": (
        "SASL_SSL", {"password": "no", "sasl_mechanism": "SCRAM-SHA-512"}, r"wrong name or password \(SCRAM-SHA-512"
    ),
    "unknown user": (
        "SASL_SSL", {"username": "zoe", "sasl_mechanism": "SCRAM-SHA-256"}, r"wrong name or password .*user zoe"
    ),
    "a user is needed": (
        "SASL_PLAINTEXT", PLAIN, r"a user is asked for there \(SASL: .*PLAIN.*\): set .*: SASL_PLAINTEXT"
    ),
    "a user is needed, with TLS": ("SASL_SSL", TLS, r"a user is asked for there .*: set .*: SASL_SSL"),
    "no user is needed": (
        "SSL", {"security_protocol": "SASL_SSL", "username": "alice", "password": "x"}, "that listener asks for no user"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("listener", "more"), GOOD, ids=[f"{name} {more}" for name, more in GOOD])
async def test_what_works_has_no_cause(
    secured: Secured, unique_name: str, listener: ListenerName, more: dict[str, Any]
) -> None:
    """Every mechanism and protocol that is offered is understood as a client of Kafka's would."""
    assert await find_cause(secured.settings(unique_name, listener, **more).kafka) == ""


async def test_a_client_certificate_is_shown(secured: Secured, unique_name: str, tmp_path: Path) -> None:
    """One that the broker trusts opens the door; another's authority is refused, and which file that is is said."""
    good = secured.settings(unique_name, "MUTUAL", client_certificate_file=secured.client_file)
    assert await find_cause(good.kafka) == ""
    write_pem(trustme.CA().issue_cert("somebody"), tmp_path / "other.pem")
    other = secured.settings(unique_name, "MUTUAL", client_certificate_file=str(tmp_path / "other.pem"))
    assert "refuses the certificate in kafka.client_certificate_file" in await find_cause(other.kafka)


@pytest.mark.parametrize("case", BAD)
async def test_each_cause_is_found(secured: Secured, unique_name: str, case: str) -> None:
    """With the address, the setting to change, and never the password."""
    listener, more, expected = BAD[case]
    settings = secured.settings(unique_name, listener, **more)
    cause = await find_cause(settings.kafka)
    assert cause.startswith(f"{secured.kafka.address(listener)}: ")
    assert re.search(expected, cause), cause
    assert "alice-secret" not in cause


@pytest.mark.parametrize("case", ["wrong password", "unknown authority", "TLS needed", "mechanism"])
async def test_clients_of_ours_say_the_cause(secured: Secured, unique_name: str, case: str) -> None:
    """Where aiokafka says that it could not bootstrap: for who makes topics, and for the doctor."""
    listener, more, expected = BAD[case]
    settings = secured.settings(unique_name, listener, **more)
    with pytest.raises(KafkaUnreachableError, match=expected):
        await ensure_topics(settings, topics_of(settings))
    (problem,) = await find_problems(settings, topics_of(settings))
    assert re.search(expected, problem)


async def test_a_certificate_is_for_its_host_alone(secured: Secured, unique_name: str) -> None:
    """Another name of the same address is refused, unless the check was switched off."""
    elsewhere = secured.kafka.address("SSL", "127.0.0.1")
    settings = secured.settings(unique_name, "SSL", bootstrap_servers=elsewhere)
    assert "certificate is not for 127.0.0.1" in await find_cause(settings.kafka)
    settings = secured.settings(unique_name, "SSL", bootstrap_servers=elsewhere, check_hostname=False)
    assert await find_cause(settings.kafka) == ""


async def test_one_good_address_is_enough(secured: Secured, unique_name: str) -> None:
    """As it is for a client; where none is good each is named with its own cause."""
    good, nobody = secured.kafka.address("SASL_SSL"), f"localhost:{free_port()}"
    settings = secured.settings(unique_name, bootstrap_servers=f"{nobody},{good}")
    assert await find_cause(settings.kafka) == ""
    settings = secured.settings(unique_name, bootstrap_servers=f"{nobody}, nobody.invalid:9092")
    cause = await find_cause(settings.kafka)
    assert f"{nobody}: connection refused" in cause
    assert "nobody.invalid:9092: the name nobody.invalid is not resolved" in cause


# scripted servers


def at(port: int, **more: Any) -> KafkaSettings:
    """Settings for what listens there."""
    own = {"bootstrap_servers": f"localhost:{port}", "request_timeout_seconds": 1.0, **more}
    return KafkaSettings.model_validate(own)


async def test_an_expired_certificate_is_said(tmp_path: Path) -> None:
    """Not that it is unknown: whoever renews it need not look for an authority."""
    authority, now = trustme.CA(), datetime.now(UTC)  # noqa: TID251 - a certificate's own dates
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    dates = {"expired": (now - timedelta(days=9), now - timedelta(days=1)), "not valid yet": (now + timedelta(days=1),
             now + timedelta(days=9))}  # fmt: skip
    for words, (start, end) in dates.items():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", not_before=start, not_after=end).configure_cert(context)
        async with serving(hang, context) as port:
            cause = await find_cause(at(port, security_protocol="SSL", ca_file=str(tmp_path / "ca.pem")))
        assert words in cause


async def speak_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Another protocol."""
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await writer.drain()


async def talk_nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A size that is a lie."""
    await reader.read(1)
    writer.write(b"\x00\x00\x00\x09" + b"\xff" * 4)
    await writer.drain()


@pytest.mark.parametrize("handler", [hang, speak_http, talk_nonsense])
@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL"])
async def test_what_is_no_broker_is_said_to_be_none(handler: Handler, protocol: str) -> None:
    """Whatever it says or does not say: within the time limit, and without an error of ours."""
    async with asyncio.timeout(40), serving(handler) as port:
        cause = await find_cause(at(port, security_protocol=protocol))
    words = "does not answer as Kafka does" if protocol == "PLAINTEXT" else "TLS failed"
    assert words in cause


async def test_an_advertised_address_that_leads_nowhere_is_named() -> None:
    """The broker answers, and sends its clients elsewhere: neither address alone would tell the operator that."""
    elsewhere = free_port()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers = [
            ApiVersionResponse_v0(0, [(18, 0, 0), (3, 0, 0)]).encode(),
            MetadataResponse_v0([(1, "localhost", elsewhere)], []).encode(),
        ]
        for each in answers:
            size = int.from_bytes(await reader.readexactly(4))
            question = await reader.readexactly(size)
            writer.write((len(each) + 4).to_bytes(4) + question[4:8] + each)
            await writer.drain()

    async with serving(answer) as port:
        cause = await find_cause(at(port))
    assert f"tells clients to use localhost:{elsewhere} (its advertised.listeners): connection refused" in cause


async def test_an_address_that_nobody_answers_at_is_bounded() -> None:
    """A full backlog, as behind a firewall that drops: no answer, within the step's limit."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        for _ in range(8):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        async with asyncio.timeout(40):
            cause = await find_cause(at(listener.getsockname()[1]))
        for filler in fillers:
            filler.close()
    assert "no answer" in cause or "does not answer" in cause


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:1,b:2", [("a", 1), ("b", 2)]),
        (" a , b:2 ,", [("a", 9092), ("b", 2)]),
        ("[::1]:5", [("::1", 5)]),
        ("[::1]", [("::1", 9092)]),
        ("a:port", [("a:port", 9092)]),
        ("", []),
    ],
)
def test_addresses_are_read_as_clients_do(text: str, expected: list[tuple[str, int]]) -> None:
    """Several with commas, IPv6 in brackets, Kafka's port where none is named; nonsense is a name."""
    assert [(place.host, place.port) for place in places_of(text)] == expected
