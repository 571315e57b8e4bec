"""From the centre to a gateway and back: lists, settings and commands over a real broker.

The gateway's end is its own `Orders` behind a plain MQTT client; centre and operator are the real program.
"""

import itertools
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from central_support import DEADLINE_S, Central, a_broker, a_central, until
from database_support import new_database
from ordered_gateway import NAME, GatewaysEnd
from program_support import called
from sqlalchemy import Engine, select

from central.cli import main
from central.errors import OrderRefused
from central.fleet.keys import make_centre_keys, trust_gateway
from central.fleet.lists import MOST_CHANGES, lacking, messages_for, note_list
from central.fleet.order_service import FIRST_US, OrderService
from central.fleet.orders import (
    make_command,
    note_answer,
    note_command,
    note_settings,
    read_answer,
    settings_for,
)
from central.settings import KeysPart, MqttPart
from central.store.engine import open_writer, writing
from central.store.tables import gateway, sent_command
from gateway.events import CommandGiven, NewList, NewSettings
from gateway.keys import make_device_keys
from messages.access_list import Entry, ListFile, decode_manifest
from messages.commands import Action, Outcome, Result, Why, encode_order
from messages.keys import encode_keys
from messages.signing import EVERY_GATEWAY, Purpose, body_unproved, sign
from messages.site_settings import SiteSettings, encode_site_settings

SITE = "maple-court"
SITES = (f"site-{number}" for number in itertools.count(1))


@pytest.fixture(scope="module")
def central(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Central]:
    """One for all tests here: each has a site of its own."""
    folder = tmp_path_factory.mktemp("centre")
    keys = make_centre_keys(folder / "centre.key")
    (folder / "centre.json").write_bytes(encode_keys(keys.public()))
    with a_broker(folder) as broker, a_central(folder, broker.port) as running:
        yield running


@pytest.fixture
def east(tmp_path: Path, central: Central) -> Iterator[GatewaysEnd]:
    folder = tmp_path / "east"
    folder.mkdir()
    end = GatewaysEnd(folder, next(SITES), central.broker_port, central.folder / "centre.json")
    assert end.keys.device is not None
    trust_gateway(central.folder / "gateway-keys", encode_keys(end.keys.device.public(end.site, NAME)))
    until(lambda: known_at(central, end.site), "gateway at the centre")
    try:
        yield end
    finally:
        end.stop()


def known_at(central: Central, site: str) -> bool:
    engine = open_writer(f"sqlite:///{central.database}")
    online = select(gateway.c.name).where(gateway.c.site == site, gateway.c.online == 1)
    with writing(engine) as connection:
        found = connection.execute(online).scalars().all()
    engine.dispose()
    return NAME in found


def at(end: GatewaysEnd) -> tuple[str, str]:
    return "--site", end.site


def send(central: Central, *words: str) -> subprocess.CompletedProcess[str]:
    return called(main, "send", *words, "--settings", central.settings)


def a_list_file(folder: Path, version: int, count: int, *, blocked: Sequence[int] = ()) -> Path:
    entries = [
        {
            "token": f"{n:032x}",
            "holder": f"h-{n}",
            "category": "resident",
            "doors": ["*"],
            "blocked": n in blocked,
        }
        for n in range(1, count + 1)
    ]
    path = folder / f"list-{version}.json"
    path.write_text(json.dumps({"v": 1, "version": version, "issued_us": 7, "entries": entries}))
    return path


def commands_of(central: Central, site: str) -> list[tuple[str, str | None, str | None, int | None]]:
    engine = open_writer(f"sqlite:///{central.database}")
    asked = select(sent_command.c.action, sent_command.c.outcome, sent_command.c.reason, sent_command.c.seq)
    asked = asked.where(sent_command.c.site == site).order_by(sent_command.c.id)
    with writing(engine) as connection:
        found = [tuple(row) for row in connection.execute(asked)]
    engine.dispose()
    return found


def test_a_list_arrives_whole_and_then_what_changed(
    tmp_path: Path,
    central: Central,
    east: GatewaysEnd,
    record_property: Callable[[str, object], None],
) -> None:
    sent = send(central, "list", str(a_list_file(tmp_path, 1, 1_200)), *at(east))
    assert sent.returncode == 0, sent.stderr
    assert sent.stdout == "east-1: list 1, 1200 credentials\n"
    until(lambda: east.lists() == [1], "list 1")
    until(lambda: engine_says(central, east.site) == 1, "the centre to hear of it")
    begun_s = time.monotonic()
    sent = send(central, "list", str(a_list_file(tmp_path, 2, 1_200, blocked=[7])), *at(east))
    assert sent.returncode == 0, sent.stderr
    until(lambda: east.lists() == [1, 2], "list 2")
    told = east.told[-1]
    assert isinstance(told, NewList)
    assert told.access_list.entries[f"{7:032x}"].blocked
    assert len(told.access_list.entries) == 1_200
    record_property("revoked_after_s", time.monotonic() - begun_s)


def engine_says(central: Central, site: str) -> int | None:
    engine = open_writer(f"sqlite:///{central.database}")
    with writing(engine) as connection:
        found = connection.execute(select(gateway.c.list_version).where(gateway.c.site == site)).scalar()
    engine.dispose()
    return None if found is None else int(found)


def test_a_gateway_that_was_away_gets_its_list_when_it_comes_back(
    tmp_path: Path, central: Central, east: GatewaysEnd
) -> None:
    east.stop()
    assert send(central, "list", str(a_list_file(tmp_path, 5, 30)), *at(east)).returncode == 0
    east.start()
    until(lambda: east.lists() == [5], "list 5")


def test_a_gateway_that_lost_its_disk_gets_everything_again(
    tmp_path: Path, central: Central, east: GatewaysEnd
) -> None:
    assert send(central, "list", str(a_list_file(tmp_path, 5, 30)), *at(east)).returncode == 0
    until(lambda: east.lists() == [5], "list 5")
    east.stop()
    for path in (tmp_path / "east").glob("rights.db*"):
        path.unlink()
    east.start()
    until(lambda: east.lists() == [5, 5], "list 5 again")


def test_an_older_list_is_not_even_sent(tmp_path: Path, central: Central, east: GatewaysEnd) -> None:
    assert send(central, "list", str(a_list_file(tmp_path, 5, 3)), *at(east)).returncode == 0
    refused = send(central, "list", str(a_list_file(tmp_path, 4, 3)), *at(east))
    assert refused.returncode == 2
    assert "write 6 or more" in refused.stderr


def test_settings_arrive_also_where_the_broker_forgot_them(
    tmp_path: Path, central: Central, east: GatewaysEnd
) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(encode_site_settings(SiteSettings(v=1, revision=3, issued_us=7)))
    sent = send(central, "settings", str(path), *at(east))
    assert (sent.returncode, sent.stdout) == (
        0,
        "east-1: settings 3; whether it takes them say its records\n",
    ), sent.stderr
    until(lambda: [told for told in east.told if isinstance(told, NewSettings)], "settings")
    east.stop()
    for left in (tmp_path / "east").glob("rights.db*"):
        left.unlink()
    east.told.clear()
    east.start()
    until(lambda: [told for told in east.told if isinstance(told, NewSettings)], "settings again")


def test_a_door_is_released_and_both_sides_know(central: Central, east: GatewaysEnd) -> None:
    sent = send(central, "release", NAME, "lobby", *at(east), "--operator", "op-7", "--reason", "visitor")
    assert (sent.returncode, sent.stdout) == (0, "done, record 3/9\n"), sent.stderr
    given = [told.command for told in east.told if isinstance(told, CommandGiven)]
    assert [(c.action, c.door, c.operator, c.why) for c in given] == [
        (Action.RELEASE, "lobby", "op-7", Why.VISITOR)
    ]
    assert commands_of(central, east.site) == [("release", "done", None, 9)]


def test_a_refused_command_says_why(central: Central, east: GatewaysEnd) -> None:
    sent = send(central, "release", NAME, "cellar", *at(east), "--operator", "op-7", "--reason", "test")
    assert (sent.returncode, sent.stdout) == (1, "refused, not_possible, not recorded yet\n"), sent.stderr
    assert commands_of(central, east.site) == [("release", "refused", "not_possible", None)]


def test_records_can_be_asked_for_again(central: Central, east: GatewaysEnd) -> None:
    words = ("command", "send_records", NAME, *at(east), "--operator", "op-7", "--reason", "maintenance")
    assert send(central, *words, "--records", "3:1-9", "--records", "4:2-2").returncode == 0
    given = [told.command for told in east.told if isinstance(told, CommandGiven)]
    assert [(r.epoch, r.first, r.last) for r in given[0].ranges] == [(3, 1, 9), (4, 2, 2)]


def test_what_cannot_be_ordered_is_said_and_not_sent(central: Central, east: GatewaysEnd) -> None:
    by = (*at(east), "--operator", "op-7", "--reason", "test")
    for words, said in (
        (("release", "west-9", "lobby", *by[2:]), "no gateway of that name"),
        (("release", NAME, "lobby", *by[:2], "--operator", "Zhang San", *by[4:]), "opaque reference"),
        (("command", "free", NAME, "--door", "lobby", *by), "free needs --minutes"),
        (("command", "send_records", NAME, *by), "$.ranges"),
        (("command", "send_records", NAME, "--records", "all", *by), "EPOCH:FIRST-LAST"),
    ):
        refused = send(central, *words)
        assert (refused.returncode, said in refused.stderr) == (2, True), refused.stderr
    assert commands_of(central, east.site) == []
    assert not [told for told in east.told if isinstance(told, CommandGiven)]


# --- without a broker


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    found = new_database(tmp_path / "central.sqlite")
    with writing(found) as connection:
        for name in ("east-1", "west-1"):
            connection.execute(
                gateway.insert().values(
                    site=SITE, name=name, first_heard_at=1, online=1, session="s", list_version=0
                )
            )
    yield found
    found.dispose()


def a_list(version: int, *numbers: int) -> ListFile:
    entries = tuple(Entry(f"{n:032x}", f"h-{n}", "resident", ("*",)) for n in numbers)
    return ListFile(1, version, 7, entries)


def test_each_gateway_lacks_the_newest_that_is_for_it(engine: Engine) -> None:
    with writing(engine) as connection:
        assert lacking(connection) == []
        note_list(connection, SITE, EVERY_GATEWAY, a_list(1, 1), 10)
        note_list(connection, SITE, "west-1", a_list(2, 1, 2), 20)
        assert [(lack.gateway, lack.should_have) for lack in lacking(connection)] == [
            ("east-1", 1),
            ("west-1", 2),
        ]
        connection.execute(gateway.update().values(list_version=1))
        assert [(lack.gateway, lack.should_have) for lack in lacking(connection)] == [("west-1", 2)]
        connection.execute(gateway.update().values(online=0))
        assert lacking(connection) == []


def test_a_list_must_be_newer_than_what_any_receiver_has(engine: Engine) -> None:
    with writing(engine) as connection:
        note_list(connection, SITE, "west-1", a_list(5, 1), 10)
    with writing(engine) as connection, pytest.raises(OrderRefused, match="write 6 or more"):
        note_list(connection, SITE, EVERY_GATEWAY, a_list(5, 1), 20)
    with writing(engine) as connection:
        note_list(connection, SITE, "east-1", a_list(3, 1), 30)


def test_what_changed_is_sent_where_the_former_list_is_known_and_else_the_whole(
    engine: Engine, tmp_path: Path
) -> None:
    key = make_centre_keys(tmp_path / "k").signing[0]

    def base_of(messages: list[bytes]) -> int | None:
        return decode_manifest(body_unproved(messages[0])).base

    with writing(engine) as connection:
        note_list(connection, SITE, EVERY_GATEWAY, a_list(1, *range(1, 9)), 10)
        due = note_list(connection, SITE, EVERY_GATEWAY, a_list(2, *range(2, 11)), 20)
        delta = messages_for(connection, key, SITE, NAME, due, has=1)
        assert base_of(delta) == 1
        assert json.loads(delta[1])["put"] == [
            {"token": f"{n:032x}", "holder": f"h-{n}", "category": "resident", "doors": ["*"]}
            for n in (9, 10)
        ]
        assert json.loads(delta[2])["drop"] == [f"{1:032x}"]
        assert base_of(messages_for(connection, key, SITE, NAME, due, has=None)) is None
        assert base_of(messages_for(connection, key, SITE, NAME, due, has=77)) is None
        many = note_list(connection, SITE, EVERY_GATEWAY, a_list(3, *range(1, MOST_CHANGES + 20)), 30)
        assert base_of(messages_for(connection, key, SITE, NAME, many, has=2)) is None


def test_settings_go_forward_only_and_are_signed_for_each_gateway(engine: Engine, tmp_path: Path) -> None:
    key = make_centre_keys(tmp_path / "k").signing[0]
    third = encode_site_settings(SiteSettings(v=1, revision=3, issued_us=7))
    with writing(engine) as connection:
        assert settings_for(connection, key, SITE, NAME) is None
        assert note_settings(connection, SITE, EVERY_GATEWAY, third, 10, by="test") == 3
        signed = settings_for(connection, key, SITE, NAME)
        assert signed is not None
        assert body_unproved(signed) == third
    for body, said in ((third, "write 4 or more"), (b"{}", "no site settings")):
        with writing(engine) as connection, pytest.raises(OrderRefused, match=said):
            note_settings(connection, SITE, NAME, body, 20, by="test")


def says(engine: Engine, revision: int | None, session: str = "s") -> None:
    with writing(engine) as connection:
        east = gateway.update().where(gateway.c.name == NAME)
        connection.execute(east.values(settings_revision=revision, session=session, online=1))
        connection.execute(gateway.update().where(gateway.c.name != NAME).values(online=0))


def test_settings_are_sent_until_the_gateway_says_that_it_has_them_and_never_an_older_one(
    engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with a_broker(tmp_path) as broker:
        mqtt_part = MqttPart.model_validate({"port": broker.port})
        service = OrderService(engine, mqtt_part, make_centre_keys(tmp_path / "k"), KeysPart())
        service._outgoing.start()
        try:
            service._outgoing.wait_connected(DEADLINE_S)
            with writing(engine) as connection:
                body = encode_site_settings(SiteSettings(v=1, revision=3, issued_us=7))
                note_settings(connection, SITE, EVERY_GATEWAY, body, 10, by="test")
            noted_us = 10 + FIRST_US
            says(engine, 2)
            assert service.look(100.0, noted_us - 1) == 0  # whoever noted them sends them
            assert [service.look(now_s, noted_us) for now_s in (100.0, 109.0, 110.0, 129.0, 130.0)] == [
                1,
                0,
                1,
                0,
                1,
            ]
            says(engine, 3)
            assert service.look(1_000.0, noted_us) == 0
            says(engine, 3, "of another connection")
            assert service.look(1_001.0, noted_us) == 0
            says(engine, 0, "of a new disk")
            assert service.look(1_002.0, noted_us) == 1
            says(engine, 4)
            assert [service.look(now_s, noted_us) for now_s in (1_003.0, 9_000.0)] == [0, 0]
            assert caplog.text.count("Send settings with a higher revision") == 1
        finally:
            service._outgoing.stop()


def test_a_gateway_that_does_not_say_what_settings_it_has_is_sent_them_once_for_each_connection(
    engine: Engine, tmp_path: Path
) -> None:
    with a_broker(tmp_path) as broker:
        mqtt_part = MqttPart.model_validate({"port": broker.port})
        service = OrderService(engine, mqtt_part, make_centre_keys(tmp_path / "k"), KeysPart())
        service._outgoing.start()
        try:
            service._outgoing.wait_connected(DEADLINE_S)
            with writing(engine) as connection:
                body = encode_site_settings(SiteSettings(v=1, revision=3, issued_us=7))
                note_settings(connection, SITE, EVERY_GATEWAY, body, 10, by="test")
            says(engine, None)
            assert [service.look(now_s, 10 + FIRST_US) for now_s in (100.0, 9_000.0)] == [1, 0]
            says(engine, None, "of another connection")
            assert [service.look(now_s, 10 + FIRST_US) for now_s in (9_001.0, 99_000.0)] == [1, 0]
        finally:
            service._outgoing.stop()


def test_only_the_first_signed_word_on_a_command_counts(engine: Engine, tmp_path: Path) -> None:
    device = make_device_keys(tmp_path / "device.key")
    command = make_command("a" * 32, Action.RELEASE, "op-7", Why.TEST, 5, door="lobby")
    done = Result(v=1, id="a" * 32, outcome=Outcome.DONE, epoch=3, seq=9)
    payload = sign(device.signing, Purpose.RESULT, SITE, NAME, encode_order(done))
    folder = tmp_path / "gateway-keys"
    with pytest.raises(OrderRefused, match="keys trust"):
        read_answer(folder, SITE, NAME, payload)
    trust_gateway(folder, encode_keys(device.public(SITE, NAME)))
    answer = read_answer(folder, SITE, NAME, payload)
    with writing(engine) as connection:
        assert not note_answer(connection, answer, 10)  # nothing of the kind was sent
        note_command(connection, SITE, NAME, command)
        assert note_answer(connection, answer, 10)
        assert not note_answer(connection, answer, 11)
    stranger = make_device_keys(tmp_path / "stranger.key")
    forged = sign(stranger.signing, Purpose.RESULT, SITE, NAME, encode_order(done))
    for bad in (
        forged,
        payload[:-9],
        b"",
        sign(device.signing, Purpose.RESULT, SITE, "*", encode_order(done)),
    ):
        with pytest.raises(OrderRefused, match="not believed"):
            read_answer(folder, SITE, NAME, bad)
