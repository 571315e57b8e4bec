"""Who asks: their role and the communities that they may see. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What somebody is here for (trust.md R-62). An account has exactly one."""

    OFFICER = "officer"  # looks entries up, with a reason
    APPROVER = "approver"  # agrees to wide look-ups of others
    SUPERVISOR = "supervisor"  # reviews look-ups, changes nothing
    WORKER = "worker"  # keeps the register of homes and people, gives passes; sees no entries
    INSTALLER = "installer"  # wires and tests readers; sees no people
    OPERATOR = "operator"  # watches gateways, sends settings and commands; sees no people
    ADMINISTRATOR = "administrator"  # accounts, roles, scopes; can ask nothing about anybody
    RESIDENT = "resident"  # their own home, guests and entries


STAFF: Final = frozenset(Role) - {Role.RESIDENT}

MACHINES_ROLES: Final = frozenset({Role.OFFICER, Role.OPERATOR, Role.INSTALLER})
"""Those of tokens: none that gets to a person."""


@dataclass(frozen=True, slots=True)
class Who:
    """An account that signed in, or a machine's token (`account` below 0); `communities` empty: sees nothing
    (trust.md R-63).

    `fresh`: both factors were given a moment ago, as it takes for an export or an approval (R-61).
    """

    account: int
    role: Role
    communities: frozenset[int]
    person: int | None = None  # of the register: whom a resident's account is for
    machine: bool = False
    fresh: bool = False

    @property
    def reference(self) -> str:
        """How a record or a command names whom it is from: opaque, a word of letters and digits."""
        return f"token-{-self.account}" if self.machine else f"account-{self.account}"

    @property
    def by(self) -> str:
        """As the database notes who did something, in words."""
        return f"token {-self.account}" if self.machine else f"account {self.account}"

    def sees(self, community: int | None) -> bool:
        return community in self.communities

    def only(self, communities: Iterable[int]) -> frozenset[int]:
        return self.communities & frozenset(communities)
