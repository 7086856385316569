"""``sluice import``: what other gateways have, carried over."""
