"""Errors of the control package: one tree, drawn in its docstring, each with its remedy and nothing secret."""

from __future__ import annotations

import inspect

from gateway.control import errors
from gateway.control.errors import ControlError, FileConflictError, FileManagedError, StaleVersionError


def test_the_drawing_is_the_tree() -> None:
    """Every class is drawn in the module's docstring and is a ControlError; nothing else is drawn."""
    classes = {
        name: found
        for name, found in inspect.getmembers(errors, inspect.isclass)
        if found.__module__ == errors.__name__
    }
    assert all(issubclass(found, ControlError) for found in classes.values())
    drawn = [line.split()[1] for line in (errors.__doc__ or "").splitlines() if line.startswith(("├──", "└──"))]
    assert sorted([*drawn, "ControlError"]) == sorted(classes)
    assert len(drawn) == len(set(drawn))


def test_messages_say_what_to_do() -> None:
    """A refusal names the thing and the way out."""
    assert str(FileManagedError("app", 3, "apps[name=shop]")) == (
        "app 3 is managed by the file: change apps[name=shop] in sluice.yaml"
    )
    conflict = str(FileConflictError("app", "apps[name=shop]", "name", "shop", 9))
    assert "apps[name=shop]" in conflict
    assert "delete app 9" in conflict
    assert "read it again" in str(StaleVersionError(4))
