"""The uplink over a real Mosquitto, with a centre that says what the test wants."""

import logging
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gateway_support import (
    EPOCH_S,
    GATEWAY,
    Centre,
    Mosquitto,
    TurnedClock,
    a_fact,
    begin_epoch,
    free_port,
    in_flight,
    until,
    until_sent,
)
from msgspec.structs import replace

from gateway import delivery
from gateway.delivery import WINDOW_FRESH
from gateway.journal import Journal
from gateway.journal_reader import JournalReader
from gateway.self_report import Report
from gateway.sending import ACK_WAIT_S, AT_THE_BROKER
from gateway.settings import MqttPart
from gateway.uplink import MAX_QUEUED, Uplink
from messages.acks import tell_ack
from messages.chain import record_hash
from messages.model import Reason
from messages.signing import trusted
from messages.topics import Leaf
from messages.wire import WIRE_VERSION, About, Ack, DoorAbout, EpochAck, EpochHead, decode, encode

ABOUT = About(WIRE_VERSION, "liuhen 0", "Building 1", [DoorAbout("lobby", "Lobby", ["lobby-in"])])


class Gateway:
    """A journal and the uplink above it, without doors."""

    def __init__(
        self,
        folder: Path,
        port: int,
        protocol: str = "5",
        records: int = 1,
        *,
        state_every_s: float = 30.0,
        first_call_spread_s: float = 0.0,
        chance: Random | None = None,
        centre_key: Ed25519PrivateKey | None = None,
    ) -> None:
        self.path = folder / "journal.db"
        self.clock = TurnedClock()
        self.journal = Journal(self.path, GATEWAY, self.clock)
        if records > 1:
            self.journal.append([a_fact()] * (records - 1))
        self.licensed: list[tuple[int, int]] = []
        self.refused: list[Reason] = []
        self.reader = JournalReader(self.path)
        self.uplink = Uplink(
            settings=MqttPart.model_validate(
                {
                    "port": port,
                    "protocol": protocol,
                    "state_every_s": state_every_s,
                    "drain_spread_s": 0.1,
                    "first_call_spread_s": first_call_spread_s,
                }
            ),
            site="north",
            gateway=GATEWAY,
            about=ABOUT,
            reader=self.reader,
            clock=self.clock,
            report=lambda: Report(5, {"lobby-in": "ok"}),
            licensed=lambda epoch, through: self.licensed.append((epoch, through)),
            centre_keys=trusted(centre_key.public_key()) if centre_key else None,
            ack_refused=self.refused.append,
            chance=chance,
        )
        self.thread = threading.Thread(target=self.uplink.run)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        self.uplink.stop()
        if self.thread.ident is not None:
            self.thread.join(20)
        assert not self.thread.is_alive()
        self.reader.close()
        self.journal.close()

    def append(self, count: int = 1) -> list[int]:
        seqs = self.journal.append([a_fact()] * count)
        self.uplink.announce(self.journal.head)
        return seqs

    def stored(self) -> dict[tuple[int, int], bytes]:
        with closing(sqlite3.connect(self.path)) as connection:
            rows = connection.execute(
                "SELECT e.epoch, r.id - e.first_id + 1, r.body FROM records r JOIN epochs e ON e.first_id ="
                " (SELECT max(first_id) FROM epochs WHERE first_id <= r.id)"
            )
            return {(epoch, seq): body for epoch, seq, body in rows}

    def ack(
        self, through: int, *, seen: int | None = None, missing: list[tuple[int, int]] | None = None
    ) -> EpochAck:
        digest = record_hash(self.stored()[EPOCH_S, through]) if through else None
        return EpochAck(EPOCH_S, through, digest, seen or through, missing or [])


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def centre(broker: Mosquitto) -> Iterator[Centre]:
    centre = Centre(broker.port)
    yield centre
    centre.close()


@pytest.fixture
def gateway(tmp_path: Path, broker: Mosquitto) -> Iterator[Gateway]:
    """250 records are waiting; not started yet."""
    gateway = Gateway(tmp_path, broker.port, records=250)
    yield gateway
    gateway.stop()


def everything(gateway: Gateway, centre: Centre) -> bool:
    return centre.records() == gateway.stored()


# What goes out, and where.


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_backlog_goes_out_in_blocks_exactly_as_stored_and_the_newest_as_if_they_had_just_happened(
    tmp_path: Path, broker: Mosquitto, centre: Centre, protocol: str
) -> None:
    gateway = Gateway(tmp_path, broker.port, protocol, records=250)
    gateway.start()
    try:
        until(lambda: everything(gateway, centre), "the backlog")
    finally:
        gateway.stop()
    assert [(b.epoch, b.first, b.count) for b in centre.blocks(Leaf.BACKLOG)] == [
        (EPOCH_S, 1, 100),
        (EPOCH_S, 101, 100),
    ]
    newest = centre.blocks(Leaf.JOURNAL)
    assert [(b.first, b.count) for b in newest] == [(201, 50)]


def test_a_new_record_goes_out_at_once_in_its_own_topic_and_does_not_wait_for_the_backlog(
    gateway: Gateway, centre: Centre
) -> None:
    gateway.start()
    until(centre.states, "the connection")
    begun_s = time.monotonic()
    (seq,) = gateway.append()
    until(lambda: centre.heard(Leaf.JOURNAL), "the record")
    assert time.monotonic() - begun_s < ACK_WAIT_S
    (block,) = centre.blocks(Leaf.JOURNAL)
    assert (block.epoch, block.first, block.count) == (EPOCH_S, seq, 1)
    assert bytes(block.records[0]) == gateway.stored()[EPOCH_S, seq]


def test_what_the_centre_has_already_is_not_sent_again(gateway: Gateway, centre: Centre) -> None:
    centre.acknowledges(gateway.ack(240))
    gateway.start()
    until(lambda: len(centre.records()) == 10, "the rest")
    gateway.append(3)
    until(lambda: len(centre.records()) == 13, "the new ones")
    assert {seq for _, seq in centre.records()} == set(range(241, 254))


def test_two_epochs_are_both_delivered(gateway: Gateway, centre: Centre) -> None:
    gateway.clock.now += 9_000_000
    begin_epoch(gateway.journal)
    gateway.start()
    gateway.append(2)
    until(lambda: everything(gateway, centre), "both epochs")
    assert {epoch for epoch, _ in centre.records()} == {EPOCH_S, EPOCH_S + 9}
    assert [head.epoch for head in centre.states()[-1].epochs or []] == [EPOCH_S, EPOCH_S + 9]


def test_the_state_tells_what_is_held_and_how_the_devices_are(gateway: Gateway, centre: Centre) -> None:
    centre.acknowledges(gateway.ack(240))
    gateway.start()
    (state,) = until(centre.states, "the state")
    assert state.online
    assert state.epochs == [EpochHead(EPOCH_S, 1, 250, gateway.journal.head.hash)]
    assert (state.list_version, state.devices) == (5, {"lobby-in": "ok"})
    assert decode(until(lambda: centre.heard(Leaf.ABOUT), "about")[0], About) == ABOUT


def test_state_and_about_are_kept_by_the_broker_and_records_are_not(
    gateway: Gateway, centre: Centre, broker: Mosquitto
) -> None:
    gateway.start()
    until(lambda: everything(gateway, centre), "the backlog")
    late = Centre(broker.port)
    try:
        until(lambda: late.states() and late.heard(Leaf.ABOUT), "what the broker kept")
        assert late.records() == {}
    finally:
        late.close()


def test_an_orderly_end_says_so(gateway: Gateway, centre: Centre) -> None:
    gateway.start()
    first = until(centre.states, "the state")[0]
    gateway.uplink.stop()
    gateway.thread.join(20)
    last = until(lambda: [state for state in centre.states() if not state.online], "the goodbye")
    assert [state.session for state in last] == [first.session]


def test_a_connection_that_dies_is_told_by_the_broker_and_the_next_one_is_another_session(
    gateway: Gateway, centre: Centre
) -> None:
    gateway.start()
    until(lambda: everything(gateway, centre), "the backlog")
    centre.forget()
    line: Any = gateway.uplink._line.client.socket()
    assert line is not None
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
    until(lambda: len(centre.states()) >= 2, "the will and the return")
    gone, back = centre.states()[:2]
    assert (gone.online, back.online) == (False, True)
    assert gone.session != back.session
    until(lambda: {(EPOCH_S, seq) for seq in range(1, 201)} <= centre.records().keys(), "what may be lost")


# What the centre says.


def test_an_acknowledgement_with_our_hash_licenses(gateway: Gateway, centre: Centre) -> None:
    gateway.start()
    until(lambda: everything(gateway, centre), "the backlog")
    centre.acknowledges(gateway.ack(200))
    until(lambda: gateway.licensed == [(EPOCH_S, 200)], "the licence")


def test_an_acknowledgement_with_another_hash_licenses_nothing_and_is_told_once(
    gateway: Gateway, centre: Centre, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.start()
    until(lambda: everything(gateway, centre), "the backlog")
    centre.acknowledges(EpochAck(EPOCH_S, 200, "f" * 64, 200, []))
    until(lambda: "the centre's hash is not ours" in caplog.text, "the alarm")
    centre.acknowledges(EpochAck(EPOCH_S, 200, "f" * 64, 200, []))
    centre.acknowledges(gateway.ack(201))
    until(lambda: (EPOCH_S, 201) in gateway.licensed, "the licence")
    assert set(gateway.licensed) == {(EPOCH_S, 0), (EPOCH_S, 201)}
    assert caplog.text.count("the centre's hash is not ours") == 1


def test_where_the_centres_keys_are_only_what_it_signed_licenses_and_the_broker_may_keep_that(
    tmp_path: Path, broker: Mosquitto, centre: Centre
) -> None:
    key = Ed25519PrivateKey.generate()
    gateway = Gateway(tmp_path, broker.port, records=250, centre_key=key)
    centre.acknowledges(gateway.ack(100))  # kept by the broker, from before the keys
    gateway.start()
    try:
        until(lambda: everything(gateway, centre), "all records: no word of the centre was taken")
        for _ in range(3):
            centre.acknowledges(gateway.ack(200))
        until(lambda: gateway.refused, "the refusal")
        signed = tell_ack(Ack(WIRE_VERSION, [gateway.ack(240)]), key, "north", GATEWAY, 1_000)
        centre.says(Leaf.ACK, signed)
        until(lambda: gateway.licensed == [(EPOCH_S, 240)], "the licence, and no other")
        assert gateway.refused == [Reason.NOT_SIGNED]
        until(lambda: not gateway.uplink.status().troubles, "the end of that trouble")
    finally:
        gateway.stop()
    centre.forget()
    again = Gateway(tmp_path / "again", broker.port, centre_key=key)
    again.start()
    try:
        until(centre.states, "the connection")
        until(lambda: again.uplink._line_acks._newest_us, "what the broker kept, taken")
    finally:
        again.stop()


def test_the_first_call_of_many_gateways_that_start_together_is_spread(
    tmp_path: Path, broker: Mosquitto, centre: Centre
) -> None:
    gateway = Gateway(tmp_path, broker.port, first_call_spread_s=1.0, chance=Random(1))
    due_s = Random(1).uniform(0.0, 1.0)
    begun_s = time.monotonic()
    gateway.start()
    try:
        until(centre.states, "the state")
    finally:
        gateway.stop()
    assert time.monotonic() - begun_s >= due_s > 0.1


def test_a_gateway_that_is_stopped_before_its_first_call_ends_at_once(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, free_port(), first_call_spread_s=60.0, chance=Random(1))
    gateway.start()
    gateway.stop()


def test_a_centre_with_nothing_takes_its_licence_back(gateway: Gateway, centre: Centre) -> None:
    centre.acknowledges(gateway.ack(250))
    gateway.start()
    until(lambda: gateway.licensed == [(EPOCH_S, 250)], "the licence")
    assert centre.records() == {}
    centre.acknowledges(gateway.ack(0))
    until(lambda: gateway.licensed[-1] == (EPOCH_S, 0), "its end")
    until(lambda: {(EPOCH_S, seq) for seq in range(1, 201)} <= centre.records().keys(), "all of it again")


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"\xff\xfe", b"[" * 50_000, b'{"v":9,"epochs":[]}', b'{"v":1,"epochs":[],"name":"x"}'],
    ids=["empty", "cut", "no text", "nested", "version", "field"],
)
@pytest.mark.parametrize("of_the_centre", [True, False], ids=["its state", "an acknowledgement"])
def test_a_message_that_cannot_be_taken_is_told_and_does_not_stop_the_rest(
    gateway: Gateway, centre: Centre, caplog: pytest.LogCaptureFixture, payload: bytes, of_the_centre: bool
) -> None:
    gateway.start()
    until(centre.states, "the connection")
    if of_the_centre:
        centre._client.publish("liuhen/v1/centre/state", payload, qos=1)
    else:
        centre._client.publish(f"liuhen/v1/north/{GATEWAY}/ack", payload, qos=1)
    until(lambda: "cannot be taken" in caplog.text, "the warning")
    gateway.append()
    until(lambda: everything(gateway, centre), "all records")
    assert gateway.licensed == []


def test_epochs_that_are_not_here_and_numbers_beyond_the_head_do_no_harm(
    gateway: Gateway, centre: Centre, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.start()
    until(lambda: everything(gateway, centre), "the backlog")
    centre.acknowledges(
        EpochAck(7, 5, "a" * 64, 5, []), EpochAck(EPOCH_S, 9_999, "a" * 64, 9_999, [(3, 9_990)])
    )
    until(lambda: "the centre has a record that is not here" in caplog.text, "the alarm")
    gateway.append()
    until(lambda: everything(gateway, centre), "the new record")
    assert set(gateway.licensed) == {(EPOCH_S, 0)}


def test_an_acknowledgement_that_stays_away_is_told_once(
    tmp_path: Path, broker: Mosquitto, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.troubles.UNACKNOWLEDGED_S", 0.4)
    gateway = Gateway(tmp_path, broker.port, state_every_s=0.1)
    gateway.start()
    try:
        until(lambda: "nobody has acknowledged any" in caplog.text, "the alarm")
    finally:
        gateway.stop()
    assert caplog.text.count("nobody has acknowledged any") == 1


def test_nothing_is_sent_while_the_centre_is_away(gateway: Gateway, centre: Centre) -> None:
    centre.is_there(online=False)
    gateway.start()
    until(lambda: gateway.uplink._centre_away, "the word of it")
    gateway.append(3)
    until(lambda: len(centre.states()) >= 1, "the state")
    assert centre.records() == {}
    centre.is_there(online=True)
    until(lambda: everything(gateway, centre), "everything")


def test_what_the_centre_misses_is_sent_again_at_last_record_by_record(
    gateway: Gateway, centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "RESEND_AFTER_S", 0.5)
    gateway.start()
    until(lambda: everything(gateway, centre), "the backlog")
    centre.acknowledges(gateway.ack(100, seen=250, missing=[(101, 200)]))
    centre.forget()
    until(lambda: any(block.count == 1 for block in centre.blocks(Leaf.BACKLOG)), "the hole, cut small")
    assert {seq for _, seq in centre.records()} <= set(range(101, 201))
    centre.acknowledges(gateway.ack(250))
    until(lambda: (EPOCH_S, 250) in gateway.licensed, "the end of it")


def test_records_pruned_meanwhile_are_not_sent_and_the_rest_is(
    gateway: Gateway, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "RESEND_AFTER_S", 0.5)
    centre = Centre(broker.port, acknowledging=True)
    with closing(sqlite3.connect(gateway.path)) as connection, connection:
        gateway.start()
        until(centre.states, "the connection")
        connection.execute("DELETE FROM records WHERE id <= 130")
    until(lambda: {(EPOCH_S, seq) for seq in range(131, 251)} <= centre.records().keys(), "the rest")
    centre.close()


# Connections.


def test_a_broker_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    gateway = Gateway(tmp_path, broker.port, records=50)
    gateway.start()
    gateway.append(5)
    try:
        broker.start()
        centre = Centre(broker.port)
        until(lambda: everything(gateway, centre), "everything")
        centre.close()
    finally:
        gateway.stop()
        broker.stop()


def test_a_killed_broker_costs_no_record(tmp_path: Path, broker: Mosquitto, gateway: Gateway) -> None:
    gateway.start()
    for _ in range(2):
        centre = Centre(broker.port, acknowledging=True)
        gateway.append(5)
        until(lambda: everything(gateway, centre), "everything")  # noqa: B023  waited for here
        gateway.append(700)
        broker.stop(kill=True)
        centre.close()
        gateway.append(5)
        broker.start()
    centre = Centre(broker.port, acknowledging=True)
    until(lambda: everything(gateway, centre), "everything")
    centre.close()


def test_a_broker_that_refuses_is_said_and_asked_less_and_less_often(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = Mosquitto(tmp_path, "allow_anonymous false\n")
    broker.start()
    gateway = Gateway(tmp_path, broker.port)
    gateway.start()
    try:
        until(lambda: caplog.text.count("refuses: Not authorized") == 2, "the second refusal")
        assert gateway.uplink._backoff.bound_s >= 8
    finally:
        gateway.stop()
        broker.stop()


CONNACK = bytes.fromhex("2003000000")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="hangs up"),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="no broker at all"),
        pytest.param(b"\xff" * 200, id="noise"),
        pytest.param(CONNACK + b"\x30\x06\x00\x02\xff\xfe\x00x", id="a topic that is no text"),
        pytest.param(CONNACK + b"\x90\x00", id="an answer without a body"),
        pytest.param(CONNACK + b"\x30\x05\x00\x01a\x05\x99", id="properties that are none"),
        pytest.param(CONNACK + b"\x40\x01\x00", id="a receipt cut short"),
    ],
)
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnhandledThreadExceptionWarning"
)  # paho's own thread may fall
def test_whatever_a_broker_answers_the_next_connection_is_tried(tmp_path: Path, answer: bytes) -> None:
    port = free_port()
    calls: list[int] = []
    with socket.create_server(("127.0.0.1", port)) as server:
        server.settimeout(0.2)
        gateway = Gateway(tmp_path, port)
        gateway.start()
        try:
            until(lambda: _answer(server, answer, calls), "a second call")
        finally:
            gateway.stop()


def _answer(server: socket.socket, answer: bytes, calls: list[int]) -> bool:
    try:
        line, _ = server.accept()
    except TimeoutError:
        return False
    with line:
        line.recv(4_096)
        if calls:
            return True
        calls.append(1)
        line.sendall(answer)
        with suppress(OSError):
            line.settimeout(1.0)
            while line.recv(4_096):
                pass
    return False


def test_a_broker_that_takes_nothing_does_not_fill_the_memory(tmp_path: Path) -> None:
    """It connects and reads, and never confirms a message: what waits for it stays within its limit."""
    port = free_port()
    stop = threading.Event()
    gateway = Gateway(tmp_path, port, records=5_000)
    with socket.create_server(("127.0.0.1", port)) as server:
        silent = threading.Thread(target=_swallow, args=(server, stop))
        silent.start()
        gateway.start()
        try:
            until(lambda: gateway.uplink._connected, "the connection")
            delivery = gateway.uplink._dispatch._epochs.at_work[EPOCH_S]
            while in_flight(delivery) < WINDOW_FRESH:  # what happens meanwhile goes out together
                [happened] = gateway.append(1)
                until_sent(delivery, happened)
            for _ in range(2 * MAX_QUEUED):
                gateway.append(1)
            assert gateway.uplink._at_the_broker <= AT_THE_BROKER
            assert len(gateway.uplink._line.client._out_messages) <= MAX_QUEUED
        finally:
            gateway.stop()
            stop.set()
            silent.join()


def _swallow(server: socket.socket, stop: threading.Event) -> None:
    line, _ = server.accept()
    with line:
        line.settimeout(0.1)
        line.sendall(CONNACK)
        while not stop.is_set():
            try:
                if not line.recv(65_536):
                    return
            except TimeoutError:
                continue
            except OSError:
                return


def test_an_idle_uplink_and_one_that_waits_for_the_centre_take_next_to_no_time(
    gateway: Gateway, centre: Centre
) -> None:
    """Also in the second after a connect, in which nothing may be sent yet."""
    gateway.start()
    until(centre.states, "the connection")
    begun_s, used_s = time.monotonic(), time.process_time()
    threading.Event().wait(ACK_WAIT_S / 2)  # the measured stretch itself
    assert time.process_time() - used_s < 0.1 * (time.monotonic() - begun_s)


def test_heads_that_are_announced_while_nobody_listens_take_no_memory(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, free_port())
    for _ in range(10_000):
        gateway.uplink.announce(gateway.journal.head)
    assert len(gateway.uplink._news) == 0
    gateway.stop()


def test_a_journal_that_cannot_be_read_for_a_while_stops_nothing(
    gateway: Gateway, centre: Centre, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "RESEND_AFTER_S", 0.5)
    centre.acknowledges(gateway.ack(250))
    gateway.start()
    until(centre.states, "the connection")
    with closing(sqlite3.connect(gateway.path)) as connection:
        connection.execute("ALTER TABLE records RENAME TO elsewhere")
        gateway.uplink.announce(replace(gateway.journal.head, seq=251))
        until(lambda: "cannot be read" in caplog.text, "the warning")
        connection.execute("ALTER TABLE elsewhere RENAME TO records")
    gateway.append(1)
    until(lambda: (EPOCH_S, 251) in centre.records(), "the record")


def test_what_the_uplink_logs_names_nobody(
    gateway: Gateway, centre: Centre, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    gateway.start()
    until(centre.states, "the connection")
    centre._client.publish(
        f"liuhen/v1/north/{GATEWAY}/ack", encode(ABOUT).replace(b"Building 1", b"Zhang San"), qos=1
    )
    until(lambda: "cannot be taken" in caplog.text, "the warning")
    assert "Zhang San" not in caplog.text
