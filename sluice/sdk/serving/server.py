"""The gRPC server of a plugin's process: where it listens, and whom it lets in."""

from __future__ import annotations

import hmac
import os
from typing import Any, Final

import grpc
import grpc.aio

from sluice.sdk.serving.handlers import handlers
from sluice.sdk.serving.launch import Launch, LaunchError
from sluice.sdk.serving.served import Served

_MAX_MESSAGE_BYTES: Final = 64 << 20
"""Hosts have their own, smaller bounds; this one is for those that have none."""

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),  # an address that is taken is an error, not a lottery
)
_PRIVATE: Final = 0o077


async def start_server(served: Served, launch: Launch) -> grpc.aio.Server:
    """Listening, for this user alone where on a socket. Raises LaunchError."""
    interceptors = [_Doorkeeper(launch.token)] if launch.token else []
    server = grpc.aio.server(options=_OPTIONS, interceptors=interceptors)
    server.add_generic_rpc_handlers(tuple(handlers(served)))
    mask = os.umask(_PRIVATE)
    try:
        _bind(server, launch)
        await server.start()
    except RuntimeError as error:
        # gRPC has written the reason to standard error, and puts none into its exception
        message = f"cannot listen on {launch.socket or launch.address}; see the reason above, or choose another place"
        raise LaunchError(message) from error
    finally:
        os.umask(mask)
    return server


def _bind(server: grpc.aio.Server, launch: Launch) -> None:
    if launch.socket:
        server.add_insecure_port(f"unix:{launch.socket}")
    elif launch.certificate:
        credentials = grpc.ssl_server_credentials([(launch.key, launch.certificate)])
        server.add_secure_port(launch.address, credentials)
    else:
        server.add_insecure_port(launch.address)


class _Doorkeeper(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # grpc has no types
    """Turns away every call that does not show the token."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """As gRPC calls it, before anything of the call is read."""
        metadata = dict(handler_call_details.invocation_metadata or ())
        shown = metadata.get("authorization", "")
        if hmac.compare_digest(shown.encode() if isinstance(shown, str) else shown, self._expected):
            return await continuation(handler_call_details)
        return grpc.stream_stream_rpc_method_handler(_refuse)  # whatever was called: so its request is not even read


async def _refuse(requests: Any, context: grpc.aio.ServicerContext) -> None:  # noqa: ARG001 - gRPC's argument
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, "show the plugin's token: set token in its registration")
