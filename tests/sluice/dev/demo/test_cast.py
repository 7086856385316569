"""The demo's teams and LLMs."""

from __future__ import annotations

import pytest

from sluice.dev.demo.cast import LLMS, LOCAL, NEWCOMER_ID, TEAMS, TRIAL, Team
from sluice.dev.demo.traffic import KINDS, TOO_DEAR
from sluice.money.base_prices import read_base_prices
from sluice.money.cost import cost_nanos, worst_nanos
from sluice.money.nanos import parse_nanos
from sluice.money.prices import PriceTable
from sluice.money.usage import Usage

NOW = 1_795_704_856_000_000
PRICES = PriceTable((), read_base_prices())


def test_ids_are_of_one_each() -> None:
    """A team and the newcomer, and two LLMs, never share one: their figures would be added up."""
    assert len({NEWCOMER_ID, *(team.id for team in TEAMS)}) == len(TEAMS) + 1
    assert len({1, 2, *(llm.id for llm in LLMS)}) == len(LLMS) + 2


@pytest.mark.parametrize("team", TEAMS, ids=[team.name for team in TEAMS])
def test_what_teams_use_is_configured_and_has_a_price(team: Team) -> None:
    """Of the table of published prices; the machine of our own alone has none, so that such exchanges are seen too."""
    for model, weight in team.uses:
        assert weight > 0
        assert model.llm in LLMS
        assert (PRICES.find(model.llm.vendor, model.name, NOW) is None) == (model.llm is LOCAL)


def test_the_trial_has_nearly_spent_its_budget_and_one_more_is_refused() -> None:
    """Three answers leave less than a tenth of it, which is less than what a fourth may cost: by today's prices."""
    ((model, _),) = TRIAL.uses
    price = PRICES.find(model.llm.vendor, model.name, NOW)
    assert price is not None
    script = dict(part.split("=") for part in TOO_DEAR.script.split(";"))
    usage = Usage(prompt_tokens=int(script["prompt_tokens"]), response_tokens=int(script["response_tokens"]))
    budget, spent = parse_nanos(TRIAL.budget), 3 * cost_nanos(price, usage)
    (sent,) = (kind.count for kind in KINDS if kind.app == TRIAL.id)
    assert sent == 4
    assert 0.9 * budget < spent < budget
    assert budget - spent < worst_nanos(price, 0, TOO_DEAR.max_tokens)
    assert budget - spent + cost_nanos(price, usage) > worst_nanos(price, 200, TOO_DEAR.max_tokens)
