"""A plugin's process that speaks the raw protocol, and misbehaves as its arguments say."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent import futures
from typing import Any

import grpc

from sluice.plugin_wire import go_plugin_pb2, plugin_pb2
from sluice.settings import environment

MODES = frozenset(sys.argv[1:])

ending = futures.ThreadPoolExecutor(1)


class Plugin(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """Puts its process id into requests' headers, unless their path asks for worse."""

    def service(self, details: Any) -> Any:
        answers = {
            "/plugin.PluginService/Initialize": self.initialize,
            "/plugin.PluginService/Ping": self.ping,
            "/plugin.PluginService/ProcessPostAuth": self.process_post_auth,
            "/plugin.PluginService/Shutdown": self.shutdown,
            "/plugin.GRPCController/Shutdown": self.end,
        }
        answer = answers.get(details.method)
        return None if answer is None else grpc.unary_unary_rpc_method_handler(lambda data, _: answer(data))

    def initialize(self, _: bytes) -> bytes:
        return plugin_pb2.InitResponse(success=True).SerializeToString()

    def ping(self, _: bytes) -> bytes:
        return plugin_pb2.PingResponse(healthy=True).SerializeToString()

    def process_post_auth(self, data: bytes) -> bytes:
        request = plugin_pb2.EnrichedRequest.FromString(data).request
        if request.path == "/exit":
            os._exit(2)
        if request.path == "/garbage":
            return b"\xff" * 20
        headers = {**request.headers, "X-Pid": str(os.getpid())}
        return plugin_pb2.PluginResponse(modified=True, headers=headers).SerializeToString()

    def shutdown(self, _: bytes) -> bytes:
        if "hang_at_shutdown" in MODES:
            time.sleep(60)
        print("shutdown was heard", file=sys.stderr, flush=True)
        return plugin_pb2.ShutdownResponse(success=True).SerializeToString()

    def end(self, _: bytes) -> bytes:
        if not MODES & {"immortal", "hang_at_shutdown"}:
            ending.submit(os._exit, 0)
        return go_plugin_pb2.Empty().SerializeToString()


def main() -> None:
    """Says where it listens, as go-plugin does."""
    if environment().get("AI_STUDIO_PLUGIN") != "v1":
        sys.exit("this is a plugin")
    if "child" in MODES:
        print("child", subprocess.Popen(["sleep", "600"]).pid, file=sys.stderr, flush=True)
    socket = f"{environment()['PLUGIN_UNIX_SOCKET_DIR']}/plugin{os.getpid()}"
    server = grpc.server(futures.ThreadPoolExecutor(8), options=(("grpc.max_receive_message_length", -1),))
    server.add_generic_rpc_handlers((Plugin(),))
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    print(f"1|1|unix|{socket}|grpc|", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
