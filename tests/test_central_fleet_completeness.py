"""How complete each gateway's records are here, said exactly: holes, lost ranges, epochs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from central_support import GATEWAY, SITE, START_US
from central_web_support import NOW_US, Chain, Filled, a_filled, about, gone, online

from central.fleet.completeness import HEARD_US, MAX_RANGES_SHOWN, Completeness, Missing, completeness
from central.store.engine import reading
from messages.topics import Leaf


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Filled]:
    with a_filled(tmp_path) as opened:
        yield opened


def every(filled: Filled) -> list[Completeness]:
    with reading(filled.reader) as connection:
        return completeness(connection)


def only(filled: Filled) -> Completeness:
    [found] = every(filled)
    return found


def made_at(seq: int) -> int:
    """When record `seq` of a `Chain` was made."""
    return START_US + seq * 1_000_000


def ten() -> Chain:
    chain = Chain()
    chain.grow(10)
    return chain


def awaited(first: int, last: int, epoch: int = 1) -> Missing:
    return Missing(epoch, first, last, lost=False)


def lost(first: int, last: int, epoch: int = 1) -> Missing:
    return Missing(epoch, first, last, lost=True)


def test_before_anyone_has_spoken_there_is_no_gateway(filled: Filled) -> None:
    assert every(filled) == []


def test_all_records_here_is_complete_up_to_the_last_word(filled: Filled) -> None:
    chain = ten()
    filled.take(chain.block(), online(chain.head(), at_us=made_at(30)))
    found = only(filled)
    assert (found.complete, found.behind, found.missing, found.missing_ranges) == (True, 0, (), 0)
    assert (found.epoch, found.through, found.head) == (1, 10, 10)
    assert (found.complete_until_us, found.heard_us) == (made_at(30), NOW_US)


def test_a_record_newer_than_the_last_state_counts(filled: Filled) -> None:
    chain = ten()
    filled.take(chain.block(1, 8), online(chain.head(head=8), at_us=made_at(8)), chain.block(9, 10))
    assert (only(filled).head, only(filled).complete_until_us) == (10, made_at(10))


def test_a_hole_is_named_and_only_what_lies_before_it_is_complete(filled: Filled) -> None:
    chain = ten()
    filled.take(chain.block(1, 4), chain.block(8, 10), online(chain.head(), at_us=made_at(30)))
    found = only(filled)
    assert (found.complete, found.behind, found.through) == (False, 3, 4)
    assert found.missing == (awaited(5, 7),)
    assert found.complete_until_us == made_at(4)


def test_what_the_gateway_has_told_of_and_not_yet_sent_is_missing_too(filled: Filled) -> None:
    chain = ten()
    filled.take(chain.block(1, 4), online(chain.head(), at_us=made_at(30)))
    found = only(filled)
    assert (found.behind, found.head, found.missing) == (6, 10, (awaited(5, 10),))
    assert found.complete_until_us == made_at(4)


def test_without_the_first_record_nothing_is_complete(filled: Filled) -> None:
    chain = ten()
    filled.take(chain.block(3, 10))
    found = only(filled)
    assert (found.through, found.behind, found.missing) == (0, 2, (awaited(1, 2),))
    assert found.complete_until_us is None


def test_a_state_alone_says_how_much_is_to_come(filled: Filled) -> None:
    filled.take(online(ten().head(), at_us=made_at(30)))
    found = only(filled)
    assert (found.complete, found.behind, found.complete_until_us) == (False, 10, None)


def test_a_gateway_that_has_not_told_of_its_journal_is_not_called_complete(filled: Filled) -> None:
    filled.take(about("东楼"))
    found = only(filled)
    assert (found.complete, found.epoch, found.complete_until_us) == (False, None, None)


def test_what_is_lost_is_no_longer_awaited_and_never_forgotten(filled: Filled) -> None:
    chain = ten()
    filled.take(chain.block(5), online(chain.head(oldest=5)))
    found = only(filled)
    assert (found.complete, found.behind, found.through) == (False, 0, 10)
    assert found.missing == (lost(1, 4),)
    assert found.complete_until_us == made_at(10)
    assert found.findings == {"lost": 1}


def test_a_lost_range_before_a_hole_does_not_hide_up_to_when_it_is_complete(filled: Filled) -> None:
    chain = ten()
    filled.take(chain.block(1, 3), chain.block(9, 10), online(chain.head(oldest=7), at_us=made_at(30)))
    found = only(filled)
    assert found.missing == (lost(4, 6), awaited(7, 8))
    assert (found.through, found.complete_until_us) == (6, made_at(3))


def test_a_new_epoch_without_its_beginning_leaves_the_former_one_complete(filled: Filled) -> None:
    former, newer = ten(), Chain(epoch=2)
    newer.grow(4, at=made_at(50))
    filled.take(former.block(), newer.block(3, 4), online(former.head(), newer.head(), at_us=made_at(60)))
    found = only(filled)
    assert (found.epoch, found.through, found.head, found.behind) == (2, 0, 4, 2)
    assert found.missing == (awaited(1, 2, epoch=2),)
    assert found.complete_until_us == made_at(10)


def test_the_first_hole_of_the_oldest_epoch_decides(filled: Filled) -> None:
    former, newer = ten(), Chain(epoch=2)
    newer.grow(4, at=made_at(50))
    filled.take(former.block(1, 6), former.block(8, 10), newer.block())
    found = only(filled)
    assert (found.epoch, found.through, found.behind) == (2, 4, 1)
    assert (found.missing, found.complete_until_us) == ((awaited(7, 7),), made_at(6))


def test_an_epoch_that_the_gateway_no_longer_holds_is_lost_and_not_awaited(filled: Filled) -> None:
    former, newer = ten(), Chain(epoch=2)
    newer.grow(2, at=made_at(50))
    filled.take(former.block(1, 6), online(former.head()))
    filled.take(newer.block(), online(newer.head(), at_us=made_at(60)))
    found = only(filled)
    assert (found.missing, found.behind, found.complete_until_us) == ((lost(7, 10),), 0, made_at(60))


def test_offline_leaves_standing_what_it_said_before(filled: Filled) -> None:
    chain = ten()
    filled.take(chain.block(), online(chain.head(), at_us=made_at(30), devices={"r": "ok"}))
    filled.take(gone())
    found = only(filled)
    assert (found.online, found.complete, found.devices) == (False, True, {"r": "ok"})
    assert found.complete_until_us == made_at(30)


def test_what_is_set_aside_is_found_and_does_not_pass_for_a_time(filled: Filled) -> None:
    chain = ten()
    unknown = chain.bodies[4].replace(b'"kind":"access_granted"', b'"kind":"door_melted"')
    filled.take(chain.block(1, 4))
    chain.bodies[4] = unknown
    filled.take(chain.block(5, 5))
    found = only(filled)
    assert (found.through, found.head) == (5, 5)
    assert (found.complete_until_us, found.findings["poison"]) == (made_at(4), 1)
    assert (found.missing_ranges, found.complete) == (0, False)


def test_two_records_for_one_place_are_not_called_complete(filled: Filled) -> None:
    chain, other = ten(), Chain()
    other.grow(10, at=made_at(99))
    filled.take(chain.block(), online(chain.head(), at_us=made_at(30)))
    assert only(filled).complete
    filled.take(other.block(5, 5))
    assert (only(filled).findings, only(filled).complete) == ({"conflict": 1}, False)


def test_a_broken_chain_is_not_called_complete(filled: Filled) -> None:
    chain, other = ten(), Chain()
    other.grow(10, at=made_at(99))
    filled.take(chain.block(1, 5), other.block(6, 10))
    assert (only(filled).findings, only(filled).complete) == ({"chain_break": 1}, False)


def test_another_gateways_record_on_a_topic_takes_nothing_from_what_is_complete(filled: Filled) -> None:
    stranger = Chain("west-1")
    stranger.grow()
    filled.take(ten().block(), stranger.block())
    assert (only(filled).findings, only(filled).complete) == ({"wrong_gateway": 1}, True)


def test_findings_are_counted_by_kind_and_gateway(filled: Filled) -> None:
    chain, other = ten(), Chain("west-1")
    filled.take(chain.block())
    other.grow(2, at=7)
    filled.take(other.block(), gateway="west-1")
    filled.take((Leaf.JOURNAL, b"{"), (Leaf.JOURNAL, b"["), chain.block(1, 1))
    east, west = every(filled)
    assert (east.findings, west.findings) == ({"poison": 1}, {})


def test_of_very_many_holes_the_first_are_shown_and_all_are_counted(filled: Filled) -> None:
    chain = Chain()
    chain.grow(60)
    filled.take(*(chain.block(seq, seq) for seq in range(2, 61, 2)))
    found = only(filled)
    assert found.missing == tuple(awaited(seq, seq) for seq in range(1, 2 * MAX_RANGES_SHOWN, 2))
    assert (found.missing_ranges, found.behind) == (30, 30)


def test_what_it_says_of_itself_gives_the_words_for_doors_and_readers(filled: Filled) -> None:
    filled.take(about("东楼", [("door-1", "1 单元门", ["reader-1"])]))
    found = only(filled)
    assert (found.label, found.software) == ("东楼", "1.2")
    assert (found.door_label("door-1"), found.door_label("door-9")) == ("1 单元门", "door-9")
    assert (found.reader_label("reader-1"), found.reader_label("locks")) == ("1 单元门", None)


def test_a_gateway_that_said_nothing_of_itself_goes_by_its_name(filled: Filled) -> None:
    filled.take(ten().block())
    found = only(filled)
    assert (found.label, found.online, found.devices, found.doors) == (GATEWAY, False, {}, ())


def test_they_come_by_site_and_name_and_each_can_be_asked_for_alone(filled: Filled) -> None:
    for site, name in (("b", "two"), ("b", "one"), ("a", "two")):
        chain = Chain(name)
        chain.grow()
        filled.take(chain.block(), gateway=name, site=site)
    assert [(found.site, found.name) for found in every(filled)] == [("a", "two"), ("b", "one"), ("b", "two")]
    with reading(filled.reader) as connection:
        [one] = completeness(connection, site="b", name="two")
        assert (one.site, one.name, one.head) == ("b", "two", 1)
        assert completeness(connection, site=SITE, name="two") == []


def test_a_gateway_keeps_up_while_it_spoke_a_moment_ago_and_nothing_before_that_lacks(filled: Filled) -> None:
    chain = ten()
    filled.take(chain.block(), online(chain.head(), at_us=made_at(30)), now_us=made_at(30))
    assert only(filled).keeps_up(made_at(30) + HEARD_US)
    assert not only(filled).keeps_up(made_at(30) + HEARD_US + 1)


def test_a_moment_that_is_still_to_come_is_nothing_to_keep_up_with(filled: Filled) -> None:
    """Its clock was ahead; what it owes is not known by its times."""
    chain = ten()
    filled.take(chain.block(), online(chain.head(), at_us=made_at(30)), now_us=made_at(30))
    assert not only(filled).keeps_up(made_at(30) - HEARD_US - 1)


def test_a_gateway_that_was_heard_long_ago_keeps_up_with_nothing_whatever_it_said_then(
    filled: Filled,
) -> None:
    chain = ten()
    filled.take(chain.block(), online(chain.head(), at_us=made_at(30)), now_us=made_at(30) - 20 * HEARD_US)
    assert not only(filled).keeps_up(made_at(30))


def test_a_gateway_that_lost_records_never_keeps_up_however_lately_it_spoke(filled: Filled) -> None:
    chain = ten()
    filled.take(chain.block(5, 10), online(chain.head(oldest=5), at_us=made_at(30)))
    found = only(filled)
    assert (found.lost, found.sound, found.complete_until_us) == (4, False, made_at(30))
    assert not found.keeps_up(made_at(30))
