"""TLS from ``kafka.*``: whom we trust, and what we show of ourselves."""

from __future__ import annotations

import ssl

from sluice.eventlog.authorities import trusting
from sluice.eventlog.interface import EventLogError
from sluice.eventlog.settings import KafkaSettings


def tls_context(settings: KafkaSettings) -> ssl.SSLContext:
    """Verifies the broker, its host name too unless told not to; raises EventLogError naming key and file."""
    context = trusting(settings.ca_file, "kafka.ca_file")
    context.check_hostname = settings.check_hostname
    if settings.client_certificate_file:
        _show(context, settings)
    return context


def _show(context: ssl.SSLContext, settings: KafkaSettings) -> None:
    certificate, key = settings.client_certificate_file, settings.client_key_file or None
    password = settings.client_key_password.get_secret_value()
    try:
        # a key behind a password asks the terminal for it unless there is a function that answers
        context.load_cert_chain(certificate, key, lambda: password)
    except (OSError, ssl.SSLError, ValueError) as error:
        reason = error.reason if isinstance(error, ssl.SSLError) else error
        message = (
            f"kafka.client_certificate_file: {certificate!r} (key: {key or certificate!r}) cannot be used ({reason}): "
            "name PEM files of a certificate and its key, and the key's kafka.client_key_password"
        )
        raise EventLogError(message) from error
