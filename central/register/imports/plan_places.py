"""The home that a row names: found, made, given its code and its use. Pure."""

from __future__ import annotations

from typing import Final

from central.register.imports import changes as do
from central.register.imports.columns import LEVELS, Field
from central.register.imports.known import KnownPlace, KnownUse, squeezed
from central.register.imports.plan_row import OneRow
from central.register.words import PlaceKind

_FIELD_OF: Final = {kind: of for of, kind in LEVELS.items()}


def room(one: OneRow) -> int | None:
    wanted, known = one.wanted, one.known
    if not wanted.has_home:
        return None
    if not wanted.path:
        return _room_of_code(one, wanted.code or "")
    parent, found = known.root, None
    for kind, name in wanted.path:
        found = known.places.get((parent, squeezed(name)))
        if found is None:
            found = _new_place(one, parent, kind, name)
        elif found.kind != kind:
            one.fail(_FIELD_OF[kind], "other_kind")
            return None
        parent = found.id
    assert found is not None
    if wanted.code is not None and found.code != wanted.code:
        _code(one, found, wanted.code)
    return found.id


def _new_place(one: OneRow, parent: int, kind: PlaceKind, name: str) -> KnownPlace:
    code = one.wanted.code if kind is PlaceKind.ROOM else None
    if code is not None and code in one.known.by_code:
        one.fail(Field.CODE, "code_taken")
    made = KnownPlace(one.new_id("place"), parent, kind.value, name, code)
    one.do(do.NewPlace(made.id, parent, kind, name, code))
    one.differs(_FIELD_OF[kind], None, name)
    if code is not None:
        one.differs(Field.CODE, None, code)
    one.planned.is_new |= one.wanted.name is None
    one.takes.append(lambda: one.known.take_place(made))
    return made


def _room_of_code(one: OneRow, code: str) -> int | None:
    found = one.known.by_code.get(code)
    if found is None or found.kind != PlaceKind.ROOM:
        one.fail(Field.CODE, "code_unknown")
        return None
    return found.id


def _code(one: OneRow, found: KnownPlace, code: str) -> None:
    if code in one.known.by_code:
        one.fail(Field.CODE, "code_taken")
    elif found.code is not None:
        one.fail(Field.CODE, "other_code")
    else:
        one.do(do.SetCode(found.id, code))
        one.differs(Field.CODE, None, code)
        one.takes.append(lambda: one.known.take_place(_coded(found, code)))


def use(one: OneRow, room: int) -> None:
    use, now = one.wanted.use, one.known.uses.get(room)
    if use is None or (now is not None and now.use == use):
        return
    if now is not None and now.row is not None:
        one.fail(Field.USE, "contradicts")
        return
    made = one.new_id("home_use")
    one.do(do.SetUse(made, room, use, None if now is None else now.id))
    one.differs(Field.USE, None if now is None else now.use, use.value)
    one.takes.append(lambda: one.known.uses.update({room: KnownUse(made, use.value, one.wanted.row)}))


def _coded(found: KnownPlace, code: str) -> KnownPlace:
    found.code = code
    return found
