"""Access: all that decides at the doors of one building, put together for the thread that decides.

No I/O and no clock. What it remembers, within bounds, it finds again in the journal after a start (`replay`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from drivers.base import CardRead, CredentialKind
from gateway.access_list import AccessList
from gateway.clock import Moment
from gateway.commanded import CommandedModes, Turn, Until
from gateway.decision import Circumstances, Decision, DoorPolicy, Presented, decide
from gateway.passes import PassBook
from gateway.rulebook import CLOCK_TOLERANCE_US, NO_SETTINGS, NOTHING_SPECIAL, Rulebook, RuleNow
from gateway.sealing import Sealer
from gateway.whereabouts import BY_LIST, Memory, Right
from messages.access_list import Entry
from messages.model import ClockQuality, Direction, Reason, Record
from messages.site_settings import VISITOR, DoorMode, Passback, SiteSettings
from messages.visitor_pass import VisitorPass

_HOUR_S = 3_600
_MINUTE_US = 60_000_000

WRONG = frozenset(
    {
        Reason.UNKNOWN_CREDENTIAL,
        Reason.NO_RIGHT,
        Reason.EXPIRED,
        Reason.LOST,
        Reason.BLOCKED,
        Reason.ASSURANCE_TOO_LOW,
        Reason.DOCUMENT_EXPIRED,
        Reason.PIN_WRONG,
        Reason.TOO_MANY_TRIES,
        Reason.PASS_FORGED,
        Reason.PASS_USED_UP,
    }
)
"""Refusals of a wrong credential (trust.md R-35), not of a wrong moment."""


def presented(read: CardRead) -> Presented:
    return Presented(read.assurance, read.valid_from, read.valid_until, read.pin, read.token, read.kind)


class _Asked(Struct, frozen=True, gc=False):
    """One presentation, and what is found about it without further thought."""

    shown: Presented
    entry: Entry | None
    visitor: VisitorPass | Reason | None
    rule: RuleNow
    door: str
    direction: Direction
    now_us: int

    @property
    def point(self) -> tuple[str, Direction]:
        return self.door, self.direction

    @property
    def inwards(self) -> bool:
        return self.direction is Direction.IN

    @property
    def holder(self) -> str | None:
        if self.entry is not None:
            return self.entry.holder
        return self.visitor.holder if isinstance(self.visitor, VisitorPass) else None

    @property
    def category(self) -> str:
        """That of nobody in particular is empty."""
        if self.entry is not None:
            return self.entry.category
        return VISITOR if isinstance(self.visitor, VisitorPass) else ""


class _Point(Struct, frozen=True, gc=False):
    """What holds at a door in one direction, whoever comes: found once for as long as `rule` holds."""

    rule: RuleNow
    key: tuple[str, Direction]
    is_plain: bool  # no area is counted there, nobody has to come first, no other door is locked with it
    around: Circumstances  # what a decision there depends on if it is plain, and so is the credential


class Access:
    """Belongs to whoever has the turn. At a start: settings and list in either order, then `replay`."""

    def __init__(
        self,
        doors: Mapping[str, DoorPolicy],
        zone: ZoneInfo,
        passes: PassBook,
        *,
        contacts: Collection[str] = (),
        sealer: Sealer | None = None,
    ) -> None:
        """`doors`: what the gateway's own settings say; `contacts`: the doors that tell who went in;
        `sealer`: what readers seal visitors' identity with, by the key in the site settings."""
        self._doors = dict(doors)
        self._zone = zone
        self._passes = passes
        self._sealer = sealer
        self._contacts = frozenset(contacts)
        self._list = AccessList()
        self._rulebook = Rulebook(NO_SETTINGS, self._doors, zone)
        self._commanded = CommandedModes()
        self._memory = Memory()
        self._open: set[str] = set()
        self._released: dict[str, int] = {}
        self._points: dict[tuple[str, Direction], _Point] = {}
        self._set_from_us = self._past_us() - CLOCK_TOLERANCE_US  # no clock that is right stands before

    @property
    def access_list(self) -> AccessList:
        return self._list

    @property
    def settings(self) -> SiteSettings:
        return self._rulebook.settings

    def take_list(self, access_list: AccessList) -> None:
        self._list = access_list
        self._set_from_us = self._past_us() - CLOCK_TOLERANCE_US

    def take_settings(self, settings: SiteSettings) -> None:
        self._rulebook = Rulebook(settings, self._doors, self._zone)
        self._points.clear()
        self._set_from_us = self._past_us() - CLOCK_TOLERANCE_US
        self._passes.trust(settings.pass_signers())
        if self._sealer is not None:
            self._sealer.use(settings.sealing_key)

    def decide(self, shown: Presented, door: str, direction: Direction, now: Moment) -> Decision:
        """Records nothing and never raises.

        A use is taken here already: of two decisions in one breath, only one may have the last of them. Who
        does not carry a grant out calls `withdrawn`. Wrong tries are counted here, too.
        """
        decision, asked = self._judged(shown, door, direction, now)
        if decision.granted:
            self._note_grant(decision, (door, direction), now.now_us)
            return decision
        return replace(decision, repeated=True) if self._note_refusal(decision, asked) else decision

    def rehearse(self, shown: Presented, door: str, direction: Direction, now: Moment) -> Decision:
        """As `decide`, and nothing is counted or remembered of it."""
        return self._judged(shown, door, direction, now)[0]

    def _judged(
        self, shown: Presented, door: str, direction: Direction, now: Moment
    ) -> tuple[Decision, _Asked]:
        now_us = now.now_us
        point = self._point(door, direction, now_us)
        rule, entry, kind = point.rule, self._list.find(shown.token), shown.kind
        if (
            point.is_plain
            and _is_plain(entry, kind)
            and (now.clock is not ClockQuality.UNKNOWN or now_us >= self._set_from_us)
            and self._rulebook.category(entry.category if entry is not None else "") is NOTHING_SPECIAL
            and self._commanded.mode(door, now) is None
        ):
            asked = _Asked(shown, entry, None, rule, door, direction, now_us)
            around = point.around
        else:
            visitor = self._passes.find(shown.token) if kind is CredentialKind.QR_CODE else None
            asked = _Asked(shown, entry, visitor, rule, door, direction, now_us)
            around = self._circumstances(asked, now)
        return decide(shown, entry, door, rule.policy, now_us=now_us, today=rule.today, around=around), asked

    def granted(self, decision: Decision, door: str, direction: Direction, now: Moment) -> None:
        """The record of a grant is durable. Where no contact tells, the holder counts as gone through."""
        if direction is Direction.IN and decision.category is not None:
            self._memory.firsts.came(door, decision.category, now.now_us)
        if door not in self._contacts:
            self.passed(decision, door, direction, now)

    def withdrawn(self, decision: Decision, door: str, direction: Direction) -> None:
        """A grant was not carried out, and no record says that it was: its use is given back."""
        right = _limited(decision, direction)
        if right is not None:
            self._memory.uses.give_back(right)
        self._released.pop(door, None)

    def passed(self, decision: Decision, door: str, direction: Direction, now: Moment) -> None:
        """The door was opened after this grant."""
        area = self._rulebook.area_behind(door, direction)
        if decision.holder is not None and area is not None:
            self._memory.areas.entered(decision.holder, area, now.now_us)

    def door_is(self, door: str, *, open: bool) -> None:  # noqa: A002  what a door is
        if open:
            self._open.add(door)
        elif door in self._open:
            self._open.discard(door)
            self._released.pop(door, None)

    def mode(self, door: str, now: Moment) -> DoorMode:
        """By command, else by schedule; free hours with a first person begin when that one has come."""
        return self._mode(door, self._rulebook.at(door, now.now_us), now)

    def command_mode(self, door: str, mode: DoorMode | None, until: Until | None) -> None:
        """None: back to the schedule; without `until` it holds until the next command."""
        self._commanded.turn(door, mode, until)

    def take_up(self, turn: Turn, boot: str) -> None:
        """What a command made of a door before this start; `boot`: the machine's of now."""
        self._commanded.take_up(turn, boot)

    def reset_passback(self) -> None:
        self._memory.areas.reset()

    def looks_back(self) -> bool:
        """Whether what is in force asks for more than the last minutes: areas, uses, who came first."""
        rules = self.settings.doors.values()
        firsts = (each.first_person for door in rules for each in (door, *door.windows))
        return bool(self.settings.areas or self.settings.pass_keys or any(firsts) or self._list.any_limited())

    def replay(self, records: Iterable[Record]) -> None:
        """Finds anew what is to be remembered. Records oldest first, as far back as the journal goes: what
        was used before that is not known."""
        in_a_row = self._memory.in_a_row  # alone is not found in the journal
        self._memory = Memory(in_a_row)
        self._memory.replay(records, self._list, self._rulebook, self._contacts)

    def _point(self, door: str, direction: Direction, now_us: int) -> _Point:
        rule = self._rulebook.at(door, now_us)
        key = door, direction
        point = self._points.get(key)
        if point is None or point.rule is not rule:
            point = self._points[key] = self._looked_at(rule, key)
        return point

    def _looked_at(self, rule: RuleNow, key: tuple[str, Direction]) -> _Point:
        door, direction = key
        book = self._rulebook
        area = book.area_behind(door, direction)
        counted = area is not None and book.area(area) is not None
        is_plain = not (counted or rule.first_person or rule.policy.asks_pin or book.paired_with(door))
        mode = _mode_for(direction, rule.mode)
        return _Point(rule, key, is_plain, Circumstances(mode=mode, names=book.names(door)))

    def _circumstances(self, asked: _Asked, now: Moment) -> Circumstances:
        rules = self._rulebook.category(asked.category)
        entry, now_us = asked.entry, asked.now_us
        mode = _mode_for(asked.direction, self._mode(asked.door, asked.rule, now))
        schedule = None if entry is None else entry.schedule
        oldest_h = rules.max_list_age_h
        return Circumstances(
            mode=mode,
            passes_locked_down=rules.passes_locked_down,
            names=self._rulebook.names(asked.door),
            unset_us=self._unset_us(now_us, now.clock),
            schedule_holds=schedule is None or self._rulebook.schedule_holds(schedule, now_us),
            list_too_old=oldest_h is not None and self._list.age_s(now_us) >= oldest_h * _HOUR_S,
            used=self._used(asked) if asked.inwards else 0,
            tries_over=self._tries_over(asked),
            visitor=asked.visitor,
            passed_back=None if rules.passback_exempt else self._passed_back(asked),
            waits_for_first=asked.inwards and self._waits_for_first(asked),
            interlocked=self._is_interlocked(asked),
        )

    def _unset_us(self, now_us: int, clock: ClockQuality) -> int | None:
        """How late it is at the least, where the clock cannot be right: list and settings are of the past."""
        unset = clock is ClockQuality.UNKNOWN and now_us < self._set_from_us
        return self._set_from_us + CLOCK_TOLERANCE_US if unset else None

    def _past_us(self) -> int:
        """List and settings were issued by then."""
        return max(self._list.issued_us, self.settings.issued_us)

    def _mode(self, door: str, rule: RuleNow, now: Moment) -> DoorMode:
        commanded = self._commanded.mode(door, now)
        if commanded is not None:
            return commanded
        first = rule.first_person
        if rule.mode is DoorMode.FREE and first is not None:
            come = self._memory.firsts.has_come(door, first, rule.since_us, now.now_us)
            return DoorMode.FREE if come else DoorMode.CONTROLLED
        return rule.mode

    def _waits_for_first(self, asked: _Asked) -> bool:
        rule, first = asked.rule, asked.rule.first_person
        if first is None or asked.category == first or rule.mode is DoorMode.FREE:
            return False
        return not self._memory.firsts.has_come(asked.door, first, rule.since_us, asked.now_us)

    def _used(self, asked: _Asked) -> int:
        entry, visitor = asked.entry, asked.visitor
        if entry is not None:
            limited = entry.uses is not None
            return self._memory.uses.count((entry.token, entry.holder), entry.from_us) if limited else 0
        if isinstance(visitor, VisitorPass) and visitor.uses is not None:
            return self._memory.uses.count(("", visitor.holder), visitor.from_us)
        return 0

    def _tries_over(self, asked: _Asked) -> bool:
        """PINs alone are guessed at a door, the PIN of a card wherever that card is shown."""
        if asked.shown.kind is CredentialKind.PIN:
            return self._memory.tries.are_over(asked.point, asked.now_us)
        if asked.entry is None or not asked.rule.policy.asks_pin:
            return False
        return self._memory.tries.are_over(asked.entry.token, asked.now_us)

    def _passed_back(self, asked: _Asked) -> Passback | None:
        name = self._rulebook.area_behind(asked.door, asked.direction)
        area = self._rulebook.area(name) if name is not None else None
        if area is None or name is None or asked.holder is None:
            return None
        forget_after_us = area.forget_after_min * _MINUTE_US
        inside = self._memory.areas.is_in(asked.holder, name, asked.now_us, forget_after_us)
        return area.passback if inside else None

    def _is_interlocked(self, asked: _Asked) -> bool:
        for other, released_us in self._rulebook.paired_with(asked.door):
            at_us = self._released.get(other)
            if other in self._open or (at_us is not None and 0 <= asked.now_us - at_us < released_us):
                return True
        return False

    def _note_grant(self, decision: Decision, point: tuple[str, Direction], now_us: int) -> None:
        door, direction = point
        right = _limited(decision, direction)
        if right is not None:
            self._memory.uses.take(right, now_us)
        self._released[door] = now_us
        self._memory.in_a_row.forget(point)

    def _note_refusal(self, decision: Decision, asked: _Asked) -> bool:
        """Whether this is one wrong credential too many. No right try makes up for wrong ones: whoever has a
        PIN could guess another's for ever."""
        memory, now_us, over = self._memory, asked.now_us, False
        if decision.reason is Reason.PIN_WRONG:
            over = memory.tries.wrong(asked.shown.token, now_us)
        elif decision.reason is Reason.UNKNOWN_CREDENTIAL and asked.shown.kind is CredentialKind.PIN:
            over = memory.tries.wrong(asked.point, now_us)
        in_a_row = decision.reason in WRONG and memory.in_a_row.wrong(asked.point, now_us)
        return over or in_a_row


def _is_plain(entry: Entry | None, kind: CredentialKind | None) -> bool:
    """Whether nothing need be found about this credential but what the list says of it."""
    if kind is CredentialKind.QR_CODE or kind is CredentialKind.PIN:
        return False
    return entry is None or (entry.schedule is None and entry.uses is None)


def _mode_for(direction: Direction, mode: DoorMode) -> DoorMode:
    if mode is DoorMode.LOCKED_DOWN and direction is not Direction.IN:
        return DoorMode.CONTROLLED  # whoever is inside may leave
    return mode


def _limited(decision: Decision, direction: Direction) -> Right | None:
    """The right whose uses count, if this grant takes one; whoever leaves takes none."""
    entry, visitor = decision.entry, decision.visitor
    if direction is not Direction.IN:
        return None
    if decision.reason in BY_LIST and entry is not None and entry.uses is not None:
        return entry.token, entry.holder
    if decision.reason is Reason.VISITOR_PASS and visitor is not None and visitor.uses is not None:
        return "", visitor.holder
    return None
