"""Whom TLS connections of ours trust."""

from __future__ import annotations

import ssl

from sluice.eventlog.interface import EventLogError


def trusting(ca_file: str, key: str) -> ssl.SSLContext:
    """Trusts the authorities in a file, or the system's own where none is named; ``key`` is the setting's name.

    Raises EventLogError naming both where the file cannot be used.
    """
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        message = f"{key}: {ca_file!r} cannot be used ({error}); name a PEM file of certificates"
        raise EventLogError(message) from error
