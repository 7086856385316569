"""Who plays in the demo: LLMs of several vendors, and teams with their habits. Live traffic and history are theirs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Rhythm = Literal["office", "shop", "night"]
NEWCOMER_ID: Final = 1
"""The app of the printed token, whose only traffic is what its owner sends and the first look."""


@dataclass(frozen=True, slots=True)
class Llm:
    """One configured LLM; all of them are the mock vendor, each spoken to as its vendor is."""

    id: int
    slug: str
    name: str
    vendor: str
    path: str = "/v1"
    """Where the vendor's API begins on its server."""


@dataclass(frozen=True, slots=True)
class Model:
    """How quick a model is; what it costs is in the table of prices."""

    name: str
    llm: Llm
    first_byte_seconds: float
    """In the median."""
    tokens_per_second: float
    reasoning: float = 0.0
    """What part of its answers clients do not see."""


@dataclass(frozen=True, slots=True)
class Team:
    """One app and its habits."""

    id: int
    name: str
    uses: tuple[tuple[Model, float], ...]
    """Its models, each with how often it is chosen."""
    daily: int
    """Exchanges of a working day."""
    rhythm: Rhythm
    weekend: float
    """What part of that it sends on a Saturday or Sunday."""
    prompt_tokens: int
    response_tokens: int
    """Both in the median."""
    streams: float
    cached: float
    """What part of a prompt the vendor has in its cache."""
    prompts: tuple[str, ...]
    tools: float = 0.0
    """What part of the answers calls one."""
    budget: str = "0"
    requests_a_minute: int = 0

    @property
    def llms(self) -> tuple[str, ...]:
        """The slugs of the LLMs that it may use."""
        return tuple(dict.fromkeys(model.llm.slug for model, _ in self.uses))


OPENAI: Final = Llm(3, "gpt", "OpenAI", "openai")
CLAUDE: Final = Llm(4, "claude", "Anthropic", "anthropic", "/")
GEMINI: Final = Llm(5, "gemini", "Google", "google_ai", "/")
MISTRAL: Final = Llm(6, "mistral", "Mistral", "mistral")
LOCAL: Final = Llm(7, "local", "A slow machine of our own", "ollama", "/")
LLMS: Final = (OPENAI, CLAUDE, GEMINI, MISTRAL, LOCAL)

GPT: Final = Model("gpt-4o", OPENAI, 0.55, 85)
GPT_MINI: Final = Model("gpt-4o-mini", OPENAI, 0.35, 120)
SONNET: Final = Model("claude-sonnet-4-5", CLAUDE, 0.9, 70)
HAIKU: Final = Model("claude-haiku-4-5", CLAUDE, 0.45, 140)
OPUS: Final = Model("claude-opus-4-1", CLAUDE, 1.4, 50)
FLASH: Final = Model("gemini-2.5-flash", GEMINI, 0.4, 180)
PRO: Final = Model("gemini-2.5-pro", GEMINI, 1.2, 110, 0.45)
MISTRAL_SMALL: Final = Model("mistral-small-latest", MISTRAL, 0.3, 130)
LLAMA: Final = Model("llama3.2", LOCAL, 2.6, 38)

SUPPORT: Final = Team(
    2, "support-bot", ((HAIKU, 7), (GPT_MINI, 3)), 380, "shop", 0.55, 1400, 260, 0.85, 0.6,
    ("Where is my order?", "How do I return these shoes?", "Please cancel my subscription."), budget="60",
)  # fmt: skip
SEARCH: Final = Team(
    3, "shop-search", ((GPT_MINI, 6), (MISTRAL_SMALL, 5)), 420, "shop", 0.8, 320, 60, 0.0, 0.0,
    ("Rewrite as a query: warm socks for children", "Rewrite as a query: red running shoes, size 42"), budget="10",
)  # fmt: skip
REVIEW: Final = Team(
    4, "code-review", ((SONNET, 7), (PRO, 3)), 150, "office", 0.08, 6200, 520, 0.3, 0.7,
    ("Review this change: it moves the retry into the client.", "Which test is missing for this parser?"),
    tools=0.35, budget="150",
)  # fmt: skip
REPORTS: Final = Team(
    5, "nightly-reports", ((FLASH, 1),), 110, "night", 1.0, 9000, 1100, 0.0, 0.2,
    ("Summarise the sales of yesterday by region.", "Write the morning report of all shops."), requests_a_minute=3,
)  # fmt: skip
RESEARCH: Final = Team(
    6, "research", ((LLAMA, 4), (GPT, 6)), 70, "office", 0.3, 900, 420, 0.6, 0.0,
    ("Compare these two papers on retrieval.", "Propose three experiments on long prompts."), tools=0.1, budget="40",
)  # fmt: skip
TRIAL: Final = Team(
    7, "trial", ((OPUS, 1),), 3, "office", 0.2, 240, 120, 0.0, 0.0,
    ("Write a poem about our product.", "What would you name a bakery by the sea?"), budget="0.51",
)  # fmt: skip
TEAMS: Final = (SUPPORT, SEARCH, REVIEW, REPORTS, RESEARCH, TRIAL)
