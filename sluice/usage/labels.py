"""Labels of an event that say what it was priced by, where its fields do not: ``priced:<name>=<value>``.

``model``        the model whose price it has, where another name answered
``vendor``       whose price it has, where another LLM than the one asked answered
``tools``        how many calls of the vendor's own tools were billed one by one
``batch``        it was asked for as a batch
``batch_tier``   its vendor says that it took the batch price
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sluice.usage.counts import BATCH_TIER

_PRICED = "priced:"
_PROBLEM = "usage:"
_MAX_DIGITS = 18


def priced_labels(model: str | None, vendor: str | None, tools: int | None, batch: str, most: int) -> list[str]:
    """Those of one event, of at most so many characters each; ``batch`` is empty, ``batch`` or ``batch_tier``."""
    labels = []
    if model:
        labels.append(f"priced:model={model}"[:most])
    if vendor:
        labels.append(f"priced:vendor={vendor}"[:most])
    if tools:
        labels.append(f"priced:tools={tools}")
    if batch:
        labels.append(f"priced:{batch}")
    return labels


@dataclass(slots=True)
class PricedBy:
    """What an event's labels say of its price; ``None`` and empty where its fields do."""

    model: str | None = None
    vendor: str | None = None
    tools: int | None = None
    is_batch: bool = False
    is_batch_tier: bool = False
    problem: str = ""
    """Why its usage could not be trusted: ``usage:<code>``."""

    @classmethod
    def of(cls, labels: Iterable[str]) -> PricedBy:
        """Labels that were written by somebody else say nothing; the gateway's own are the last."""
        found = cls()
        for label in labels:
            if label.startswith(_PROBLEM):
                found.problem = label.removeprefix(_PROBLEM)
            elif label.startswith(_PRICED):
                found._take(*label.removeprefix(_PRICED).partition("=")[::2])
        return found

    def _take(self, name: str, value: str) -> None:
        if name in {"model", "vendor"} and value:
            setattr(self, name, value)
        elif name == "tools" and value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS:
            self.tools = int(value)
        elif name in {"batch", BATCH_TIER} and not value:
            self.is_batch, self.is_batch_tier = name == "batch", name == BATCH_TIER
