"""Taking back what one did at the register: whole, soon, by oneself, and as acts of its own in the trail."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from register_support import EAST, Estate, copied_estate

from central.errors import Clash
from central.register.credential_life import TRANSITIONS, CredentialAct, CredentialState
from central.register.credentials import CredentialKind, change, credentials_of, issue
from central.register.desk import Desk
from central.register.leases import extend_lease, leases, make_lease
from central.register.people import merge_people, register_person
from central.register.people_found import get_person
from central.register.place_tree import uses
from central.register.places import set_use
from central.register.residencies import Arrival, correct_residency, lived_in, move_in, move_out
from central.register.taking_back import Concerns, Deed, last_deed, take_back
from central.register.words import DocumentType, HomeUse, RegisterAct, Relation
from central.store.register_tables import register_event
from central.undo import WITHIN_US

MINUTE = 1 / 1440
CARD = "04A1B2C3"


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    with copied_estate(tmp_path) as made:
        yield made


def any_event(_event: object) -> bool:
    return True


def of(act: RegisterAct) -> Concerns:
    return lambda event: event.act is act


def last(estate: Estate, minutes: float, concerns: Concerns = any_event) -> Deed | None:
    with estate.reading() as db:
        now_us = estate.at(minutes * MINUTE)
        return last_deed(db, estate.community, account=31, now_us=now_us, concerns=concerns)


def done(estate: Estate, minutes: float, act: Callable[[Desk], object]) -> Deed:
    with estate.desk(days=minutes * MINUTE) as desk:
        act(desk)
    deed = last(estate, minutes)
    assert deed is not None
    return deed


def undone(estate: Estate, deed: Deed, minutes: float = 20) -> None:
    with estate.desk(days=minutes * MINUTE) as desk:
        take_back(desk, deed.id)


def living(estate: Estate, minutes: float) -> list[str]:
    at = estate.at(minutes * MINUTE)
    with estate.reading() as db:
        return [each.relation for each in lived_in(db, estate.community, estate.places["101"], at, at + 1)]


def acts(estate: Estate) -> list[str]:
    with estate.reading() as db:
        return [row.act for row in db.execute(register_event.select().order_by(register_event.c.id))]


def test_a_tenant_who_moved_in_with_lease_and_card_never_did(estate: Estate) -> None:
    person = estate.person()

    def moves(desk: Desk) -> None:
        room = estate.places["101"]
        lease = make_lease(desk, room, from_us=desk.now_us, until_us=None)
        move_in(desk, Arrival(person, room, Relation.TENANT, lease), since_us=desk.now_us)

    deed = done(estate, 10, moves)
    assert deed.has(RegisterAct.MOVED_IN)
    undone(estate, deed)
    assert living(estate, 21) == []
    with estate.reading() as db:
        assert leases(db, estate.community, estate.at(21 * MINUTE)) == []
    assert acts(estate)[-3:] == ["residency_corrected", "lease_voided", "undone"]
    assert last(estate, 21) is None


def test_who_was_registered_with_the_act_is_deregistered_and_their_card_opens_nothing(
    estate: Estate,
) -> None:
    with estate.desk(days=10 * MINUTE) as desk:
        now_us = desk.now_us
    moment = replace(estate, now_us=now_us)
    person = moment.resident("周新来", "101", CARD)
    deed = last(estate, 10, of(RegisterAct.MOVED_IN))
    assert deed is not None
    assert estate.doors(EAST, CARD, days=11 * MINUTE) is not None
    undone(estate, deed)
    assert estate.doors(EAST, CARD, days=21 * MINUTE) is None
    with estate.reading() as db:
        assert get_person(db, estate.vault, estate.community, person).state == "deregistered"
        assert [each.state for each in credentials_of(db, estate.community, person)] == ["returned"]


def test_who_moved_out_lives_on_as_before_and_both_stand_in_the_history(estate: Estate) -> None:
    person = estate.person()
    home = estate.lives(person, "101", Relation.FAMILY, since=-100)
    deed = done(estate, 10, lambda desk: move_out(desk, home, at_us=desk.now_us, reason="看错了"))
    assert living(estate, 11) == []
    undone(estate, deed)
    assert living(estate, 21) == ["family"]
    with estate.reading() as db:
        [now] = lived_in(db, estate.community, estate.places["101"], estate.at(-50), estate.at(1))
    assert (now.corrects, now.from_us, now.until_us) == (home, estate.at(-100), None)


@pytest.mark.parametrize(
    ("before", "act", "state"),
    [
        pytest.param((), CredentialAct.REPORT_LOST, "found", id="lost"),
        pytest.param((CredentialAct.REPORT_LOST,), CredentialAct.LIFT_LOSS, "lost", id="found again"),
        pytest.param((), CredentialAct.EXTEND, "extended", id="extended"),
    ],
)
def test_a_card_is_as_it_was(
    estate: Estate, before: tuple[CredentialAct, ...], act: CredentialAct, state: str
) -> None:
    end_us = estate.at(30)
    person = estate.person()
    card = estate.card(person, CARD, valid_until_us=end_us)
    for each in before:
        with estate.desk(days=MINUTE) as desk:
            change(desk, card, each)
    deed = done(estate, 10, lambda desk: change(desk, card, act, valid_until_us=estate.at(60)))
    undone(estate, deed)
    with estate.reading() as db:
        [now] = credentials_of(db, estate.community, person)
    assert (now.state, now.valid_until_us) == (state, end_us)


def test_a_card_that_was_returned_is_given_again_in_its_own_place(estate: Estate) -> None:
    person = estate.resident("王小明", "101", CARD)
    with estate.reading() as db:
        [former] = credentials_of(db, estate.community, person)
    deed = done(estate, 10, lambda desk: change(desk, former.id, CredentialAct.RETURN))
    assert estate.doors(EAST, CARD, days=11 * MINUTE) is None
    undone(estate, deed)
    assert estate.doors(EAST, CARD, days=21 * MINUTE) is not None
    with estate.reading() as db:
        _, again = credentials_of(db, estate.community, person)
    assert (again.replaces, again.state, again.hint) == (former.id, "issued", former.hint)


def test_use_and_lease_are_as_they_were(estate: Estate) -> None:
    room = estate.places["101"]
    with estate.desk() as desk:
        set_use(desk, room, HomeUse.EMPTY)
        lease = make_lease(desk, room, from_us=desk.now_us, until_us=estate.at(30))
    undone(estate, done(estate, 10, lambda desk: set_use(desk, room, HomeUse.LET)))
    extended = done(estate, 30, lambda desk: extend_lease(desk, lease, until_us=estate.at(60)))
    undone(estate, extended, 40)
    with estate.reading() as db:
        assert uses(db, estate.community, [room]) == {room: "empty"}
        [now] = leases(db, estate.community, estate.now_us)
    assert now.dates.until_us == estate.at(30)


def test_only_who_did_it_undoes_it_once_and_within_minutes(estate: Estate) -> None:
    home = estate.lives(estate.person(), "101", since=-1)
    deed = done(estate, 10, lambda desk: move_out(desk, home, at_us=desk.now_us, reason="搬走"))
    late = 10 + WITHIN_US / 60_000_000
    assert last(estate, late) is None
    with pytest.raises(Clash, match="too long ago"):
        undone(estate, deed, late)
    with pytest.raises(Clash, match="too long ago"), estate.desk(days=11 * MINUTE) as desk:
        take_back(replace(desk, account=32), deed.id)
    undone(estate, deed)
    with pytest.raises(Clash, match="undone already"):
        undone(estate, deed, 21)


def test_what_somebody_changed_since_is_not_undone(estate: Estate) -> None:
    home = estate.lives(estate.person(), "101", since=-1)
    deed = done(estate, 10, lambda desk: move_out(desk, home, at_us=desk.now_us, reason="搬走"))
    with estate.desk(days=11 * MINUTE) as desk:
        correct_residency(replace(desk, account=32), home, reason="登记错误", instead=None)
    assert last(estate, 12) is None
    with pytest.raises(Clash, match="changed since"):
        undone(estate, deed)
    assert "undone" not in acts(estate)


TO_BE: dict[CredentialState | None, tuple[CredentialAct, ...]] = {
    CredentialState.ISSUED: (),
    CredentialState.EXTENDED: (CredentialAct.EXTEND,),
    CredentialState.LOST: (CredentialAct.REPORT_LOST,),
    CredentialState.FOUND: (CredentialAct.REPORT_LOST, CredentialAct.LIFT_LOSS),
}
"""By which acts a card comes into each state."""


@pytest.mark.parametrize(
    "state", [each for each, allowed in TRANSITIONS.items() if CredentialAct.RETURN in allowed]
)
def test_a_card_that_was_returned_opens_again_unless_it_was_lost(
    estate: Estate, state: CredentialState
) -> None:
    person = estate.resident("王小明", "101", CARD)
    with estate.reading() as db:
        [card] = credentials_of(db, estate.community, person)
    for minute, act in enumerate(TO_BE[state], 1):
        with estate.desk(days=minute * MINUTE) as desk:
            change(desk, card.id, act)
    with estate.reading() as db:
        assert [each.state for each in credentials_of(db, estate.community, person)] == [state]
    with estate.desk(days=10 * MINUTE) as desk:
        change(desk, card.id, CredentialAct.RETURN)
    deed = last(estate, 11)
    if state is not CredentialState.LOST:
        assert deed is not None
        undone(estate, deed)
        assert estate.doors(EAST, CARD, days=21 * MINUTE) is not None
        return
    assert deed is None
    refused(estate, 20)
    assert estate.doors(EAST, CARD, days=21 * MINUTE) is None


def refused(estate: Estate, minutes: float, act: RegisterAct = RegisterAct.CREDENTIAL_CHANGED) -> None:
    """The last that was done so is not taken back, and nothing of it is."""
    with estate.reading() as db:
        asked = register_event.select().where(register_event.c.act == act)
        event = db.execute(asked.order_by(register_event.c.id.desc())).first()
    assert event is not None
    before = acts(estate)
    with pytest.raises(Clash, match="changed since"), estate.desk(days=minutes * MINUTE) as desk:
        take_back(desk, event.id)
    assert acts(estate) == before


def test_a_card_that_is_good_from_a_later_day_is_not_good_at_once(estate: Estate) -> None:
    person = estate.person()
    estate.lives(person, "101")
    card = estate.card(person, CARD, valid_from_us=estate.at(5))
    undone(estate, done(estate, 10, lambda desk: change(desk, card, CredentialAct.RETURN)))
    with estate.reading() as db:
        _, again = credentials_of(db, estate.community, person)
    assert again.valid_from_us == estate.at(5)


@pytest.mark.parametrize("act", [CredentialAct.REPORT_LOST, CredentialAct.RETURN])
def test_a_card_in_whose_place_another_was_given_stays_as_it_is(estate: Estate, act: CredentialAct) -> None:
    person = estate.person()
    card = estate.card(person, CARD)
    with estate.desk(days=10 * MINUTE) as desk:
        change(desk, card, act)
    estate.card(person, "04A1B2C4", days=11 * MINUTE, replaces=card)
    assert last(estate, 12, of(RegisterAct.CREDENTIAL_CHANGED)) is None
    refused(estate, 12)


def test_a_card_that_is_somebody_else_s_by_now_is_not_given_again(estate: Estate) -> None:
    card = estate.card(estate.person(), CARD)
    with estate.desk(days=10 * MINUTE) as desk:
        change(desk, card, CredentialAct.RETURN)
    estate.card(estate.person("李芳"), CARD, days=11 * MINUTE)
    assert last(estate, 12, of(RegisterAct.CREDENTIAL_CHANGED)) is None
    refused(estate, 12)


def test_whoever_was_merged_into_a_new_row_meanwhile_keeps_home_and_card(estate: Estate) -> None:
    with_card = estate.person(document=DocumentType.NONE, number=None)
    estate.lives(with_card, "101", since=-100)
    estate.card(with_card, CARD)
    registered = estate.person(days=10 * MINUTE)
    with estate.desk(days=11 * MINUTE) as desk:
        merge_people(replace(desk, account=32), registered, with_card, reason="同一个人")
    assert last(estate, 12, of(RegisterAct.PERSON_REGISTERED)) is None
    refused(estate, 12, RegisterAct.PERSON_REGISTERED)
    assert estate.doors(EAST, CARD, days=13 * MINUTE) is not None


def test_a_move_in_whose_person_got_another_card_meanwhile_is_not_undone_in_part(estate: Estate) -> None:
    people: list[int] = []

    def moves(desk: Desk) -> None:
        people.append(register_person(desk, name="周新来", document=DocumentType.NONE))
        room = estate.places["101"]
        move_in(desk, Arrival(people[0], room, Relation.OWNER, None), since_us=desk.now_us)

    deed = done(estate, 10, moves)
    with estate.desk(days=11 * MINUTE) as desk:
        issue(replace(desk, account=32), people[0], CredentialKind.CARD_UID, CARD)
    assert last(estate, 12) is None
    for _ in range(2):
        refused(estate, 12, RegisterAct.PERSON_REGISTERED)
    assert living(estate, 13) == ["owner"]
    assert deed.count(RegisterAct.PERSON_REGISTERED) == 1


def test_what_was_undone_is_not_undone_again(estate: Estate) -> None:
    room = estate.places["101"]
    with estate.desk() as desk:
        set_use(desk, room, HomeUse.EMPTY)
    deed = done(estate, 10, lambda desk: set_use(desk, room, HomeUse.LET))
    with estate.desk(days=11 * MINUTE) as desk:
        desk.note(RegisterAct.UNDONE, register_event, deed.id)
    assert last(estate, 12, of(RegisterAct.HOME_USE_SET)) is None
    with pytest.raises(Clash, match="undone already"):
        undone(estate, deed, 12)
