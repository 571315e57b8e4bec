"""The gateway's end of what the centre orders: its own `Orders` behind a plain MQTT client."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import paho.mqtt.client as mqtt
from central_support import DEADLINE_S
from gateway_support import TurnedClock
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gateway.events import CommandGiven, CommandRefused, NewList, NewSettings
from gateway.keys import Keys, load_centre_keys, make_device_keys
from gateway.orders import Orders, Told
from gateway.rights_store import RightsStore
from messages.commands import Outcome, Result
from messages.topics import GatewayTopic, Leaf, parse_topic
from messages.wire import WIRE_VERSION, State, encode

NAME = "east-1"
BOOT = "0123456789abcdef"


class NowClock(TurnedClock):
    """The machine's time, which this gateway takes for synchronised."""

    def now_us(self) -> int:
        return time.time_ns() // 1_000

    def uptime_us(self) -> int:
        return time.monotonic_ns() // 1_000


class GatewaysEnd:
    """Takes orders as a gateway does, carries them out in an instant, and says which list it has."""

    def __init__(self, folder: Path, site: str, port: int, centre_file: Path) -> None:
        self.folder, self.site, self.port = folder, site, port
        self.told: list[Told] = []
        self.keys = Keys(make_device_keys(folder / "device.key"), load_centre_keys(centre_file))
        self.session = 0
        self.start()

    def start(self) -> None:
        self.store = RightsStore(self.folder / "rights.db", self.site, NAME)
        self.session += 1
        self.orders = Orders(
            store=self.store,
            keys=self.keys,
            site=self.site,
            gateway=NAME,
            doors={"lobby"},
            clock=NowClock(),
            post=self._carry_out,
            publish_result=lambda payload: self._say(Leaf.RESULT, payload),
        )
        self.orders.restore()
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_message = self._heard
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.connect("127.0.0.1", self.port)
        self._client.subscribe([(self._topic(leaf), 1) for leaf in _HEARD])
        self._client.loop_start()
        assert self._subscribed.wait(DEADLINE_S)
        self._running = threading.Thread(target=self.orders.run)
        self._running.start()
        self.says_its_state()

    def _heard(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        assert self.orders.take(parse_topic(message.topic).leaf, bytes(message.payload))

    def stop(self) -> None:
        self.orders.stop()
        self._running.join()
        self._client.disconnect()
        self._client.loop_stop()
        self.store.close()

    def says_its_state(self) -> None:
        state = State(
            v=WIRE_VERSION,
            online=True,
            boot=BOOT,
            session=f"{self.session:016x}",
            at=1,
            epochs=[],
            list_version=self.orders.list_version,
            settings_revision=self.orders.settings_revision or 0,
        )
        self._say(Leaf.STATE, encode(state))

    def lists(self) -> list[int]:
        return [told.access_list.version for told in self.told if isinstance(told, NewList)]

    def _carry_out(self, told: Told) -> None:
        self.told.append(told)
        match told:
            case CommandGiven(command):
                self.orders.answer(Result(v=1, id=command.id, outcome=Outcome.DONE, epoch=3, seq=9))
            case CommandRefused(str() as command_id, reason):
                refused = Result(v=1, id=command_id, outcome=Outcome.REFUSED, reason=reason)
                self.orders.answer(refused)
            case NewList() | NewSettings():
                threading.Timer(0.1, self.says_its_state).start()

    def _say(self, leaf: Leaf, payload: bytes) -> None:
        self._client.publish(self._topic(leaf), payload, qos=1, retain=leaf is Leaf.STATE)

    def _topic(self, leaf: Leaf) -> str:
        return str(GatewayTopic(self.site, NAME, leaf))


_HEARD = (Leaf.LIST, Leaf.SETTINGS, Leaf.COMMAND)
