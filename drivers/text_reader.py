"""Drivers of readers that send lines of text: card numbers in ASCII, and codes of QR and barcode scanners."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from drivers.base import CredentialKind, Tokenise
from drivers.card_number import (
    FACILITY_AND_CARD,
    MAX_BITS,
    ByteOrder,
    card_number,
    data_bits,
    hex_digits,
    largest_digits,
    may_be_reversed,
    number_of_parts,
)
from drivers.errors import ProtocolViolation
from drivers.listening import Decoder, Device, Heard, ListeningReader, ListeningSettings, Refused, Shown
from drivers.text_codec import (
    FACILITY,
    NUMBER,
    Base,
    Charset,
    LineFramer,
    NumberParts,
    NumberTemplate,
    Suffix,
    ascii_tail,
    seven_bits,
    text_of,
    was_meant,
)
from drivers.uid import UID_SIZES, refusal

USUAL_DECIMAL_DIGITS = 10  # "8H10D", and what most readers send for 24 bits, too
EM_TAG_DIGITS = 10
UID_DIGITS = tuple(2 * size for size in UID_SIZES)

_NOT_A_READER = "bytes arrive that are no card numbers: check 'rate', 'line', 'suffix' and 'pattern'"
_NOT_A_SCANNER = "bytes arrive that are no text: check 'rate', 'suffix' and 'charset'"
_OTHER_FORM = "the reader sent a number in another form: check 'pattern', 'base', 'bits' and 'digits'"
_NO_TEXT = "the code holds no text in the set character set: check 'charset' and 'prefix'"
_ZEROS = "a number of zeros only, which is no credential"

IdleMs = Annotated[int, Field(strict=True, ge=20, le=1000)]


class TextSettings(ListeningSettings):
    """A reader that sends each card's number as a line of ASCII."""

    line: Literal["8n1", "7e1"] = "8n1"
    suffix: Suffix = "auto"
    idle_ms: IdleMs = 100
    """A silence that ends a line (suffix "auto", "silence"), or after which it will not be completed."""
    pattern: str = NUMBER
    """The line, with {number} or {facility} and {card} in it, and {any} for what changes."""
    base: Base = "hex"
    kind: Literal["card_number", "card_uid", "em_tag"] = "card_number"
    bits: Annotated[int, Field(strict=True, ge=8, le=MAX_BITS)] = 26
    """card_number only: the cards' format, the length of the Wiegand word with its parity: 26, 34, ..."""
    digits: Annotated[int, Field(strict=True, ge=1, le=80)] | Literal["auto", "any"] = "auto"
    """Of {number}. auto: hex as many as the number needs, decimal 10 or more. any: nobody checks."""
    byte_order: ByteOrder = "as_sent"

    @model_validator(mode="after")
    def _must_fit(self) -> Self:
        NumberTemplate(self.pattern, self.base)
        if self.kind != "card_number" and (self.base != "hex" or FACILITY in self.pattern):
            raise ValueError(f'kind "{self.kind}" needs base "hex" and a pattern with {NUMBER}')
        if FACILITY in self.pattern and (self.base != "decimal" or self.bits not in FACILITY_AND_CARD):
            raise ValueError(f'a pattern with {FACILITY} needs base "decimal" and bits 26, 34, 35 or 37')
        if self.byte_order == "reversed" and (FACILITY in self.pattern or not self._has_whole_bytes()):
            raise ValueError("byte_order: this number has no whole bytes; leave it out")
        return self

    def _has_whole_bytes(self) -> bool:
        return self.kind != "card_number" or may_be_reversed(self.bits)


class QrSettings(ListeningSettings):
    """A serial QR or barcode scanner."""

    suffix: Suffix = "auto"
    idle_ms: IdleMs = 100
    charset: Charset = "utf-8"
    prefix: str = ""
    """What the scanner puts before each code, such as "]Q1": taken off, and a code without it is refused."""
    removal_s: Annotated[float, Field(ge=0.1, le=30)] = 2.0
    """A scanner reads a code again and again while it is held before it."""


class TextDecoder(Decoder[bytes]):
    """Numbers in lines."""

    def __init__(self, settings: TextSettings) -> None:
        super().__init__(LineFramer(settings.suffix), settings.idle_ms / 1000)
        self._settings = settings
        self._template = NumberTemplate(settings.pattern, settings.base)

    def feed(self, data: bytes) -> list[Heard]:
        return super().feed(seven_bits(data) if self._settings.line == "7e1" else data)

    def _meaning(self, frame: bytes) -> Heard | None:
        text = ascii_tail(frame)
        found = self._template.find(text)
        try:
            shown = self._shown(found) if found is not None else None
        except ProtocolViolation as error:
            return Refused(str(error))
        self._misread += len(frame) - len(text) if shown else len(frame)
        if shown is None and was_meant(frame):
            return Refused(_OTHER_FORM)
        return shown

    def _shown(self, found: NumberParts) -> Shown | None:
        """The credential; None if the digits are not as many as they must be. Raises ProtocolViolation."""
        kind = CredentialKind(self._settings.kind)
        number = self._parts(found) if len(found.digits) > 1 else self._number(kind, found.digits[0])
        return Shown(kind, number) if number else None

    def _parts(self, found: NumberParts) -> str | None:
        bits = self._settings.bits
        sizes = tuple(largest_digits(size) for size in FACILITY_AND_CARD[bits])
        if self._settings.digits != "any" and tuple(map(len, found.digits)) != sizes:
            return None
        return number_of_parts(bits, *map(int, found.digits))

    def _number(self, kind: CredentialKind, digits: str) -> str | None:
        if self._settings.digits not in ("any", len(digits)) and not (
            self._settings.digits == "auto" and len(digits) in self._usual(kind)
        ):
            return None
        if kind is CredentialKind.CARD_NUMBER:
            value = int(digits, 16 if self._settings.base == "hex" else 10)
            return card_number(self._settings.bits, value, self._settings.byte_order)
        size = EM_TAG_DIGITS if kind is CredentialKind.EM_TAG else _next(len(digits), UID_DIGITS)
        if len(digits) > size:
            return None
        return _identifier(kind, digits.upper().zfill(size), self._settings.byte_order)

    def _usual(self, kind: CredentialKind) -> tuple[int, ...]:
        bits = self._settings.bits
        if kind is CredentialKind.EM_TAG:
            return (EM_TAG_DIGITS,)
        if kind is CredentialKind.CARD_UID:
            return UID_DIGITS
        if self._settings.base == "hex":
            return (hex_digits(bits),)
        return (max(USUAL_DECIMAL_DIGITS, largest_digits(data_bits(bits))),)


def _next(size: int, sizes: tuple[int, ...]) -> int:
    return next((each for each in sizes if size <= each), sizes[-1])


def _identifier(kind: CredentialKind, digits: str, order: ByteOrder) -> str:
    """Raises ProtocolViolation for what is no lasting number of a card (readers.md 4.7)."""
    if order == "reversed":
        digits = bytes.fromhex(digits)[::-1].hex().upper()
    if kind is CredentialKind.CARD_UID and (cause := refusal(bytes.fromhex(digits))):
        raise ProtocolViolation(cause)
    if not digits.strip("0"):
        raise ProtocolViolation(_ZEROS)
    return digits


class QrDecoder(Decoder[bytes]):
    """Codes: each line is one, as it stands."""

    def __init__(self, settings: QrSettings) -> None:
        super().__init__(LineFramer(settings.suffix), settings.idle_ms / 1000)
        self._settings = settings

    def _meaning(self, frame: bytes) -> Heard | None:
        text = text_of(frame, self._settings.charset)
        if text is not None and text.startswith(self._settings.prefix):
            code = text.removeprefix(self._settings.prefix)
            if code:
                return Shown(CredentialKind.QR_CODE, code)
        self._misread += len(frame)
        return Refused(_NO_TEXT) if was_meant(frame) else None


def text_reader(name: str, settings: TextSettings, tokenise: Tokenise) -> ListeningReader:
    return ListeningReader(name, settings, tokenise, Device(TextDecoder(settings), _NOT_A_READER))


def qr_reader(name: str, settings: QrSettings, tokenise: Tokenise) -> ListeningReader:
    return ListeningReader(name, settings, tokenise, Device(QrDecoder(settings), _NOT_A_SCANNER))
