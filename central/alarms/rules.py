"""From records to alarms, in the order of their arrival. Pure: the same for today and for a back-test."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from central.alarms.kinds import DEFAULT_LIMITS, SIGNS, About, AlarmKind, Sign, Urgency
from messages.model import Kind

EVERYWHERE: Final = "*"
MOST_RECORDS: Final = 20
"""Named of one alarm; how many there were says its count."""

_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Rule:
    """One that is in force, at `site` or everywhere."""

    id: int
    kind: AlarmKind
    site: str
    urgency: Urgency
    limits: Mapping[str, int]

    def limit(self, name: str) -> int:
        return self.limits.get(name, DEFAULT_LIMITS.get(self.kind, {}).get(name, 0))

    @property
    def after_us(self) -> int:
        """What lasts shorter than this is no alarm."""
        return self.limit("after_s") * _US


@dataclass(frozen=True, slots=True)
class Noticed:
    """What an alarm may need of a record."""

    gateway_id: int
    site: str
    epoch: int
    seq: int
    kind: str
    at_us: int
    door: str | None
    reader: str | None
    reason: str | None


Subject = tuple[int, AlarmKind, str | None, str | None]
"""Gateway, kind, door, device: of each at most one alarm lasts."""


@dataclass(slots=True)
class Lasting:
    """An alarm while it is looked at. `id` None: not noted yet. `records`: those not noted yet."""

    rule: Rule
    gateway_id: int
    door: str | None
    device: str | None
    began_us: int
    last_us: int
    count: int = 1
    over_us: int | None = None
    id: int | None = None
    records: list[tuple[int, int]] = field(default_factory=list)
    changed: bool = True

    @property
    def subject(self) -> Subject:
        return self.gateway_id, self.rule.kind, self.door, self.device

    @property
    def counts_from_us(self) -> int:
        return self.began_us + self.rule.after_us

    @property
    def counts(self) -> bool:
        """False for what was over too soon to be one."""
        return self.over_us is None or self.over_us >= self.counts_from_us

    def again(self, at_us: int, place: tuple[int, int] | None = None) -> None:
        self.last_us = max(self.last_us, at_us)
        self.count += 1
        if place is not None and self.count <= MOST_RECORDS:
            self.records.append(place)
        self.changed = True

    def ends(self, at_us: int) -> None:
        """Clocks may have been set back meanwhile: nothing ends before it began."""
        self.over_us = max(at_us, self.began_us)
        self.changed = True


class Rules:
    """Those in force: a site's own goes before one for all."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = {(rule.kind, rule.site): rule for rule in rules}
        self._begins: dict[str, list[tuple[AlarmKind, Sign]]] = defaultdict(list)
        self._over: dict[str, list[tuple[AlarmKind, Sign]]] = defaultdict(list)
        for kind in {rule.kind for rule in self._rules.values()} & set(SIGNS):
            for begins in SIGNS[kind].begins:
                self._begins[begins].append((kind, SIGNS[kind]))
            for over in SIGNS[kind].over:
                self._over[over].append((kind, SIGNS[kind]))

    def of(self, kind: AlarmKind, site: str) -> Rule | None:
        return self._rules.get((kind, site)) or self._rules.get((kind, EVERYWHERE))

    def begun_by(self, record: Noticed) -> list[tuple[Rule, Sign]]:
        found = []
        for kind, sign in self._begins.get(record.kind, ()):
            rule = self.of(kind, record.site)
            if rule is not None and (not sign.reasons or record.reason in sign.reasons):
                found.append((rule, sign))
        return found

    def ended_by(self, record: Noticed) -> Sequence[tuple[AlarmKind, Sign]]:
        return self._over.get(record.kind, ())


class Walk:
    """Takes records in the order of their arrival, and keeps what lasts."""

    def __init__(self, rules: Rules, lasting: Iterable[Lasting] = ()) -> None:
        self._rules = rules
        self._lasting = {each.subject: each for each in lasting}
        self._done: list[Lasting] = []

    def take(self, record: Noticed) -> None:
        for kind, sign in self._rules.ended_by(record):
            self._end(_subject(record, kind, sign), record.at_us)
        for rule, sign in self._rules.begun_by(record):
            self._begin(record, rule, sign)

    def changed(self) -> list[Lasting]:
        """What was begun, went on or ended since the walk began, in the order of their beginning."""
        found = [*self._done, *(each for each in self._lasting.values() if each.changed)]
        return sorted(found, key=lambda each: each.began_us)

    def _begin(self, record: Noticed, rule: Rule, sign: Sign) -> None:
        place = record.epoch, record.seq
        subject = _subject(record, rule.kind, sign)
        if (known := self._lasting.get(subject)) is not None:
            known.again(record.at_us, place)
            return
        begun = Lasting(
            rule=rule,
            gateway_id=record.gateway_id,
            door=subject[2],
            device=subject[3],
            began_us=record.at_us,
            last_us=record.at_us,
            records=[place],
        )
        if sign.over:
            self._lasting[subject] = begun
        else:
            begun.ends(record.at_us)
            self._done.append(begun)

    def _end(self, subject: Subject, at_us: int) -> None:
        if (known := self._lasting.pop(subject, None)) is not None:
            known.ends(at_us)
            self._done.append(known)


def _subject(record: Noticed, kind: AlarmKind, sign: Sign) -> Subject:
    match sign.about:
        case About.DOOR:
            return record.gateway_id, kind, record.door, None
        case About.DEVICE:
            return record.gateway_id, kind, record.door, record.reader
        case About.GATEWAY:
            return record.gateway_id, kind, None, None


def kinds_of_records(kinds: Iterable[AlarmKind]) -> frozenset[Kind]:
    """What has to be read to try these rules on the past."""
    return frozenset(
        kind for each in kinds if each in SIGNS for kind in (*SIGNS[each].begins, *SIGNS[each].over)
    )
