"""Settings: one TOML file, read once into frozen objects. Everything wrong in it is named by its full path.

Below the daemon's start everyone is handed their piece; nobody else reads settings.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from drivers.base import Assurance
from drivers.catalogue import LOCK_BOARDS, READERS, DriverKind
from drivers.settings import DeviceSettings
from gateway.decision import Admission, DoorPolicy
from gateway.errors import SettingsError
from gateway.mistakes import explain
from gateway.sensing import InputFunction
from gateway.settings_clashes import (
    beyond_the_board,
    dangling,
    misfelt,
    one_journal_twice,
    one_key_twice,
    one_port_twice,
    too_public,
    twice,
    unwired,
    without_pins,
)
from gateway.storage import StorageRule
from messages import tls
from messages.model import Direction
from messages.tls import TlsFiles

_Kinds = Mapping[str, Callable[[], DriverKind[Any]]]
NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,31}$"
MAX_DEVICES = 128
MAX_READERS_OF_A_DOOR = 16


def _a_name(name: str) -> str:
    if not re.fullmatch(NAME_PATTERN, name):
        raise ValueError("is not a name")
    return name


def _not_the_centre(name: str) -> str:
    """Neither in topics nor in the broker's access list, which knows everybody by name alone."""
    if name == "centre":
        raise ValueError("the centre itself is called so")
    return name


def _known_zone(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("no such time zone here") from None
    return zone


def _a_path(path: Path) -> Path:
    if path == Path():
        raise ValueError("names nothing")
    return path


_NAME_HELP = "a name of lower-case letters, digits and hyphens such as 'east-1', 32 at most"
Name = Annotated[str, AfterValidator(_a_name), Field(description=_NAME_HELP)]
Label = Annotated[
    str, Field(min_length=1, max_length=60, description="what people call it, 60 letters at most")
]
FilePath = Annotated[Path, AfterValidator(_a_path), Field(description="the path of a file, in quotes")]


class _Part(BaseModel):
    """Descriptions say what to write; they end each message about a wrong value. TOML has types of its own:
    a number in quotes is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class GatewayPart(_Part):
    site: Annotated[Name, AfterValidator(_not_the_centre)]
    name: Annotated[Name, AfterValidator(_not_the_centre)]
    label: Label
    site_key_file: FilePath
    access_list: FilePath | None = None  # None: the centre sends it
    site_settings: FilePath | None = None
    timezone: Annotated[
        str, AfterValidator(_known_zone), Field(description="a time zone such as 'Asia/Shanghai'")
    ] = "Asia/Shanghai"
    stop_on_battery_low_s: Annotated[
        float | None,
        Field(strict=True, ge=60, le=86_400, description="a number of seconds from 60 to 86400"),
    ] = None


class JournalPart(_Part):
    path: FilePath
    second_path: FilePath | None = None
    storage: Annotated[StorageRule, Field(description='"safe_only" or "any"')] = StorageRule.SAFE_ONLY
    reserve_mib: Annotated[
        int, Field(strict=True, ge=0, le=1_024, description="a number of mebibytes from 0 to 1024")
    ] = 64
    keep_acknowledged_days: Annotated[
        int, Field(strict=True, ge=0, le=365, description="a number of days from 0 to 365")
    ] = 7


class MqttPart(_Part):
    host: Annotated[str, Field(min_length=1, description="the broker's name or address, in quotes")] = (
        "127.0.0.1"
    )
    port: Annotated[
        int, Field(strict=True, ge=1, le=65_535, description="the broker's port, a number from 1 to 65535")
    ] = 1883
    protocol: Annotated[Literal["5", "3.1.1"], Field(description='"5" or "3.1.1", in quotes')] = "5"
    state_every_s: Annotated[
        float, Field(strict=True, gt=0, le=60, description="a number of seconds, 60 at most")
    ] = 30.0
    drain_per_s: Annotated[
        float,
        Field(strict=True, ge=50, le=50_000, description="a number of records a second from 50 to 50000"),
    ] = 50_000.0
    drain_spread_s: Annotated[
        float, Field(strict=True, ge=0, le=600, description="a number of seconds, 600 at most")
    ] = 5.0
    first_call_spread_s: Annotated[
        float, Field(strict=True, ge=0, le=60, description="a number of seconds, 60 at most")
    ] = 2.0
    ca_file: FilePath | None = None
    certificate_file: FilePath | None = None
    key_file: FilePath | None = None

    @model_validator(mode="after")
    def _all_or_none(self) -> MqttPart:
        tls.files(self.ca_file, self.certificate_file, self.key_file)
        return self

    @property
    def tls(self) -> TlsFiles | None:
        """None: MQTT is spoken without TLS."""
        return tls.files(self.ca_file, self.certificate_file, self.key_file)

    def beside(self, folder: Path) -> MqttPart:
        """Relative paths are taken from there."""
        named = {name: getattr(self, name) for name in ("ca_file", "certificate_file", "key_file")}
        return self.model_copy(update={name: path and folder / path for name, path in named.items()})


class KeysPart(_Part):
    """Without them the gateway signs nothing, and takes nothing from the centre."""

    device_key_file: FilePath | None = None
    centre_keys_file: FilePath | None = None


class ClockPart(_Part):
    """By what this machine's time of day is known to be right (`gateway.clock`)."""

    kept_right_by: Annotated[
        Literal["kernel", "host"],
        Field(description='"kernel": as far as it says that something keeps it right; or "host"'),
    ] = "kernel"
    """host: whatever this machine runs on keeps it right, and its kernel does not know."""


class LogPart(_Part):
    """What goes to standard error (`gateway.logs`)."""

    format: Annotated[Literal["text", "json"], Field(description='"text" or "json"')] = "text"
    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Field(description='"debug", "info", "warning" or "error"'),
    ] = "info"


class MetricsPart(_Part):
    """A page for Prometheus; without a port there is none (`gateway.metrics_page`)."""

    port: Annotated[
        int | None, Field(strict=True, ge=1, le=65_535, description="a free port, a number from 1 to 65535")
    ] = None
    host: Annotated[str, Field(min_length=1, description="an address of this machine, in quotes")] = (
        "127.0.0.1"
    )
    beyond_loopback: Annotated[
        bool, Field(strict=True, description="true to let other machines read the page, or false")
    ] = False


class DevicePart(_Part):
    """A reader or lock board. What its driver takes stands beside `name` and `driver` in the file."""

    model_config = ConfigDict(frozen=True, extra="allow")
    name: Name
    driver: Annotated[str, Field(description="the name of a driver, in quotes")]
    _options: DeviceSettings = PrivateAttr()

    @property
    def options(self) -> DeviceSettings:
        """The driver's own settings, checked by its own model."""
        return self._options

    def check_options(self, kinds: _Kinds, folder: Path) -> list[str]:
        """Says what is wrong with the driver's settings; nothing when all is well."""
        if self.driver not in kinds:
            return [f"driver: there is no {self.driver!r}; known: {', '.join(sorted(kinds))}"]
        model: type[DeviceSettings] = kinds[self.driver]().settings
        try:
            self._options = model.model_validate(self.model_extra or {}).anchored(folder)
        except ValidationError as error:
            return explain(error, model)
        return []


class LockPart(_Part):
    board: Name
    channel: Annotated[
        int, Field(strict=True, ge=1, le=64, description="the relay's number on its board, from 1")
    ]


class DoorPart(_Part):
    name: Name
    label: Label
    readers: Annotated[
        tuple[Name, ...],
        Field(min_length=1, max_length=MAX_READERS_OF_A_DOOR, description="a list of 1 to 16 readers' names"),
    ]
    lock: Annotated[LockPart, Field(description="a table { board = ..., channel = ... }")]
    direction: Annotated[Direction, Field(description='"in" or "out"')] = Direction.IN
    pulse_s: Annotated[
        float, Field(strict=True, ge=1, le=30, description="a number of seconds from 1 to 30")
    ] = 5.0
    admits: Annotated[
        frozenset[Admission],
        Field(min_length=1, description='a list of "listed", "verified_id", "pass", one or more'),
    ] = frozenset({Admission.LISTED})
    minimum_assurance: Annotated[Assurance, Field(description='"L0", "L1", "L2" or "L3"')] = Assurance.L0
    asks_pin: Annotated[bool, Field(strict=True, description="true or false")] = False
    open_limit_s: Annotated[
        float, Field(strict=True, ge=5, le=600, description="a number of seconds from 5 to 600")
    ] = 30.0
    exit: Annotated[Literal["button", "handle"], Field(description='"button" or "handle"')] = "handle"
    when_not_recordable: Annotated[
        Literal["admit_listed", "deny"], Field(description='"admit_listed" or "deny"')
    ] = "admit_listed"

    @property
    def policy(self) -> DoorPolicy:
        return DoorPolicy(self.admits, self.minimum_assurance, self.asks_pin)


class InputPart(_Part):
    """What is wired to an input of a lock board or reader, and at which door."""

    board: Name
    channel: Annotated[
        int, Field(strict=True, ge=1, le=64, description="the input's number on its board, from 1")
    ]
    function: Annotated[
        InputFunction,
        Field(description='"contact", "rex", "tamper", "duress", "fire", "mains" or "battery"'),
    ]
    door: Name


class Settings(_Part):
    gateway: Annotated[GatewayPart, Field(description="a table [gateway]")]
    journal: Annotated[JournalPart, Field(description="a table [journal]")]
    mqtt: Annotated[MqttPart, Field(description="a table [mqtt]")] = MqttPart()
    keys: Annotated[KeysPart, Field(description="a table [keys]")] = KeysPart()
    clock: Annotated[ClockPart, Field(description="a table [clock]")] = ClockPart()
    log: Annotated[LogPart, Field(description="a table [log]")] = LogPart()
    metrics: Annotated[MetricsPart, Field(description="a table [metrics]")] = MetricsPart()
    readers: Annotated[
        tuple[DevicePart, ...], Field(max_length=MAX_DEVICES, description="tables [[readers]], 128 at most")
    ]
    lock_boards: Annotated[
        tuple[DevicePart, ...],
        Field(max_length=MAX_DEVICES, description="tables [[lock_boards]], 128 at most"),
    ]
    doors: Annotated[
        tuple[DoorPart, ...], Field(min_length=1, max_length=64, description="1 to 64 tables [[doors]]")
    ]

    inputs: Annotated[
        tuple[InputPart, ...], Field(max_length=256, description="tables [[inputs]], 256 at most")
    ] = ()

    @property
    def rights_path(self) -> Path:
        """Where list, site settings and used commands lie: beside the journal, on the same good disk."""
        return self.journal.path.with_name("rights.db")

    @model_validator(mode="after")
    def _everything_fits(self) -> Settings:
        clashes = [*twice(self), *one_journal_twice(self), *dangling(self), *misfelt(self), *too_public(self)]
        if clashes:
            raise ValueError("; ".join(clashes))
        return self


def load_settings(path: Path) -> Settings:
    """Reads and checks a settings file; relative paths in it are taken from where it lies.

    Raises SettingsError with one line for each thing that is wrong: key, what is wrong, what to write.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"{path}: not TOML: {error}") from error
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        raise _refusal(path, explain(error, Settings)) from None
    wrong = _devices(settings.readers, "readers", READERS, path.parent)
    wrong += _devices(settings.lock_boards, "lock_boards", LOCK_BOARDS, path.parent)
    if not wrong:
        wrong = [
            *beyond_the_board(settings),
            *unwired(settings),
            *without_pins(settings),
            *one_port_twice(settings),
            *one_key_twice(settings),
        ]
    if wrong:
        raise _refusal(path, wrong)
    return _anchored(settings, path.parent)


def _refusal(path: Path, lines: list[str]) -> SettingsError:
    return SettingsError("\n".join(f"{path}: {line}" for line in lines))


def _devices(devices: tuple[DevicePart, ...], key: str, kinds: _Kinds, folder: Path) -> list[str]:
    return [
        f"{key}[{number}].{line}"
        for number, device in enumerate(devices)
        for line in device.check_options(kinds, folder)
    ]


def _anchored(settings: Settings, folder: Path) -> Settings:
    gateway, journal = settings.gateway, settings.journal
    files = ("site_key_file", "access_list", "site_settings")
    paths = {name: path and folder / path for name in files for path in (getattr(gateway, name),)}
    return settings.model_copy(
        update={
            "gateway": gateway.model_copy(update=paths),
            "journal": journal.model_copy(
                update={
                    "path": folder / journal.path,
                    "second_path": None if journal.second_path is None else folder / journal.second_path,
                }
            ),
            "mqtt": settings.mqtt.beside(folder),
            "keys": KeysPart(**{key: path and folder / path for key, path in settings.keys}),
        }
    )
