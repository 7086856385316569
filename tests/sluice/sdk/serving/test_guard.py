"""Tests of ``sluice.sdk.serving.guard``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from sluice.plugin_wire import plugin_pb2 as pb
from sluice.sdk import BasePlugin, Context, PluginRequest, PluginResponse, PreAuthHandler
from sluice.sdk.serving.guard import WrongAnswer, answer_of, problem_of
from tests.sluice.sdk.serving.everything import Everything
from tests.sluice.sdk.serving.harness import serving

SECONDS = 60.0


class Raises(BasePlugin, PreAuthHandler):
    """Raises what it was made with."""

    def __init__(self, error: BaseException) -> None:
        super().__init__("raises")
        self._error = error

    async def handle_pre_auth(self, ctx: Context, request: PluginRequest) -> PluginResponse:
        raise self._error


async def failure_of(call: Any) -> tuple[grpc.StatusCode, str]:
    """How it ended."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


def test_an_answer_of_its_kind_passes() -> None:
    """Unchanged."""
    answer = PluginResponse.allow()
    assert answer_of("handle_pre_auth", answer, PluginResponse) is answer


@pytest.mark.parametrize(("answer", "said"), [(None, "returned None"), (7, "of type int"), (PluginResponse, "of type")])
def test_any_other_is_named(answer: object, said: str) -> None:
    """With the method, and never the answer itself."""
    with pytest.raises(WrongAnswer, match=f"handle_pre_auth.*{said}"):
        answer_of("handle_pre_auth", answer, PluginResponse)


def test_a_failure_is_one_bounded_text() -> None:
    """A plugin may raise a megabyte."""
    assert problem_of(ValueError("x")) == "ValueError: x"
    assert len(problem_of(ValueError("x" * 1_000_000))) == 1000


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (asyncio.CancelledError(), "CancelledError"),
        (SystemExit(3), "SystemExit: 3"),
        (ValueError("half \ud800 a character"), "ValueError: half"),
        (ValueError("\U0001f600" * 1000), "ValueError: \U0001f600"),
    ],
)
async def test_whatever_is_raised_ends_its_call_at_once(tmp_path: Path, error: BaseException, said: str) -> None:
    """Not the process, and no call is left without an answer until its deadline."""
    async with serving(Raises(error), tmp_path) as plugin:
        for _ in range(2):
            code, details = await failure_of(plugin.stub.ProcessPreAuth(pb.PluginRequest(), timeout=SECONDS))
            assert (code, details[: len(said)]) == (grpc.StatusCode.INTERNAL, said)


async def test_no_call_is_begun_at_the_end(tmp_path: Path) -> None:
    """It would meet a plugin that is shut down; what ends the plugin is still answered."""
    async with serving(Everything(), tmp_path) as plugin:
        await plugin.initialize()
        plugin.served.ended.set()
        for call in (
            plugin.stub.ProcessPreAuth(pb.PluginRequest(body=b"count")),
            plugin.stub.Initialize(pb.InitRequest()),
            plugin.stub.HandleEndpointRequestStream(pb.EndpointRequest(body=b"1")).read(),
        ):
            assert await failure_of(call) == (grpc.StatusCode.UNAVAILABLE, "the plugin's process is ending")
        assert (await plugin.stub.CloseSession(pb.CloseSessionRequest())).success
        assert (await plugin.stub.Shutdown(pb.ShutdownRequest())).success
