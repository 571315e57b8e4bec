"""Which thread decides: the deciding one, or that of the reader at which the card was read."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from controller_support import LIST, LISTED, PEOPLE, House, house_in, read, running
from gateway_support import until

from drivers.base import (
    Indication,
)
from gateway.access_list import AccessList
from gateway.events import (
    NewList,
    Stop,
)
from gateway.facts import Fact
from messages.model import Kind, Reason


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with house_in(tmp_path) as house:
        yield house


@contextmanager
def another_decides(house: House) -> Iterator[None]:
    """A card is being let in on another thread: its lock takes its time."""
    driven, goes_on = threading.Event(), threading.Event()

    def linger() -> None:
        driven.set()
        goes_on.wait(20)

    house.board.lingers = linger
    thread = threading.Thread(target=house.controller.read, args=(read(PEOPLE[1]),))
    thread.start()
    assert driven.wait(20)
    try:
        yield
    finally:
        goes_on.set()
        thread.join(20)


def test_a_card_is_decided_on_its_readers_own_thread_while_nobody_else_decides(house: House) -> None:
    with running(house):
        until(lambda: len(house.announced) == 1, "the start")
        until(lambda: decided_before_it_returns(house), "a moment in which nobody else decides")
        assert house.board.committed_before[-1].kind is Kind.ACCESS_GRANTED
        assert set(house.shown) == {("lobby-in", Indication.GRANTED)}


def decided_before_it_returns(house: House) -> bool:
    before = len(house.board.committed_before)
    house.controller.read(read(LISTED))
    return len(house.board.committed_before) > before


def test_cards_that_are_read_while_another_is_decided_wait_and_share_a_commit(house: House) -> None:
    with running(house):
        until(lambda: len(house.announced) == 1, "the start")
        with another_decides(house):
            for token in PEOPLE[2:6]:
                house.controller.read(read(token))
            assert house.board.released == 1
        until(lambda: house.board.released == 5, "the others")
        last = house.records()[-1].seq
        assert [before.seq for before in house.board.committed_before] == [last - 4] + [last] * 4


def test_what_came_before_a_card_is_not_overtaken_by_it(house: House) -> None:
    fresh = AccessList(6, LIST.issued_us, {})
    with running(house):
        until(lambda: len(house.announced) == 1, "the start")
        with another_decides(house):
            house.controller.inbox.put(NewList(fresh))
            house.controller.read(read(LISTED))
        until(lambda: house.controller.inbox.empty() and len(house.shown) == 2, "the decision")
        assert house.reasons()[-1] is Reason.UNKNOWN_CREDENTIAL


def test_a_card_before_the_start_and_one_after_the_end_are_not_decided_on_a_readers_thread(
    house: House,
) -> None:
    house.controller.read(read(LISTED))
    assert house.board.released == 0
    with running(house):
        until(lambda: house.board.released == 1, "the card that waited")
    house.controller.read(read(PEOPLE[0]))
    assert house.board.released == 1
    kinds = [record.kind for record in house.records()]
    assert (kinds[0], kinds[-1]) == (Kind.GATEWAY_STARTED, Kind.GATEWAY_STOPPED)


def test_a_decision_that_fails_on_a_readers_thread_is_the_last_one_of_all(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever supervises starts the gateway again; until then nothing may be decided in a state unknown."""
    with running(house) as thread:
        until(lambda: len(house.announced) == 1, "the start")
        with monkeypatch.context() as patched:
            patched.setattr(house.journal, "append", lambda _: 1 // 0)
            with pytest.raises(ZeroDivisionError):
                house.controller.read(read(LISTED))
        thread.join(20)
        assert not thread.is_alive()
        house.controller.read(read(PEOPLE[0]))
    assert house.board.released == 0
    assert [record.kind for record in house.records()] == [Kind.GATEWAY_STARTED]


def test_an_end_that_a_readers_thread_finds_before_its_card_is_an_end(house: House) -> None:
    with running(house) as thread:
        until(lambda: len(house.announced) == 1, "the start")
        with another_decides(house):
            house.controller.inbox.put(Stop())
        house.controller.read(read(LISTED))
        thread.join(20)
        assert not thread.is_alive()
    assert house.records()[-1].kind is Kind.GATEWAY_STOPPED


def test_a_rehearsal_goes_the_way_of_the_last_card_and_leaves_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.controller._STAYS_WARM_S", 0.0)
    rehearsed: list[Fact] = []
    rehearse = house.journal.rehearse

    def noted(fact: Fact) -> None:
        rehearsed.append(fact)
        rehearse(fact)

    monkeypatch.setattr(house.journal, "rehearse", noted)
    with running(house):
        until(lambda: len(house.announced) == 1, "the start")
        house.controller.rehearse("lobby-in")  # nobody was there yet
        assert rehearsed == []
        house.controller.read(read(LISTED))
        before = house.records()
        house.controller.rehearse("garage-out")
        house.controller.rehearse("spare")
        assert [(fact.door, fact.holder, fact.reason) for fact in rehearsed] == [
            ("garage", "h-7", Reason.LISTED)
        ]
        assert (house.records(), house.board.released, len(house.shown)) == (before, 1, 1)
        house.controller.read(read(LISTED, reader="garage-out", at_s=9))
        assert house.records()[-1].seq == before[-1].seq + 1


def test_no_rehearsal_is_held_so_soon_after_a_decision_or_beside_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house.journal, "rehearse", lambda _: pytest.fail("a rehearsal"))
    with running(house):
        until(lambda: len(house.announced) == 1, "the start")
        monkeypatch.setattr("gateway.controller._STAYS_WARM_S", 3_600.0)
        house.controller.read(read(LISTED))
        house.controller.rehearse("lobby-in")
        monkeypatch.setattr("gateway.controller._STAYS_WARM_S", 0.0)
        with another_decides(house):
            house.controller.rehearse("lobby-in")
