"""Topics are built and parsed in one place, and a foreign topic is refused."""

from __future__ import annotations

import pytest

from messages.errors import MessageError
from messages.topics import GatewayTopic, Leaf, from_gateways, parse_topic


def test_a_topic_reads_as_it_was_written() -> None:
    topic = GatewayTopic("riverside", "east-01", Leaf.BACKLOG)
    assert str(topic) == "liuhen/v1/riverside/east-01/backlog"
    assert parse_topic(str(topic)) == topic


def test_the_centre_listens_to_one_leaf_of_every_gateway() -> None:
    assert from_gateways(Leaf.JOURNAL) == "liuhen/v1/+/+/journal"


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "liuhen/v2/riverside/east-01/journal",
        "liuhen/v1/riverside/east-01/unlock",
        "liuhen/v1/riverside/east-01",
        "liuhen/v1/riverside/east-01/journal/x",
        "liuhen/v1/River/east-01/journal",
        "liuhen/v1//east-01/journal",
        "liuhen/v1/centre/east-01/state",
        "liuhen/v1/riverside/+/journal",
        "x" * 70_000,
    ],
)
def test_a_foreign_topic_is_refused(topic: str) -> None:
    with pytest.raises(MessageError):
        parse_topic(topic)
