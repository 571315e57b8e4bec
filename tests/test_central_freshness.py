"""An old state of a gateway, signed and played again, is not taken; whatever is new is, also after a loss."""

from pathlib import Path
from typing import Any

import pytest
from central_support import BOOT, GATEWAY, SESSION, SITE, a_block, a_chain, a_state, topic
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from database_support import new_database
from msgspec.structs import replace
from sqlalchemy import Engine, select

from central.fleet import freshness
from central.fleet.completeness import Completeness, completeness
from central.fleet.freshness import Age, Said, judged
from central.ingest.intake import Outcome, examine, take_in
from central.store.engine import writing
from central.store.tables import epoch_head, finding, gateway, gateway_boot
from messages.chain import record_hash
from messages.heads import tell_state
from messages.topics import Leaf
from messages.wire import WIRE_VERSION, About, State, encode

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
CHAIN = a_chain(40)
NEXT_BOOT = "fedcba9876543210"
NOW_US = 1_800_000_000_000_000
Message = tuple[str, bytes]

# --- the order of states

MINUTE = 60_000_000
NEWEST = Said("b2", 5_000 * MINUTE, 70 * MINUTE, 9, 40)


def age(said: Said, newest: Said = NEWEST, *, boots: str = "b1", epochs: tuple[int, ...] = (8, 9)) -> Age:
    return judged(
        said,
        newest,
        boot_is_past=lambda: said.boot in boots.split(),
        epoch_is_known=lambda: said.epoch in epochs,
    )


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param(
            Said("b2", 5_001 * MINUTE, 70 * MINUTE, 9, 40), Age.NEWS, id="later, nothing recorded since"
        ),
        pytest.param(
            Said("b2", 5_001 * MINUTE, 3 * MINUTE, 9, 41), Age.NEWS, id="later, the clock was set back"
        ),
        pytest.param(
            Said("b2", 5_001 * MINUTE, 70 * MINUTE, 10, 1), Age.NEWS, id="later, its journal was lost"
        ),
        pytest.param(
            Said("b2", 5_001 * MINUTE, 70 * MINUTE, None, None),
            Age.NEWS,
            id="later, its journal cannot be read",
        ),
        pytest.param(NEWEST, Age.SAME, id="the same, kept by the broker"),
        pytest.param(
            Said("b2", 4_995 * MINUTE, 99 * MINUTE, 9, 41), Age.OLD, id="earlier, whatever else it says"
        ),
        pytest.param(Said("b1", 9_999 * MINUTE, 99 * MINUTE, 9, 41), Age.OLD, id="of an earlier start"),
        pytest.param(
            Said("b3", 10 * MINUTE, 3 * MINUTE, 9, 41), Age.NEWS, id="started again, the clock not set"
        ),
        pytest.param(
            Said("b3", 10 * MINUTE, 3 * MINUTE, 9, 40), Age.NEWS, id="started again, its disk is full"
        ),
        pytest.param(
            Said("b3", 10 * MINUTE, 3 * MINUTE, 10, 1), Age.NEWS, id="started again with a new journal"
        ),
        pytest.param(Said("b3", 10 * MINUTE, 3 * MINUTE, 2, 1), Age.NEWS, id="the same, the clock not set"),
        pytest.param(
            Said("b3", 10 * MINUTE, 3 * MINUTE, None, None),
            Age.NEWS,
            id="started again, its journal cannot be read",
        ),
        pytest.param(
            Said("b0", 9_999 * MINUTE, 99 * MINUTE, 9, 39), Age.OLD, id="of a start that was not heard of"
        ),
        pytest.param(
            Said("b0", 9_999 * MINUTE, 99 * MINUTE, 8, 99), Age.OLD, id="the same, in a former journal"
        ),
        pytest.param(Said("b2", None, 71 * MINUTE, 9, 40), Age.NEWS, id="put back to an older program"),
        pytest.param(Said("b2", None, 65 * MINUTE, 9, 40), Age.OLD, id="from before the upgrade"),
        pytest.param(Said("b2", 4_996 * MINUTE, 99, 9, 41), Age.LATE, id="brought again after the next"),
        pytest.param(Said("b1", 9_999, 66 * MINUTE, 9, 41), Age.LATE, id="the same, before a new start"),
        pytest.param(Said("b2", None, 66 * MINUTE, 9, 40), Age.LATE, id="the same, before an upgrade"),
        pytest.param(Said("b1", 9_999, None, 9, 41), Age.OLD, id="of an earlier start, nobody knows when"),
    ],
)
def test_states_have_one_order(said: Said, expected: Age) -> None:
    assert age(said) is expected


def test_a_program_that_does_not_tell_its_uptime_is_taken_as_ever_within_a_start() -> None:
    newest = Said("b2", None, 70 * MINUTE, 9, 40)
    assert age(Said("b2", None, 60 * MINUTE, 9, 30), newest) is Age.NEWS
    assert age(Said("b2", 5, 60 * MINUTE, 9, 30), newest) is Age.NEWS
    assert age(Said("b1", None, 60 * MINUTE, 9, 30), newest) is Age.OLD


# --- at the centre


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return new_database(tmp_path / "central.sqlite")


def taken(engine: Engine, *messages: Message, now_us: int = NOW_US) -> Outcome:
    with writing(engine) as connection:
        return take_in(connection, [examine(*message) for message in messages], now_us)


ABOUT = About(WIRE_VERSION, "liuhen 0", "East wing", [], KEY.public_key().public_bytes_raw().hex())
SHOWN = (topic(Leaf.ABOUT), encode(ABOUT))


def said(state: State, key: Ed25519PrivateKey | None = KEY) -> Message:
    return topic(Leaf.STATE), tell_state(state, key, SITE, GATEWAY)


def state(head: int, uptime_us: int, **changes: Any) -> State:
    made = a_state(head, record_hash(CHAIN[head - 1]), session=changes.pop("session", SESSION))
    return replace(made, uptime_us=uptime_us, **changes)


def rows(engine: Engine, *columns: Any) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return sorted(tuple(row) for row in connection.execute(select(*columns)))


def shown(engine: Engine) -> Completeness:
    with engine.connect() as connection:
        [found] = completeness(connection)
    return found


OLD = state(30, 1 * MINUTE)
NEW = state(40, 11 * MINUTE)
BEFORE = state(35, 10 * MINUTE)


def test_an_old_state_hides_no_silence_and_no_record_and_is_told_of(engine: Engine) -> None:
    taken(engine, SHOWN, said(OLD), said(NEW), now_us=NOW_US)
    before = shown(engine)
    outcome = taken(engine, said(OLD), said(OLD), now_us=NOW_US + 60_000_000)
    assert [place.gateway for place in outcome.replayed] == [GATEWAY, GATEWAY]
    after = shown(engine)
    assert (
        (after.heard_us, after.head, after.behind) == (before.heard_us, 40, before.behind) == (NOW_US, 40, 40)
    )
    assert (after.findings, after.replayed_us) == ({"old_state": 1}, NOW_US + 60_000_000)


def test_its_next_word_ends_that_and_an_innocent_repeat_makes_nothing_incomplete(engine: Engine) -> None:
    taken(engine, SHOWN, (topic(Leaf.BACKLOG), a_block(CHAIN)), said(OLD), said(NEW), said(OLD))
    assert shown(engine).complete
    taken(engine, said(state(40, 12 * MINUTE)))
    assert (shown(engine).replayed_us, shown(engine).complete) == (None, True)


def test_what_the_broker_brings_again_after_a_cut_line_is_neither_news_nor_an_attack(engine: Engine) -> None:
    """Both were committed, and the line dropped before the broker was told so."""
    taken(engine, SHOWN, said(BEFORE), said(NEW))
    assert taken(engine, said(BEFORE), said(NEW), now_us=NOW_US + 1).replayed == []
    assert rows(engine, gateway.c.replayed_at, gateway.c.state_received_at) == [(None, NOW_US)]
    assert rows(engine, finding.c.kind) == []


def test_a_state_that_is_little_older_and_comes_again_and_again_is_told_of(engine: Engine) -> None:
    taken(engine, SHOWN, said(BEFORE), said(NEW))
    for _ in range(freshness.MOST_LATE):
        assert taken(engine, said(BEFORE)).replayed == []
    assert taken(engine, said(BEFORE)).replayed
    assert rows(engine, finding.c.kind) == [("old_state",)]


@pytest.mark.parametrize("word", [NEW, state(40, 12 * MINUTE)], ids=["the same", "a newer one"])
def test_a_line_that_is_cut_often_makes_no_attack_either(engine: Engine, word: State) -> None:
    taken(engine, SHOWN, said(BEFORE), said(NEW))
    for _ in range(2):
        assert taken(engine, *[said(BEFORE)] * freshness.MOST_LATE, said(word)).replayed == []


def test_the_newest_state_said_again_clears_the_note_of_an_old_one(engine: Engine) -> None:
    taken(engine, SHOWN, said(OLD), said(NEW), said(OLD))
    assert shown(engine).replayed_us == NOW_US
    taken(engine, said(NEW))
    assert shown(engine).replayed_us is None


def test_what_the_broker_kept_is_no_news_after_a_restart_of_the_centre(engine: Engine) -> None:
    taken(engine, SHOWN, said(OLD), said(NEW))
    engine.dispose()  # nothing of it is in memory
    outcome = taken(engine, said(NEW), now_us=NOW_US + 3_600_000_000)
    assert (outcome.replayed, shown(engine).heard_us, rows(engine, finding.c.kind)) == ([], NOW_US, [])


def test_a_kept_state_that_is_older_than_one_taken_is_old_also_after_a_restart(engine: Engine) -> None:
    taken(engine, SHOWN, said(OLD), said(NEW))
    engine.dispose()
    assert taken(engine, said(OLD), now_us=NOW_US + 1).replayed
    assert rows(engine, gateway.c.state_received_at, gateway.c.online) == [(NOW_US, 1)]


def test_a_will_that_was_made_at_the_connect_and_comes_late_still_ends_its_session(engine: Engine) -> None:
    will = State(v=WIRE_VERSION, online=False, boot=BOOT, session=SESSION)
    taken(engine, SHOWN, said(OLD), said(NEW), said(will))
    assert rows(engine, gateway.c.online) == [(0,)]
    taken(engine, said(NEW))  # played again, it brings nobody back
    assert rows(engine, gateway.c.online) == [(0,)]
    taken(engine, said(state(40, 12 * MINUTE, session="00000000000000bb")))
    taken(engine, said(will))  # of a connection that a newer one has replaced
    assert rows(engine, gateway.c.online) == [(1,)]


@pytest.mark.parametrize("epoch", [1_700_000_500, 1], ids=["by a set clock", "by a clock that was not set"])
def test_a_gateway_whose_journal_was_lost_is_believed_and_its_former_states_are_not(
    engine: Engine, epoch: int
) -> None:
    def in_epoch(number: int, made: State) -> State:
        return replace(made, epochs=[replace(head, epoch=number) for head in made.epochs or []])

    former = in_epoch(1_700_000_000, NEW)
    taken(engine, SHOWN, said(in_epoch(1_700_000_000, OLD)), said(former))
    at_us = (former.at or 0) + 10 * MINUTE
    lost = in_epoch(epoch, state(3, 7, boot=NEXT_BOOT, at=at_us))
    assert taken(engine, said(lost)).replayed == []
    assert (epoch, 3) in rows(engine, epoch_head.c.epoch, epoch_head.c.head)
    assert taken(engine, said(former)).replayed
    assert taken(engine, said(in_epoch(epoch, state(4, 8, boot=NEXT_BOOT, at=at_us)))).replayed == []


def test_what_is_not_signed_by_the_gateway_moves_nothing(engine: Engine) -> None:
    taken(engine, SHOWN, said(NEW))
    taken(engine, said(state(40, 2**50), Ed25519PrivateKey.from_private_bytes(bytes(32))))
    assert taken(engine, said(state(40, 11 * MINUTE + 1))).replayed == []


def test_a_gateway_without_a_key_is_believed_as_ever(engine: Engine) -> None:
    taken(engine, said(NEW, None), said(OLD, None), now_us=NOW_US)
    assert rows(engine, gateway.c.state_received_at, gateway.c.replayed_at) == [(NOW_US, None)]
    assert rows(engine, gateway_boot.c.boot) == []


def test_starts_without_end_do_not_fill_the_database(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freshness, "KEPT_BOOTS", 3)
    boots = [f"{number:016x}" for number in range(10)]
    taken(engine, SHOWN, *(said(state(30 + number, 5, boot=boot)) for number, boot in enumerate(boots)))
    assert rows(engine, gateway_boot.c.boot) == [(boot,) for boot in boots[-3:]]
    assert taken(engine, said(state(30, 9_999, boot=boots[0], at=1))).replayed  # by its journal
