"""One door: what its signals mean, one after the other, and what there is to record of them. Pure.

The table is in `gateway.portal_table`; here is what carries it out: timers, decisions that wait for the
door to be opened, the door's mode, and what was told already. Time is an argument: seconds of one
monotonic clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from msgspec import Struct

from gateway.portal_table import MODES, OF_THE_CONTACT, TABLE, Case, Do, Mode, Signal, State, When
from messages.model import Kind, Reason

GRACE_S = 2.0
"""A door is opened rightly until so long after its pulse: a strike lets go late, contacts are debounced."""

EXIT_S = 30.0
"""An exit button cuts the lock's supply for so long at least (trust.md R-37); no opening is forced then."""

SETTLE_S = 5.0
"""A contact whose board has returned tells within this what changed meanwhile; otherwise nothing did."""


class Told(Struct, frozen=True, gc=False):
    """Something to record of this door. `links`: the sequence number of the decision that it belongs to."""

    kind: Kind
    reason: Reason | None = None
    links: int | None = None


class _Waiting(Struct, frozen=True, gc=False):
    """A decision after which nobody has opened the door yet."""

    decision: int
    until_s: float
    cause: Reason | None


@dataclass(slots=True)
class _Opening:
    """What is known of the time since the door was opened."""

    decision: int | None = None  # the newest one
    held_told: bool = False


class _Signalled(Struct):
    """The signal that is being dealt with."""

    signal: Signal
    now_s: float
    decision: int | None = None
    reason: Reason | None = None
    told: list[Told] = []


class Portal:
    """The door that one lock holds and one contact feels. For the deciding thread alone."""

    def __init__(
        self,
        *,
        release_s: float,
        open_limit_s: float,
        has_contact: bool,
        exit_by_handle: bool,
        exit_s: float = EXIT_S,
    ) -> None:
        """`release_s`: the strike's pulse. `exit_by_handle`: people leave without any button that we would
        see, so that an opening without a release is no forced door."""
        self._release_s = release_s + GRACE_S
        self._open_limit_s = open_limit_s
        self._has_contact = has_contact
        self._exit_by_handle = exit_by_handle
        self._exit_s = exit_s
        self._state = State.UNSENSED if has_contact else State.SECURED
        self._mode = Mode.CONTROLLED
        self._fire = False
        self._released_until_s: float | None = None
        self._cause: Reason | None = None  # of the release that runs longest
        self._waiting: list[_Waiting] = []
        self._opening = _Opening()
        self._word: Signal | None = None  # the contact's last one
        self._timer_s: float | None = None  # what it is for, the state says
        self._now_s = float("-inf")

    @property
    def state(self) -> State:
        return self._state

    @property
    def mode(self) -> Mode:
        return self._mode

    @property
    def wants_release(self) -> bool:
        """Whether the lock is to be kept released now: its pulses must be renewed before they end."""
        return self._mode is Mode.FREE

    @property
    def is_open(self) -> bool | None:
        """How the leaf is; None: the door has no contact, or nothing is known of it now."""
        if not self._has_contact or self._state is State.UNSENSED:
            return None
        return self._state in _OPEN_STATES

    def signal(
        self, signal: Signal, now_s: float, decision: int | None = None, reason: Reason | None = None
    ) -> tuple[Told, ...]:
        """What there is to record now, oldest first.

        GRANTED and COMMANDED come after the lock was driven, with the sequence number of their record as
        `decision` (None: it could not be recorded, and no outcome is told). `reason` says why a mode begins
        or ends.
        """
        told = self.tick(now_s)
        if signal in OF_THE_CONTACT and not self._has_contact:
            return told
        return told + self._deal_with(_Signalled(signal, self._now_s, decision, reason))

    def tick(self, now_s: float) -> tuple[Told, ...]:
        """What time alone has brought by now. A `now_s` before the newest one counts as that."""
        told: list[Told] = []
        while (due_s := self.due_s()) is not None and due_s <= now_s:
            told += self._deal_with(_Signalled(self._due_signal(due_s), due_s))
        self._now_s = max(self._now_s, now_s)
        return tuple(told)

    def due_s(self) -> float | None:
        """When `tick` has something to do next; None: nothing, until there is another signal."""
        due_s, timer_s = self._released_until_s, self._timer_s
        if timer_s is not None and (due_s is None or timer_s < due_s):
            due_s = timer_s
        for waiting in self._waiting:
            if due_s is None or waiting.until_s < due_s:
                due_s = waiting.until_s
        return due_s

    def forget_decisions(self) -> None:
        """The journal has begun another epoch: numbers of the former one may not be linked to any more."""
        self._waiting.clear()
        self._opening.decision = None

    def _due_signal(self, due_s: float) -> Signal:
        if self._timer_s != due_s:
            return Signal.RELEASE_ENDED
        self._timer_s = None
        if self._state is State.OPEN:
            return Signal.OPEN_TOO_LONG
        return self._word or Signal.LINE_LOST  # a contact that never said a word stays unknown

    def _deal_with(self, this: _Signalled) -> tuple[Told, ...]:
        self._note(this)
        self._turn(this)
        case = self._case(TABLE[self._state][this.signal])
        if case.next is not self._state:
            self._timer_s = None
        for deed in case.does:
            self._do(deed, this)
        self._tell(case, this)
        self._state = case.next
        return tuple(this.told)

    def _note(self, this: _Signalled) -> None:
        if self._released_until_s is not None and self._released_until_s <= this.now_s:
            self._released_until_s = None
        if this.signal in _OF_FIRE:
            self._fire = this.signal is Signal.FIRE

    def _turn(self, this: _Signalled) -> None:
        turn = MODES.get((self._mode, this.signal))
        if turn is None:
            return
        self._mode = turn.next
        this.told += [Told(kind, this.reason) for kind in turn.tells]
        if turn.runs_out:
            self._release_until(this.now_s + self._release_s, cause=None)

    def _case(self, cases: Sequence[Case]) -> Case:
        """The first whose condition is met; the last one has none."""
        for case in cases:
            if case.when is When.ALWAYS or _MET[case.when](self):
                return case
        raise AssertionError("the last case of a pair asks for something")

    def _do(self, deed: Do, this: _Signalled) -> None:
        match deed:
            case Do.RELEASE:
                self._release(this)
            case Do.EXIT:
                self._release_until(this.now_s + self._exit_s, Reason.EXIT_BUTTON)
            case Do.COUNT:
                self._timer_s = this.now_s + self._open_limit_s
            case Do.AWAIT:
                self._timer_s = this.now_s + SETTLE_S
            case Do.STOP:
                self._timer_s = None
            case Do.FORGET:
                self._waiting.clear()
            case Do.AFRESH:
                self._opening.held_told = False

    def _release(self, this: _Signalled) -> None:
        cause = Reason.COMMAND if this.signal is Signal.COMMANDED else None
        until_s = this.now_s + self._release_s
        self._release_until(until_s, cause)
        if this.decision is not None and self._has_contact:
            self._waiting.append(_Waiting(this.decision, until_s, cause))

    def _release_until(self, until_s: float, cause: Reason | None) -> None:
        if self._released_until_s is None or until_s >= self._released_until_s:
            self._released_until_s, self._cause = until_s, cause

    def _tell(self, case: Case, this: _Signalled) -> None:
        for kind in case.tells:
            match kind:
                case Kind.DOOR_OPENED:
                    self._tell_opened(this)
                case Kind.DOOR_CLOSED:
                    self._tell_closed(this)
                case Kind.ACCESS_TAKEN:
                    self._opening.decision = self._newest(self._opening.decision)
                    this.told += [Told(kind, each.cause, each.decision) for each in self._waiting]
                    self._waiting.clear()
                case Kind.ACCESS_NOT_TAKEN:
                    this.told += [Told(kind, e.cause, e.decision) for e in self._over(this.now_s)]
                case Kind.DOOR_HELD:
                    self._opening.held_told = True
                    this.told.append(Told(kind, Reason.OPEN_TOO_LONG, self._opening.decision))
                case Kind.DOOR_FORCED:
                    this.told.append(Told(kind, Reason.NO_RELEASE))
                case _:
                    this.told.append(Told(kind))
        if this.signal is Signal.RELEASE_ENDED:
            self._waiting = [each for each in self._waiting if each.until_s > this.now_s]
        elif this.signal in (Signal.OPENED, Signal.CLOSED):
            self._word = this.signal

    def _tell_opened(self, this: _Signalled) -> None:
        if self._word is Signal.OPENED:
            return
        self._opening = _Opening(self._newest(None))
        cause = None
        if self._waiting:
            cause = self._waiting[-1].cause
        elif self._released_until_s is not None:
            cause = self._cause
        this.told.append(Told(Kind.DOOR_OPENED, cause, self._opening.decision))

    def _tell_closed(self, this: _Signalled) -> None:
        if self._word is Signal.OPENED:
            this.told.append(Told(Kind.DOOR_CLOSED, links=self._opening.decision))
        self._opening = _Opening()

    def _newest(self, otherwise: int | None) -> int | None:
        return self._waiting[-1].decision if self._waiting else otherwise

    def _over(self, now_s: float) -> list[_Waiting]:
        return [each for each in self._waiting if each.until_s <= now_s]


_OF_FIRE = frozenset({Signal.FIRE, Signal.FIRE_OVER})
_OPEN_STATES = frozenset({State.OPEN, State.HELD, State.FORCED, State.FREE_OPEN})

_MET: Mapping[When, Callable[[Portal], bool]] = {
    When.ALWAYS: lambda _: True,
    When.RELEASE_RUNS: lambda portal: portal._released_until_s is not None,
    When.IS_FREE: lambda portal: portal._mode is Mode.FREE,
    When.IS_LOCKED_DOWN: lambda portal: portal._mode is Mode.LOCKED_DOWN,
    When.MAY_OPEN: lambda portal: portal._exit_by_handle or portal._fire,
    When.FIRE: lambda portal: portal._fire,
    When.HELD_TOLD: lambda portal: portal._opening.held_told,
}
