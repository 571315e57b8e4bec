"""OSDP packets against the bytes on paper: read, written, found at every cut, told without identity."""

from typing import Any

import pytest
from drivers_support import vectors
from osdp_channel import Channel

from drivers.errors import ConfigurationError, ProtocolViolation
from drivers.osdp_codec import (
    DEFAULT_KEY,
    Ability,
    Capability,
    Command,
    Identity,
    Keys,
    OsdpFramer,
    Packet,
    RawCard,
    Reply,
    ask_capabilities,
    capabilities_from,
    identify,
    is_able_to_encrypt,
    keys_from,
    meaning,
    packet_from,
    poll,
)

PACKETS: list[dict[str, Any]] = vectors("osdp")["packet"]
FRAMES = [bytes.fromhex(each["hex"]) for each in PACKETS]
BY_TITLE = dict(zip((each["title"] for each in reversed(PACKETS)), reversed(FRAMES), strict=True))
CRC_BIT = 8 * 4 + 2
each_packet = pytest.mark.parametrize("row", PACKETS, ids=[each["title"] for each in PACKETS])


def as_packet(row: dict[str, Any]) -> Packet:
    return Packet(
        address=row["address"],
        code=int(row["code"], 16),
        data=bytes.fromhex(row["data"]),
        sequence=row["sequence"],
        is_reply=row["reply"],
        block=int(row["block"], 16) if row["block"] else None,
        block_data=bytes.fromhex(row["block_data"]),
        mac=bytes.fromhex(row["mac"]),
        with_crc=row["crc"],
    )


def found(title: str) -> Packet:
    return packet_from(BY_TITLE[title])


@each_packet
def test_each_packet_on_paper_is_read_and_written_byte_for_byte(row: dict[str, Any]) -> None:
    frame = bytes.fromhex(row["hex"])
    assert packet_from(frame) == as_packet(row)
    assert as_packet(row).to_bytes() == frame


def test_what_is_asked_when_probing_is_as_on_paper() -> None:
    assert poll(1).to_bytes() == BY_TITLE["POLL seq 0"]
    assert poll(0x7F).to_bytes() == BY_TITLE["POLL to broadcast 7F"]
    assert identify(1, 1).to_bytes() == BY_TITLE["ID"]
    assert identify(0, 0).to_bytes() == BY_TITLE["ID to 00, CRC (Annex E)"]
    assert ask_capabilities(1, 2).to_bytes() == BY_TITLE["CAP"]


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 64, 4096])
@pytest.mark.parametrize(
    ("between", "noise"),
    [
        pytest.param(b"", 0, id="back to back"),
        pytest.param(b"\xff", 0, id="a mark byte before each"),
        pytest.param(b"\xff\xff\xff\xff", 0, id="several mark bytes"),
        pytest.param(b"\x00\x17\xa0", 3, id="noise between"),
        pytest.param(b"\x53", 1, id="a false start between"),
        pytest.param(b"\x53\x01\xff\xff\x04", 3, id="an impossible length between"),
    ],
)
def test_every_packet_is_found_at_any_cut(chunk: int, between: bytes, noise: int) -> None:
    stream = between + between.join(FRAMES)
    framer = OsdpFramer()
    packets = [
        packet for at in range(0, len(stream), chunk) for packet in framer.feed(stream[at : at + chunk])
    ]
    assert packets == [packet_from(frame) for frame in FRAMES]
    assert framer.discarded == noise * len(FRAMES)
    assert not framer.is_waiting


@each_packet
def test_a_packet_with_one_bit_wrong_is_no_packet(row: dict[str, Any]) -> None:
    frame = bytes.fromhex(row["hex"])
    for bit in range(8 * len(frame)):
        if bit == CRC_BIT:
            continue  # says which of the two checks it has: one in 256 satisfies the weaker by chance
        damaged = bytearray(frame)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ProtocolViolation):
            packet_from(bytes(damaged))


def test_a_packet_that_lies_about_its_length_costs_one_wait_and_no_more() -> None:
    """The longest packet is 1440 bytes: behind so many the framer has found its way again."""
    framer = OsdpFramer()
    good = BY_TITLE["ACK"]
    assert framer.feed(b"\x53\x81\xa0\x05\x04") == []
    packets = framer.feed(good * (1440 // len(good) + 1))
    assert len(packets) == 1440 // len(good) + 1
    assert framer.broken == 1


def test_after_a_silence_what_a_false_start_had_swallowed_is_found() -> None:
    framer = OsdpFramer()
    assert framer.feed(b"\x53\x81\x20\x00\x04" + BY_TITLE["ACK"]) == []
    assert framer.is_waiting
    assert framer.reset() == [found("ACK")]
    assert not framer.is_waiting


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        pytest.param(b"", "short", id="nothing"),
        pytest.param(b"\x53\x81\x05\x00\x04", "short", id="a head alone"),
        pytest.param(bytes.fromhex("54 81 08 00 04 40 08 06"), "short", id="another first byte"),
    ],
)
def test_what_is_no_packet_is_refused(frame: bytes, why: str) -> None:
    with pytest.raises(ProtocolViolation, match=why):
        packet_from(frame)


@pytest.mark.parametrize(
    "inside",
    [
        pytest.param("08 60", id="block of no length"),
        pytest.param("08 00 15 60", id="block shorter than its head"),
        pytest.param("08 20 15 60", id="block longer than the packet"),
        pytest.param("08 02 15 60", id="no room for the MAC"),
        pytest.param("08 03 15 60 01 02 03 04", id="no code beside the MAC"),
        pytest.param("08 02 11", id="no code behind the block"),
    ],
)
def test_a_security_block_that_does_not_fit_is_refused(inside: str) -> None:
    """Control byte and body; length and checksum are put around them as readers.md 6.1 says."""
    body = bytes.fromhex(inside)
    head = bytes((0x53, 0x81)) + (len(body) + 5).to_bytes(2, "little") + body
    frame = head + bytes((-sum(head) & 0xFF,))
    with pytest.raises(ProtocolViolation):
        packet_from(frame)


def test_replies_are_taken_apart_as_on_paper() -> None:
    identity = Identity.from_bytes(
        found("PDID vendor AABBCC model 1 version 2 serial 12345678 firmware 3.4.5").data
    )
    assert identity == Identity("AABBCC", 1, 2, 0x12345678, "3.4.5")
    card = RawCard.from_bytes(found("RAW reply, 26 bit 163,25629").data)
    assert card == RawCard(0, is_wiegand=True, bits=26, data=bytes.fromhex("51B20E80"))
    assert Keys.from_bytes(found("KEYPAD reply '1234#'").data) == Keys(0, "1234#")
    assert keys_from(b"\x7f0\x0dx\x00") == "*0#"


def test_capabilities_are_triples() -> None:
    """Function 9, compliance bit 0: AES-128 (readers.md 6.4)."""
    abilities = capabilities_from(bytes.fromhex("02 01 04 09 01 01"))
    assert abilities == {Capability.OUTPUTS: Ability(1, 4), Capability.SECURITY: Ability(1, 1)}
    assert is_able_to_encrypt(abilities)
    assert not is_able_to_encrypt(capabilities_from(bytes.fromhex("09 00 01")))
    assert not is_able_to_encrypt({})
    with pytest.raises(ProtocolViolation):
        capabilities_from(b"\x09\x01")


@pytest.mark.parametrize("data", ["", "00 01 1A", "00 01 1A 00 51 B2 0E", "00 01 1A 00 51 B2 0E 80 00"])
def test_a_card_whose_bits_and_bytes_differ_is_refused(data: str) -> None:
    with pytest.raises(ProtocolViolation):
        RawCard.from_bytes(bytes.fromhex(data))


@pytest.mark.parametrize("data", ["", "00", "00 02 31", "00 00 31"])
def test_keys_whose_count_is_wrong_are_refused(data: str) -> None:
    with pytest.raises(ProtocolViolation):
        Keys.from_bytes(bytes.fromhex(data))


def test_security_is_seen_from_outside() -> None:
    assert found("CHLNG, SCBK-D").uses_default_key
    assert not found("RMAC_I").uses_default_key
    assert found("POLL, SCS_15, seq 3").is_secured
    assert not found("POLL, SCS_15, seq 3").is_encrypted
    assert found("KEYSET 10..1F, SCS_17, seq 3; clear data 01 10 + key").is_encrypted
    assert not found("POLL seq 0").is_secured
    assert DEFAULT_KEY.hex() == "303132333435363738393a3b3c3d3e3f"


@pytest.mark.parametrize(
    ("title", "told"),
    [
        ("POLL seq 0", "to 1: POLL"),
        ("POLL to broadcast 7F", "to all: POLL"),
        ("ACK", "1 answers: ACK"),
        ("NAK 04 wrong sequence (seq 2)", "1 answers: NAK (unexpected sequence number)"),
        ("CHLNG, SCBK-D", "to 1: CHLNG, default key"),
        ("POLL, SCS_15, seq 3", "to 1: POLL, with MAC"),
        ("RAW reply, 26 bit 163,25629", "1 answers: RAW (a card of 26 bits)"),
        ("KEYPAD reply '1234#'", "1 answers: KEYPAD (keys)"),
        (
            "PDID vendor AABBCC model 1 version 2 serial 12345678 firmware 3.4.5",
            "1 answers: PDID (vendor AABBCC, model 1.2, firmware 3.4.5)",
        ),
    ],
)
def test_a_packet_is_told_in_words(title: str, told: str) -> None:
    assert meaning(found(title)) == told


@each_packet
def test_no_packet_tells_what_a_person_showed_or_typed(row: dict[str, Any]) -> None:
    packet = as_packet(row)
    told = meaning(packet) + repr(packet)
    if packet.code in (Reply.RAW, Reply.KEYPAD) and packet.data:
        assert packet.data.hex() not in told.lower()
        assert "25629" not in told
        assert "1234" not in told


def test_codes_that_nobody_defined_are_told_as_numbers() -> None:
    assert meaning(Packet(2, 0xEE, is_reply=True)) == "2 answers: EE"
    assert meaning(Packet(2, Reply.NAK, b"\x77", is_reply=True)) == "2 answers: NAK (no reason given)"
    assert meaning(Packet(2, Reply.NAK, b"", is_reply=True)) == "2 answers: NAK (no reason given)"
    assert (
        meaning(Packet(2, Reply.PDID, b"\0", is_reply=True)) == "2 answers: PDID (an identity has 12 bytes)"
    )


def test_a_packet_that_cannot_be_is_not_written() -> None:
    with pytest.raises(ConfigurationError):
        Packet(0x80, Command.POLL).to_bytes()
    with pytest.raises(ConfigurationError):
        Packet(1, Command.FILETRANSFER, bytes(1440)).to_bytes()


def test_the_channel_of_these_tests_computes_what_is_on_paper() -> None:
    """Annex E (readers.md 6.5): the device side that the fuzz tests use."""
    channel = Channel(DEFAULT_KEY, bytes(range(0xB0, 0xB8)), bytes(range(0xA0, 0xA8)))
    assert found("CCRYPT").data[16:] == channel.client
    assert found("SCRYPT").data == channel.server
    assert found("RMAC_I").data == channel.first_mac
    channel.hear(found("POLL, SCS_15, seq 3"))
    assert channel.mac[:4] == found("POLL, SCS_15, seq 3").mac
    assert channel.say(found("POLL, SCS_15, seq 3"), Reply.ACK, b"") == BY_TITLE["ACK, SCS_16"]
