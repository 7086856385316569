"""The oracle itself: a sound ledger holds, and each law is broken by what it is there to find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from schemas.events import SUFFIXES, Kind
from sluice.dev.vendor import Served
from tests.integration.accounts import Exchanged, Ledger, Price, tokens_of_bytes
from tests.integration.ledger import LAWS, violations

PRICE = Price(prompt=150_003_700, response=600_000_100, cache_read=75_000_300)
OK, NOBODY, ESTIMATED, CUT, REFUSED = (f"00000000-0000-7000-8000-00000000000{number}" for number in range(1, 6))


@dataclass
class Case:
    """Accounts that may be falsified before they become a ledger."""

    clients: dict[str, Exchanged]
    vendor: dict[str, Served]
    sinks: dict[str, dict[Kind, list[dict[str, Any]]]]
    records: dict[Kind, list[dict[str, Any]]]
    dead_letters: int = 0
    interrupted: str = "reserved"

    def ledger(self) -> Ledger:
        """As they are now."""
        return Ledger(
            clients=list(self.clients.values()),
            vendor=list(self.vendor.values()),
            sinks=self.sinks,
            price=PRICE,
            records=self.records,
            dead_letters=self.dead_letters,
            interrupted="seen" if self.interrupted == "seen" else "reserved",
        )

    def every(self, kind: Kind, exchange_id: str) -> list[dict[str, Any]]:
        """The documents of an event in all sinks, and its record."""
        places = [*(sink[kind] for sink in self.sinks.values()), self.records[kind]]
        return [document for place in places for document in place if document["exchange_id"] == exchange_id]

    def change(self, exchange_id: str, event: Kind, /, **fields: Any) -> None:
        """The same change wherever the event is shown."""
        for document in self.every(event, exchange_id):
            document.update(fields)

    def forget(self, exchange_id: str) -> None:
        """Nobody has recorded it."""
        for place in (*self.sinks.values(), self.records):
            for documents in place.values():
                documents[:] = [document for document in documents if document["exchange_id"] != exchange_id]


def client(seen_id: str, /, **fields: Any) -> Exchanged:
    """Whose request id is the last digit of the exchange id."""
    made = Exchanged(f"r{seen_id[-1]}", "plain", "complete", knows_app=True, exchange_id=seen_id, status=200,
                     sent_bytes=101, received_tokens=9, max_tokens=50)  # fmt: skip
    return replace(made, **fields)


def served(seen_id: str, /, **fields: Any) -> Served:
    """An answer with usage."""
    made = Served(1, seen_id, "/v1/chat/completions", "mock-small", False, 200, 1, 11, 7, 3, 0, True)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def events(exchange_id: str, sequence: int, cost: int | None, **fields: Any) -> dict[Kind, dict[str, Any]]:
    """What is recorded of an exchange; budget's and analytics' sequences are the proxy log's here."""
    common = {"exchange_id": exchange_id, "request_id": f"r{exchange_id[-1]}", "gateway_id": "g", "worker": "w0",
              "boot_id": "b", "app_id": 1, "outcome": "ok", "partial": False, **fields}  # fmt: skip
    own: dict[Kind, dict[str, Any]] = {
        "proxy_log": {"response_code": 200, "request_body": b"{}", "response_body": b"{}"},
        "analytics": {"cost_nanos": cost, "cost_status": "exact", "prompt_tokens": 11, "response_tokens": 7},
        "budget": {"cost_nanos": cost, "kind": "usage", "requests_count": 1, "reserved_nanos": PRICE.cost(26, 50)},
    }
    made = {
        kind: {"event_id": exchange_id + SUFFIXES[kind], "sequence": sequence, **common, **own[kind]} for kind in own
    }
    if not cost:
        del made["budget"]
    if fields.get("app_id", 1) is None:
        del made["analytics"]
    return made


def sound() -> Case:
    """Five exchanges: priced exactly, without an app, estimated, cut by a kill, refused by the vendor."""
    cut = PRICE.cost(26, 50)
    made = [
        events(OK, 1, PRICE.cost(11, 7, 3)),
        events(ESTIMATED, 2, PRICE.cost(26, 9)),
        events(CUT, 3, cut, outcome="interrupted", partial=True),
        events(REFUSED, 4, 0, outcome="upstream_error"),
        events(NOBODY, 5, None, app_id=None, outcome="auth_failed"),
    ]
    made[1]["analytics"] |= {"cost_status": "estimated", "prompt_tokens": 26, "response_tokens": 9}
    made[2]["analytics"] |= {"cost_status": "estimated", "prompt_tokens": 26, "response_tokens": 3}
    made[2]["proxy_log"]["response_code"] = None
    made[3]["proxy_log"]["response_code"] = 429
    made[3]["analytics"]["sequence"] = 4
    made[4]["proxy_log"] |= {"response_code": 401, "request_body": None, "response_body": None}
    clients = [
        client(OK),
        client(ESTIMATED),
        client(CUT, ending="broken", exchange_id="", received_tokens=2),
        client(REFUSED, status=429, outcomes=frozenset(("upstream_error",))),
        client(NOBODY, status=401, knows_app=False, outcomes=frozenset(("auth_failed",))),
    ]
    told_none = {"prompt_tokens": None, "response_tokens": None, "cached": None}
    seen = [served(OK), served(ESTIMATED, **told_none), served(CUT), served(REFUSED, status=429, **told_none)]

    def place() -> dict[Kind, list[dict[str, Any]]]:
        kinds: tuple[Kind, ...] = ("proxy_log", "analytics", "budget")
        return {kind: [dict(each[kind]) for each in made if kind in each] for kind in kinds}

    return Case(
        {entry.request_id: entry for entry in clients},
        {entry.exchange_id: entry for entry in seen},
        {"elasticsearch": place(), "database": place()},
        place(),
    )


def test_a_sound_ledger_holds() -> None:
    """Nothing is wrong with accounts that agree, nor with a record that the relay sent twice."""
    case = sound()
    case.records["proxy_log"] += case.records["proxy_log"]
    assert violations(case.ledger()) == []


def test_what_is_gone_from_everywhere_is_missed() -> None:
    """An answered exchange that nobody recorded is found by its client, by the vendor and by its sequence number."""
    case = sound()
    case.forget(OK)
    found = violations(case.ledger())
    assert any("answered is recorded" in sentence for sentence in found)
    assert any("what the vendor saw is recorded" in sentence for sentence in found)
    assert any("sequences have no gap" in sentence and "missing [1]" in sentence for sentence in found)


def test_the_last_sequence_number_may_be_missing_only_with_its_exchange() -> None:
    """Numbers alone cannot show that the end is missing; the vendor's log does."""
    case = sound()
    case.forget(CUT)
    for kind in ("analytics", "budget", "proxy_log"):
        for exchange_id in (REFUSED, NOBODY):
            case.change(exchange_id, kind, sequence=case.every("proxy_log", exchange_id)[0]["sequence"] - 1)
    assert {sentence.partition(":")[0] for sentence in violations(case.ledger())} == {"what the vendor saw is recorded"}


def _client(name: str, **fields: Any) -> Callable[[Case], None]:
    def falsify(case: Case) -> None:
        case.clients[name] = replace(case.clients[name], **fields)

    return falsify


def _event(exchange_id: str, event: Kind, /, **fields: Any) -> Callable[[Case], None]:
    return lambda case: case.change(exchange_id, event, **fields)


def _all_events(exchange_id: str, **fields: Any) -> Callable[[Case], None]:
    def falsify(case: Case) -> None:
        for kind in SUFFIXES:
            case.change(exchange_id, kind, **fields)

    return falsify


def _database(change: Callable[[dict[Kind, list[dict[str, Any]]]], object]) -> Callable[[Case], None]:
    def falsify(case: Case) -> None:
        change(case.sinks["database"])

    return falsify


def _kafka(change: Callable[[dict[Kind, list[dict[str, Any]]]], object]) -> Callable[[Case], None]:
    def falsify(case: Case) -> None:
        change(case.records)

    return falsify


def _vendor(exchange_id: str, **fields: Any) -> Callable[[Case], None]:
    def falsify(case: Case) -> None:
        case.vendor[exchange_id] = served(exchange_id, **fields)

    return falsify


def _twice(case: Case) -> None:
    for place in (*case.sinks.values(), case.records):
        for kind, documents in place.items():
            copies = [dict(document) for document in documents if document["exchange_id"] == OK]
            for document in copies:
                other = OK[:-1] + "9"
                document |= {"exchange_id": other, "event_id": other + SUFFIXES[kind], "boot_id": "b2", "sequence": 1}
            documents.extend(copies)


def _could_not_connect(case: Case) -> None:
    del case.vendor[CUT]
    case.clients["r4"].ending = "refused"


def _dead_letter(case: Case) -> None:
    case.dead_letters = 1


def _other_rule(case: Case) -> None:
    case.interrupted = "seen"


def _no_budget(case: Case) -> None:
    for sink in case.sinks.values():
        sink["budget"].clear()


def _vendor_unseen(case: Case) -> None:
    del case.vendor[OK]


FALSIFIED: list[tuple[str, Callable[[Case], None]]] = [
    ("every exchange has one client", _client("r1", request_id="other")),
    ("every exchange has one client", _client("r1", exchange_id="other")),
    ("every exchange has one client", _client("r1", request_id="r2")),
    ("every exchange has one client", _twice),
    ("recorded is accounted for", _could_not_connect),
    ("each event is once in each sink", _database(lambda sink: sink["analytics"].append(sink["analytics"][0]))),
    ("each event is once in each sink", _database(lambda sink: sink["budget"].pop())),
    ("each sink shows the same", _database(lambda sink: sink["analytics"][0].update(cost_nanos=1))),
    ("each exchange has its events", _no_budget),
    ("each exchange has its events", _event(REFUSED, "analytics", cost_nanos=5)),
    ("each exchange has its events", _event(OK, "proxy_log", event_id=OK + "-x")),
    ("without an app there is no body", _event(NOBODY, "proxy_log", request_body=b"{}")),
    ("without an app there is no body", _vendor(NOBODY)),
    ("kafka holds the same events", _dead_letter),
    ("kafka holds the same events", _kafka(lambda records: records["analytics"].pop())),
    ("kafka holds the same events", _kafka(lambda records: records["analytics"][0].update(sequence=77))),
    ("sequences have no gap", _event(OK, "proxy_log", sequence=2)),
    ("sequences have no gap", _event(NOBODY, "proxy_log", sequence=7)),
    ("there is one outcome", _event(OK, "analytics", outcome="upstream_error")),
    ("there is one outcome", _all_events(OK, outcome="upstream_error")),
    ("there is one outcome", _event(OK, "proxy_log", response_code=500)),
    ("there is one outcome", _client("r2", knows_app=True, outcomes=frozenset(("ok",)), status=401)),
    ("interrupted is partial estimated and charged", _client("r4", ending="complete")),
    ("interrupted is partial estimated and charged", _event(CUT, "analytics", cost_nanos=1)),
    ("interrupted is partial estimated and charged", _all_events(CUT, partial=False)),
    ("interrupted is partial estimated and charged", _event(CUT, "analytics", cost_status="exact")),
    ("interrupted is partial estimated and charged", _other_rule),
    ("exact is what the vendor told", _all_events(OK, cost_nanos=PRICE.cost(11, 7, 3) + 1)),
    ("exact is what the vendor told", _event(OK, "analytics", response_tokens=8)),
    ("exact is what the vendor told", _vendor_unseen),
    ("exact is what the vendor told", _vendor(OK, prompt_tokens=None, response_tokens=None)),
    ("estimated follows the rule", _all_events(ESTIMATED, cost_nanos=1)),
    ("estimated follows the rule", _client("r3", sent_bytes=999)),
    ("estimated follows the rule", _client("r3", received_tokens=8)),
    ("estimated follows the rule", _client("r3", ending="left", received_tokens=10)),
    ("estimated follows the rule", _vendor(ESTIMATED)),
    ("what called no vendor costs nothing", _event(OK, "analytics", cost_status="")),
    ("what called no vendor costs nothing", _event(OK, "analytics", cost_status="unpriced")),
    ("budgets charge what analytics say", _event(OK, "budget", cost_nanos=1)),
    ("budgets charge what analytics say", _event(OK, "budget", reserved_nanos=1)),
    ("budgets charge what analytics say", _event(OK, "budget", kind="correction")),
    ("answered is recorded", lambda case: case.forget(ESTIMATED)),
    ("what the vendor saw is recorded", _vendor("new")),
]


@pytest.mark.parametrize(("law", "falsify"), FALSIFIED)
def test_each_law_finds_what_breaks_it(law: str, falsify: Callable[[Case], None]) -> None:
    """Falsified accounts are told by the law that is there for it."""
    case = sound()
    falsify(case)
    assert any(sentence.startswith(law + ":") for sentence in violations(case.ledger()))


def test_no_law_is_without_such_a_test() -> None:
    """A law that nothing breaks would hold nothing."""
    assert {law.__name__.replace("_", " ") for law in LAWS} == {law for law, _ in FALSIFIED}


def test_many_violations_are_cut_and_counted() -> None:
    """A failed run is read by people."""
    case = sound()
    case.vendor.update({str(number): served(str(number)) for number in range(40)})
    found = [sentence for sentence in violations(case.ledger()) if sentence.startswith("what the vendor saw")]
    assert len(found) == 13
    assert found[-1].endswith("and 28 more")


@pytest.mark.parametrize(("size", "tokens"), [(0, 0), (1, 1), (4, 1), (5, 2)])
def test_the_estimate_rule(size: int, tokens: int) -> None:
    """Four bytes begun are a token."""
    assert tokens_of_bytes(size) == tokens


def test_costs_are_rounded_half_even_once() -> None:
    """2.5 nanos are 2, 3.5 are 4; cached tokens have a price of their own."""
    assert Price(500_000, 0, 0).cost(5, 0) == 2
    assert Price(500_000, 0, 0).cost(7, 0) == 4
    assert Price(1_000_000, 3_000_000, 2_000_000).cost(10, 2, 4) == 6 + 8 + 6
