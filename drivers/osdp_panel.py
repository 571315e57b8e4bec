"""libosdp as the panel of one OSDP device: it builds and checks packets and holds the secure channel.

The only module that imports it. What is done about its habits: readers.md 6.8.
"""

from __future__ import annotations

import time
from typing import Any

from drivers.errors import ConfigurationError
from drivers.osdp_codec import SOM, Packet, Reply, keys_from, packet_from
from drivers.osdp_habits import Mender, seed_generator
from drivers.osdp_keys import Key
from drivers.osdp_seat import Contacts, Item, Local, Outputs, Shown, Typed, Wish

try:  # its wrapper classes keep every event for ever and print; the extension below them does not
    from osdp.control_panel import osdp_sys as library
except ImportError:
    library = None


NO_ANSWER = b"\xff"  # readers.md 6.4: a NAK without a reason

_events, _commands = Mender(), Mender()  # the library forgets another number of references to each


def require_library() -> None:
    """Raises ConfigurationError if libosdp is not installed."""
    if library is None:
        raise ConfigurationError("OSDP needs the package libosdp: pip install 'libosdp>=3.2.9'")


class _Channel:
    """What the library takes for a serial port: one packet out, one packet in."""

    def __init__(self, number: int) -> None:
        self.id = number
        self._out: bytes | None = None
        self._in = b""

    def read(self, at_most: int) -> bytes:
        data, self._in = self._in[:at_most], self._in[at_most:]
        return data

    def write(self, data: bytes) -> int:
        self._out = data
        return len(data)

    def flush(self) -> None:
        self._in = b""

    def take(self) -> bytes | None:
        packet, self._out = self._out, None
        return packet

    def give(self, packet: bytes) -> None:
        self._in = packet


class Panel:
    """libosdp as the panel of one device; used by the line's thread alone."""

    def __init__(self, address: int, key: Key) -> None:
        library.set_loglevel(library.LOG_EMERG)  # its own lines go to standard output, past our log
        self._channel = _Channel(address + 1)
        flags = library.FLAG_INSTALL_MODE if key.is_new else library.FLAG_ENFORCE_SECURE
        about = dict.fromkeys(("version", "model", "vendor_code", "serial_number", "firmware_version"), 0)
        self._device = {
            "name": str(address),
            "address": address,
            "flags": flags | library.FLAG_ENABLE_NOTIFICATION,
            "scbk": key.value,
            "channel": self._channel,
            **about,
        }
        self._context = self._make_context()
        self.gave_up = False  # the library called the device offline
        self.in_flight: Wish | None = None
        self._reports: list[Item] = []
        self._awaited: Packet | None = None  # sent, and not answered yet
        self._is_on_checksum = False
        self._is_fresh = True  # the library begins by itself, once
        self._handed_out: list[tuple[Mender, dict[str, Any]]] = []

    def begin(self) -> None:
        seed_generator()
        self._forget()
        if not self._is_fresh and (self._is_on_checksum or not self._context.enable_pd(0)):
            # it sticks in what went before: in the wait for a device that was busy, or in the weaker check
            # that a device asked for which is no longer there
            self._dismiss()
            self._context = self._make_context()
        self._is_fresh = self._is_on_checksum = False

    def end(self) -> None:
        """The session is over, whatever the library waits for: it takes in no end before an answer."""
        if self._awaited is not None:
            refusal = Packet(
                self._awaited.address, Reply.NAK, NO_ANSWER, self._awaited.sequence, is_reply=True
            )
            self.deliver(refusal.to_bytes())
        self._context.disable_pd(0)
        self.refresh()
        self._forget()

    def close(self) -> None:
        self.end()
        self._dismiss()

    def refresh(self) -> bytes | None:
        """Lets the library work; returns the packet that it wants to send, if it wants to."""
        self._context.refresh()
        while self._handed_out:
            mender, handed = self._handed_out.pop()
            mender.mend(handed)
        frame = self._channel.take()
        if frame is not None:
            self._awaited = packet_from(frame[frame.index(SOM) :])
            self._is_on_checksum = not self._awaited.with_crc
        return frame

    def deliver(self, packet: bytes) -> bytes | None:
        """As `refresh`, with the answer to what was sent last."""
        self._awaited = None
        self._channel.give(packet)
        return self.refresh()

    def submit(self, wish: Wish) -> bool:
        self.in_flight = wish if self._context.submit_command(0, wish) else None
        return self.in_flight is not None

    def take_reports(self) -> list[Item]:
        """What the device has reported since the last call."""
        reports, self._reports = self._reports, []
        return reports

    @property
    def is_secure(self) -> bool:
        return bool(self._context.status() and self._context.sc_status())

    def _make_context(self) -> Any:
        context = library.ControlPanel([self._device])
        context.set_event_callback(self._take_event)
        context.set_command_completion_callback(self._take_completion)
        return context

    def _dismiss(self) -> None:
        """Undoes the circle of references, out of which the library's objects are not collected."""
        self._context.set_event_callback(_ignore)
        self._context.set_command_completion_callback(_ignore)

    def _forget(self) -> None:
        self._channel.take()
        self._channel.flush()
        self._awaited = None
        self.gave_up = False
        self._reports.clear()
        self.in_flight = None

    def _take_event(self, _number: int, event: dict[str, Any]) -> int:
        self._handed_out.append((_events, event))
        if event["event"] != library.EVENT_NOTIFICATION:
            self._reports += _reports_of(event, time.monotonic_ns())
        elif event["type"] == library.EVENT_NOTIFICATION_PD_STATUS and not event["arg0"]:
            self.gave_up = True
        return 0

    def _take_completion(self, _number: int, command: dict[str, Any], _status: int) -> None:
        self._handed_out.append((_commands, command))
        self.in_flight = None


def _ignore(*_: object) -> int:
    return 0


def _reports_of(event: dict[str, Any], now_ns: int) -> list[Item]:
    """An event of the library in our words; none for what nobody here asked for."""
    kind = event["event"]
    if kind == library.EVENT_CARDREAD:
        is_word = event["format"] != library.CARD_FMT_ASCII
        return [Shown(event.get("length", 0), event["data"], now_ns, is_word)]
    if kind == library.EVENT_KEYPRESS:
        return [Typed(keys_from(event["data"]))]
    if kind != library.EVENT_STATUS:
        return []
    report: bytes = event["report"]
    if event["type"] == library.STATUS_REPORT_LOCAL and len(report) >= 2:  # noqa: PLR2004 - tamper, power
        return [Local(bool(report[0]), bool(report[1]), now_ns)]
    if event["type"] == library.STATUS_REPORT_INPUT:
        return [Contacts(tuple(bool(byte) for byte in report), now_ns)]
    if event["type"] == library.STATUS_REPORT_OUTPUT:
        return [Outputs(tuple(bool(byte) for byte in report), now_ns)]
    return []


# --- what may be wished ------------------------------------------------------------------------------------

OFF = 1  # readers.md 6.3: at once, whatever time was left
TIMED_ON = 5  # readers.md 6.3: the device itself ends it
SET = 2  # of a temporary LED
DEFAULT_TONE = 2


def local_wish() -> Wish:
    """Asks for tamper and power."""
    return {"command": library.CMD_STATUS, "type": library.STATUS_REPORT_LOCAL, "report": b""}


def contacts_wish() -> Wish:
    """Asks for all inputs."""
    return {"command": library.CMD_STATUS, "type": library.STATUS_REPORT_INPUT, "report": b""}


def outputs_wish() -> Wish:
    """Asks what all outputs do."""
    return {"command": library.CMD_STATUS, "type": library.STATUS_REPORT_OUTPUT, "report": b""}


def tells_output(wish: Wish) -> bool:
    return bool(wish["command"] == library.CMD_OUTPUT)


def output_wish(number: int, tenths: int) -> Wish:
    """Output `number` (from 0) on for `tenths` of a second, 255 at most: the binding cuts off more."""
    return {
        "command": library.CMD_OUTPUT,
        "output_no": number,
        "control_code": TIMED_ON,
        "timer_count": tenths,
    }


def output_off_wish(number: int) -> Wish:
    """Output `number` (from 0) off, its time cut short."""
    return {
        "command": library.CMD_OUTPUT,
        "output_no": number,
        "control_code": OFF,
        "timer_count": 0,
    }


def led_wish(color: int, *, on: int, off: int, total: int) -> Wish:
    """LED 0 of reader 0 in `color` (readers.md 6.3) for `total` tenths of a second, then as before."""
    return {
        "command": library.CMD_LED,
        "reader": 0,
        "led_number": 0,
        "temporary": True,
        "control_code": SET,
        "on_count": on,
        "off_count": off,
        "on_color": color,
        "off_color": 0,
        "timer_count": total,
    }


def buzzer_wish(*, on: int, off: int, count: int) -> Wish:
    """`count` beeps of `on` tenths of a second, `off` between."""
    return {
        "command": library.CMD_BUZZER,
        "reader": 0,
        "control_code": DEFAULT_TONE,
        "on_count": on,
        "off_count": off,
        "rep_count": count,
    }
