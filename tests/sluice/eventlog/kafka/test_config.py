"""From settings to aiokafka's arguments, and from its errors to ours: each with what to do."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    NotLeaderForPartitionError,
)

from sluice.eventlog.interface import CommitFailedError, EventLogError, OffsetLostError
from sluice.eventlog.kafka.config import KafkaUnreachableError, connection_arguments, producer_arguments, translate
from sluice.eventlog.settings import KafkaSettings


def settings(**fields: object) -> KafkaSettings:
    """Of a broker at ``broker:9092``."""
    return KafkaSettings.model_validate({"bootstrap_servers": "broker:9092", **fields})


@pytest.fixture
def ca_file(tmp_path: Path) -> str:
    """A certificate of an authority."""
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return str(path)


def test_without_security_nothing_secret_is_passed() -> None:
    """Neither certificates nor passwords, though they are set; the time limit is in milliseconds."""
    found = connection_arguments(settings(username="user", password="secret", request_timeout_seconds=1.5))
    assert found == {
        "bootstrap_servers": "broker:9092",
        "client_id": "sluice",
        "request_timeout_ms": 1500,
        "security_protocol": "PLAINTEXT",
    }


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_a_password_is_passed_as_it_is(protocol: str, mechanism: str) -> None:
    """Out of its mask, with the mechanism that was set; TLS only where it was asked for."""
    found = connection_arguments(
        settings(username="user", password="s3cret", security_protocol=protocol, sasl_mechanism=mechanism)
    )
    assert found["sasl_mechanism"] == mechanism
    assert (found["sasl_plain_username"], found["sasl_plain_password"]) == ("user", "s3cret")
    assert ("ssl_context" in found) == (protocol == "SASL_SSL")


@pytest.mark.parametrize("protocol", ["SSL", "SASL_SSL"])
def test_tls_verifies_whom_it_talks_to(protocol: str, ca_file: str) -> None:
    """Certificate and host name, against the file that was named or the system's own authorities."""
    login = {"username": "user"} if protocol == "SASL_SSL" else {}
    for own in (login, {**login, "ca_file": ca_file}):
        context = connection_arguments(settings(security_protocol=protocol, **own))["ssl_context"]
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname
    named = connection_arguments(settings(security_protocol=protocol, ca_file=ca_file, **login))["ssl_context"]
    assert named.cert_store_stats()["x509_ca"] == 1


@pytest.mark.parametrize("content", [None, "", "not a certificate"])
def test_a_certificate_file_that_cannot_be_used_is_named(tmp_path: Path, content: str | None) -> None:
    """Missing, empty or something else: the setting, the file and the remedy, before anything is connected."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content, encoding="ascii")
    with pytest.raises(EventLogError, match=r"kafka\.ca_file: .*ca\.pem.* name a PEM file"):
        connection_arguments(settings(security_protocol="SSL", ca_file=str(path)))


async def test_a_producer_takes_them_and_waits_for_all_replicas() -> None:
    """Idempotent and acknowledged by every replica in sync: names that aiokafka knows, on every protocol."""
    for protocol in ("PLAINTEXT", "SSL", "SASL_SSL"):
        own = {"security_protocol": protocol, "username": "u", "password": "p"}
        found = producer_arguments(settings(**own), 1000, 2000)
        assert (found["acks"], found["enable_idempotence"], found["compression_type"]) == ("all", True, "zstd")
        assert (found["max_batch_size"], found["max_request_size"]) == (1000, 2000)
        await AIOKafkaProducer(**found).stop()


@pytest.mark.parametrize("error", [KafkaConnectionError("x"), OSError(111, "refused"), TimeoutError(), ssl.SSLError()])
def test_nobody_there_is_said_with_what_to_check(error: BaseException) -> None:
    """The address and its setting; where there is security also what looks just the same: password and certificate."""
    found = translate(error, settings())
    assert isinstance(found, KafkaUnreachableError)
    assert str(found) == "Kafka at broker:9092 cannot be reached: check kafka.bootstrap_servers"
    secured = translate(error, settings(security_protocol="SASL_SSL", username="user", password="s3cret"))
    assert "check kafka.username, kafka.password, kafka.ca_file and kafka.bootstrap_servers" in str(secured)
    assert "s3cret" not in str(secured)


@pytest.mark.parametrize("error", [EventLogError("a"), CommitFailedError("b"), OffsetLostError("c")])
def test_our_own_errors_stay_as_they_are(error: EventLogError) -> None:
    """Their message says already what to do."""
    assert translate(error, settings()) is error


@pytest.mark.parametrize(
    ("error", "may_pass"),
    [
        (NotLeaderForPartitionError("x"), True),
        (MessageSizeTooLargeError("x"), False),
        (KafkaError("x"), False),
        (ValueError("x"), False),
        (AssertionError(), False),
    ],
)
def test_a_refusal_names_what_was_refused(error: BaseException, may_pass: bool) -> None:
    """The broker's own word, and whether it is worth while to wait; it is not taken for an absent broker."""
    found = translate(error, settings())
    assert type(found) is EventLogError
    assert type(error).__name__ in str(found)
    assert str(found).endswith("(it may pass)") == may_pass
