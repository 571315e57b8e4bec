"""Moving in: a whole family on one page, in one act. What was typed stays there until it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from central.accounts.who import Who
from central.console.centre import Centre
from central.console.forms import RowId, day_of, led_to
from central.console.pages.homes.common import Worker, refuse_other_name, registered_as_whom, show
from central.console.pages.homes.sentences import WORDS
from central.console.views import Language
from central.errors import BadQuestion, CentralError, Clash, NotThere
from central.register.credentials import CredentialKind, issue
from central.register.desk import Desk
from central.register.leases import make_lease
from central.register.people import registered_or_new
from central.register.place_tree import get_place, paths
from central.register.residencies import Arrival, move_in
from central.register.words import CATEGORY_OF, RENTERS, Category, DocumentType, Relation

MOST: Final = 12
"""People on one page; a family that has more moves in twice."""

_BEGUN: Final = 2


@dataclass(frozen=True)
class Line:
    """One of those who move in, as it was typed. `registered`: whom somebody agreed to take as registered,
    though under another name."""

    name: str
    document: str
    number: str
    phone: str
    relation: str
    card: str
    registered: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.name.strip() or self.number.strip() or self.card.strip())


class AtLine(Exception):
    def __init__(self, line: int, error: CentralError) -> None:
        super().__init__(str(error))
        self.line = line
        self.error = error


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()
    address = "/homes/{community}/places/{place}"

    @pages.get(address + "/move-in", response_class=HTMLResponse, summary="A family moves in")
    async def move_in_page(
        who: Worker, community: RowId, place: RowId, lang: Language = None
    ) -> HTMLResponse:
        lines = [_blank(number) for number in range(_BEGUN)]
        return await shown(who, community, place, lang, lines=lines, said={})

    @pages.post(address + "/move-in", response_class=HTMLResponse, summary="A family moves in")
    async def moved_in(
        request: Request, who: Worker, community: RowId, place: RowId, lang: Language = None
    ) -> Response:
        form = await request.form(max_fields=16 * MOST)
        said = {name: str(value) for name, value in form.items() if isinstance(value, str)}
        lines = [_line(said, number) for number in range(MOST) if f"name-{number}" in said]
        if "add" in said:
            return await shown(
                who, community, place, lang, lines=[*lines, _blank(len(lines))][:MOST], said=said
            )
        try:
            since = centre.office.moment(day_of(said.get("since", ""), "since"))
            until = centre.office.end(day_of(said.get("until", ""), "until"))
            await centre.office.act(
                who, community, lambda desk: _all_move_in(desk, place, lines, since, until)
            )
        except AtLine as wrong:
            return await shown(
                who, community, place, lang, lines=lines, said=said, error=wrong.error, at=wrong.line
            )
        except (BadQuestion, Clash) as error:
            return await shown(who, community, place, lang, lines=lines, said=said, error=error)
        return led_to(f"/homes/{community}/places/{place}")

    async def shown(
        who: Who,
        community: int,
        place: int,
        lang: str | None,
        *,
        lines: Sequence[Line],
        said: Mapping[str, str],
        error: CentralError | None = None,
        at: int | None = None,
    ) -> HTMLResponse:
        def where(db: Any) -> tuple[Any, Any]:
            return get_place(db, community, place), paths(db, [place]).get(place, ())

        found, way = await centre.office.ask(who, community, where)
        other = await registered_as_whom(centre, who, community, error)
        values = {"community": community, "place": found, "way": way, "words": WORDS, "most": MOST}
        kept = {"since": said.get("since", ""), "until": said.get("until", "")}
        return show(
            centre,
            who,
            lang,
            "move_in.html",
            here="homes",
            error=error,
            lines=lines,
            at=at,
            other=other,
            kept=kept,
            **values,
        )

    return pages


def _all_move_in(desk: Desk, room: int, lines: Sequence[Line], since_us: int, until_us: int | None) -> None:
    """Registers whoever is new, begins their residencies, gives their cards. Raises AtLine, BadQuestion."""
    arriving = [(number, line) for number, line in enumerate(lines) if not line.is_empty]
    if not arriving:
        raise BadQuestion("name-0", "nobody is on this page")
    lease = None
    if any(line.relation in RENTERS for _, line in arriving):
        lease = make_lease(desk, room, from_us=since_us, until_us=until_us)
    for number, line in arriving:
        try:
            person = _known_or_new(desk, line)
            relation = Relation(line.relation)
            by = lease if relation in RENTERS else None
            arrival = Arrival(person, room, relation, by, None if by else until_us)
            move_in(desk, arrival, since_us=since_us)
            _give(desk, person, line.card.strip())
        except (BadQuestion, Clash, NotThere, ValueError) as error:
            raise AtLine(number, _as_ours(error)) from None


def _known_or_new(desk: Desk, line: Line) -> int:
    """Who is registered already moves in as who they are. Raises RegisteredOtherwise where that is another
    name and nobody has agreed to it."""
    document, number = DocumentType(line.document), line.number.strip() or None
    refuse_other_name(desk, document, number, line.name, line.registered)
    return registered_or_new(
        desk,
        name=line.name,
        document=document,
        number=number,
        phone=line.phone.strip() or None,
        category=CATEGORY_OF.get(Relation(line.relation), Category.RESIDENT),
    )


def _give(desk: Desk, person: int, card: str) -> None:
    """The field of the card, not of the document, is at fault where its number is. Raises BadQuestion."""
    if not card:
        return
    try:
        issue(desk, person, CredentialKind.CARD_UID, card)
    except BadQuestion as error:
        raise BadQuestion("card", str(error)) from None


def _as_ours(error: Exception) -> CentralError:
    return error if isinstance(error, CentralError) else BadQuestion("relation", "choose one of the list")


def _line(said: Mapping[str, str], number: int) -> Line:
    def of(field: str) -> str:
        return said.get(f"{field}-{number}", "")

    document = of("document") or DocumentType.RESIDENT_ID.value
    return Line(of("name"), document, of("number"), of("phone"), of("relation"), of("card"), of("registered"))


def _blank(number: int) -> Line:
    relation = Relation.OWNER if number == 0 else Relation.FAMILY
    return Line("", DocumentType.RESIDENT_ID.value, "", "", relation.value, "")
