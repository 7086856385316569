"""What a schema registry can say no to.

EventLogError
└── RegistryError                  it answers, and not as it should
    ├── RegistryUnreachableError   no answer, or one that says later: what is known goes on being used
    ├── RegistryDeniedError        it does not let us
    ├── IncompatibleSchemaError    a schema does not go with those that the subject has
    └── UnregisteredSchemaError    a schema is not there, and we may not register it
"""

from __future__ import annotations

from sluice.eventlog.interface import EventLogError


class RegistryError(EventLogError):
    """The registry cannot be used as it is; the message ends with the remedy."""


class RegistryUnreachableError(RegistryError):
    """It does not answer now."""


class RegistryDeniedError(RegistryError):
    """Who we are, or what we may do."""


class IncompatibleSchemaError(RegistryError):
    """The subject's rules refuse the schema."""


class UnregisteredSchemaError(RegistryError):
    """``schema_registry.auto_register`` is false, and nobody else has registered it."""
