"""What became of the exchanges."""

from __future__ import annotations

import io

from rich.console import Console

from sluice.dev.demo.arrivals import Arrivals
from sluice.dev.demo.summary import as_json, show, summarise
from tests.sluice.dev.demo.documents import analytics, proxy_log

ARRIVALS = Arrivals(
    {
        "proxy_log": {"a": proxy_log("a"), "b": proxy_log("b"), "c": proxy_log("c", "auth_failed", None)},
        "analytics": {"a": analytics("a", 1_500_000), "b": analytics("b", 500)},
        "budget": {"a": {}, "b": {}},
    },
    {"proxy_log": [], "analytics": [], "budget": []},
)


def test_rows_add_up_by_outcome() -> None:
    """Tokens and nanos are sums of integers; an absent count is none."""
    ok, refused = summarise(ARRIVALS)
    assert (ok.outcome, ok.exchanges, ok.prompt_tokens, ok.response_tokens, ok.cost_nanos) == (
        "ok",
        2,
        2000,
        0,
        1500500,
    )
    assert (ok.proxy_logs, ok.analytics, ok.budgets) == (2, 2, 2)
    assert (refused.outcome, refused.proxy_logs, refused.analytics, refused.budgets) == ("auth_failed", 1, 0, 0)


def test_scripts_get_numbers() -> None:
    """Every row and the documents by kind."""
    shown = as_json(summarise(ARRIVALS), ARRIVALS)
    assert shown["documents"] == {"proxy_log": 3, "analytics": 2, "budget": 2}
    assert [row["cost_nanos"] for row in shown["outcomes"]] == [1500500, 0]


def test_people_get_a_table_and_pipes_plain_text() -> None:
    """The same cells; lines are drawn for terminals alone."""
    pictures = []
    for is_terminal in (True, False):
        file = io.StringIO()
        show(summarise(ARRIVALS), Console(file=file, force_terminal=is_terminal, width=120, no_color=True))
        pictures.append(file.getvalue())
    assert all("$0.001501" in picture or "$0.001500" in picture for picture in pictures)
    assert "┃" in pictures[0]
    assert pictures[1].isascii()
