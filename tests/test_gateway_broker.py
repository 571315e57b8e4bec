"""What a broker's codes and limits mean; numbers from MQTT 5.0, sections 2.4 and 3.2.2.3."""

from types import SimpleNamespace

import pytest

from gateway.broker import Consequence, Fallback, Limits, consequence, remedy

TOPIC = "liuhen/v1/north/east-1/backlog"  # 30 bytes


def test_a_broker_that_says_nothing_has_no_limits() -> None:
    limits = Limits.of(SimpleNamespace())
    assert limits == Limits(None, 65_535, 1, retain=True)
    assert limits.payload_bytes(TOPIC) is None
    assert limits.shortcomings() == []


def test_limits_are_taken_from_the_properties() -> None:
    said = SimpleNamespace(
        MaximumPacketSize=20_000, ReceiveMaximum=5, MaximumQoS=0, RetainAvailable=0, TopicAliasMaximum=10
    )
    limits = Limits.of(said)
    assert limits == Limits(20_000, 5, 0, retain=False)
    assert limits.payload_bytes(TOPIC) == 20_000 - 30 - 16
    assert len(limits.shortcomings()) == 2


def test_quality_two_is_not_used_where_it_is_offered() -> None:
    assert Limits.of(SimpleNamespace(MaximumQoS=2)).qos == 1


def test_a_broker_for_short_messages_only_is_told_of() -> None:
    [text] = Limits(packet_bytes=500).shortcomings()
    assert "500 bytes" in text
    assert "max_packet_size" in text
    assert Limits(packet_bytes=10).payload_bytes(TOPIC) == 0


@pytest.mark.parametrize(
    ("code", "meant"),
    [
        (0x00, Consequence.NONE),
        (0x10, Consequence.UNHEARD),
        (0x80, Consequence.TELL),
        (0x82, Consequence.SMALLER),
        (0x87, Consequence.TELL),
        (0x8E, Consequence.STAY_AWAY),
        (0x93, Consequence.SLOW_DOWN),
        (0x95, Consequence.SMALLER),
        (0x96, Consequence.SLOW_DOWN),
        (0x97, Consequence.SLOW_DOWN),
        (0x9F, Consequence.STAY_AWAY),
        (0xFF, Consequence.TELL),
    ],
)
def test_each_code_has_its_consequence(code: int, meant: Consequence) -> None:
    assert consequence(code) is meant


@pytest.mark.parametrize("code", range(0x80, 0x100))
def test_there_is_something_to_do_about_every_refusal(code: int) -> None:
    assert remedy(code)


def test_what_a_broker_refuses_is_left_out_at_the_next_call() -> None:
    assert Fallback().after(0x9A) == Fallback(retain=False, qos=1)
    assert Fallback().after(0x9B) == Fallback(retain=True, qos=0)
    assert Fallback().after(0x9A).after(0x9B) == Fallback(retain=False, qos=0)
    assert Fallback().after(0x87) == Fallback()
