"""What can go wrong with managing, by what the caller can do about it.

ControlError
├── ControlDatabaseError      the database cannot be used: unreachable, locked for long, or of a newer program
├── ChangesLostError          a generation is too old to catch up from: load everything
├── NotFoundError             no such entity
├── DuplicateError            a value that must be unique is taken
├── StaleVersionError         somebody else changed it meanwhile: read it again
├── FileManagedError          it stands in ``sluice.yaml``: change it there
├── FileConflictError         an entity of ``sluice.yaml`` wants what one made over the API has
├── UnknownReferenceError     a field names an entity that is not there
└── InvalidError              a value that a field cannot have
"""

from __future__ import annotations


class ControlError(Exception):
    """Anything that refuses a change or a look at what is managed; nothing was changed."""


class ControlDatabaseError(ControlError):
    """The database cannot be used now; the message has the remedy and never the password."""


class ChangesLostError(ControlError):
    """The changes since a generation are not kept any more."""

    def __init__(self, generation: int) -> None:
        super().__init__(f"the changes since generation {generation} are not kept any more; load everything")
        self.generation = generation


class NotFoundError(ControlError):
    """No entity of the kind has the id."""

    def __init__(self, kind: str, id: int) -> None:  # noqa: A002 - what everybody calls it
        super().__init__(f"there is no {kind} with id {id}")
        self.kind = kind
        self.id = id


class DuplicateError(ControlError):
    """Another entity of the kind has the value already."""

    def __init__(self, kind: str, field: str, value: object) -> None:
        super().__init__(f"{field}: {value!r} belongs to another {kind}; choose another")
        self.kind = kind
        self.field = field
        self.value = value


class StaleVersionError(ControlError):
    """The entity has another version than the caller saw; ``current`` is the one it has."""

    def __init__(self, current: int) -> None:
        super().__init__(f"it was changed meanwhile and has version {current}; read it again")
        self.current = current


class FileManagedError(ControlError):
    """The entity stands in ``sluice.yaml``; ``key`` says where."""

    def __init__(self, kind: str, id: int, key: str) -> None:  # noqa: A002 - what everybody calls it
        super().__init__(f"{kind} {id} is managed by the file: change {key} in sluice.yaml")
        self.kind = kind
        self.id = id
        self.key = key


class FileConflictError(ControlError):
    """An entity of ``sluice.yaml`` wants an id, a name or a slug that one made over the API has; ``id`` is that one."""

    def __init__(self, kind: str, key: str, field: str, value: object, id: int) -> None:  # noqa: A002 - as above
        super().__init__(
            f"{key} in sluice.yaml has the {field} {value!r} of {kind} {id}, which was made over the API; "
            f"change the file, or delete {kind} {id}"
        )
        self.kind = kind
        self.key = key
        self.field = field
        self.value = value
        self.id = id


class UnknownReferenceError(ControlError):
    """``field`` names an entity that is not there."""

    def __init__(self, field: str, id: int) -> None:  # noqa: A002 - what everybody calls it
        super().__init__(f"{field}: there is none with id {id}")
        self.field = field
        self.id = id


class InvalidError(ControlError):
    """``field`` cannot have the value; ``reason`` says why, without the value."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
