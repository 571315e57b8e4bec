"""Alarms are found in stored bytes; which kinds are alarms."""

import pytest
from central_support import a_record

from gateway.urgent import ALARMS, alarms_in
from messages.model import Kind
from messages.wire import encode_record


def joined(*records: tuple[int, Kind]) -> bytes:
    return b",".join(
        encode_record(a_record(seq, kind=kind, reason=None, credential=None)) for seq, kind in records
    )


@pytest.mark.parametrize("kind", Kind)
def test_a_record_is_an_alarm_by_its_kind_alone(kind: Kind) -> None:
    assert alarms_in(joined((7, kind))) == ([7] if kind in ALARMS else [])


def test_alarms_are_found_among_others_in_order() -> None:
    bodies = joined(
        (1, Kind.ACCESS_GRANTED),
        (2, Kind.DOOR_FORCED),
        (3, Kind.REX),
        (1_000_000, Kind.DURESS),
        (1_000_001, Kind.TAMPER_RESTORED),
    )
    assert alarms_in(bodies) == [2, 1_000_000]


def test_a_reason_or_a_name_that_looks_like_an_alarm_is_none() -> None:
    body = encode_record(a_record(9, door="tamper", reader="duress", holder="door_forced"))
    assert alarms_in(body) == []


def test_bytes_that_are_no_records_hold_no_alarms() -> None:
    assert alarms_in(b"") == alarms_in(b'\xff"seq":x,"kind":"tamper"') == []
