"""What a plugin in a process of its own may ask its host: the services of ``ctx.services``, over gRPC."""

from sluice.plugin_host.broker.calls import handlers

__all__ = ["handlers"]
