"""One version of a community's impact assessment, and what is missing in it. Pure (trust.md R-80).

After PIPL 55-56 (what an assessment holds, kept for three years), 13 and 20-21 (bases and controllers), 17
and 30 (what people are told). It may be stored unfinished; nothing goes live by an unfinished one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Annotated, Final

from pydantic import ConfigDict, Field

from central.accounts.who import Role
from central.assessments.words import LEAST_DAYS, MOST_DAYS, OF_VISITORS, USUAL_DAYS, DataKind, NoticeLanguage
from central.given import In

_PLAIN: Final = r"^[^\x00-\x08\x0b-\x1f\x7f]*$"  # lines and tabs are welcome
MAX_TEXT: Final = 4_000
MAX_LINE: Final = 200
MAX_CONTROLLERS: Final = 8

Said = Annotated[str, Field(max_length=MAX_TEXT, pattern=_PLAIN, examples=["门禁与公共安全"])]
Line = Annotated[str, Field(max_length=MAX_LINE, pattern=_PLAIN)]


class _Part(In):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Controller(_Part):
    """Who decides why and how data are used, and what they have to do (PIPL 20, 21)."""

    name: Line = Field("", examples=["东湖社区居民委员会"])
    duties: Said = ""


class DataRule(_Part):
    """Of one kind of data: on which legal basis, how long, and the rule that says so.

    `days` None: not said. What has no end of its own, such as the register, says so in `rule` with 0 days.
    The program ends visitors' data alone: of all else `rule` says who ends it.
    """

    basis: Said = ""
    days: Annotated[int, Field(ge=0, le=MOST_DAYS, examples=[30])] | None = None
    rule: Said = ""


class Notice(_Part):
    """What people are told, in one language, beside controllers, times and contact (PIPL 17, 26, 30)."""

    who: Said = ""
    why: Said = ""
    what: Said = ""
    effect: Said = Field("", description="why sensitive data are needed, and what that means for people")
    receives: Said = ""
    rights: Said = ""


class Contact(_Part):
    """Whom people turn to with what concerns their data."""

    office: Line = Field("", examples=["东湖社区居民委员会"])
    phone: Line = Field("", examples=["000-0000-0000"])
    address: Line = Field("", examples=["东湖小区 1 号楼一层"])


class Assessment(_Part):
    """One version, whole. Names no resident, visitor or officer."""

    assessed_by: Line = Field("", examples=["东湖社区居民委员会、街道司法所"])
    necessity: Said = Field("", description="that purpose and means are lawful, legitimate and necessary")
    risks: Said = Field("", description="what it means for people, and what can go wrong")
    safeguards: Said = Field("", description="that protection is lawful, effective and fits the risk")
    controllers: Annotated[list[Controller], Field(max_length=MAX_CONTROLLERS)] = Field(default_factory=list)
    data: dict[DataKind, DataRule] = Field(default_factory=dict)
    roles: dict[Role, Said] = Field(default_factory=dict, description="legal basis of each role")
    notice: dict[NoticeLanguage, Notice] = Field(default_factory=dict)
    contact: Contact = Contact()


def encoded(assessment: Assessment) -> str:
    """As it is stored and hashed."""
    return assessment.model_dump_json()


def decoded(body: str) -> Assessment:
    return Assessment.model_validate_json(body)


def hash_of(body: str) -> bytes:
    return sha256(body.encode()).digest()


def missing(assessment: Assessment, kept_days: Mapping[DataKind, int]) -> list[str]:
    """Paths of what has to be said and is not, such as `data.register.basis`; none: it is whole.

    `kept_days`: what this centre's settings keep; the document must not promise less.
    """
    return [*_missing(assessment, kept_days)]


def _missing(assessment: Assessment, kept_days: Mapping[DataKind, int]) -> Iterator[str]:
    for name in ("assessed_by", "necessity", "risks", "safeguards"):
        if _blank(getattr(assessment, name)):
            yield name
    if not assessment.controllers:
        yield "controllers"
    for number, each in enumerate(assessment.controllers, 1):
        yield from (f"controllers.{number}.{name}" for name in _blanks_of(each))
    for kind in DataKind:
        rule = assessment.data.get(kind, DataRule())
        yield from (f"data.{kind}.{name}" for name in _wrong_in(kind, rule, kept_days.get(kind, 0)))
    yield from (f"roles.{role}" for role in Role if _blank(assessment.roles.get(role, "")))
    for language in NoticeLanguage:
        told = assessment.notice.get(language, Notice())
        yield from (f"notice.{language}.{name}" for name in _blanks_of(told))
    yield from (f"contact.{name}" for name in _blanks_of(assessment.contact))


def _wrong_in(kind: DataKind, rule: DataRule, kept_days: int) -> Iterator[str]:
    if _blank(rule.basis):
        yield "basis"
    endless = rule.days == 0 and kind not in USUAL_DAYS
    if rule.days is None or (not endless and rule.days < max(1, kept_days, LEAST_DAYS.get(kind, 1))):
        yield "days"
    longer = kind in USUAL_DAYS and rule.days is not None and rule.days > USUAL_DAYS[kind]
    if (kind not in OF_VISITORS or longer) and _blank(rule.rule):
        yield "rule"


def _blanks_of(part: _Part) -> Iterator[str]:
    return (name for name, said in part if _blank(said))


def _blank(said: object) -> bool:
    return not str(said).strip()
