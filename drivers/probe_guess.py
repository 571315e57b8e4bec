"""From what was heard on a line at each speed to what hangs there, and how sure that is. Pure.

Certain is what a device proves by a check of its own. Lines of text have none: they are likely when a form
that only one kind of reader sends came, or the same form again, and a guess otherwise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from drivers.errors import ProtocolViolation
from drivers.osdp_codec import BROADCAST, Capability, Reply, capabilities_from, packet_from
from drivers.probe_finding import Finding, Heard, Sureness, Value, unusual
from drivers.probe_lines import BYTE_ORDER, reader_of_lines
from drivers.probe_meaning import PN532_START, Piece, dissect
from drivers.sam_codec import PREAMBLE


def guess(heard: Iterable[Heard]) -> list[Finding]:
    """What hangs on the line, the surest first; several readers of one bus are several findings."""
    found = [finding for each in heard for finding in _at_one_rate(each)]
    order = list(Sureness)
    return sorted(found, key=lambda finding: order.index(finding.sureness))


def another_master(heard: Iterable[Heard]) -> str | None:
    """Says who asks and commands on this line beside us, if anybody does; `heard` before we sent anything."""
    for each in heard:
        for piece in dissect(each.data):
            if piece.form in ("request", "command"):
                return f"another program talks to devices on this line ({piece.meaning})"
    return None


def leftover(heard: Heard) -> int:
    """How many bytes belong to nothing that is known; what a line at rest or an echo makes does not count."""
    pieces = dissect(heard.data)
    return sum(len(piece.raw.strip(_OF_REST)) for piece in pieces if piece.driver is None)


_OF_REST = b"\x00\xff"


def begins_well(heard: Heard) -> bool:
    """Whether a frame began here that no wrong speed makes, though none came whole."""
    return any(
        PREAMBLE in piece.raw or PN532_START in piece.raw
        for piece in dissect(heard.data)
        if piece.driver is None
    )


def _at_one_rate(heard: Heard) -> list[Finding]:
    pieces = dissect(heard.data)
    answers = [piece for piece in pieces if piece.form not in ("request", "command", "unknown", "line")]
    by_driver: dict[str, list[Piece]] = {}
    for piece in answers:
        by_driver.setdefault(piece.driver or "", []).append(piece)
    found = [
        finding for driver, of_one in by_driver.items() for finding in _CHECKED[driver](heard.rate, of_one)
    ]
    return found or reader_of_lines(heard, [piece for piece in pieces if piece.form == "line"])


# --- protocols that prove themselves -----------------------------------------------------------------------


def _sam(rate: int | None, pieces: Sequence[Piece]) -> list[Finding]:
    about = _about(pieces) or "ID-card reader with a SAM-V module"
    reason = "it answered with right check bytes"
    return [Finding("sam_v", rate, Sureness.CERTAIN, about, reason)]  # its driver finds the rate each time


def _pn532(rate: int | None, pieces: Sequence[Piece]) -> list[Finding]:
    about = _about(pieces)
    if not about and not any(piece.form == "reply" for piece in pieces):
        reason = "it acknowledged a command, but told no version"
        return [Finding("pn532", rate, Sureness.LIKELY, "PN532 on a serial line", reason)]
    reason = "it answered with right check bytes"
    return [Finding("pn532", rate, Sureness.CERTAIN, about or "PN532 on a serial line", reason)]


def has_told_abilities(heard: Heard, address: int) -> bool:
    """Whether the OSDP device at `address` has said what it has."""
    packets = [packet_from(piece.raw) for piece in dissect(heard.data) if piece.driver == "osdp"]
    return any((each.is_reply, each.code, each.address) == (True, Reply.PDCAP, address) for each in packets)


@dataclass
class _OsdpDevice:
    about: str = ""
    reads_cards: bool = True  # until it says what it has
    outputs: int = 0


def _osdp(rate: int | None, pieces: Sequence[Piece]) -> list[Finding]:
    """Each address that answered as a reader, and as a board where it has outputs.

    The address of an answer to all says nothing.
    """
    devices: dict[int, _OsdpDevice] = {}
    for piece in pieces:
        packet = packet_from(piece.raw)
        device = devices.setdefault(packet.address, _OsdpDevice())
        device.about = piece.about or device.about
        if packet.code == Reply.PDCAP and not packet.is_secured:
            _take_abilities(device, packet.data)
    own = {address: device for address, device in devices.items() if address != BROADCAST} or devices
    found = [_osdp_reader(rate, address, own[address]) for address in sorted(own) if own[address].reads_cards]
    return found + [
        _osdp_board(rate, address, own[address]) for address in sorted(own) if own[address].outputs
    ]


def _take_abilities(device: _OsdpDevice, data: bytes) -> None:
    try:
        abilities = capabilities_from(data)
    except ProtocolViolation:
        return  # it does not say
    reading = (abilities.get(Capability.CARD_FORMAT), abilities.get(Capability.READERS))
    device.reads_cards = any(ability is not None and ability.number for ability in reading)
    outputs = abilities.get(Capability.OUTPUTS)
    device.outputs = outputs.number if outputs else 0


_OSDP_KEY = "key_file: each device needs a key of its own; docs/readers/osdp.md says how it gets one"


def _osdp_reader(rate: int | None, address: int, device: _OsdpDevice) -> Finding:
    what, reason = device.about or "OSDP reader", "it answered with a right check"
    options, mind = _osdp_place(rate, address)
    return Finding("osdp", rate, Sureness.CERTAIN, what, reason, options, mind)


def _osdp_board(rate: int | None, address: int, device: _OsdpDevice) -> Finding:
    what, reason = f"OSDP device {address} with {device.outputs} outputs", "it told what it has"
    options, mind = _osdp_place(rate, address)
    options["channels"] = device.outputs
    return Finding("osdp_out", rate, Sureness.CERTAIN, what, reason, options, mind, is_lock_board=True)


def _osdp_place(rate: int | None, address: int) -> tuple[dict[str, Value], tuple[str, ...]]:
    if address == BROADCAST:
        return {**unusual(rate), "key_file": "osdp.key"}, ("address: not known yet", _OSDP_KEY)
    return {"address": address, **unusual(rate), "key_file": f"osdp-{address}.key"}, (_OSDP_KEY,)


def _modbus(rate: int | None, pieces: Sequence[Piece]) -> list[Finding]:
    units = sorted({piece.raw[0] for piece in pieces})
    return [_modbus_board(rate, unit) for unit in units]


def _modbus_board(rate: int | None, unit: int) -> Finding:
    options: dict[str, Value] = {"unit": unit, **unusual(rate)}
    what, reason = f"Modbus board, unit {unit}", "it answered with a right CRC"
    return Finding("modbus", rate, Sureness.CERTAIN, what, reason, options, is_lock_board=True)


def _lc(rate: int | None, pieces: Sequence[Piece]) -> list[Finding]:
    channels = max(int(piece.about) for piece in pieces)
    return [
        Finding(
            "lc_relay",
            rate,
            Sureness.CERTAIN,
            f"LC relay board, {channels} relays" if channels > 1 else "LC relay board, 1 relay",
            "it told the state of its relays",
            {"channels": channels, "status_query": True},
            is_lock_board=True,
        )
    ]


def _em(rate: int | None, pieces: Sequence[Piece]) -> list[Finding]:
    votes = Counter(piece.driver or "" for piece in pieces)
    driver = votes.most_common(1)[0][0]
    name = "ID-12 (frames with CR LF)" if driver == "id12" else "RDM6300"
    return [
        Finding(
            driver,
            rate,
            Sureness.CERTAIN,
            f"125 kHz reader, {name}",
            "a tag came with right check digits",
            unusual(rate),
        )
    ]


W34_DIGITS = 8


def _lrc(rate: int | None, pieces: Sequence[Piece]) -> list[Finding]:
    digits = max(len(piece.raw) - 3 for piece in pieces)  # STX, ETX and the check byte are none
    bits = 34 if digits == W34_DIGITS else 37
    options: dict[str, Value] = {"framing": "stx_lrc", "bits": bits}
    mind = (f"bits: whether the cards have {bits} or fewer is not told by the converter", BYTE_ORDER)
    reason = "a card came with a right check byte"
    return [
        Finding(
            "wiegand",
            rate,
            Sureness.CERTAIN,
            "Wiegand converter, STX and check byte",
            reason,
            options | unusual(rate),
            mind,
        )
    ]


def _about(pieces: Sequence[Piece]) -> str:
    return next((piece.about for piece in pieces if piece.about), "")


_CHECKED: Mapping[str, Callable[[int | None, Sequence[Piece]], list[Finding]]] = {
    "sam_v": _sam,
    "pn532": _pn532,
    "osdp": _osdp,
    "modbus": _modbus,
    "lc_relay": _lc,
    "rdm6300": _em,
    "id12": _em,
    "wiegand": _lrc,
}
