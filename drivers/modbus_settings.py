"""What an installer writes for a relay board on a Modbus RTU line."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from drivers.inputs import Supervision
from drivers.modbus_codec import MAX_UNIT
from drivers.pulses import SafeStates, check_safe_states
from drivers.settings import DeviceSettings, InputSettings, Port


class ModbusInput(InputSettings):
    """An input; with `supervised` it is read from the input register of its number."""

    supervised: Supervision | None = None


class ModbusSettings(DeviceSettings):
    """A relay board on a Modbus RTU line."""

    bus: ClassVar[str | None] = "modbus"

    port: Port
    rate: Literal[1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200] = 9600
    parity: Literal["none", "even", "odd"] = "none"
    unit: Annotated[int, Field(ge=1, le=MAX_UNIT)] = 1
    channels: Annotated[int, Field(ge=0, le=64)] = 1
    inputs: Annotated[tuple[ModbusInput, ...], Field(max_length=64)] = ()
    poll_s: Annotated[float, Field(ge=0.02, le=1.0)] = 0.03
    request_gap_s: Annotated[float, Field(ge=0, le=0.5)] = 0.02
    """Slow boards lose a request that follows an answer more closely; some need 0.05."""
    reply_s: Annotated[float, Field(ge=0.02, le=2.0)] = 0.2
    timed_pulse: Literal["none", "value", "address"] = "none"
    """How the board itself ends a pulse: by a time in place of FF 00, or the same at address 0200; or not."""
    safe_state: SafeStates = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        check_safe_states(self.safe_state, self.channels)
        numbers = [each.channel for each in self.inputs]
        if len(set(numbers)) < len(numbers):
            raise ValueError("inputs: each channel may stand there once")
        if not self.channels and not numbers:
            raise ValueError("the board has neither relays nor inputs: set 'channels' or 'inputs'")
        return self

    @property
    def place(self) -> str:
        return f"{self.port} unit {self.unit}"

    @property
    def character_s(self) -> float:
        """A character on the line: start, 8 bits, parity or a second stop bit, stop."""
        return 11 / self.rate
