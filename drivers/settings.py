"""What an installer may set for each kind of device; checked at start, before any driver is imported."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from drivers.errors import ConfigurationError


def _known_address(url: str) -> str:
    from drivers.transport import check_address

    try:
        return check_address(url)
    except ConfigurationError as error:
        raise ValueError(str(error)) from None


Port = Annotated[str, AfterValidator(_known_address)]
"""`/dev/serial/by-id/...`, `socket://host:port` or `rfc2217://host:port`."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SamVSettings(_Part):
    """An ID-card reader with a SAM-V module."""

    port: Port
    rate: Literal["auto", 115200, 57600, 38400, 19200, 9600] = "auto"
    poll_s: Annotated[float, Field(ge=0.02, le=2.0)] = 0.1  # how often a card is looked for
    presence_s: Annotated[float, Field(ge=0.05, le=2.0)] = 0.15  # how often a read card is looked after


class LcRelaySettings(_Part):
    """A relay board of the LC / LCUS kind."""

    port: Port
    channels: Annotated[int, Field(ge=1, le=8)] = 1
    command_gap_s: Annotated[float, Field(ge=0, le=1.0)] = 0.12
    """The board loses commands less than 0.1 s apart; the rest is what adapters add and take."""
    status_query: bool = False  # True only for boards that answer FF
