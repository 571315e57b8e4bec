"""Nobody is refused without being told why, in two languages, and what to do about it."""

import pytest

from gateway.reasons import DENIED, EXPLANATIONS, GRANTED, Explanation
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
