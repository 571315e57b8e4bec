"""What somebody on the wire may try with an OSDP reader, and what becomes of it: refused, and on record."""

import logging
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from drivers_support import Ear, running
from osdp.control_panel import osdp_sys
from osdp_support import KEY, Line, Pd, fresh_key, reader, until, write_key

from drivers import osdp_device
from drivers.base import CardRead, DeviceChanged, DeviceState
from drivers.errors import ConfigurationError
from drivers.osdp_codec import Block, Command, Packet, Reply, packet_from
from drivers.osdp_guard import CANNOT, DEFAULT_KEY, FORGED, PLAIN, WRONG_KEY, Guard, Verdict
from drivers.osdp_keys import WINDOW, KeyRing, ReaderKey

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
RAW_CARD = bytes.fromhex("00 01 1A 00 51 B2 0E 80")  # readers.md 6.6
KNOWN_KEY = bytes(range(0x30, 0x40))  # SCBK-D, readers.md 6.5


def insecure(ear: Ear) -> list[DeviceChanged]:
    return [each for each in ear.of(DeviceChanged) if each.insecure]


def refused(ear: Ear) -> DeviceChanged:
    ear.wait_until(lambda: bool(insecure(ear)), "a refusal on record")
    return insecure(ear)[0]


def ok(ear: Ear) -> None:
    ear.wait_until(lambda: ear.states()[-1:] == ["ok"], "ok")


def sent_codes(line: Line) -> list[int]:
    return [packet_from(data[data.index(0x53) :]).code for data in list(line.heard)]


# --- on the wire -------------------------------------------------------------------------------------------


def test_a_reader_with_another_key_is_refused_until_it_has_the_right_one(tmp_path: Path) -> None:
    pd = Pd(key=fresh_key())
    with Line(tmp_path / "rs485", pd) as line, running(reader(line, write_key(tmp_path))) as ear:
        change = refused(ear)
        assert (change.state, change.cause) == (DeviceState.LOST, WRONG_KEY)
        assert Command.POLL not in sent_codes(line)
        pd.key = KEY
        line.do(pd.restart)
        ok(ear)
    assert not ear.of(CardRead)


def test_a_reader_that_still_has_the_default_key_is_refused(tmp_path: Path) -> None:
    pd = Pd(key=None, install=True)
    with Line(tmp_path / "rs485", pd) as line, running(reader(line, write_key(tmp_path))) as ear:
        assert refused(ear).state is DeviceState.LOST
        sent = [packet_from(data[data.index(0x53) :]) for data in list(line.heard)]
    assert not any(packet.uses_default_key for packet in sent)
    assert {packet.code for packet in sent} <= {Command.ID, Command.CAP, Command.CHLNG}


def test_a_reader_that_only_speaks_plain_text_is_refused(tmp_path: Path) -> None:
    """It says that it cannot encrypt, and answers everything in clear text, cards among it."""
    talker = Talker(
        {
            Command.ID: (Reply.PDID, bytes.fromhex("AABBCC 01 02 78563412 030405")),
            Command.CAP: (Reply.PDCAP, bytes.fromhex("03 01 00 09 00 00")),
            Command.POLL: (Reply.RAW, RAW_CARD),
        }
    )
    with Line(tmp_path / "rs485", talker) as line, running(reader(line, write_key(tmp_path))) as ear:
        assert refused(ear).cause == CANNOT
        until(lambda: sent_codes(line).count(Command.CAP) == 2, "a second attempt")
    assert set(sent_codes(line)) == {Command.ID, Command.CAP}
    assert not ear.of(CardRead)


def test_a_card_in_plain_text_is_refused_wherever_it_comes(tmp_path: Path) -> None:
    """Whatever is asked, the line says: a card."""
    talker = Talker(dict.fromkeys(Command, (Reply.RAW, RAW_CARD)))
    with Line(tmp_path / "rs485", talker) as line, running(reader(line, write_key(tmp_path))) as ear:
        assert refused(ear).cause == PLAIN
    assert not ear.of(CardRead)


def test_a_reader_whose_abilities_are_talked_down_is_not_spoken_to_in_plain_text(tmp_path: Path) -> None:
    """A tapper rewrites the capability reply: it can keep the reader from working, and no more."""
    pd = Pd()
    with Line(tmp_path / "rs485", pd) as line:
        line.tap = without_encryption
        with running(reader(line, write_key(tmp_path))) as ear:
            assert refused(ear).cause == CANNOT
            assert set(sent_codes(line)) == {Command.ID, Command.CAP}
            line.tap = lambda data: data
            ok(ear)


def without_encryption(data: bytes) -> bytes:
    packet = packet_from(data)
    if packet.code != Reply.PDCAP:
        return data
    triples = [packet.data[at : at + 3] for at in range(0, len(packet.data), 3)]
    poorer = b"".join(b"\x09\x00\x00" if triple[0] == 9 else triple for triple in triples)
    return plain(packet, Reply.PDCAP, poorer)


def test_a_card_injected_beside_the_reader_opens_nothing_and_is_on_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader itself is used on; when the line is clean for a while all is well again."""
    monkeypatch.setattr(osdp_device, "REFUSAL_S", 0.1)
    pd = Pd()
    with Line(tmp_path / "rs485", pd) as line, running(reader(line, write_key(tmp_path))) as ear:
        ok(ear)
        line.tap = lambda data: plain(packet_from(data), Reply.RAW, RAW_CARD) + data
        change = refused(ear)
        assert (change.state, change.cause) == (DeviceState.DEGRADED, PLAIN)
        line.tap = lambda data: data
        ok(ear)
        assert not ear.of(CardRead)
        line.card(pd)
        ear.wait(CardRead)


def plain(answered: Packet, code: Reply, data: bytes) -> bytes:
    return Packet(answered.address, code, data, answered.sequence, is_reply=True).to_bytes()


def test_a_forged_packet_in_the_channel_ends_it_and_is_on_record(tmp_path: Path) -> None:
    """CRC right, MAC wrong."""
    pd = Pd()
    with Line(tmp_path / "rs485", pd) as line, running(reader(line, write_key(tmp_path))) as ear:
        ok(ear)
        line.tap = with_another_mac
        change = refused(ear)
        assert (change.state, change.cause) == (DeviceState.LOST, FORGED)
        line.tap = lambda data: data
        ok(ear)


def with_another_mac(data: bytes) -> bytes:
    packet = packet_from(data)
    if not packet.is_secured:
        return data
    mac = bytes((packet.mac[0] ^ 1,)) + packet.mac[1:]
    return Packet(
        packet.address,
        packet.code,
        packet.data,
        packet.sequence,
        is_reply=True,
        block=packet.block,
        mac=mac,
    ).to_bytes()


def test_a_recorded_session_played_back_is_refused(tmp_path: Path) -> None:
    """All that a reader said, card included, byte for byte, to a gateway that starts anew."""
    pd = Pd()
    with Line(tmp_path / "rs485", pd) as line:
        with running(reader(line, write_key(tmp_path))) as ear:
            ok(ear)
            line.card(pd)
            ear.wait(CardRead)
        recording = list(line.said)
    assert any(packet_from(data).code == Reply.RAW for data in recording)
    with Line(tmp_path / "again", Player(recording)) as line:
        with running(reader(line, write_key(tmp_path))) as ear:
            assert refused(ear).cause == WRONG_KEY
        assert len(line.said) >= 3  # it was believed as far as the cryptogram
    assert not ear.of(CardRead)


def test_an_old_card_packet_played_into_a_live_session_is_refused(tmp_path: Path) -> None:
    pd = Pd()
    with (
        Line(tmp_path / "rs485", pd) as line,
        running(reader(line, write_key(tmp_path), removal_s=0.1)) as ear,
    ):
        ok(ear)
        line.card(pd)
        ear.wait(CardRead)
        card = next(packet_from(data) for data in line.said if packet_from(data).code == Reply.RAW)
        line.tap = lambda data: old_card(packet_from(data), card)
        refused(ear)
        line.tap = lambda data: data
        ok(ear)
    assert len(ear.of(CardRead)) == 1


def old_card(answered: Packet, card: Packet) -> bytes:
    if not answered.is_secured:
        return answered.to_bytes()
    return Packet(
        card.address, card.code, card.data, answered.sequence, is_reply=True, block=card.block, mac=card.mac
    ).to_bytes()


def test_every_process_and_every_session_challenges_anew(tmp_path: Path) -> None:
    """libosdp alone draws the same numbers in each process (readers.md 6.8)."""
    code = (
        "from osdp_support import *\n"
        "from drivers.osdp_keys import Key\nfrom drivers.osdp_panel import Panel\n"
        "pd = Pd(); said = []; pd.sent = said.append; panel = Panel(1, Key(KEY))\n"
        "for _ in range(3):\n"
        "    panel.begin()\n"
        "    sent = panel.refresh()\n"
        "    while not panel.is_secure:\n"
        "        if sent: pd.hear(sent); pd.work(); pd.work()\n"
        "        if sent and sent[6 + sent[6]:][0:1] == b'v': print(sent[10:18].hex())\n"
        "        sent = panel.deliver(said.pop()) if said else panel.refresh()\n"
        "    panel.end()\n"
    )
    challenges = [line for _ in range(3) for line in run_python(code).split()]
    assert len(challenges) == 9
    assert len(set(challenges)) == 9
    assert "d764c8cce93255c4" not in challenges  # what every unseeded process begins with


def run_python(code: str) -> str:
    tests = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=tests.parent,
        env={"PYTHONPATH": f"{tests.parent}:{tests}"},
    )
    return done.stdout


class Talker:
    """Answers each command with a fixed reply, in plain text."""

    id = 1

    def __init__(self, answers: dict[Command, tuple[Reply, bytes]]) -> None:
        self._answers = answers
        self._heard: list[bytes] = []
        self.sent: Callable[[bytes], None] = lambda _: None

    def hear(self, data: bytes) -> None:
        self._heard.append(data)

    def work(self) -> None:
        while self._heard:
            data = self._heard.pop(0)
            command = packet_from(data[data.index(0x53) :])
            if answer := self.answer(command):
                self.sent(answer)

    def answer(self, command: Packet) -> bytes:
        reply, data = self._answers[Command(command.code)]
        return plain(command, reply, data)


class Player(Talker):
    """Answers as a recorded reader did, in its order."""

    def __init__(self, recording: list[bytes]) -> None:
        super().__init__({})
        self._recording = recording
        self._at = 0

    def answer(self, command: Packet) -> bytes:
        if command.code == Command.ID:
            self._at = 0
        self._at += 1
        return self._recording[self._at - 1]


# --- keys and installation ---------------------------------------------------------------------------------


def test_an_installation_gives_a_reader_its_own_key_and_closes_the_window(tmp_path: Path) -> None:
    pd = Pd(key=None, install=True)
    file = tmp_path / "reader.key"
    until_time = datetime.now(UTC) + timedelta(minutes=5)
    with Line(tmp_path / "rs485", pd) as line:
        with running(reader(line, file, install_until=until_time)) as ear:
            ok(ear)
            line.card(pd)
            ear.wait(CardRead)
        key = bytes.fromhex(file.read_text(encoding="ascii"))
        assert pd.key == key
        assert file.stat().st_mode & 0o777 == 0o600
        assert not file.with_name("reader.key.new").exists()
        # the window would be open still: a factory-new reader in its place is refused all the same
        pd.key, pd.install = None, True
        line.do(pd.restart)
        with running(reader(line, file, install_until=until_time)) as ear:
            assert refused(ear).state is DeviceState.LOST


def test_a_key_that_the_reader_took_as_the_window_closed_is_confirmed_when_it_proves_it(
    tmp_path: Path,
) -> None:
    file = tmp_path / "reader.key"
    waiting = write_key(tmp_path, name="reader.key.new")
    over = datetime.now(UTC) - timedelta(minutes=1)
    pd = Pd()
    with Line(tmp_path / "rs485", pd) as line, running(reader(line, file, install_until=over)) as ear:
        ok(ear)
        line.card(pd)
        ear.wait(CardRead)
    assert bytes.fromhex(file.read_text(encoding="ascii")) == KEY
    assert not waiting.exists()


def test_a_waiting_key_that_the_reader_does_not_prove_goes_on_waiting(tmp_path: Path) -> None:
    file = tmp_path / "reader.key"
    waiting = write_key(tmp_path, name="reader.key.new")
    over = datetime.now(UTC) - timedelta(minutes=1)
    pd = Pd(key=fresh_key())
    with Line(tmp_path / "rs485", pd) as line, running(reader(line, file, install_until=over)) as ear:
        refused(ear)
    assert waiting.exists()
    assert not file.exists()


def test_a_waiting_key_is_no_other_readers(tmp_path: Path) -> None:
    over = datetime.now(UTC) - timedelta(minutes=1)
    for name in ("first.key.new", "second.key.new"):
        write_key(tmp_path, name=name)
    with Line(tmp_path / "rs485", Pd()) as line:
        first = reader(line, tmp_path / "first.key", install_until=over)
        second = reader(line, tmp_path / "second.key", name="unit-2", address=2, install_until=over)
        with running(first) as ear:
            ok(ear)
            with pytest.raises(ConfigurationError, match="give each reader its own"):
                second.run(Ear())


def test_nothing_but_the_new_key_goes_out_on_the_default_key(tmp_path: Path) -> None:
    pd = Pd(key=None, install=True)
    until_time = datetime.now(UTC) + timedelta(minutes=5)
    with Line(tmp_path / "rs485", pd) as line:
        with running(reader(line, tmp_path / "reader.key", install_until=until_time)) as ear:
            ok(ear)
        sent = [packet_from(data[data.index(0x53) :]) for data in line.heard]
    first = next(at for at, packet in enumerate(sent) if packet.uses_default_key)
    last = max(at for at, packet in enumerate(sent) if packet.uses_default_key)
    on_default = [packet.code for packet in sent[first : last + 2]]
    assert on_default == [Command.CHLNG, Command.SCRYPT, Command.KEYSET]


@pytest.mark.parametrize(
    ("until_time", "why"),
    [
        (timedelta(minutes=-1), "the installation is over"),
        (timedelta(hours=2), "the installation opens"),
    ],
)
def test_outside_its_window_an_installation_does_not_happen(
    tmp_path: Path, until_time: timedelta, why: str
) -> None:
    pd = Pd(key=None, install=True)
    file = tmp_path / "reader.key"
    with Line(tmp_path / "rs485", pd) as line:
        with running(reader(line, file, install_until=datetime.now(UTC) + until_time)) as ear:
            ear.wait_until(lambda: bool(ear.states()), "lost")
        assert line.heard == []
    assert why in ear.of(DeviceChanged)[0].cause
    assert list(tmp_path.glob("*.key*")) == []


def test_two_readers_with_one_key_are_refused(tmp_path: Path) -> None:
    pds = [Pd(1), Pd(2)]
    with Line(tmp_path / "rs485", *pds) as line:
        second = reader(line, write_key(tmp_path, KEY, "2.key"), name="unit-2", address=2)
        with running(reader(line, write_key(tmp_path, KEY, "1.key"))) as ear:
            ok(ear)
            with pytest.raises(ConfigurationError, match="give each reader its own"):
                second.run(Ear())
        with running(second) as ear:  # the first is gone
            ok(ear)


def test_a_reader_without_key_and_window_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="32 hex digits, mode 0600"):
        ReaderKey(tmp_path / "none.key", None)


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        pytest.param(KEY.hex(), 0o640, "chmod 600", id="others may read it"),
        pytest.param(KEY.hex()[:-1], 0o600, "no key", id="too short"),
        pytest.param(KEY.hex() + "00", 0o600, "no key", id="too long"),
        pytest.param("zz" * 16, 0o600, "no key", id="no hex digits"),
        pytest.param("", 0o600, "no key", id="empty"),
        pytest.param("00" * 10_000, 0o600, "no key", id="a long file"),
        pytest.param(KNOWN_KEY.hex(), 0o600, "everybody knows", id="the default key"),
        pytest.param("00" * 16, 0o600, "everybody knows", id="zeros"),
    ],
)
def test_a_key_file_that_may_not_be_used_is_refused(tmp_path: Path, text: str, mode: int, why: str) -> None:
    file = tmp_path / "reader.key"
    file.write_text(text, encoding="ascii")
    file.chmod(mode)
    with pytest.raises(ConfigurationError, match=why) as caught:
        ReaderKey(file, None)
    assert not text or text not in str(caught.value)


def test_a_key_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        ReaderKey(tmp_path, None)


def test_a_new_key_is_on_disk_before_the_reader_has_it_and_stays_the_same(tmp_path: Path) -> None:
    key = ReaderKey(tmp_path / "reader.key", NOW)
    first = key.current(NOW - WINDOW)
    assert first.is_new
    assert key.current(NOW - timedelta(seconds=1)) == first
    late = key.current(NOW)  # the window is over; the reader may have taken it
    assert (late.value, late.is_new, late.is_unproved) == (first.value, False, True)
    assert key.known() == first.value  # no other reader may take it
    key.confirm()
    proved = key.current(NOW - timedelta(seconds=1))
    assert (proved.value, proved.is_new, proved.is_unproved) == (first.value, False, False)
    assert key.known() == first.value
    key.confirm()  # of one that is no new one: nothing happens


@pytest.mark.parametrize(
    ("at", "open_"),
    [(-WINDOW - timedelta(seconds=1), False), (-WINDOW, True), (timedelta(0), False)],
)
def test_the_window_is_ten_minutes_and_no_more(tmp_path: Path, at: timedelta, open_: bool) -> None:
    assert ReaderKey(tmp_path / "reader.key", NOW).may_install(NOW + at) is open_
    assert timedelta(minutes=10) == WINDOW


def test_a_key_that_cannot_be_written_is_no_key(tmp_path: Path) -> None:
    key = ReaderKey(tmp_path / "nowhere" / "reader.key", NOW)
    with pytest.raises(ConfigurationError, match="cannot be written"):
        key.current(NOW - timedelta(seconds=1))


def test_a_ring_knows_each_key_once() -> None:
    ring = KeyRing()
    ring.claim(KEY, "door 1")
    ring.claim(KEY, "door 1")
    with pytest.raises(ConfigurationError, match="door 1"):
        ring.claim(KEY, "door 2")
    ring.claim(fresh_key(), "door 1")  # it was given another one
    ring.claim(KEY, "door 2")
    ring.give_up("door 2")
    ring.claim(KEY, "door 3")


def test_no_key_card_or_key_press_is_in_any_text(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    pd = Pd(key=fresh_key())
    with (
        Line(tmp_path / "rs485", pd) as line,
        running(reader(line, write_key(tmp_path), pin="after_card")) as ear,
    ):
        refused(ear)
        pd.key = KEY
        line.do(pd.restart)
        ok(ear)
        line.card(pd)
        line.keys(pd, b"8642\x0d")
        ear.wait(CardRead)
    told = (caplog.text + repr(ear.events)).lower()
    for secret in (KEY.hex(), "25629", "51b20e80", "a3641d", "8642"):
        assert secret not in told
    assert KEY.hex() not in repr(ReaderKey(tmp_path / "reader.key", None).current(NOW))


def test_without_libosdp_the_driver_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['osdp'] = None\n"
        "from drivers.osdp_reader import OsdpReader, OsdpReaderSettings\n"
        "from drivers.errors import ConfigurationError\n"
        "try: OsdpReader('a', OsdpReaderSettings(port='/dev/x', key_file='k'), None)\n"
        "except ConfigurationError as error: print(error)\n"
    )
    assert "pip install 'libosdp>=3.2.9'" in run_python(code)


# --- the guard ---------------------------------------------------------------------------------------------


def asked(code: int, *, block: int | None = None, block_data: bytes = b"", sequence: int = 1) -> Packet:
    mac = b"mac!" if block is not None and block >= Block.COMMAND_PLAIN else b""
    return Packet(1, code, b"", sequence, block=block, block_data=block_data, mac=mac)


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(asked(Command.POLL), id="a poll in plain text"),
        pytest.param(asked(Command.OUT), id="an output in plain text"),
        pytest.param(asked(Command.KEYSET), id="a key in plain text"),
        pytest.param(asked(Command.KEYSET, block=Block.COMMAND_SECRET), id="a key outside an installation"),
        pytest.param(
            asked(Command.CHLNG, block=Block.CHALLENGE, block_data=b"\0"), id="a challenge on the default key"
        ),
        pytest.param(Packet(2, Command.ID), id="to another address"),
        pytest.param(Packet(1, Reply.ACK, is_reply=True), id="a reply"),
    ],
)
def test_what_may_not_go_out_does_not(packet: Packet) -> None:
    assert not Guard(1).sends(packet)


def test_in_an_installation_the_default_key_carries_a_key_and_nothing_else() -> None:
    guard = Guard(1, may_install=True)
    assert guard.sends(asked(Command.CHLNG, block=Block.CHALLENGE, block_data=b"\0"))
    assert guard.sends(asked(Command.KEYSET, block=Block.COMMAND_SECRET))
    assert not guard.sends(asked(Command.POLL, block=Block.COMMAND_PLAIN))
    assert not guard.sends(asked(Command.OUT, block=Block.COMMAND_SECRET))


def answer(code: int, *, block: int | None = None, data: bytes = b"", **changed: int) -> Packet:
    values: dict[str, int] = {"address": 1, "sequence": 1} | changed
    mac = b"mac!" if block is not None and block >= Block.COMMAND_PLAIN else b""
    return Packet(values["address"], code, data, values["sequence"], is_reply=True, block=block, mac=mac)


@pytest.mark.parametrize(
    ("packet", "verdict"),
    [
        pytest.param(answer(Reply.ACK, block=Block.REPLY_PLAIN), Verdict.PASS, id="with MAC"),
        pytest.param(answer(Reply.RAW, block=Block.REPLY_SECRET), Verdict.PASS, id="encrypted"),
        pytest.param(answer(Reply.BUSY, sequence=0), Verdict.PASS, id="busy is always plain"),
        pytest.param(
            answer(Reply.NAK, data=b"\6", sequence=3), Verdict.PASS, id="a channel is refused in plain text"
        ),
        pytest.param(answer(Reply.ACK), Verdict.REFUSE, id="plain"),
        pytest.param(answer(Reply.RAW, data=RAW_CARD), Verdict.REFUSE, id="a plain card"),
        pytest.param(answer(Reply.ACK, block=0x15), Verdict.REFUSE, id="a command's block"),
        pytest.param(answer(Reply.ACK, block=Block.REPLY_PLAIN, address=2), Verdict.IGNORE, id="another's"),
        pytest.param(answer(Reply.ACK, block=Block.REPLY_PLAIN, sequence=2), Verdict.IGNORE, id="a late one"),
        pytest.param(
            answer(Reply.RAW, block=Block.REPLY_SECRET, data=bytes(80)), Verdict.IGNORE, id="too long"
        ),
        pytest.param(answer(Reply.CCRYPT, block=Block.REPLY_SECRET), Verdict.IGNORE, id="out of place"),
        pytest.param(Packet(1, Command.POLL, sequence=1), Verdict.IGNORE, id="an echo"),
    ],
)
def test_inside_a_channel_only_its_own_answers_pass(packet: Packet, verdict: Verdict) -> None:
    guard = Guard(1)
    assert guard.sends(asked(Command.POLL, block=Block.COMMAND_PLAIN))
    assert guard.hears(packet) is verdict


def test_nothing_passes_before_anything_was_asked() -> None:
    assert Guard(1).hears(answer(Reply.ACK)) is Verdict.IGNORE


def test_an_answer_on_the_default_key_is_refused() -> None:
    guard = Guard(1)
    assert guard.sends(asked(Command.CHLNG, block=Block.CHALLENGE, block_data=b"\1"))
    reply = Packet(1, Reply.CCRYPT, bytes(32), 1, is_reply=True, block=Block.CLIENT, block_data=b"\0")
    assert guard.hears(reply) is Verdict.REFUSE
    assert guard.insecure == DEFAULT_KEY


def test_the_peripherals_of_these_tests_hold_the_paper_default_key_when_new() -> None:
    assert Pd(key=None, install=True).key is None
    assert osdp_sys.FLAG_ENFORCE_SECURE != osdp_sys.FLAG_INSTALL_MODE
