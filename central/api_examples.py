"""An example of whatever the API takes and gives, put together from one value for each name.

What a field's own model says goes first; here stands what most of them share. Nobody in it exists: area code
000000 was never given to anybody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_AT: Final = "2026-11-23T06:03:05.120000Z"
_UNTIL: Final = "2026-12-23T06:03:05.120000Z"
_DAY: Final = "2026-11-23"
_LATER: Final = "2027-11-22"
_CURSOR: Final = "MTc5NTQxMzc4NTEyMDAwMC40Mg"
_NUMBER: Final = "000000199001010018"

_VALUES: Final[Mapping[str, tuple[Any, ...]]] = {
    "a_day": (90,),
    "account": (3,),
    "act": ("person_registered",),
    "acts": ({"revealed": 12},),
    "address": ("otpauth://totp/Liuhen:officer-1?secret=JBSWY3DPEHPK3PXP&issuer=Liuhen",),
    "after": (41, "true"),
    "alarm": (5,),
    "alarms": (2,),
    "alias": ("A",),
    "all": (120,),
    "alone": ([],),
    "an_hour": (40,),
    "answer": ("已更正",),
    "answered": (_AT, 12),
    "answered_at": (_AT,),
    "answered_by": (3,),
    "answered_late": (1,),
    "assurance": ("L3",),
    "at": (_AT,),
    "at_desk": (True,),
    "basis": ("peoples_police_law",),
    "before": (1042, "false"),
    "began_at": (_AT,),
    "behind": (0,),
    "brought": (9, _AT),
    "building": (12,),
    "by": (12, "account 12"),
    "by_basis": ({"peoples_police_law": 31},),
    "by_purpose": ({"missing_person": 31},),
    "by_question": ({"person": 31},),
    "by_role": ({"officer": 31},),
    "came": (14,),
    "card": ("04a1b2c3", 21),
    "card_kind": ("card_uid",),
    "case_number": ("A-2026-17",),
    "category": ("resident",),
    "cells": ({"room": "101"},),
    "changed": (7,),
    "clock": ("synced",),
    "code": ("000000001", "00000000100101"),
    "columns": ({"房间": "room"},),
    "communities": ([1],),
    "community": (1,),
    "complete_until": (_AT,),
    "ended_until": (_AT,),
    "in_force": (True, 41),
    "consented": (_AT,),
    "corrects": (16,),
    "count": (3,),
    "credential": (21, "card_uid"),
    "cursor": (_CURSOR,),
    "database": ("ok",),
    "day": (_DAY,),
    "deed": (51,),
    "days": (30, [1, 2, 3, 4, 5]),
    "deletions": (1,),
    "deregistered": (_UNTIL,),
    "device": ("reader-1",),
    "devices": ({"reader-1": "ok"},),
    "direction": ("in",),
    "done": (60, "已更换磁盘，现场核对"),
    "door": ("east-unit-1", 4),
    "doors": (["east-unit-1"],),
    "doors_until": (_UNTIL,),
    "duress_pin": ("4798",),
    "due": (_AT,),
    "due_s": (300,),
    "emergencies": (0,),
    "emergency": ("走失老人，夜间气温低于零度",),
    "en": ("room: there is no such room",),
    "ended": (_UNTIL,),
    "ended_early": (_UNTIL,),
    "ends_at": (_UNTIL,),
    "epoch": (1,),
    "facts": ({"purpose": "missing_person"},),
    "findings": ({"lost": 0},),
    "first": (_DAY, 101),
    "found": ("换盘时一段日志损坏",),
    "from": (_AT, _DAY),
    "gateway": ("east",),
    "gateways": ({"east": 4},),
    "given": (8,),
    "gone": (44,),
    "grace_days": (7,),
    "grace_s": (60,),
    "group": (6,),
    "guard": (2,),
    "hash": ("00" * 32,),
    "head": (1042,),
    "heard_at": (_AT,),
    "hint": ("b2c3",),
    "hold": (1,),
    "home": (6,),
    "honey": (2,),
    "hours": (8,),
    "id": (17, "6f1d3c5e7a9b0c2d4e6f8a1b3c5d7e9f"),
    "issued_at": (_AT,),
    "journal": ("well",),
    "kind": ("access_granted",),
    "label": ("东楼 1 单元门",),
    "landlord": (43,),
    "last": (_LATER, 105),
    "last-event-id": ("1042",),
    "last_at": (_AT,),
    "late": (0,),
    "latest": (_UNTIL,),
    "lease": (8,),
    "least_s": (30,),
    "led_to": ("door_locked_down",),
    "left": (11,),
    "limit": (25,),
    "limits": ({"seconds": 60},),
    "linked": (False,),
    "list_version": (7,),
    "login": ("officer-1",),
    "look_up": (31,),
    "look_ups": (31,),
    "merged_into": (42,),
    "minutes": (30,),
    "missing_ranges": (0,),
    "month": ("2026-11-01", "2026-11"),
    "name": ("王小明", "wall-display"),
    "new": (14, "2 号楼", "swallows come back in spring"),
    "next_after": (200,),
    "next_before": (942,),
    "next_cursor": (_CURSOR,),
    "note": ("已到现场，门已关好",),
    "noted_at": (_AT,),
    "notes": (["a visitor's card is not searched before 2026-11-01"],),
    "notice_days": (30,),
    "noticed_at": (_AT,),
    "number": (31, _NUMBER),
    "of": (120,),
    "old": ("1 号楼", "the former pass phrase of mine"),
    "on": (_DAY,),
    "opens_at": (_AT,),
    "operator": ("account-3",),
    "options": ({"challenge": "c3dhbGxvd3M", "rpId": "liuhen.example"},),
    "out": ([23],),
    "over_at": (_UNTIL,),
    "overdue": (1, False),
    "parameters": ('{"site": "riverside"}',),
    "parent": (2,),
    "pass": (8,),
    "passkey": (1,),
    "password": ("swallows come back in spring",),
    "path": ("东湖小区 1 号楼 1 单元 101",),
    "person": (42,),
    "phone": ("000-0000-0000",),
    "picture": ("<svg/>",),
    "pin": ("4711",),
    "place": (5,),
    "planted_at": (_AT,),
    "planted_by": (3,),
    "plan": (3,),
    "point": (4,),
    "position": (1,),
    "purpose": ("missing_person",),
    "quarter": (3,),
    "question": ("person",),
    "reader": ("reader-1",),
    "reason": ("登记有误",),
    "receipt": ("7K3M-Q9TX-2BHD",),
    "received": (_AT,),
    "record": (1042,),
    "records": (18,),
    "records_stored": (120_000,),
    "registered": (_AT,),
    "removed_at": (_UNTIL,),
    "removed_by": (3,),
    "replaces": (20,),
    "replayed_at": (_AT,),
    "request": (14,),
    "known": (False,),
    "residency": (16,),
    "review_by": (_UNTIL,),
    "reviewed": ("explained",),
    "revision": (4,),
    "right": (13,),
    "role": ("officer",),
    "room": (6,),
    "route": (3,),
    "row": (7,),
    "rule": (2,),
    "same": (99,),
    "schedule": ("daytime",),
    "secret": ("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",),
    "seen_at": (_AT,),
    "seen_by": ("account 3", 3),
    "seq": (1042,),
    "shown": ("LIUHEN-PASS",),
    "signs_as": ("00" * 8,),
    "since": (_AT, _DAY),
    "site": ("riverside",),
    "sites": (["riverside"],),
    "smallest": (5,),
    "software": ("0.1.0",),
    "standing": ("done",),
    "start": ("22:00",),
    "starts": (["22:00"],),
    "stock": (310,),
    "subject": ("person",),
    "subject_id": (42,),
    "text": ("姓名写错了一个字",),
    "through": (1042,),
    "token": ("c3dhbGxvd3MgY29tZSBiYWNrIGluIHNwcmluZw",),
    "too_late": (0,),
    "trouble": ("the key ring is not there",),
    "unbelieved_since": (_AT,),
    "unexplained": (0,),
    "unit": ("一号警务室",),
    "unknown_columns": (["备注"],),
    "until": (_UNTIL, _LATER),
    "until_at": (_AT, None),
    "url": ("https://alarms.example/liuhen",),
    "used_at": (_AT,),
    "uses": (2,),
    "valid_from": (_AT, _DAY),
    "valid_until": (_UNTIL, _LATER),
    "value": ("王小明",),
    "version": (2,),
    "visitor_name": ("李访客",),
    "visitor_phone": ("000-0000-0000",),
    "visitors": (2,),
    "waiting": (4,),
    "waiting_messages": (0,),
    "waits_for_approval": (["more than 24 hours of a whole site"],),
    "webhook": (1,),
    "why": ("家属报案，最后一次见到是今天早上", ["wide"]),
    "window_s": (900,),
    "withdrawn": (2,),
    "withdrawn_late": (1,),
    "within_s": (3_600,),
    "wrong": (0,),
    "year": (2026,),
    "zh": ("房间：没有这个房间",),
}
_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}


class NoExample(Exception):
    """A field is called as none is yet; the text names it."""


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str = "") -> Any:
    """Of a field of that name. `schemas`: those that others refer to. Raises NoExample."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas, name)
    if (said := schema.get("examples")) and isinstance(said, list):
        return said[0]
    for fixed in ("const", "default"):
        if schema.get(fixed) is not None:
            return schema[fixed]
    if "enum" in schema:
        return schema["enum"][0]
    for kinds in (schema.get("anyOf"), schema.get("oneOf")):
        if kinds:
            return _of_one(kinds, schemas, name)
    if "properties" in schema:
        return {field: example_of(inner, schemas, field) for field, inner in schema["properties"].items()}
    for value in _VALUES.get(name, ()):
        if _suits(value, schema):
            return value
    return _made(schema, schemas, name)


def _of_one(kinds: list[Mapping[str, Any]], schemas: Mapping[str, Any], name: str) -> Any:
    """Of the first kind that there is an example of; nothing only where nothing else is allowed."""
    for kind in kinds:
        if kind.get("type") != "null":
            try:
                return example_of(kind, schemas, name)
            except NoExample:
                continue
    if any(kind.get("type") == "null" for kind in kinds) and len(kinds) == 1:
        return None
    raise NoExample(f"{name}: no value of this name fits {kinds}; give one in central/api_examples.py")


def _made(schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str) -> Any:
    kind = schema.get("type")
    if kind == "boolean":
        return True
    if kind == "array":
        return [example_of(schema["items"], schemas, name)]
    if kind == "object" and "propertyNames" in schema:
        inner = schema["additionalProperties"]
        key = example_of(schema["propertyNames"], schemas, name)
        return {key: example_of(inner, schemas, "count")}
    raise NoExample(f"{name}: no value of this name fits {schema}; give one in central/api_examples.py")


def _suits(value: Any, schema: Mapping[str, Any]) -> bool:
    kind = _TYPES.get(schema.get("type", ""))
    if kind is None or not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        return False
    if isinstance(value, str):
        return _suits_as_text(value, schema)
    if isinstance(value, int):
        return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    if isinstance(value, list):
        return all(_suits(each, schema["items"]) for each in value) if "type" in schema["items"] else False
    return True


def _suits_as_text(value: str, schema: Mapping[str, Any]) -> bool:
    shapes = {"date": r"\d{4}-\d\d-\d\d", "date-time": r"\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)"}
    shape = shapes.get(schema.get("format", ""))
    if shape is not None and not re.fullmatch(shape, value):
        return False
    fits = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
    return bool(fits and re.search(schema.get("pattern", ""), value))
