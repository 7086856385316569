"""What a registry says no to: each class tells the caller what to do."""

from __future__ import annotations

import pytest

from sluice.eventlog.interface import EventLogError
from sluice.eventlog.registry import errors
from sluice.eventlog.registry.errors import RegistryError, RegistryUnreachableError


@pytest.mark.parametrize("name", ["RegistryDeniedError", "IncompatibleSchemaError", "UnregisteredSchemaError"])
def test_only_absence_may_be_passed_over_with_a_kept_id(name: str) -> None:
    """A refusal is not taken for a registry that is away; all are the event log's errors, so that relays wait."""
    found = getattr(errors, name)
    assert issubclass(found, RegistryError)
    assert not issubclass(found, RegistryUnreachableError)
    assert issubclass(RegistryError, EventLogError)
