"""A look-up as one act: its row is committed, then it is answered, masked, page by page, each on the record.

Where the register cannot be written nothing is read and nothing shown. What is refused is on record as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, insert

from central.assessments.gate import NOT_LIVE, is_live
from central.errors import (
    BadQuestion,
    CentralError,
    NotAllowed,
    NotThere,
    RowRefused,
    StoreUnavailable,
    TooOften,
)
from central.fleet.completeness import Completeness, completeness_of
from central.honey import touches
from central.identity.vault import Vault, normalised
from central.lookup import audit, rules
from central.lookup.masking import Masked, masked
from central.lookup.paging import MAX_PAGE, Found, Place, Window, cursor_of, page, place_of
from central.lookup.rules import ALONE_RECORDS, OF_SOMEBODY, Asker, Asking
from central.lookup.states import State, check_limits, own_row, state_of, why_resting
from central.lookup.subjects import ENTRIES_ENDED, index_of, sealed_subject, subject_of
from central.lookup.words import Act, Asked, Happened
from central.register.credential_forms import as_drivers_write
from central.register.place_tree import is_room
from central.store.changes import Changes
from central.store.lookup_tables import look_up_subject
from central.store.questions import Questions

_T = TypeVar("_T")
_PLACES: Final = ("site", "gateway", "door", "room")
_NOT_WRITTEN: Final = "the register of look-ups cannot be written; without it nothing is answered"


@dataclass(frozen=True, slots=True)
class DoorComplete:
    """Of one door of the answer; `until_us`: all that its gateway recorded by then is here, but for what
    was ended: within the time that was asked for, all that had arrived by `ended_us`. `sound`: nothing of it
    is lost, set aside or doubtful; `keeps_up`: and no more is lacking than a live gateway has under way."""

    site: str
    gateway: str
    door: str
    label: str
    complete: bool
    until_us: int | None
    ended_us: int | None = None
    sound: bool = False
    keeps_up: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """One page, newest first. `waits`: why somebody else must agree before anything is shown. `more`: there
    are more records; without a `cursor` they need a second person's word."""

    look_up: int
    at_us: int
    waits: tuple[str, ...] = ()
    entries: Sequence[Masked] = ()
    more: bool = False
    cursor: str | None = None
    doors: Sequence[DoorComplete] = ()
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        return bool(self.doors) and all(door.complete for door in self.doors) and not self.notes


@dataclass(frozen=True, slots=True)
class Named:
    """Whom a question that was refused named, as it was typed."""

    number: str | None = field(default=None, repr=False)
    card_kind: str | None = None
    room: int | None = None


NOBODY: Final = Named()


@dataclass(frozen=True, slots=True)
class _Page:
    row: Any
    found: Sequence[Found]
    more: bool
    doors: Sequence[DoorComplete]
    notes: tuple[str, ...]
    further: bool
    """Whether a further page may be asked for."""


class LookUps:
    """`now_us`: the centre's clock."""

    def __init__(
        self,
        changes: Changes,
        questions: Questions,
        vault: Vault | None,
        zone: tzinfo,
        now_us: Callable[[], int],
    ) -> None:
        self.changes = changes
        self.questions = questions
        self.vault = vault
        self.zone = zone
        self.now_us = now_us

    async def ask(self, asker: Asker, asking: Asking, limit: int = ALONE_RECORDS) -> Answer:
        """`put`, and the first page where nobody else must agree before. Raises what `put` raises."""
        now_us = self.now_us()
        number = await self.put(asker, asking, now_us)
        waits = tuple(rules.why_wide(asking)) if asking.emergency is None else ()
        if waits:
            return Answer(number, now_us, waits)
        return await self.page(asker, number, limit=limit)

    async def put(self, asker: Asker, asking: Asking, now_us: int) -> int:
        """Writes down what is asked; its number, for `page`. Raises BadQuestion, NotThere, NotAllowed,
        TooOften (each of them on record), StoreUnavailable."""
        window = asking.window
        asking = replace(asking, window=Window(window.from_us, min(window.until_us, now_us)))
        made = await self.record(lambda db: self._asked(db, asker, asking, now_us))
        if isinstance(made, CentralError):
            raise made
        return made

    async def page(
        self, asker: Asker, number: int, cursor: str | None = None, limit: int = ALONE_RECORDS
    ) -> Answer:
        """One page of a look-up of one's own; its row is written before it is given."""
        found = await self.questions.ask(lambda db: self._read(db, asker, number, cursor, limit))
        now_us = self.now_us()
        facts = {
            "after": cursor,
            "records": [each.id for each in found.found],
            "more": found.more,
            "complete": all(door.complete for door in found.doors) and not found.notes,
            "notes": list(found.notes),
        }
        await self.record(
            lambda db: append_of(db, found.row, Happened.ANSWERED, facts, asker=asker, at_us=now_us),
        )
        return Answer(
            look_up=number,
            at_us=now_us,
            entries=[masked(each, found.row.asked_hash) for each in found.found],
            more=found.more,
            cursor=cursor_of(found.found[-1].place) if found.more and found.further else None,
            doors=found.doors,
            notes=found.notes,
        )

    async def refuse(
        self, asker: Asker, community: int, asked: Asked, error: CentralError, named: Named = NOBODY
    ) -> None:
        """Notes a question that is not even one, or whose asker must prove again who they are. Raises
        StoreUnavailable."""
        now_us = self.now_us()

        def noted(connection: Connection) -> None:
            _not_asked(connection, asker, community, asked=asked, error=error, now_us=now_us)
            self._tell_refused(connection, asker, community, asked, named, Window(now_us, now_us + 1), now_us)

        await self.record(noted)

    async def record(self, change: Callable[[Connection], _T]) -> _T:
        """Commits what happens to look-ups. Raises StoreUnavailable where that is not possible."""
        try:
            return await self.changes.make(change)
        except (RowRefused, StoreUnavailable) as error:
            raise StoreUnavailable(_NOT_WRITTEN) from error

    def _asked(self, connection: Connection, asker: Asker, asking: Asking, now_us: int) -> int | CentralError:
        """Its number, or why it was refused; either way there is a row."""
        try:
            _may_ask(connection, asker, asking, now_us)
            return self.write(connection, asker, asking, now_us)
        except (BadQuestion, NotThere, NotAllowed, TooOften) as error:
            _not_asked(connection, asker, asking.community, asked=asking.asked, error=error, now_us=now_us)
            named = Named(asking.number, asking.card_kind, asking.room)
            self._tell_refused(
                connection, asker, asking.community, asking.asked, named, asking.window, now_us
            )
            return error

    def _tell_refused(  # noqa: PLR0917  as `_not_asked`, and of whom
        self,
        connection: Connection,
        asker: Asker,
        community: int,
        asked: Asked,
        named: Named,
        window: Window,
        now_us: int,
    ) -> None:
        """Oversight, where it names somebody made up: who was refused wanted to know all the same."""
        row = {"community_id": community, "question": asked, "at": now_us}
        row |= {"from_at": window.from_us, "until_at": window.until_us}
        number = named.number
        if number is not None and named.card_kind is not None:
            number = as_drivers_write(named.card_kind, number)
        by = toucher_of(asker)
        touches.note_look_up(connection, self.vault, row, by, look_up=None, number=number, room=named.room)

    def write(self, connection: Connection, asker: Asker, asking: Asking, now_us: int) -> int:
        """The row of a look-up that may be asked; its number."""
        text = self._number_of(asking)
        places = {name: getattr(asking, name) for name in _PLACES if getattr(asking, name) is not None}
        if asking.card_kind is not None:
            places["card_kind"] = asking.card_kind
        if asking.emergency is not None:
            places["emergency"] = asking.emergency
        places["origin"] = asker.origin
        row = {
            "community_id": asking.community,
            "at": now_us,
            "account": asker.account,
            "role": asker.role,
            "unit": asker.unit,
            "question": asking.asked,
            "purpose": asking.purpose,
            "basis": asking.basis,
            "case_number": asking.case_number,
            "emergency": int(asking.emergency is not None),
            "from_at": asking.window.from_us,
            "until_at": asking.window.until_us,
            "parameters": json.dumps(places, ensure_ascii=False, sort_keys=True),
            "subject": None,
        }
        if text is not None:
            row["subject"] = index_of(self._vault(), asking.community, asking.asked, text)
        number, _digest = audit.append_look_up(connection, row)
        if text is not None:
            sealed = sealed_subject(self._vault(), asking.community, number, text)
            values = {"id": number, "community_id": asking.community, "sealed": sealed}
            connection.execute(insert(look_up_subject).values(values))
        touches.note_look_up(
            connection,
            self.vault,
            row,
            toucher_of(asker),
            look_up=number,
            number=None if text is None else text["number"],
            room=asking.room,
        )
        if asking.emergency is None and (wide := rules.why_wide(asking)):
            facts = {"act": Act.WHOLE, "why": "; ".join(wide)}
            own = own_row(connection, asker, number)
            append_of(connection, own, Happened.APPROVAL_ASKED, facts, asker=asker, at_us=now_us)
        return number

    def _number_of(self, asking: Asking) -> dict[str, str] | None:
        if asking.asked not in OF_SOMEBODY or asking.number is None:
            return None
        if asking.card_kind is None:
            return {"number": normalised("id_number", asking.number)}
        return {"number": as_drivers_write(asking.card_kind, asking.number), "kind": asking.card_kind}

    def _vault(self) -> Vault:
        if self.vault is None:
            raise BadQuestion("number", "this centre has no key ring: nobody can be found by a number")
        return self.vault

    def _read(
        self, connection: Connection, asker: Asker, number: int, cursor: str | None, limit: int
    ) -> _Page:
        row = own_row(connection, asker, number)
        resting = why_resting(connection, asker, self.now_us())
        if resting is not None:
            raise NotAllowed(f"your look-ups rest: {resting}")
        state = state_of(connection, number)
        whole = may(state, row, Act.WHOLE)
        after = None if cursor is None else place_of(cursor)
        if not whole and Act.WHOLE in state.acts and not state.given:
            raise NotAllowed("somebody of another unit must approve this look-up first")
        if not whole and after is not None:
            raise NotAllowed(
                f"more than {ALONE_RECORDS} records need the approval of somebody of another unit"
            )
        most = MAX_PAGE if whole else ALONE_RECORDS
        found, more, doors, notes = self.find(connection, row, max(1, min(limit, most)), after)
        return _Page(row, found, more, doors, notes, whole)

    def find(
        self, connection: Connection, row: Any, limit: int = ALONE_RECORDS, after: Place | None = None
    ) -> tuple[list[Found], bool, list[DoorComplete], tuple[str, ...]]:
        """What the store finds for a row as `states.row_of` gives it: records, whether there are more, how
        complete, notes. Nobody but whoever writes rows, and the benchmark, calls it."""
        subject = subject_of(connection, self.vault, self.zone, row)
        # How complete comes first: on PostgreSQL a record that is committed in between may be in the answer
        # though the moment says less, and never the other way round.
        doors = _doors(connection, subject.gateways, row, self.now_us())
        found, more = page(connection, subject.branches, limit, after)
        ended = (ENTRIES_ENDED,) if any(door.ended_us is not None for door in doors) else ()
        return found, more, doors, (*subject.notes, *ended)


def may(state: State, row: Any, act: Act) -> bool:
    """Whether a second person said so, or none is needed."""
    return state.approved(act) or not rules.needs_approval(act, emergency=bool(row.emergency))


def append_of(
    connection: Connection, row: Any, kind: Happened, facts: audit.Facts, *, asker: Asker, at_us: int
) -> None:
    """To the register, of a look-up: `row` of `look_up`."""
    by = {"role": asker.role, "unit": asker.unit, "origin": asker.origin}
    audit.append(
        connection,
        kind,
        look_up=row.id,
        community=row.community_id,
        at_us=at_us,
        account=asker.account,
        facts={**facts, "by": by},
    )


def toucher_of(asker: Asker) -> touches.Toucher:
    """As whom an alarm about a honey record names them."""
    return touches.Toucher(asker.account, asker.role, asker.unit, asker.origin)


def _not_asked(
    connection: Connection, asker: Asker, community: int, *, asked: Asked, error: CentralError, now_us: int
) -> None:
    facts = {
        "role": asker.role,
        "unit": asker.unit,
        "origin": asker.origin,
        "question": asked,
        "why": type(error).__name__,
        "field": getattr(error, "field", None),
    }
    audit.append(
        connection,
        Happened.NOT_ASKED,
        look_up=None,
        community=community,
        at_us=now_us,
        account=asker.account,
        facts=facts,
    )


def _may_ask(connection: Connection, asker: Asker, asking: Asking, now_us: int) -> None:
    if asking.community not in asker.communities:
        raise NotThere("no such community")
    if not is_live(connection, asking.community):
        raise NotAllowed(NOT_LIVE)
    rules.checked(asking)
    if asking.room is not None and not is_room(connection, asking.community, asking.room):
        raise NotThere("no such room in this community")
    resting = why_resting(connection, asker, now_us)
    if resting is not None:
        raise NotAllowed(f"your look-ups rest: {resting}")
    check_limits(connection, asker, now_us)


def _doors(connection: Connection, gateways: Sequence[Any], row: Any, now_us: int) -> list[DoorComplete]:
    door = json.loads(row.parameters).get("door")
    found = completeness_of(connection, gateways)
    window = Window(row.from_at, row.until_at)
    return [each for known in found for each in _doors_of(known, door, window, now_us)]


def _doors_of(known: Completeness, door: str | None, window: Window, now_us: int) -> list[DoorComplete]:
    complete = known.is_complete(window.from_us, window.until_us)
    ended_us = known.ended_within(window.from_us)
    state = (complete, known.complete_until_us, ended_us, known.sound, known.keeps_up(now_us))
    doors = [(each.name, each.label) for each in known.doors] or [("", "")]
    if door is not None:
        doors = [(door, known.door_label(door))]
    return [DoorComplete(known.site, known.name, name, label, *state) for name, label in doors]
