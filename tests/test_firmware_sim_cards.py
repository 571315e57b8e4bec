"""Cards against the text blocks, replies and hashes of the manual (readers.md 1.6, 2 and 9)."""

import hashlib
from typing import Any

import pytest
from firmware_sim_support import LAYOUT_OF, documented_card, plain_card, vectors

from firmware_sim.cards import (
    LAYOUTS,
    PHOTO,
    Card,
    Layout,
    WrongText,
    address_item,
    field_at,
    spoil_text,
    text_block,
)
from firmware_sim.people import make_people
from firmware_sim.sam_module import reply

BLOCKS = vectors("sam_v")["text_block"]
READS = vectors("sam_v")["read_reply"]
FINGERPRINTS = {"5A": b"\x5a" * 1024, "none": b""}


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block["name"])
def test_a_text_block_laid_out_from_its_fields_is_the_documented_one(block: dict[str, Any]) -> None:
    laid_out = text_block(LAYOUT_OF[block["layout"]], block["fields"])
    assert laid_out == bytes.fromhex(block["hex"])
    assert hashlib.sha256(laid_out).hexdigest() == block["sha256"]


@pytest.mark.parametrize(
    "read", READS, ids=lambda read: f"{read['command']} {read['text_block']} {read['photo']}"
)
def test_a_read_reply_has_the_documented_size_check_byte_and_hash(read: dict[str, Any]) -> None:
    card = documented_card(read["text_block"], read["photo"], FINGERPRINTS[read.get("fingerprints", "none")])
    data = card.base_info() if read["command"] == "30 01" else card.base_info_with_fingerprints()
    frame = reply(0x90, data)
    assert (len(frame), f"{frame[-1]:02X}") == (read["size"], read["chk"])
    if "sha256" in read:
        assert hashlib.sha256(frame).hexdigest() == read["sha256"]


def test_the_photo_begins_with_the_documented_bytes_and_fills_1024() -> None:
    assert len(PHOTO) == 1024
    assert PHOTO.startswith(bytes.fromhex(vectors("sam_v")["photo_wl_head"]))


@pytest.mark.parametrize("layout", Layout)
def test_every_layout_fills_256_bytes_and_has_its_flag_at_248(layout: Layout) -> None:
    assert sum(size for _, size in LAYOUTS[layout]) == 256
    assert field_at(layout, "flag") == slice(248, 250)


def test_a_long_latin_name_goes_on_behind_the_dates_of_a_y_card() -> None:
    name = "".join(chr(ord("A") + at % 26) for at in range(46))
    block = text_block(Layout.FOREIGNER_Y, {"latin_name": name})
    assert block[52:122].decode("utf-16-le") == name[:35]
    assert block[220:242].decode("utf-16-le") == name[35:]


def test_a_character_outside_the_plane_takes_two_places() -> None:
    block = text_block(Layout.RESIDENT, {"name": "\U00020000"})
    assert block[:6] == bytes.fromhex("40 D8 00 DC 20 00")


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"nickname": "x"}, "no field 'nickname'"), ({"sex": "12"}, "1 characters too long")],
)
def test_a_field_that_does_not_fit_is_refused_by_name(fields: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        text_block(Layout.RESIDENT, fields)


def test_an_address_item_has_70_bytes_and_no_more() -> None:
    assert len(address_item("示例路1号")) == 70
    with pytest.raises(ValueError, match="35 characters"):
        address_item("路" * 36)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"text": b""}, "256, 1024 and 28"),
        ({"photo": b""}, "256, 1024 and 28"),
        ({"fingerprints": b"1"}, "0, 512 or 1024"),
        ({"newest_address": b""}, "1 to 280"),
        ({"newest_address": bytes(281)}, "1 to 280"),
    ],
)
def test_a_card_of_impossible_sizes_cannot_be_made(changed: dict[str, bytes], message: str) -> None:
    good = plain_card()
    fields: dict[str, Any] = {
        "ref": "P1",
        "layout": good.layout,
        "text": good.text,
        "body_number": good.body_number,
    }
    with pytest.raises(ValueError, match=message):
        Card(**(fields | changed))


def test_a_card_shows_its_reference_and_layout_only() -> None:
    assert repr(plain_card()) == f"Card(ref='{plain_card().ref}', layout=<Layout.RESIDENT: ' '>)"


PEOPLE = {person.card.layout: person for person in make_people(20, seed=3)}


@pytest.mark.parametrize("layout", Layout)
def test_spoiled_texts_are_wrong_in_the_way_they_say(layout: Layout) -> None:
    card, number = PEOPLE[layout].card, PEOPLE[layout].id_number
    at = field_at(layout, "id_number")
    birth = field_at(layout, "birth_date")

    def number_of(block: bytes) -> str:
        return block[at].decode("utf-16-le").rstrip()

    assert spoil_text(card, WrongText.LONE_SURROGATE)[2:4] == b"\x00\xd8"
    padded = spoil_text(card, WrongText.NUL_PADDING)
    assert padded.decode("utf-16-le").replace("\0", " ") == card.text.decode("utf-16-le")
    assert b"\x20\x00" not in padded[248:]
    assert number_of(spoil_text(card, WrongText.NUL_INSIDE)) == "\0" + number[1:]
    assert spoil_text(card, WrongText.ALL_NUL) == bytes(256)
    spoiled_birth = spoil_text(card, WrongText.INVALID_DATE)[birth].decode("utf-16-le")
    assert spoiled_birth == card.text[birth].decode("utf-16-le")[:4] + "0230"
    off_by_one = number_of(spoil_text(card, WrongText.CHECK_DIGIT))
    assert off_by_one[:-1] == number[:-1]
    assert off_by_one[-1] != number[-1]


@pytest.mark.parametrize("kind", WrongText)
@pytest.mark.parametrize("layout", Layout)
def test_a_spoiled_text_still_has_256_bytes_and_differs(layout: Layout, kind: WrongText) -> None:
    card = PEOPLE[layout].card
    assert len(spoil_text(card, kind)) == 256
    assert spoil_text(card, kind) != card.text
