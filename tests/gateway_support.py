"""Helpers of the gateway's tests: a clock to turn, facts to record, a real broker, waits with a deadline."""

import ctypes
import json
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeVar

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gateway.delivery import EpochDelivery
from gateway.facts import Fact
from gateway.journal import Journal
from messages.chain import record_hash
from messages.model import ClockQuality, Kind, Reason
from messages.topics import CENTRE_STATE, GatewayTopic, Leaf, parse_topic
from messages.wire import (
    MAX_RANGES,
    WIRE_VERSION,
    Ack,
    Block,
    CentreState,
    EpochAck,
    State,
    decode,
    decode_block,
    encode,
)

T = TypeVar("T")

DEADLINE_S = 20.0
_LOOK_S = 0.01

DAY_US = 86_400_000_000
EPOCH_S = 1_700_000_000
GATEWAY = "east-1"


class TurnedClock:
    """Stands where the test puts it."""

    def __init__(self, now_s: int = EPOCH_S) -> None:
        self.boot = "0123456789abcdef"
        self.now = now_s * 1_000_000
        self.uptime = 5_000_000
        self.synced = ClockQuality.SYNCED

    def passes(self, us: int) -> None:
        self.now += us
        self.uptime += us

    def now_us(self) -> int:
        return self.now

    def uptime_us(self) -> int:
        return self.uptime

    def quality(self) -> ClockQuality:
        return self.synced


def a_fact(
    kind: Kind = Kind.ACCESS_GRANTED, reason: Reason | None = Reason.LISTED, door: str = "lobby"
) -> Fact:
    return Fact(
        kind=kind, at_us=EPOCH_S * 1_000_000, uptime_us=7, clock=ClockQuality.SYNCED, door=door, reason=reason
    )


def in_flight(delivery: EpochDelivery) -> int:
    """Messages that the centre has not answered yet."""
    return len(delivery._flights)


def until_sent(delivery: EpochDelivery, seq: int) -> None:
    """What happens before goes out in the same message."""
    until(lambda: delivery._fresh_from > seq, "its message")


def begin_epoch(journal: Journal) -> None:
    """As after damage: whatever is appended from now on belongs to an epoch of its own."""
    store = journal._current
    assert store is not None
    journal._head = store.begin_epoch(Reason.DAMAGED_JOURNAL, store.newest_epoch)


@contextmanager
def opened(path: Path, clock: TurnedClock | None = None, gateway: str = GATEWAY) -> Iterator[Journal]:
    journal = Journal(path, gateway, clock or TurnedClock())
    try:
        yield journal
    finally:
        journal.close()


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    """No file grows beyond `size` bytes: real write errors, as of a full disk."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
        signal.signal(signal.SIGXFSZ, ignored)


_CAPABILITIES_V3 = 0x20080522
_PAST_FILE_MODES = 0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


def written_by_nobody(folder: Path) -> AbstractContextManager[None]:
    """Nothing in `folder` can be changed by this thread, root or not: real errors, as of a disk that was
    mounted for reading only."""
    return _without([folder, *folder.iterdir()], 0o222)


def read_by_nobody(*files: Path) -> AbstractContextManager[None]:
    """Nor read."""
    return _without(files, 0o666)


@contextmanager
def _without(paths: Iterable[Path], bits: int) -> Iterator[None]:
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, sets) == 0
    effective = sets[0]
    modes = {path: path.stat().st_mode for path in paths}
    for path, mode in modes.items():
        path.chmod(mode & ~bits)
    sets[0] = effective & ~_PAST_FILE_MODES
    assert libc.capset(header, sets) == 0
    try:
        yield
    finally:
        sets[0] = effective
        assert libc.capset(header, sets) == 0
        for path, mode in modes.items():
            if path.exists():
                path.chmod(mode)


def until(found: Callable[[], T | None], what: str, deadline_s: float = DEADLINE_S) -> T:
    """What `found` returns as soon as it is neither None nor False; fails after the deadline."""
    end_s = time.monotonic() + deadline_s
    pause = threading.Event()
    while not (result := found()):
        assert time.monotonic() < end_s, f"waited {deadline_s} s in vain for {what}"
        pause.wait(_LOOK_S)
    return result


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    """A broker of our own on a free port; it forgets everything when it stops, as Mosquitto's defaults do."""

    def __init__(self, folder: Path, settings: str = "") -> None:
        self.port = free_port()
        self._settings = folder / "mosquitto.conf"
        self._settings.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nuser root\n{settings}", encoding="utf-8"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = shutil.which("mosquitto", path="/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin")
        assert program is not None, "mosquitto is not installed: apt install mosquitto"
        self._process = subprocess.Popen(
            [program, "-c", self._settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self._takes_connections, "the broker")

    def stop(self, *, kill: bool = False) -> None:
        if self._process is not None:
            if kill:
                self._process.kill()
            else:
                self._process.terminate()
            self._process.wait(DEADLINE_S)
            self._process = None

    def _takes_connections(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except ConnectionRefusedError:
            return False
        return True


class Centre:
    """The other end, scripted: hears everything one gateway says, and says what the test wants."""

    def __init__(
        self, port: int, site: str = "north", gateway: str = GATEWAY, *, acknowledging: bool = False
    ) -> None:
        """`acknowledging`: names at once, with its hash, everything that it heard."""
        self._acknowledging = acknowledging
        self._hashes: dict[int, dict[int, str]] = {}  # epoch: number: hash
        self._topics = {leaf: str(GatewayTopic(site, gateway, leaf)) for leaf in Leaf}
        self._heard: list[tuple[Leaf, bytes]] = []
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_message = self._on_message
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.connect("127.0.0.1", port)
        self._client.subscribe(f"liuhen/v1/{site}/{gateway}/+", qos=1)
        self._client.loop_start()
        assert self._subscribed.wait(DEADLINE_S)

    def _on_message(self, _c: object, _u: object, message: mqtt.MQTTMessage) -> None:
        leaf, payload = parse_topic(message.topic).leaf, bytes(message.payload)
        self._heard.append((leaf, payload))
        if self._acknowledging and leaf in (Leaf.JOURNAL, Leaf.BACKLOG):
            block = decode_block(payload)
            known = self._hashes.setdefault(block.epoch, {})
            known.update((block.first + at, record_hash(bytes(raw))) for at, raw in enumerate(block.records))
            ack = Ack(WIRE_VERSION, [_of_epoch(epoch, known) for epoch, known in self._hashes.items()])
            self._client.publish(self._topics[Leaf.ACK], encode(ack), qos=1, retain=True)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def heard(self, leaf: Leaf) -> list[bytes]:
        return [payload for heard_leaf, payload in self._heard if heard_leaf is leaf]

    def forget(self) -> None:
        self._heard.clear()

    def blocks(self, *leaves: Leaf) -> list[Block]:
        return [decode_block(payload) for leaf in leaves for payload in self.heard(leaf)]

    def states(self) -> list[State]:
        return [decode(payload, State) for payload in self.heard(Leaf.STATE)]

    def records(self) -> dict[tuple[int, int], bytes]:
        """Every record heard, by epoch and number."""
        return {
            (block.epoch, block.first + index): bytes(raw)
            for block in self.blocks(Leaf.JOURNAL, Leaf.BACKLOG)
            for index, raw in enumerate(block.records)
        }

    def says(self, leaf: Leaf, payload: bytes) -> None:
        self._client.publish(self._topics[leaf], payload, qos=1, retain=True).wait_for_publish(DEADLINE_S)

    def acknowledges(self, *epochs: EpochAck) -> None:
        self.says(Leaf.ACK, encode(Ack(WIRE_VERSION, list(epochs))))

    def is_there(self, *, online: bool) -> None:
        payload = encode(CentreState(WIRE_VERSION, online))
        self._client.publish(CENTRE_STATE, payload, qos=1, retain=True).wait_for_publish(DEADLINE_S)


def _of_epoch(epoch: int, known: dict[int, str]) -> EpochAck:
    """As the real centre says it: what is there without a hole, and the holes up to the highest."""
    seen = max(known)
    holes = sorted(set(range(1, seen + 1)) - known.keys())[:MAX_RANGES]
    if not holes:
        return EpochAck(epoch, seen, known[seen], seen, [])
    return EpochAck(epoch, holes[0] - 1, known.get(holes[0] - 1), holes[-1], [(seq, seq) for seq in holes])


SITE_KEY = bytes(range(32))
DOOR = "north-lobby"  # of the tests' settings
READER = "lobby-in"
BOARD = "lobby-board"


def access_list(*tokens: str, version: int = 1) -> str:
    entries = [
        {"token": token, "holder": f"holder-{number}", "category": "resident", "doors": ["*"]}
        for number, token in enumerate(tokens)
    ]
    return json.dumps({"v": 1, "version": version, "issued_us": EPOCH_S * 1_000_000, "entries": entries})


def install(
    folder: Path,
    *tokens: str,
    reader_port: str = "/dev/serial/by-id/no-reader",
    board_port: str = "/dev/serial/by-id/no-board",
    mqtt_port: int = 1,
    admits: str = '["listed"]',
) -> Path:
    """A gateway's folder with everything that it needs; returns the path of its settings."""
    key = folder / "site.key"
    key.write_text(SITE_KEY.hex(), encoding="ascii")
    key.chmod(0o600)
    (folder / "list.json").write_text(access_list(*tokens), encoding="utf-8")
    settings = folder / "gateway.toml"
    settings.write_text(
        f"""
[gateway]
site = "north"
name = "{GATEWAY}"
label = "Building 1"
site_key_file = "site.key"
access_list = "list.json"
[journal]
path = "data/journal.db"
storage = "any"
reserve_mib = 0
[mqtt]
port = {mqtt_port}
first_call_spread_s = 0.0
[[readers]]
name = "{READER}"
driver = "sam_v"
port = "{reader_port}"
[[lock_boards]]
name = "{BOARD}"
driver = "lc_relay"
port = "{board_port}"
[[doors]]
name = "{DOOR}"
label = "Lobby"
readers = ["{READER}"]
lock = {{ board = "{BOARD}", channel = 1 }}
pulse_s = 1.0
admits = {admits}
""",
        encoding="utf-8",
    )
    return settings
