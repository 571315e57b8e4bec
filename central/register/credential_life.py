"""The life of a credential (发放、延期、挂失、解挂、退卡), as a table of what may follow what. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from central.errors import Clash


class CredentialState(StrEnum):
    ISSUED = "issued"
    EXTENDED = "extended"
    LOST = "lost"  # refused at every door, and the refusal says so
    FOUND = "found"  # was lost, and is good again
    RETURNED = "returned"  # for good; the card itself may be issued again, to anybody


class CredentialAct(StrEnum):
    ISSUE = "issue"  # 发放
    EXTEND = "extend"  # 延期
    REPORT_LOST = "report_lost"  # 挂失
    LIFT_LOSS = "lift_loss"  # 解挂
    RETURN = "return"  # 退卡


class PinAct(StrEnum):
    """What stands in its history beside that: never the PIN, nor whether there is one for duress."""

    SET = "pin_set"
    TAKEN_AWAY = "pin_taken_away"


_GOOD: Final = {
    CredentialAct.EXTEND: CredentialState.EXTENDED,
    CredentialAct.REPORT_LOST: CredentialState.LOST,
    CredentialAct.RETURN: CredentialState.RETURNED,
}

TRANSITIONS: Final[Mapping[CredentialState | None, Mapping[CredentialAct, CredentialState]]] = {
    None: {CredentialAct.ISSUE: CredentialState.ISSUED},
    CredentialState.ISSUED: _GOOD,
    CredentialState.EXTENDED: _GOOD,
    CredentialState.FOUND: _GOOD,
    CredentialState.LOST: {
        CredentialAct.LIFT_LOSS: CredentialState.FOUND,
        CredentialAct.RETURN: CredentialState.RETURNED,  # written off
    },
    CredentialState.RETURNED: {},
}
"""None: there is no such credential yet."""


def after(state: CredentialState | None, act: CredentialAct) -> CredentialState:
    """Raises Clash where a credential in that state does not allow it; the text says what it allows."""
    allowed = TRANSITIONS[state]
    if act not in allowed:
        possible = ", ".join(allowed) or "nothing any more"
        raise Clash(f"a credential that is {state} allows: {possible}")
    return allowed[act]
