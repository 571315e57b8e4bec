"""How much a device may say, and what is told of reports that nobody takes."""

from drivers.allowance import FORGOTTEN_S, Allowance
from drivers.osdp_seat import MOST_WAITING, NOT_TAKEN, Blip, Fine, Inbox, Item, Typed


def test_so_much_may_come_at_once_and_no_more() -> None:
    reads = Allowance(200, 10)
    assert sum(reads.take(1, 1000.0) for _ in range(2000)) == 200


def test_in_the_long_run_so_much_may_come_a_second() -> None:
    reads = Allowance(200, 10)
    assert sum(reads.take(1, 1000.0 + at / 100) for at in range(10_000)) in range(1190, 1202)


def test_a_pause_gives_no_more_than_the_whole_again() -> None:
    reads = Allowance(3, 1)
    assert [reads.take(1, 1000.0) for _ in range(4)] == [True, True, True, False]
    assert [reads.take(1, 9000.0) for _ in range(4)] == [True, True, True, False]


def test_what_is_refused_takes_nothing_from_what_is_left() -> None:
    bytes_ = Allowance(10, 1)
    assert not bytes_.take(11, 1000.0)
    assert bytes_.take(10, 1000.0)


def test_it_is_kept_again_when_nothing_was_refused_for_a_while() -> None:
    reads = Allowance(1, 1)
    assert reads.take(1, 1000.0)
    assert reads.is_kept(1000.0)
    assert not reads.take(1, 1000.5)
    assert not reads.is_kept(1000.5 + FORGOTTEN_S - 0.01)
    assert reads.is_kept(1000.5 + FORGOTTEN_S)


def emptied(inbox: Inbox) -> list[Item]:
    items = []
    while (item := inbox.take(0)) is not None:
        items.append(item)
    return items


def test_reports_that_nobody_takes_are_dropped_and_that_is_told_once() -> None:
    inbox = Inbox()
    for _ in range(10 * MOST_WAITING):
        inbox.put(Typed("1"))
    assert emptied(inbox) == [Typed("1")] * MOST_WAITING + [Blip(NOT_TAKEN)]
    inbox.put(Typed("2"))
    assert emptied(inbox) == [Typed("2")]


def test_states_come_through_a_full_inbox() -> None:
    inbox = Inbox()
    for _ in range(2 * MOST_WAITING):
        inbox.put(Typed("1"))
    inbox.put(Fine("busy"))
    assert emptied(inbox)[-1] == Fine("busy")


def test_a_slow_taker_lets_no_inbox_grow() -> None:
    inbox = Inbox()
    for _ in range(5 * MOST_WAITING):
        inbox.put(Typed("1"))
        inbox.put(Typed("1"))
        inbox.take(0)
    assert len(emptied(inbox)) <= MOST_WAITING + 1
