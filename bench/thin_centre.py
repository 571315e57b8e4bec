"""The least of a centre: takes records, keeps none, and acknowledges them.

`python -m bench.thin_centre PORT PROTOCOL`. For what delivery costs a gateway: the real centre stands on a
machine of its own, and here it would take a core from the gateway that is measured.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from bench.broker import Broker
from bench.processes import Child
from gateway.ranges import Ranges
from messages.chain import record_hash
from messages.topics import CENTRE_STATE, GatewayTopic, Leaf, from_gateways, parse_topic
from messages.wire import MAX_RANGES, WIRE_VERSION, Ack, CentreState, EpochAck, decode_block, encode

_QOS = 1
_READY = "takes records"
_RECORDS = (Leaf.JOURNAL, Leaf.BACKLOG)


class Taken:
    """What came of one epoch; of the records only the hashes that an acknowledgement may need."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._held = Ranges()
        self._through = 0
        self._hashes: dict[int, str] = {}

    def take(self, first: int, records: list[bytes]) -> None:
        """At least one, in order from `first`."""
        self._held |= Ranges(((first, first + len(records) - 1),))
        self._hashes.update((seq, record_hash(record)) for seq, record in enumerate(records, start=first))
        begin, end = self._held.parts[0]
        if begin == 1:
            for seq in range(self._through, end):
                self._hashes.pop(seq, None)
            self._through = end

    def ack(self) -> EpochAck:
        seen = self._held.parts[-1][1]
        missing = (Ranges(((1, seen),)) - self._held).parts[:MAX_RANGES]
        return EpochAck(self._epoch, self._through, self._hashes.get(self._through), seen, list(missing))


class ThinCentre:
    """For one gateway at a time; epochs differ."""

    def __init__(self) -> None:
        self._epochs: dict[int, Taken] = {}

    def take(self, payload: bytes) -> bytes:
        """A block; returns the acknowledgement. Raises MessageError."""
        block = decode_block(payload)
        taken = self._epochs.setdefault(block.epoch, Taken(block.epoch))
        taken.take(block.first, [bytes(record) for record in block.records])
        return encode(Ack(WIRE_VERSION, [taken.ack()]))


def thin_centre(broker: Broker, log: Path) -> Child:
    """Not started yet."""
    command = [sys.executable, "-m", "bench.thin_centre", str(broker.port), broker.protocol]
    return Child("thin-centre", command, log, ready=_READY)


def main(port: int, protocol: str) -> None:
    centre = ThinCentre()

    def on_connect(client: mqtt.Client, *_: object) -> None:
        client.subscribe([(from_gateways(leaf), _QOS) for leaf in (*_RECORDS, Leaf.ABOUT, Leaf.STATE)])

    def on_subscribe(client: mqtt.Client, *_: object) -> None:
        client.publish(CENTRE_STATE, encode(CentreState(WIRE_VERSION, online=True)), _QOS, retain=True)
        print(_READY, flush=True)

    def on_message(client: mqtt.Client, _: Any, message: mqtt.MQTTMessage) -> None:
        place = parse_topic(message.topic)
        if place.leaf in _RECORDS:
            answer = str(GatewayTopic(place.site, place.gateway, Leaf.ACK))
            client.publish(answer, centre.take(bytes(message.payload)), _QOS, retain=True)

    version = MQTTProtocolVersion.MQTTv5 if protocol == "5" else MQTTProtocolVersion.MQTTv311
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=version)
    client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
    client.connect("127.0.0.1", port)
    client.loop_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
