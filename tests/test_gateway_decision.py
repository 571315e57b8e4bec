"""Every way a decision can go, as tables."""

from datetime import date

import pytest

from drivers.base import Assurance
from gateway.decision import Admission, Decision, DoorPolicy, Presented, decide
from messages.access_list import EVERY_DOOR, Entry
from messages.model import Reason

NOW_US = 1_700_000_000_000_000
TODAY = date(2026, 3, 1)
LISTED_ONLY = DoorPolicy()
DOCUMENTS = DoorPolicy(frozenset({Admission.VERIFIED_ID}))
BOTH = DoorPolicy(frozenset(Admission))
STRICT = DoorPolicy(frozenset(Admission), Assurance.L2)
WITH_PIN = DoorPolicy(asks_pin=True)
WITH_PIN_OR_DOCUMENT = DoorPolicy(frozenset(Admission), asks_pin=True)
PIN, OTHER_PIN = "1" * 32, "2" * 32


def entry(
    *doors: str,
    from_us: int | None = None,
    until_us: int | None = None,
    blocked: bool = False,
    pin: str | None = None,
) -> Entry:
    return Entry(
        "0" * 32, "holder-7", "resident", doors or ("lobby",), from_us, until_us, blocked=blocked, pin=pin
    )


def card(
    assurance: Assurance = Assurance.L3,
    begins: date | None = None,
    ends: date | None = None,
    pin: str | None = None,
) -> Presented:
    return Presented(assurance, begins, ends, pin)


def decided(presented: Presented, listed: Entry | None, policy: DoorPolicy) -> Decision:
    return decide(presented, listed, "lobby", policy, now_us=NOW_US, today=TODAY)


@pytest.mark.parametrize(
    ("listed", "policy", "presented", "reason"),
    [
        pytest.param(entry(), LISTED_ONLY, card(Assurance.L0), Reason.LISTED, id="on the list"),
        pytest.param(entry(EVERY_DOOR), LISTED_ONLY, card(), Reason.LISTED, id="on the list for every door"),
        pytest.param(entry("yard", "lobby"), LISTED_ONLY, card(), Reason.LISTED, id="second of its doors"),
        pytest.param(entry(), BOTH, card(), Reason.LISTED, id="the list speaks before the document"),
        pytest.param(
            entry(from_us=NOW_US), LISTED_ONLY, card(), Reason.LISTED, id="from the very microsecond on"
        ),
        pytest.param(
            entry(until_us=NOW_US + 1), LISTED_ONLY, card(), Reason.LISTED, id="until the microsecond before"
        ),
        pytest.param(
            entry(),
            LISTED_ONLY,
            card(ends=date(2020, 1, 1)),
            Reason.LISTED,
            id="old document, but on the list",
        ),
        pytest.param(entry(), STRICT, card(Assurance.L2), Reason.LISTED, id="just as hard to copy as asked"),
        pytest.param(entry(pin=PIN), WITH_PIN, card(pin=PIN), Reason.LISTED, id="with the right PIN"),
        pytest.param(
            entry(pin=PIN), LISTED_ONLY, card(), Reason.LISTED, id="without a PIN that is not asked"
        ),
        pytest.param(
            entry(pin=PIN),
            LISTED_ONLY,
            card(pin=OTHER_PIN),
            Reason.LISTED,
            id="with any PIN if none is asked",
        ),
        pytest.param(
            None, WITH_PIN_OR_DOCUMENT, card(), Reason.VERIFIED_ID, id="a document needs no PIN of ours"
        ),
        pytest.param(None, DOCUMENTS, card(), Reason.VERIFIED_ID, id="anybody with a document"),
        pytest.param(None, BOTH, card(ends=TODAY), Reason.VERIFIED_ID, id="on the document's last day"),
        pytest.param(None, BOTH, card(begins=TODAY), Reason.VERIFIED_ID, id="on the document's first day"),
        pytest.param(entry("yard"), BOTH, card(), Reason.VERIFIED_ID, id="listed for another door only"),
        pytest.param(
            entry(until_us=1), BOTH, card(), Reason.VERIFIED_ID, id="the right ended, a visitor now"
        ),
        pytest.param(entry(), DOCUMENTS, card(), Reason.VERIFIED_ID, id="the door asks for documents alone"),
    ],
)
def test_a_door_is_granted(
    listed: Entry | None, policy: DoorPolicy, presented: Presented, reason: Reason
) -> None:
    assert decided(presented, listed, policy) == Decision(granted=True, reason=reason, entry=listed)


@pytest.mark.parametrize(
    ("listed", "policy", "presented", "reason"),
    [
        pytest.param(None, LISTED_ONLY, card(), Reason.UNKNOWN_CREDENTIAL, id="unknown"),
        pytest.param(None, BOTH, card(Assurance.L2), Reason.UNKNOWN_CREDENTIAL, id="unknown, no document"),
        pytest.param(entry("yard"), LISTED_ONLY, card(), Reason.NO_RIGHT, id="another door"),
        pytest.param(
            entry(),
            DOCUMENTS,
            card(Assurance.L2),
            Reason.NO_RIGHT,
            id="listed, but the door asks for documents",
        ),
        pytest.param(
            entry(from_us=NOW_US + 1), LISTED_ONLY, card(), Reason.NOT_YET_VALID, id="a microsecond early"
        ),
        pytest.param(entry(until_us=NOW_US), LISTED_ONLY, card(), Reason.EXPIRED, id="the end is exclusive"),
        pytest.param(entry(pin=PIN), WITH_PIN, card(), Reason.PIN_MISSING, id="no PIN typed"),
        pytest.param(entry(), WITH_PIN, card(pin=PIN), Reason.PIN_MISSING, id="no PIN on the list"),
        pytest.param(entry(pin=PIN), WITH_PIN, card(pin=OTHER_PIN), Reason.PIN_WRONG, id="another PIN"),
        pytest.param(
            entry(pin=PIN, blocked=True), WITH_PIN, card(pin=PIN), Reason.BLOCKED, id="blocked, right PIN"
        ),
        pytest.param(entry(blocked=True), LISTED_ONLY, card(), Reason.BLOCKED, id="blocked"),
        pytest.param(
            entry(blocked=True), BOTH, card(), Reason.BLOCKED, id="blocked, whatever document is shown"
        ),
        pytest.param(
            entry("yard", blocked=True), DOCUMENTS, card(), Reason.BLOCKED, id="blocked, listed elsewhere"
        ),
        pytest.param(
            entry(blocked=True),
            STRICT,
            card(Assurance.L0),
            Reason.BLOCKED,
            id="blocked comes before all else",
        ),
        pytest.param(
            entry(), STRICT, card(Assurance.L1), Reason.ASSURANCE_TOO_LOW, id="on the list, too easy to copy"
        ),
        pytest.param(
            None, STRICT, card(Assurance.L1), Reason.ASSURANCE_TOO_LOW, id="unknown and too easy to copy"
        ),
        pytest.param(
            None, BOTH, card(ends=date(2026, 2, 28)), Reason.DOCUMENT_EXPIRED, id="the day after the last"
        ),
        pytest.param(
            None, BOTH, card(begins=date(2026, 3, 2)), Reason.NOT_YET_VALID, id="the day before the first"
        ),
        pytest.param(
            entry(until_us=1),
            BOTH,
            card(ends=date(2026, 2, 28)),
            Reason.DOCUMENT_EXPIRED,
            id="neither listed any more nor with a valid document",
        ),
    ],
)
def test_a_door_is_denied(
    listed: Entry | None, policy: DoorPolicy, presented: Presented, reason: Reason
) -> None:
    assert decided(presented, listed, policy) == Decision(granted=False, reason=reason, entry=listed)


@pytest.mark.parametrize("minimum", list(Assurance), ids=str)
@pytest.mark.parametrize("shown", list(Assurance), ids=str)
def test_each_level_of_assurance_opens_what_asks_for_it_or_less(shown: Assurance, minimum: Assurance) -> None:
    policy = DoorPolicy(minimum_assurance=minimum)
    assert decided(card(shown), entry(), policy).granted == (int(shown[1]) >= int(minimum[1]))
