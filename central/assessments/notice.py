"""The notice that people get before anything is recorded: made of the assessment in force, in each language.

Who, why, what, what it means, how long, who receives, rights, contact (trust.md R-84; PIPL 7, 17, 26, 30).
Both languages stand on one sheet, whichever the page's own is; so their headings stand here. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from central.assessments.document import Assessment, DataRule, Notice
from central.assessments.words import ENDED_BY_THE_PROGRAM, DataKind, NoticeLanguage


@dataclass(frozen=True, slots=True)
class Told:
    """The notice in one language: a title, and paragraphs under their headings."""

    language: NoticeLanguage
    title: str
    paragraphs: tuple[tuple[str, str], ...]


_TITLE: Final = {NoticeLanguage.ZH: "个人信息处理告知书", NoticeLanguage.EN: "What is recorded here"}
_HEADINGS: Final = {
    NoticeLanguage.ZH: {
        "who": "谁在处理",
        "why": "为什么",
        "what": "记录什么",
        "effect": "必要性与对您的影响",
        "kept": "保存多久",
        "receives": "提供给谁",
        "rights": "您的权利",
        "contact": "联系方式",
    },
    NoticeLanguage.EN: {
        "who": "Who",
        "why": "Why",
        "what": "What",
        "effect": "Why it is needed, and what it means for you",
        "kept": "How long",
        "receives": "Who receives it",
        "rights": "Your rights",
        "contact": "Contact",
    },
}
_KINDS: Final = {
    NoticeLanguage.ZH: {
        DataKind.ENTRY_RECORDS: "通行记录",
        DataKind.VISITOR_IDENTITY: "出示身份证的访客身份",
        DataKind.VISITOR_PASSES: "访客姓名",
        DataKind.REGISTER: "居民登记",
        DataKind.LOOK_UPS: "查询登记",
    },
    NoticeLanguage.EN: {
        DataKind.ENTRY_RECORDS: "entries",
        DataKind.VISITOR_IDENTITY: "identity of a visitor who shows an ID card",
        DataKind.VISITOR_PASSES: "a visitor's name",
        DataKind.REGISTER: "residents' register",
        DataKind.LOOK_UPS: "register of look-ups",
    },
}
_DAYS: Final = {NoticeLanguage.ZH: "{kind} {days} 天", NoticeLanguage.EN: "{kind} {days} days"}
_SET_DAYS: Final = {
    NoticeLanguage.ZH: "{kind} {days} 天（社区设定；系统不自动删除，由影响评估载明的责任方删除）",
    NoticeLanguage.EN: (
        "{kind} {days} days, as the community has set; whoever the impact assessment names ends them,"
        " not the program by itself"
    ),
}
"""Of what the program does not end."""
_ENDLESS: Final = {
    NoticeLanguage.ZH: "{kind}：{rule}",
    NoticeLanguage.EN: "{kind}: without a fixed end, by the rule named in the impact assessment",
}
_JOIN: Final = {NoticeLanguage.ZH: "；", NoticeLanguage.EN: "; "}


def notice_of(assessment: Assessment) -> tuple[Told, ...]:
    """In each language, Chinese first."""
    return tuple(_told(assessment, language) for language in NoticeLanguage)


def _told(assessment: Assessment, language: NoticeLanguage) -> Told:
    said, headings = assessment.notice.get(language, Notice()), _HEADINGS[language]
    texts = {
        "who": said.who,
        "why": said.why,
        "what": said.what,
        "effect": said.effect,
        "kept": _JOIN[language].join(_kept(assessment, language)),
        "receives": said.receives,
        "rights": said.rights,
        "contact": _JOIN[language].join(filter(None, (text for _, text in assessment.contact))),
    }
    return Told(language, _TITLE[language], tuple((headings[name], text) for name, text in texts.items()))


def _kept(assessment: Assessment, language: NoticeLanguage) -> Iterator[str]:
    for kind, called in _KINDS[language].items():
        rule = assessment.data.get(kind, DataRule())
        said = _ENDLESS if not rule.days else _DAYS if kind in ENDED_BY_THE_PROGRAM else _SET_DAYS
        yield said[language].format(kind=called, days=rule.days, rule=rule.rule.rstrip("。"))
