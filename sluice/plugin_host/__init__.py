"""Runs plugins: in this process, as processes, over gRPC; chains, deadlines, services."""
