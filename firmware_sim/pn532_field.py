"""What a PN532 meets in its field: type A cards, or an ID card's type B chip (readers.md 4.1, 4.7, 5.3)."""

from random import Random

from firmware_sim.cards import Card
from firmware_sim.faults import FaultSet
from firmware_sim.pn532_frame import crc_b

ATQB = bytes.fromhex("50 00 00 00 00 D1 03 86 0C 00 80 80")
CHIP_SERIAL_SIZE = 8

_REQB = bytes.fromhex("05 00 00")
_ATTRIB = bytes.fromhex("1D 00 00 00 00 00 08 01")  # and the CID, which the chip echoes
_CIDS = (0x08, 0x01)
_GET_SERIAL = bytes.fromhex("00 36 00 00 08")
_GET_RANDOM = bytes.fromhex("00 84 00 00 08")
_GOOD = bytes.fromhex("90 00")
_CRC_SIZE = 2
_SENS_RES = {4: 0x0004, 7: 0x0044, 10: 0x0084}
_CLASSIC_1K = 0x08
_ULTRALIGHT = 0x00
_RANDOM_UID = 0x08


class IdCardChip:
    """The chip of a resident ID card as plain type B frames; it loses its state with the field."""

    def __init__(self, serial: bytes, faults: FaultSet, rng: Random) -> None:
        self._serial = serial
        self._faults = faults
        self._rng = rng
        self._asked = False
        self._attached = False
        self._hung = False

    def lose_power(self) -> None:
        self._asked = self._attached = self._hung = False

    def attach(self) -> None:
        """REQB and ATTRIB done by the reader's chip itself."""
        self._asked = self._attached = True

    @property
    def hung(self) -> bool:
        return self._hung

    def answer(self, frame: bytes) -> bytes | None:
        """Its answer to a frame with CRC_B, with CRC_B; None: it stays silent."""
        data, check = frame[:-_CRC_SIZE], frame[-_CRC_SIZE:]
        if self._hung or crc_b(data) != check:
            return None
        said = self._said(data)
        return None if said is None else said + crc_b(said)

    def _said(self, data: bytes) -> bytes | None:
        if data == _REQB:  # it knows no HALT: asked again, it answers again
            self._asked, self._attached = True, False
            return ATQB
        if data[:-1] == _ATTRIB and data[-1] in _CIDS and self._asked:
            self._attached = True
            return data[-1:]
        if not self._attached:
            return None
        if data == _GET_RANDOM:
            return self._rng.randbytes(8) + _GOOD
        if data != _GET_SERIAL:
            return None
        self._hung = self._faults.use("chip_hangs") is not None
        return self._serial + _GOOD


def type_a_target(number: int, uid: bytes) -> bytes:
    """Tg, SENS_RES, SEL_RES, length and UID, as InListPassiveTarget gives them."""
    sel_res = _CLASSIC_1K if len(uid) == min(_SENS_RES) else _ULTRALIGHT
    return bytes((number, *_SENS_RES[len(uid)].to_bytes(2, "big"), sel_res, len(uid))) + uid


def type_a_uids(card: Card, faults: FaultSet, rng: Random) -> list[bytes]:
    """The UIDs in the field: the card's, or what a fault makes of it."""
    if not card.uid:
        return []
    uid = card.uid
    if faults.use("zero_uid") is not None:
        uid = bytes(len(uid))
    elif faults.use("random_uid") is not None:
        uid = bytes((_RANDOM_UID,)) + rng.randbytes(3)
    if faults.use("two_in_field") is None:
        return [uid]
    return [uid, uid[:-1] + bytes((uid[-1] ^ 0x55,))]
