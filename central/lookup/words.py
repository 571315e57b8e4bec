"""The closed words of look-ups. Values only.

There is no word for marketing, arrears, attendance, credit or research on people: what has no word cannot be
asked for (trust.md R-87).
"""

from __future__ import annotations

from enum import StrEnum


class Purpose(StrEnum):
    """What a look-up is for."""

    CRIMINAL_CASE = "criminal_case"  # 刑事案件
    PUBLIC_ORDER_CASE = "public_order_case"  # 治安案件
    MISSING_PERSON = "missing_person"  # 走失、失踪人员
    RESCUE = "rescue"  # 救助、突发事件
    LOST_CARD = "lost_card"  # 挂失卡被使用
    DOOR_FAULT = "door_fault"  # 门禁运行异常


class Basis(StrEnum):
    """The law that allows it; the officer answers for the choice."""

    CRIMINAL_PROCEDURE = "criminal_procedure_law"  # 刑事诉讼法
    PUBLIC_SECURITY_PENALTIES = "public_security_penalties_law"  # 治安管理处罚法
    PEOPLES_POLICE = "peoples_police_law"  # 人民警察法
    COUNTER_TERRORISM = "counter_terrorism_law"  # 反恐怖主义法
    EMERGENCY_RESPONSE = "emergency_response_law"  # 突发事件应对法
    DATA_SECURITY = "data_security_law"  # 数据安全法


class Asked(StrEnum):
    """What is asked."""

    PERSON = "person"  # by full ID number
    CARD = "card"  # by the card's number, as its reader writes it
    ROOM = "room"  # of those who lived there then
    DOOR = "door"
    BUILDING = "building"  # all doors of one gateway
    SITE = "site"  # all doors of all gateways of a site
    UNREGISTERED = "unregistered"  # let in, and in no register
    DENIED = "denied"
    LOST_CARD = "lost_card"  # refused because the credential is reported lost or withdrawn
    REMOTE_RELEASE = "remote_release"
    OVERDUE = "overdue"  # visitors with a pass who came in, and whose time is over


class Act(StrEnum):
    """What only a second person allows (trust.md R-92)."""

    WHOLE = "whole"  # more than 25 records, several buildings, more than 7 days
    EXPORT = "export"
    HOLD = "hold"
    DELAY = "delay"  # whom it is about is told later


class Happened(StrEnum):
    """Kinds of rows in the register of look-ups."""

    ASKED = "asked"
    NOT_ASKED = "not_asked"  # refused before it became a look-up
    ANSWERED = "answered"  # one page: how many, up to which, and how complete
    APPROVAL_ASKED = "approval_asked"
    APPROVED = "approved"
    REFUSED = "refused"
    REVEALED = "revealed"
    EXPORTED = "exported"
    HELD = "held"
    HOLD_ENDED = "hold_ended"
    EXPLAINED = "explained"  # a review found it right
    UNEXPLAINED = "unexplained"  # it did not: goes to whoever investigates, and the account's look-ups rest
    LIMIT_RAISED = "limit_raised"
    OWN_READ = "own_read"  # a resident read their own entries, or who had looked
    # of honey records; only oversight is told of these
    HONEY_PLANTED = "honey_planted"
    HONEY_TOUCHED = "honey_touched"  # an alarm: somebody looked at whom nobody has a reason to look at
    HONEY_SEEN = "honey_seen"  # a supervisor has seen to that
    HONEY_REMOVED = "honey_removed"


class Shown(StrEnum):
    """What is masked until somebody reveals it."""

    NAME = "name"
    ID_NUMBER = "id_number"
    HOME = "home"
    VISITED = "visited"  # the home that a visitor's pass was given for
    CARD = "card"


class Through(StrEnum):
    """By what a honey record was touched."""

    LOOK_UP = "look_up"
    REVEAL = "reveal"
    EXPORT = "export"
    HOLD = "hold"
    FOUND = "found"  # in the register, by a number, a telephone number or a card
    OPENED = "opened"  # the person's page in the register
    CHANGED = "changed"  # an act at the register was done, or tried
    IMPORT = "import"  # a file names it
