"""What services and hooks tell of apps, users, LLMs, budgets and prices. Never a credential."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

_NANOS = Decimal(1_000_000_000)


class App(msgspec.Struct, frozen=True, kw_only=True):
    """A credentialed caller."""

    id: int
    name: str = ""
    description: str = ""
    owner_email: str = ""
    is_active: bool = True
    monthly_budget_nanos: int | None = None
    """``None`` is unlimited."""
    budget_reset_day: int = 1
    rate_limit_rpm: int = 0
    """0 is unlimited."""
    allowed_ips: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = {}
    created_at: int = 0
    """Micros of the epoch, as ``updated_at``."""
    updated_at: int = 0

    @property
    def monthly_budget(self) -> Decimal | None:
        """In currency units; ``None`` is unlimited."""
        return _money(self.monthly_budget_nanos)


class User(msgspec.Struct, frozen=True, kw_only=True):
    """The person behind an app; ``id`` 0 is one that has no number."""

    id: int = 0
    email: str = ""
    name: str = ""
    is_active: bool = True
    metadata: Mapping[str, str] = {}


class Llm(msgspec.Struct, frozen=True, kw_only=True):
    """A configured LLM; whether it has a vendor key, never the key."""

    id: int
    name: str = ""
    vendor: str = ""
    slug: str = ""
    endpoint: str = ""
    has_api_key: bool = False
    default_model: str = ""
    allowed_models: tuple[str, ...] = ()
    is_active: bool = True
    max_tokens: int = 0
    timeout_seconds: float = 0
    retry_count: int = 0
    monthly_budget_nanos: int | None = None
    rate_limit_rpm: int = 0
    metadata: Mapping[str, Any] = {}
    created_at: int = 0
    """Micros of the epoch, as ``updated_at``."""
    updated_at: int = 0


class BudgetStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A budget in its present period; unlimited where ``monthly_budget_nanos`` is ``None``."""

    app_id: int
    llm_id: int | None = None
    monthly_budget_nanos: int | None = None
    used_nanos: int = 0
    tokens_used: int = 0
    requests_count: int = 0
    period_start: int = 0
    """Micros of the epoch, as ``period_end``."""
    period_end: int = 0

    @property
    def monthly_budget(self) -> Decimal | None:
        """In currency units; ``None`` is unlimited."""
        return _money(self.monthly_budget_nanos)

    @property
    def current_usage(self) -> Decimal:
        """Spent in this period, in currency units."""
        return Decimal(self.used_nanos) / _NANOS

    @property
    def remaining_nanos(self) -> int | None:
        """Never below zero; ``None`` is unlimited."""
        return None if self.monthly_budget_nanos is None else max(0, self.monthly_budget_nanos - self.used_nanos)

    @property
    def remaining_budget(self) -> Decimal | None:
        """As ``remaining_nanos``, in currency units."""
        return _money(self.remaining_nanos)

    @property
    def is_over_budget(self) -> bool:
        """Whether more was spent than the budget allows."""
        return self.monthly_budget_nanos is not None and self.used_nanos > self.monthly_budget_nanos

    @property
    def percentage_used(self) -> float:
        """0 where unlimited."""
        return 100 * self.used_nanos / self.monthly_budget_nanos if self.monthly_budget_nanos else 0.0


class ModelPrice(msgspec.Struct, frozen=True, kw_only=True):
    """What a model costs; nanos for a million tokens. A plugin in a process of its own is told of the prompt, the
    response and the cache alone: the protocol's message has no more."""

    id: int = 0
    key: str = ""
    """What events call it."""
    vendor: str
    model_name: str
    currency: str = "USD"
    prompt_nanos: int = 0
    response_nanos: int = 0
    cache_read_nanos: int = 0
    cache_write_nanos: int = 0
    """What is written for five minutes."""
    cache_write_1h_nanos: int | None = None
    """``None`` is the price of a nearer class, of ``cache_write_nanos``; so below, of the prompt or the response."""
    audio_prompt_nanos: int | None = None
    audio_response_nanos: int | None = None
    image_prompt_nanos: int | None = None
    image_response_nanos: int | None = None
    request_nanos: int = 0
    """Of each request, beside its tokens."""
    tool_request_nanos: int = 0
    """Of each call of the vendor's own tools, such as a web search."""
    tiers: tuple[Mapping[str, int], ...] = ()
    """By prompt size: ``above_prompt_tokens``, and the prices, by these names, that then hold for all tokens."""
    batch_percent: int = 100
    """What a batch pays of what its tokens cost."""
    batch: ModelPrice | None = None
    """Instead of ``batch_percent``: what a batch pays."""
    aliases: tuple[str, ...] = ()
    """Further names of the model, exact or globs."""
    valid_from: int = 0
    """Micros of the epoch."""
    created_at: int = 0
    updated_at: int = 0


class CredentialCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a secret proves an app."""

    valid: bool
    app_id: int | None = None
    credential_id: int | None = None
    expires_at: int | None = None
    """Micros of the epoch; ``None`` is never."""


class LicenseInfo(msgspec.Struct, frozen=True, kw_only=True):
    """For plugins that ask; nothing here depends on a licence."""

    license_valid: bool = True
    days_remaining: int = -1
    """-1 is for ever."""
    license_type: str = "community"
    entitlements: tuple[str, ...] = ()
    organization: str = ""
    expires_at: int | None = None


def _money(nanos: int | None) -> Decimal | None:
    return None if nanos is None else Decimal(nanos) / _NANOS
