"""The API in the reference's dialect, for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.control.api.reference.renderer import ReferenceRenderer
from gateway.control.store import ControlStore
from gateway.settings import ControlSettings, Settings
from tests.gateway.control.api.harness import Api, open_api


@pytest.fixture
async def api(store: ControlStore) -> AsyncIterator[Api]:
    """Its admin signed in; LLMs may be where the examples have them."""
    control = ControlSettings(dialect="reference", allow_private_endpoints=True)
    async with open_api(store, control=control, renderer=ReferenceRenderer(store, Settings(control=control))) as api:
        yield api
