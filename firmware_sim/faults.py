"""The faults that can be switched on, and what is switched on for one device (readers.md 8.1).

Says what a fault is called and takes; `wire` and the devices do it. Knows no bytes, no port, no clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from firmware_sim.cards import WrongText
from firmware_sim.errors import RequestError

READER = "reader"
LOCK_BOARD = "lock_board"

_BOTH = frozenset({READER, LOCK_BOARD})
_READER = frozenset({READER})
_LOCK_BOARD = frozenset({LOCK_BOARD})

MAX_COUNT = 1_000_000  # frames a fault may be counted for
MAX_DELAY_S = 600.0
MAX_NOISE = 4096  # bytes of noise at once
MAX_FRAME = 4096  # positions inside a frame
RATES = (115200, 57600, 38400, 19200, 9600)  # readers.md 1.7, in the order of their index

# Answers met in impossible states (readers.md 1.10).
IMPOSSIBLE_ANSWERS = (0x21, 0x31, 0x32, 0x40, 0x41)
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
        "noise_before": Fault(1, _BOTH, "noise in the same write, before the frame", {"hex": _HEX}),
        "noise_after": Fault(1, _BOTH, "noise in the same write, after the frame", {"hex": _HEX}),
        "noise_between": Fault(
            1, _BOTH, "noise in a write of its own, after the frame", {"hex": _HEX, "gap_s": _gap(0.02)}
        ),
        "lost_byte": Fault(2, _BOTH, "one byte of the frame is missing", {"at": _AT}),
        "inserted_byte": Fault(
            3,
            _BOTH,
            "one byte too many in the frame",
            {"at": _AT, "value": Parameter(int, "the byte; by chance if absent", low=0, high=255)},
        ),
        "split": Fault(4, _BOTH, "every byte in its own write", {"gap_s": _gap(0.01)}),
        "cut": Fault(
            4,
            _BOTH,
            "the frame in two writes; without `at` each frame is cut one byte later than the one before",
            {"at": Parameter(int, "bytes in the first write", low=1, high=MAX_FRAME), "gap_s": _gap(0.02)},
        ),
        "merged": Fault(5, _BOTH, "the frame is held back and leaves in one write with the next"),
        "repeated": Fault(5, _BOTH, "the frame twice in one write"),
        "wrong_checksum": Fault(6, _READER, "last byte XOR 01"),
        "wrong_length": Fault(
            7,
            _READER,
            "Len one too large, or as given",
            {"value": Parameter(int, "Len, 65535 for FF FF", low=0, high=0xFFFF)},
        ),
        "slow": Fault(
            8,
            _BOTH,
            "the reply comes late: by delay_s, or factor times what a real device takes",
            {
                "delay_s": Parameter(float, "seconds after the request", low=0.0, high=MAX_DELAY_S),
                "factor": Parameter(float, "times the usual", low=0.0, high=1000.0),
            },
        ),
        "no_answer": Fault(9, _BOTH, "replies are not sent"),
        "stuck_busy": Fault(10, _READER, "every request is answered 80"),
        "unplug": Fault(11, _BOTH, "the port goes away", at_once=True),
        "replug": Fault(12, _BOTH, "the port comes back", at_once=True),
        "wrong_rate": Fault(
            13,
            _READER,
            "another program left the module at this rate",
            {"rate": Parameter(int, "bits per second", default=RATES[-1], choices=RATES)},
            at_once=True,
        ),
        "lifted": Fault(14, _READER, "the card leaves during the next read, which answers 41"),
        "stop_mid_frame": Fault(
            14,
            _READER,
            "the read reply ends early and the card is gone",
            {"at": Parameter(int, "bytes sent", default=600, low=0, high=MAX_FRAME)},
        ),
        "two_cards": Fault(
            16,
            _READER,
            "find succeeds, select fails",
            {
                "status": Parameter(
                    int, "status of select: 129 (81) or 64 (40)", default=0x81, choices=TWO_CARDS_ANSWERS
                )
            },
        ),
        "wrong_text": Fault(
            17,
            _READER,
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
        "no_sam": Fault(20, _READER, "self check answers 60, everything else 66"),
        "does_not_follow": Fault(23, _LOCK_BOARD, "the relay ignores commands", {"channel": _CHANNEL}),
        "swallows_hasty": Fault(0, _LOCK_BOARD, "commands within 100 ms of the one before are lost (7.1)"),
        "power_dip": Fault(24, _BOTH, "the device restarts, its port stays", at_once=True),
        "write_blocks": Fault(25, _BOTH, "the line takes no more bytes from the program"),
        "echo": Fault(26, _BOTH, "what is received is sent back first"),
        "impossible_answer": Fault(
            0,
            _READER,
            "status in states where the request makes no sense (1.10)",
            {"status": Parameter(int, "the status", default=0x21, choices=IMPOSSIBLE_ANSWERS)},
        ),
        "find_again_fails": Fault(0, _READER, "find after find answers 80 (option of 1.10)"),
        "answer_status": Fault(
            0,
            _READER,
            "a request that would succeed answers this status (1.4)",
            {
                "status": Parameter(int, "the status", default=0x24, low=0, high=255),
                "command": Parameter(str, "only this command: CMD PARA in hex, such as 3001"),
            },
        ),
    }
)


@dataclass(slots=True)
class _Active:
    parameters: Mapping[str, Value | None]
    left: int | None  # uses left, None: until cleared
    used: int = 0


class FaultSet:
    """What is wrong with one device now. Belongs to the thread that owns the device."""

    def __init__(self, device_kind: str) -> None:
        self._kind = device_kind
        self._active: dict[str, _Active] = {}
        self._spent: list[str] = []

    def switch_on(self, name: str, parameters: Mapping[str, object], *, count: int | None = None) -> None:
        """From now on, for `count` uses or until cleared. RequestError: unknown, unfit, bad parameter."""
        checked = check_fault(self._kind, name, parameters)
        if count is not None and not 1 <= count <= MAX_COUNT:
            raise RequestError(f"fault {name}: count is 1 to {MAX_COUNT}")
        self._active[name] = _Active(checked, count)

    def use(self, name: str) -> Mapping[str, Any] | None:
        """Parameters if the fault is on, and one use counted; None if it is off."""
        active = self._active.get(name)
        if active is None:
            return None
        active.used += 1
        if active.left is not None:
            active.left -= 1
            if active.left == 0:
                del self._active[name]
                self._spent.append(name)
        return active.parameters

    def peek(self, name: str) -> Mapping[str, Any] | None:
        """As `use`, without counting."""
        active = self._active.get(name)
        return None if active is None else active.parameters

    def used(self, name: str) -> int:
        """How often an active fault was used."""
        active = self._active.get(name)
        return 0 if active is None else active.used

    def clear(self, name: str | None = None) -> tuple[str, ...]:
        """Switch one or all off; gives the names that were on."""
        names = tuple(self._active) if name is None else tuple(n for n in (name,) if n in self._active)
        for each in names:
            del self._active[each]
        return names

    def spent(self) -> tuple[str, ...]:
        """Names whose count ran out since the last call."""
        if not self._spent:
            return ()
        spent, self._spent = tuple(self._spent), []
        return spent

    def __bool__(self) -> bool:
        return bool(self._active)

    def describe(self) -> dict[str, dict[str, Any]]:
        """Active faults with their parameters and what is left of their count."""
        return {
            name: {key: value for key, value in active.parameters.items() if value is not None}
            | ({} if active.left is None else {"count": active.left})
            for name, active in self._active.items()
        }


def check_fault(device_kind: str, name: str, parameters: Mapping[str, object]) -> Mapping[str, Value | None]:
    """All parameters of the fault, defaults filled in. RequestError names what does not fit."""
    fault = CATALOGUE.get(name)
    if fault is None:
        raise RequestError(f"no fault {name!r}; there are {', '.join(sorted(CATALOGUE))}")
    if device_kind not in fault.devices:
        raise RequestError(f"fault {name} is not for a {device_kind}")
    for key in parameters:
        if key not in fault.parameters:
            known = ", ".join(fault.parameters) or "none"
            raise RequestError(f"fault {name} has no parameter {key!r}; it has: {known}")
    checked: dict[str, Value | None] = {}
    for key, parameter in fault.parameters.items():
        given = parameters.get(key)
        checked[key] = parameter.default if given is None else parameter.check(name, key, given)
    return checked
