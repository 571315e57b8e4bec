"""libosdp's own peripheral device on a port: a peer that we did not write (readers.md 6.8).

Beside `osdp_peripheral`, for tests that must not depend on our reading of the standard. Needs the package
`libosdp`; it has its own thread and clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from queue import Empty, Queue
from types import TracebackType
from typing import Any, Self

import osdp

from firmware_sim.ports import Port, PortLost, PtyPort

INPUTS = 4
OUTPUTS = 4

_KEY_CODES = {"*": 0x7F, "#": 0x0D}  # readers.md 6.4, KEYPAD
_CAPABILITIES = (
    (osdp.Capability.ContactStatusMonitoring, 1, INPUTS),
    (osdp.Capability.OutputControl, 4, OUTPUTS),
    (osdp.Capability.CardDataFormat, 1, 1),
    (osdp.Capability.LEDControl, 4, 1),
    (osdp.Capability.AudibleControl, 2, 1),
    (osdp.Capability.CheckCharacter, 1, 0),
    (osdp.Capability.CommunicationSecurity, 1, 1),
    (osdp.Capability.Readers, 1, 1),
)
_VENDOR = 0x544C58  # invented
_SERIAL = 1
_FIRMWARE = 0x010000


class PortChannel(osdp.Channel):  # type: ignore[misc]  # the library ships no types
    """The library's idea of a line, on one of our ports. Written bytes can be held back."""

    def __init__(self, port: Port) -> None:
        super().__init__()
        self.port = port
        self.silent = False
        self._heard = bytearray()

    def read(self, max_bytes: int) -> bytes:
        """What came, at most `max_bytes`; empty if nothing did or the port is gone."""
        try:
            for fd in self.port.fds():
                self._heard += self.port.read(fd)
        except PortLost:
            self._heard.clear()
        data = bytes(self._heard[:max_bytes])
        del self._heard[:max_bytes]
        return b"" if self.silent else data

    def write(self, buf: bytes) -> int:
        """All or nothing, as the C header of the library demands."""
        if not self.silent:
            self.port.write(bytes(buf))
        return len(buf)

    def flush(self) -> None:
        self._heard.clear()


class OsdpPeer:
    """One peripheral of libosdp on a pseudo-terminal named `link`. `with OsdpPeer(...) as peer:`.

    `key` None: the peripheral is in installation mode, takes the default key SCBK-D and a KEYSET after it.
    `enforce_secure`: it refuses plain text. What the other side commands is kept in `commands`.
    A change of status is told in the reply to a POLL. Asked for it (LSTAT, ISTAT) the peer says that all is
    well, whatever was set: the binding passes no answer on (measured with 3.2.9).
    """

    def __init__(
        self, link: Path, *, address: int = 1, key: bytes | None = None, enforce_secure: bool = True
    ) -> None:
        self._channel = PortChannel(PtyPort(link))
        flags = [osdp.LibFlag.EnforceSecure] if enforce_secure else []
        if key is None:
            flags = [osdp.LibFlag.InstallMode]
        self._info = osdp.PDInfo(
            address,
            self._channel,
            scbk=key,
            flags=flags,
            id=osdp.PdId(1, 1, _VENDOR, _SERIAL, _FIRMWARE),
        )
        self.commands: Queue[dict[str, Any]] = Queue()
        self._device: Any = None

    @property
    def address(self) -> str:
        """What a program opens."""
        return self._channel.port.address

    @property
    def online(self) -> bool:
        """Whether a control panel talks to it."""
        return bool(self._device.is_online())

    @property
    def secure(self) -> bool:
        """Whether a secure channel is up."""
        return bool(self._device.is_sc_active())

    def start(self) -> None:
        self._device = osdp.PeripheralDevice(
            self._info,
            osdp.PDCapabilities(list(_CAPABILITIES)),
            log_level=osdp.LogLevel.Emergency,
            command_handler=self._commanded,
        )
        self._device.start()

    def stop(self) -> None:
        self._device.teardown()
        self._device = None

    def restart(self) -> None:
        """Lose power and come back: sequence, channel and waiting events are gone; the port stays."""
        self.stop()
        self.start()

    def silence(self, *, on: bool) -> None:
        """Hear and say nothing, as with a cut wire."""
        self._channel.silent = on

    def present(self, bits: int, data: bytes) -> None:
        """Show a card: its first `bits` bits, the first one in bit 7 of the first byte."""
        self._submit(
            {
                "event": osdp.Event.CardRead,
                "reader_no": 0,
                "direction": 0,
                "format": osdp.CardFormat.Wiegand,
                "length": bits,
                "data": data,
            }
        )

    def press(self, keys: str) -> None:
        """Type keys of 0 to 9, * and #; they arrive together."""
        codes = bytes(_KEY_CODES.get(key, ord(key)) for key in keys)
        self._submit({"event": osdp.Event.KeyPress, "reader_no": 0, "data": codes})

    def set_status(self, *, tamper: bool = False, power_failure: bool = False) -> None:
        """Open the case, or let the supply fail."""
        self._report(osdp.StatusReportType.Local, (tamper, power_failure))

    def set_inputs(self, active: Sequence[bool]) -> None:
        """Set the first contacts as given, the others inactive. ValueError: it has no more than INPUTS."""
        if len(active) > INPUTS:
            raise ValueError(f"the peer has {INPUTS} contacts, not {len(active)}")
        # Measured: a report of another length than the capability says takes the peer offline.
        self._report(osdp.StatusReportType.Input, [*active, *[False] * (INPUTS - len(active))])

    def command(self, timeout_s: float) -> dict[str, Any] | None:
        """The next command from the other side, as libosdp describes it; None if none came."""
        try:
            return self.commands.get(timeout=timeout_s)
        except Empty:
            return None

    def close(self) -> None:
        """End the thread and pull the plug."""
        if self._device is not None:
            self.stop()
        self._channel.port.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _report(self, kind: int, values: Sequence[bool]) -> None:
        self._submit({"event": osdp.Event.Status, "type": kind, "report": bytes(values)})

    def _submit(self, event: dict[str, Any]) -> None:
        if not self._device.submit_event(event):
            raise RuntimeError("libosdp took no event: its queue is full, or it knows no such event")

    def _commanded(self, command: dict[str, Any]) -> tuple[int, None]:
        self.commands.put(command)
        return 0, None
