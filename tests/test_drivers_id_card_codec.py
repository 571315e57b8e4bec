"""From a card's text to what may be kept of it."""

from datetime import date, datetime

import pytest
from drivers_support import CANARIES, INVENTED_NUMBER, invented_block, read_reply, text_block, vectors

from drivers.errors import ProtocolViolation
from drivers.id_card_codec import IdCard, parse_read_reply, parse_text

BLOCKS = vectors("sam_v")["text_block"]
VALID_UNTIL = slice(204, 220)
DOCUMENTS = {
    " ": "resident",
    "J": "residence_permit",
    "I": "permanent_residence",
    "Y": "permanent_residence",
}


def day(text: str) -> date | None:
    return None if text == "长期" else datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - a day


def parse(block: bytes | bytearray) -> IdCard:
    return parse_text(memoryview(bytearray(block)))


@pytest.mark.parametrize("each", BLOCKS, ids=lambda each: str(each["name"]))
def test_each_documented_layout_gives_number_and_validity(each: dict[str, dict[str, str]]) -> None:
    fields = each["fields"]
    document = DOCUMENTS[fields.get("flag", " ")]
    expected = IdCard(fields["id_number"], day(fields["valid_from"]), day(fields["valid_to"]), document)  # type: ignore[arg-type]
    assert parse(bytes.fromhex(str(each["hex"]))) == expected
    data = bytearray(read_reply(bytes.fromhex(str(each["hex"])))[10:-1])
    assert parse_read_reply(data) == expected


@pytest.mark.parametrize("name", ["valid_to_without_expiry", "valid_to_2040_01_01"])
def test_documented_validity_fields_are_understood(name: str) -> None:
    field = next(each for each in vectors("sam_v")["text_field"] if each["name"] == name)
    block = invented_block()
    block[VALID_UNTIL] = bytes.fromhex(field["hex"])
    assert parse(block).valid_until == day(field["text"])


@pytest.mark.parametrize("flag", [" \0", "0\0", "\0\0"])
def test_a_resident_card_may_have_other_blanks_as_its_flag(flag: str) -> None:
    block = invented_block()
    block[248:250] = flag.encode()
    assert parse(block).number == INVENTED_NUMBER


def test_the_flag_of_the_manual_is_the_one_looked_at() -> None:
    (flag,) = [each for each in vectors("sam_v")["text_field"] if each["name"] == "layout_flag_j"]
    block = invented_block()
    block[248:250] = bytes.fromhex(flag["hex"])
    assert parse(block).number == INVENTED_NUMBER
    block[248:250] = b"Q\0"
    with pytest.raises(ProtocolViolation, match="type"):
        parse(block)


def test_padding_may_be_nul_as_seen_on_some_cards() -> None:
    block = invented_block()
    for at in range(0, 256, 2):
        if block[at : at + 2] == b" \0":
            block[at : at + 2] = b"\0\0"
    assert parse(block).number == INVENTED_NUMBER


def test_a_character_cut_at_a_field_end_is_no_damage() -> None:
    block = invented_block()
    block[28:30] = b"\x40\xd8"  # the first half of a rare character, at the end of the name
    assert parse(block).number == INVENTED_NUMBER
    block[0:4] = b"\x40\xd8\x00\xdc"  # a whole one
    assert parse(block).number == INVENTED_NUMBER


def changed(at: int, data: bytes) -> bytearray:
    block = invented_block()
    block[at : at + len(data)] = data
    return block


WRONG = {
    "lone high surrogate in the name": changed(2, b"\x00\xd8"),
    "lone low surrogate in the name": changed(2, b"\x00\xdc"),
    "lone surrogate in the address": changed(60, b"\x00\xd8"),
    "lone surrogate in the number": changed(130, b"\x00\xd8"),
    "lone surrogate as the flag": changed(248, b"\x00\xd8"),
    "NUL inside the name": changed(2, b"\0\0"),
    "NUL inside the number": changed(130, b"\0\0"),
    "all NUL": bytearray(256),
    "all blank": bytearray(" ".encode("utf-16-le") * 128),
    "all FF": bytearray(b"\xff" * 256),
    "check digit off by one": invented_block(number=INVENTED_NUMBER[:-1] + "5"),
    "no such day": invented_block(valid_until="20400230"),
    "no such month": invented_block(valid_from="20201301"),
    "validity in words": invented_block(valid_until="forever"),
    "validity in full-width digits": invented_block(valid_until="２０４００１０１"),
    "no begin of validity": invented_block(valid_from=""),
    "no end of validity": invented_block(valid_until=""),
    "without end as the begin": invented_block(valid_from="长期"),
    "ends before it begins": invented_block(valid_from="20200101", valid_until="20191231"),
    "holder born after the card was issued": invented_block(valid_from="19900306"),
    "birth date other than in the number": invented_block(born="19900308"),
    "birth date that no calendar has": invented_block(born="19900230"),
    "number of 15 digits": invented_block(number="000000900307001"),
    "255 bytes": invented_block()[:-1],
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_text_is_refused_without_a_word_of_it(name: str) -> None:
    with pytest.raises(ProtocolViolation) as refusal:
        parse(WRONG[name])
    error: BaseException | None = refusal.value
    while error is not None:  # nor in what stands behind it, which a traceback would print
        assert not any(canary in f"{error!r} {error.args}" for canary in CANARIES)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(read_reply(text_block("resident_zhang"))[10:-2], id="a byte short"),
        pytest.param(bytes.fromhex("0100 0401") + bytes(1280), id="a longer photo announced"),
        pytest.param(bytes.fromhex("00FF 0400") + bytes(1280), id="a shorter text announced"),
    ],
)
def test_a_reply_of_the_wrong_form_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        parse_read_reply(bytearray(data))


def test_a_card_shows_nothing_of_itself() -> None:
    card = parse(invented_block())
    assert (repr(card), str(card), f"{card}") == ("IdCard(...)",) * 3
    assert card.name is None
    assert IdCard.__slots__ == ("number", "valid_from", "valid_until", "document", "name")


@pytest.mark.parametrize("each", BLOCKS, ids=lambda each: str(each["name"]))
def test_the_name_is_decoded_only_for_whoever_seals_it(each: dict[str, dict[str, str]]) -> None:
    fields, block = each["fields"], memoryview(bytearray.fromhex(str(each["hex"])))
    assert parse_text(block).name is None
    assert parse_text(block, with_name=True).name == (fields.get("name") or fields["chinese_name"])


def test_who_has_no_chinese_name_is_called_by_the_latin_one() -> None:
    block = text_block("foreigner_i_smith")
    blank = bytearray(block)
    blank[158:188] = " ".encode("utf-16-le") * 15
    assert parse_text(memoryview(blank), with_name=True).name == "SMITH, JOHN"
    blank = bytearray(text_block("foreigner_y_smith"))
    blank[0:30] = " ".encode("utf-16-le") * 15
    assert parse_text(memoryview(blank), with_name=True).name == "SMITH, JOHN"


def test_the_buffer_can_be_overwritten_as_soon_as_the_card_is_parsed() -> None:
    data = bytearray(read_reply(bytes(invented_block()))[10:-1])
    parse_read_reply(data)
    data.clear()  # refused by the interpreter if anything still looked into it
    with pytest.raises(ProtocolViolation):
        parse_read_reply(data)


def test_foreigners_and_residents_have_their_number_in_different_places() -> None:
    block = bytearray(text_block("foreigner_i_smith"))
    block[248:250] = b"Y\0"
    with pytest.raises(ProtocolViolation):
        parse(block)
