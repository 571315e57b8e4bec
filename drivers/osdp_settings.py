"""What an installer writes for any device on an OSDP line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, Field

from drivers.osdp_codec import MAX_ADDRESS
from drivers.osdp_keys import ReaderKey
from drivers.settings import DeviceSettings, Port


@dataclass(frozen=True, slots=True)
class Place:
    """Where a device is on which line."""

    port: str
    rate: int
    address: int

    def __str__(self) -> str:
        return f"{self.port} address {self.address}"


class OsdpSettings(DeviceSettings):
    """A device on an OSDP line. Devices of one line name the same port and rate."""

    bus: ClassVar[str | None] = "osdp"

    port: Port
    rate: Literal[9600, 19200, 38400, 57600, 115200, 230400] = 9600
    address: Annotated[int, Field(strict=True, ge=0, le=MAX_ADDRESS)] = 0
    key_file: Path
    """The reader's own key: 32 hex digits, mode 0600. Relative to the settings file's folder."""
    install_until: Annotated[
        AwareDatetime | None,
        Field(description="a date and time with its zone, such as 2026-11-25T15:10:00+08:00"),
    ] = None
    """Without a key yet: the reader is given one in the ten minutes before this time, and never after."""

    @property
    def place(self) -> str:
        return str(self.on_line)

    @property
    def on_line(self) -> Place:
        return Place(self.port, self.rate, self.address)

    def make_key(self) -> ReaderKey:
        """Raises ConfigurationError if there is no key that may be used, and none can be made."""
        return ReaderKey(self.key_file, self.install_until)
