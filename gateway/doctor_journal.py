"""Doctor: the journal and what its records tell: storage, room, soundness, delivery, list, devices.

Reads beside the gateway that writes; takes no lock.
"""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway import storage as file_system
from gateway.access_list import load_access_list
from gateway.doctor import Finding, Grade, Patient
from gateway.errors import AccessListError, SiteSettingsError
from gateway.journal_file import open_for_reading
from gateway.rights_files import load_settings_file
from gateway.storage import StorageRule
from gateway.storage_space import MIB, Level, Reserve, level, space_of
from messages.errors import MessageError
from messages.model import Kind, Record
from messages.wire import decode_record

_HOUR_US = 3_600_000_000
_DAY_US = 24 * _HOUR_US
_MIND_WAITING_US = _DAY_US // 24
_MIND_LIST_US = 7 * _DAY_US
_LOOK_BACK = 5_000
"""Records: a day or two of a large building."""

_LITTLE_DAYS = 30
_NO_END = 2**62
_EPOCHS = (
    "SELECT e.first_id,"
    " coalesce((SELECT min(n.first_id) FROM epochs n WHERE n.first_id > e.first_id), ?),"
    " coalesce((SELECT max(a.through) FROM acknowledgements a WHERE a.epoch = e.epoch), 0)"
    " FROM epochs e ORDER BY e.first_id"
)


def storage(patient: Patient) -> Iterator[Finding]:
    """On what the journals lie, and how much room there is."""
    for path in _paths(patient):
        doubt = file_system.examine(path)
        if doubt is not None:
            refused = patient.settings.journal.storage is StorageRule.SAFE_ONLY
            grade = Grade.BAD if refused else Grade.MIND
            yield Finding("storage", grade, f"{path}: {doubt}", "put [journal] path on a local disk")
        yield from _room(path)
    yield from _reserve(patient)


def _reserve(patient: Patient) -> Iterator[Finding]:
    """There is one as soon as the gateway has run and its disk has room."""
    journal, mib = patient.settings.journal.path, patient.settings.journal.reserve_mib
    if mib == 0:
        yield Finding("reserve", Grade.MIND, "none is wanted: a full disk stops records at once", _RESERVE)
    elif not journal.exists() or Reserve(journal, mib * MIB).is_there:
        yield Finding("reserve", Grade.OK, f"{mib} MiB")
    else:
        yield Finding("reserve", Grade.BAD, f"the {mib} MiB are used up, or could not be laid by", _ROOM)


def _room(path: Path) -> Iterator[Finding]:
    space = space_of(path.parent)
    what = f"{path}: {space.free / MIB:.0f} MiB free, {space.used * 100:.0f} % in use"
    match level(space, Level.ROOM):
        case Level.ROOM:
            yield Finding("room", Grade.OK, what)
        case Level.NEARLY_FULL:
            yield Finding("room", Grade.MIND, what, _ROOM)
        case _:
            yield Finding("room", Grade.BAD, what, _ROOM)
    if (days := _days_until_full(path, space.free)) is not None:
        grade = Grade.OK if days > _LITTLE_DAYS else Grade.MIND
        what = f"{path}: room for {min(days, 9_999):.0f} days without a centre, at the rate of late"
        yield Finding("room", grade, what, "" if grade is Grade.OK else _ROOM)


def journal(patient: Patient) -> Iterator[Finding]:
    for path in _paths(patient):
        if not path.exists():
            yield Finding("journal", Grade.MIND, f"{path}: not there yet", "it is made by the first start")
            continue
        yield _soundness(path)
        if (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077:
            what = f"{path} can be used by others (mode {mode:o})"
            yield Finding("journal", Grade.MIND, what, f"chmod 600 {path}")
        aside = sorted(each.name for each in path.parent.glob(f"{path.name}.*damaged*"))
        if aside:
            what = f"{len(aside)} damaged files were set aside, the newest {aside[-1]}"
            yield Finding(
                "journal", Grade.MIND, what, "keep them until the centre has every record of theirs"
            )


def _soundness(path: Path) -> Finding:
    try:
        with closing(open_for_reading(path)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except (sqlite3.Error, UnicodeDecodeError) as error:
        what = f"{path}: cannot be read ({type(error).__name__})"
        return Finding("journal", Grade.BAD, what, _DAMAGED)
    if found != "ok":
        return Finding("journal", Grade.BAD, f"{path}: is damaged", _DAMAGED)
    return Finding("journal", Grade.OK, f"{path}: sound")


@dataclass(frozen=True, slots=True)
class Waiting:
    """Records that the centre has not acknowledged; `since_us` is the oldest one's time."""

    count: int
    since_us: int | None


def delivery(patient: Patient) -> Iterator[Finding]:
    """How many records the centre does not have, as noted here; acknowledgements are noted once a minute."""
    found = [waiting_in(path) for path in _paths(patient) if path.exists()]
    count = sum(each.count for each in found)
    since_us = min((each.since_us for each in found if each.since_us is not None), default=None)
    if count == 0:
        yield Finding("delivery", Grade.OK, "the centre has every record")
        return
    waited_us = 0 if since_us is None else patient.now_us - since_us
    since = "" if since_us is None else f", the oldest since {_at(since_us)}"
    what = f"{count} records wait for the centre{since}"
    if waited_us < _MIND_WAITING_US:
        yield Finding("delivery", Grade.OK, what)
    else:
        yield Finding("delivery", Grade.BAD if waited_us >= _DAY_US else Grade.MIND, what, _DELIVER)


def waiting_in(path: Path) -> Waiting:
    """Raises sqlite3.Error where the file cannot be read."""
    with closing(open_for_reading(path)) as connection:
        epochs = connection.execute(_EPOCHS, (_NO_END,)).fetchall()
        count, oldest = 0, None
        for first_id, end_id, through in epochs:
            span = (first_id + through, end_id)
            sql = "SELECT count(*), min(id) FROM records WHERE id >= ? AND id < ?"
            found, at = connection.execute(sql, span).fetchone()
            count += found
            oldest = at if oldest is None else oldest
        if oldest is None:
            return Waiting(0, None)
        body = connection.execute("SELECT body FROM records WHERE id = ?", (oldest,)).fetchone()[0]
    record = _record(body)
    return Waiting(count, None if record is None else record.at)


def access_list(patient: Patient) -> Iterator[Finding]:
    """The file, and what the newest records say of the list in force, wherever that came from."""
    path = patient.settings.gateway.access_list
    if path is not None:
        yield from _list_file(path, patient.now_us)
    decided = next((r for r in _newest(patient) if r.list_version is not None), None)
    if decided is not None and decided.list_age_s is not None:
        issued_us = decided.at - decided.list_age_s * 1_000_000
        what = f"in force by the newest record: version {decided.list_version}"
        yield _aged(what, issued_us, patient.now_us)
    elif path is None:
        what = "none: no file is named, and no record tells of one"
        yield Finding("access list", Grade.BAD, what, "name a file in [gateway] access_list, or see `centre`")


def _list_file(path: Path, now_us: int) -> Iterator[Finding]:
    try:
        found = load_access_list(path)
    except AccessListError as error:
        yield Finding("access list", Grade.BAD, str(error), "mend the file; the former list stays in force")
        return
    what = f"{path}: version {found.version}, {len(found.entries)} credentials"
    yield _aged(what, found.issued_us, now_us)


def _aged(what: str, issued_us: int, now_us: int) -> Finding:
    what = f"{what}, {max(0, now_us - issued_us) / _DAY_US:.0f} days old"
    if now_us - issued_us >= _MIND_LIST_US:
        do = "cards lost since then still open doors: bring a new list, or see why none comes"
        return Finding("access list", Grade.MIND, what, do)
    return Finding("access list", Grade.OK, what)


def site_settings(patient: Patient) -> Iterator[Finding]:
    """Schedules and rules, where they come from a file."""
    if patient.settings.gateway.site_settings is None:
        return
    try:
        load_settings_file(patient.settings)
    except SiteSettingsError as error:
        yield Finding("site settings", Grade.BAD, str(error), "mend the file; the former stay in force")
        return
    yield Finding("site settings", Grade.OK, f"{patient.settings.gateway.site_settings}: good")


def devices(patient: Patient) -> Iterator[Finding]:
    """What the records say last of each reader; of a gateway that does not run they say nothing."""
    if patient.pid is None:
        return
    seen: set[str] = set()
    for record in _newest(patient):
        if record.kind not in _READERS or record.reader is None or record.reader in seen:
            continue
        seen.add(record.reader)
        if record.kind is not Kind.READER_RESTORED:
            what = f"{record.reader}: {record.kind.replace('_', ' ')} since {_at(record.at)}"
            yield Finding("reader", Grade.BAD, what, "see docs/readers/ for its lights and its wiring")


_READERS = frozenset({Kind.READER_LOST, Kind.READER_DEGRADED, Kind.READER_RESTORED})


def _paths(patient: Patient) -> list[Path]:
    settings = patient.settings.journal
    return [settings.path] + ([] if settings.second_path is None else [settings.second_path])


def _newest(patient: Patient) -> list[Record]:
    """Readable records, the newest first."""
    found: list[Record] = []
    for path in _paths(patient):
        if path.exists():
            with closing(open_for_reading(path)) as connection:
                rows = connection.execute("SELECT body FROM records ORDER BY id DESC LIMIT ?", (_LOOK_BACK,))
                found += [record for row in rows if (record := _record(row[0])) is not None]
    return sorted(found, key=lambda record: (record.epoch, record.seq), reverse=True)


def _days_until_full(path: Path, free: int) -> float | None:
    """None while there are too few records to tell."""
    if not path.exists():
        return None
    with closing(open_for_reading(path)) as connection:
        rows = connection.execute(
            "SELECT id, body FROM records WHERE id IN (SELECT max(id) FROM records UNION"
            " SELECT max(min(id), max(id) - ?) FROM records) ORDER BY id",
            (_LOOK_BACK,),
        ).fetchall()
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        size = pages * connection.execute("PRAGMA page_size").fetchone()[0]
        stored = connection.execute("SELECT count(*) FROM records").fetchone()[0]
    records = [record for row in rows if (record := _record(row[1])) is not None]
    if len(records) != 2:  # noqa: PLR2004  the newest, and one some days before
        return None
    span_us = records[1].at - records[0].at
    count = rows[1][0] - rows[0][0]
    return free / (size / stored) / (count / (span_us / _DAY_US)) if span_us > _HOUR_US else None


def _record(body: bytes) -> Record | None:
    """None where it cannot be read: `journal verify` is where damage is shown."""
    try:
        return decode_record(body)
    except MessageError:
        return None


def _at(us: int) -> str:
    return f"{datetime.fromtimestamp(us / 1e6, UTC):%Y-%m-%d %H:%M} UTC"


_ROOM = "make room: what else is on that disk? is the centre taking records?"
_RESERVE = "write reserve_mib = 64 in [journal]"
_DAMAGED = "start the gateway: it saves what can be read; then look at the disk's health"
_DELIVER = "see `broker` and `centre`; where there is no line, carry them: liuhen-gateway export"
