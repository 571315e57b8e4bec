"""The system's PC/SC service: the only door to pyscard, whose codes become exceptions here.

Of pyscard only `smartcard.scard` is used: its monitors end for good when the service restarts
(readers.md 4.8).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from drivers.apdu_codec import HOLD_STILL
from drivers.errors import ConfigurationError, DeviceUnavailable, DriverError

SERVICE = "PC/SC"
ACR122_CONTROL = 0x42000001  # SCARD_CTL_CODE(1) of pcsc-lite (readers.md 4.5)
_PNP = r"\\?PnP?\Notification"
_CHANGED = 0x0002
_GONE = 0x0004 | 0x0008  # unknown, unavailable
_PRESENT = 0x0020
_EVENTS_SHIFT = 16

MISSING = (
    "pyscard is missing, which PC/SC readers need: install the packages gcc, libpcsclite-dev and "
    "python3-dev, then: pip install pyscard"
)
NO_SERVICE = "the PC/SC service does not run: install pcscd, and start it with systemctl start pcscd.socket"
DENIED = "the PC/SC service refuses this user: allow access_pcsc and access_card in a polkit rule"
UNPLUGGED = "the reader was unplugged"
HELD = "another program holds the card: end it"
MUTE = "the card does not answer: present it again and hold it still"


class CardFault(DriverError):
    """The card cannot be used now; the text is for a person."""


class ReaderHeld(DriverError):
    """Another program has the reader or the card for itself."""


_OF_CARD = {
    0x8010000C: HOLD_STILL,  # no smart card
    0x80100016: HOLD_STILL,  # not transacted
    0x80100068: HOLD_STILL,  # reset by somebody
    0x80100069: HOLD_STILL,  # removed
    0x8010000F: MUTE,  # protocol mismatch
    0x8010001C: MUTE,  # unsupported
    0x80100065: MUTE,  # unsupported
    0x80100066: MUTE,  # unresponsive
    0x80100067: MUTE,  # unpowered
}
_HELD = frozenset({0x8010000B})
_DENIED = frozenset({0x8010006A, 0x80100027})
_READER_GONE = frozenset({0x80100009, 0x80100017})
_SERVICE_GONE = frozenset({0x80100003, 0x80100013, 0x8010001D, 0x8010001E})
_SUCCESS = 0
_TIMEOUTS = frozenset({0x8010000A, 0x80100002})
_NO_READERS = 0x8010002E


def require() -> ModuleType:
    """pyscard's plain interface. Raises ConfigurationError: it is not installed."""
    try:
        from smartcard import scard
    except (ImportError, OSError) as error:
        raise ConfigurationError(MISSING) from error
    return scard  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class View:
    """A reader's state as the service gives it."""

    state: int
    atr: bytes = field(repr=False)

    @property
    def known(self) -> int:
        """What to wait for a change of."""
        return self.state & ~_CHANGED

    @property
    def is_gone(self) -> bool:
        return bool(self.state & _GONE)

    @property
    def is_present(self) -> bool:
        return bool(self.state & _PRESENT)

    @property
    def events(self) -> int:
        """How often a card came or went; only equality means something."""
        return self.state >> _EVENTS_SHIFT


class Card:
    """A connection to the card, shared with other programs."""

    def __init__(self, scard: Any, handle: Any, protocol: int) -> None:
        self._scard = scard
        self._handle = handle
        self._protocol = protocol
        self.power_off = False
        """Switch the field off at the end: a chip that hangs comes to itself (readers.md 4.1)."""

    def transmit(self, apdu: bytes) -> bytes:
        """Blocks until the reader answers, if ever. Raises CardFault, ReaderHeld, DeviceUnavailable."""
        result, answer = self._scard.SCardTransmit(self._handle, self._protocol, list(apdu))
        _check(result)
        return bytes(byte & 0xFF for byte in answer)

    def close(self) -> None:
        """Gives the card back; it may be gone already, and the service, too."""
        how = self._scard.SCARD_UNPOWER_CARD if self.power_off else self._scard.SCARD_LEAVE_CARD
        self._scard.SCardDisconnect(self._handle, how)


class Service:
    """One context of the service, which has 200 to give: close it. For one thread.

    Every method may block for ever if the service hangs, and raises DeviceUnavailable if it is gone; then
    nothing but `close` is of use.
    """

    def __init__(self) -> None:
        self._scard: Any = require()
        result, self._context = self._scard.SCardEstablishContext(self._scard.SCARD_SCOPE_USER)
        _check(result)

    def close(self) -> None:
        self._scard.SCardReleaseContext(self._context)  # fails if the service is gone, with the context

    def readers(self) -> tuple[str, ...]:
        """Names of the readers that are there now."""
        result, names = self._scard.SCardListReaders(self._context, [])
        if result & 0xFFFFFFFF == _NO_READERS:
            return ()
        _check(result)
        return tuple(names)

    def await_reader(self, count: int, timeout_s: float) -> None:
        """Until there are more or fewer than `count` readers, or the time is up."""
        self._changes(_PNP, count << _EVENTS_SHIFT, timeout_s)

    def watch(self, reader: str, known: int, timeout_s: float) -> View | None:
        """The reader's state once it is another than `known` (0: at once); None when the time is up."""
        return self._changes(reader, known, timeout_s)

    @contextmanager
    def card(self, reader: str) -> Iterator[Card]:
        """Connects to the card on `reader`. Raises CardFault, ReaderHeld, DeviceUnavailable."""
        scard = self._scard
        protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        result, handle, protocol = scard.SCardConnect(
            self._context, reader, scard.SCARD_SHARE_SHARED, protocols
        )
        _check(result)
        card = Card(scard, handle, protocol)
        try:
            yield card
        finally:
            card.close()

    def control(self, reader: str, command: bytes) -> bool:
        """Sends `command` to the reader itself, with or without a card; False if it takes none so."""
        scard = self._scard
        result, handle, _ = scard.SCardConnect(self._context, reader, scard.SCARD_SHARE_DIRECT, 0)
        if result != _SUCCESS:
            return False
        result, _ = scard.SCardControl(handle, ACR122_CONTROL, list(command))
        scard.SCardDisconnect(handle, scard.SCARD_LEAVE_CARD)
        return bool(result == _SUCCESS)

    def look_again(self, reader: str) -> None:
        """Has the service ask the reader whether a card lies there, where it may be wrong.

        To pcsc-lite's clients a card that is powered off after it was lifted is absent from then on; but the
        part of it that tells comings from goings has seen no going yet, and if a card lies there at its next
        look, it takes that for the one before and tells nobody.
        """
        scard = self._scard
        result, handle, _ = scard.SCardConnect(self._context, reader, scard.SCARD_SHARE_DIRECT, 0)
        if result == _SUCCESS:
            scard.SCardDisconnect(handle, scard.SCARD_RESET_CARD)

    def _changes(self, reader: str, known: int, timeout_s: float) -> View | None:
        result, states = self._scard.SCardGetStatusChange(
            self._context, int(timeout_s * 1000), [(reader, known)]
        )
        if result & 0xFFFFFFFF in _TIMEOUTS:
            return None
        _check(result)
        _, state, atr = states[0]
        return View(state, bytes(byte & 0xFF for byte in atr))


def _check(result: int) -> None:
    code = result & 0xFFFFFFFF
    if code == _SUCCESS:
        return
    if code in _OF_CARD:
        raise CardFault(_OF_CARD[code])
    if code in _HELD:
        raise ReaderHeld(HELD)
    if code in _DENIED:
        raise DeviceUnavailable(SERVICE, DENIED)
    if code in _READER_GONE:
        raise DeviceUnavailable(SERVICE, UNPLUGGED, gone=True)
    if code in _SERVICE_GONE:
        raise DeviceUnavailable(SERVICE, NO_SERVICE, gone=True)
    raise DeviceUnavailable(SERVICE, f"the PC/SC service failed with code {code:08X}")
