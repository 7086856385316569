"""What cannot be asked is refused before any store hears of it, with the key, the value and the remedy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sluice.eventstore.panels.checks import check_filters, check_query
from sluice.eventstore.panels.query import Filter, Measure, PanelQuery, QueryError

GOOD = PanelQuery("analytics", 0, 1_000)
TEN = (Measure(),) * 11


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "analytic"}, "kind: 'analytic' is not known; did you mean analytics"),
        ({"start": "0"}, "start: '0' must be a whole number"),
        ({"start": True}, "start"),
        ({"end": 10**30}, "end"),
        ({"measures": ()}, "measures: '\\(\\)' must be a tuple of 1 to 10"),
        ({"measures": TEN}, "measures"),
        ({"measures": [Measure()]}, "measures"),
        (
            {"measures": (Measure("sum", "cost_nano"),)},
            r"measures\[0\].field: 'cost_nano' is no field of analytics; did",
        ),
        ({"measures": (Measure("sum", "vendor"),)}, "is no number; sum needs one"),
        ({"measures": (Measure("sum", "is_stream"),)}, "is no number"),
        ({"measures": (Measure("sum"),)}, "is no field"),
        ({"measures": (Measure("count", "vendor"),)}, "leave the field out"),
        ({"measures": (Measure("median", "total_micros"),)}, "is not known"),  # type: ignore[arg-type]
        ({"measures": (Measure("percentiles", "total_micros"),)}, "percents"),
        ({"measures": (Measure("percentiles", "total_micros", (0,)),)}, "must be above 0"),
        ({"measures": (Measure("percentiles", "total_micros", (100.1,)),)}, "must be above 0"),
        ({"measures": (Measure("percentiles", "total_micros", (50.00001,)),)}, "three decimals"),
        ({"measures": (Measure("percentiles", "total_micros", (float("nan"),)),)}, "must be above 0"),
        ({"measures": (Measure("percentiles", "total_micros", (50, 50)),)}, "has a number twice"),
        ({"measures": (Measure("percentiles", "cost_nanos", (50,)),)}, "several currencies"),
        ({"measures": (Measure("sum", "total_tokens", (50,)),)}, "belong to percentiles alone"),
        ({"measures": (Measure("share"),)}, "what a share is the part of"),
        ({"measures": (Measure("distinct", "labels"),)}, "is a list"),
        ({"measures": (Measure("rate", per_seconds=0),)}, "per_seconds"),
        ({"measures": (Measure(name="x" * 81),)}, "at most 80"),
        ({"split_by": ("app_id", "vendor", "llm_id")}, "split_by"),
        ({"split_by": ("vendor", "vendor")}, "names a field twice"),
        ({"split_by": ("labels",)}, "filter by a label instead"),
        ({"split_by": ("tokens_used",)}, "budget have it"),
        ({"split_by": ("request_body",)}, "is no field"),
        ({"split_by": ("raw_usage",)}, "is no field"),
        ({"interval": "2h"}, "interval"),
        ({"time_zone": "Mars"}, "time_zone: 'Mars' is no time zone"),
        ({"limit": 0}, "limit"),
        ({"limit": 501}, "limit"),
        ({"compare": "before"}, "compare"),
        ({"forecast": True, "measures": (Measure("average", "total_micros"),)}, "needs a measure that adds up"),
        ({"filters": (Filter("vendor", "like", ("a",)),)}, r"filters\[0\].operator"),  # type: ignore[arg-type]
        ({"filters": (Filter("vendor", "is", ()),)}, "values"),
        ({"filters": (Filter("vendor", "is", (1,)),)}, "vendor is compared with text"),
        ({"filters": (Filter("llm_id", "is", (True,)),)}, "a whole number"),
        ({"filters": (Filter("llm_id", "range", (1,)),)}, "values"),
        ({"filters": (Filter("vendor", "range", (1, 2)),)}, "is no number"),
        ({"filters": (Filter("llm_id", "contains", ("a",)),)}, "needs a field of text"),
        ({"filters": (Filter("vendor", "contains", ("",)),)}, "some text"),
        ({"filters": (Filter("labels", "is", ("a",)),)}, "key:value"),
        ({"filters": (Filter("labels", "contains", ("a:",)),)}, "needs a field of text"),
        ({"filters": (Filter("is_stream", "is", ("true",)),)}, "true or false"),
        ({"filters": (Filter("vendor", "in", ("a",) * 1_001),)}, "values"),
        ({"filters": (Filter("vendor", "is", ("a",)),) * 21}, "filters"),
        ({"filters": (Filter("vendor); --", "is", ("a",)),)}, "is no field"),
        ({"kind": "plugin_step", "split_by": ("response_code",)}, "analytics have it"),
    ],
)
def test_wrong_questions_are_refused(changes: dict[str, Any], said: str) -> None:
    """Each wrong part is named with what is wrong of it and what to do."""
    check_query(GOOD)
    with pytest.raises(QueryError, match=said):
        check_query(replace(GOOD, **changes))


def test_what_is_shown_of_a_value_is_short() -> None:
    """A megabyte of rubbish does not come back in the message."""
    with pytest.raises(QueryError) as error:
        check_filters("analytics", (Filter("x" * 1_000_000, "is", ("a",)),), "filters")
    assert len(str(error.value)) < 1_000
