"""`liuhen-central send`: access lists, site settings and commands to gateways. For the operator.

Heavy modules are imported only when a command runs.
"""

from __future__ import annotations

import re
import secrets
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self, TypeVar

import typer

from central.cli_keys import SettingsFile, mendable
from central.errors import OrderRefused
from central.settings import Settings, load_settings
from messages.commands import Action, Outcome, RecordRange, Why
from messages.model import REFERENCE
from messages.signing import EVERY_GATEWAY
from messages.topics import GatewayTopic, Leaf

if TYPE_CHECKING:
    from collections.abc import Callable

    from central.ingest.outgoing import Outgoing
    from messages.commands import Command, Result

send_app = typer.Typer(no_args_is_help=True, help="Lists, settings and commands to gateways.")

Site = Annotated[str | None, typer.Option(help="needed where gateways of two sites have one name")]
Operator = Annotated[str, typer.Option(help="who orders it: an opaque reference, not a name")]
Reason = Annotated[Why, typer.Option("--reason", help="why")]
OnlyNote = Annotated[bool, typer.Option("--only-note", help="send nothing: `pack` or a serving centre does")]

_T = TypeVar("_T")
_NOT_DONE = 1
_CONNECT_S = 10.0
_SEND_S = 60.0
_ANSWER_S = 15.0
_MINUTE_US = 60_000_000


@send_app.command("list")
def send_list(
    settings: SettingsFile,
    file: Annotated[Path, typer.Argument(help="the access list, JSON")],
    site: Annotated[str, typer.Option(help="the site whose gateways are to have it")],
    gateway: Annotated[str, typer.Option(help="only this one")] = EVERY_GATEWAY,
    *,
    only_note: OnlyNote = False,
) -> None:
    """Give a site's gateways, or one, a new access list. A serving centre goes on until each has it."""
    from central.fleet.lists import gateways_of, messages_for, note_list
    from central.store.engine import writing
    from messages.access_list import decode_list_file

    with mendable(), _Office(settings) as office:
        found = _read(file, decode_list_file)
        with writing(office.engine) as connection:
            list_id = note_list(connection, site, gateway, found, _now_us())
            versions = dict(gateways_of(connection, site))
        receivers = list(versions) if gateway == EVERY_GATEWAY else [gateway]
        for name in [] if only_note else receivers:
            with writing(office.engine) as connection:
                has = versions.get(name)
                messages = messages_for(connection, office.key, site, name, list_id, has=has)
            office.outgoing.send(str(GatewayTopic(site, name, Leaf.LIST)), messages, _SEND_S)
            typer.echo(f"{name}: list {found.version}, {len(found.entries)} credentials")
        _say_where_nobody_is(site, gateway, list(versions))


@send_app.command("settings")
def send_settings(
    settings: SettingsFile,
    file: Annotated[Path, typer.Argument(help="the site settings, JSON")],
    site: Annotated[str, typer.Option(help="the site whose gateways are to have them")],
    gateway: Annotated[str, typer.Option(help="only this one")] = EVERY_GATEWAY,
    *,
    only_note: OnlyNote = False,
) -> None:
    """Give a site's gateways, or one, new site settings; the broker keeps them for those that are away."""
    from central.fleet.lists import gateways_of
    from central.fleet.orders import BY_COMMAND_LINE, note_settings, settings_for
    from central.store.engine import writing

    with mendable(), _Office(settings) as office:
        body = _read(file, bytes)
        with writing(office.engine) as connection:
            revision = note_settings(connection, site, gateway, body, _now_us(), by=BY_COMMAND_LINE)
            names = [name for name, _ in gateways_of(connection, site)]
            receivers = names if gateway == EVERY_GATEWAY else [gateway]
            signed = {name: settings_for(connection, office.key, site, name) for name in receivers}
        if only_note:
            _say_where_nobody_is(site, gateway, names)
            return
        for name, payload in signed.items():
            if payload is not None:
                topic = str(GatewayTopic(site, name, Leaf.SETTINGS))
                office.outgoing.send(topic, [payload], _SEND_S, retain=True)
                typer.echo(f"{name}: settings {revision}; whether it takes them say its records")
        _say_where_nobody_is(site, gateway, names)


@send_app.command("release")
def send_release(
    settings: SettingsFile,
    gateway: Annotated[str, typer.Argument(help="the gateway")],
    door: Annotated[str, typer.Argument(help="the door")],
    *,
    operator: Operator,
    reason: Reason,
    site: Site = None,
) -> None:
    """Release a door once, now or never. Exit 1 where that was refused or nobody answered."""
    _order(settings, site, gateway, Action.RELEASE, operator=operator, why=reason, door=door)


@send_app.command("command")
def send_command(
    settings: SettingsFile,
    action: Annotated[Action, typer.Argument(help="what to do")],
    gateway: Annotated[str, typer.Argument(help="the gateway")],
    *,
    operator: Operator,
    reason: Reason,
    door: Annotated[str | None, typer.Option(help="at which door")] = None,
    minutes: Annotated[
        int | None, typer.Option(min=1, max=44_640, help="for how long a door stays free or locked down")
    ] = None,
    records: Annotated[
        list[str] | None, typer.Option(help="EPOCH:FIRST-LAST, as often as needed", metavar="RANGE")
    ] = None,
    site: Site = None,
) -> None:
    """Any command. Exit 1 where it was refused or nobody answered."""
    with mendable():
        if minutes is None and action in (Action.FREE, Action.LOCK_DOWN):
            raise OrderRefused(f"{action} needs --minutes: for how long, at the most a month")
        ranges = tuple(_range(text) for text in records or ())
    _order(
        settings,
        site,
        gateway,
        action,
        operator=operator,
        why=reason,
        door=door,
        minutes=minutes,
        ranges=ranges,
    )


def _order(
    settings: Path,
    site: str | None,
    gateway: str,
    action: Action,
    *,
    operator: str,
    why: Why,
    door: str | None = None,
    minutes: int | None = None,
    ranges: tuple[RecordRange, ...] = (),
) -> None:
    from central.fleet.orders import make_command, note_command, signed_command, site_of
    from central.store.engine import writing

    with mendable(), _Office(settings) as office:
        if not re.fullmatch(REFERENCE, operator):
            raise OrderRefused("--operator: an opaque reference of letters, digits, dots and hyphens")
        with writing(office.engine) as connection:
            place = GatewayTopic(site or site_of(connection, gateway), gateway, Leaf.COMMAND)
        office.outgoing  # noqa: B018  connected before the command's seconds begin to run
        now_us = _now_us()
        until_us = None if minutes is None else now_us + minutes * _MINUTE_US
        command = make_command(
            secrets.token_hex(16), action, operator, why, now_us, door=door, until_us=until_us, ranges=ranges
        )
        with writing(office.engine) as connection:
            note_command(connection, place.site, gateway, command)
        payload = signed_command(office.key, place.site, gateway, command)
        office.outgoing.send(str(place), [payload], _ANSWER_S)
        result = office.answer_to(command)
    typer.echo(_told(result))
    if result is None or result.outcome is not Outcome.DONE:
        raise typer.Exit(_NOT_DONE)


def _say_where_nobody_is(site: str, gateway: str, known: list[str]) -> None:
    """A site or gateway that is misspelt is not there either."""
    if not known:
        typer.echo(f"noted; no gateway of site {site} has ever spoken to this centre: is that its name?")
    elif gateway not in (EVERY_GATEWAY, *known):
        typer.echo(f"noted; no gateway {gateway} of {site} has ever spoken here; known: {', '.join(known)}")


class _Office:
    """Database, keys and, once something is to be sent, the line to the broker."""

    def __init__(self, settings: Path) -> None:
        self._settings_file = settings
        self._answers: dict[str, Result] = {}
        self._open = ExitStack()
        self._outgoing: Outgoing | None = None

    def __enter__(self) -> Self:
        from central.fleet.keys import load_centre_keys
        from central.store.engine import migrate, open_writer

        self._settings: Settings = load_settings(self._settings_file)
        self.key = load_centre_keys(self._settings.keys.centre_key_file).signing[0]
        self.engine = open_writer(self._settings.database.address)
        self._open.callback(self.engine.dispose)
        migrate(self.engine)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def outgoing(self) -> Outgoing:
        """Connects at the first time. Raises BrokerUnavailable."""
        from central.ingest.outgoing import Outgoing
        from messages.topics import from_gateways

        if self._outgoing is None:
            mqtt = self._settings.mqtt
            client_id = f"{mqtt.client_id}-{secrets.token_hex(4)}"
            self._outgoing = Outgoing(mqtt, client_id, from_gateways(Leaf.RESULT), self._heard)
            self._outgoing.start()
            self._open.callback(self._outgoing.stop)
            self._outgoing.wait_connected(_CONNECT_S)
        return self._outgoing

    def answer_to(self, command: Command) -> Result | None:
        """Waits for it; None: it did not come, and the command is no longer good."""
        pause_s, until_s = 0.02, time.monotonic() + _ANSWER_S
        while command.id not in self._answers and time.monotonic() < until_s:
            time.sleep(pause_s)
        return self._answers.get(command.id)

    def _heard(self, topic: str, payload: bytes) -> None:
        """By the network's thread."""
        from central.errors import CentralError
        from central.fleet.orders import note_answer, read_answer
        from central.store.engine import writing
        from messages.errors import MessageError
        from messages.topics import parse_topic

        try:
            place = parse_topic(topic)
            answer = read_answer(self._settings.keys.gateway_keys, place.site, place.gateway, payload)
            with writing(self.engine) as connection:
                note_answer(connection, answer, _now_us())
        except (MessageError, CentralError) as error:
            typer.echo(str(error), err=True)
            return
        self._answers[answer.result.id] = answer.result


def _told(result: Result | None) -> str:
    if result is None:
        return "no answer: the gateway may be away, and does not do it later; look at its records"
    where = f", record {result.epoch}/{result.seq}" if result.seq is not None else ", not recorded yet"
    reason = f", {result.reason}" if result.reason else ""
    return f"{result.outcome}{reason}{where}"


def _read(file: Path, decode: Callable[[bytes], _T]) -> _T:
    from messages.errors import MessageError

    try:
        return decode(file.read_bytes())
    except OSError as error:
        raise OrderRefused(f"{file}: cannot be read ({error.strerror})") from None
    except MessageError as error:
        raise OrderRefused(f"{file}: {error}") from None


def _range(text: str) -> RecordRange:
    found = re.fullmatch(r"(\d{1,13}):(\d{1,15})-(\d{1,15})", text)
    if found is None:
        raise OrderRefused("--records: write EPOCH:FIRST-LAST, such as 1764000000:1-500")
    return RecordRange(int(found[1]), int(found[2]), int(found[3]))


def _now_us() -> int:
    return time.time_ns() // 1_000
