"""Settings: one TOML file, read once into frozen objects. Everything wrong in it is named by its full path.

Below the start everyone is handed their piece; nobody else reads settings.
"""

from __future__ import annotations

import ipaddress
import tomllib
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from central.errors import SettingsError
from central.identity.retention_rules import (
    LEAST_ENTRY_DAYS,
    MOST_DAYS,
    MOST_ENTRY_DAYS,
    USUAL_DAYS,
    USUAL_ENTRY_DAYS,
)
from messages import tls
from messages.tls import TlsFiles, TlsRefused


def is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _loopback(host: str) -> str:
    if not is_this_machine(host):
        raise ValueError(
            "only this machine may be listened to, because passwords would be read on the way; write"
            ' host = "127.0.0.1" and put a web server that speaks HTTPS before it'
        )
    return host


def _known_zone(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError('no such time zone; write one such as "Asia/Shanghai"') from None
    return zone


def _provider(issuer: str) -> str:
    """As the provider itself writes it: a stroke at the end more or less is another one."""
    try:
        parts = urlsplit(issuer)
        host = parts.hostname or ""
        safe = parts.scheme == "https" or (parts.scheme == "http" and is_this_machine(host))
        plain = parts.port != 0 and not (parts.username or parts.query or parts.fragment)
    except ValueError:
        host, safe, plain = "", False, False
    if not (safe and plain and host):
        raise ValueError("write the provider's address as it does itself, such as https://login.example")
    return issuer


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ListenPart(_Part):
    host: Annotated[str, AfterValidator(_loopback)] = "127.0.0.1"
    port: Annotated[int, Field(strict=True, ge=0, le=65_535)] = 8080
    """0: a free port, named at start."""
    address: Annotated[str, Field(pattern=r"^https://[a-z0-9.-]{1,200}(:\d{1,5})?$")] | None = None
    """What people type to get here, where a web server stands before it. Passkeys belong to this name."""


class DatabasePart(_Part):
    """Either a SQLite file or the address of a PostgreSQL database."""

    path: Path | None = None
    url: Annotated[str, Field(pattern=r"^(sqlite|postgresql\+psycopg)://")] | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> DatabasePart:
        if (self.path is None) == (self.url is None):
            raise ValueError("write either path or url")
        return self

    @property
    def address(self) -> str:
        return self.url if self.url is not None else f"sqlite:///{self.path}"


class MqttPart(_Part):
    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(strict=True, ge=1, le=65_535)] = 1883
    protocol: Literal["5", "3.1.1"] = "5"
    client_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")] = "liuhen-central"
    """Each process needs its own: two with the same one throw each other out."""
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

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


class ConsolePart(_Part):
    timezone: Annotated[str, AfterValidator(_known_zone)] = "Asia/Shanghai"
    language: Literal["zh", "en"] = "zh"
    demo_accounts: Path | None = None
    """Accounts whose passwords stand on the sign-in page. For the demo, where everybody is invented."""


class AccountsPart(_Part):
    key_file: Path = Path("accounts.key")
    """What second factors are sealed with; made at the first start. Keep a copy apart from the database's."""


_Words = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=200)], ...], Field(max_length=20)]


class OidcPart(_Part):
    """A provider (OpenID Connect) whose sign-in stands for the password of accounts that are linked to it."""

    issuer: Annotated[str, Field(max_length=300), AfterValidator(_provider)]
    client_id: Annotated[str, Field(min_length=1, max_length=200)]
    client_secret_file: Path | None = None
    client_secret_variable: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")] | None = None
    """The name of an environment variable. The secret itself never stands in the settings."""
    name: Annotated[str, Field(min_length=1, max_length=40)]
    """Shown on the button."""
    claim: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/-]{1,100}$")] = "sub"
    """Names whoever signed in there, for good: another person never gets it."""
    second_factor_acr: _Words = ()
    second_factor_amr: _Words = ()
    """What the provider says where it saw a second factor; without either it is always given here."""
    ca_file: Path | None = None
    """Who signed the provider's certificate; without one, whom this machine trusts."""

    @model_validator(mode="after")
    def _one_secret(self) -> OidcPart:
        if (self.client_secret_file is None) == (self.client_secret_variable is None):
            raise ValueError("write either client_secret_file or client_secret_variable")
        return self

    def beside(self, folder: Path) -> OidcPart:
        """Relative paths are taken from there."""
        named = {name: getattr(self, name) for name in ("client_secret_file", "ca_file")}
        return self.model_copy(update={name: path and folder / path for name, path in named.items()})


class LimitsPart(_Part):
    """How often the API and the pages are asked within a minute; more is answered with 429."""

    an_account_a_minute: Annotated[int, Field(strict=True, ge=10)] = 300
    """Of one person, from all their browsers together."""
    a_token_a_minute: Annotated[int, Field(strict=True, ge=10)] = 600
    an_address_a_minute: Annotated[int, Field(strict=True, ge=10)] = 1_200
    """Also of those who have not signed in. Many people may come from one office."""


class KeysPart(_Part):
    """Made by `liuhen-central keys`; relative paths are taken from where the settings lie."""

    centre_key_file: Path = Path("centre.key")
    gateway_keys: Path = Path("gateway-keys")
    """A folder: one file for each gateway that is trusted."""


class IdentityPart(_Part):
    """Keys of identity, made by `liuhen-central identity make`, and how long visitors' identity is kept."""

    key_ring: Path = Path("key-ring")
    """A folder outside the database and outside its backups; relative to where the settings lie."""
    suite: Literal["international", "commercial"] = "international"
    visitor_basis: Annotated[str, Field(min_length=8, max_length=300)] | None = None
    """The legal basis on which visitors' identity is kept; without one no gateway seals any."""
    visitor_days: Annotated[int, Field(strict=True, ge=1, le=MOST_DAYS)] = USUAL_DAYS
    visitor_days_rule: Annotated[str, Field(min_length=8, max_length=300)] | None = None
    entry_days: Annotated[int, Field(strict=True, ge=LEAST_ENTRY_DAYS, le=MOST_ENTRY_DAYS)] = USUAL_ENTRY_DAYS
    """So long after its arrival here an entry is ended, and all that is a record."""
    entry_days_rule: Annotated[str, Field(min_length=8, max_length=300)] | None = None

    @model_validator(mode="after")
    def _longer_only_by_a_rule(self) -> IdentityPart:
        if self.visitor_days > USUAL_DAYS and self.visitor_days_rule is None:
            raise ValueError(
                f"more than {USUAL_DAYS} visitor_days need the rule that demands them; cite it in"
                " visitor_days_rule"
            )
        if self.entry_days > USUAL_ENTRY_DAYS and self.entry_days_rule is None:
            raise ValueError(
                f"more than {USUAL_ENTRY_DAYS} entry_days need the rule that demands them; cite it in"
                " entry_days_rule"
            )
        return self


class Settings(_Part):
    database: DatabasePart
    listen: ListenPart = ListenPart()
    mqtt: MqttPart = MqttPart()
    console: ConsolePart = ConsolePart()
    accounts: AccountsPart = AccountsPart()
    keys: KeysPart = KeysPart()
    identity: IdentityPart = IdentityPart()
    limits: LimitsPart = LimitsPart()
    oidc: OidcPart | None = None

    @model_validator(mode="after")
    def _to_come_back_to(self) -> Settings:
        if self.oidc is not None and self.listen.address is None and self.listen.port == 0:
            raise ValueError("[oidc] has to name where people come back to: write [listen] address")
        return self

    @property
    def public_address(self) -> str:
        """Where people find us, as the settings say it and no request does."""
        return self.listen.address or f"http://localhost:{self.listen.port}"


def load_settings(path: Path) -> Settings:
    """Reads and checks a settings file; a relative [database] path is taken from where the file lies.

    Raises SettingsError with one line for each thing that is wrong: key, what is wrong, what to write.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        settings = Settings.model_validate(data)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}); name it with --settings") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not TOML: {error}") from error
    except ValidationError as error:
        raise SettingsError("\n".join(f"{path}: {line}" for line in explain(error))) from None
    return _with_files_beside(settings, path)


def explain(error: ValidationError) -> list[str]:
    """One line a fault: the key's path and what to write, without values: a url may hold a password."""
    lines = []
    for fault in error.errors(include_url=False, include_input=False):
        *parts, key = [str(part) for part in fault["loc"]] or ["the file"]
        where = f"[{'.'.join(parts)}] {key}" if parts else key
        lines.append(f"{where}: {_what(fault['type'], fault['msg'], parts)}")
    return lines


def _what(kind: str, text: str, parts: list[str]) -> str:
    if kind == "extra_forbidden":
        return f"no such key; known here: {', '.join(_keys_of(parts))}"
    if kind == "missing":
        return "is missing; see central.example.toml"
    return text.removeprefix("Value error, ")


def _keys_of(parts: list[str]) -> list[str]:
    part: type[BaseModel] = Settings
    for name in parts:
        annotation = part.model_fields[name].annotation
        for inner in (annotation, *get_args(annotation)):  # the latter of a part that may be absent
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                part = inner
    return list(part.model_fields)


def _with_files_beside(settings: Settings, file: Path) -> Settings:
    folder = file.parent.resolve()
    database = settings.database
    if database.path is not None:
        database = database.model_copy(update={"path": folder / database.path})
    keys = KeysPart(
        centre_key_file=folder / settings.keys.centre_key_file,
        gateway_keys=folder / settings.keys.gateway_keys,
    )
    accounts = AccountsPart(key_file=folder / settings.accounts.key_file)
    console = settings.console
    if console.demo_accounts is not None:
        console = console.model_copy(update={"demo_accounts": folder / console.demo_accounts})
    identity = settings.identity.model_copy(update={"key_ring": folder / settings.identity.key_ring})
    mqtt = settings.mqtt.beside(folder)
    try:
        if mqtt.tls:
            mqtt.tls.context()
    except TlsRefused as error:
        raise SettingsError(f"{file}: [mqtt] {error}") from None
    return settings.model_copy(
        update={
            "database": database,
            "console": console,
            "accounts": accounts,
            "oidc": settings.oidc and settings.oidc.beside(folder),
            "keys": keys,
            "mqtt": mqtt,
            "identity": identity,
        }
    )
