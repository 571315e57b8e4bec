"""What a look-up finds, on both engines: all of the subject's entries as of then, and nobody else's."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from central_support import SITE
from database_support import new_database
from identity_support import COMMUNITY, DAY_US, NOON_US, VISITOR
from lookup_support import CARD, HOUR_US, OFFICER, OTHER, World, run
from sqlalchemy import Engine, event

from central.errors import NotThere
from central.lookup.paging import Window, page
from central.lookup.states import row_of
from central.lookup.subjects import EXITS_NOT_TOLD, VISITORS_WAIT, subject_of
from central.lookup.words import Asked
from central.store.engine import reading
from central.store.identity_tables import envelope
from central.store.register_tables import holder, site
from central.store.tables import record
from central.store.visitor_tables import visitor_pass
from messages.model import Direction, Kind, Reason

SECOND_US = 1_000_000


@pytest.fixture
def world(engine: Engine, tmp_path: Path) -> Iterator[World]:
    made = World(engine, tmp_path)
    yield made
    made.close()


def asked(world: World, asked: Asked, **changes: object) -> list[tuple[str, int]]:
    """(gateway, sequence number) of each record of the answer, in its order."""
    answer = run(world.look_ups.ask(OFFICER, world.asking(asked, **changes)))
    assert not answer.waits
    with reading(world.reader) as connection:
        rows = {row.id: row for row in connection.execute(record.select())}
    return [(each.gateway, rows[each.id].seq) for each in answer.entries]


def seqs(found: list[tuple[str, int]]) -> list[int]:
    return [seq for _, seq in found]


def test_a_person_s_entries_are_those_of_the_holder_and_no_other(world: World) -> None:
    world.resident()
    world.enter(NOON_US - 3 * HOUR_US, NOON_US - HOUR_US)
    world.enter(NOON_US - HOUR_US, holder="H-2")
    world.enter(NOON_US - 2 * HOUR_US, gateway_id=2)
    world.enter(NOON_US - 2 * DAY_US)
    assert asked(world, Asked.PERSON) == [("east", 2), ("west", 1), ("east", 1)]


def test_a_holder_counts_only_for_the_time_in_which_it_was_theirs(world: World) -> None:
    person = world.resident(reference="H-9")
    until_us = NOON_US - 2 * HOUR_US
    world.put(holder, community_id=COMMUNITY, person_id=person, reference="H-1", from_at=0, until_at=until_us)
    world.enter(NOON_US - 3 * HOUR_US, NOON_US - HOUR_US)
    assert seqs(asked(world, Asked.PERSON)) == [1]


def test_a_visitor_s_entries_are_found_by_the_number_on_the_card_that_was_read(world: World) -> None:
    world.now_us += HOUR_US
    world.visit(NOON_US)
    assert asked(world, Asked.PERSON, number=VISITOR.number) == [("east-1", 1)]
    assert asked(world, Asked.PERSON, number="000000199001010026") == []


def test_visitors_whose_envelope_could_not_be_opened_yet_are_told_of(world: World) -> None:
    world.visit(NOON_US - HOUR_US)
    with world.engine.begin() as connection:
        connection.execute(envelope.update().values(waits=1, number_index=None))
    answer = run(world.look_ups.ask(OFFICER, world.asking(number=VISITOR.number)))
    assert VISITORS_WAIT in answer.notes
    assert not answer.complete


def test_a_room_is_asked_as_of_then(world: World) -> None:
    moved_us = NOON_US - 3 * HOUR_US
    world.resident(until_us=moved_us)
    world.resident(number="000000199202020028", reference="H-2", from_us=moved_us)
    world.resident(number="000000199303030030", reference="H-3", room=302)
    for reference in ("H-1", "H-2", "H-3"):
        world.enter(NOON_US - 4 * HOUR_US, NOON_US - 2 * HOUR_US, holder=reference)
    assert seqs(asked(world, Asked.ROOM)) == [4, 1]
    with pytest.raises(NotThere):
        asked(world, Asked.ROOM, room=999)


def test_a_card_is_found_with_each_holder_it_had_and_with_none(world: World) -> None:
    token = world.card(world.resident())
    world.enter(NOON_US - 3 * HOUR_US, token=token)
    world.enter(NOON_US - 2 * HOUR_US, token=token, holder=None)
    world.enter(NOON_US - HOUR_US, token=bytes(16))
    assert seqs(asked(world, Asked.CARD)) == [2, 1]


def test_a_card_that_nobody_registered_is_found_where_it_was_refused(world: World) -> None:
    token = world.vault.token(SITE, "mifare", CARD)
    world.enter(NOON_US - HOUR_US, token=token, holder=None, kind=Kind.ACCESS_DENIED)
    assert seqs(asked(world, Asked.CARD)) == [1]


def test_places_and_kinds_of_entries(world: World) -> None:
    ago = (NOON_US - HOUR_US + n * SECOND_US for n in range(20))
    world.enter(next(ago))  # 1
    world.enter(next(ago), door="door-2")  # 2
    world.enter(next(ago), holder=None)  # 3
    world.enter(next(ago), kind=Kind.ACCESS_DENIED, reason=Reason.NO_RIGHT)  # 4
    world.enter(next(ago), kind=Kind.ACCESS_DENIED, reason=Reason.LOST)  # 5
    world.enter(next(ago), kind=Kind.REMOTE_RELEASE, reason=Reason.COMMAND, door="door-3")  # 6
    world.enter(next(ago), holder=None, door="door-2")  # 7
    world.enter(next(ago), gateway_id=2)
    assert seqs(asked(world, Asked.DOOR)) == [5, 4, 3, 1]
    assert seqs(asked(world, Asked.BUILDING)) == [7, 6, 5, 4, 3, 2, 1]
    assert seqs(asked(world, Asked.UNREGISTERED)) == [7, 3]
    assert seqs(asked(world, Asked.UNREGISTERED, door="door-2")) == [7]
    assert seqs(asked(world, Asked.DENIED)) == [5, 4]
    assert seqs(asked(world, Asked.LOST_CARD)) == [5]
    assert seqs(asked(world, Asked.REMOTE_RELEASE)) == [6]


def test_a_card_lent_to_a_visitor_and_a_pass_for_a_document_are_found_by_their_number(world: World) -> None:
    lent = world.vault.token(SITE, "mifare", CARD)
    shown = world.vault.token(SITE, "id_card", VISITOR.number)
    a_pass(world, "guest-1", token=lent)
    a_pass(world, "guest-2", token=shown)
    world.enter(NOON_US - 2 * HOUR_US, token=lent, holder="guest-1", category="visitor")
    world.enter(NOON_US - HOUR_US, token=shown, holder="guest-2", category="visitor")
    assert seqs(asked(world, Asked.CARD)) == [1]
    assert seqs(asked(world, Asked.PERSON, number=VISITOR.number)) == [2]


def test_overdue_visitors_came_in_and_have_a_pass_that_is_over_and_was_good_and_not_used_up(
    world: World,
) -> None:
    for name, over_us in (("guest-1", HOUR_US), ("guest-2", HOUR_US), ("guest-3", -HOUR_US)):
        a_pass(world, name, until_at=NOON_US - over_us)
        world.enter(NOON_US - 3 * HOUR_US, holder=name)
    a_pass(world, "guest-4", until_at=NOON_US - HOUR_US)
    a_pass(world, "guest-5", until_at=NOON_US - HOUR_US)
    a_pass(world, "guest-6", until_at=NOON_US - HOUR_US, revoked_at=NOON_US - 2 * HOUR_US)
    a_pass(world, "guest-7", until_at=NOON_US - HOUR_US, revoked_at=NOON_US + HOUR_US, uses=2)
    a_pass(world, "guest-8", until_at=NOON_US - HOUR_US, uses=1)
    for name in ("guest-6", "guest-7", "guest-8"):
        world.enter(NOON_US - 3 * HOUR_US, holder=name)
    world.enter(NOON_US - 2 * HOUR_US, holder="guest-5", gateway_id=2)
    assert run(world.look_ups.ask(OFFICER, world.asking(Asked.OVERDUE))).notes == (EXITS_NOT_TOLD,)
    world.enter(NOON_US - 2 * HOUR_US, holder="guest-2", direction=Direction.OUT)
    assert asked(world, Asked.OVERDUE) == [("east", 5), ("east", 1)]
    assert asked(world, Asked.OVERDUE, gateway="west") == [("west", 1)]


def a_pass(world: World, reference: str, **changes: object) -> None:
    plain = {"community_id": COMMUNITY, "site": SITE, "reference": reference, "kind": "card_uid"}
    valid = {"from_at": NOON_US - 9 * HOUR_US, "until_at": NOON_US, "issued_at": 1, "issued_by": "account 1"}
    world.put(visitor_pass, **{**plain, **valid, "reason": "family", "doors": '["*"]', **changes})


def test_pages_follow_each_other_without_end_while_more_arrives(world: World) -> None:
    world.resident()
    world.enter(*[NOON_US - HOUR_US] * 7, *[NOON_US - 2 * HOUR_US] * 6)
    world.enter(*[NOON_US - HOUR_US] * 7, gateway_id=2)
    found: list[int] = []
    with reading(world.reader) as connection:
        run(world.look_ups.ask(OFFICER, world.asking()))
        row = row_of(connection, 1)
        branches = subject_of(connection, world.vault, world.look_ups.zone, row).branches
        everything, more = page(connection, branches, 500)
        assert not more
    place = None
    while True:
        with reading(world.reader) as connection:
            rows, more = page(connection, branches, 3, place)
        found += [row.id for row in rows]
        if not more:
            break
        place = rows[-1].place
        world.enter(NOON_US - HOUR_US + SECOND_US)
    assert found == [row.id for row in everything]
    assert len(found) == 20


@pytest.mark.parametrize("asked_", [each for each in Asked if each is not Asked.SITE])
def test_no_question_sorts_or_walks_all_records(tmp_path: Path, asked_: Asked) -> None:
    """On SQLite; PostgreSQL walks what is small, and `bench lookups` measures what is large."""
    engine = new_database(tmp_path / "central.sqlite")
    world = World(engine, tmp_path)
    world.card(world.resident())
    world.visit(NOON_US - HOUR_US)
    plans: list[str] = []

    def note(_c: object, cursor: object, statement: str, values: object, *_: object) -> None:
        if "FROM record" in statement or "JOIN record" in statement:
            plans.extend(row[3] for row in explain(statement, values))

    def explain(statement: str, values: object) -> list[tuple[int, int, int, str]]:
        raw = world.reader.raw_connection()
        try:
            found = raw.cursor()
            found.execute(f"EXPLAIN QUERY PLAN {statement}", values)  # type: ignore[arg-type]
            return list(found.fetchall())
        finally:
            raw.close()

    event.listen(world.reader, "before_cursor_execute", note)
    run(world.look_ups.ask(OFFICER, world.asking(asked_, window=Window(NOON_US - DAY_US, NOON_US))))
    assert plans
    assert not [step for step in plans if step.startswith("SCAN record")]
    if asked_ not in (Asked.PERSON, Asked.OVERDUE):  # of a visitor's few entries of a day; of a site's passes
        assert not [step for step in plans if "TEMP B-TREE" in step]
    world.close()
    engine.dispose()


def test_a_site_of_another_community_is_not_there(world: World) -> None:
    with world.engine.begin() as connection:
        connection.execute(site.update().values(community_id=OTHER))
    with pytest.raises(NotThere):
        run(world.look_ups.ask(OFFICER, world.asking(Asked.DOOR)))
