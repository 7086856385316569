"""Tests of ``gateway.upstreams.client``: both clients are what the Protocol says."""

from __future__ import annotations

import inspect

import pytest

from gateway.upstreams.aiohttp_client import AiohttpClient
from gateway.upstreams.aiohttp_response import AiohttpResponse
from gateway.upstreams.client import UpstreamClient, UpstreamResponse
from gateway.upstreams.http1 import LeanClient
from gateway.upstreams.response import LeanResponse


@pytest.mark.parametrize(
    ("protocol", "built"),
    [
        (UpstreamClient, LeanClient),
        (UpstreamClient, AiohttpClient),
        (UpstreamResponse, LeanResponse),
        (UpstreamResponse, AiohttpResponse),
    ],
)
def test_the_protocols_are_kept(protocol: type, built: type) -> None:
    """Every method is there, takes the same arguments, and is awaited or not as the Protocol says."""
    for name, method in inspect.getmembers(protocol, inspect.isfunction):
        if name.startswith("_"):
            continue
        own = getattr(built, name)
        assert list(inspect.signature(own).parameters) == list(inspect.signature(method).parameters)
        assert inspect.iscoroutinefunction(own) == inspect.iscoroutinefunction(method)
