"""People and where they live: registered, corrected, merged, moved, deregistered, and known for any day."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from register_support import SITE, Estate, a_number, an_estate, copied_estate
from sqlalchemy import Engine, select

from central.errors import BadQuestion, Clash, RowRefused
from central.identity.rotation import reseal
from central.register.credential_life import CredentialAct, CredentialState
from central.register.credentials import (
    CredentialKind,
    change,
    credentials_of,
    good_number,
    history_of,
    issue,
)
from central.register.lease_states import LeaseState
from central.register.leases import end_lease, leases, make_lease, void_lease
from central.register.people import correct_person, deregister_person, merge_people, register_person
from central.register.people_found import (
    find_by_card,
    find_people,
    get_person,
    holders_of,
    person_of_holder,
    persons_of_token,
)
from central.register.residencies import (
    Arrival,
    correct_dates,
    correct_residency,
    lived_in,
    lived_where,
    living_in,
    move,
    move_in,
    move_out,
    residency_of,
)
from central.register.words import DocumentType, PersonState, Relation
from central.store.register_tables import person_former, register_event

CARD = "04A1B2C3"
DAY = 1


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    with copied_estate(tmp_path) as copied:
        yield copied


def who_lived(estate: Estate, room: str, day: float) -> list[int]:
    with estate.reading() as connection:
        place = estate.places[room]
        there = lived_in(connection, estate.community, place, estate.at(day), estate.at(day + DAY))
        return [each.person_id for each in there]


def test_a_card_is_issued_as_drivers_write_it_whatever_letters_were_typed(estate: Estate) -> None:
    """Else its token would be another one than a door's reader makes of it."""
    anna = estate.resident("安娜", "101", " 04a1b2c3d4e5f6 ")
    assert estate.doors("east", "04A1B2C3D4E5F6") is not None
    with estate.reading() as connection:
        for typed in ("04A1B2C3D4E5F6", "04a1b2c3d4e5f6"):
            found = find_by_card(connection, estate.vault, estate.community, typed)
            assert [each.id for each in found] == [anna]
    with pytest.raises(Clash, match="issued already"):
        estate.card(anna, "04A1b2c3d4e5f6")
    assert good_number(CredentialKind.QR_CODE, "aB-c") == "aB-c"


def test_one_story_on_both_engines(engine: Engine, tmp_path: Path) -> None:
    """Registered, moved in by a lease, moved, lost a card, corrected, merged, deregistered."""
    estate = an_estate(engine, tmp_path)
    anna = estate.resident("安娜", "101", CARD)
    with estate.desk(days=1) as desk:
        lease = make_lease(desk, estate.places["201"], from_us=estate.at(2), until_us=estate.at(40))
    with estate.reading() as connection:
        (home,) = lived_where(connection, estate.community, anna)
        (card,) = credentials_of(connection, estate.community, anna)
    with estate.desk(days=3) as desk:
        arrival = Arrival(anna, estate.places["201"], Relation.TENANT, lease)
        move(desk, [home.id], [arrival], at_us=estate.at(3), reason="换租")
        change(desk, card.id, CredentialAct.REPORT_LOST)
    assert who_lived(estate, "101", 1) == who_lived(estate, "201", 5) == [anna]
    assert who_lived(estate, "101", 5) == who_lived(estate, "201", 1) == []
    assert [entry.lost for entry in estate.rights("west", days=5).entries] == [True]
    twin = estate.person("安娜", document=DocumentType.NONE, number=None)
    with estate.desk(days=6) as desk:
        correct_person(desk, anna, name="安 娜", reason="写错")
        merge_people(desk, anna, twin, reason="同一人")
    with estate.reading() as connection:
        mine = find_people(connection, estate.vault, estate.community, number=a_number(1))
        assert [(each.id, each.name) for each in mine] == [(anna, "安**")]
        assert [each.id for each in find_by_card(connection, estate.vault, estate.community, CARD)] == [anna]
        assert len(holders_of(connection, estate.community, anna)) == 2
        living = living_in(connection, estate.community, estate.places["estate"], estate.at(6), estate.at(7))
        assert [each.person_id for each in living] == [anna]
        assert [each.state for each in leases(connection, estate.community, estate.at(20))] == ["in_notice"]
    estate.vault.rotate_register(estate.community)
    assert reseal(engine, estate.vault, estate.community) == 4, "two people, one former row, one card"
    with estate.desk(days=7) as desk:
        deregister_person(desk, anna, reason="人走注销")
    assert who_lived(estate, "201", 8) == []
    with pytest.raises(RowRefused, match="only grows"), estate.desk() as desk:
        desk.connection.execute(register_event.delete())


def test_people_are_found_by_the_whole_of_what_is_known_and_shown_masked(estate: Estate) -> None:
    mine = estate.person("王小明", phone="+86 138 0000 0000")
    estate.person("李小红")
    with estate.reading() as connection:
        for asked in ({"name": " 王小明 "}, {"number": a_number(1)}, {"phone": "13800000000"}):
            (found,) = find_people(connection, estate.vault, estate.community, **asked)  # type: ignore[arg-type]
            assert (found.id, found.name, found.number, found.phone) == (
                mine,
                "王**",
                f"****{a_number(1)[-4:]}",
                "****000",
            )
        assert find_people(connection, estate.vault, estate.community, name="王") == []
        assert (
            find_people(connection, estate.vault, estate.community, name="王小明", number=a_number(2)) == []
        )
        with pytest.raises(BadQuestion):
            find_people(connection, estate.vault, estate.community)


def test_nothing_of_who_they_are_lies_open_in_the_database(estate: Estate) -> None:
    mine = estate.person("王小明", phone="13800000000")
    with estate.desk() as desk:
        correct_person(desk, mine, name="王小亮", reason="写错")
        issue(desk, mine, CredentialKind.ID_CARD, a_number(1))
    estate.engine.dispose()
    files = Path(str(estate.engine.url.database)).parent.glob("central.sqlite*")
    stored = b"".join(each.read_bytes() for each in files)
    for secret in ("王小明", "王小亮", a_number(1), "13800000000"):
        assert secret.encode() not in stored


def test_a_number_is_registered_once_and_the_refusal_says_whose_row_it_is(estate: Estate) -> None:
    first = estate.person(number=a_number(1))
    with pytest.raises(Clash, match=f"person {first}$"):
        estate.person("另一人", number=a_number(1))


def test_somebody_who_comes_back_is_the_same_person_with_the_same_holder(estate: Estate) -> None:
    first = estate.person(number=a_number(1))
    with estate.desk(days=1) as desk:
        deregister_person(desk, first, reason="人走注销")
    again = estate.person("王小明", number=a_number(1), days=30)
    assert again == first
    with estate.reading() as connection:
        assert get_person(connection, estate.vault, estate.community, first).state == PersonState.REGISTERED
        assert len(holders_of(connection, estate.community, first)) == 1


def test_a_correction_keeps_what_was_written_before_and_who_wrote_it(estate: Estate) -> None:
    mine = estate.person("王小明")
    with estate.desk(days=2) as desk:
        correct_person(desk, mine, number=a_number(9), reason="号码写错")
    with estate.reading() as connection:
        assert find_people(connection, estate.vault, estate.community, number=a_number(1)) == []
        former = connection.execute(select(person_former)).one()
        assert (former.person_id, former.from_at, former.until_at) == (mine, estate.at(0), estate.at(2))
        opened = estate.vault.open_register(estate.community, f"person_former:{former.id}", former.sealed)
        assert a_number(1) in opened.decode()
        event = connection.execute(select(register_event).order_by(register_event.c.id.desc())).first()
        assert event is not None
        assert (event.act, event.account, event.reason) == ("person_corrected", 31, "号码写错")
        assert a_number(9) not in event.body


def test_two_people_with_two_numbers_are_not_merged(estate: Estate) -> None:
    with pytest.raises(Clash, match="numbers differ"), estate.desk() as desk:
        merge_people(desk, _new(estate, desk), _new(estate, desk), reason="x")


def _new(estate: Estate, desk: object) -> int:
    estate._serial += 1
    number = a_number(estate._serial)
    return register_person(desk, name="王小明", document=DocumentType.RESIDENT_ID, number=number)  # type: ignore[arg-type]


def test_the_merged_one_gives_its_number_and_its_history(estate: Estate) -> None:
    kept = estate.person("王小明", document=DocumentType.NONE, number=None)
    gone = estate.person("王小明")
    estate.lives(gone, "101", since=-9)
    with estate.desk() as desk:
        merge_people(desk, kept, gone, reason="同一人")
    assert who_lived(estate, "101", -5) == [kept]
    with estate.reading() as connection:
        (found,) = find_people(connection, estate.vault, estate.community, number=a_number(2))
        assert found.id == kept
        holder = holders_of(connection, estate.community, kept)[-1]
        assert person_of_holder(connection, estate.community, holder, estate.at(0)) == kept
        assert person_of_holder(connection, estate.community, holder, estate.at(-1)) is None
    with pytest.raises(Clash, match=f"see person {kept}"):
        estate.lives(gone, "102")


def test_nobody_lives_twice_in_a_room_at_once_but_may_come_back(estate: Estate) -> None:
    mine = estate.person()
    home = estate.lives(mine, "101", since=-9)
    with pytest.raises(Clash, match="already"):
        estate.lives(mine, "101", since=3)
    with estate.desk(days=1) as desk:
        move_out(desk, home, at_us=estate.at(1), reason="搬走")
        with pytest.raises(Clash, match="ended already"):
            move_out(desk, home, at_us=estate.at(1), reason="搬走")
    estate.lives(mine, "101", since=2, days=2)
    assert [who_lived(estate, "101", day) for day in (0, 1, 2)] == [[mine], [], [mine]]


def test_a_correction_of_a_residency_changes_what_history_says(estate: Estate) -> None:
    mine = estate.person()
    wrong = estate.lives(mine, "101", since=-9)
    with estate.desk(days=1) as desk:
        right = Arrival(mine, estate.places["102"], Relation.FAMILY)
        made = correct_residency(desk, wrong, reason="房号写错", instead=right)
        with pytest.raises(Clash, match="corrected"):
            correct_residency(desk, wrong, reason="x", instead=None)
    assert (who_lived(estate, "101", -5), who_lived(estate, "102", -5)) == ([], [mine])
    with estate.reading() as connection:
        both = lived_where(connection, estate.community, mine)
    assert [(each.id, each.corrects, each.voided_us is not None) for each in both] == [
        (wrong, None, True),
        (made, wrong, False),
    ]


def test_wrong_days_are_corrected_in_a_row_that_keeps_home_relation_and_a_lease_that_ended(
    estate: Estate,
) -> None:
    """Who comes in by a lease that is over is refused; who lived there by it is not."""
    mine, other, room = estate.person(), estate.person("李芳"), estate.places["101"]
    with estate.desk() as desk:
        lease = make_lease(desk, room, from_us=estate.at(-300), until_us=None)
    home = estate.lives(mine, "101", Relation.TENANT, since=-9, lease=lease)
    with estate.desk(days=1) as desk:
        end_lease(desk, lease, at_us=estate.at(1), reason="提前解约")
    with estate.desk(days=2) as desk, pytest.raises(Clash, match="how it is already"):
        correct_dates(desk, home, since_us=estate.at(-9), until_us=None, reason="x")
    with pytest.raises(BadQuestion, match="ends before"), estate.desk(days=2) as desk:
        correct_dates(desk, home, since_us=estate.at(3), until_us=estate.at(2), reason="x")
    with estate.desk(days=2) as desk:
        made = correct_dates(desk, home, since_us=estate.at(-40), until_us=estate.at(-1), reason="写错")
        with pytest.raises(Clash, match="corrected already"):
            correct_dates(desk, home, since_us=estate.at(-8), until_us=None, reason="x")
        with pytest.raises(Clash, match="lease is over"):
            move_in(desk, Arrival(other, room, Relation.TENANT, lease), since_us=estate.at(2))
    with estate.reading() as connection:
        former, row = (residency_of(connection, estate.community, each) for each in (home, made))
    assert (former.void_reason, former.from_us) == ("写错", estate.at(-9))
    assert (row.tenancy_id, row.relation, row.corrects) == (lease, Relation.TENANT, home)
    assert (row.from_us, row.until_us) == (estate.at(-40), estate.at(-1))
    assert [who_lived(estate, "101", at) for at in (-30, 0)] == [[mine], []]


def test_a_move_that_cannot_be_done_in_full_is_not_done_at_all(estate: Estate) -> None:
    mine = estate.person()
    home = estate.lives(mine, "101", since=-9)
    with pytest.raises(BadQuestion, match="is no room"), estate.desk() as desk:
        move(
            desk,
            [home],
            [Arrival(mine, estate.places["west"], Relation.OWNER)],
            at_us=estate.at(0),
            reason="x",
        )
    assert who_lived(estate, "101", 0) == [mine]


def test_leases_that_need_somebody_are_listed_by_their_state(estate: Estate) -> None:
    with estate.desk() as desk:
        room = estate.places["101"]
        soon = make_lease(desk, room, from_us=estate.at(-300), until_us=estate.at(20))
        over = make_lease(desk, room, from_us=estate.at(-300), until_us=estate.at(-2))
        make_lease(desk, room, from_us=estate.at(-300), until_us=None)
        never = make_lease(desk, room, from_us=estate.at(-300), until_us=estate.at(-1))
        void_lease(desk, never, reason="写错")
    with estate.reading() as connection:
        found = {
            state: [each.id for each in leases(connection, estate.community, estate.at(0), state=state)]
            for state in (LeaseState.IN_NOTICE, LeaseState.IN_GRACE, LeaseState.ENDED)
        }
    assert found == {"in_notice": [soon], "in_grace": [over], "ended": []}


def test_a_landlord_with_a_running_lease_is_not_deregistered(estate: Estate) -> None:
    mine = estate.person()
    with estate.desk() as desk:
        make_lease(desk, estate.places["101"], from_us=estate.at(-1), until_us=None, landlord=mine)
    with pytest.raises(Clash, match="landlord"), estate.desk() as desk:
        deregister_person(desk, mine, reason="x")


def test_a_card_is_replaced_and_its_life_can_be_read(estate: Estate) -> None:
    mine, other = estate.person(), estate.person("李小红")
    card = estate.card(mine, CARD)
    with pytest.raises(Clash, match=f"credential {card} of person {mine}"):
        estate.card(other, CARD)
    with pytest.raises(Clash, match="neither lost nor returned"):
        estate.card(mine, "04FFFFFF", replaces=card)
    with estate.desk(days=1) as desk:
        change(desk, card, CredentialAct.REPORT_LOST, reason="遗失")
        with pytest.raises(Clash, match="lift_loss, return"):
            change(desk, card, CredentialAct.EXTEND, valid_until_us=estate.at(99))
    estate.card(mine, "04FFFFFF", replaces=card)
    with estate.reading() as connection:
        old, new = credentials_of(connection, estate.community, mine)
        assert (old.state, old.hint, new.replaces) == (CredentialState.LOST, "B2C3", card)
        acts = [(row.act, row.state) for row in history_of(connection, estate.community, card)]
        assert acts == [("issue", "issued"), ("report_lost", "lost")]
        token = estate.vault.token(SITE, "card_uid", CARD)
        assert persons_of_token(connection, SITE, token) == [mine]
