"""What was carried here outlives a kill, is taken once, and waits where there is no room for it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from gateway_program import PROGRAM_READY, Program
from gateway_support import TurnedClock, install, until
from orders_support import CENTRE, GATEWAY, SITE, SentList, centre_public, entries, gateway_keys, sent_list
from program_support import called

from gateway.cli import main
from gateway.events import ListRefused, NewList, NewSettings, SettingsRefused
from gateway.journal_reader import JournalReader
from gateway.order_queue import MAX_WAITING_BYTES, Fate, Order, OrderQueue, Settle
from gateway.orders import Orders, Told
from gateway.rights_store import RightsStore
from gateway.spool import EXPORTED, Spool
from gateway.transfer import STALLED_S
from messages.keys import encode_keys
from messages.model import Kind, Reason
from messages.signing import EVERY_GATEWAY, Purpose, sign
from messages.site_settings import SiteSettings, encode_site_settings
from messages.topics import Leaf
from messages.wire import WIRE_VERSION, Ack, EpochAck, EpochHead, encode

SECOND_US = 1_000_000


def some_settings(revision: int) -> bytes:
    body = encode_site_settings(SiteSettings(v=1, revision=revision, issued_us=7))
    return sign(CENTRE, Purpose.SETTINGS, SITE, EVERY_GATEWAY, body)


def parts_of(sent: SentList) -> list[tuple[str, bytes]]:
    return [(Leaf.LIST.value, payload) for payload in sent.payloads]


class Stand:
    """A spool and the orders that take from it, without a daemon and its threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "spool"
        self.spool = Spool(self.folder)
        self.clock = TurnedClock()
        self.told: list[Told] = []
        self.rights = folder / "rights.db"
        self.store = RightsStore(self.rights, SITE, GATEWAY)
        self.orders = Orders(
            store=self.store,
            keys=gateway_keys(),
            site=SITE,
            gateway=GATEWAY,
            doors=(),
            clock=self.clock,
            post=self.told.append,
            publish_result=lambda _: None,
        )
        self.orders.restore()

    def take(self) -> int:
        """One round of the spool, and everything that follows from it."""

        def at_once(leaf: Leaf, payload: bytes, settle: Settle) -> bool:
            self.orders.handle(leaf, payload, settle)
            while self.orders.busy:
                self.orders.go_on()
            return True

        return self.spool.take(at_once, lambda settle: settle(Fate.FOR_GOOD))

    def left(self) -> list[str]:
        return left(self.folder)


def left(spool: Path) -> list[str]:
    return sorted(path.name for path in spool.glob("*.json"))


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    made = Stand(tmp_path)
    yield made
    made.store.close()


@contextmanager
def written_by_another(database: Path) -> Iterator[None]:
    """Nobody else can write to it meanwhile, as where a disk takes nothing."""
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


# --- what becomes of a file


def test_a_list_in_force_and_settings_in_force_leave_the_spool(stand: Stand) -> None:
    stand.spool.put([("settings", some_settings(3)), *parts_of(sent_list(5, entries(1_500).values()))])
    stand.take()
    assert [type(told) for told in stand.told] == [NewSettings, NewList]
    assert stand.left() == []


def test_nothing_leaves_before_the_whole_list_is_in_force(stand: Stand) -> None:
    manifest, first, *rest = parts_of(sent_list(5, entries(2_500).values()))
    stand.spool.put([manifest, first])
    assert stand.take() == 2
    assert stand.left() == ["list-0001.json", "list-0002.json"]
    assert stand.take() == 0  # they are at work already
    stand.spool.put(rest)
    stand.take()
    assert [type(told) for told in stand.told] == [NewList]
    assert stand.left() == []


def test_after_a_kill_at_any_file_a_list_is_taken_once_more(tmp_path: Path) -> None:
    """Files are removed one after the other: a gateway may be killed between any two of them."""
    parts = parts_of(sent_list(5, entries(1_500).values()))
    for kept in range(1, len(parts) + 1):
        folder = tmp_path / str(kept)
        folder.mkdir()
        stand = Stand(folder)
        stand.spool.put(parts)
        stand.take()
        stand.spool.put(parts[-kept:])
        again = Stand(folder)
        again.take()
        assert again.told == []
        assert again.left() == []
        assert again.orders.list_version == 5
        for each in (stand, again):
            each.store.close()


def test_what_is_refused_for_good_leaves_the_spool_and_is_told(stand: Stand) -> None:
    stand.spool.put([("settings", some_settings(3)), *parts_of(sent_list(5, entries(3).values()))])
    stand.take()
    stand.told.clear()
    stand.spool.put([("settings", some_settings(2)), *parts_of(sent_list(4, entries(2).values()))])
    stand.spool.put([("list", b"{}"), ("settings", b"?"), ("list", b'{"v":1,"version":9,"index":0}')])
    stand.take()
    assert set(stand.told) == {
        SettingsRefused(Reason.OLDER),
        SettingsRefused(Reason.BAD_FILE),
        ListRefused(Reason.OLDER),
        ListRefused(Reason.BAD_FILE),
    }
    assert stand.left() == []


def test_a_list_without_all_of_its_parts_is_refused_and_leaves(stand: Stand) -> None:
    stand.spool.put(parts_of(sent_list(5, entries(2_500).values()))[:2])
    stand.take()
    stand.clock.passes(int((STALLED_S + 1) * SECOND_US))
    stand.orders.go_on()
    assert stand.told == [ListRefused(Reason.INCOMPLETE)]
    assert stand.left() == []


def test_a_list_in_the_place_of_an_unfinished_one_lets_that_wait(stand: Stand) -> None:
    """The newer one may never come whole: the line that brings it may be cut again."""
    older = parts_of(sent_list(5, entries(2_500).values()))
    newer = sent_list(6, entries(3).values())
    stand.spool.put(older[:2])
    stand.take()
    stand.orders.handle(Leaf.LIST, newer.manifest)
    stand.take()
    assert stand.left() == ["list-0001.json", "list-0002.json"]
    stand.clock.passes(int((STALLED_S + 1) * SECOND_US))
    stand.orders.go_on()
    stand.spool.put(older[2:])
    stand.take()
    assert stand.orders.list_version == 5
    assert stand.told == [ListRefused(Reason.OLDER), ListRefused(Reason.INCOMPLETE), stand.told[-1]]
    assert stand.left() == []


def test_a_fault_of_the_program_leaves_the_file_for_another_time(stand: Stand) -> None:
    def fall(leaf: Leaf, payload: bytes, settle: Settle) -> bool:
        stand.orders.handle(leaf, payload, settle)
        return True

    stand.spool.put(parts_of(sent_list(5, entries(3).values())))
    stand.store.close()  # nothing can be asked of it from now on
    with pytest.raises(Exception, match="closed"):
        stand.spool.take(fall, lambda _: None)
    assert stand.left() == ["list-0001.json", "list-0002.json"]


def test_the_word_of_an_export_stays_until_it_is_recorded(tmp_path: Path) -> None:
    spool, waiting = Spool(tmp_path / "spool"), list[Settle]()
    spool.put([(EXPORTED, b"{}")])
    for expected in (1, 0):
        assert spool.take(lambda *_: True, waiting.append) == expected
    assert left(tmp_path / "spool") == ["exported-0001.json"]
    waiting[0](Fate.FOR_GOOD)
    assert left(tmp_path / "spool") == []


# --- room


def test_without_room_the_next_file_is_not_read_and_none_is_lost(tmp_path: Path) -> None:
    spool, queue = Spool(tmp_path / "spool"), OrderQueue()
    most = b"m" * 262_144
    count = MAX_WAITING_BYTES // len(most)
    for _ in range(count - 1):
        assert queue.put(Order(Leaf.LIST, most))
    spool.put([("list", most), ("list", b"second"), ("list", b"third")])

    def hand_over(leaf: Leaf, payload: bytes, settle: Settle) -> bool:
        return queue.put(Order(leaf, payload, settle))

    assert spool.take(hand_over, lambda _: None) == 1
    taken = []
    for _ in range(count):
        order = queue.take(commands_only=False, timeout_s=0)
        assert order is not None
        taken.append(order)
    taken[-1].settle(Fate.FOR_GOOD)
    assert left(tmp_path / "spool") == ["list-0002.json", "list-0003.json"]
    assert spool.take(hand_over, lambda _: None) == 2
    found = [queue.take(commands_only=False, timeout_s=0) for _ in range(2)]
    assert [order.payload for order in found if order] == [b"second", b"third"]


def test_what_finds_no_room_by_the_line_is_said_once_until_there_is_room(
    caplog: pytest.LogCaptureFixture,
) -> None:
    queue = OrderQueue()
    while queue.put(Order(Leaf.COMMAND, b"c")):
        pass
    assert not queue.put(Order(Leaf.COMMAND, b"c"))
    assert caplog.text.count("it is dropped") == 1
    assert queue.take(commands_only=True, timeout_s=0) is not None
    assert queue.put(Order(Leaf.COMMAND, b"c"))
    assert not queue.put(Order(Leaf.COMMAND, b"c"))
    assert caplog.text.count("it is dropped") == 2


def test_a_closed_queue_keeps_nobody_waiting() -> None:
    queue = OrderQueue()
    queue.close()
    assert not queue.put(Order(Leaf.LIST, b"l"), patience_s=3_600)


# --- the program, killed


def equipped(folder: Path) -> Path:
    settings = install(folder)
    (folder / "centre-keys.json").write_bytes(encode_keys(centre_public()))
    with settings.open("a", encoding="utf-8") as file:
        file.write('[keys]\ndevice_key_file = "device.key"\ncentre_keys_file = "centre-keys.json"\n')
    assert called(main, "keys", "make", "-s", settings).returncode == 0
    return settings


def acknowledging(head: EpochHead) -> bytes:
    return encode(Ack(WIRE_VERSION, [EpochAck(head.epoch, head.head, head.hash, head.head, [])]))


def test_what_a_killed_gateway_had_taken_is_in_force_after_its_next_start(tmp_path: Path) -> None:
    settings = equipped(tmp_path)
    data, spool = tmp_path / "data", tmp_path / "data" / "spool"
    with Program(settings) as program:  # killed at the end
        program.until_said(PROGRAM_READY)
        with closing(JournalReader(data / "journal.db")) as reader:
            [head] = until(reader.epoch_heads, "the first record")
            with written_by_another(data / "rights.db"):
                Spool(spool).put(
                    [
                        ("settings", some_settings(3)),
                        *parts_of(sent_list(5, entries(1_500).values())),
                        ("ack", acknowledging(head)),
                    ]
                )
                names = left(spool)
                program.until_said("list refused, write_failed")
                assert left(spool) == names
                program.kill()
    assert left(spool) == names
    with settings.open("r+", encoding="utf-8") as file:  # so that acknowledgements are noted at once
        text = file.read().replace("reserve_mib = 0", "reserve_mib = 0\nkeep_acknowledged_days = 0")
        file.seek(0)
        file.write(text)
    with Program(settings) as program:
        until(lambda: not left(spool), "everything to be in force or noted")
        with closing(JournalReader(data / "journal.db")) as reader:
            until(lambda: applied(reader) == {Kind.LIST_APPLIED: 5, Kind.SETTINGS_APPLIED: None}, "records")
            assert reader.acknowledged()[head.epoch] >= head.head


def applied(reader: JournalReader) -> dict[Kind, int | None]:
    kinds = (Kind.LIST_APPLIED, Kind.SETTINGS_APPLIED)
    return {record.kind: record.list_version for record in reader.newest(100) if record.kind in kinds}
