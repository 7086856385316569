"""TLS from ``kafka.*``: the host's name, and what we show of ourselves."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from sluice.eventlog.interface import EventLogError
from sluice.eventlog.kafka.tls import tls_context
from sluice.eventlog.settings import KafkaSettings
from tests.sluice.eventlog.kafka.securing import write_pem


def settings(**more: object) -> KafkaSettings:
    """With TLS."""
    return KafkaSettings.model_validate({"security_protocol": "SSL", **more})


def test_the_host_s_name_is_checked_unless_told_not_to() -> None:
    """The certificate itself always is."""
    assert tls_context(settings()).check_hostname
    relaxed = tls_context(settings(check_hostname=False))
    assert not relaxed.check_hostname
    assert relaxed.verify_mode.name == "CERT_REQUIRED"


def test_a_certificate_may_be_one_file_or_two_and_its_key_locked(tmp_path: Path) -> None:
    """Each way that people have them; nothing is asked on a terminal."""
    certificate = trustme.CA().issue_cert("me")
    write_pem(certificate, tmp_path / "both.pem")
    tls_context(settings(client_certificate_file=str(tmp_path / "both.pem")))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pw"))
    (tmp_path / "key.pem").write_bytes(locked)
    two = {"client_certificate_file": str(tmp_path / "cert.pem"), "client_key_file": str(tmp_path / "key.pem")}
    tls_context(settings(**two, client_key_password="pw"))
    for wrong in ("", "other"):
        with pytest.raises(EventLogError, match=r"cert\.pem.*key\.pem.*kafka\.client_key_password") as raised:
            tls_context(settings(**two, client_key_password=wrong))
        assert "other" not in str(raised.value).replace("another", "")


@pytest.mark.parametrize("content", [None, b"", b"nonsense"])
def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None) -> None:
    """Missing, empty, garbage: the key and the file."""
    path = tmp_path / "me.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EventLogError, match=r"kafka\.client_certificate_file: .*me\.pem.* cannot be used"):
        tls_context(settings(client_certificate_file=str(path)))
