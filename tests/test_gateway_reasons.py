"""Nobody is refused without being told why, in two languages, and what to do about it."""

import pytest
from program_support import called

from drivers.base import Indication
from gateway.cli import main
from gateway.reasons import DENIED, EXPLANATIONS, GRANTED, LIGHTS, SIGNALS, Explanation, signal_of
from messages.model import Reason

ALL = list(Reason)
DECISIONS = ALL[: ALL.index(Reason.SCHEDULE)]  # the groups "granted" and "denied"; "doors" begins there

each = pytest.mark.parametrize(("reason", "said"), EXPLANATIONS.items(), ids=str)


def test_every_reason_of_a_decision_is_explained_and_no_other() -> None:
    assert [*GRANTED, *DENIED] == DECISIONS


@each
def test_an_explanation_is_a_short_sentence_in_both_languages(reason: Reason, said: Explanation) -> None:
    assert said.zh.endswith("。")
    assert said.en.endswith(".")
    assert len(said.zh) <= 40
    assert len(said.en) <= 100
    assert any("\u4e00" <= char <= "\u9fff" for char in said.zh)
    assert said.en.isascii()


@pytest.mark.parametrize(("reason", "said"), DENIED.items(), ids=str)
def test_who_is_refused_is_told_what_to_do(reason: Reason, said: Explanation) -> None:
    assert said.help_zh.endswith("。")
    assert said.help_en.endswith(".")


@each
def test_the_door_shows_nothing_of_duress(reason: Reason, said: Explanation) -> None:
    assert not any(word in f"{said.en} {said.help_en}".lower() for word in ("duress", "alarm", "police"))
    assert not any(word in said.zh + said.help_zh for word in ("胁迫", "报警", "警"))


def test_every_reason_of_a_decision_has_its_signal() -> None:
    assert set(SIGNALS) == set(EXPLANATIONS)
    assert {SIGNALS[reason] for reason in GRANTED} == {Indication.GRANTED}
    assert Indication.GRANTED not in {SIGNALS[reason] for reason in DENIED}


@pytest.mark.parametrize("signal", Indication)
def test_every_signal_is_explained_in_both_languages(signal: Indication) -> None:
    said = LIGHTS[signal]
    assert said.zh.endswith("。")
    assert said.en.endswith(".")
    assert bool(said.help_zh) == bool(said.help_en) == (signal is not Indication.GRANTED)


@pytest.mark.parametrize("reason", [Reason.SCHEDULE, Reason.REPLAYED, None])
def test_what_is_no_reason_of_a_decision_is_shown_as_a_plain_refusal(reason: Reason | None) -> None:
    assert signal_of(reason) is Indication.DENIED


def test_whose_credential_is_over_is_sent_to_the_desk_and_a_fault_of_the_door_is_told_apart() -> None:
    assert SIGNALS[Reason.LOST] is SIGNALS[Reason.EXPIRED] is Indication.ASK_DESK
    assert SIGNALS[Reason.OUTSIDE_HOURS] is SIGNALS[Reason.INTERLOCKED] is Indication.NOT_NOW
    assert SIGNALS[Reason.NOT_RECORDABLE] is SIGNALS[Reason.CLOCK_NOT_SET] is Indication.OUT_OF_ORDER
    assert SIGNALS[Reason.UNREADABLE] is SIGNALS[Reason.PIN_WRONG] is Indication.TRY_AGAIN


def test_the_command_explains_one_reason_in_both_languages() -> None:
    done = called(main, "reasons", "lost")
    light, zh, en = done.stdout.splitlines()
    assert done.returncode == 0
    assert light.startswith("lost  [ask_desk: 凭证已不能使用，需要人工处理。 Your credential is not good")
    assert zh == "    此卡已挂失。请交还物业服务台；如已找回，请办理解挂。"
    assert en.startswith("    This card was reported lost. Hand it in at the service desk.")


def test_the_command_lists_all_reasons_of_decisions() -> None:
    done = called(main, "reasons")
    firsts = [line.split()[0] for line in done.stdout.splitlines() if line and not line.startswith(" ")]
    assert firsts == [str(reason) for reason in DECISIONS]


@pytest.mark.parametrize("asked", ["schedule", "no-such"])
def test_the_command_says_where_reasons_of_decisions_are_listed(asked: str) -> None:
    done = called(main, "reasons", asked)
    assert (done.returncode, done.stdout) == (2, "")
    assert "`liuhen-gateway reasons` lists" in done.stderr
