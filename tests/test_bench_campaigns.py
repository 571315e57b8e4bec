"""How campaigns judge: what each takes for a failure, and that one which could not fail proves nothing."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bench import goals, storage_faults
from bench.deciding import FastClock
from bench.journal_writer import fact, holder
from bench.oracle import Finding
from bench.outage import Times, wrongs
from bench.power_cut import Tally, proves_nothing
from bench.storage_faults import Case, cases
from bench.strace import CALLS, Fault, command, injected
from bench.verdict import FAILED, PASSED, SKIPPED, conclude, skip
from gateway.facts import record_of
from messages.model import Credential, Record

LOST = Finding("lost", "a record is not there")
GOOD = {goal.figure: [goal.limit] * 5 for goal in goals.GOALS}


# Verdicts.


def test_a_failure_decides_and_many_are_not_all_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert conclude([]) == PASSED
    assert conclude([f"failure {n}" for n in range(100)]) == FAILED
    printed = capsys.readouterr().out
    assert printed.startswith("PASS\n")
    assert printed.endswith("... and 80 more\nFAIL\n")


def test_what_was_skipped_is_neither_passed_nor_failed_and_says_why(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert skip("The campaign", "it needs root") == SKIPPED
    assert SKIPPED not in (PASSED, FAILED)
    assert "The campaign did NOT run, and nothing was proved: it needs root" in capsys.readouterr().out


# Power cuts.


def cut(promised: int, findings: Sequence[Finding] = ()) -> Tally:
    tally = Tally()
    tally.add(promised, findings)
    return tally


def test_cuts_prove_something_only_if_the_saboteur_loses() -> None:
    assert proves_nothing(cut(100), cut(100, [LOST, LOST])) == []
    assert "even with synchronous = NORMAL nothing was lost" in proves_nothing(cut(100), cut(100))[0]
    assert "only 0 records were promised" in proves_nothing(cut(0), cut(100, [LOST]))[0]


def test_a_tally_counts_cuts_with_loss_and_what_was_lost() -> None:
    tally = cut(10)
    tally.add(20, [LOST, LOST, Finding("chain", "record 3 was altered")])
    assert tally.figures() == {
        "cuts": 2,
        "records promised before a cut": 30,
        "cuts with loss": 1,
        "records lost": 2,
        "other findings": 1,
    }
    assert tally.texts == [
        "round 2: lost: a record is not there (2 times)",
        "round 2: chain: record 3 was altered",
    ]


# Storage faults.


def test_every_call_has_its_cases_at_each_of_the_first_places() -> None:
    found = cases(50)
    assert len({case.text for case in found}) == len(found) == len(CALLS) * 50 * 9
    of_one = [case for case in found if case.fault.call == "fdatasync" and case.fault.when.startswith("7")]
    assert [case.text for case in of_one] == [
        "fdatasync error=EIO at 7",
        "fdatasync error=EIO at 7..18",
        "fdatasync error=EIO at 7+ for good",
        "fdatasync error=EIO at 7+ for good, beside a second journal",
        "fdatasync error=ENOSPC at 7",
        "fdatasync error=ENOSPC at 7..18",
        "fdatasync error=ENOSPC at 7+ for good",
        "fdatasync error=ENOSPC at 7+ for good, beside a second journal",
        "fdatasync delay_enter=250000 at 7",
    ]


ONCE = Case(Fault("fdatasync", "error=EIO", "7"), for_good=False)
FOR_GOOD = replace(ONCE, for_good=True)
BESIDE_A_SECOND = replace(FOR_GOOD, second=True)
STORED_ALL = ["ready\n", f"stored 9 2 181 {'ab' * 32} 1 180\n", "end\n"]


@pytest.mark.parametrize(
    ("case", "code", "lines", "errors", "finding"),
    [
        pytest.param(ONCE, 0, STORED_ALL, "", None, id="everything was stored in the end"),
        pytest.param(ONCE, 3, [], "not opened", None, id="a plain word instead of a journal"),
        pytest.param(ONCE, 1, [], "Traceback (most recent", "it fell", id="a traceback"),
        pytest.param(ONCE, 0, ["ready\n", "end\n"], "", "0 of 180 facts", id="less than asked for"),
        pytest.param(ONCE, -9, ["ready\n"], "", "ended with code -9", id="hung until it was killed"),
        pytest.param(FOR_GOOD, -9, ["ready\n", "refused 1 1\n"], "", None, id="killed by the campaign"),
        pytest.param(BESIDE_A_SECOND, 0, STORED_ALL, "", None, id="the second journal took over"),
        pytest.param(
            BESIDE_A_SECOND, 0, ["refused 1 1\n", *STORED_ALL], "", "append() refused", id="it did not"
        ),
        pytest.param(BESIDE_A_SECOND, 3, [], "not opened", "ended with code 3", id="nor was it opened"),
    ],
)
def test_a_writer_may_end_in_few_ways(
    case: Case, code: int, lines: list[str], errors: str, finding: str | None
) -> None:
    failures = storage_faults._wrong_ending(case, code, lines, errors)
    if finding is None:
        assert failures == []
    else:
        (failure,) = failures
        assert finding in failure


def test_faults_are_put_into_calls_on_the_named_paths_alone(tmp_path: Path) -> None:
    words = command([Fault("fdatasync", "error=EIO", "3+")], [tmp_path / "journal.db"], tmp_path / "trace")
    assert words[words.index("-P") + 1] == str(tmp_path / "journal.db")
    assert words[-2:] == ["-e", "inject=fdatasync:error=EIO:when=3+"]


def test_what_was_injected_is_counted_from_the_trace(tmp_path: Path) -> None:
    (tmp_path / "trace").write_text(
        "9 fdatasync(5)  = 0\n"
        "9 fdatasync(5)  = -1 EIO (Input/output error) (INJECTED)\n"
        "9 fdatasync(5)  = 0 (DELAYED)\n"
    )
    assert injected(tmp_path / "trace") == 2


# The outage.


def entries(*people: int) -> list[Record]:
    """What a gateway records that lets these people in at one door."""
    clock = FastClock(1_000_000)
    records = []
    for seq, person in enumerate(people, start=1):
        clock.passes(1_000_000)
        happened = fact(clock, person)
        records.append(record_of(happened, "east", clock.boot, epoch=9, seq=seq, prev="0" * 64))
    return records


SWIPED = [("unit-1", 4), ("unit-1", 5), ("unit-1", 6)]


def test_an_outage_is_whole_when_all_is_there_in_order() -> None:
    assert wrongs(SWIPED, entries(4, 5, 6)) == []


@pytest.mark.parametrize(
    ("held", "finding"),
    [
        pytest.param(entries(4, 5), "3 entries, 2 records", id="one is missing"),
        pytest.param(entries(4, 6, 5), "in another order", id="two are swapped"),
        pytest.param([*entries(4, 5, 6)[:2], *entries(4, 5, 6, 6)[3:]], "a gap", id="a number is missing"),
        pytest.param([*entries(4, 5, 6)[:2], *entries(6)], "a gap", id="a number is there twice"),
    ],
)
def test_what_is_wrong_after_an_outage_is_said(held: list[Record], finding: str) -> None:
    assert any(finding in wrong for wrong in wrongs(SWIPED, held))


def test_an_aged_gateway_is_compared_round_by_round() -> None:
    times = Times(aged=[[2.0] * 9, [3.0] * 9], fresh=[[1.0] * 9, [1.0] * 9])
    assert times.ratios(0.99) == [2.0, 3.0]


def test_a_fast_clock_jumps_in_the_time_of_day_alone() -> None:
    clock = FastClock(5_000_000)
    uptime_us = clock.uptime_us()
    clock.jumps(-50 * 31_557_600_000_000)
    assert (clock.now_us(), clock.uptime_us()) == (0, uptime_us)
    clock.passes(7)
    assert (clock.now_us(), clock.uptime_us()) == (7, uptime_us + 7)


# Goals.


def test_goals_that_are_just_reached_are_met() -> None:
    assert goals.missed(GOOD) == []


@pytest.mark.parametrize("goal", goals.GOALS, ids=lambda goal: goal.figure)
def test_each_goal_is_missed_by_a_median_on_the_wrong_side(goal: goals.Goal) -> None:
    beyond = goal.limit * (0.9 if goal.at_least else 1.1)
    once = {**GOOD, goal.figure: [beyond, *[goal.limit] * 4]}
    assert goals.missed(once) == [], "one bad round of five is not the median"
    (said,) = goals.missed({**GOOD, goal.figure: [beyond] * 5})
    assert said.startswith(f"{goal.name}: {goal.figure}")


def test_facts_of_a_writer_can_be_told_apart() -> None:
    clock = FastClock(0)
    first, second = fact(clock, 1), fact(clock, 2)
    assert isinstance(first.credential, Credential)
    assert (first.holder, second.holder) == (holder(1), holder(2)) == ("h-000001", "h-000002")
    assert first.credential != second.credential
