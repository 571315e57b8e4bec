"""Driver of Wiegand readers and keypads behind a converter to serial, whose form the settings say."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from drivers.base import CredentialKind, Tokenise
from drivers.card_number import (
    FACILITY_AND_CARD,
    ByteOrder,
    card_number,
    hex_digits,
    largest_digits,
    may_be_reversed,
    number_of_parts,
    number_of_word,
)
from drivers.errors import ProtocolViolation
from drivers.keypad import PinPad, PinSettings
from drivers.listening import (
    Decoder,
    Device,
    Heard,
    ListeningReader,
    ListeningSettings,
    Refused,
    Shown,
    Typed,
)
from drivers.wiegand_codec import Digits, Frame, Framing, Key, Keys, make_framer

MEANT_DIGITS = 4  # fewer are what noise leaves; more were a card in a form the settings do not say

_NOT_OURS = (
    "bytes arrive that are no cards of this converter: check 'framing', 'rate', its ground wire and polarity"
)
_OTHER_FORM = "the converter sent a number in another form: check 'framing', 'bits' and 'digits'"
_DAMAGED = "the number was damaged between reader and gateway: present the card again"


class WiegandSettings(ListeningSettings, PinSettings):
    """A Wiegand reader, with or without keys, behind a converter to serial."""

    framing: Framing = "hex_line"
    bits: Literal[26, 34, 35, 37] = 26
    """The cards' format: length of the Wiegand word, parity included."""
    byte_order: ByteOrder = "as_sent"
    notation: Literal["plain", "facility_card"] = "plain"
    """decimal_line only: one number, or facility and card side by side, such as FFFCCCCC."""
    digits: Annotated[int, Field(strict=True, ge=4, le=20)] = 10
    """decimal_line and plain only: how many there are, leading zeros included."""
    keys: Keys = "burst"
    idle_ms: Annotated[int, Field(strict=True, ge=20, le=1000)] = 100
    """A line that has been silent for so long will not be completed."""

    @model_validator(mode="after")
    def _must_fit(self) -> Self:
        if self.byte_order == "reversed" and not may_be_reversed(self.bits):
            raise ValueError(f"byte_order: {self.bits}-bit cards have no whole bytes; leave it out")
        if self.byte_order == "reversed" and self.notation == "facility_card":
            raise ValueError("byte_order: facility and card have no byte order; leave it out")
        if self.notation == "facility_card" and self.framing != "decimal_line":
            raise ValueError('notation: "facility_card" goes with framing "decimal_line" only')
        return self


class WiegandDecoder(Decoder[Frame]):
    """Keys, and cards as numbers of the set format."""

    def __init__(self, settings: WiegandSettings) -> None:
        super().__init__(make_framer(settings.framing, settings.keys), settings.idle_ms / 1000)
        self._settings = settings

    def _meaning(self, frame: Frame) -> Heard | None:
        match frame:
            case Digits(text):
                return self._card(text)
            case Key(char):
                return Typed(char)
        return Refused(_DAMAGED)

    def _card(self, text: str) -> Heard | None:
        try:
            number = self._number(text)
        except ProtocolViolation as error:
            return Refused(str(error))
        if number is not None:
            return Shown(CredentialKind.CARD_NUMBER, number)
        self._misread += len(text)
        return Refused(_OTHER_FORM) if len(text) >= MEANT_DIGITS else None

    def _number(self, text: str) -> str | None:
        """The card's number; None if `text` has another form. Raises ProtocolViolation."""
        bits, order = self._settings.bits, self._settings.byte_order
        match self._settings.framing:
            case "bits_line":
                return number_of_word(bits, int(text, 2), order) if len(text) == bits else None
            case "stx_lrc":  # always 8 or 10 digits, so that a shorter number has leading zeros
                return card_number(bits, int(text, 16), order)
            case "hex_line":
                return card_number(bits, int(text, 16), order) if len(text) == hex_digits(bits) else None
        if self._settings.notation == "plain":
            return card_number(bits, int(text), order) if len(text) == self._settings.digits else None
        facility, card = (largest_digits(size) for size in FACILITY_AND_CARD[bits])
        if len(text) != facility + card:
            return None
        return number_of_parts(bits, int(text[:facility]), int(text[facility:]))


def wiegand_reader(name: str, settings: WiegandSettings, tokenise: Tokenise) -> ListeningReader:
    pad = PinPad(settings.pin, settings.pin_max_digits, settings.pin_timeout_s)
    return ListeningReader(name, settings, tokenise, Device(WiegandDecoder(settings), _NOT_OURS, pad=pad))
