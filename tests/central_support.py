"""Helpers of the centre's tests: chains of records, a real broker, a gateway's end, the real program.

People and credentials are invented; tokens are counted up.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import httpx
import paho.mqtt.client as mqtt
import plain_http
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from bench import limits
from bench.console import prepare
from messages.acks import read_ack
from messages.chain import GENESIS, record_hash
from messages.model import (
    AssuranceLevel,
    ClockQuality,
    Credential,
    Direction,
    Kind,
    Reason,
    Record,
)
from messages.topics import CENTRE_STATE, GatewayTopic, Leaf
from messages.wire import (
    WIRE_VERSION,
    Ack,
    CentreState,
    EpochAck,
    EpochHead,
    State,
    decode,
    encode,
    encode_record,
    join_block,
)

T = TypeVar("T")

DEADLINE_S = 30.0
_LOOK_S = 0.01
START_US = 1_700_000_000_000_000
BOOT = "0123456789abcdef"
SESSION = "00000000000000aa"
SITE = "maple-court"
GATEWAY = "east-1"


def until(look: Callable[[], T | None], what: str) -> T:
    """The first answer that is true; fails, naming `what`, when none comes in time."""
    end_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < end_s:
        if found := look():
            return found
        threading.Event().wait(_LOOK_S)
    raise AssertionError(f"in {DEADLINE_S:.0f} s there was no {what}")


def a_record(seq: int, prev: str = GENESIS, **changes: object) -> Record:
    """An entry of an invented resident; `changes` replace fields."""
    fields: dict[str, object] = {
        "v": 1,
        "gateway": GATEWAY,
        "epoch": 1,
        "seq": seq,
        "kind": Kind.ACCESS_GRANTED,
        "at": START_US + seq * 1_000_000,
        "boot": BOOT,
        "uptime_us": 5_000_000 + seq,
        "clock": ClockQuality.SYNCED,
        "prev": prev,
        "door": f"door-{seq % 3 + 1}",
        "reader": f"reader-{seq % 3 + 1}",
        "direction": Direction.IN,
        "credential": Credential(
            kind="id_card", token=f"{seq % 5_000:032x}", assurance=AssuranceLevel.L3, hint="0000"
        ),
        "holder": f"H-{seq % 5_000}",
        "category": "resident",
        "reason": Reason.LISTED,
        "list_version": 7,
        "list_age_s": 60,
    }
    return Record(**{**fields, **changes})  # type: ignore[arg-type]


def a_chain(count: int, *, first: int = 1, prev: str = GENESIS, **changes: object) -> list[bytes]:
    """Canonical bytes of records `first`.. of one epoch."""
    bodies = []
    for seq in range(first, first + count):
        body = encode_record(a_record(seq, prev, **changes))
        bodies.append(body)
        prev = record_hash(body)
    return bodies


def a_block(bodies: Sequence[bytes], first: int = 1, epoch: int = 1) -> bytes:
    return join_block(epoch, first, len(bodies), b",".join(bodies))


def topic(leaf: Leaf, gateway: str = GATEWAY) -> str:
    return str(GatewayTopic(SITE, gateway, leaf))


def a_state(
    head: int, digest: str, *, oldest: int = 1, epoch: int = 1, session: str = SESSION, online: bool = True
) -> State:
    heads = [EpochHead(epoch, oldest, head, digest)] if head else []
    if not online:
        return State(v=WIRE_VERSION, online=False, boot=BOOT, session=session)
    return State(
        v=WIRE_VERSION, online=True, boot=BOOT, session=session, at=START_US, epochs=heads, whole=True
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Broker:
    """A real Mosquitto with its default limits, on a port of its own. `who` may come, in its words."""

    def __init__(self, folder: Path, who: str = "allow_anonymous true\n") -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._config.write_text(f"listener {self.port} 127.0.0.1\n{who}")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        assert program, "these tests need mosquitto: apt-get install mosquitto"
        self._process = subprocess.Popen(
            [program, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self._answers, "broker")

    def kill(self) -> None:
        """Ends it at once; what it held is gone, as it keeps nothing on disk."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def a_broker(folder: Path) -> Iterator[Broker]:
    broker = Broker(folder)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


class GatewayEnd:
    """What a gateway has at the broker: it publishes and hears acknowledgements."""

    def __init__(self, port: int, gateway: str = GATEWAY) -> None:
        self.gateway = gateway
        self.acks: list[Ack] = []
        self.payloads: list[bytes] = []  # of acknowledgements, signed or not
        self.centre: list[bool] = []
        self._ready = threading.Event()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5, reconnect_on_failure=True
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._ready.wait(DEADLINE_S), "the broker did not take the subscription"

    def publish(self, leaf: Leaf, payload: bytes, *, retain: bool = False) -> None:
        self._client.publish(topic(leaf, self.gateway), payload, qos=1, retain=retain)

    def send(self, bodies: Sequence[bytes], first: int = 1, *, epoch: int = 1, per_block: int = 100) -> None:
        for at in range(0, len(bodies), per_block):
            self.publish(Leaf.BACKLOG, a_block(bodies[at : at + per_block], first + at, epoch))

    def say(self, state: State) -> None:
        self.publish(Leaf.STATE, encode(state), retain=True)

    def newest(self, epoch: int = 1) -> EpochAck:
        """The last acknowledgement; waits for the first one."""
        return until(lambda: self.latest(epoch), "acknowledgement")

    def latest(self, epoch: int = 1) -> EpochAck | None:
        found = [e for ack in self.acks[-1:] for e in ack.epochs if e.epoch == epoch]
        return found[0] if found else None

    def acknowledged(self, through: int, epoch: int = 1) -> EpochAck:
        def look() -> EpochAck | None:
            latest = self.latest(epoch)
            return latest if latest and latest.through >= through else None

        return until(look, f"acknowledgement through {through} (last: {self.latest(epoch)})")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: mqtt.Client, *_: object) -> None:
        client.subscribe([(topic(Leaf.ACK, self.gateway), 1), (CENTRE_STATE, 1)])

    def _on_message(self, _c: object, _u: object, message: mqtt.MQTTMessage) -> None:
        if message.topic == CENTRE_STATE:
            self.centre.append(decode(bytes(message.payload), CentreState).online)
        else:
            self.payloads.append(bytes(message.payload))
            self.acks.append(read_ack(bytes(message.payload)))


@contextmanager
def a_gateway(port: int, gateway: str = GATEWAY) -> Iterator[GatewayEnd]:
    end = GatewayEnd(port, gateway)
    try:
        yield end
    finally:
        end.close()


class Central:
    """The real `liuhen-central serve` with a settings file of its own."""

    def __init__(self, folder: Path, broker_port: int) -> None:
        self.folder = folder
        self.broker_port = broker_port
        self.database = folder / "central.sqlite"
        self.settings = folder / "central.toml"
        self.settings.write_text(
            f'[listen]\nport = 0\n[database]\npath = "{self.database.name}"\n[mqtt]\nport = {broker_port}\n'
            + limits.IN_A_FILE
        )
        self.address = ""
        self._process: subprocess.Popen[str] | None = None
        self._token: str | None = None

    def start(self) -> None:
        with (self.folder / "central.log").open("a") as log:
            self._process = subprocess.Popen(
                [*command("serve"), "--settings", str(self.settings)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        assert said.startswith("listening on "), (self.folder / "central.log").read_text()
        self.address = said.removeprefix("listening on ").strip()

    @property
    def headers(self) -> dict[str, str]:
        """Of a machine that may see what an officer sees."""
        if self._token is None:
            self._token = prepare(self.database, SITE)
        return {"Authorization": f"Bearer {self._token}"}

    def get(self, path: str) -> httpx.Response:
        return plain_http.get(f"{self.address}{path}", headers=self.headers, timeout=DEADLINE_S)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code."""
        return self._end(number)

    def log(self) -> str:
        return (self.folder / "central.log").read_text()

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.send_signal(number)
        try:
            return process.wait(timeout=DEADLINE_S)
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


@contextmanager
def a_central(folder: Path, broker_port: int) -> Iterator[Central]:
    central = Central(folder, broker_port)
    central.start()
    try:
        yield central
    finally:
        central.stop()


def command(word: str) -> list[str]:
    return [sys.executable, "-c", "from central.cli import main; main()", word]
