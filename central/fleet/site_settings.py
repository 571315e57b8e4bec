"""A site's settings as people write them: what is in force, what a change comes to, and its next revision.

Revision, time and keys are the centre's own and never typed: keys stay as they are, and a first revision
trusts the passes of this centre.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import structs
from sqlalchemy import Connection, func, select

from central.accounts.book import sites_of
from central.accounts.who import Who
from central.errors import BadQuestion, Clash, NotThere
from central.fleet.orders import note_settings
from central.fleet.settings_differences import Difference, OnTop, differences, put_on_top
from central.fleet.settings_faults import OWN, Fault, fault_of
from central.store.changes import Changes
from central.store.questions import Questions
from central.store.tables import gateway, sent_settings
from messages.errors import MessageError
from messages.signing import EVERY_GATEWAY
from messages.site_settings import (
    SETTINGS_VERSION,
    SiteSettings,
    decode_site_settings,
    encode_site_settings,
)

_MOST_NEWER: Final = 50


class Unsent(StrEnum):
    """Why settings were not sent."""

    NO_KEYS = "no_keys"
    CHANGED_MEANWHILE = "changed_meanwhile"
    NEWER_ALONE = "newer_alone"
    NOTHING_NEW = "nothing_new"
    ONE_GATEWAY_S = "one_gateway_s"
    ANOTHER_PROGRAM_S = "another_program_s"


class NotSent(Clash):
    """`gateways`: those that it is about, where there are any."""

    def __init__(self, why: Unsent, text: str, gateways: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.why = why
        self.gateways = gateways


class NoSettings(BadQuestion):
    """`fault`: what is wrong with them, and where; None: it cannot be said more exactly than in the text."""

    def __init__(self, text: str, fault: Fault | None) -> None:
        super().__init__("settings", text)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Revision:
    """The newest settings of a whole site; `number` 0: none were ever written here, and doors go by what
    their gateway's own settings say. `has`: by gateway, the revision that it says it has."""

    site: str
    number: int
    settings: SiteSettings
    noted_us: int | None
    has: dict[str, int | None]
    highest: int  # of the whole site and of single gateways
    alone: tuple[str, ...]  # gateways with newer settings of their own

    @property
    def written(self) -> dict[str, Any]:
        """What people write of it."""
        return written(self.settings)


@dataclass(frozen=True, slots=True)
class Noted:
    """A revision as it was noted: of the whole site (`gateway` is EVERY_GATEWAY) or of one gateway. `by`: an
    account, BY_CENTRE or BY_COMMAND_LINE; None: of a time when that was not noted. `settings` None: another
    program wrote them, and they cannot be read here. `puts_back`: the former revision that it says again.
    `changed`: how many places say something else than in the one before; None: that is not looked at."""

    id: int
    gateway: str
    number: int
    noted_us: int
    by: str | None
    puts_back: int | None
    settings: SiteSettings | None
    in_force: bool
    changed: int | None = None

    @property
    def of_all(self) -> bool:
        return self.gateway == EVERY_GATEWAY


History = Sequence[tuple[Noted, list[Difference]]]
"""Revisions, the oldest first, each with what it changed."""


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """What one's own change comes to beside those of others. `before`: what it was made from, `own`: what it
    makes of that, `now`: what holds now. `changes`: those of the revisions since; where people wrote nothing
    new, none."""

    before: dict[str, Any]
    own: dict[str, Any]
    now: Revision
    on_top: OnTop
    changes: History


def wrote_last(changes: History, place: str) -> Noted | None:
    """Of these, the revision that changed that place last."""
    of_place = (noted for noted, found in reversed(changes) if any(each.place == place for each in found))
    return next(of_place, None)


@dataclass(frozen=True, slots=True)
class Former:
    """A revision beside the one in force, and what putting it back would change: None where it cannot be put
    back, as it cannot be read or was one gateway's alone. `now` None: another program wrote those in force,
    and they cannot be read here; `in_force`: their number."""

    noted: Noted
    in_force: int
    now: Revision | None
    differences: list[Difference] | None


class SettingsOffice:
    """`signing` None: the centre has no keys, and sends gateways nothing."""

    def __init__(
        self,
        questions: Questions,
        changes: Changes,
        signing: Ed25519PrivateKey | None,
        now_us: Callable[[], int],
    ) -> None:
        self._questions = questions
        self._changes = changes
        self._signing = signing
        self._now_us = now_us

    async def sites(self, who: Who) -> list[str]:
        return await self._questions.ask(lambda db: sites_of(db, who.communities))

    async def in_force(self, who: Who, site: str) -> Revision:
        """Raises NotThere."""
        return await self._questions.ask(lambda db: _in_force(db, who, site))

    async def preview(self, who: Who, site: str, said: dict[str, Any]) -> list[Difference]:
        """What would change. Raises NotThere; BadQuestion for what are no settings."""

        def asked(db: Connection) -> list[Difference]:
            now = _in_force(db, who, site)
            return differences(now.written, written(_next(now, said, self._signing, self._now_us())))

        return await self._questions.ask(asked)

    async def revisions(
        self, who: Who, site: str, *, before: int | None = None, limit: int = 100
    ) -> tuple[list[Noted], int | None]:
        """The newest first, of the site and of single gateways; `before`, and what is given back beside them:
        where the next page begins. Raises NotThere."""
        return await self._questions.ask(lambda db: _revisions(db, who, site, before, limit))

    async def former(self, who: Who, site: str, number: int) -> Former:
        """Of all revisions of the site the one with this number of order (`Noted.id`). Raises NotThere."""
        return await self._questions.ask(lambda db: self._former(db, who, site, number))

    async def written_in(self, who: Who, site: str, number: int) -> dict[str, Any] | None:
        """What people wrote in that revision of the whole site; 0: before the first. None: there is none, or
        it cannot be read here. Raises NotThere for a site of others."""

        def asked(db: Connection) -> dict[str, Any] | None:
            _see(db, who, site)
            return _written_in(db, site, number)

        return await self._questions.ask(asked)

    async def of_late(self, who: Who, site: str) -> History:
        """What the newest revisions of the whole site changed, the oldest first. Raises NotThere."""

        def asked(db: Connection) -> History:
            _see(db, who, site)
            return _changes_since(db, site, 0, {})

        return await self._questions.ask(asked)

    async def meanwhile(self, who: Who, site: str, said: dict[str, Any], after: int) -> Meanwhile:
        """`said` is what somebody made of the revision `after` (0: before the first): what they changed of
        it, put on top of what holds now. Of a revision that is not there or cannot be read here, everything
        counts as written meanwhile. Raises NotThere, Clash; BadQuestion for what are no settings."""

        def asked(db: Connection) -> Meanwhile:
            now = _in_force(db, who, site)
            own = written(_next(now, said, self._signing, self._now_us()))
            known = _written_in(db, site, after)
            before = known or {}
            newer = _changes_since(db, site, 0 if known is None else after, before)
            return Meanwhile(before, own, now, put_on_top(before, now.written, own), newer)

        return await self._questions.ask(asked)

    async def put_back(self, who: Who, site: str, number: int, after: int) -> Revision:
        """What a former revision of the whole site said, as a new one, which goes out as `write` has it. What
        was written since stays as it is. Raises NotThere, BadQuestion, Clash."""

        def said(db: Connection) -> tuple[dict[str, Any], int | None]:
            noted = _noted(db, who, site, number)
            if not noted.of_all:
                raise NotSent(
                    Unsent.ONE_GATEWAY_S,
                    "these were one gateway's alone: liuhen-central send settings sends them again",
                )
            if noted.settings is None:
                raise NotSent(
                    Unsent.ANOTHER_PROGRAM_S, "another program wrote these settings: put them back there"
                )
            return written(noted.settings), noted.number

        return await self._write(who, site, said, after)

    async def write(self, who: Who, site: str, said: dict[str, Any], after: int) -> Revision:
        """A new revision for all gateways of the site, which are sent it until they have it. `after`: the
        revision that was looked at. Raises NotThere, BadQuestion, Clash."""
        return await self._write(who, site, lambda _: (said, None), after)

    async def _write(
        self,
        who: Who,
        site: str,
        asked: Callable[[Connection], tuple[dict[str, Any], int | None]],
        after: int,
    ) -> Revision:
        """`asked`: what the new one says, and which it puts back."""
        if self._signing is None:
            raise NotSent(
                Unsent.NO_KEYS,
                "the centre has no keys to sign settings with; make them: liuhen-central keys make",
            )

        def change(db: Connection) -> None:
            now = _in_force(db, who, site)
            said, puts_back = asked(db)
            if now.number != after:
                raise NotSent(
                    Unsent.CHANGED_MEANWHILE, "somebody wrote other settings meanwhile: look at those first"
                )
            if now.alone:
                raise NotSent(
                    Unsent.NEWER_ALONE,
                    f"{', '.join(now.alone)}: newer settings of their own would be lost without a word of it;"
                    " send whole ones with liuhen-central send settings",
                    now.alone,
                )
            new = _next(now, said, self._signing, self._now_us())
            if not differences(now.written, written(new)):
                raise NotSent(
                    Unsent.NOTHING_NEW, "these are the settings that hold now: there is nothing to send"
                )
            body = encode_site_settings(new)
            note_settings(db, site, EVERY_GATEWAY, body, self._now_us(), by=who.by, puts_back=puts_back)

        await self._changes.make(change)
        return await self.in_force(who, site)

    def _former(self, db: Connection, who: Who, site: str, number: int) -> Former:
        noted = _noted(db, who, site, number)
        try:
            now = _in_force(db, who, site)
        except Clash:  # a newer program's
            return Former(noted, _number_in_force(db, site), None, None)
        found: list[Difference] | None = None
        if noted.of_all and noted.settings is not None:
            try:
                new = _next(now, written(noted.settings), self._signing, self._now_us())
                found = differences(now.written, written(new))
            except BadQuestion:  # what an older program took, and this one does not
                found = None
        return Former(noted, now.number, now, found)


def written(settings: SiteSettings) -> dict[str, Any]:
    """Without what the centre writes by itself."""
    whole: dict[str, Any] = msgspec.json.decode(encode_site_settings(settings))
    return {name: value for name, value in whole.items() if name not in OWN}


def _next(
    now: Revision, said: dict[str, Any], signing: Ed25519PrivateKey | None, now_us: int
) -> SiteSettings:
    """Raises BadQuestion that names the place."""
    for name in OWN:
        if name in said:
            raise NoSettings(f"`{name}` is the centre's own and not written here", fault_of(said))
    first = [signing.public_key().public_bytes_raw().hex()] if signing and not now.number else []
    own = {"v": SETTINGS_VERSION, "revision": _above(now), "issued_us": now_us}
    try:
        made = decode_site_settings(msgspec.json.encode({**said, **own, "pass_keys": first}))
    except MessageError as error:
        raise NoSettings(str(error), fault_of(said)) from None
    except (UnicodeError, OverflowError, RecursionError):
        raise NoSettings("a number or a text that no settings hold", None) from None
    if not now.number:
        return made
    return structs.replace(made, pass_keys=now.settings.pass_keys, sealing_key=now.settings.sealing_key)


def _above(now: Revision) -> int:
    """Gateways never go back: above all that any of them has, also where this centre was restored."""
    return max([now.highest, *(each for each in now.has.values() if each is not None)]) + 1


def _in_force(db: Connection, who: Who, site: str) -> Revision:
    _see(db, who, site)
    columns = sent_settings.c
    newest = select(func.max(columns.id)).where(columns.site == site).group_by(columns.gateway)
    rows = {row.gateway: row for row in db.execute(select(sent_settings).where(columns.id.in_(newest)))}
    whole = rows.get(EVERY_GATEWAY)
    has = {
        row.name: row.settings_revision
        for row in db.execute(select(gateway).where(gateway.c.site == site).order_by(gateway.c.name))
    }
    alone = [name for name, row in rows.items() if whole is None or row.id > whole.id]
    return Revision(
        site=site,
        number=0 if whole is None else int(whole.revision),
        settings=_none() if whole is None else _decoded(whole.body),
        noted_us=None if whole is None else whole.noted_at,
        has=has,
        highest=max((int(row.revision) for row in rows.values()), default=0),
        alone=tuple(sorted(alone)),
    )


def _revisions(
    db: Connection, who: Who, site: str, before: int | None, limit: int
) -> tuple[list[Noted], int | None]:
    _see(db, who, site)
    here = [sent_settings.c.site == site]
    if before is not None:
        here.append(sent_settings.c.id < before)
    query = select(sent_settings).where(*here).order_by(sent_settings.c.id.desc()).limit(limit + 1)
    rows = db.execute(query).all()
    in_force = _ids_in_force(db, site)
    found = [_as_noted(row, in_force) for row in rows]
    last = {each.gateway: each.id for each in found}  # on this page
    older = [each for name, number in last.items() for each in _one_before(db, site, name, number, in_force)]
    shown = [
        replace(each, changed=_changed(each, [*found[at:], *older]))
        for at, each in enumerate(found[:limit], 1)
    ]
    return shown, shown[-1].id if len(rows) > limit else None


def _written_in(db: Connection, site: str, number: int) -> dict[str, Any] | None:
    columns = sent_settings.c
    here = (columns.site == site, columns.gateway == EVERY_GATEWAY, columns.revision == number)
    body = db.execute(select(columns.body).where(*here)).scalar()
    if body is None:
        return None if number else {}
    try:
        return written(decode_site_settings(body))
    except MessageError:
        return None


def _changes_since(db: Connection, site: str, number: int, before: dict[str, Any]) -> History:
    """What each newer revision of the whole site changed, beginning with what that one said (`before`). Of
    more than are looked at, the oldest of those stands for what all before it changed."""
    columns = sent_settings.c
    here = (columns.site == site, columns.gateway == EVERY_GATEWAY, columns.revision > number)
    newest = select(sent_settings).where(*here).order_by(columns.id.desc()).limit(_MOST_NEWER)
    noted = [_as_noted(row, frozenset()) for row in reversed(db.execute(newest).all())]
    changes = []
    for each in noted:
        if each.settings is None:
            continue
        said = written(each.settings)
        if found := differences(before, said):
            changes.append((each, found))
        before = said
    return changes


def _one_before(db: Connection, site: str, name: str, number: int, in_force: frozenset[int]) -> list[Noted]:
    """The revision of this gateway, or of all, before the one numbered so; none before the first."""
    columns = sent_settings.c
    here = (columns.site == site, columns.gateway == name, columns.id < number)
    query = select(sent_settings).where(*here).order_by(columns.id.desc()).limit(1)
    return [_as_noted(row, in_force) for row in db.execute(query)]


def _number_in_force(db: Connection, site: str) -> int:
    """Of the whole site; 0 before the first."""
    columns = sent_settings.c
    here = (columns.site == site, columns.gateway == EVERY_GATEWAY)
    query = select(columns.revision).where(*here).order_by(columns.id.desc()).limit(1)
    return int(db.execute(query).scalar() or 0)


def _changed(noted: Noted, older: Iterable[Noted]) -> int | None:
    before = next((each for each in older if each.gateway == noted.gateway), None)
    if before is None or before.settings is None or noted.settings is None:
        return None
    return len(differences(written(before.settings), written(noted.settings)))


def _noted(db: Connection, who: Who, site: str, number: int) -> Noted:
    _see(db, who, site)
    here = (sent_settings.c.site == site, sent_settings.c.id == number)
    row = db.execute(select(sent_settings).where(*here)).one_or_none()
    if row is None:
        raise NotThere("there is no such revision of these settings")
    return _as_noted(row, _ids_in_force(db, site))


def _ids_in_force(db: Connection, site: str) -> frozenset[int]:
    """The newest of the whole site, and those of single gateways that are newer."""
    columns = sent_settings.c
    newest = (
        select(columns.gateway, func.max(columns.id)).where(columns.site == site).group_by(columns.gateway)
    )
    found = {name: int(number) for name, number in db.execute(newest)}
    whole = found.get(EVERY_GATEWAY, 0)
    return frozenset(number for number in found.values() if number >= whole)


def _as_noted(row: Any, in_force: frozenset[int]) -> Noted:
    try:
        settings = decode_site_settings(row.body)
    except MessageError:
        settings = None
    return Noted(
        id=row.id,
        gateway=row.gateway,
        number=row.revision,
        noted_us=row.noted_at,
        by=row.written_by,
        puts_back=row.puts_back,
        settings=settings,
        in_force=row.id in in_force,
    )


def _see(db: Connection, who: Who, site: str) -> None:
    if site not in sites_of(db, who.communities):
        raise NotThere("there is no such site")


def _none() -> SiteSettings:
    return SiteSettings(v=SETTINGS_VERSION, revision=0, issued_us=0)


def _decoded(body: bytes) -> SiteSettings:
    try:
        return decode_site_settings(body)
    except MessageError:
        raise NotSent(
            Unsent.ANOTHER_PROGRAM_S, "a newer program wrote these settings: change them there"
        ) from None
