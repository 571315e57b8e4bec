"""Numbers that a person types: their form, and what is said of a slip."""

import pytest

from drivers.base import CredentialKind
from drivers.credential_forms import form_wanted

KIND = CredentialKind


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        (KIND.ID_CARD, "000000199003070011"),
        (KIND.ID_CARD_CHIP, "0123456789ABCDEF"),
        (KIND.CARD_UID, "04A1B2C3"),
        (KIND.CARD_UID, "04A1B2C3D4E5F6"),
        (KIND.EM_TAG, "2A00BC614E"),
        (KIND.CARD_NUMBER, "26:7BB26E"),
        (KIND.PIN, "0042"),
        (KIND.QR_CODE, "anything at all"),
    ],
)
def test_what_a_reader_would_read_is_taken(kind: CredentialKind, number: str) -> None:
    if kind is KIND.ID_CARD:
        body = number[:17]
        weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
        number = body + "10X98765432"[sum(w * int(d) for w, d in zip(weights, body, strict=True)) % 11]
    assert form_wanted(kind, number) is None


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        (KIND.ID_CARD, "HI"),
        (KIND.ID_CARD, "000000199003070000"),
        (KIND.ID_CARD_CHIP, "0123456789ABCDE"),
        (KIND.CARD_UID, "04A1B2"),
        (KIND.CARD_UID, "04:A1:B2:C3"),
        (KIND.EM_TAG, "1234"),
        (KIND.CARD_NUMBER, "7CC37F"),
        (KIND.PIN, "12AB"),
    ],
)
def test_a_slip_is_told_by_the_form_and_never_repeated(kind: CredentialKind, number: str) -> None:
    said = form_wanted(kind, number)
    assert said is not None
    assert number not in said
