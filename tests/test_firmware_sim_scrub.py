"""Recordings hold no identity: whatever a line says, at any cut and however damaged, is overwritten."""

import os
from collections.abc import Iterable
from functools import reduce
from operator import xor
from random import Random

import pytest
from firmware_sim_support import documented_card, frame, made, relay, vectors

from firmware_sim.errors import RecordingError
from firmware_sim.fault_table import EVERY, SERIAL
from firmware_sim.osdp_packet import Packet, Reply
from firmware_sim.people import make_people
from firmware_sim.recording import FAMILIES, Tape, scrubber
from firmware_sim.sam_module import reply

FUZZ = int(os.environ.get("LIUHEN_FUZZ", "3000"))
UID = bytes.fromhex("26 DE FA E7")
CHIP = bytes.fromhex("11 22 33 44 55 66 77 88")


def scrubbed(family: str, *pieces: bytes, from_device: bool = True) -> bytes:
    """All that comes of a stream in these pieces."""
    line = scrubber(family)
    out = b"".join(line.feed(piece, from_device=from_device) for piece in pieces)
    return out + line.flush(from_device=from_device)


def bytewise(data: bytes) -> Iterable[bytes]:
    return (data[at : at + 1] for at in range(len(data)))


def test_a_kind_without_a_scrubber_is_not_recorded() -> None:
    assert set(FAMILIES) <= SERIAL
    for kind in (*EVERY - set(FAMILIES), "something"):
        with pytest.raises(RecordingError, match=f"lines of kind '{kind}' cannot be recorded"):
            scrubber(kind)


@pytest.mark.parametrize(
    ("family", "said", "kept"),
    [
        ("rdm6300", "0230313032364636433341334103", "02 30303030303030303031 3031 03"),
        ("id12", "02303130323646364333413341 0D0A03", "02 30303030303030303031 3031 0D0A03"),
        ("rdm6300", "02 30 31 30 32 36 66 36 63 33 61 33 61 03", "02 30303030303030303031 3031 03"),
        ("rdm6300", "02 30 31 30 32 36 46 36 43 33 41 33 42 03", "02 30303030303030303031 3030 03"),
        ("rdm6300", "02 30 31 30 32 36 46 36 43 33 41 33 03", "02 0000000000 0000000000 00 03"),
        ("rdm6300", "30 31 30 32 36 46 36 43 33 41 33 41 03", "00" * 12 + "03"),
        ("wiegand", "37 42 42 32 36 45 0D", "30 30 30 30 30 31 0D"),
        ("wiegand", "30303030313233343738 0D0A 30303030313233343739 0D0A", None),
        ("wiegand", "02 32 36 44 45 46 41 45 37 03 71", "02 30 30 30 30 30 30 30 31 03 00"),
        ("wiegand", "05 00 09 0B", "00 00 00 0B"),
        ("wiegand", "A5 F0 69 4B", "F0 F0 00 4B"),
        ("wiegand", "35 0D 42 0D 41 35 0D 34 42 0D", "30 0D 42 0D 46 30 0D 34 42 0D"),
        ("wiegand", "02", "00"),
        ("text", b"222,64231\r\n".hex(), b"000,00001\r\n".hex()),
        ("text", b"26DEFAE7".hex(), b"00000001".hex()),
        ("qr", b"https://example.org/k/1\r\n".hex(), b"00000://0000000.000/0/1\r\n".hex()),
        ("qr", "访客 7\r".encode().hex(), b"?????? 1\r".hex()),
    ],
)
def test_numbers_are_overwritten_and_their_shape_stays(family: str, said: str, kept: str | None) -> None:
    data = bytes.fromhex(said)
    expected = b"0000000001\r\n0000000002\r\n" if kept is None else bytes.fromhex(kept)
    if family == "wiegand" and data[:1] == b"\x02" and len(data) > 1:
        expected = expected[:-1] + bytes((reduce(xor, expected[:-1]),))
    assert scrubbed(family, data) == expected
    assert scrubbed(family, *bytewise(data)) == expected


def test_equal_cards_stay_equal_and_others_differ() -> None:
    out = scrubbed("text", b"1111\r\n2222\r\n1111\r\n")
    assert out == b"0001\r\n0002\r\n0001\r\n"


def test_what_is_said_to_a_listening_reader_is_blanked_but_for_known_commands() -> None:
    assert scrubbed("rdm6300", b"1234", from_device=False) == bytes(4)
    said = b"\x16T\r1234\x16U\r\x16"
    assert scrubbed("qr", said, from_device=False) == b"\x16T\r\0\0\0\0\x16U\r\0"
    assert scrubbed("qr", *bytewise(said), from_device=False) == b"\x16T\r\0\0\0\0\x16U\r\0"


@pytest.mark.parametrize("fingerprints", [b"", bytes(512), bytes(1024)])
def test_a_read_of_an_id_card_holds_an_invented_person(fingerprints: bytes) -> None:
    card = documented_card(
        vectors("sam_v")["text_block"][0]["name"], fingerprints=b"\x01" * len(fingerprints)
    )
    for data in (card.base_info(), card.base_info_with_fingerprints()):
        said = reply(0x90, data)
        out = scrubbed("sam_v", said)
        assert out == scrubbed("sam_v", *bytewise(said))
        assert (len(out), out[:10], reduce(xor, out[5:])) == (len(said), said[:10], 0)
        assert card.text[:30] not in out
        assert "000000".encode("utf-16-le") in out


def test_other_answers_of_a_module_keep_what_names_nobody() -> None:
    for name in ("reply_find_failed", "reply_found", "reply_selected", "reply_read_failed"):
        assert scrubbed("sam_v", frame(name)) == frame(name)
    out = scrubbed("sam_v", frame("reply_card_body_number"))
    assert out[10:-1] == bytes(27) + b"\x01"
    assert reduce(xor, out[5:]) == 0
    address = scrubbed("sam_v", frame("reply_newest_address"))
    assert address[10:-1] != frame("reply_newest_address")[10:-1]
    assert scrubbed("sam_v", frame("reply_sam_number"))[10:-1] != frame("reply_sam_number")[10:-1]


def test_a_wrong_checksum_stays_wrong_and_its_data_is_blanked() -> None:
    card = documented_card(vectors("sam_v")["text_block"][0]["name"])
    said = reply(0x90, card.base_info())
    damaged = said[:-1] + bytes((said[-1] ^ 0x01,))
    out = scrubbed("sam_v", damaged)
    assert reduce(xor, out[5:]) == 0x01
    assert not any(out[10:-1])
    short = said[:400] + said[401:] + frame("reply_find_failed")
    assert not any(byte for byte in scrubbed("sam_v", short)[10:1294])


def test_requests_to_a_module_are_kept() -> None:
    said = frame("request_find") + frame("request_read") + b"secret"
    assert scrubbed("sam_v", said, from_device=False) == said[:-6] + bytes(6)


def pn532(*data: int, from_chip: bool = True) -> bytes:
    body = bytes((0xD5 if from_chip else 0xD4, *data))
    return bytes((0, 0, 0xFF, len(body), -len(body) & 0xFF)) + body + bytes((-sum(body) & 0xFF, 0))


def test_uids_and_serials_of_a_pn532_are_overwritten() -> None:
    card = bytes.fromhex("00 00 FF 0C F4 D5 4B 01 01 00 04 08 04 26 DE FA E7 E9 00")  # readers.md 5.3
    assert scrubbed("pn532", card) == pn532(0x4B, 1, 1, 0, 4, 8, 4, 0x26, 0, 0, 1)
    assert scrubbed("pn532", *bytewise(card)) == pn532(0x4B, 1, 1, 0, 4, 8, 4, 0x26, 0, 0, 1)
    assert scrubbed("pn532", pn532(0x43, 0, *CHIP, 0x90, 0)) == pn532(0x43, 0, *bytes(7), 1, 0x90, 0)
    type_b = bytes.fromhex("00 00 FF 12 EE D5 4B 01 01 50 00 00 00 00 D1 03 86 0C 00 80 80 01 08 1F 00")
    assert scrubbed("pn532", type_b) == type_b
    key = pn532(0x40, 1, 0x60, 4, *b"secret", *UID, from_chip=False)
    assert scrubbed("pn532", key, from_device=False) == pn532(0x40, 1, 0x60, 4, *bytes(10), from_chip=False)
    for kept in (b"\x00\x00\xff\x00\xff\x00", pn532(0x03, 0x32, 1, 6, 7), pn532(0x41, 1)):
        assert scrubbed("pn532", kept) == kept
    wrong = card[:-2] + bytes((card[-2] ^ 1, 0))
    assert UID[1:] not in scrubbed("pn532", wrong)


def test_what_osdp_readers_tell_of_cards_and_keys_is_overwritten() -> None:
    raw = bytes.fromhex("53 81 10 00 07 50 00 01 1A 00 51 B2 0E 80 DF D8")  # readers.md 9, vector 73
    out = scrubbed("osdp", raw)
    assert out[10:14] == bytes.fromhex("00 00 00 80")  # number 1: bit 24; both parities come out 0
    assert len(out) == len(raw)
    assert scrubbed("osdp", out) == out
    keys = bytes.fromhex("53 81 0F 00 05 53 00 05 31 32 33 34 0D 0E 3B")  # vector 74
    assert scrubbed("osdp", keys)[8:13] == b"0000\r"
    poll, ack = bytes.fromhex("53 01 08 00 04 60 BA 00"), bytes.fromhex("53 81 08 00 04 40 08 06")
    assert scrubbed("osdp", poll + b"\xff" + poll, from_device=False) == poll + b"\xff" + poll
    assert scrubbed("osdp", ack) == ack
    secure = bytes.fromhex(  # vector 79
        "53 81 1E 00 0E 02 18 50 9D 84 E2 1F 2B E9 49 94 10 50 E3 A9 8B CF F8 4E 4A B9 41 3A BD B1"
    )
    assert not any(scrubbed("osdp", secure)[8:28])


def test_lines_of_door_hardware_are_kept_and_strange_bytes_are_not() -> None:
    on = relay("channel_1_on")
    assert scrubbed("lc_relay", on + b"\xff1234" + on, from_device=False) == on + b"\xff\0\0\0\0" + on
    assert scrubbed("lc_relay", b"CH1: ON\r\nCH2: OFF\r\n1234") == b"CH1: ON\r\nCH2: OFF\r\n\0\0\0\0"
    write = bytes.fromhex("01 05 00 00 FF 00 8C 3A")  # vector 84
    assert scrubbed("modbus", write + b"1234" + write) == write + bytes(4) + write


SECRETS = {
    "rdm6300": [b"026F6C3A"],
    "wiegand": [b"7BB26E", b"26DEFAE7", b"0000123478"],
    "text": [b"26DEFAE7", b"0652147431"],
    "qr": [b"LH1-1234567890ABCDEF"],
    "sam_v": [
        make_people(1, 1)[0].id_number[8:].encode("utf-16-le"),  # behind what invented people share
        make_people(1, 1)[0].name.encode("utf-16-le"),
    ],
    "pn532": [UID, CHIP],
    "osdp": [UID],
}


def streams(family: str) -> list[bytes]:
    card = make_people(1, 1)[0].card
    if family == "sam_v":
        return [reply(0x90, card.base_info()), reply(0x80), reply(0x90, bytes(8))]
    if family == "pn532":
        return [
            pn532(0x4B, 1, 1, 0, 4, 8, 4, *UID),
            pn532(0x43, 0, *CHIP, 0x90, 0),
            pn532(0x4B, 0),
            b"\x00\x00\xff\x00\xff\x00",
        ]
    if family == "osdp":
        raw = bytes((0, 0, 32, 0)) + UID
        return [
            Packet(1, 1, Reply.RAW, raw, reply=True).to_bytes(),
            Packet(1, 2, Reply.ACK, reply=True).to_bytes(),
        ]
    ends = {
        "rdm6300": (b"\x0201", b"3A\x03"),
        "text": (b"", b"\r\n"),
        "qr": (b"", b"\r\n"),
        "wiegand": (b"", b"\r"),
    }
    before, after = ends[family]
    return [before + secret + after for secret in SECRETS[family]]


def parts_of(family: str) -> set[bytes]:
    """Pieces of the numbers that are long enough to know somebody by."""
    size = {"sam_v": 16, "pn532": 3, "osdp": 3}.get(family, 5)
    return {
        secret[at : at + size] for secret in SECRETS[family] for at in range(max(1, len(secret) - size + 1))
    } - {b"00001", bytes(size)}


@pytest.mark.parametrize("family", sorted(SECRETS))
def test_no_identity_comes_through_whatever_happens_to_the_line(family: str) -> None:
    rng = Random(f"scrub:{family}")
    pieces = streams(family)
    rounds = FUZZ // 10 if family == "sam_v" else FUZZ
    for _ in range(rounds):
        stream = bytearray(b"".join(rng.choices(pieces, k=rng.randint(1, 4))))
        for _ in range(rng.randrange(3)):
            at = rng.randrange(len(stream))
            what = rng.randrange(3)
            if what == 0:
                del stream[at]
            elif what == 1:
                stream.insert(at, rng.randrange(256))
            else:
                stream[at] ^= 1 << rng.randrange(8)
        cut = sorted(rng.randrange(len(stream) + 1) for _ in range(3))
        parts = [bytes(stream[a:b]) for a, b in zip([0, *cut], [*cut, len(stream)], strict=True)]
        out = scrubbed(family, *parts)
        assert len(out) == len(stream)
        assert not any(part in out for part in parts_of(family))


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize("from_device", [True, False])
def test_any_bytes_come_out_as_many_and_the_same_at_any_cut(family: str, from_device: bool) -> None:
    rng = Random(f"{family}:{from_device}")
    starts = (
        b"\xaa\xaa\xaa\x96\x69",
        b"\x00\x00\xff",
        b"\x53\x81",
        b"\x02",
        b"CH1",
        b"\xa0\x01",
        b"\x01\x05",
    )
    for _ in range(FUZZ // 30):
        stream = b"".join(
            rng.choice(starts) + rng.randbytes(rng.randrange(30)) for _ in range(rng.randrange(1, 5))
        )
        whole = scrubbed(family, stream, from_device=from_device)
        assert len(whole) == len(stream)
        if family not in ("modbus",):
            assert scrubbed(family, *bytewise(stream), from_device=from_device) == whole


def test_times_stay_with_their_bytes() -> None:
    tape = Tape("text")
    tape.heard(1.0, b"26DE", from_device=True)
    tape.heard(1.1, b"FAE7\r", from_device=True)
    tape.heard(1.2, b"\n", from_device=True)
    chunks = tape.recording(9600).chunks
    assert [(chunk.t_s, chunk.data) for chunk in chunks] == [(1.0, b"0000"), (1.1, b"0001\r"), (1.2, b"\n")]


def test_a_silence_ends_a_line_without_an_end() -> None:
    tape = Tape("text")
    for t_s, data in ((1.0, b"1111"), (3.0, b"2222"), (5.0, b"1111")):
        tape.heard(t_s, data, from_device=True)
        tape.settle(t_s + 0.1)
        tape.settle(t_s + 0.6)
    assert [chunk.data for chunk in tape.recording(9600).chunks] == [b"0001", b"0002", b"0001"]


def test_a_recording_that_is_full_says_so() -> None:
    tape = Tape("rdm6300", max_bytes=10)
    tape.heard(0.0, bytes(10), from_device=True)
    with pytest.raises(RecordingError, match="a recording holds 10 bytes; start another one"):
        tape.heard(0.0, bytes(1), from_device=False)


def test_a_long_stretch_of_noise_takes_no_long_time() -> None:
    assert scrubbed("sam_v", bytes(200_000)) == bytes(200_000)


def test_simulated_devices_stay_readable_when_scrubbed() -> None:
    person = make_people(1, 1)[0]
    reader = made("rdm6300", "repeat_s = 0")
    reader.present(person.card)
    assert scrubbed("rdm6300", reader.sent(1.0)) == bytes.fromhex("02 30303030303030303031 3031 03")
