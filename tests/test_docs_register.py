"""The page on the register names every word that its endpoints take, and the life of a card as it is."""

import re
from pathlib import Path

import pytest

from central.register.credential_life import TRANSITIONS, CredentialAct, CredentialState
from central.register.lease_states import LeaseState
from central.register.words import Category, DocumentType, PlaceKind, Relation

PAGE = (Path(__file__).parent.parent / "docs" / "register.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [DocumentType, Relation, LeaseState, CredentialAct])
def test_every_word_is_explained(words: type[DocumentType | Relation | LeaseState | CredentialAct]) -> None:
    assert [word for word in words if f"`{word}`" not in PAGE] == []


def test_every_kind_of_place_and_category_is_named() -> None:
    named = set(re.findall(r"\w+", PAGE))
    assert {*PlaceKind} <= named
    assert {*Category} - {Category.OTHER} <= named


def test_the_table_of_cards_is_the_programs() -> None:
    acts = [CredentialAct(act) for act in re.findall(r"`(\w+)`", next(iter(_lines("发放"))))]
    seen: set[str] = set()
    for line in _lines("| `"):
        first, *cells = (cell.strip() for cell in line.strip("| ").split("|"))
        states = re.findall(r"`(\w+)`", first)
        if states and set(states) <= {*CredentialState}:
            cells += [""] * (len(acts) - len(cells))
            allowed = {act for act, cell in zip(acts, cells, strict=True) if cell == "yes"}
            assert all(allowed == set(TRANSITIONS[CredentialState(state)]) for state in states), line
            seen |= set(states)
    assert seen == {*CredentialState}


def _lines(begin: str) -> list[str]:
    return [line for line in PAGE.splitlines() if begin in line and line.startswith("|")]
