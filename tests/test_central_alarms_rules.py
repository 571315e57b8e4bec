"""From records to alarms: pure, in the order of arrival."""

import pytest

from central.alarms.kinds import BY_STATE, DEFAULT_URGENCY, OF_TOURS, SIGNS, AlarmKind, Urgency
from central.alarms.rules import EVERYWHERE, MOST_RECORDS, Lasting, Noticed, Rule, Rules, Walk
from messages.model import Kind, Reason

EAST, WEST = 1, 2


def a_rule(kind: AlarmKind, site: str = EVERYWHERE, number: int = 1, **limits: int) -> Rule:
    return Rule(number, kind, site, Urgency.TODAY, limits)


def noticed(
    kind: Kind,
    at_s: float,
    *,
    gateway: int = EAST,
    site: str = "riverside",
    door: str | None = "door-1",
    reader: str | None = None,
    reason: Reason | None = None,
) -> Noticed:
    seq = int(at_s * 10) + 1
    return Noticed(gateway, site, 1, seq, kind, int(at_s * 1_000_000), door, reader, reason)


def walked(rules: list[Rule], *records: Noticed) -> list[Lasting]:
    walk = Walk(Rules(rules))
    for record in records:
        walk.take(record)
    return walk.changed()


def test_a_forced_door_is_an_alarm_until_it_is_shut() -> None:
    rules = [a_rule(AlarmKind.FORCED)]
    [lasting] = walked(rules, noticed(Kind.DOOR_FORCED, 1))
    assert (lasting.door, lasting.began_us, lasting.over_us) == ("door-1", 1_000_000, None)
    [over] = walked(rules, noticed(Kind.DOOR_FORCED, 1), noticed(Kind.DOOR_CLOSED, 9))
    assert over.over_us == 9_000_000


def test_what_happens_again_while_it_lasts_is_the_same_alarm() -> None:
    [found] = walked(
        [a_rule(AlarmKind.FORCED)], *(noticed(Kind.DOOR_FORCED, second) for second in range(1, 100))
    )
    assert (found.count, found.last_us, len(found.records)) == (99, 99_000_000, MOST_RECORDS)


def test_another_door_or_gateway_is_another_alarm() -> None:
    found = walked(
        [a_rule(AlarmKind.FORCED)],
        noticed(Kind.DOOR_FORCED, 1),
        noticed(Kind.DOOR_FORCED, 2, door="door-2"),
        noticed(Kind.DOOR_FORCED, 3, gateway=WEST),
        noticed(Kind.DOOR_CLOSED, 4, door="door-2"),
    )
    assert [(each.gateway_id, each.door, each.over_us) for each in found] == [
        (EAST, "door-1", None),
        (EAST, "door-2", 4_000_000),
        (WEST, "door-1", None),
    ]


def test_a_lost_card_is_one_whose_refusal_says_so() -> None:
    found = walked(
        [a_rule(AlarmKind.LOST_CARD)],
        noticed(Kind.ACCESS_DENIED, 1, reason=Reason.NO_RIGHT),
        noticed(Kind.ACCESS_DENIED, 2, reason=Reason.LOST),
        noticed(Kind.ACCESS_GRANTED, 3, reason=Reason.LISTED),
    )
    assert [(each.began_us, each.over_us) for each in found] == [(2_000_000, 2_000_000)]


def test_what_lasts_shorter_than_the_rule_says_does_not_count() -> None:
    rules = [a_rule(AlarmKind.READER_LOST, after_s=30)]
    lost, back = (Kind.READER_LOST, Kind.READER_RESTORED)
    [short] = walked(rules, noticed(lost, 1, reader="r"), noticed(back, 30, reader="r"))
    [long] = walked(rules, noticed(lost, 1, reader="r"), noticed(back, 31, reader="r"))
    assert (short.counts, long.counts) == (False, True)


def test_a_sites_own_rule_goes_before_the_one_for_all() -> None:
    rules = Rules([a_rule(AlarmKind.HELD), a_rule(AlarmKind.HELD, "riverside", 2)])
    own, other = rules.of(AlarmKind.HELD, "riverside"), rules.of(AlarmKind.HELD, "hillside")
    assert own is not None
    assert other is not None
    assert (own.id, other.id) == (2, 1)


def test_without_a_rule_nothing_is_raised() -> None:
    assert walked([a_rule(AlarmKind.HELD, "hillside")], noticed(Kind.DOOR_HELD, 1)) == []


def test_a_clock_that_was_set_back_meanwhile_ends_nothing_before_it_began() -> None:
    [found] = walked([a_rule(AlarmKind.FORCED)], noticed(Kind.DOOR_FORCED, 50), noticed(Kind.DOOR_CLOSED, 3))
    assert (found.began_us, found.over_us) == (50_000_000, 50_000_000)


def test_a_walk_goes_on_where_the_last_one_ended() -> None:
    rule = a_rule(AlarmKind.TAMPER)
    before = Lasting(rule, EAST, "door-1", "r", 1_000_000, 1_000_000, id=7, changed=False)
    walk = Walk(Rules([rule]), [before])
    assert walk.changed() == []
    walk.take(noticed(Kind.TAMPER_RESTORED, 5, reader="r"))
    assert [(each.id, each.over_us) for each in walk.changed()] == [(7, 5_000_000)]


@pytest.mark.parametrize("kind", AlarmKind)
def test_every_kind_has_a_way_to_be_known_and_an_urgency(kind: AlarmKind) -> None:
    assert (kind in SIGNS) + (kind in BY_STATE) + (kind in OF_TOURS) == 1
    assert kind in DEFAULT_URGENCY


@pytest.mark.parametrize("kind", SIGNS)
def test_each_sign_begins_its_alarm_and_ends_it(kind: AlarmKind) -> None:
    sign = SIGNS[kind]
    reason = next(iter(sign.reasons), None)
    for begins in sign.begins:
        [found] = walked([a_rule(kind, after_s=0)], noticed(begins, 1, reader="r", reason=reason))
        assert (found.over_us is None) is bool(sign.over)
        for over in sign.over:
            [ended] = walked(
                [a_rule(kind, after_s=0)],
                noticed(begins, 1, reader="r", reason=reason),
                noticed(over, 2, reader="r"),
            )
            assert ended.over_us == 2_000_000
