"""The plugins of a worker: loaded once, chained for each LLM, shut down with the worker."""

from __future__ import annotations
