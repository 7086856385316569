"""The demo's exchanges without the delays that its vendors have for people to see."""

from __future__ import annotations

import pytest

from sluice.dev.demo import traffic


def without_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else a script says stays."""
    kinds = [kind.but(script=f"{kind.script};delay_ms=0") for kind in traffic.KINDS]
    monkeypatch.setattr(traffic, "KINDS", kinds)
