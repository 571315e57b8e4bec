"""What the settings of all kinds of device have in common; each kind's own stand beside its driver."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from drivers.errors import ConfigurationError


def _known_address(url: str) -> str:
    from drivers.transport import check_address

    try:
        return check_address(url)
    except ConfigurationError as error:
        raise ValueError(str(error)) from None


Port = Annotated[
    str,
    AfterValidator(_known_address),
    Field(description="'/dev/serial/by-id/...', 'socket://host:port' or 'rfc2217://host:port'"),
]


class Part(BaseModel):
    """A table in a settings file: frozen, and nothing in it that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DeviceSettings(Part):
    """Settings of one device, without its name and its driver's."""

    bus: ClassVar[str | None] = None
    """Several devices may share one port if they name the same kind of bus and differ in `place`."""

    @property
    def place(self) -> str:
        """Where the device is: no two devices may have the same. Its port, where there is one."""
        return str(getattr(self, "port", ""))

    def anchored(self, folder: Path) -> Self:
        """The same with relative paths taken from `folder`."""
        moved: dict[str, Any] = {
            name: folder / value
            for name in type(self).model_fields
            if isinstance(value := getattr(self, name), Path) and not value.is_absolute()
        }
        return self.model_copy(update=moved) if moved else self


class InputSettings(Part):
    """One input of a board: `normal` is how its contact is while nothing happens."""

    channel: Annotated[int, Field(strict=True, ge=1, le=64, description="the input's number, from 1")]
    normal: Annotated[Literal["open", "closed"], Field(description='"open" or "closed"')] = "open"
    debounce_s: Annotated[
        float, Field(ge=0, le=5, description="a number of seconds, 5 at most; 0.05 to 0.1 is usual")
    ] = 0.05
