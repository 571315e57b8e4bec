"""No identity anywhere but on the card: an estate reads unique canaries, then all that it left is searched.

trust.md R-65: files, the line to the broker, the broker's and the centre's own, logs, metrics, crash texts,
the process's surroundings and its core setting. The site has a sealing key: visitors' identity leaves the
gateway all the same, sealed, and nobody on the way can read it.
"""

from __future__ import annotations

import base64
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from canaries import Canary, of_bytes, of_person, of_text
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from gateway_support import free_port, until
from recording_proxy import RecordingProxy

from bench.estate import SITE, Estate
from bench.judge import settle
from bench.plan import Building, Door, Plan
from firmware_sim.people import Person, make_people
from gateway.keys import make_device_keys
from messages.envelope import bound, decode_envelope, open_identity
from messages.site_settings import SealingKey, SiteSettings, encode_site_settings

_PROGRAM = Path(sys.executable).with_name("liuhen-gateway")
_WRONG_PIN = "83519264"
_STRANGERS = 2
_OF_THE_CENTRE = X25519PrivateKey.generate()
_SEALING_KEY = SealingKey("c1.2026-11.00000000", _OF_THE_CENTRE.public_key().public_bytes_raw().hex())
_EAST = Building(
    "east",
    "东楼",
    (
        Door("east-unit-1", "1 单元门"),
        Door("east-garage", "车库门", "qr"),
        Door("east-side", "侧门", "osdp"),
        Door("east-yard", "院门", "wiegand", scene="key_bits = 4", asks_pin=True),
        Door("east-store", "库房", "rdm6300"),
    ),
)
_PLAN = Plan(
    buildings=(_EAST,),
    people=20,
    seed=65,
    unknown_share=0.2,
    profile="instant",
    pulse_s=1.0,
    command_gap_s=0.0,
    state_every_s=1.0,
    admits=("listed", "verified_id"),
)
_SWIPERS = ("P0001", "P0002", "P0008", "P0014", "P0020")  # each layout of card


@dataclass
class Left:
    """What a run of the estate has left behind, by where it was found."""

    estate: Estate
    places: dict[str, bytes] = field(default_factory=dict)
    swiped: list[Person] = field(default_factory=list)
    opened: int = 0

    def file(self, path: Path) -> bytes:
        return self.places[str(path.relative_to(self.estate.folder))]


def _prepare(estate: Estate, proxy: RecordingProxy, metrics_port: int) -> None:
    """The gateway's line goes through the proxy; it has keys of its own, a page of figures, and a key to seal
    visitors' identity with."""
    path = estate.gateway_settings("east")
    make_device_keys(path.parent / "device.keys")
    now_us = time.time_ns() // 1_000
    settings = SiteSettings(1, 1, now_us, sealing_key=_SEALING_KEY)
    (path.parent / "site-settings.json").write_bytes(encode_site_settings(settings))
    text = path.read_text(encoding="utf-8")
    line = f"port = {estate.broker.port}\n"
    assert text.count(line) == 1
    extra = (
        f'[keys]\ndevice_key_file = "device.keys"\n[metrics]\nport = {metrics_port}\n[log]\nlevel = "debug"\n'
    )
    text = text.replace(line, f"port = {proxy.port}\n")
    head = "[gateway]\n"
    assert text.count(head) == 1
    text = text.replace(head, f'{head}site_settings = "site-settings.json"\n')
    path.write_text(extra + text, encoding="utf-8")


def _everybody_comes(estate: Estate, left: Left) -> None:
    people = make_people(_PLAN.people + _STRANGERS, _PLAN.seed)
    left.swiped = [p for p in people if p.ref in _SWIPERS or p in people[-_STRANGERS:]]
    with closing(estate.control) as control:
        for person in left.swiped:
            for door in _EAST.doors:
                enrolled = person in people[: _PLAN.people]
                laid = control.swipe(
                    door.name, person.ref, patience_s=3.0 if enrolled else 0.5, hold_s=0.0, pin=door.asks_pin
                )
                left.opened += bool(laid["opened"])
        control.present("east-yard", "P0001")
        control.press("east-yard", f"{_WRONG_PIN}#")
        control.remove("east-yard")


def _look_at_the_process(estate: Estate, left: Left, metrics_port: int) -> None:
    proc = Path(f"/proc/{estate.gateways['east'].pid}")
    for name in ("cmdline", "environ", "limits", "comm"):
        left.places[f"/proc/PID/{name}"] = (proc / name).read_bytes()
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics", timeout=20) as page:
        left.places["metrics page"] = page.read()


def _ask_the_program(estate: Estate, left: Left) -> None:
    for words in (["doctor"], ["doctor", "--json"], ["check"], ["journal", "list"], ["journal", "verify"]):
        done = subprocess.run(
            [_PROGRAM, *words, "--settings", estate.gateway_settings("east")],
            capture_output=True,
            check=False,
            timeout=60,
        )
        left.places[f"liuhen-gateway {' '.join(words)}"] = done.stdout + done.stderr


def _crash(estate: Estate) -> None:
    """While a card lies there."""
    gateway = estate.gateways["east"]
    with closing(estate.control) as control:
        control.present("east-unit-1", "P0001")
        subprocess.run(["kill", f"-{signal.SIGABRT.name[3:]}", str(gateway.pid)], check=True)
        until(lambda: not gateway.running, "the crash")
        control.remove("east-unit-1")


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    estate = Estate(tmp_path_factory.mktemp("canary"), _PLAN)
    left, metrics_port = Left(estate), free_port()
    with RecordingProxy(estate.broker.port) as proxy:
        _prepare(estate, proxy, metrics_port)
        with estate:
            assert estate.wait_for_devices(60)
            _everybody_comes(estate, left)
            assert settle(estate, 60)
            _look_at_the_process(estate, left, metrics_port)
            _ask_the_program(estate, left)
            _crash(estate)
        left.places["the line to the broker"] = proxy.heard
    theirs = estate.ports  # of the simulator, which has to know its people
    for path in sorted(estate.folder.rglob("*")):
        if path.is_file() and theirs not in path.parents:
            left.places[str(path.relative_to(estate.folder))] = path.read_bytes()
    return left


def _places_of(canary: Canary, left: Left, allowed: tuple[str, ...] = ()) -> list[str]:
    return [
        place for place, content in left.places.items() if place not in allowed and canary.found_in(content)
    ]


def test_the_run_was_one_that_could_have_leaked(left: Left) -> None:
    """Cards were read, doors opened, records delivered, all places filled."""
    assert left.opened >= 10
    for place in ("the line to the broker", "metrics page", "liuhen-gateway journal list", "logs/east.log"):
        assert len(left.places[place]) > 500, place
    records = left.places["the line to the broker"]
    assert records.count(b'"access_granted"') >= 10
    assert b'"access_denied"' in records
    assert b"gateways/east/journal.db" in str(sorted(left.places)).encode()


def _kept(database: Path, asked: str) -> list[bytes]:
    with closing(sqlite3.connect(database)) as connection:
        return [bytes(sealed) for (sealed,) in connection.execute(asked)]


def test_the_visitors_identity_went_all_the_way_and_opens_for_the_centre_alone(left: Left) -> None:
    """So that not finding it in clear, below, says something: the very canaries lie in these envelopes."""
    journal = left.estate.gateway_settings("east").parent / "journal.db"
    at_the_gateway = _kept(journal, "SELECT body FROM envelopes ORDER BY id")
    here = bound(SITE, "east", _SEALING_KEY.id)
    opened = [open_identity(decode_envelope(each).sealed, _OF_THE_CENTRE, here) for each in at_the_gateway]
    strangers = {(person.name, person.id_number) for person in left.swiped[-_STRANGERS:]}
    assert {(each.name, each.number) for each in opened} == strangers
    assert set(_kept(left.estate.database, "SELECT sealed FROM envelope")) == set(at_the_gateway)
    assert all(base64.b64encode(each) in left.places["the line to the broker"] for each in at_the_gateway)


def test_a_planted_canary_would_be_found_in_every_dress() -> None:
    number = "000000" + "19900307" + "1234"
    canary = of_text("a number", number)
    for dressed in (
        number.encode(),
        number[::-1].encode(),
        number.encode("utf-16-le"),
        number.encode().hex().encode(),
        base64.b64encode(b"x" + number.encode()),
        base64.b64encode(b"xy" + number.encode() + b"z"),
        f'{{"n":"{number}"}}'.encode(),
    ):
        assert canary.found_in(b"..." + dressed + b"..."), dressed
    assert not canary.found_in(b"000000199003071235")
    assert of_bytes("a key", bytes(range(16))).found_in(b"000102030405060708090A0B0C0D0E0F".lower())
    assert of_text("a name", "赵安宁").found_in(b"\\u8d75\\u5b89\\u5b81")


def test_no_person_is_anywhere(left: Left) -> None:
    found = [
        f"{canary.what}: {place}"
        for person in left.swiped
        for canary in of_person(person)
        for place in _places_of(canary, left, ("scene.toml",))
    ]
    assert found == []


def test_no_pin_is_anywhere(left: Left) -> None:
    assert _places_of(of_text("the PIN that was typed", _WRONG_PIN), left) == []


def test_no_key_is_anywhere_but_in_its_own_file(left: Left) -> None:
    folder = left.estate.gateway_settings("east").parent
    site_key = of_bytes("the site key", left.estate.site_key)
    assert _places_of(site_key, left) == ["gateways/site.key"]
    osdp_key = of_bytes("the OSDP key", bytes.fromhex((folder / "east-side.key").read_text()))
    assert _places_of(osdp_key, left, ("scene.toml",)) == ["gateways/east/east-side.key"]
    text = (folder / "device.keys").read_text()
    for name in ("signing", "opening"):
        secret = text.partition(f'"{name}":"')[2].partition('"')[0]
        canary = of_bytes(f"the device's {name} key", bytes.fromhex(secret))
        assert _places_of(canary, left) == ["gateways/east/device.keys"]


def test_what_people_read_and_what_names_things_holds_no_token_and_no_holder(left: Left) -> None:
    """Tokens and holders belong into records and lists, not into logs, figures, topics and names."""
    texts = {
        place: content
        for place, content in left.places.items()
        if place.startswith(("logs/", "/proc/", "liuhen-gateway ")) or place == "metrics page"
    }
    tokens = [str(left.estate.token_of(person, door.name)) for person in left.swiped for door in _EAST.doors]
    for place, content in texts.items():
        assert not [token for token in tokens if token != "None" and token.encode() in content], place
        assert b"h-0000" not in content, place


def test_the_crash_says_where_and_leaves_no_core(left: Left) -> None:
    log = left.places["logs/east.log"]
    assert b"Fatal Python error: Aborted" in log
    assert b"Max core file size        0                    0" in left.places["/proc/PID/limits"]
    assert not [path for path in left.estate.folder.rglob("core*") if path.is_file()]
