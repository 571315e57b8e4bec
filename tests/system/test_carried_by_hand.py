"""A building without a line: a real gateway, the commands of both sides, and a folder as the stick."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest
from program_support import called

from central.cli import main as central_main
from gateway.cli import main as gateway_main
from gateway.journal_reader import JournalReader
from messages.model import Kind, Record

T = TypeVar("T")

PROGRAMS = Path(sys.executable).parent
TOKEN = "00112233445566778899aabbccddeeff"
_LIMIT_S = 120.0  # nothing here is fast on a machine that does much else

GATEWAY_SETTINGS = """
[gateway]
site = "north"
name = "east-1"
label = "Building 1"
site_key_file = "site.key"
access_list = "list.json"
[journal]
path = "data/journal.db"
storage = "any"
reserve_mib = 0
keep_acknowledged_days = 0
[mqtt]
port = 1
[keys]
device_key_file = "device.key"
centre_keys_file = "centre-keys.json"
[[readers]]
name = "lobby-in"
driver = "sam_v"
port = "/dev/serial/by-id/no-reader"
[[lock_boards]]
name = "lobby-board"
driver = "lc_relay"
port = "/dev/serial/by-id/no-board"
[[doors]]
name = "lobby"
label = "Lobby"
readers = ["lobby-in"]
lock = { board = "lobby-board", channel = 1 }
"""


def a_list(version: int, *tokens: str) -> str:
    entries = [{"token": token, "holder": "H-1", "category": "resident", "doors": ["*"]} for token in tokens]
    return json.dumps({"v": 1, "version": version, "issued_us": 1_700_000_000_000_000, "entries": entries})


def eventually(found: Callable[[], T | None], what: str) -> T:
    waiting, until_s = threading.Event(), time.monotonic() + _LIMIT_S
    while not (result := found()):
        assert time.monotonic() < until_s, f"waited in vain for {what}"
        waiting.wait(0.1)
    return result


class Site:
    """The gateway's machine, the centre's, and a stick."""

    def __init__(self, folder: Path) -> None:
        self.gateway_toml = folder / "gateway" / "gateway.toml"
        self.central_toml = folder / "centre" / "central.toml"
        self.stick = folder / "stick"
        for path in (self.gateway_toml.parent, self.central_toml.parent, self.stick):
            path.mkdir()
        self.gateway_toml.write_text(GATEWAY_SETTINGS, encoding="utf-8")
        self.gateway_toml.with_name("list.json").write_text(a_list(1), encoding="utf-8")
        key = self.gateway_toml.with_name("site.key")
        key.write_text(bytes(range(32)).hex(), encoding="ascii")
        key.chmod(0o600)
        self.central_toml.write_text('[database]\npath = "central.sqlite"\n', encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def gateway(self, *words: str | Path) -> str:
        return said(gateway_main, *words, "--settings", self.gateway_toml)

    def central(self, *words: str | Path) -> str:
        return said(central_main, *words, "--settings", self.central_toml)

    def exchange_keys(self) -> None:
        """As the installer does, on the first visit."""
        (self.stick / "centre-keys.json").write_text(self.central("keys", "make"), encoding="utf-8")
        (self.stick / "centre-keys.json").rename(self.gateway_toml.with_name("centre-keys.json"))
        (self.stick / "east-1-keys.json").write_text(self.gateway("keys", "make"), encoding="utf-8")
        self.central("keys", "trust", self.stick / "east-1-keys.json")

    def start_gateway(self) -> None:
        with self.gateway_toml.with_name("gateway.log").open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAMS / "liuhen-gateway", "run", "-s", self.gateway_toml], stdout=log, stderr=log
            )

    def stop_gateway(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_LIMIT_S)

    @property
    def log(self) -> str:
        return self.gateway_toml.with_name("gateway.log").read_text(encoding="utf-8")

    def journal(self) -> JournalReader:
        return JournalReader(self.gateway_toml.parent / "data" / "journal.db")

    def records(self, kind: Kind) -> list[Record]:
        with closing(self.journal()) as reader:
            return [record for record in reader.newest(1_000) if record.kind is kind]


def said(program: Callable[[], None], *words: str | Path) -> str:
    done = called(program, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.stop_gateway()


@pytest.mark.timeout(600)  # many programs are started, and acknowledgements are noted once a minute
def test_records_reach_the_centre_on_a_stick_and_its_answer_comes_back(site: Site) -> None:
    site.exchange_keys()
    site.start_gateway()
    eventually(lambda: "ready\n" in site.log, "the gateway's start")
    eventually(lambda: site.records(Kind.GATEWAY_STARTED), "its first records")

    told = site.gateway("export", "--to", site.stick)
    [carried] = site.stick.glob("*.records")
    assert f"{carried}: " in told

    taken = site.central("take", carried)
    assert ", 0 known already, 0 set aside" in taken
    assert ": 0 taken" not in taken
    assert "0 taken" in site.central("take", carried)

    new_list = site.central_toml.with_name("list.json")
    new_list.write_text(a_list(5, TOKEN), encoding="utf-8")
    site.central("send", "list", new_list, "--site", "north", "--only-note")
    told += site.central("pack", "--gateway", "east-1", "--to", site.stick)
    [answer] = site.stick.glob("*.rights")
    told += site.gateway("import", answer)

    eventually(lambda: 5 in lists_applied(site), "the carried list in force")
    assert site.records(Kind.RECORDS_EXPORTED)
    eventually(lambda: acknowledged(site), "the carried acknowledgement")
    eventually(lambda: oldest(site) > 1, "what the centre has to be deleted here")
    spool = site.gateway_toml.parent / "data" / "spool"
    eventually(lambda: not list(spool.glob("*.json")), "everything of the answer to be done with")

    told += site.gateway("export", "--to", site.stick / "second")
    taken = site.central("take", site.stick / "second")
    assert "mind: missing" not in taken  # nothing that went by stick left a hole
    for text in (told, taken, site.log, *(path.name for path in site.stick.iterdir())):
        assert TOKEN not in text
    site.central("verify")


def lists_applied(site: Site) -> list[int | None]:
    return [record.list_version for record in site.records(Kind.LIST_APPLIED)]


def acknowledged(site: Site) -> bool:
    with closing(site.journal()) as reader:
        return bool(reader.acknowledged())


def oldest(site: Site) -> int:
    with closing(site.journal()) as reader:
        return reader.epoch_heads()[0].oldest
