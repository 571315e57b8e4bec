"""What follows from dates and states alone: leases, credentials, rights of one person, names of places."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from register_support import a_number

import drivers.base
from central.errors import Clash
from central.register.credential_forms import form_fault
from central.register.credential_life import TRANSITIONS, CredentialAct, CredentialState, after
from central.register.credentials import CredentialKind, good_number
from central.register.grants import Grant, merge
from central.register.lease_states import DAY_US, LeaseDates, LeaseState, lease_state
from central.register.person_identity import NumberFault, masked_name, masked_number, number_fault
from central.register.place_names import sort_key, spelt, tidy
from central.register.words import Category, DocumentType, Relation, category_of
from drivers.credential_forms import form_wanted

START = 1_000 * DAY_US
LEASE = LeaseDates(START, START + 365 * DAY_US, 30, 7)


@pytest.mark.parametrize(
    ("day", "state"),
    [
        (-1, LeaseState.UPCOMING),
        (0, LeaseState.RUNNING),
        (334, LeaseState.RUNNING),
        (335, LeaseState.IN_NOTICE),
        (364, LeaseState.IN_NOTICE),
        (365, LeaseState.IN_GRACE),
        (371, LeaseState.IN_GRACE),
        (372, LeaseState.ENDED),
    ],
)
def test_a_lease_goes_through_its_states_by_its_dates(day: int, state: LeaseState) -> None:
    assert lease_state(LEASE, START + day * DAY_US) is state


def test_a_lease_without_an_end_runs() -> None:
    assert lease_state(LeaseDates(START, None, 30, 7), START + 9_000 * DAY_US) is LeaseState.RUNNING


def test_an_early_end_has_its_grace_too() -> None:
    early = LeaseDates(START, START + 365 * DAY_US, 30, 7, START + 100 * DAY_US)
    states = [lease_state(early, START + day * DAY_US) for day in (60, 75, 100, 106, 107)]
    assert states == ["running", "in_notice", "in_grace", "in_grace", "ended"]


days = st.integers(0, 800)


@given(days, st.none() | days, st.integers(0, 366), st.integers(0, 92), st.none() | days, days, days)
def test_a_lease_never_goes_back_and_ends_with_its_rights(  # noqa: PLR0917  hypothesis passes them
    begun: int, until: int | None, notice: int, grace: int, ended: int | None, one: int, two: int
) -> None:
    dates = LeaseDates(begun, until, notice, grace, ended)
    order = list(LeaseState)
    early, late = (lease_state(dates, day * DAY_US) for day in sorted((one, two)))
    assert order.index(early) <= order.index(late)
    last = dates.rights_until_us
    assert (late is LeaseState.ENDED) == (last is not None and max(one, two) * DAY_US >= last)


@pytest.mark.parametrize("state", [None, *CredentialState])
@pytest.mark.parametrize("act", list(CredentialAct))
def test_a_credential_allows_what_the_table_says(state: CredentialState | None, act: CredentialAct) -> None:
    if act in TRANSITIONS[state]:
        assert after(state, act) is TRANSITIONS[state][act]
    else:
        with pytest.raises(Clash, match="allows"):
            after(state, act)


def test_a_lost_credential_is_neither_extended_nor_lost_again_and_a_returned_one_is_done() -> None:
    assert set(TRANSITIONS[CredentialState.LOST]) == {CredentialAct.LIFT_LOSS, CredentialAct.RETURN}
    assert TRANSITIONS[CredentialState.RETURNED] == {}


times = st.integers(0, 400).map(lambda day: day * DAY_US)
grants = st.builds(
    Grant,
    doors=st.sets(st.sampled_from(["a", "b", "c"]), min_size=1).map(lambda found: tuple(sorted(found))),
    from_us=times,
    until_us=st.none() | times,
    schedule=st.none() | st.just("night"),
    right=st.integers(1, 9),
)


@given(st.lists(grants, max_size=4), times)
def test_an_entry_opens_now_what_some_right_opens_now_and_nothing_else(found: list[Grant], now: int) -> None:
    """But for rights on a schedule, which are named instead."""
    merged = merge(found, now)
    on = [grant for grant in found if grant.is_on(now)]
    opens = merged is not None and merged.from_us is None and (merged.until_us or 2**62) > now
    assert opens == bool(on)
    if on:
        assert merged is not None
        carried = {door for grant in on if grant.schedule == merged.schedule for door in grant.doors}
        assert set(merged.doors) == carried
        assert len(merged.withheld) == sum(grant.schedule != merged.schedule for grant in on)


@given(st.lists(grants, max_size=4), times, times)
def test_an_entry_stays_right_until_the_time_that_it_names(found: list[Grant], now: int, later: int) -> None:
    merged = merge(found, now)
    on_then = {door for grant in found if grant.is_on(later) for door in grant.doors}
    if merged is not None and now <= later < (merged.changes_us or 2**62):
        allowed = merged.from_us is None and (merged.until_us or 2**62) > later
        assert set(merged.doors if allowed else ()) <= on_then


def test_names_are_ordered_as_people_count() -> None:
    buildings = ["10 号楼", "2 号楼", "１ 号楼", "3A 号楼"]
    assert sorted(buildings, key=sort_key) == ["１ 号楼", "2 号楼", "3A 号楼", "10 号楼"]
    units = ["三单元", "二十一单元", "十单元", "十二单元", "一单元", "二十单元"]
    assert sorted(units, key=sort_key) == ["一单元", "三单元", "十单元", "十二单元", "二十单元", "二十一单元"]
    assert tidy(" ３  单元 ") == "3 单元"


def test_places_are_typed_in_letters() -> None:
    assert spelt("东湖小区 3 号楼") == ("donghuxiaoqu3haolou", "dhxq3hl")


@pytest.mark.parametrize(
    ("name", "shown"), [("王小明", "王**"), ("欧阳小明", "欧阳**"), ("欧阳", "欧**"), ("Li", "L**")]
)
def test_a_name_shows_its_family_alone(name: str, shown: str) -> None:
    assert masked_name(name) == shown


def test_a_number_shows_its_last_four_and_a_short_one_less() -> None:
    assert masked_number(a_number(1)) == f"****{a_number(1)[-4:]}"
    assert [masked_number(number) for number in ("1234567", "12", None)] == ["****67", "****", None]


PERMANENT_2017 = "ZZZ000090010115"
WITH_LETTER = "00000019900308001X"


def test_a_mistyped_number_is_noticed() -> None:
    good = a_number(7)
    wrong = good[:-2] + str((int(good[-2]) + 1) % 10) + good[-1]
    assert number_fault(DocumentType.RESIDENT_ID, good) is None
    assert "mistyped" in (number_fault(DocumentType.RESIDENT_ID, wrong) or "")
    assert "17 digits" in (number_fault(DocumentType.RESIDENT_ID, "123") or "")
    assert number_fault(DocumentType.PASSPORT, "E00000001") is None
    assert number_fault(DocumentType.PASSPORT, "E-1") is not None


@pytest.mark.parametrize(
    ("document", "number", "fault"),
    [
        (DocumentType.RESIDENCE_PERMIT, "000000199002300017", NumberFault.BIRTH),
        (DocumentType.RESIDENT_ID, "000000199013010015", NumberFault.BIRTH),
        (DocumentType.PERMANENT_RESIDENCE, PERMANENT_2017, None),
        (DocumentType.PERMANENT_RESIDENCE, a_number(7), None),
        (DocumentType.PERMANENT_RESIDENCE, PERMANENT_2017[:-1] + "0", NumberFault.CHECK),
        (DocumentType.PERMANENT_RESIDENCE, "ZZZ000090023001", NumberFault.BIRTH),
        (DocumentType.PERMANENT_RESIDENCE, "12345", NumberFault.PERMANENT),
        (DocumentType.OTHER, "12345", None),
    ],
)
def test_a_number_is_judged_as_its_document_s_are_made(
    document: DocumentType, number: str, fault: NumberFault | None
) -> None:
    assert number_fault(document, number) is fault


@pytest.mark.parametrize(
    "number",
    [
        *("000000199003070011", "00000019491231002X", "ABC", "XYZ", "04A1B2C3", "04A1B2C3D4E5F6", "04A1B2"),
        *(
            "04:A1:B2:C3",
            "04A1B2C3D4E5F6A7B8C9",
            "0123456789ABCDEF",
            "2A00BC614E",
            "26:7BB26E",
            "34:",
            "1234",
        ),
        *("0042", "12AB", "anything at all", "04A1B2G3", "04A1B2C30", "1:0", "000:1"),
    ],
)
@pytest.mark.parametrize("kind", drivers.base.CredentialKind)
def test_a_card_s_number_is_what_its_reader_can_give_and_nothing_else(
    kind: drivers.base.CredentialKind, number: str
) -> None:
    """The register's forms are the drivers'."""
    said = form_fault(kind, number)
    assert (said is None) == (form_wanted(kind, number) is None)
    assert said is None or number not in said


def hyphened(number: str) -> str:
    return f"{number[:6]}-{number[6:14]}-{number[14:]}"


def blanked(number: str) -> str:
    return f" {number[:6]} {number[6:14]}\u3000{number[14:]} "


def widened(number: str) -> str:
    return "".join(chr(ord(each) + 0xFEE0) for each in number)


@pytest.mark.parametrize("spelt_so", [hyphened, blanked, widened, str.lower])
def test_an_id_card_is_kept_as_its_reader_gives_it_however_it_was_typed(
    spelt_so: Callable[[str], str],
) -> None:
    for number in (a_number(7), WITH_LETTER, PERMANENT_2017):
        typed = spelt_so(number)
        assert good_number(CredentialKind.ID_CARD, typed) == number
        assert typed == number or form_fault("id_card", typed) is not None, "no reader gives that"


def test_somebody_with_several_homes_is_what_weighs_most() -> None:
    both = frozenset({Relation.TENANT.value, Relation.OWNER.value})
    assert category_of(both, "other") == Category.RESIDENT
    assert category_of(frozenset(), "worker") == Category.WORKER
