"""A fact becomes the record at its place, field by field."""

from gateway.facts import Fact, record_of
from messages.model import (
    AssuranceLevel,
    ClockQuality,
    Credential,
    Direction,
    Kind,
    Reason,
    Record,
)
from messages.wire import decode_record, encode_record

CARD = Credential("id_card", "0" * 32, AssuranceLevel.L3)


def test_every_field_of_a_fact_stands_in_the_record() -> None:
    fact = Fact(
        kind=Kind.ACCESS_GRANTED,
        at_us=11,
        uptime_us=12,
        clock=ClockQuality.HELD,
        door="lobby",
        reader="lobby-in",
        direction=Direction.OUT,
        credential=CARD,
        holder="h-7",
        category="resident",
        reason=Reason.LISTED,
        list_version=5,
        list_age_s=6,
        links=7,
    )
    record = record_of(fact, "east-1", "0123456789abcdef", epoch=3, seq=9, prev="a" * 64)
    assert record == Record(
        v=1,
        gateway="east-1",
        epoch=3,
        seq=9,
        kind=Kind.ACCESS_GRANTED,
        at=11,
        boot="0123456789abcdef",
        uptime_us=12,
        clock=ClockQuality.HELD,
        prev="a" * 64,
        door="lobby",
        reader="lobby-in",
        direction=Direction.OUT,
        credential=CARD,
        holder="h-7",
        category="resident",
        reason=Reason.LISTED,
        list_version=5,
        list_age_s=6,
        links=7,
    )
    assert decode_record(encode_record(record)) == record


def test_what_a_fact_does_not_say_does_not_stand_in_the_record() -> None:
    fact = Fact(kind=Kind.GATEWAY_STARTED, at_us=11, uptime_us=12, clock=ClockQuality.UNKNOWN)
    body = encode_record(record_of(fact, "east-1", "0123456789abcdef", epoch=3, seq=1, prev="0" * 64))
    assert body == (
        b'{"v":1,"gateway":"east-1","epoch":3,"seq":1,"kind":"gateway_started","at":11,'
        b'"boot":"0123456789abcdef","uptime_us":12,"clock":"unknown","prev":"' + b"0" * 64 + b'"}'
    )
