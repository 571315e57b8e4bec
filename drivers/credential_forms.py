"""How the number of each kind of credential is written, for whoever types one. Pure.

What a reader reads is in this form by construction; what a person types is not, and a slip makes the token of
a card that does not exist.
"""

from __future__ import annotations

import re
from typing import Final

from drivers.base import CredentialKind
from drivers.errors import ProtocolViolation
from drivers.id_number import check_citizen_number, check_permanent_number

_FORMS: Final = {
    CredentialKind.ID_CARD_CHIP: (r"[0-9A-F]{16}", "16 hex digits"),
    CredentialKind.CARD_UID: (r"([0-9A-F]{8}|[0-9A-F]{14}|[0-9A-F]{20})", "8, 14 or 20 hex digits in a row"),
    CredentialKind.EM_TAG: (r"[0-9A-F]{10}", "10 hex digits"),
    CredentialKind.CARD_NUMBER: (
        r"[1-9][0-9]{0,2}:[0-9A-F]{1,64}",
        'bits and hex digits such as "26:7BB26E"',
    ),
    CredentialKind.PIN: (r"[0-9]{1,16}", "1 to 16 digits"),
}
_ID_CARD: Final = "an ID number with its right check character: 18 characters, or 3 letters and 12 digits"


def form_wanted(kind: CredentialKind, number: str) -> str | None:
    """What a number of that kind looks like, where `number`, in upper case, does not; None: it does.

    Nothing of the number is in the answer. The text of a QR code may be anything.
    """
    if kind is CredentialKind.QR_CODE:
        return None
    if kind is CredentialKind.ID_CARD:
        return None if _is_id_number(number) else _ID_CARD
    pattern, wanted = _FORMS[kind]
    return None if re.fullmatch(pattern, number) else wanted


def _is_id_number(number: str) -> bool:
    for check in (check_citizen_number, check_permanent_number):
        try:
            check(number)
        except ProtocolViolation:
            continue
        return True
    return False
