"""Whom TLS connections trust."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from sluice.eventlog.authorities import trusting
from sluice.eventlog.interface import EventLogError


def test_a_named_file_is_all_that_is_trusted(tmp_path: Path) -> None:
    """And where none is named, the system's own authorities; always with verification."""
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    named, own = trusting(str(tmp_path / "ca.pem"), "k"), trusting("", "k")
    assert named.cert_store_stats()["x509_ca"] == 1
    for context in (named, own):
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname


@pytest.mark.parametrize("content", [None, b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAA\n"])
def test_a_file_that_cannot_be_used_is_named_with_its_key(tmp_path: Path, content: bytes | None) -> None:
    """Missing, empty, garbage."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EventLogError, match=r"some\.key: .*ca\.pem.* name a PEM file of certificates"):
        trusting(str(path), "some.key")
