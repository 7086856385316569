"""What the API is handed: the real things fit, and nothing is built without them."""

from __future__ import annotations

from inspect import iscoroutinefunction, signature

import pytest

from gateway.control.api.services import EventQueries, PluginControl
from gateway.plugins import WorkerPlugins
from sluice.eventstore.queries import EventStore


@pytest.mark.parametrize(("asked", "real"), [(PluginControl, WorkerPlugins), (EventQueries, EventStore)])
def test_the_real_things_answer_what_is_asked(asked: type, real: type) -> None:
    """Every method by its name and its parameters; where one is awaited the other is."""
    for name, method in vars(asked).items():
        if name.startswith("_"):
            continue
        found = getattr(real, name)
        assert list(signature(found).parameters) == list(signature(method).parameters), name
        assert iscoroutinefunction(found) == iscoroutinefunction(method), name
