"""Answers become JSON without losing a digit."""

from __future__ import annotations

import json

from sluice.eventstore.panels.answers import Answer, Column, Forecast, Series, plain


def test_an_answer_is_json() -> None:
    """Integers beyond 2^53 stay integers, money an object by currency, nothing null."""
    before = Answer((), (), (), 0, 1)
    series = (Series((7, None), ({"USD": 2**60}, None), (({}, 1.5),)), Series((), (0, 1), is_other=True))
    columns = (Column("sum(cost_nanos)", "money"), Column("x", "number"))
    answer = Answer(
        columns, series, (1, 2), 0, 1, (0,), "1d", "UTC", 3, before, Forecast((1, None), "how", 2), ("note",)
    )
    found = json.loads(json.dumps(plain(answer)))
    assert found["series"][0] == {
        "key": [7, None],
        "total": [{"USD": 2**60}, None],
        "points": [[{}, 1.5]],
        "is_other": False,
    }
    assert found["columns"][0] == {"name": "sum(cost_nanos)", "unit": "money"}
    assert found["forecast"] == {"values": [1, None], "method": "how", "days": 2}
    assert (found["previous"]["series"], found["previous"]["previous"], found["notes"]) == ([], None, ["note"])
