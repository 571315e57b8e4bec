"""The inbox holds a bounded number of bytes, and a full one makes the sender wait."""

import threading

from central_support import DEADLINE_S, until

from central.ingest.inbox import OVERHEAD_BYTES, Delivery, Inbox


def delivery(mid: int, size: int = 100) -> Delivery:
    return Delivery("t", b"x" * size, mid, 1, 1)


def test_a_batch_ends_at_its_limits() -> None:
    inbox = Inbox()
    for mid in range(10):
        inbox.put(delivery(mid))
    few = inbox.take(max_messages=3, max_bytes=10_000, timeout_s=0)
    assert [d.mid for d in few] == [0, 1, 2]
    small = inbox.take(max_messages=100, max_bytes=2 * (100 + OVERHEAD_BYTES), timeout_s=0)
    assert [d.mid for d in small] == [3, 4]
    assert [d.mid for d in inbox.take(max_messages=100, max_bytes=10_000, timeout_s=0)] == [5, 6, 7, 8, 9]


def test_an_empty_inbox_gives_nothing_after_the_wait() -> None:
    assert Inbox().take(max_messages=1, max_bytes=1, timeout_s=0.01) == []


def test_a_full_inbox_makes_the_sender_wait_until_there_is_room() -> None:
    inbox = Inbox(max_bytes=1_000)

    def send() -> None:
        for mid in range(10):
            inbox.put(delivery(mid))

    sender = threading.Thread(target=send)
    sender.start()
    until(lambda: len(inbox) == 2, "full inbox")
    assert sender.is_alive()
    got: list[int] = []
    while len(got) < 10:
        got += [d.mid for d in inbox.take(max_messages=1, max_bytes=1, timeout_s=DEADLINE_S)]
    sender.join(DEADLINE_S)
    assert got == list(range(10))


def test_a_closed_inbox_keeps_no_sender_waiting() -> None:
    inbox = Inbox(max_bytes=1)
    inbox.put(delivery(0))
    sender = threading.Thread(target=inbox.put, args=(delivery(1),))
    sender.start()
    inbox.close()
    sender.join(DEADLINE_S)
    assert not sender.is_alive()
