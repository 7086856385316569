"""Steps 2, 4 and the hooks of 7: an LLM's chains, between the exchange and the plugin host."""

from __future__ import annotations
