"""What the centre orders: taken when it is genuine, new, whole and in time; else refused, and told why."""

import logging
import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fuzz_support import PARTS, inputs, mutated
from gateway_support import TurnedClock, until, written_by_nobody
from orders_support import (
    CENTRE,
    DEVICE,
    GATEWAY,
    SITE,
    STRANGER,
    SentList,
    an_entry,
    centre_public,
    digest_of,
    entries,
    gateway_keys,
    sent_list,
)

from gateway.access_list import AccessList
from gateway.events import (
    CommandGiven,
    CommandRefused,
    ListRefused,
    NewList,
    NewSettings,
    SettingsRefused,
)
from gateway.keys import Keys
from gateway.orders import Orders, Told
from gateway.rights_store import RightsStore
from gateway.transfer import STALLED_S
from messages.access_list import (
    MAX_CHUNK_BYTES,
    MAX_CHUNK_ENTRIES,
    ListManifest,
    cut,
    decode_chunk,
    encode_manifest,
)
from messages.commands import (
    Action,
    Command,
    Outcome,
    RecordRange,
    Result,
    Why,
    decode_result,
    encode_order,
)
from messages.model import ClockQuality, Reason
from messages.signing import EVERY_GATEWAY, Purpose, opened, sign, trusted
from messages.site_settings import SiteSettings, encode_site_settings
from messages.topics import Leaf

T = TypeVar("T")
SECOND_US = 1_000_000


class Bench:
    """Orders of one gateway, with what they told and answered; driven by hand or by a thread of their own."""

    def __init__(self, folder: Path, keys: Keys | None = None) -> None:
        self.clock = TurnedClock()
        self.told: list[Told] = []
        self.answers: list[bytes] = []
        self.store = RightsStore(folder / "rights.db", SITE, GATEWAY)
        self.orders = Orders(
            store=self.store,
            keys=keys or gateway_keys(),
            site=SITE,
            gateway=GATEWAY,
            doors={"lobby", "garage"},
            clock=self.clock,
            post=self.told.append,
            publish_result=self.answers.append,
        )
        self.restored = self.orders.restore()

    def gets(self, leaf: Leaf, *payloads: bytes) -> list[Told]:
        """What it says to them."""
        before = len(self.told)
        for payload in payloads:
            self.orders.handle(leaf, payload)
            while self.orders.busy:
                self.orders.go_on()
        return self.told[before:]

    def gets_list(self, sent: SentList) -> list[Told]:
        return self.gets(Leaf.LIST, *sent.payloads)

    def in_force(self) -> AccessList | None:
        stored = self.store.load_list()
        return stored.access_list if stored else None


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    found = Bench(tmp_path)
    yield found
    found.store.close()


def the(kind: type[T], told: list[Told]) -> T:
    assert len(told) == 1, told
    assert isinstance(told[0], kind)
    return told[0]


# --- lists


def test_a_list_of_the_centre_is_stored_and_told(bench: Bench) -> None:
    told = the(NewList, bench.gets_list(sent_list(3, entries(1_100).values())))
    assert (told.access_list.version, told.access_list.entries) == (3, entries(1_100))
    assert bench.in_force() == told.access_list
    assert bench.orders.list_version == 3


def test_it_is_in_force_again_after_a_restart(bench: Bench, tmp_path: Path) -> None:
    bench.gets_list(sent_list(3, entries(5).values()))
    again = Bench(tmp_path)
    assert again.restored[0] == bench.in_force()
    assert the(ListRefused, again.gets_list(sent_list(2, entries(6).values()))).reason is Reason.OLDER


def test_the_empty_list_shuts_everybody_out(bench: Bench) -> None:
    bench.gets_list(sent_list(1, entries(2).values()))
    assert the(NewList, bench.gets_list(sent_list(2, []))).access_list.entries == {}


def test_a_delta_changes_the_list_it_was_made_for(bench: Bench) -> None:
    bench.gets_list(sent_list(1, entries(3).values()))
    after = {**entries(3), an_entry(2).token: an_entry(2, blocked=True), an_entry(7).token: an_entry(7)}
    del after[an_entry(3).token]
    delta = sent_list(
        2, [an_entry(2, blocked=True), an_entry(7)], [an_entry(3).token], base=1, whole=after.values()
    )
    told = the(NewList, bench.gets_list(delta))
    assert told.access_list.entries == after
    assert bench.in_force() == told.access_list


def test_a_delta_to_another_list_is_refused_and_a_whole_one_then_taken(bench: Bench) -> None:
    bench.gets_list(sent_list(1, entries(3).values()))
    delta = sent_list(3, [an_entry(4)], base=2, whole=entries(4).values())
    assert the(ListRefused, bench.gets_list(delta)).reason is Reason.NOT_POSSIBLE
    assert the(NewList, bench.gets_list(sent_list(3, entries(4).values()))).access_list.version == 3


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        pytest.param(sent_list(2, entries(1).values(), key=STRANGER), Reason.NOT_SIGNED, id="a stranger's"),
        pytest.param(sent_list(2, entries(1).values(), site="south"), Reason.FOREIGN, id="another site's"),
        pytest.param(sent_list(2, entries(1).values(), gateway="west-1"), Reason.FOREIGN, id="another's"),
        pytest.param(sent_list(1, entries(1).values()), Reason.OLDER, id="an older one"),
        pytest.param(
            sent_list(3, entries(1).values(), digest="0" * 64), Reason.INCOMPLETE, id="not what was meant"
        ),
        pytest.param(
            sent_list(3, [an_entry(1)], base=2, whole=entries(9).values()), Reason.INCOMPLETE, id="too few"
        ),
        pytest.param(
            sent_list(3, [an_entry(3)], base=2, whole=[an_entry(4), an_entry(1), an_entry(2)]),
            Reason.INCOMPLETE,
            id="a delta to something else",
        ),
        pytest.param(
            sent_list(3, [an_entry(1)], [an_entry(1).token], base=2, whole=entries(2).values()),
            Reason.INCOMPLETE,
            id="put in and taken away",
        ),
        pytest.param(sent_list(3, [an_entry(1), an_entry(1)]), Reason.BAD_FILE, id="a token twice"),
    ],
)
def test_a_list_that_must_not_be_taken_is_refused_and_the_former_stays(
    bench: Bench, sent: SentList, reason: Reason
) -> None:
    bench.gets_list(sent_list(2, entries(2).values()))
    assert the(ListRefused, bench.gets_list(sent)).reason is reason
    former = bench.in_force()
    assert former is not None
    assert (former.version, former.entries) == (2, entries(2))
    assert the(NewList, bench.gets_list(sent_list(4, entries(3).values()))).access_list.version == 4


def test_the_list_in_force_sent_once_more_says_nothing(bench: Bench) -> None:
    bench.gets_list(sent_list(2, entries(2).values()))
    assert bench.gets_list(sent_list(2, entries(2).values())) == []


@pytest.mark.parametrize("altered", [False, True])
def test_a_list_that_stays_incomplete_is_refused(bench: Bench, altered: bool) -> None:
    sent = sent_list(1, entries(1_100).values())
    last = sent.chunks[-1].replace(b"resident", b"intruder", 1)
    assert bench.gets(Leaf.LIST, sent.manifest, *sent.chunks[:-1], *([last] if altered else [])) == []
    bench.orders.go_on()
    assert bench.told == []
    bench.clock.passes(int(STALLED_S * SECOND_US) + 1)
    bench.orders.go_on()
    assert the(ListRefused, bench.told).reason is Reason.INCOMPLETE
    assert bench.in_force() is None
    assert the(NewList, bench.gets_list(sent)[-1:]).access_list.version == 1


def test_a_chunk_of_another_list_signed_into_this_one_is_refused(bench: Bench) -> None:
    chunk = cut(1, [an_entry(1)])[0]
    manifest = ListManifest(1, 2, 7, (sha256(chunk).hexdigest(),), 1, digest_of([an_entry(1)]))
    signed = sign(CENTRE, Purpose.LIST, SITE, GATEWAY, encode_manifest(manifest))
    assert the(ListRefused, bench.gets(Leaf.LIST, signed, chunk)).reason is Reason.INCOMPLETE


def test_forgeries_without_end_do_not_fill_the_journal(bench: Bench) -> None:
    forged = sent_list(2, [], key=STRANGER).manifest
    told = bench.gets(Leaf.LIST, *[forged] * 500)
    assert 1 <= len(told) <= 20
    bench.clock.passes(600 * SECOND_US)
    assert len(bench.gets(Leaf.LIST, *[forged] * 500)) <= 10
    assert the(NewList, bench.gets_list(sent_list(2, []))).access_list.version == 2


def test_without_keys_of_the_centre_nothing_of_it_is_taken(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Keys())
    assert the(ListRefused, bench.gets_list(sent_list(1, []))).reason is Reason.NOT_SIGNED


def test_a_key_given_up_shuts_nobody_out(bench: Bench, tmp_path: Path) -> None:
    bench.gets_list(sent_list(1, entries(2).values()))
    again = Bench(tmp_path, Keys(centre=centre_public(STRANGER)))
    assert again.restored[0] is not None
    assert again.restored[0].entries == entries(2)
    assert the(NewList, again.gets_list(sent_list(2, [], key=STRANGER))).access_list.version == 2


def test_a_large_list_is_cut_into_parts_that_are_soon_read() -> None:
    chunks = cut(1, entries(3_000).values(), [f"{n:032x}" for n in range(1_200)])
    parts = [decode_chunk(chunk) for chunk in chunks]
    assert [part.index for part in parts] == list(range(len(parts)))
    assert max(len(part.put) + len(part.drop) for part in parts) <= MAX_CHUNK_ENTRIES
    assert max(map(len, chunks)) <= MAX_CHUNK_BYTES
    assert sum(len(part.put) for part in parts) == 3_000
    assert sum(len(part.drop) for part in parts) == 1_200


# --- settings


def some_settings(revision: int, *, key: Ed25519PrivateKey = CENTRE, gateway: str = EVERY_GATEWAY) -> bytes:
    body = encode_site_settings(SiteSettings(v=1, revision=revision, issued_us=7))
    return sign(key, Purpose.SETTINGS, SITE, gateway, body)


def test_site_settings_are_taken_stored_and_there_after_a_restart(bench: Bench, tmp_path: Path) -> None:
    told = the(NewSettings, bench.gets(Leaf.SETTINGS, some_settings(5)))
    assert isinstance(told.settings, SiteSettings)
    assert told.settings.revision == 5
    assert Bench(tmp_path).restored[1] == told.settings


def test_what_the_broker_keeps_says_nothing_when_it_is_heard_again(bench: Bench) -> None:
    bench.gets(Leaf.SETTINGS, some_settings(5))
    assert bench.gets(Leaf.SETTINGS, some_settings(5)) == []


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (some_settings(4), Reason.OLDER),
        (some_settings(6, key=STRANGER), Reason.NOT_SIGNED),
        (some_settings(6, gateway="west-1"), Reason.FOREIGN),
        (sign(CENTRE, Purpose.SETTINGS, SITE, GATEWAY, b'{"v":9}'), Reason.BAD_FILE),
        (b"", Reason.BAD_FILE),
        (sent_list(9, []).manifest, Reason.NOT_SIGNED),  # signed as a list
    ],
)
def test_settings_that_must_not_be_taken_are_refused(bench: Bench, payload: bytes, reason: Reason) -> None:
    bench.gets(Leaf.SETTINGS, some_settings(5))
    assert the(SettingsRefused, bench.gets(Leaf.SETTINGS, payload)).reason is reason
    assert bench.store.settings() == some_settings(5)


def test_after_damage_older_settings_are_refused_and_the_last_ones_taken(
    bench: Bench, tmp_path: Path
) -> None:
    bench.gets(Leaf.SETTINGS, some_settings(5))
    bench.store.close()
    with closing(sqlite3.connect(tmp_path / "rights.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET rootpage = 2 WHERE name = 'entries'")  # of another table
    again = Bench(tmp_path)
    assert again.restored == (None, None)
    assert again.told == [ListRefused(Reason.INCOMPLETE), SettingsRefused(Reason.INCOMPLETE)]
    assert the(SettingsRefused, again.gets(Leaf.SETTINGS, some_settings(4))).reason is Reason.OLDER
    assert the(NewSettings, again.gets(Leaf.SETTINGS, some_settings(5))).settings.revision == 5
    again.store.close()


def test_stored_settings_that_cannot_be_read_may_come_again_and_none_before_them(
    bench: Bench, tmp_path: Path
) -> None:
    bench.store.keep_settings(5, b"altered on the disk")
    again = Bench(tmp_path)
    assert again.told == [SettingsRefused(Reason.INCOMPLETE)]
    assert the(SettingsRefused, again.gets(Leaf.SETTINGS, some_settings(4))).reason is Reason.OLDER
    assert the(NewSettings, again.gets(Leaf.SETTINGS, some_settings(5))).settings.revision == 5
    again.store.close()


# --- a disk that takes no writes


def test_where_nothing_can_be_kept_the_former_holds_and_what_comes_is_refused_until_it_can(
    bench: Bench, tmp_path: Path
) -> None:
    bench.gets_list(sent_list(3, entries(2).values()))
    bench.gets(Leaf.SETTINGS, some_settings(5))
    bench.store.close()
    with written_by_nobody(tmp_path):
        again = Bench(tmp_path)
        in_force, settings = again.restored
        assert in_force is not None
        assert settings is not None
        assert (in_force.version, settings.revision) == (3, 5)
        release = signed(a_release(again.clock))
        for _ in range(2):  # a command that cannot be noted as used is not carried out
            assert the(CommandRefused, again.gets(Leaf.COMMAND, release)).reason is Reason.WRITE_FAILED
        newer = sent_list(4, entries(5).values())
        assert the(ListRefused, again.gets_list(newer)).reason is Reason.WRITE_FAILED
        assert the(SettingsRefused, again.gets(Leaf.SETTINGS, some_settings(6))).reason is Reason.WRITE_FAILED
        assert (again.orders.list_version, again.orders.settings_revision) == (3, 5)
    the(CommandGiven, again.gets(Leaf.COMMAND, release))
    assert the(CommandRefused, again.gets(Leaf.COMMAND, release)).reason is Reason.REPLAYED
    assert the(NewList, again.gets_list(newer)).access_list.version == 4
    assert the(NewSettings, again.gets(Leaf.SETTINGS, some_settings(6))).settings.revision == 6
    again.store.close()


# --- commands


def a_release(clock: TurnedClock, **changes: object) -> Command:
    fields: dict[str, object] = {
        "v": 1,
        "id": "0123456789abcdef0123456789abcdef",
        "action": Action.RELEASE,
        "operator": "op-7",
        "why": Why.VISITOR,
        "issued_us": clock.now,
        "expires_us": clock.now + 8 * SECOND_US,
        "door": "lobby",
    }
    return Command(**{**fields, **changes})  # type: ignore[arg-type]


def signed(command: Command, *, key: Ed25519PrivateKey = CENTRE, gateway: str = GATEWAY) -> bytes:
    return sign(key, Purpose.COMMAND, SITE, gateway, encode_order(command))


def test_a_release_is_given_once(bench: Bench) -> None:
    command = a_release(bench.clock)
    assert the(CommandGiven, bench.gets(Leaf.COMMAND, signed(command))).command == command
    again = the(CommandRefused, bench.gets(Leaf.COMMAND, signed(command)))
    assert (again.command_id, again.reason, again.door) == (command.id, Reason.REPLAYED, "lobby")


def test_nor_is_it_given_again_after_a_restart(bench: Bench, tmp_path: Path) -> None:
    bench.gets(Leaf.COMMAND, signed(a_release(bench.clock)))
    again = Bench(tmp_path)
    refused = the(CommandRefused, again.gets(Leaf.COMMAND, signed(a_release(again.clock))))
    assert refused.reason is Reason.REPLAYED


@pytest.mark.parametrize(
    ("waits_us", "reason"),
    [(8 * SECOND_US - 1, None), (8 * SECOND_US, Reason.TOO_LATE), (-3 * SECOND_US, Reason.NOT_POSSIBLE)],
)
def test_a_release_is_good_for_seconds(bench: Bench, waits_us: int, reason: Reason | None) -> None:
    payload = signed(a_release(bench.clock))
    bench.clock.now += waits_us
    told = bench.gets(Leaf.COMMAND, payload)
    assert (told[0].reason if isinstance(told[0], CommandRefused) else None) is reason


def test_nothing_signed_can_be_good_for_longer_than_ten_seconds(bench: Bench) -> None:
    command = a_release(bench.clock, expires_us=bench.clock.now + 10 * SECOND_US + 1)
    refused = the(CommandRefused, bench.gets(Leaf.COMMAND, signed(command)))
    assert refused.reason is Reason.NOT_POSSIBLE


def test_by_a_clock_that_nobody_set_no_door_is_moved_but_records_are_sent(bench: Bench) -> None:
    bench.clock.synced = ClockQuality.UNKNOWN
    refused = the(CommandRefused, bench.gets(Leaf.COMMAND, signed(a_release(bench.clock))))
    assert refused.reason is Reason.CLOCK_NOT_SET
    wanted = a_release(
        bench.clock, id="b" * 32, action=Action.SEND_RECORDS, door=None, ranges=(RecordRange(3, 1, 9),)
    )
    assert the(CommandGiven, bench.gets(Leaf.COMMAND, signed(wanted))).command == wanted
    assert the(CommandRefused, bench.gets(Leaf.COMMAND, signed(wanted))).reason is Reason.REPLAYED


def test_a_clock_that_was_right_once_is_good_enough(bench: Bench) -> None:
    bench.clock.synced = ClockQuality.HELD
    the(CommandGiven, bench.gets(Leaf.COMMAND, signed(a_release(bench.clock))))


@pytest.mark.parametrize(
    ("make", "reason", "named"),
    [
        pytest.param(lambda c: signed(c, key=STRANGER), Reason.NOT_SIGNED, False, id="a stranger's"),
        pytest.param(lambda c: signed(c, gateway="west-1"), Reason.FOREIGN, False, id="another gateway's"),
        pytest.param(lambda c: signed(c, gateway="*"), Reason.FOREIGN, False, id="everybody's"),
        pytest.param(
            lambda c: sign(CENTRE, Purpose.LIST, SITE, GATEWAY, encode_order(c)),
            Reason.NOT_SIGNED,
            False,
            id="signed for another purpose",
        ),
        pytest.param(encode_order, Reason.BAD_FILE, False, id="not signed at all"),
        pytest.param(
            lambda c: signed(c).replace(b'"lobby"', b'"vault"'), Reason.NOT_SIGNED, False, id="altered"
        ),
        pytest.param(
            lambda c: signed(msgspec.structs.replace(c, door="cellar")),
            Reason.NOT_POSSIBLE,
            True,
            id="no door",
        ),
    ],
)
def test_a_command_that_must_not_be_carried_out_is_refused(
    bench: Bench, make: object, reason: Reason, named: bool
) -> None:
    command = a_release(bench.clock)
    refused = the(CommandRefused, bench.gets(Leaf.COMMAND, make(command)))  # type: ignore[operator]
    assert refused.reason is reason
    assert refused.command_id == (command.id if named else None)
    the(CommandGiven, bench.gets(Leaf.COMMAND, signed(command)))


def test_what_became_of_a_command_is_signed_by_the_gateway(bench: Bench) -> None:
    result = Result(v=1, id="c" * 32, outcome=Outcome.DONE, epoch=3, seq=9)
    bench.orders.answer(result)
    body = opened(bench.answers[0], trusted(DEVICE.public_key()), Purpose.RESULT, SITE, GATEWAY)
    assert decode_result(body) == result


def test_without_its_own_keys_a_gateway_answers_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Keys(centre=centre_public()))
    bench.orders.answer(Result(v=1, id="c" * 32, outcome=Outcome.DONE))
    assert bench.answers == []


# --- in its own thread


def test_a_command_does_not_wait_behind_a_list(bench: Bench) -> None:
    for payload in sent_list(1, entries(20_000).values()).payloads:
        bench.orders.take(Leaf.LIST, payload)
    running = threading.Thread(target=bench.orders.run)
    running.start()
    try:
        until(lambda: bench.orders.busy, "the list to be at work")
        bench.orders.take(Leaf.COMMAND, signed(a_release(bench.clock)))
        until(lambda: len(bench.told) == 2, "command and list")
    finally:
        bench.orders.stop()
        running.join()
    assert [type(told) for told in bench.told] == [CommandGiven, NewList]


def test_fifty_thousand_credentials_are_applied_while_others_go_on(
    bench: Bench, record_property: object
) -> None:
    """How soon is measured by `bench/`; here only that another thread keeps being served all the while."""
    sent = sent_list(1, entries(50_000).values())
    running = threading.Thread(target=bench.orders.run)
    for payload in sent.payloads:
        bench.orders.take(Leaf.LIST, payload)
    running.start()
    pauses, begun_s = [], time.monotonic()
    try:
        while not bench.told:
            before_s = time.monotonic()
            time.sleep(0.001)
            pauses.append(time.monotonic() - before_s)
            assert before_s - begun_s < 60
    finally:
        bench.orders.stop()
        running.join()
    record_property("applied_s", time.monotonic() - begun_s)  # type: ignore[operator]
    record_property("longest_pause_s", max(pauses))  # type: ignore[operator]
    assert len(the(NewList, bench.told).access_list.entries) == 50_000
    assert len(pauses) > 100  # a part at a time


# --- whatever comes


@pytest.mark.parametrize("part", range(PARTS))
def test_any_bytes_are_refused_or_taken_and_hurt_nothing(
    tmp_path: Path, part: int, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path)
    bench.gets_list(sent_list(2, entries(3).values()))
    caplog.set_level(logging.DEBUG)
    chance = random.Random(part)
    delta = sent_list(3, [an_entry(4)], base=2, whole=entries(4).values())
    good = [
        (Leaf.LIST, delta.manifest),
        (Leaf.LIST, delta.chunks[0]),
        (Leaf.SETTINGS, some_settings(1)),
        (Leaf.COMMAND, signed(a_release(bench.clock))),
    ]
    pieces = [b'"body":', b"[" * 2_000, b'"\\ud800"', b"\xff", b'"v":9', b"000000199001011234"]
    for _ in range(inputs(1_000) // PARTS):
        leaf, payload = chance.choice(good)
        bad = mutated(chance, payload, pieces)
        if bad not in [each for _, each in good]:
            bench.gets(leaf, bad)
    assert not [told for told in bench.told if isinstance(told, CommandGiven | NewSettings)]
    assert bench.orders.list_version == 2
    assert "000000199001011234" not in caplog.text


def test_no_token_and_no_key_stands_in_any_log(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sent = sent_list(1, entries(3).values())
    bench.gets_list(sent)
    bench.gets_list(sent_list(2, [an_entry(1), an_entry(1)]))
    bench.gets_list(sent_list(2, entries(1).values(), key=STRANGER))
    bench.gets(Leaf.COMMAND, signed(a_release(bench.clock)), signed(a_release(bench.clock)), sent.chunks[0])
    bench.gets(Leaf.SETTINGS, some_settings(1), sent.chunks[0])
    assert caplog.text
    for number in (1, 2, 3):
        assert an_entry(number).token not in caplog.text
    for key in (CENTRE, DEVICE):
        assert key.private_bytes_raw().hex() not in caplog.text
