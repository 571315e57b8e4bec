"""MQTT topic names, built and parsed in one place.

`liuhen/v1/{site}/{gateway}/{leaf}` belongs to one gateway; the centre speaks of itself in one topic.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from messages.errors import MessageError
from messages.model import NAME

ROOT: Final = "liuhen/v1"
CENTRE_STATE: Final = f"{ROOT}/centre/state"


class Leaf(StrEnum):
    STATE = "state"  # gateway, retained, and its will
    ABOUT = "about"  # gateway, retained
    JOURNAL = "journal"  # gateway: records as they happen
    BACKLOG = "backlog"  # gateway: records after an outage, or asked for again
    ACK = "ack"  # centre, retained: the only licence to delete
    LIST = "list"  # centre: access list, a signed manifest and its chunks
    SETTINGS = "settings"  # centre, retained: signed site settings
    COMMAND = "command"  # centre: signed, single use, expires in seconds
    RESULT = "result"  # gateway: what became of a command


_TOPIC = re.compile(rf"{ROOT}/(?!centre/)({NAME})/({NAME})/({'|'.join(Leaf)})")


@dataclass(frozen=True, slots=True)
class GatewayTopic:
    site: str
    gateway: str
    leaf: Leaf

    def __str__(self) -> str:
        return f"{ROOT}/{self.site}/{self.gateway}/{self.leaf}"


def parse_topic(topic: str) -> GatewayTopic:
    """Raises MessageError for anything that is not a gateway's topic of this version."""
    found = _TOPIC.fullmatch(topic)
    if found is None:
        raise MessageError("not a gateway's topic")
    return GatewayTopic(found[1], found[2], Leaf(found[3]))


def from_gateways(leaf: Leaf) -> str:
    """The subscription that brings `leaf` of every gateway of every site."""
    return f"{ROOT}/+/+/{leaf}"
