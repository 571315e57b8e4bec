"""What an MQTT broker says of itself and of our messages, and what follows from it: pure, knows no client.

Reason codes and limits of MQTT 5 (OASIS, sections 2.4 and 3.2.2.3). A 3.1.1 broker says none of this: there
only the missing end-to-end acknowledgement tells (trust.md R-09).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from messages.wire import MAX_RECORD_BYTES

NO_MATCHING_SUBSCRIBERS: Final = 0x10
PROTOCOL_ERROR: Final = 0x82
NOT_AUTHORIZED: Final = 0x87
SERVER_UNAVAILABLE: Final = 0x88
SERVER_BUSY: Final = 0x89
SHUTTING_DOWN: Final = 0x8B
SESSION_TAKEN_OVER: Final = 0x8E
RECEIVE_MAXIMUM_EXCEEDED: Final = 0x93
PACKET_TOO_LARGE: Final = 0x95
MESSAGE_RATE_TOO_HIGH: Final = 0x96
QUOTA_EXCEEDED: Final = 0x97
RETAIN_NOT_SUPPORTED: Final = 0x9A
QOS_NOT_SUPPORTED: Final = 0x9B
CONNECTION_RATE_EXCEEDED: Final = 0x9F

_FAILED: Final = 0x80
_PACKET_OVERHEAD: Final = 16
"""Header, lengths, message number and an empty list of properties of a PUBLISH packet."""

LEAST_PACKET: Final = MAX_RECORD_BYTES + 512
"""A broker that takes less cannot take every record."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What this broker can do; the defaults are those of a broker that names no limit."""

    packet_bytes: int | None = None
    receive_maximum: int = 65_535
    qos: int = 1
    retain: bool = True

    @classmethod
    def of(cls, properties: object) -> Limits:
        """From the properties of a CONNACK, read by their names in the standard. Topic aliases are not used,
        whatever number of them is allowed; the server's keep-alive is the MQTT client's business."""
        return cls(
            packet_bytes=getattr(properties, "MaximumPacketSize", None),
            receive_maximum=getattr(properties, "ReceiveMaximum", 65_535),
            qos=min(1, getattr(properties, "MaximumQoS", 1)),
            retain=bool(getattr(properties, "RetainAvailable", 1)),
        )

    def payload_bytes(self, topic: str) -> int | None:
        """How long a message on `topic` may be; None: as long as it is."""
        if self.packet_bytes is None:
            return None
        return max(0, self.packet_bytes - _PACKET_OVERHEAD - len(topic.encode()))

    def shortcomings(self) -> list[str]:
        """What of it an operator should mend, each with what to do."""
        found = []
        if self.packet_bytes is not None and self.packet_bytes < LEAST_PACKET:
            found.append(
                f"the broker takes packets of {self.packet_bytes} bytes at most, and some records are longer;"
                f" allow at least {LEAST_PACKET} (Mosquitto: max_packet_size)"
            )
        if not self.retain:
            found.append(
                "the broker keeps no retained messages, so a centre that comes later does not hear how this"
                " gateway is; allow them (Mosquitto: retain_available true)"
            )
        if self.qos < 1:
            found.append(
                "the broker confirms no messages (quality 0 only); records arrive all the same, as the centre"
                " acknowledges them, and more slowly. Allow quality 1 (Mosquitto: max_qos 1)"
            )
        return found


class Consequence(Enum):
    """What a reason code means for us."""

    NONE = auto()
    TELL = auto()  # an operator must act; going on does no harm
    UNHEARD = auto()  # taken, and nobody hears it: as good as lost
    SLOW_DOWN = auto()
    SMALLER = auto()  # shorter messages
    STAY_AWAY = auto()  # call again late


_CONSEQUENCES: Final = {
    NO_MATCHING_SUBSCRIBERS: Consequence.UNHEARD,
    PROTOCOL_ERROR: Consequence.SMALLER,  # Mosquitto 2.0 answers so to a message beyond message_size_limit
    SESSION_TAKEN_OVER: Consequence.STAY_AWAY,
    0x8A: Consequence.STAY_AWAY,  # banned
    RECEIVE_MAXIMUM_EXCEEDED: Consequence.SLOW_DOWN,
    PACKET_TOO_LARGE: Consequence.SMALLER,
    MESSAGE_RATE_TOO_HIGH: Consequence.SLOW_DOWN,
    QUOTA_EXCEEDED: Consequence.SLOW_DOWN,
    CONNECTION_RATE_EXCEEDED: Consequence.STAY_AWAY,
    SERVER_UNAVAILABLE: Consequence.NONE,
    SERVER_BUSY: Consequence.NONE,
    SHUTTING_DOWN: Consequence.NONE,
}

_REMEDIES: Final = {
    NO_MATCHING_SUBSCRIBERS: (
        "nobody has subscribed to it: is the centre running, connected to this broker, and allowed to read"
        " liuhen/v1/#?"
    ),
    PROTOCOL_ERROR: (
        "one side has said what MQTT does not allow; some brokers do so about a message that is too large,"
        " so messages are smaller now. See its log, and its limits"
    ),
    0x84: 'it does not speak this version of MQTT; write protocol = "3.1.1" in [mqtt]',
    0x85: "it does not take our name; allow client names that begin with liuhen-",
    0x86: "it does not take user name or password",
    NOT_AUTHORIZED: (
        "its access list does not allow this gateway that; allow it to write and read"
        " liuhen/v1/SITE/GATEWAY/# and to read liuhen/v1/centre/#. Where it knows us by our certificate, is"
        " the common name of that our [gateway] name?"
    ),
    SERVER_BUSY: "it is busy; tried again later",
    0x8A: "it has banned this client",
    SHUTTING_DOWN: "it is being shut down",
    0x8D: "it has not heard of us for too long; is the line overloaded?",
    SESSION_TAKEN_OVER: (
        "another client has connected under our name. Do two gateways have the same [gateway] site and name,"
        " or does a copy of this one run somewhere? Give each its own"
    ),
    RECEIVE_MAXIMUM_EXCEEDED: "too many messages at once; sent more slowly now",
    PACKET_TOO_LARGE: "a message was too large; sent in smaller pieces now",
    MESSAGE_RATE_TOO_HIGH: "too many messages; sent more slowly now",
    QUOTA_EXCEEDED: (
        "a limit of the broker is reached; sent more slowly now. Raise the limit for this client there"
    ),
    0x99: "it takes our messages for malformed",
    RETAIN_NOT_SUPPORTED: "it keeps no retained messages; connected again without them",
    QOS_NOT_SUPPORTED: "it confirms no messages; connected again with quality 0",
    CONNECTION_RATE_EXCEEDED: "too many connections; called again later",
}


def consequence(code: int) -> Consequence:
    """Of a reason code in any packet of the broker."""
    return _CONSEQUENCES.get(code, Consequence.TELL if code >= _FAILED else Consequence.NONE)


def remedy(code: int) -> str:
    """What an operator can do about it."""
    return _REMEDIES.get(code, "see the broker's log")


@dataclass(frozen=True, slots=True)
class Fallback:
    """What to leave out at the next connect, as this broker refuses it: a will is sent before any limit is
    known."""

    retain: bool = True
    qos: int = 1

    def after(self, code: int) -> Fallback:
        if code == RETAIN_NOT_SUPPORTED:
            return Fallback(retain=False, qos=self.qos)
        if code == QOS_NOT_SUPPORTED:
            return Fallback(retain=self.retain, qos=0)
        return self
