"""What is wrong with a certificate, said with the remedy; on the wire see the probe's own tests."""

from __future__ import annotations

import ssl

import pytest

from sluice.eventlog.kafka.certificates import refused_by_broker, refused_by_us
from sluice.eventlog.settings import KafkaSettings

PLAIN = KafkaSettings(security_protocol="SSL")
SHOWING = KafkaSettings(security_protocol="SSL", client_certificate_file="me.pem", ca_file="ca.pem")


def verification(code: int) -> ssl.SSLCertVerificationError:
    """As OpenSSL would raise it."""
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = code, "words"
    return error


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (9, "not valid yet"),
        (10, "has expired"),
        (62, "is not for host"),
        (64, "is not for host"),
        (18, "signed by nobody in kafka.ca_file ca.pem (words): set kafka.ca_file"),
        (20, "signed by nobody in kafka.ca_file ca.pem"),
        (999, "signed by nobody in kafka.ca_file ca.pem"),
    ],
)
def test_the_broker_s_certificate(code: int, expected: str) -> None:
    """Time, name and authority have different remedies."""
    assert expected in refused_by_us(verification(code), "host", SHOWING)


@pytest.mark.parametrize(
    ("reason", "is_ours"),
    [
        ("SSLV3_ALERT_BAD_CERTIFICATE", True),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", True),
        ("TLSV1_ALERT_UNKNOWN_CA", True),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", True),
        ("WRONG_VERSION_NUMBER", False),
        ("UNEXPECTED_EOF_WHILE_READING", False),
        ("TLSV1_ALERT_PROTOCOL_VERSION", False),
        ("CERTIFICATE_VERIFY_FAILED", False),
        (None, False),
    ],
)
def test_ours(reason: str | None, is_ours: bool) -> None:
    """Having none and having a wrong one look alike on the wire, and are told apart by the setting."""
    error = ssl.SSLError()
    error.reason = reason  # type: ignore[assignment]
    assert bool(refused_by_broker(error, PLAIN)) == bool(refused_by_broker(error, SHOWING)) == is_ours
    if is_ours:
        assert "set kafka.client_certificate_file" in refused_by_broker(error, PLAIN)
        assert "refuses the certificate in kafka.client_certificate_file" in refused_by_broker(error, SHOWING)
