"""The closed words of the register. Values only."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Final


class PlaceKind(StrEnum):
    """From the widest to the narrowest; one may be left out, such as floors; none lies above a wider one."""

    COMMUNITY = "community"  # 社区: one, made with the community itself
    ESTATE = "estate"  # 小区
    BUILDING = "building"  # 楼栋
    UNIT = "unit"  # 单元
    FLOOR = "floor"  # 层
    ROOM = "room"  # 室: the only kind that people live in


RANK: Final = {kind: rank for rank, kind in enumerate(PlaceKind)}


class HomeUse(StrEnum):
    OWNER_OCCUPIED = "owner_occupied"  # 自住
    LET = "let"  # 出租
    EMPTY = "empty"  # 空置
    BUSINESS = "business"  # 经营


def lived_use(
    registered: str | None, relations: Collection[str], *, was_lived_in: bool
) -> HomeUse | str | None:
    """What a home is used for, by what is written down of it and by who lives there now (`relations`, of each
    of them): somebody moves in and it is not empty, the last one moves out and it is."""
    if relations:
        if registered not in {None, HomeUse.EMPTY}:
            return registered
        if any(Relation(each) in RENTERS for each in relations):
            return HomeUse.LET
        of_a_business = all(Relation(each) is Relation.STAFF for each in relations)
        return HomeUse.BUSINESS if of_a_business else HomeUse.OWNER_OCCUPIED
    if was_lived_in and registered != HomeUse.BUSINESS:
        return HomeUse.EMPTY
    return registered


class DocumentType(StrEnum):
    """What kind of document a number is of. Neutral: none of them says a nationality."""

    RESIDENT_ID = "resident_id"  # 居民身份证
    RESIDENCE_PERMIT = "residence_permit"  # 港澳台居民居住证
    TRAVEL_PERMIT = "travel_permit"  # 来往内地（大陆）通行证
    PERMANENT_RESIDENCE = "permanent_residence"  # 外国人永久居留身份证
    PASSPORT = "passport"  # 护照
    OTHER = "other"  # 其他
    NONE = "none"  # 未登记证件: nobody is kept out for want of one


class PersonState(StrEnum):
    REGISTERED = "registered"
    DEREGISTERED = "deregistered"  # 注销
    MERGED = "merged"  # registered twice: see the other row


class Relation(StrEnum):
    """Why somebody lives in a room."""

    OWNER = "owner"  # 业主
    FAMILY = "family"  # 业主家人
    TENANT = "tenant"  # 租客
    TENANT_FAMILY = "tenant_family"  # 租客家人
    LODGER = "lodger"  # 借住
    HOUSEHOLD_HELPER = "household_helper"  # 家政人员
    STAFF = "staff"  # 经营场所人员


class Category(StrEnum):
    """What the gateways call somebody: the site settings have rules for each."""

    RESIDENT = "resident"
    TENANT = "tenant"
    HELPER = "helper"
    WORKER = "worker"  # property staff, cleaners, guards: people with rights and no home here
    OTHER = "other"


CATEGORY_OF: Final = {
    Relation.OWNER: Category.RESIDENT,
    Relation.FAMILY: Category.RESIDENT,
    Relation.TENANT: Category.TENANT,
    Relation.TENANT_FAMILY: Category.TENANT,
    Relation.LODGER: Category.TENANT,
    Relation.HOUSEHOLD_HELPER: Category.HELPER,
    Relation.STAFF: Category.WORKER,
}

RENTERS: Final = frozenset({Relation.TENANT, Relation.TENANT_FAMILY})
"""Who lives somewhere by a lease."""

_STRONGEST: Final = {category: rank for rank, category in enumerate(Category)}


def category_of(relations: frozenset[str], otherwise: str) -> str:
    """Of somebody who lives in several rooms, the first one of `Category`; without any room, `otherwise`."""
    found = {CATEGORY_OF[Relation(relation)] for relation in relations}
    return str(min(found, key=_STRONGEST.__getitem__)) if found else otherwise


class RegisterAct(StrEnum):
    """What was done."""

    COMMUNITY_CREATED = "community_created"
    SITE_ADDED = "site_added"
    PLACE_CREATED = "place_created"
    PLACE_CHANGED = "place_changed"
    PLACE_ENDED = "place_ended"
    DOOR_PLACED = "door_placed"
    DOOR_TAKEN_AWAY = "door_taken_away"
    HOME_USE_SET = "home_use_set"
    PERSON_REGISTERED = "person_registered"
    PERSON_CORRECTED = "person_corrected"
    PERSON_MERGED = "person_merged"
    PERSON_DEREGISTERED = "person_deregistered"
    MOVED_IN = "moved_in"
    VISITOR_STAYED = "visitor_stayed"
    MOVED_OUT = "moved_out"
    RESIDENCY_CORRECTED = "residency_corrected"
    LEASE_MADE = "lease_made"
    LEASE_EXTENDED = "lease_extended"
    LEASE_ENDED = "lease_ended"
    LEASE_VOIDED = "lease_voided"
    CREDENTIAL_ISSUED = "credential_issued"
    CREDENTIAL_CHANGED = "credential_changed"
    CREDENTIAL_PIN_SET = "credential_pin_set"  # or taken away
    TOKENS_COMPLETED = "tokens_completed"
    GROUP_CREATED = "group_created"
    GROUP_DOORS_CHANGED = "group_doors_changed"
    GROUP_ENDED = "group_ended"
    RIGHT_GRANTED = "right_granted"
    RIGHT_ENDED = "right_ended"
    IMPORT_BEGUN = "import_begun"
    IMPORT_ENDED = "import_ended"
    IMPORT_UNDONE = "import_undone"
    WRONG_ROWS_TAKEN = "wrong_rows_taken"
    TOUR_POINT_MADE = "tour_point_made"
    TOUR_POINT_ENDED = "tour_point_ended"
    TOUR_ROUTE_MADE = "tour_route_made"
    TOUR_ROUTE_ENDED = "tour_route_ended"
    TOUR_PLAN_MADE = "tour_plan_made"
    TOUR_PLAN_ENDED = "tour_plan_ended"
    TOUR_GUARD_ADDED = "tour_guard_added"
    TOUR_GUARD_ENDED = "tour_guard_ended"
    TOUR_HOLIDAY_SET = "tour_holiday_set"
    REQUEST_RECEIVED = "request_received"
    REQUEST_ANSWERED = "request_answered"
    REQUEST_WITHDRAWN = "request_withdrawn"  # by whose it is, before it was answered
    ASSESSMENT_WRITTEN = "assessment_written"
    WENT_LIVE = "went_live"
    NOTICE_HUNG = "notice_hung"
    UNDONE = "undone"  # what one account did a moment ago, by the reverse acts that stand before it
