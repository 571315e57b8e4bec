"""The probe at a port: what it asks, when it keeps still, what it finds, and what it says when not."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from drivers_support import Peer, frame, vectors

from drivers.errors import DeviceUnavailable
from drivers.probe import Outcome, Probe
from drivers.probe_finding import Sureness
from drivers.probe_plan import ASK_RATES, PAUSE_S, everything
from drivers.transport import Transport, open_transport

PLAN = {query.data for query in everything()}
TAG = bytes.fromhex("02 30 31 30 32 36 46 36 43 33 41 33 41 03")
WIE232 = b"7BB26E\r"
IDENTITY = bytes.fromhex("53 81 14 00 05 45 AA BB CC 01 02 78 56 34 12 03 04 05 E2 1C")  # readers.md 6.6
ABILITIES = bytes.fromhex("53 81 0D 00 00 46 03 01 01 02 04 02")  # 6.4: cards, two outputs; the sum follows
POLL = bytes.fromhex("53 01 08 00 04 60 BA 00")


@dataclass
class Installer:
    """A `Watcher` that remembers, and does something when a card is asked for."""

    on_card: Callable[[int], None] = lambda _: None
    on_listening: Callable[[], None] = lambda: None
    steps: list[str] = field(default_factory=list)
    cards: int = 0
    seen: list[str] = field(default_factory=list)

    def step(self, text: str) -> None:
        self.steps.append(text)
        if text == "listening":
            self.on_listening()

    def show_card(self, text: str) -> None:
        self.steps.append(text)
        self.cards += 1
        self.on_card(self.cards)

    def bytes_seen(self, rate: int | None, shown: str, meaning: str, *, sent: bool) -> None:
        self.seen.append(f"{rate} {'->' if sent else '<-'} {shown} {meaning}")


class Recorded:
    """A transport that remembers what was written, and when."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.written: list[tuple[float, bytes]] = []

    def write(self, data: bytes) -> None:
        self.written.append((time.monotonic(), data))
        self._transport.write(data)

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)


def silent(_data: bytes) -> bytes:
    return b""


@contextmanager
def plugged(
    tmp_path: Path, answer: Callable[[bytes], bytes] = silent, rate: int | None = None
) -> Iterator[tuple[Peer, Recorded]]:
    with Peer(tmp_path / "port", answer, rate=rate) as peer:
        transport = open_transport(str(tmp_path / "port"), ASK_RATES[0])
        with closing(transport):
            yield peer, Recorded(transport)


def probed(transport: Recorded, installer: Installer, limit_s: float = 15.0) -> Outcome:
    return Probe(transport, installer, limit_s=limit_s).run()  # type: ignore[arg-type]


def of_modbus(name: str) -> bytes:
    return next(bytes.fromhex(each["hex"]) for each in vectors("probe")["heard"] if name in each["says"])


def test_a_module_left_at_another_speed_is_found_at_it(tmp_path: Path) -> None:
    def module(data: bytes) -> bytes:
        return frame("reply_sam_number") if data == frame("request_sam_number") else b""

    with plugged(tmp_path, module, rate=19_200) as (_, transport):
        outcome = probed(transport, Installer())
    (finding,) = outcome.findings
    assert (finding.driver, finding.rate, finding.sureness) == ("sam_v", 19_200, Sureness.CERTAIN)
    assert "05.01-20130924-0001234567-0305419896" in finding.what


def test_a_relay_board_tells_its_relays_when_asked(tmp_path: Path) -> None:
    def board(data: bytes) -> bytes:
        return b"CH1: OFF\r\nCH2: OFF\r\n" if data == b"\xff" else b""

    with plugged(tmp_path, board, rate=9_600) as (_, transport):
        (finding,) = probed(transport, Installer()).findings
    assert finding.options == {"channels": 2, "status_query": True}


def test_a_modbus_board_is_counted_by_what_it_lets_be_read(tmp_path: Path) -> None:
    coils = {
        bytes.fromhex("01 01 00 00 00 08 3D CC"): of_modbus("relays"),  # readers.md 7.2
        bytes.fromhex("01 02 00 00 00 08 79 CC"): of_modbus("inputs"),
    }
    one = bytes.fromhex("01 01 00 00 00 01 FD CA")

    def board(data: bytes) -> bytes:
        if data == one:
            return bytes.fromhex("01 01 01 01 90 48")
        return coils.get(data, bytes.fromhex("01 81 02 C1 91" if data[1:2] == b"\x01" else "01 82 02 C1 61"))

    with plugged(tmp_path, board, rate=38_400) as (_, transport):
        (finding,) = probed(transport, Installer()).findings
    assert (finding.driver, finding.rate) == ("modbus", 38_400)
    assert finding.options == {"unit": 1, "rate": 38_400, "channels": 8}
    assert any("inputs: 8" in mind for mind in finding.mind)


def test_a_chip_that_acknowledges_and_tells_its_version_is_found(tmp_path: Path) -> None:
    version = bytes.fromhex("00 00 FF 02 FE D4 02 2A 00")
    told = bytes.fromhex("00 00 FF 00 FF 00 00 00 FF 06 FA D5 03 32 01 06 07 E8 00")  # readers.md 5.3

    def chip(data: bytes) -> bytes:
        return told if data == version else b""

    with plugged(tmp_path, chip, rate=115_200) as (_, transport):
        (finding,) = probed(transport, Installer()).findings
    assert (finding.driver, finding.sureness) == ("pn532", Sureness.CERTAIN)
    assert "firmware 1.6" in finding.what


def test_an_osdp_device_is_asked_for_its_address_and_for_what_it_has(tmp_path: Path) -> None:
    asked = []

    def device(data: bytes) -> bytes:
        if len(data) < 7 or data[0] != 0x53 or data[1] not in (0x01, 0x7F):
            return b""
        asked.append((data[1], data[5]))
        return ABILITIES + bytes((-sum(ABILITIES) & 0xFF,)) if data[5] == 0x62 else IDENTITY

    with plugged(tmp_path, device, rate=38_400) as (_, transport):
        reader, board = probed(transport, Installer()).findings
    assert (reader.driver, reader.rate, reader.options["address"]) == ("osdp", 38_400, 1)
    assert (board.driver, board.options["channels"]) == ("osdp_out", 2)
    assert {code for _, code in asked} == {0x61, 0x62}  # nothing but questions


def test_a_reader_that_only_sends_is_found_when_a_card_is_shown(tmp_path: Path) -> None:
    with plugged(tmp_path) as (peer, transport):
        installer = Installer(on_card=lambda _: peer.send(TAG))
        (finding,) = probed(transport, installer).findings
    assert (finding.driver, finding.sureness) == ("rdm6300", Sureness.CERTAIN)
    assert installer.cards == 1


def test_no_number_is_shown_to_whoever_watches(tmp_path: Path) -> None:
    with plugged(tmp_path) as (peer, transport):
        installer = Installer(on_card=lambda _: peer.send(TAG + WIE232))
        probed(transport, installer)
    shown = [each for each in installer.seen if "<-" in each]
    assert shown
    assert not any("30 31 30 32" in each or "37 42 42" in each for each in shown)


def test_lines_that_prove_nothing_are_asked_for_again(tmp_path: Path) -> None:
    with plugged(tmp_path) as (peer, transport):
        installer = Installer(on_card=lambda _: peer.send(WIE232))
        (finding,) = probed(transport, installer).findings
    assert (finding.driver, finding.sureness) == ("wiegand", Sureness.LIKELY)
    assert installer.cards == 3


def test_a_card_at_the_wrong_speed_is_followed_to_the_right_one(tmp_path: Path) -> None:
    with plugged(tmp_path) as (peer, transport):

        def show(_: int) -> None:
            at = peer.speed() or 1
            peer.send(TAG if at == 19_200 else bytes([0xF8]) * (len(TAG) * at // 19_200))

        installer = Installer(on_card=show)
        (finding,) = probed(transport, installer).findings
    assert (finding.driver, finding.rate, dict(finding.options)) == ("rdm6300", 19_200, {"rate": 19_200})


def test_a_reader_that_is_speaking_already_is_only_listened_to(tmp_path: Path) -> None:
    with plugged(tmp_path) as (peer, transport):
        (finding,) = probed(transport, Installer(on_listening=lambda: peer.send(TAG))).findings
    assert finding.driver == "rdm6300"
    assert transport.written == []


@pytest.mark.parametrize("data", [POLL, frame("request_find"), bytes.fromhex("A0 01 01 A2")])
def test_where_another_program_talks_nothing_is_sent(tmp_path: Path, data: bytes) -> None:
    with plugged(tmp_path) as (peer, transport):
        outcome = probed(transport, Installer(on_listening=lambda: peer.send(data)))
    assert outcome.findings == ()
    assert "another program" in outcome.note
    assert "nothing was sent" in outcome.note
    assert transport.written == []


def test_a_line_that_babbles_is_asked_nothing(tmp_path: Path) -> None:
    ended = threading.Event()
    with plugged(tmp_path) as (peer, transport):

        def babble() -> None:
            while not ended.wait(0.02):
                peer.send(b"\xf8\xe6\x81")

        thread = threading.Thread(target=babble)
        try:
            outcome = probed(transport, Installer(on_listening=thread.start), limit_s=4.0)
        finally:
            ended.set()
            thread.join()
    assert outcome.findings == ()
    assert "not understood" in outcome.note
    assert transport.written == []


def test_a_silent_line_is_not_known_and_was_sent_only_what_is_planned(tmp_path: Path) -> None:
    with plugged(tmp_path) as (_, transport):
        installer = Installer()
        started = time.monotonic()
        outcome = probed(transport, installer, limit_s=6.0)
        took_s = time.monotonic() - started
    assert outcome == Outcome(())
    assert installer.cards >= 1
    assert took_s >= 6.0
    assert {data for _, data in transport.written} <= PLAN
    pauses = [later[0] - one[0] for one, later in zip(transport.written, transport.written[1:], strict=False)]
    assert min(pauses) >= PAUSE_S * 0.99


def test_it_ends_when_told_to(tmp_path: Path) -> None:
    with plugged(tmp_path) as (_, transport):
        outcome = Probe(transport, Installer(), stopping=lambda: True).run()  # type: ignore[arg-type]
    assert outcome == Outcome(())
    assert transport.written == []


def test_a_port_that_goes_away_is_told_as_such(tmp_path: Path) -> None:
    with plugged(tmp_path) as (peer, transport):
        installer = Installer(on_listening=peer.unplug)
        with pytest.raises(DeviceUnavailable) as caught:
            probed(transport, installer)
    assert caught.value.gone
