"""Plugins that run in processes of their own; imported only where one is registered."""

import os

from sluice.settings import environment

# gRPC notes each connection that was cut on stderr, in a form of its own. It asks once, when it is imported.
if "GRPC_VERBOSITY" not in environment():
    os.putenv("GRPC_VERBOSITY", "ERROR")
