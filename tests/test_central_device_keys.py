"""Whose word on a gateway's journal counts: the first key it shows, and one that a person carried here."""

from pathlib import Path
from typing import Any

import pytest
from central_support import GATEWAY, SESSION, SITE, a_block, a_chain, a_state, topic
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import Engine, select

from central.fleet.completeness import completeness
from central.fleet.device_keys import Trusted, nobody, trusted_in
from central.fleet.keys import trust_gateway
from central.ingest.intake import Outcome, examine, take_in
from central.store.engine import writing
from central.store.tables import epoch_head, finding, gateway
from messages.chain import record_hash
from messages.heads import tell_state
from messages.keys import KEYS_VERSION, GatewayPublic, encode_keys
from messages.topics import Leaf
from messages.wire import WIRE_VERSION, About, State, encode

CHAIN = a_chain(40)
NOW_US = 1_800_000_000_000_000
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
Message = tuple[str, bytes]


def taken(engine: Engine, *messages: Message, trusted: Trusted = nobody) -> Outcome:
    with writing(engine) as connection:
        return take_in(connection, [examine(*message) for message in messages], NOW_US, trusted)


def public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def about(key: Ed25519PrivateKey | None = KEY) -> Message:
    said = About(WIRE_VERSION, "liuhen 0", "East wing", [], public(key).hex() if key else None)
    return topic(Leaf.ABOUT), encode(said)


def state(head: int, key: Ed25519PrivateKey | None = KEY, **changes: Any) -> Message:
    said = a_state(head, record_hash(CHAIN[head - 1]), **changes)
    return topic(Leaf.STATE), tell_state(said, key, SITE, GATEWAY)


def block(first: int, last: int) -> Message:
    return topic(Leaf.BACKLOG), a_block(CHAIN[first - 1 : last], first)


def rows(engine: Engine, *columns: Any) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return sorted(tuple(row) for row in connection.execute(select(*columns)))


def head(engine: Engine) -> list[int]:
    return [number for (number,) in rows(engine, epoch_head.c.head)]


def is_complete(engine: Engine) -> bool:
    with engine.connect() as connection:
        [found] = completeness(connection)
    return found.complete


def test_without_keys_everything_is_believed_as_ever(engine: Engine) -> None:
    taken(engine, about(None), block(1, 40), state(40, None))
    assert (head(engine), rows(engine, finding.c.kind)) == ([40], [])
    assert is_complete(engine)


def test_the_first_key_is_kept_and_told_of(engine: Engine) -> None:
    outcome = taken(engine, about())
    assert [(place.gateway, key) for place, key in outcome.keys] == [(GATEWAY, public(KEY))]
    assert rows(engine, gateway.c.device_key, gateway.c.device_key_at) == [(public(KEY), NOW_US)]
    assert taken(engine, about()).keys == []


def test_what_it_signs_is_believed(engine: Engine) -> None:
    taken(engine, about(), block(1, 40), state(40))
    assert (head(engine), rows(engine, finding.c.kind)) == ([40], [])
    assert is_complete(engine)


def test_a_broker_that_hands_over_the_state_before_the_key_does_no_harm(engine: Engine) -> None:
    taken(engine, state(40), about())
    assert (head(engine), rows(engine, finding.c.kind)) == ([40], [])


@pytest.mark.parametrize("key", [None, OTHER], ids=["unsigned", "by another key"])
def test_what_it_did_not_sign_is_not_believed_and_makes_a_finding(
    engine: Engine, key: Ed25519PrivateKey | None
) -> None:
    taken(engine, about(), block(1, 40), state(40))
    outcome = taken(engine, state(30, key, oldest=20), state(30, key, oldest=20))
    assert head(engine) == [40]
    assert rows(engine, finding.c.kind, finding.c.epoch, finding.c.seq, finding.c.count) == [
        ("wrong_signature", 0, 0, 2)
    ]
    assert [place.gateway for place in outcome.unbelieved] == [GATEWAY, GATEWAY]
    assert not is_complete(engine)


def test_its_next_signed_word_mends_that_and_the_finding_stays(engine: Engine) -> None:
    taken(engine, about(), block(1, 40), state(40, None), state(40))
    assert rows(engine, gateway.c.unbelieved_at) == [(None,)]
    assert rows(engine, finding.c.kind) == [("wrong_signature",)]
    assert is_complete(engine)


def test_records_are_taken_whoever_spoke_of_heads(engine: Engine) -> None:
    """They vouch for themselves by their chain."""
    taken(engine, about(), state(40, OTHER))
    assert taken(engine, block(1, 40)).stored == 40


def test_another_key_never_replaces_the_first(engine: Engine) -> None:
    taken(engine, about(), about(OTHER), state(40, OTHER))
    assert rows(engine, gateway.c.device_key) == [(public(KEY),)]
    assert rows(engine, finding.c.kind, finding.c.count) == [("wrong_signature", 2)]
    assert head(engine) == []


def test_a_signed_word_of_yesterday_that_is_played_again_hides_no_record(engine: Engine) -> None:
    old = state(30)
    taken(engine, about(), old, state(40))
    taken(engine, old)
    assert head(engine) == [40]


def test_that_the_line_is_gone_needs_no_signature(engine: Engine) -> None:
    taken(engine, about(), state(40))
    gone = State(v=WIRE_VERSION, online=False, boot="0123456789abcdef", session=SESSION)
    taken(engine, (topic(Leaf.STATE), encode(gone)))
    assert rows(engine, gateway.c.online) == [(0,)]
    assert rows(engine, finding.c.kind) == []


def carried(folder: Path, key: Ed25519PrivateKey) -> Trusted:
    opening = X25519PrivateKey.generate().public_key().public_bytes_raw().hex()
    trust_gateway(folder, encode_keys(GatewayPublic(KEYS_VERSION, SITE, GATEWAY, public(key).hex(), opening)))
    return trusted_in(folder)


def test_a_key_that_a_person_carried_here_comes_before_any_that_is_shown(
    engine: Engine, tmp_path: Path
) -> None:
    by_hand = carried(tmp_path, KEY)
    taken(engine, about(OTHER), trusted=by_hand)
    assert rows(engine, gateway.c.device_key) == [(None,)]
    taken(engine, about(KEY), trusted=by_hand)
    assert rows(engine, gateway.c.device_key) == [(public(KEY),)]


@pytest.mark.parametrize("word", ["shown", "signed"])
def test_a_gateway_with_a_new_device_is_believed_once_its_key_was_carried_here(
    engine: Engine, tmp_path: Path, word: str
) -> None:
    taken(engine, about(), state(30))
    taken(engine, about(OTHER), state(40, OTHER))
    assert not is_complete(engine)
    messages = [about(OTHER), state(40, OTHER)] if word == "shown" else [state(40, OTHER)]
    outcome = taken(engine, *messages, block(1, 40), trusted=carried(tmp_path, OTHER))
    assert [key for _, key in outcome.keys] == [public(OTHER)]
    assert head(engine) == [40]
    assert is_complete(engine)


def test_a_folder_that_cannot_be_understood_makes_nobody_known(
    engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / f"{SITE}.{GATEWAY}.json").write_text("{}")
    taken(engine, about(), about(OTHER), trusted=trusted_in(tmp_path))
    assert rows(engine, gateway.c.device_key) == [(public(KEY),)]
    assert "gateway_keys" in caplog.text
