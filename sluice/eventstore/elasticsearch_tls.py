"""Whom an Elasticsearch's certificate must come from: who the system trusts, a CA file, or a fingerprint.

A fingerprint (what Elasticsearch prints when it makes its own CA) is looked for in the chain that the server shows; the
certificate that has it is then the one trusted root of every connection, so what it did not sign is refused. Only where
it is the server's own certificate is the name in it not compared: it can belong to nobody else.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

_CLOSE_SECONDS = 1.0


class DistrustError(Exception):
    """The server's certificate, or what we were given to judge it by, is not good; the message ends with the remedy."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Tls:
    """What ``https`` stands on; without anything, who the system trusts."""

    ca_file: str = ""
    """PEM: who signed the server's certificate."""
    ca_fingerprint: str = ""
    """SHA-256 in hex, of the server's certificate or of one that it shows behind it."""
    certificate_file: str = ""
    """PEM: who we are, for servers that ask."""
    key_file: str = ""
    """PEM; empty where the key stands beside the certificate."""


async def open_context(tls: Tls, host: str, port: int, timeout_seconds: float) -> ssl.SSLContext:
    """What connections are made with. Asks the server only for a fingerprint.

    Raises DistrustError, and OSError where the server had to be asked and does not answer.
    """
    if not tls.ca_fingerprint:
        return _with_certificate(_from_file(tls.ca_file), tls)
    asking = _with_certificate(_unchecked(), tls)
    async with asyncio.timeout(timeout_seconds):
        chain = await _shown_chain(host, port, asking)
    return _with_certificate(_pinned(chain, tls.ca_fingerprint, f"{host}:{port}"), tls)


def _from_file(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:  # ssl.SSLError is one
        reason = f"ca_file: {ca_file!r} cannot be used ({type(error).__name__})"
        raise DistrustError(reason, "name a readable PEM file of certificates") from error


def _unchecked() -> ssl.SSLContext:
    """For one look at a server's chain: nothing is sent over it."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _pinned(chain: Sequence[bytes], fingerprint: str, place: str) -> ssl.SSLContext:
    wanted = fingerprint.replace(":", "").lower()
    for position, certificate in enumerate(chain):
        if hashlib.sha256(certificate).hexdigest() == wanted:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(cadata=certificate)
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # what is pinned need not be a root
            context.check_hostname = position > 0
            return context
    reason = f"{place} shows no certificate with this ca_fingerprint"
    raise DistrustError(reason, "compare it with the server's, or name the CA's file in ca_file")


def _with_certificate(context: ssl.SSLContext, tls: Tls) -> ssl.SSLContext:
    if not tls.certificate_file:
        return context
    try:
        context.load_cert_chain(tls.certificate_file, tls.key_file or None, password=_no_password)
    except (OSError, ValueError) as error:
        reason = f"client_certificate_file: {tls.certificate_file!r} cannot be used ({type(error).__name__})"
        raise DistrustError(
            reason, "name readable PEM files of a certificate and its key, without a password"
        ) from error
    return context


def _no_password() -> str:
    """Else OpenSSL would ask for it at the terminal."""
    message = "the key is encrypted"
    raise ValueError(message)


async def _shown_chain(host: str, port: int, context: ssl.SSLContext) -> list[bytes]:
    """What a server shows, in DER: its own certificate first."""
    _, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        return _chain_of(writer.get_extra_info("ssl_object"))
    finally:
        writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await writer.wait_closed()


def _chain_of(connection: Any) -> list[bytes]:
    if hasattr(connection, "get_unverified_chain"):  # public from Python 3.13 on
        return [bytes(certificate) for certificate in connection.get_unverified_chain()]
    shown = connection._sslobj.get_unverified_chain() or ()  # noqa: SLF001 - what 3.10 to 3.12 have
    return [ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in shown]
