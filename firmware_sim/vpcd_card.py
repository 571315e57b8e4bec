"""Contactless cards and the PC/SC reader they lie on, as APDU in, answer out (readers.md 4).

Knows no socket, thread, clock or file; chance is an argument.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from firmware_sim.device import Notice

OK = bytes.fromhex("90 00")
END_OF_DATA = bytes.fromhex("62 82")
FAILED = bytes.fromhex("63 00")
NOT_SUPPORTED = bytes.fromhex("6A 81")
WRONG_CLASS = bytes.fromhex("68 00")
UNKNOWN_INSTRUCTION = bytes.fromhex("6D 00")  # ISO 7816-4: a part 4 card that does not know the command
_WRONG_LENGTH = 0x6C  # and the right one in SW2

UID_SIZES = (4, 7, 10)
CHIP_SERIAL_SIZE = 8
MAX_APDU = 261  # header, Lc, 255 bytes, Le
PUPI = bytes(4)  # of every resident ID card (readers.md 4.1)
RANDOM_UID_HEAD = b"\x08"
DEFAULT_PICC = 0xFF
FIRMWARE = b"ACR122U215"

ATR_CLASSIC_1K = bytes.fromhex("3B 8F 80 01 80 4F 0C A0 00 00 03 06 03 00 01 00 00 00 00 6A")
ATR_ULTRALIGHT = bytes.fromhex("3B 8F 80 01 80 4F 0C A0 00 00 03 06 03 00 03 00 00 00 00 68")
ATR_PART_4 = bytes.fromhex("3B 80 80 01 01")
ATR_ID_CARD = bytes.fromhex("3B 88 80 01 D1 03 86 05 00 80 80 00 58")

_HEADER_SIZE = 4  # CLA INS P1 P2
_GET_UID = bytes.fromhex("FF CA 00 00")
_GET_HISTORICAL = bytes.fromhex("FF CA 01 00")
_LOAD_KEY = bytes.fromhex("FF 82")
_AUTHENTICATE = bytes.fromhex("FF 86")
_ID_CARD_SERIAL = bytes.fromhex("00 36 00 00 08")
_FIELD = bytes.fromhex("FF 00 00 00 04 D4 32 01")
_PSEUDO_CLASS = 0xFF
_DIRECT = 0x00  # instruction of the ACR122's own commands
_LED_SIZE = 9
_LED_DATA_SIZE = 4

# SW2 beside the SW1 that a fault names (readers.md 4.3); any other goes with 00.
_USUAL_SW2 = {0x62: 0x82, 0x6A: 0x81}


@dataclass(frozen=True, slots=True)
class ContactlessCard:
    """One card. `ref` names it in events and is no identity."""

    ref: str
    atr: bytes
    uid: bytes | None  # None: it has none to give
    chip_serial: bytes | None = None  # resident ID card only
    historical: bytes | None = None
    fresh_uid: bool = False  # a phone: another UID each time it is laid down


def type_a_card(ref: str, uid: bytes, *, atr: bytes | None = None) -> ContactlessCard:
    """An ISO 14443 A card. Its ATR, unless given, is one that goes with such a UID (readers.md 4.2)."""
    usual = {4: ATR_CLASSIC_1K, 7: ATR_ULTRALIGHT, 10: ATR_PART_4}
    if len(uid) not in UID_SIZES:
        raise ValueError(f"a type A UID has 4, 7 or 10 bytes, not {len(uid)}")
    return ContactlessCard(ref, usual[len(uid)] if atr is None else atr, uid)


def id_card(ref: str, chip_serial: bytes, *, atr: bytes = ATR_ID_CARD) -> ContactlessCard:
    """A resident ID card: type B, its PUPI all zeros, its chip's serial to be asked for (readers.md 4.1)."""
    if len(chip_serial) != CHIP_SERIAL_SIZE:
        raise ValueError(f"a chip serial has {CHIP_SERIAL_SIZE} bytes, not {len(chip_serial)}")
    return ContactlessCard(ref, atr, PUPI, chip_serial=chip_serial)


def phone(ref: str) -> ContactlessCard:
    """Something with a random UID, 08 in front, another each time (readers.md 4.7)."""
    return ContactlessCard(ref, ATR_PART_4, None, fresh_uid=True)


def nameless_card(ref: str) -> ContactlessCard:
    """A card whose UID the reader cannot give: FF CA is answered 6A 81."""
    return ContactlessCard(ref, ATR_PART_4, None)


class Faults(Protocol):
    """What is wrong with the reader now; `firmware_sim.faults.FaultSet` is one.

    Asked for are: no_answer, slow (delay_s, factor), lifted, zero_uid, random_uid, and answer_status
    (status: SW1; command: the APDU's beginning in hex, if not for all).
    """

    def use(self, name: str) -> Mapping[str, Any] | None:
        """Parameters of a fault that is on, and one use counted; None if it is off."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back for one APDU. `data` None: nothing, for ever."""

    data: bytes | None
    delay_s: float = 0.0
    gives_identity: bool = False  # a good answer with the UID or the chip's serial
    card_left: bool = False  # it was lifted while it was read


class ContactlessReader:
    """A reader of the ACR122 family, or with `acr122=False` one without commands of its own.

    `passes_raw`: whether `00 36 00 00 08` reaches an ID card, which depends on the reader (readers.md 4.3).
    """

    def __init__(
        self,
        rng: Random,
        *,
        faults: Faults | None = None,
        acr122: bool = True,
        passes_raw: bool = True,
        usual_s: float = 0.0,
    ) -> None:
        self._rng = rng
        self._faults = faults
        self._acr122 = acr122
        self._passes_raw = passes_raw
        self._usual_s = usual_s
        self._card: ContactlessCard | None = None
        self._uid: bytes | None = None
        self._picc = DEFAULT_PICC
        self._red = self._green = False
        self._notices: list[Notice] = []

    @property
    def card(self) -> ContactlessCard | None:
        """What lies on the reader."""
        return self._card

    @property
    def leds(self) -> tuple[bool, bool]:
        """Whether red and green are lit."""
        return self._red, self._green

    def present(self, card: ContactlessCard) -> None:
        """Lay a card down, in place of any other."""
        self._card = card
        self._uid = self._random_uid() if card.fresh_uid else card.uid
        self._notices.append(Notice("presented", card=card.ref))

    def remove(self) -> None:
        """Take away what lies there, if anything does."""
        if self._card is not None:
            self._notices.append(Notice("removed", card=self._card.ref))
        self._card = self._uid = None

    def power_cycle(self) -> None:
        """The reader restarts: lights and settings are those of a new one."""
        self._picc = DEFAULT_PICC
        self._red = self._green = False

    def notices(self) -> list[Notice]:
        notices, self._notices = self._notices, []
        return notices

    def atr(self) -> bytes:
        """ATR of the card; empty if none lies there."""
        return b"" if self._card is None else self._card.atr

    def transmit(self, apdu: bytes) -> Answer:
        """Answer one APDU; anything that is none is answered like an unknown one."""
        if self._fault("no_answer") is not None:
            return Answer(None)
        delay_s = self._delay_s()
        if self._card is None:
            return Answer(FAILED, delay_s)
        reads = self._reads(apdu)
        if reads and self._fault("lifted") is not None:
            self.remove()
            return Answer(FAILED, delay_s, card_left=True)
        if (words := self._spoilt(apdu)) is not None:
            return Answer(words, delay_s)
        data = self._answer(bytes(apdu))
        return Answer(data, delay_s, gives_identity=reads and data.endswith(OK))

    def _fault(self, name: str) -> Mapping[str, Any] | None:
        return None if self._faults is None else self._faults.use(name)

    def _delay_s(self) -> float:
        slow = self._fault("slow")
        if slow is None:
            return self._usual_s
        if slow.get("delay_s") is not None:
            return float(slow["delay_s"])
        return self._usual_s * float(slow.get("factor") or 1.0)

    def _reads(self, apdu: bytes) -> bool:
        asks_serial = (
            self._card is not None and self._card.chip_serial is not None and apdu == _ID_CARD_SERIAL
        )
        return apdu.startswith(_GET_UID) or asks_serial

    def _spoilt(self, apdu: bytes) -> bytes | None:
        status = self._fault("answer_status")
        if status is None or not apdu.hex().startswith(str(status.get("command") or "").lower()):
            return None
        sw1 = int(status["status"])
        return bytes((sw1, _USUAL_SW2.get(sw1, 0x00)))

    def _answer(self, apdu: bytes) -> bytes:
        if not _HEADER_SIZE <= len(apdu) <= MAX_APDU:
            return WRONG_CLASS
        if apdu[0] == _PSEUDO_CLASS:
            return self._answer_pseudo(apdu)
        return self._answer_card(apdu)

    def _answer_card(self, apdu: bytes) -> bytes:
        card = self._card
        assert card is not None
        if card.chip_serial is None:
            return UNKNOWN_INSTRUCTION if card.atr == ATR_PART_4 else NOT_SUPPORTED
        if apdu == _ID_CARD_SERIAL and self._passes_raw:
            return card.chip_serial + OK
        return NOT_SUPPORTED

    def _answer_pseudo(self, apdu: bytes) -> bytes:
        head = apdu[:4]
        if head == _GET_UID:
            return _of_length(self._uid_now(), apdu)
        if head == _GET_HISTORICAL:
            assert self._card is not None
            return _of_length(self._card.historical, apdu)
        if apdu[:2] == _LOAD_KEY:
            return OK
        if apdu[:2] == _AUTHENTICATE:
            return FAILED
        if apdu[1] == _DIRECT and self._acr122:
            return self._answer_acr122(apdu)
        return NOT_SUPPORTED

    def _uid_now(self) -> bytes | None:
        if self._uid is not None and self._fault("zero_uid") is not None:
            return bytes(len(self._uid))
        return self._random_uid() if self._fault("random_uid") is not None else self._uid

    def _random_uid(self) -> bytes:
        return RANDOM_UID_HEAD + self._rng.randbytes(3)

    def _answer_acr122(self, apdu: bytes) -> bytes:
        command, value = apdu[2], apdu[3]
        match command:
            case 0x48:
                return FIRMWARE  # without 90 00 (readers.md 4.5)
            case 0x40:
                return self._show(apdu)
            case 0x50:
                return bytes((0x90, self._picc))
            case 0x51:
                self._picc = value
                return bytes((0x90, self._picc))
            case 0x52 | 0x41:
                return OK
            case 0x00 if apdu.startswith(_FIELD) and len(apdu) == len(_FIELD) + 1:
                self._notices.append(Notice("field", detail="on" if apdu[-1] & 1 else "off"))
                return bytes.fromhex("D5 33") + OK
        return FAILED

    def _show(self, apdu: bytes) -> bytes:
        """LED and buzzer (readers.md 4.5): what stays lit, what blinks, what is heard."""
        if len(apdu) != _LED_SIZE or apdu[4] != _LED_DATA_SIZE:
            return FAILED
        bits, (first, second, times, buzzer) = apdu[3], apdu[5:]
        if bits & 0x04:
            self._red = bool(bits & 0x01)
        if bits & 0x08:
            self._green = bool(bits & 0x02)
        lit = _colours(red=self._red, green=self._green)
        blinking = _colours(red=bool(bits & 0x40), green=bool(bits & 0x80))
        rhythm = f"{times} x {first * 100} + {second * 100} ms"
        beeps = times * ((buzzer & 1) + (buzzer >> 1 & 1))
        self._notices.append(
            Notice("shown", detail=f"lit {lit}, blinking {blinking} {rhythm}, {beeps} beeps")
        )
        return bytes((0x90, self._red | self._green << 1))


def _colours(*, red: bool, green: bool) -> str:
    return " and ".join(name for name, on in (("red", red), ("green", green)) if on) or "nothing"


def _of_length(data: bytes | None, apdu: bytes) -> bytes:
    """The data as long as Le asks; 00 or no Le: all of it."""
    if not data:
        return NOT_SUPPORTED
    wanted = apdu[_HEADER_SIZE] if len(apdu) > _HEADER_SIZE else 0
    if wanted and wanted < len(data):
        return bytes((_WRONG_LENGTH, len(data)))
    return data + (END_OF_DATA if wanted > len(data) else OK)
