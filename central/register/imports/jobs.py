"""An import from the file that somebody brings until its end: what people do with it, and how it stands.

The work itself is done by `work`; here is only noted what is to be done, so that it can be left and come back
to, and goes on after the process was killed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, delete, insert, select, update

from central.errors import Clash, IdentityDamaged, NotAllowed, NotThere
from central.identity.vault import Vault
from central.register.desk import Desk, GatewayOf
from central.register.imports.columns import Field
from central.register.imports.faults import Fault
from central.register.imports.known import Indexed
from central.register.imports.plan_row import Difference
from central.register.imports.reading import MAX_ROWS, format_of
from central.register.imports.states import WORKING, ImportState, Outcome
from central.register.lease_states import DAY_US
from central.register.words import RegisterAct
from central.store.engine import next_ids
from central.store.import_tables import import_gateway, import_row, register_import

FORGOTTEN_US: Final = 7 * DAY_US
"""So long a preview waits for consent, and wrong rows can be fetched: then what they say is forgotten."""

MOST_OPEN: Final = 20
"""Files of one community that were neither imported nor discarded."""


class Headings(Struct, frozen=True):
    """As they stand in the file; sealed, as in a file without headings they would be people's names."""

    known: dict[str, str]
    unknown: list[str]


class RowKept(Struct, frozen=True, omit_defaults=True):
    """What a row says and what differs; sealed. `said`: of rows that can be imported, as it was understood
    and found: the same is imported that was previewed."""

    cells: dict[Field, str] = {}
    odd: dict[Field, str] = {}
    differences: list[Difference] = []
    said: Indexed | None = None


BUT_THE_FILE: Final = [column for column in register_import.c if column.name != "file"]


@dataclass(frozen=True, slots=True)
class RowShown:
    number: int
    outcome: Outcome
    faults: list[Fault]
    kept_because: list[str]
    kept: RowKept | None  # None: forgotten, as it is imported


def begin(desk: Desk, data: bytes) -> int:
    """A file was brought; its id. Raises BadQuestion for what is no such file, Clash."""
    form = format_of(data)
    waiting = register_import.c.state.in_([ImportState.READING, ImportState.PREVIEW])
    mine = register_import.c.community_id == desk.community
    open_now = desk.connection.execute(select(register_import.c.id).where(mine, waiting)).all()
    if len(open_now) >= MOST_OPEN:
        raise Clash("too many files wait for consent: discard some first")
    number = next_ids(desk.connection, register_import, 1)[0]
    row = {
        "id": number,
        "community_id": desk.community,
        "account": desk.account,
        "created_at": desk.now_us,
        "state": ImportState.READING.value,
        "format": form.value,
        "file": desk.vault.seal_register(desk.community, f"import_file:{number}", data),
        **dict.fromkeys(_COUNTS, 0),
    }
    desk.connection.execute(insert(register_import).values(row))
    return number


_COUNTS: Final = (
    "rows",
    "new_rows",
    "changed_rows",
    "same_rows",
    "wrong_rows",
    "through",
    "steps",
    "steps_done",
)


def consent(desk: Desk, number: int, *, without_wrong: bool) -> None:
    """The good rows are to be imported. Raises NotThere; Clash where it is not a preview, nothing differs, or
    there are wrong rows and nobody said that they stay out."""
    row = the_import(desk, number)
    if row.state not in {ImportState.PREVIEW, ImportState.STOPPED}:
        raise Clash(f"this import is {row.state}: only a preview can be agreed to")
    if row.undone_by is not None:
        raise Clash("its undo was begun: undo it to the end, and bring the file again")
    if row.wrong_rows and not without_wrong:
        raise Clash(f"{row.wrong_rows} rows are wrong: say that the others are imported without them")
    steps = row.new_rows + row.changed_rows - (row.steps_done if row.state == ImportState.STOPPED else 0)
    if steps <= 0:
        raise Clash("every good row is as the register has it already: there is nothing to import")
    again = row.state == ImportState.STOPPED
    new = {
        "state": ImportState.IMPORTING.value,
        "consented_at": desk.now_us,
        "consented_by": desk.account,
        "trouble": None,
        "ended_at": None,
    }
    if not again:
        new |= {"through": 0, "steps": steps, "steps_done": 0}
    _write(desk, number, new)
    body = {"rows": steps, "wrong": row.wrong_rows}
    desk.note(RegisterAct.IMPORT_BEGUN, register_import, number, body=body)


def stop(desk: Desk, number: int) -> None:
    """After the part that is being written: what is imported stays. Raises NotThere, Clash."""
    if the_import(desk, number).state != ImportState.IMPORTING:
        raise Clash("it is not being imported")
    settle(desk, number, ImportState.STOPPED, RegisterAct.IMPORT_ENDED, {"stopped": True})


def discard(desk: Desk, number: int) -> None:
    """Nobody consents; what the file says is forgotten at once. Raises NotThere, Clash."""
    row = the_import(desk, number)
    if row.state not in {ImportState.READING, ImportState.PREVIEW, ImportState.REFUSED}:
        raise Clash("it is imported, at least in part: it can be undone")
    _forget(desk.connection, number)
    ended = {"state": ImportState.DISCARDED.value, "ended_at": desk.now_us, "file": None, "sealed": None}
    _write(desk, number, ended)


def undo(desk: Desk, number: int, *, reason: str) -> None:
    """All of it is to be taken back, as far as nothing builds on it. Raises NotThere, Clash."""
    row = the_import(desk, number)
    if row.state not in {ImportState.DONE, ImportState.STOPPED}:
        raise Clash(f"this import is {row.state}: there is nothing to undo")
    new = {
        "state": ImportState.UNDOING.value,
        "undone_by": desk.account,
        "undo_reason": reason,
        "through": 2**53,
        "steps": 0,
        "steps_done": 0,
        "trouble": None,
        "ended_at": None,
    }
    _write(desk, number, new)


def settle(desk: Desk, number: int, state: ImportState, act: RegisterAct, body: dict[str, object]) -> None:
    """It ends, for now or for good: its gateways get new lists, one whole one each."""
    here = import_gateway.c.import_id == number
    asked = select(import_gateway.c.site, import_gateway.c.gateway).where(here)
    touched = [GatewayOf(*row) for row in desk.connection.execute(asked)]
    desk.note(act, register_import, number, body=body, changed=touched)
    desk.connection.execute(delete(import_gateway).where(here))
    _write(desk, number, {"state": state.value, "ended_at": desk.now_us})


def the_import(desk: Desk, number: int) -> Any:
    """Raises NotThere."""
    return desk.row(register_import, number, "import")


def one_import(connection: Connection, community: int, number: int) -> Any:
    """All but its file. Raises NotThere."""
    mine = (register_import.c.id == number) & (register_import.c.community_id == community)
    found = connection.execute(select(*BUT_THE_FILE).where(mine)).one_or_none()
    if found is None:
        raise NotThere("no such import in this community")
    return found


def imports_of(connection: Connection, community: int, *, before: int | None, limit: int) -> list[Any]:
    """Newest first."""
    asked = select(*BUT_THE_FILE).where(register_import.c.community_id == community)
    if before is not None:
        asked = asked.where(register_import.c.id < before)
    return list(connection.execute(asked.order_by(register_import.c.id.desc()).limit(limit)))


def headings_of(vault: Vault, row: Any) -> Headings | None:
    """None: not read yet, or forgotten. Raises IdentityGone, IdentityDamaged."""
    if row.sealed is None:
        return None
    found: Headings = _opened(vault, row.community_id, f"import:{row.id}", row.sealed, Headings)
    return found


def rows_of(
    connection: Connection,
    vault: Vault,
    community: int,
    number: int,
    *,
    outcomes: Collection[Outcome] = (),
    kept_alone: bool = False,
    after: int = 0,
    limit: int = 100,
) -> list[RowShown]:
    """In the order of the file; `after`: the last row of the page before. `kept_alone`: those of which an
    undo left something."""
    there = [
        import_row.c.community_id == community,
        import_row.c.import_id == number,
        import_row.c.number > after,
    ]
    if outcomes:
        there.append(import_row.c.outcome.in_([each.value for each in outcomes]))
    if kept_alone:
        there.append(import_row.c.kept_because.is_not(None))
    rows = connection.execute(select(import_row).where(*there).order_by(import_row.c.number).limit(limit))
    return [row_shown(vault, row) for row in rows]


def take_wrong_rows(desk: Desk, number: int, account: int) -> list[RowShown]:
    """As they were written, for a file to be mended: on the record, as they go out in clear. Raises NotThere,
    and NotAllowed for everybody but whoever brought the file."""
    if the_import(desk, number).account != account:
        raise NotAllowed("only whoever brought the file fetches its rows as they were written")
    found = rows_of(
        desk.connection, desk.vault, desk.community, number, outcomes=[Outcome.WRONG], limit=MAX_ROWS
    )
    desk.note(RegisterAct.WRONG_ROWS_TAKEN, register_import, number, body={"rows": len(found)})
    return found


def row_shown(vault: Vault, row: Any) -> RowShown:
    kept = None
    if row.sealed is not None:
        kept = _opened(vault, row.community_id, f"import_row:{row.id}", row.sealed, RowKept)
    faults = [] if row.faults is None else msgspec.json.decode(row.faults, type=list[Fault])
    because = [] if row.kept_because is None else msgspec.json.decode(row.kept_because, type=list[str])
    return RowShown(row.number, Outcome(row.outcome), faults, because, kept)


def seal_kept(vault: Vault, community: int, name: str, kept: Struct) -> bytes:
    """`name` such as import_row:17."""
    return vault.seal_register(community, name, msgspec.json.encode(kept))


def forget_imports(connection: Connection, now_us: int) -> int:
    """What files say is forgotten in time: previews that nobody agreed to, and wrong rows; of how many
    imports. Within the caller's transaction."""
    columns = register_import.c
    resting = columns.state.not_in([each.value for each in WORKING])
    old = columns.created_at <= now_us - FORGOTTEN_US
    due = select(columns.id, columns.state).where(resting, old, columns.sealed.is_not(None))
    rows = connection.execute(due.order_by(columns.id)).all()
    for row in rows:
        preview = row.state == ImportState.PREVIEW
        if preview:
            _forget(connection, row.id)
        else:
            mine = (import_row.c.import_id == row.id) & import_row.c.sealed.is_not(None)
            connection.execute(update(import_row).where(mine).values(sealed=None))
        state = ImportState.DISCARDED.value if preview else row.state
        connection.execute(
            update(register_import).where(columns.id == row.id).values(state=state, sealed=None, file=None)
        )
    return len(rows)


def _forget(connection: Connection, number: int) -> None:
    connection.execute(delete(import_row).where(import_row.c.import_id == number))


def _write(desk: Desk, number: int, values: dict[str, object]) -> None:
    desk.connection.execute(update(register_import).where(register_import.c.id == number).values(values))


def _opened(vault: Vault, community: int, name: str, sealed: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(vault.open_register(community, name, sealed), type=kind)
    except msgspec.MsgspecError:
        raise IdentityDamaged("a row of an import") from None
