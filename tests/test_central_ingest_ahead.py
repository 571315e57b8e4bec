"""Messages are examined beside the writing of those before them, not beside the worker's own computing."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from gateway_support import until

from central.ingest.ahead import Ahead
from central.ingest.inbox import Delivery
from central.ingest.intake import Examined

SOON_S = 5.0


def message(mid: int) -> Delivery:
    return Delivery(f"topic-{mid}", b"payload", mid, 1, 1)


class Line:
    """Gives one message at a time, and knows how many were asked for and examined."""

    def __init__(self) -> None:
        self.coming: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self.handed_over: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.examined: list[int] = []

    def next_few(self) -> list[Delivery]:
        try:
            delivery = self.coming.get(timeout=0.05)
        except queue.Empty:
            return []
        self.handed_over.put(delivery.mid)
        return [delivery]

    def examine(self, delivery: Delivery) -> Examined:
        self.examined.append(delivery.mid)
        return Examined(delivery.topic)

    @contextmanager
    def ahead(self, max_messages: int = 2) -> Iterator[Ahead]:
        """Of two messages one is half of all that a batch may have."""
        made = Ahead(self.next_few, self.examine, max_messages=max_messages, max_bytes=10_000)
        made.start()
        try:
            yield made
        finally:
            made.close()
            made.join(SOON_S)


@pytest.fixture
def line() -> Line:
    return Line()


def test_a_message_that_comes_while_the_worker_computes_waits_until_its_batch_is_written(line: Line) -> None:
    with line.ahead() as ahead:
        line.coming.put(message(1))
        [taken], _ = ahead.take(SOON_S)
        line.coming.put(message(2))
        assert [line.handed_over.get(timeout=SOON_S) for _ in range(2)] == [1, 2]
        assert (taken.mid, line.examined) == (1, [1])
        ahead.go_on()
        [later], [examined] = ahead.take(SOON_S)
        assert (later.mid, examined) == (2, Examined("topic-2"))


def test_beside_a_small_batch_what_comes_is_examined_at_once(line: Line) -> None:
    with line.ahead(max_messages=10) as ahead:
        line.coming.put(message(1))
        assert ahead.take(SOON_S)[0]
        line.coming.put(message(2))
        until(lambda: line.examined == [1, 2], "the second message examined")


def test_whoever_takes_again_without_having_written_is_given_what_came_meanwhile(line: Line) -> None:
    with line.ahead() as ahead:
        for mid in (1, 2, 3):
            line.coming.put(message(mid))
            assert [each.mid for each in ahead.take(SOON_S)[0]] == [mid]


def test_a_take_that_finds_nothing_holds_nobody_back(line: Line) -> None:
    with line.ahead() as ahead:
        assert ahead.take(0.01) == ([], [])
        line.coming.put(message(1))
        assert [each.mid for each in ahead.take(SOON_S)[0]] == [1]


def test_closing_ends_the_wait_for_the_worker(line: Line) -> None:
    with line.ahead() as ahead:
        line.coming.put(message(1))
        ahead.take(SOON_S)
        line.coming.put(message(2))
        assert [line.handed_over.get(timeout=SOON_S) for _ in range(2)] == [1, 2]
        ahead.close()
        assert ahead.join(SOON_S)
