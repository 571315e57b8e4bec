"""Commands and results as they stand in JSON; what does not belong together is no command."""

import random

import msgspec
import pytest
from fuzz_support import PARTS, inputs, mutated

from messages.commands import (
    MAX_COMMAND_BYTES,
    Action,
    Command,
    Outcome,
    RecordRange,
    Result,
    Why,
    decode_command,
    decode_result,
    encode_order,
)
from messages.errors import MessageError
from messages.model import Reason

RELEASE = (
    b'{"v":1,"id":"0123456789abcdef0123456789abcdef","action":"release","operator":"op-7","why":"visitor",'
    b'"issued_us":1700000000000000,"expires_us":1700000008000000,"door":"lobby"}'
)
AGAIN = (
    b'{"v":1,"id":"0123456789abcdef0123456789abcdef","action":"send_records","operator":"op-7","why":"test",'
    b'"issued_us":1700000000000000,"expires_us":1700000008000000,"ranges":[{"epoch":3,"first":1,"last":9}]}'
)
RESULT = (
    b'{"v":1,"id":"0123456789abcdef0123456789abcdef","outcome":"refused","reason":"too_late",'
    b'"epoch":1700000000,"seq":42}'
)
ID = "0123456789abcdef0123456789abcdef"
ISSUED = 1_700_000_000_000_000


def test_a_release_reads_as_it_was_written() -> None:
    release = Command(
        v=1,
        id=ID,
        action=Action.RELEASE,
        operator="op-7",
        why=Why.VISITOR,
        issued_us=ISSUED,
        expires_us=ISSUED + 8_000_000,
        door="lobby",
    )
    assert decode_command(RELEASE) == release
    assert encode_order(release) == RELEASE


def test_a_request_for_records_names_their_ranges() -> None:
    assert decode_command(AGAIN).ranges == (RecordRange(3, 1, 9),)


def test_a_result_names_the_record_that_says_so() -> None:
    result = Result(v=1, id=ID, outcome=Outcome.REFUSED, reason=Reason.TOO_LATE, epoch=1_700_000_000, seq=42)
    assert decode_result(RESULT) == result
    assert encode_order(result) == RESULT


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"door": None}, "$.door"),
        ({"until_us": ISSUED + 9}, "$.until_us"),
        ({"ranges": [{"epoch": 1, "first": 1, "last": 2}]}, "$.ranges"),
        ({"expires_us": ISSUED}, "$.expires_us"),
        ({"action": "reset_passback"}, "$.door"),
        ({"action": "free"}, "$.until_us"),
        ({"action": "lock_down"}, "$.until_us"),
        ({"action": "send_records", "door": None}, "$.ranges"),
        (
            {"action": "send_records", "door": None, "ranges": [{"epoch": 1, "first": 3, "last": 2}]},
            "$.ranges",
        ),
    ],
)
def test_parts_that_do_not_belong_together_are_named(change: dict[str, object], field: str) -> None:
    spoiled = {**msgspec.json.decode(RELEASE), **change}
    with pytest.raises(MessageError, match=rf"`\{field}`"):
        decode_command(msgspec.json.encode(spoiled))


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"id": "short"},
        {"action": "unlock"},
        {"operator": "Zhang San"},
        {"why": "because"},
        {"door": "../x"},
        {"extra": 1},
    ],
    ids=str,
)
def test_what_is_not_of_its_form_is_refused_and_not_repeated(change: dict[str, object]) -> None:
    with pytest.raises(MessageError) as refusal:
        decode_command(msgspec.json.encode({**msgspec.json.decode(RELEASE), **change}))
    assert "Zhang" not in str(refusal.value)


def test_an_overlong_command_is_not_even_looked_at() -> None:
    with pytest.raises(MessageError, match="at most"):
        decode_command(RELEASE + b" " * MAX_COMMAND_BYTES)


@pytest.mark.parametrize("part", range(PARTS))
def test_any_bytes_are_a_message_or_a_message_error(part: int) -> None:
    chance = random.Random(part)
    pieces = [b'"door":', b"null", b"1e999", b"[" * 2_000, b'"\xff"', b'"\\ud800"']
    taken, refused = 0, [""]
    for _ in range(inputs(2_000) // PARTS):
        payload = mutated(chance, chance.choice([RELEASE, AGAIN, RESULT]), pieces)
        for decode in (decode_command, decode_result):
            try:
                decode(payload)
                taken += 1
            except MessageError as refusal:
                refused.append(str(refusal))
    assert taken > 0
    assert max(map(len, refused)) < 200
