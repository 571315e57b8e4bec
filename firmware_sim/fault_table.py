"""The faults that can be switched on, by name (readers.md 8.1): what each is called, takes, and is for.

`wire` and the devices do them; `faults` says what is switched on. Knows no bytes, no port, no clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from firmware_sim.cards import WrongText
from firmware_sim.errors import RequestError

# Kinds of device, named as in a scene and in a gateway's settings.
SAM_V = "sam_v"
LC_RELAY = "lc_relay"
RDM6300 = "rdm6300"
ID12 = "id12"
WIEGAND = "wiegand"
TEXT = "text"
QR = "qr"
PN532 = "pn532"
PCSC = "pcsc"
OSDP = "osdp"
OSDP_OUT = "osdp_out"
MODBUS = "modbus"
GPIO = "gpio"

LISTENED_TO = frozenset({RDM6300, ID12, WIEGAND, TEXT, QR})  # they speak unasked and hear nothing
ASKED = frozenset({SAM_V, LC_RELAY, PN532, OSDP, OSDP_OUT, MODBUS})  # a host asks, they answer
SERIAL = LISTENED_TO | ASKED
LINES = SERIAL | {GPIO}
EVERY = LINES | {PCSC}
CHECKED = SERIAL - {LC_RELAY, TEXT, QR}  # their frames carry a check value
MEASURED = frozenset({SAM_V, PN532})  # their frames carry a length
RELAYS = frozenset({LC_RELAY, OSDP, OSDP_OUT, MODBUS, GPIO})

_SAM = frozenset({SAM_V})
_LC = frozenset({LC_RELAY})
_PN532 = frozenset({PN532})
_OSDP = frozenset({OSDP, OSDP_OUT})
_MODBUS = frozenset({MODBUS})
_PCSC = frozenset({PCSC})
_TYPE_A = frozenset({PN532, PCSC})

MAX_COUNT = 1_000_000  # frames a fault may be counted for
MAX_DELAY_S = 600.0
MAX_NOISE = 4096  # bytes of noise at once
MAX_FRAME = 4096  # positions inside a frame
RATES = (115200, 57600, 38400, 19200, 9600)  # readers.md 1.7, in the order of their index

# Answers met in impossible states (readers.md 1.10).
IMPOSSIBLE_ANSWERS = (0x21, 0x31, 0x32, 0x40, 0x41)
EXCEPTIONS = (1, 2, 3, 4, 6)  # of Modbus (7.2)
TWO_CARDS_ANSWERS = (0x81, 0x40)

Value = int | float | str


@dataclass(frozen=True, slots=True)
class Parameter:
    """One setting of a fault. `default` None: the fault chooses by chance, or does without."""

    kind: type
    meaning: str
    default: Value | None = None
    low: float | None = None
    high: float | None = None
    choices: tuple[Value, ...] = ()

    def check(self, fault: str, name: str, value: object) -> Value:
        """The value in its type. RequestError: wrong type, or out of bounds."""
        where = f"fault {fault}, parameter {name}"
        if self.kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, self.kind) or isinstance(value, bool):
            raise RequestError(f"{where}: expects {self.kind.__name__}, not {type(value).__name__}")
        if isinstance(value, str):
            self._check_hex_or_choice(where, value)
            return value
        assert isinstance(value, int | float)
        if self.choices and value not in self.choices:
            raise RequestError(f"{where}: one of {', '.join(map(str, self.choices))}, not {value}")
        if (self.low is not None and not value >= self.low) or (
            self.high is not None and not value <= self.high
        ):
            raise RequestError(f"{where}: {self.low} to {self.high}, not {value}")
        return value

    def _check_hex_or_choice(self, where: str, value: str) -> None:
        if self.choices:
            if value not in self.choices:
                raise RequestError(f"{where}: one of {', '.join(map(str, self.choices))}")
            return
        try:
            size = len(bytes.fromhex(value))
        except ValueError:
            raise RequestError(f"{where}: expects bytes in hex, such as FFFF") from None
        if not 1 <= size <= MAX_NOISE:
            raise RequestError(f"{where}: 1 to {MAX_NOISE} bytes")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that can go wrong."""

    number: int  # row of readers.md 8.1, 0: none
    devices: frozenset[str]
    meaning: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    at_once: bool = False  # happens when switched on and leaves nothing to clear


_AT = Parameter(int, "position in the frame, from 0; by chance if absent", low=0, high=MAX_FRAME)
_HEX = Parameter(str, "the bytes in hex; 1 to 20 by chance if absent")
_CHANNEL = Parameter(int, "relay channel; all if absent", low=1, high=8)


def _gap(default: float) -> Parameter:
    return Parameter(float, "seconds between two writes", default=default, low=0.0, high=MAX_DELAY_S)


CATALOGUE: Mapping[str, Fault] = MappingProxyType(
    {
        "noise_before": Fault(1, SERIAL, "noise in the same write, before the frame", {"hex": _HEX}),
        "noise_after": Fault(1, SERIAL, "noise in the same write, after the frame", {"hex": _HEX}),
        "noise_between": Fault(
            1, SERIAL, "noise in a write of its own, after the frame", {"hex": _HEX, "gap_s": _gap(0.02)}
        ),
        "lost_byte": Fault(2, SERIAL, "one byte of the frame is missing", {"at": _AT}),
        "inserted_byte": Fault(
            3,
            SERIAL,
            "one byte too many in the frame",
            {"at": _AT, "value": Parameter(int, "the byte; by chance if absent", low=0, high=255)},
        ),
        "split": Fault(4, SERIAL, "every byte in its own write", {"gap_s": _gap(0.01)}),
        "cut": Fault(
            4,
            SERIAL,
            "the frame in two writes; without `at` each frame is cut one byte later than the one before",
            {"at": Parameter(int, "bytes in the first write", low=1, high=MAX_FRAME), "gap_s": _gap(0.02)},
        ),
        "merged": Fault(5, SERIAL, "the frame is held back and leaves in one write with the next"),
        "repeated": Fault(5, SERIAL, "the frame twice in one write"),
        "wrong_checksum": Fault(6, CHECKED, "the check value is wrong by its lowest bit"),
        "wrong_length": Fault(
            7,
            MEASURED,
            "Len one too large, or as given",
            {"value": Parameter(int, "Len, 65535 for FF FF", low=0, high=0xFFFF)},
        ),
        "slow": Fault(
            8,
            EVERY,
            "the reply comes late: by delay_s, or factor times what a real device takes",
            {
                "delay_s": Parameter(float, "seconds after the request", low=0.0, high=MAX_DELAY_S),
                "factor": Parameter(float, "times the usual", low=0.0, high=1000.0),
            },
        ),
        "no_answer": Fault(9, EVERY, "replies are not sent"),
        "stuck_busy": Fault(
            10,
            frozenset({SAM_V, PN532}) | _OSDP,
            "every request is answered 80 by a SAM, BUSY by OSDP; a PN532 acknowledges and stays silent",
        ),
        "wedged": Fault(9, LINES, "hears nothing and says nothing until it is restarted or cleared"),
        "babble": Fault(
            0,
            SERIAL,
            "the device never stops sending: bytes by chance, or those given, again and again",
            {
                "hex": Parameter(str, "the bytes in hex; by chance if absent"),
                "size": Parameter(int, "bytes at once, if by chance", default=16, low=1, high=MAX_NOISE),
                "gap_s": Parameter(
                    float, "seconds between two writes", default=0.02, low=0.001, high=MAX_DELAY_S
                ),
            },
        ),
        "bit_flip": Fault(
            0,
            SERIAL,
            "one bit of the frame is wrong",
            {
                "bit": Parameter(
                    int, "bit in the frame, from 0; by chance if absent", low=0, high=8 * MAX_FRAME
                )
            },
        ),
        "unplug": Fault(11, LINES, "the port goes away", at_once=True),
        "replug": Fault(12, LINES, "the port comes back", at_once=True),
        "wrong_rate": Fault(
            13,
            SERIAL,
            "another program left the device at this rate",
            {
                "rate": Parameter(
                    int, "bits per second; the slowest but the present one if absent", choices=RATES
                )
            },
            at_once=True,
        ),
        "lifted": Fault(
            14,
            frozenset({SAM_V, PN532, PCSC}),
            "the card leaves during the next read: 41 from a SAM, status 01 from a PN532, 63 00 by PC/SC",
        ),
        "stop_mid_frame": Fault(
            14,
            _SAM,
            "the read reply ends early and the card is gone",
            {"at": Parameter(int, "bytes sent", default=600, low=0, high=MAX_FRAME)},
        ),
        "two_in_field": Fault(16, _PN532, "a second type A card answers too: both are listed"),
        "two_cards": Fault(
            16,
            _SAM,
            "find succeeds, select fails",
            {
                "status": Parameter(
                    int, "status of select: 129 (81) or 64 (40)", default=0x81, choices=TWO_CARDS_ANSWERS
                )
            },
        ),
        "wrong_text": Fault(
            17,
            _SAM,
            "the text block read is bad",
            {
                "kind": Parameter(
                    str,
                    "what is bad in it",
                    default=WrongText.LONE_SURROGATE.value,
                    choices=tuple(kind.value for kind in WrongText),
                )
            },
        ),
        "zero_uid": Fault(18, _TYPE_A, "the card says that its UID is all zeros"),
        "random_uid": Fault(19, _TYPE_A, "the card has a new UID each time it is asked: 08 and three bytes"),
        "chip_hangs": Fault(
            0, _PN532, "an ID card's chip answers once, then not until the field was off (4.1)"
        ),
        "no_sam": Fault(20, _SAM, "self check answers 60, everything else 66"),
        "wrong_key": Fault(21, _OSDP, "the handshake is made with another key: the cryptogram is wrong"),
        "default_key": Fault(21, _OSDP, "its key is lost: it refuses its own and takes the default key"),
        "plain_text": Fault(21, _OSDP, "it knows no secure channel, says so, and tells cards in plain text"),
        "replays_session": Fault(0, _OSDP, "a handshake is answered with the replies of an older session"),
        "does_not_follow": Fault(23, RELAYS, "the relay ignores commands", {"channel": _CHANNEL}),
        "swallows_hasty": Fault(
            0,
            _LC | _MODBUS,
            "what comes within 100 ms of the command before is lost, on Modbus within 20 ms (7.1, 7.2)",
        ),
        "line_taken": Fault(
            0, frozenset({GPIO}), "another program has the lines: a request is refused, EBUSY"
        ),
        "exception": Fault(
            23,
            _MODBUS,
            "requests are refused with this exception",
            {"code": Parameter(int, "4 device failure, 6 busy, or 1 to 3", default=4, choices=EXCEPTIONS)},
        ),
        "power_dip": Fault(24, EVERY, "the device restarts, its port stays", at_once=True),
        "service_gone": Fault(0, _PCSC, "the PC/SC daemon is killed, with all its readers", at_once=True),
        "service_back": Fault(0, _PCSC, "the PC/SC daemon is started again", at_once=True),
        "write_blocks": Fault(25, LINES, "the line takes no more bytes from the program"),
        "echo": Fault(26, ASKED, "what is received is sent back first"),
        "impossible_answer": Fault(
            0,
            _SAM,
            "status in states where the request makes no sense (1.10)",
            {"status": Parameter(int, "the status", default=0x21, choices=IMPOSSIBLE_ANSWERS)},
        ),
        "find_again_fails": Fault(0, _SAM, "find after find answers 80 (option of 1.10)"),
        "answer_status": Fault(
            0,
            frozenset({SAM_V, PCSC}),
            "a request that would succeed answers this status (1.4); by PC/SC it is SW1 (4.3)",
            {
                "status": Parameter(int, "the status, or SW1 of an APDU", default=0x24, low=0, high=255),
                "command": Parameter(str, "only this command: its first bytes in hex, such as 3001"),
            },
        ),
    }
)
