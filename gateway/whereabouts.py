"""What was before, as far as decisions need it: who is where, what was used how often, who came first. Pure.

Each memory is bounded; what is oldest in it goes first, and what is forgotten speaks for the person. All but
refusals in a row is found again in the journal.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection, Iterable
from typing import Final, Generic, TypeVar

from drivers.base import CredentialKind
from gateway.access_list import AccessList
from gateway.rulebook import Rulebook
from gateway.tries import Tries
from messages.model import Direction, Kind, Reason, Record

MAX_HOLDERS: Final = 20_000
MAX_USED: Final = 20_000
MAX_FIRSTS: Final = 4_096
MAX_USES: Final = 1_000
"""As many as a right may have (messages.access_list)."""

MAX_GRANTS: Final = 4_096
"""Grants remembered until the door contact says whether they were taken."""

BY_LIST: Final = frozenset({Reason.LISTED, Reason.LISTED_PASSED_BACK, Reason.LISTED_UNRECORDED})

_K = TypeVar("_K")
_V = TypeVar("_V")
Right = tuple[str, str]
"""What uses are counted for: token and holder of an entry; none and the holder of a visitor pass."""


class Bounded(Generic[_K, _V]):
    """The newest so many values by their keys."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[_K, _V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: _K) -> _V | None:
        return self._kept.get(key)

    def put(self, key: _K, value: _V) -> None:
        self._kept[key] = value
        self._kept.move_to_end(key)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def pop(self, key: _K) -> None:
        self._kept.pop(key, None)

    def clear(self) -> None:
        self._kept.clear()


class Areas:
    """Where holders are, by the records."""

    def __init__(self) -> None:
        self._last: Bounded[str, tuple[str, int]] = Bounded(MAX_HOLDERS)

    def entered(self, holder: str, area: str, now_us: int) -> None:
        self._last.put(holder, (area, now_us))

    def is_in(self, holder: str, area: str, now_us: int, forget_after_us: int) -> bool:
        """Of a clock that was changed by more than that, nothing is believed."""
        last = self._last.get(holder)
        return last is not None and last[0] == area and abs(now_us - last[1]) < forget_after_us

    def forget(self, holder: str) -> None:
        """Where this one is, is not known any more."""
        self._last.pop(holder)

    def reset(self) -> None:
        """Everybody counts as being nowhere."""
        self._last.clear()


class Uses:
    """When each limited right was used."""

    def __init__(self) -> None:
        self._used: Bounded[Right, deque[int]] = Bounded(MAX_USED)

    def count(self, right: Right, since_us: int | None) -> int:
        """Since the right began: one that is given anew begins anew."""
        used = self._used.get(right) or ()
        return len(used) if since_us is None else sum(at_us >= since_us for at_us in used)

    def take(self, right: Right, now_us: int) -> None:
        used = self._used.get(right) or deque(maxlen=MAX_USES)
        used.append(now_us)
        self._used.put(right, used)

    def give_back(self, right: Right) -> None:
        """The last one came to nothing."""
        used = self._used.get(right)
        if used:
            used.pop()


class Firsts:
    """When somebody of a category was last let in at a door."""

    def __init__(self) -> None:
        self._last: Bounded[tuple[str, str], int] = Bounded(MAX_FIRSTS)

    def came(self, door: str, category: str, now_us: int) -> None:
        self._last.put((door, category), now_us)

    def has_come(self, door: str, category: str, since_us: int, now_us: int) -> bool:
        last_us = self._last.get((door, category))
        return last_us is not None and since_us <= last_us <= now_us


class Memory:
    """All of it for one building."""

    def __init__(self, in_a_row: Tries | None = None) -> None:
        self.areas = Areas()
        self.uses = Uses()
        self.firsts = Firsts()
        self.tries = Tries()  # PINs: by the token of the card, or by the door and direction of PINs alone
        self.in_a_row = in_a_row or Tries()  # refusals, by door and direction

    def replay(
        self, records: Iterable[Record], listed: AccessList, rulebook: Rulebook, contacts: Collection[str]
    ) -> None:
        """As if all of it happened again, oldest first; `contacts`: the doors that tell who went in."""
        grants: Bounded[tuple[int, int], Record] = Bounded(MAX_GRANTS)
        for record in records:
            if record.kind is Kind.ACCESS_GRANTED:
                self._granted(record, listed)
                if record.door not in contacts:
                    self._passed(record, record.at, rulebook)
                grants.put((record.epoch, record.seq), record)
            elif record.kind is Kind.ACCESS_TAKEN and record.links is not None and record.door in contacts:
                grant = grants.get((record.epoch, record.links))
                if grant is not None:
                    self._passed(grant, record.at, rulebook)
            elif record.kind is Kind.RELEASE_FAILED and record.links is not None:
                self._undone(grants.get((record.epoch, record.links)), listed)
            elif record.kind is Kind.ACCESS_DENIED:
                self._denied(record)
            elif record.kind is Kind.PASSBACK_RESET:
                self.areas.reset()

    def _granted(self, record: Record, listed: AccessList) -> None:
        if record.direction is not Direction.IN or record.door is None:
            return
        if record.category is not None:
            self.firsts.came(record.door, record.category, record.at)
        if record.holder is None:
            return
        if record.reason is Reason.VISITOR_PASS:
            self.uses.take(("", record.holder), record.at)
        elif record.reason in BY_LIST and record.credential is not None:
            entry = listed.find(record.credential.token)
            if entry is not None and entry.uses is not None:
                self.uses.take((entry.token, record.holder), record.at)

    def _undone(self, grant: Record | None, listed: AccessList) -> None:
        """Its lock was not driven: nobody went in, and no use was taken."""
        if grant is None or grant.holder is None:
            return
        self.areas.forget(grant.holder)
        if grant.direction is not Direction.IN:
            return
        if grant.reason is Reason.VISITOR_PASS:
            self.uses.give_back(("", grant.holder))
        elif grant.credential is not None and listed.find(grant.credential.token) is not None:
            self.uses.give_back((grant.credential.token, grant.holder))

    def _passed(self, grant: Record, at_us: int, rulebook: Rulebook) -> None:
        if grant.holder is None or grant.door is None or grant.direction is None:
            return
        area = rulebook.area_behind(grant.door, grant.direction)
        if area is not None:
            self.areas.entered(grant.holder, area, at_us)

    def _denied(self, record: Record) -> None:
        credential = record.credential
        if credential is None:
            return
        if record.reason is Reason.PIN_WRONG:
            self.tries.wrong(credential.token, record.at)
        elif record.reason is Reason.UNKNOWN_CREDENTIAL and credential.kind == CredentialKind.PIN:
            self.tries.wrong((record.door, record.direction), record.at)
