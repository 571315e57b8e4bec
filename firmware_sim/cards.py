"""What lies on an ID card: text block, photo, and the items the module reads from it (readers.md 1.6 and 2).

Knows no person, no module, no wire.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

TEXT_SIZE = 256
PHOTO_SIZE = 1024
BODY_NUMBER_SIZE = 28  # IIN 4, chip serial 8, card body number 16
ADDRESS_CHARS = 35  # the usual 30 03 item: 70 bytes
ADDRESS_ITEMS = 4  # the largest: 4 x 70 bytes
FINGERPRINT_SIZES = (0, 512, 1024)  # none, one finger, two fingers
PHOTO_HEAD = bytes.fromhex("57 4C 66 00 7E 00 32 00 00 FF 85")  # readers.md 2.7
PHOTO = PHOTO_HEAD + bytes(PHOTO_SIZE - len(PHOTO_HEAD))

_SPACE = " ".encode("utf-16-le")
_RESERVED = "reserved"
_FLAG = "flag"


class Layout(Enum):
    """Kind of card, by the character at byte 248 of its text block (readers.md 2.1)."""

    RESIDENT = " "
    PERMIT_J = "J"  # residents of Hong Kong, Macao and Taiwan
    FOREIGNER_I = "I"  # 2017 edition
    FOREIGNER_Y = "Y"  # 2023 edition


# Field and size in bytes, in the order of the block (readers.md 2.2 to 2.5). A name twice: the field goes on.
LAYOUTS: Mapping[Layout, tuple[tuple[str, int], ...]] = {
    Layout.RESIDENT: (
        ("name", 30),
        ("sex", 2),
        ("ethnicity", 4),
        ("birth_date", 16),
        ("address", 70),
        ("id_number", 36),
        ("issuing_authority", 30),
        ("valid_from", 16),
        ("valid_to", 16),
        (_RESERVED, 28),
        (_FLAG, 2),
        (_RESERVED, 6),
    ),
    Layout.PERMIT_J: (
        ("name", 30),
        ("sex", 2),
        (_RESERVED, 4),
        ("birth_date", 16),
        ("address", 70),
        ("id_number", 36),
        ("issuing_authority", 30),
        ("valid_from", 16),
        ("valid_to", 16),
        ("travel_permit_number", 18),
        ("issue_count", 4),
        (_RESERVED, 6),
        (_FLAG, 2),
        (_RESERVED, 6),
    ),
    Layout.FOREIGNER_I: (
        ("latin_name", 120),
        ("sex", 2),
        ("id_number", 30),
        ("nationality", 6),
        ("chinese_name", 30),
        ("valid_from", 16),
        ("valid_to", 16),
        ("birth_date", 16),
        ("card_version", 4),
        ("accepting_authority", 8),
        (_FLAG, 2),
        (_RESERVED, 6),
    ),
    Layout.FOREIGNER_Y: (
        ("chinese_name", 30),
        ("sex", 2),
        ("renewal_count", 4),
        ("birth_date", 16),
        ("latin_name", 70),
        ("id_number", 36),
        (_RESERVED, 30),
        ("valid_from", 16),
        ("valid_to", 16),
        ("latin_name", 22),
        ("nationality", 6),
        (_FLAG, 2),
        ("previous_number_link", 6),
    ),
}


def text_block(layout: Layout, fields: Mapping[str, str]) -> bytes:
    """Lay out the 256 bytes; a field not given is blank. ValueError: unknown field, or too long."""
    left = {name: text.encode("utf-16-le") for name, text in fields.items()}
    left[_FLAG] = layout.value.encode("utf-16-le")
    block = bytearray()
    for name, size in LAYOUTS[layout]:
        text = left.get(name, b"")
        left[name] = text[size:]
        block += text[:size] + _SPACE * ((size - len(text[:size])) // len(_SPACE))
    known = {name for name, _ in LAYOUTS[layout]}
    for name, rest in left.items():
        if name not in known:
            raise ValueError(f"layout {layout.name} has no field {name!r}")
        if rest:
            raise ValueError(
                f"field {name!r} is {len(rest) // len(_SPACE)} characters too long for {layout.name}"
            )
    return bytes(block)


def field_at(layout: Layout, name: str) -> slice:
    """Where a field lies in the block (its first part, if it is continued)."""
    at = 0
    for field_name, size in LAYOUTS[layout]:
        if field_name == name:
            return slice(at, at + size)
        at += size
    raise ValueError(f"layout {layout.name} has no field {name!r}")


def address_item(address: str) -> bytes:
    """The data of 30 03 for one address, padded to 35 characters."""
    encoded = address.encode("utf-16-le")
    size = ADDRESS_CHARS * len(_SPACE)
    if len(encoded) > size:
        raise ValueError(f"an address item holds {ADDRESS_CHARS} characters")
    return encoded + _SPACE * ((size - len(encoded)) // len(_SPACE))


@dataclass(frozen=True, slots=True)
class Card:
    """One card. The reference is all that may be shown of it."""

    ref: str
    layout: Layout
    text: bytes = field(repr=False)
    body_number: bytes = field(repr=False)
    photo: bytes = field(default=PHOTO, repr=False)
    fingerprints: bytes = field(default=b"", repr=False)
    newest_address: bytes | None = field(default=None, repr=False)
    # What the same person carries for other kinds of reader.
    uid: bytes = field(default=b"", repr=False)  # of an ISO 14443 A card: 4, 7 or 10 bytes
    chip_serial: bytes = field(default=b"", repr=False)  # of the ID card's chip, 8 bytes (readers.md 4.1)
    em_tag: bytes = field(default=b"", repr=False)  # of a 125 kHz tag: version byte and 32-bit number
    qr_text: str = field(default="", repr=False)
    pin: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        sizes = (len(self.text), len(self.photo), len(self.body_number))
        if sizes != (TEXT_SIZE, PHOTO_SIZE, BODY_NUMBER_SIZE):
            raise ValueError(f"text, photo and body number have 256, 1024 and 28 bytes, not {sizes}")
        if len(self.fingerprints) not in FINGERPRINT_SIZES:
            raise ValueError("fingerprints of a card have 0, 512 or 1024 bytes")
        if self.newest_address is not None and not (
            0 < len(self.newest_address) <= ADDRESS_ITEMS * ADDRESS_CHARS * len(_SPACE)
        ):
            raise ValueError("the newest address has 1 to 280 bytes, or is None")

    def base_info(self, text: bytes | None = None) -> bytes:
        """Data of the 30 01 reply; `text` stands in for the card's own block, for cards gone bad."""
        return _sizes(TEXT_SIZE, PHOTO_SIZE) + (text or self.text) + self.photo

    def base_info_with_fingerprints(self, text: bytes | None = None) -> bytes:
        """Data of the 30 10 reply."""
        sizes = _sizes(TEXT_SIZE, PHOTO_SIZE, len(self.fingerprints))
        return sizes + (text or self.text) + self.photo + self.fingerprints


def _sizes(*sizes: int) -> bytes:
    return b"".join(size.to_bytes(2, "big") for size in sizes)


class WrongText(Enum):
    """Ways in which a text block goes bad (readers.md 8.1, fault 17)."""

    LONE_SURROGATE = "lone_surrogate"  # D800 as the second character of the name
    NUL_PADDING = "nul_padding"  # every space a NUL: seen on real cards, and to be accepted
    NUL_INSIDE = "nul_inside"  # the ID number begins with a NUL
    ALL_NUL = "all_nul"
    INVALID_DATE = "invalid_date"  # born on 30 February
    CHECK_DIGIT = "check_digit"  # off by one


def spoil_text(card: Card, how: WrongText) -> bytes:
    """The card's text block, gone bad in one way."""
    block = bytearray(card.text)
    number = field_at(card.layout, "id_number")
    birth = field_at(card.layout, "birth_date")
    if how is WrongText.LONE_SURROGATE:
        block[2:4] = b"\x00\xd8"
    elif how is WrongText.NUL_PADDING:
        block = bytearray(card.text.decode("utf-16-le").replace(" ", "\0").encode("utf-16-le"))
    elif how is WrongText.NUL_INSIDE:
        block[number.start : number.start + 2] = b"\0\0"
    elif how is WrongText.ALL_NUL:
        block = bytearray(TEXT_SIZE)
    elif how is WrongText.INVALID_DATE:
        block[birth.start + 8 : birth.stop] = "0230".encode("utf-16-le")
    else:
        last = number.stop - 2
        block[last : last + 2] = _next_digit(chr(block[last])).encode("utf-16-le")
    return bytes(block)


def _next_digit(check: str) -> str:
    return "0" if check == "X" else str((int(check) + 1) % 10)
