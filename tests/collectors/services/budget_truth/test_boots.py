"""What was seen of a boot, held against a dict that remembers everything."""

from __future__ import annotations

import time
import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.services.budget_truth.boots import (
    KEPT_PAGES,
    PAGE,
    Boot,
    BootBook,
    BootId,
    Claim,
    Page,
    digest_of,
    page_of,
    seen_on,
)
from sluice.intervals import Intervals

BOOT = BootId("gw", "0", "boot")
SEQUENCES = st.one_of(st.integers(1, 40), st.integers(PAGE - 3, PAGE + 3), st.integers(3 * PAGE - 2, 3 * PAGE + 2))
EVENTS = st.tuples(SEQUENCES, st.sampled_from("ab"))


class Stored:
    """What a database would keep between batches, and a book that loads from it as the service does."""

    def __init__(self) -> None:
        self.pages: dict[int, bytes] = {}
        self.boot = Boot(BOOT)

    def batch(self, events: list[tuple[int, str]], *, closing: int = 0) -> list[Claim]:
        book = BootBook()
        book.boots[BOOT.key] = self.boot
        for page in {page_of(sequence) for sequence, _ in events} & set(self.pages):
            book.pages[BOOT.key, page] = Page.unpack(self.pages[page])
        claims = [book.claim(BOOT.key, sequence, digest_of(event)) for sequence, event in events]
        if closing:
            book.report(BOOT, closing, closing=True)
        while (needed := book.advance(BOOT.key, self.pages)) is not None:
            book.pages[needed] = Page.unpack(self.pages[needed[1]])
        book.drop_pages({BOOT.key: set(self.pages)})
        for key, page in book.dirty_pages:
            self.pages[page] = book.pages[key, page].pack()
        for _, page in book.dropped_pages:
            self.pages.pop(page, None)
        return claims

    def seen(self) -> Intervals:
        found = Intervals([(1, self.boot.through)] if self.boot.through else [])
        for page, packed in self.pages.items():
            found |= seen_on(page, packed)
        return found


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(EVENTS, max_size=12), max_size=12))
def test_each_number_is_given_once_and_to_one_event(batches: list[list[tuple[int, str]]]) -> None:
    """Whatever comes in whatever order and batches: the first event takes the number, the same again is a duplicate,
    another one is a conflict; and what is seen is exactly what came."""
    stored, known = Stored(), dict[int, str]()
    for events in batches:
        for (sequence, event), claim in zip(events, stored.batch(events), strict=True):
            first = known.setdefault(sequence, event) if claim is Claim.APPLIED else known[sequence]
            expected = (
                Claim.APPLIED if claim is Claim.APPLIED else Claim.DUPLICATE if first == event else Claim.CONFLICT
            )
            assert claim is expected
        assert stored.seen() == Intervals.of(known)
        assert stored.boot.seen == len(known)
        assert stored.boot.missing == (max(known) - len(known) if known else 0)
        assert stored.boot.through == next(number for number in range(10**6) if number + 1 not in known)


def test_a_long_boot_takes_a_few_pages() -> None:
    """However many numbers it gave; one from far behind is a duplicate still, of a recent one the event is known."""
    stored = Stored()
    for begin in range(0, 100 * PAGE, PAGE):
        events = [(begin + 1 + at, f"e{begin + at}") for at in range(PAGE)]
        assert set(stored.batch(events)) == {Claim.APPLIED}
    assert stored.boot.through == 100 * PAGE
    assert len(stored.pages) <= KEPT_PAGES + 1
    last = 100 * PAGE
    assert stored.batch([(1, "e0"), (1, "lie"), (last, f"e{last - 1}"), (last, "lie")]) == [
        Claim.DUPLICATE, Claim.DUPLICATE, Claim.DUPLICATE, Claim.CONFLICT,
    ]  # fmt: skip


def test_a_boot_that_closed_and_is_whole_is_a_line() -> None:
    """No page is kept of it; while a number is missing they are, and what comes then completes it."""
    stored = Stored()
    stored.batch([(1, "a"), (3, "c")], closing=3)
    assert (stored.boot.missing, len(stored.pages)) == (1, 1)
    stored.batch([(2, "b")])
    assert (stored.boot.missing, stored.boot.through, stored.pages) == (0, 3, {})
    assert stored.batch([(2, "b")]) == [Claim.DUPLICATE]


def test_reports_come_in_any_order() -> None:
    """The largest number counts, and a closing one is not taken back."""
    stored = Stored()
    stored.batch([], closing=9)
    book = BootBook()
    book.boots[BOOT.key] = stored.boot
    book.report(BOOT, 4, closing=False)
    assert (stored.boot.reported, stored.boot.is_closed, stored.boot.missing) == (9, True, 9)


def test_what_is_excused_is_no_gap_and_may_still_come() -> None:
    """Numbers that the log no longer had are left out; one that turns up after all counts."""
    stored = Stored()
    stored.batch([(5, "e")])
    stored.boot.excuse()
    assert (stored.boot.missing, stored.boot.uncovered) == (0, 4)
    assert stored.batch([(2, "b"), (8, "h")]) == [Claim.APPLIED, Claim.APPLIED]
    assert (stored.boot.uncovered, stored.boot.missing) == (3, 2)


def test_a_flood_of_scattered_numbers_is_bounded_by_the_batch() -> None:
    """A liar's numbers lie on a page each: what is remembered afterwards is bounded, and a page of one is small."""
    book = BootBook()
    book.boots[BOOT.key] = Boot(BOOT)
    tracemalloc.start()
    started = time.process_time()
    for number in range(10_000):
        assert book.claim(BOOT.key, number * PAGE * 7 + 5, 1) is Claim.APPLIED
    assert tracemalloc.get_traced_memory()[1] < 80 << 20
    assert max(len(page.pack()) for page in list(book.pages.values())[:100]) < 100
    book.settled()
    assert tracemalloc.get_traced_memory()[0] < 40 << 20
    tracemalloc.stop()
    assert time.process_time() - started < 10
