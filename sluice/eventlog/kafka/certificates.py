"""What is wrong with a certificate, the broker's or ours, as a sentence with the remedy."""

from __future__ import annotations

import ssl

from sluice.eventlog.settings import KafkaSettings

_NOT_YET, _EXPIRED = 9, 10
_WRONG_HOST = (62, 64)
_ALERTS_OF_CERTIFICATES = ("CERTIFICATE", "UNKNOWN_CA", "HANDSHAKE_FAILURE", "ACCESS_DENIED", "DECRYPT_ERROR")


def refused_by_us(error: ssl.SSLCertVerificationError, host: str, settings: KafkaSettings) -> str:
    """Why the broker's certificate is not good."""
    if error.verify_code == _EXPIRED:
        return "the broker's certificate has expired: renew it"
    if error.verify_code == _NOT_YET:
        return "the broker's certificate is not valid yet: see this host's clock, and its date"
    if error.verify_code in _WRONG_HOST:
        return (
            f"the broker's certificate is not for {host}: name it as its certificate does in kafka.bootstrap_servers, "
            "or have one made for this name (kafka.check_hostname: false goes without the check)"
        )
    where = f"kafka.ca_file {settings.ca_file}" if settings.ca_file else "this host's store (kafka.ca_file is empty)"
    return (
        f"the broker's certificate is signed by nobody in {where} ({error.verify_message}): set kafka.ca_file to the "
        "PEM of its authority"
    )


def refused_by_broker(error: ssl.SSLError, settings: KafkaSettings) -> str:
    """Why the broker ended the handshake, where that is for our certificate or for having none; else empty."""
    reason = error.reason or ""
    if "ALERT" not in reason or not any(name in reason for name in _ALERTS_OF_CERTIFICATES):
        return ""
    words = reason.partition("ALERT_")[2].replace("_", " ").lower()
    if not settings.client_certificate_file:
        return f"the broker asks for a client certificate ({words}): set kafka.client_certificate_file"
    return (
        f"the broker refuses the certificate in kafka.client_certificate_file ({words}): see that the broker trusts "
        "its authority and that it has not expired"
    )
