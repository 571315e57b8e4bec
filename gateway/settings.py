"""Settings: one TOML file, read once into frozen objects. Everything wrong in it is named by its full path.

Below the daemon's start everyone is handed their piece; nobody else reads settings.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from drivers.catalogue import LOCK_BOARDS, READERS, DriverKind
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
from gateway.decision import Admission, DoorPolicy
from gateway.errors import SettingsError
from messages.model import Direction

NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,31}$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Label = Annotated[str, Field(min_length=1, max_length=60)]


def _known_zone(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("no such time zone; write one such as 'Asia/Shanghai'") from None
    return zone


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GatewayPart(_Part):
    site: Name
    name: Name
    label: Label
    site_key_file: Path
    access_list: Path
    timezone: Annotated[str, AfterValidator(_known_zone)] = "Asia/Shanghai"


class JournalPart(_Part):
    path: Path
    keep_acknowledged_days: Annotated[int, Field(ge=0, le=365)] = 7


class MqttPart(_Part):
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535)] = 1883
    protocol: Literal["5", "3.1.1"] = "5"
    state_every_s: Annotated[float, Field(gt=0, le=60)] = 30.0


class DevicePart(_Part):
    """A reader or lock board. What its driver takes stands beside `name` and `driver` in the file."""

    model_config = ConfigDict(frozen=True, extra="allow")
    name: Name
    driver: str
    _options: BaseModel = PrivateAttr()

    @property
    def options(self) -> BaseModel:
        """The driver's own settings, checked by its own model."""
        return self._options

    def check_options(self, kinds: Mapping[str, DriverKind]) -> list[str]:
        """Says what is wrong with the driver's settings; nothing when all is well."""
        if self.driver not in kinds:
            return [f"driver: there is no {self.driver!r}; known: {', '.join(sorted(kinds))}"]
        model = kinds[self.driver].settings
        try:
            self._options = model.model_validate(self.model_extra or {})
        except ValidationError as error:
            return explain(error, model)
        return []


class LockPart(_Part):
    board: Name
    channel: Annotated[int, Field(ge=1, le=64)]


class DoorPart(_Part):
    name: Name
    label: Label
    readers: Annotated[tuple[Name, ...], Field(min_length=1)]
    lock: LockPart
    direction: Direction = Direction.IN
    pulse_s: Annotated[float, Field(ge=1, le=30)] = 5.0
    admits: Annotated[frozenset[Admission], Field(min_length=1)] = frozenset({Admission.LISTED})
    minimum_assurance: Assurance = Assurance.L0
    when_not_recordable: Literal["admit_listed", "deny"] = "admit_listed"

    @property
    def policy(self) -> DoorPolicy:
        return DoorPolicy(self.admits, self.minimum_assurance)


class Settings(_Part):
    gateway: GatewayPart
    journal: JournalPart
    mqtt: MqttPart = MqttPart()
    readers: tuple[DevicePart, ...]
    lock_boards: tuple[DevicePart, ...]
    doors: Annotated[tuple[DoorPart, ...], Field(min_length=1, max_length=64)]

    @model_validator(mode="after")
    def _everything_fits(self) -> Settings:
        clashes = [*_twice(self), *_dangling(self)]
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
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not TOML: {error}") from error
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        raise _refusal(path, explain(error, Settings)) from None
    wrong = _devices(settings.readers, "readers", READERS)
    wrong += _devices(settings.lock_boards, "lock_boards", LOCK_BOARDS)
    if wrong:
        raise _refusal(path, wrong)
    return _anchored(settings, path.parent)


def _refusal(path: Path, lines: list[str]) -> SettingsError:
    return SettingsError("\n".join(f"{path}: {line}" for line in lines))


def _devices(devices: tuple[DevicePart, ...], key: str, kinds: Mapping[str, DriverKind]) -> list[str]:
    return [
        f"{key}[{number}].{line}"
        for number, device in enumerate(devices)
        for line in device.check_options(kinds)
    ]


def _anchored(settings: Settings, folder: Path) -> Settings:
    gateway, journal = settings.gateway, settings.journal
    paths = {"site_key_file": folder / gateway.site_key_file, "access_list": folder / gateway.access_list}
    return settings.model_copy(
        update={
            "gateway": gateway.model_copy(update=paths),
            "journal": journal.model_copy(update={"path": folder / journal.path}),
        }
    )


def _twice(settings: Settings) -> list[str]:
    readers = [name for door in settings.doors for name in door.readers]
    names = {
        "readers": [part.name for part in settings.readers],
        "lock_boards": [part.name for part in settings.lock_boards],
        "doors": [part.name for part in settings.doors],
    }
    found = [f"{key}: two have the name {name!r}" for key, ns in names.items() for name in _repeated(ns)]
    return found + [f"doors: reader {name!r} belongs to two doors" for name in _repeated(readers)]


def _repeated(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def _dangling(settings: Settings) -> list[str]:
    readers = {part.name for part in settings.readers}
    boards = {part.name for part in settings.lock_boards}
    found = []
    for number, door in enumerate(settings.doors):
        found += [
            f"doors[{number}].readers: there is no reader {name!r}; known: {', '.join(sorted(readers))}"
            for name in door.readers
            if name not in readers
        ]
        if door.lock.board not in boards:
            known = ", ".join(sorted(boards))
            found.append(f"doors[{number}].lock.board: there is no {door.lock.board!r}; known: {known}")
    return found


def explain(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One line for each fault: the key's full path, what is wrong, and what could stand there."""
    return [_line(fault["loc"], fault["type"], fault["msg"], model) for fault in error.errors()]


def _line(loc: tuple[int | str, ...], kind: str, text: str, model: type[BaseModel]) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")
    if kind == "missing":
        return f"{path}: is missing"
    if kind == "extra_forbidden":
        return f"{path}: is not a setting; known here: {', '.join(_known(loc[:-1], model))}"
    text = text.removeprefix("Value error, ")
    return f"{path}: {text}" if path else text


def _known(loc: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    for part in loc:
        if isinstance(part, str):
            model = _inner_model(model.model_fields[part].annotation) or model
    return sorted(model.model_fields)


def _inner_model(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for arg in get_args(annotation) if (m := _inner_model(arg)) is not None), None)
