"""What a door is and does, as data: its states, what may happen to it, and what follows from each pair.

`gateway.portal` carries the table out, `gateway.portal_diagram` draws it, and a test demands a decision for
each pair of state and signal. Names after IEC 60839-11-1; two-sided evidence of a passage: trust.md R-47;
alarms: R-35; exit and fire release are hard-wired, here they are only observed: R-36.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from messages.model import Kind


class State(StrEnum):
    """How a door is. Doors without a contact know secured, released, free and locked_down only."""

    SECURED = "secured"  # shut; its lock opens to whoever is let in
    RELEASED = "released"  # shut; somebody may open it now
    OPEN = "open"  # opened rightly, and not for too long yet
    HELD = "held"  # open for longer than it may be
    FORCED = "forced"  # opened although nothing had released it
    FREE = "free"  # shut, and not locked for the time being
    FREE_OPEN = "free_open"
    LOCKED_DOWN = "locked_down"  # shut; opens to nobody from outside
    UNSENSED = "unsensed"  # the contact has said nothing yet, or its line is lost


class Signal(StrEnum):
    """What happens to a door."""

    GRANTED = "granted"  # let in, recorded, and the lock was driven
    COMMANDED = "commanded"  # the same, by a command of the centre
    REX = "rex"  # the exit button, which releases the lock by its own wires
    OPENED = "opened"  # the contact's word
    CLOSED = "closed"
    RELEASE_ENDED = "release_ended"  # a release is over; made by `tick`
    OPEN_TOO_LONG = "open_too_long"  # made by `tick`
    FREE_BEGAN = "free_began"
    FREE_ENDED = "free_ended"
    LOCKDOWN_BEGAN = "lockdown_began"
    LOCKDOWN_ENDED = "lockdown_ended"
    FIRE = "fire"
    FIRE_OVER = "fire_over"
    LINE_LOST = "line_lost"  # the board of the contact does not answer, or the contact's wires are cut
    LINE_BACK = "line_back"  # it answers again, and tells what changed meanwhile


OF_THE_CONTACT = frozenset({Signal.OPENED, Signal.CLOSED, Signal.LINE_LOST, Signal.LINE_BACK})
"""Mean nothing to a door without a contact."""


class When(StrEnum):
    """What a case asks for. Of a pair's cases the first that is met holds; the last one asks for nothing."""

    ALWAYS = "always"
    RELEASE_RUNS = "release runs"
    IS_FREE = "free"
    IS_LOCKED_DOWN = "locked down"
    MAY_OPEN = "exit by handle, or fire"  # whoever is inside needs no release that we would see
    FIRE = "fire"
    HELD_TOLD = "told as held before"


class Do(StrEnum):
    """What goes on inside the portal, before anything is told."""

    RELEASE = "release runs"  # and the decision, if it has a number, waits for the door to open
    EXIT = "exit release runs"  # longer, and nobody's decision waits
    COUNT = "open time begins"  # for so long the door may stand open
    AWAIT = "settling begins"  # when it is over, the contact's last word stands
    STOP = "settling ends"
    FORGET = "outcome unknown"  # of the decisions that wait
    AFRESH = "may be held again"  # may be told so once more


@dataclass(frozen=True, slots=True)
class Case:
    """What follows: the next state, what is told in this order, what goes on inside.

    ACCESS_TAKEN stands for one record per decision that waits, ACCESS_NOT_TAKEN for one per decision whose
    time is over; none waiting, none told. DOOR_OPENED and DOOR_CLOSED are not told a second time.
    """

    next: State
    tells: tuple[Kind, ...] = ()
    does: tuple[Do, ...] = ()
    when: When = When.ALWAYS


Cases = tuple[Case, ...]
Row = Mapping[Signal, Cases]


def _shut(*tells: Kind) -> Cases:
    """Where a door goes that is shut and not free: as a release that may still run and its mode say."""
    return (
        Case(State.RELEASED, tells, when=When.RELEASE_RUNS),
        Case(State.LOCKED_DOWN, tells, when=When.IS_LOCKED_DOWN),
        Case(State.SECURED, tells),
    )


def _stays(state: State, *signals: Signal) -> Row:
    return {signal: (Case(state),) for signal in signals}


def _locked(state: State) -> Row:
    """Secured and locked down differ in their names only: who is let in there is decided elsewhere."""
    return {
        Signal.GRANTED: (Case(State.RELEASED, does=(Do.RELEASE,)),),
        Signal.COMMANDED: (Case(State.RELEASED, does=(Do.RELEASE,)),),
        Signal.REX: (Case(State.RELEASED, (Kind.REX,), (Do.EXIT,)),),
        Signal.OPENED: (
            Case(State.OPEN, (Kind.DOOR_OPENED,), (Do.COUNT,), When.MAY_OPEN),
            Case(State.FORCED, (Kind.DOOR_OPENED, Kind.DOOR_FORCED)),
        ),
        Signal.FREE_BEGAN: (Case(State.FREE),),
        Signal.LOCKDOWN_BEGAN: (Case(State.LOCKED_DOWN),),
        Signal.LOCKDOWN_ENDED: (Case(State.SECURED),),
        Signal.LINE_LOST: (Case(State.UNSENSED),),
        **_stays(state, Signal.CLOSED, Signal.RELEASE_ENDED, Signal.OPEN_TOO_LONG, Signal.FREE_ENDED),
        **_stays(state, Signal.FIRE, Signal.FIRE_OVER, Signal.LINE_BACK),
    }


def _standing_open(state: State) -> Row:
    """Held and forced: an alarm was told, and only shutting the door ends it. Whoever is let in meanwhile
    has nothing to open and counts as gone in."""
    return {
        Signal.GRANTED: (Case(state, (Kind.ACCESS_TAKEN,), (Do.RELEASE,)),),
        Signal.COMMANDED: (Case(state, (Kind.ACCESS_TAKEN,), (Do.RELEASE,)),),
        Signal.REX: (Case(state, (Kind.REX,), (Do.EXIT,)),),
        Signal.CLOSED: _shut(Kind.DOOR_CLOSED),
        Signal.FREE_BEGAN: (Case(State.FREE_OPEN),),
        Signal.LINE_LOST: (Case(State.UNSENSED),),
        **_stays(state, Signal.OPENED, Signal.RELEASE_ENDED, Signal.OPEN_TOO_LONG, Signal.FREE_ENDED),
        **_stays(state, Signal.LOCKDOWN_BEGAN, Signal.LOCKDOWN_ENDED, Signal.FIRE, Signal.FIRE_OVER),
        **_stays(state, Signal.LINE_BACK),
    }


_RELEASED: Row = {
    Signal.GRANTED: (Case(State.RELEASED, does=(Do.RELEASE,)),),
    Signal.COMMANDED: (Case(State.RELEASED, does=(Do.RELEASE,)),),
    Signal.REX: (Case(State.RELEASED, (Kind.REX,), (Do.EXIT,)),),
    Signal.OPENED: (Case(State.OPEN, (Kind.DOOR_OPENED, Kind.ACCESS_TAKEN), (Do.COUNT,)),),
    Signal.RELEASE_ENDED: _shut(Kind.ACCESS_NOT_TAKEN),
    Signal.FREE_BEGAN: (Case(State.FREE),),
    Signal.LINE_LOST: (Case(State.UNSENSED, does=(Do.FORGET,)),),
    **_stays(State.RELEASED, Signal.CLOSED, Signal.OPEN_TOO_LONG, Signal.FREE_ENDED),
    **_stays(State.RELEASED, Signal.LOCKDOWN_BEGAN, Signal.LOCKDOWN_ENDED, Signal.FIRE, Signal.FIRE_OVER),
    **_stays(State.RELEASED, Signal.LINE_BACK),
}

_OPEN: Row = {
    # Each person let in has the door's whole time again.
    Signal.GRANTED: (Case(State.OPEN, (Kind.ACCESS_TAKEN,), (Do.RELEASE, Do.COUNT)),),
    Signal.COMMANDED: (Case(State.OPEN, (Kind.ACCESS_TAKEN,), (Do.RELEASE, Do.COUNT)),),
    Signal.REX: (Case(State.OPEN, (Kind.REX,), (Do.EXIT,)),),
    Signal.CLOSED: _shut(Kind.DOOR_CLOSED),
    Signal.OPEN_TOO_LONG: (
        Case(State.OPEN, does=(Do.COUNT,), when=When.FIRE),
        Case(State.HELD, (Kind.DOOR_HELD,)),
    ),
    Signal.FREE_BEGAN: (Case(State.FREE_OPEN),),
    Signal.FIRE_OVER: (Case(State.OPEN, does=(Do.COUNT,)),),
    Signal.LINE_LOST: (Case(State.UNSENSED),),
    **_stays(State.OPEN, Signal.OPENED, Signal.RELEASE_ENDED, Signal.FREE_ENDED, Signal.LOCKDOWN_BEGAN),
    **_stays(State.OPEN, Signal.LOCKDOWN_ENDED, Signal.FIRE, Signal.LINE_BACK),
}

_FREE: Row = {
    Signal.GRANTED: (Case(State.FREE, does=(Do.RELEASE,)),),
    Signal.COMMANDED: (Case(State.FREE, does=(Do.RELEASE,)),),
    Signal.REX: (Case(State.FREE, (Kind.REX,), (Do.EXIT,)),),
    Signal.OPENED: (Case(State.FREE_OPEN, (Kind.DOOR_OPENED, Kind.ACCESS_TAKEN)),),
    Signal.RELEASE_ENDED: (Case(State.FREE, (Kind.ACCESS_NOT_TAKEN,)),),
    # The pulse that kept it released runs out first (`Turn.runs_out`).
    Signal.FREE_ENDED: (Case(State.RELEASED),),
    Signal.LOCKDOWN_BEGAN: (Case(State.RELEASED),),
    Signal.LINE_LOST: (Case(State.UNSENSED, does=(Do.FORGET,)),),
    **_stays(State.FREE, Signal.CLOSED, Signal.OPEN_TOO_LONG, Signal.FREE_BEGAN, Signal.LOCKDOWN_ENDED),
    **_stays(State.FREE, Signal.FIRE, Signal.FIRE_OVER, Signal.LINE_BACK),
}

_FREE_OPEN: Row = {
    Signal.GRANTED: (Case(State.FREE_OPEN, (Kind.ACCESS_TAKEN,), (Do.RELEASE,)),),
    Signal.COMMANDED: (Case(State.FREE_OPEN, (Kind.ACCESS_TAKEN,), (Do.RELEASE,)),),
    Signal.REX: (Case(State.FREE_OPEN, (Kind.REX,), (Do.EXIT,)),),
    Signal.CLOSED: (Case(State.FREE, (Kind.DOOR_CLOSED,)),),
    # A door that still stands open when its free hours are over is not locked, and that must be said.
    Signal.FREE_ENDED: (Case(State.OPEN, does=(Do.AFRESH, Do.COUNT)),),
    Signal.LOCKDOWN_BEGAN: (Case(State.OPEN, does=(Do.AFRESH, Do.COUNT)),),
    Signal.LINE_LOST: (Case(State.UNSENSED),),
    **_stays(State.FREE_OPEN, Signal.OPENED, Signal.RELEASE_ENDED, Signal.OPEN_TOO_LONG, Signal.FREE_BEGAN),
    **_stays(State.FREE_OPEN, Signal.LOCKDOWN_ENDED, Signal.FIRE, Signal.FIRE_OVER),
    **_stays(State.FREE_OPEN, Signal.LINE_BACK),
}

_UNSENSED: Row = {
    Signal.GRANTED: (Case(State.UNSENSED, does=(Do.RELEASE, Do.FORGET)),),
    Signal.COMMANDED: (Case(State.UNSENSED, does=(Do.RELEASE, Do.FORGET)),),
    Signal.REX: (Case(State.UNSENSED, (Kind.REX,), (Do.EXIT,)),),
    # Nobody saw who opened it.
    Signal.OPENED: (
        Case(State.FREE_OPEN, (Kind.DOOR_OPENED,), when=When.IS_FREE),
        Case(State.HELD, (Kind.DOOR_OPENED,), when=When.HELD_TOLD),
        Case(State.OPEN, (Kind.DOOR_OPENED,), (Do.COUNT,)),
    ),
    Signal.CLOSED: (
        Case(State.FREE, (Kind.DOOR_CLOSED,), when=When.IS_FREE),
        *_shut(Kind.DOOR_CLOSED),
    ),
    Signal.LINE_LOST: (Case(State.UNSENSED, does=(Do.STOP,)),),
    Signal.LINE_BACK: (Case(State.UNSENSED, does=(Do.AWAIT,)),),
    **_stays(State.UNSENSED, Signal.RELEASE_ENDED, Signal.OPEN_TOO_LONG, Signal.FREE_BEGAN),
    **_stays(State.UNSENSED, Signal.FREE_ENDED, Signal.LOCKDOWN_BEGAN, Signal.LOCKDOWN_ENDED),
    **_stays(State.UNSENSED, Signal.FIRE, Signal.FIRE_OVER),
}

TABLE: Mapping[State, Row] = {
    State.SECURED: _locked(State.SECURED),
    State.RELEASED: _RELEASED,
    State.OPEN: _OPEN,
    State.HELD: _standing_open(State.HELD),
    State.FORCED: _standing_open(State.FORCED),
    State.FREE: _FREE,
    State.FREE_OPEN: _FREE_OPEN,
    State.LOCKED_DOWN: _locked(State.LOCKED_DOWN),
    State.UNSENSED: _UNSENSED,
}


class Mode(StrEnum):
    """What a schedule or a command wants of the door, whether it is open or shut."""

    CONTROLLED = "controlled"
    FREE = "free"
    LOCKED_DOWN = "locked_down"


@dataclass(frozen=True, slots=True)
class Turn:
    """What follows for the mode. `runs_out`: the lock stays released until the pulse that keeps it ends."""

    next: Mode
    tells: tuple[Kind, ...] = ()
    runs_out: bool = False


MODES: Mapping[tuple[Mode, Signal], Turn] = {
    (Mode.CONTROLLED, Signal.FREE_BEGAN): Turn(Mode.FREE, (Kind.DOOR_FREED,)),
    (Mode.CONTROLLED, Signal.FREE_ENDED): Turn(Mode.CONTROLLED),
    (Mode.CONTROLLED, Signal.LOCKDOWN_BEGAN): Turn(Mode.LOCKED_DOWN, (Kind.DOOR_LOCKED_DOWN,)),
    (Mode.CONTROLLED, Signal.LOCKDOWN_ENDED): Turn(Mode.CONTROLLED),
    (Mode.FREE, Signal.FREE_BEGAN): Turn(Mode.FREE),
    (Mode.FREE, Signal.FREE_ENDED): Turn(Mode.CONTROLLED, (Kind.DOOR_SECURED,), runs_out=True),
    (Mode.FREE, Signal.LOCKDOWN_BEGAN): Turn(Mode.LOCKED_DOWN, (Kind.DOOR_LOCKED_DOWN,), runs_out=True),
    (Mode.FREE, Signal.LOCKDOWN_ENDED): Turn(Mode.FREE),
    (Mode.LOCKED_DOWN, Signal.FREE_BEGAN): Turn(Mode.FREE, (Kind.DOOR_FREED,)),
    (Mode.LOCKED_DOWN, Signal.FREE_ENDED): Turn(Mode.LOCKED_DOWN),
    (Mode.LOCKED_DOWN, Signal.LOCKDOWN_BEGAN): Turn(Mode.LOCKED_DOWN),
    (Mode.LOCKED_DOWN, Signal.LOCKDOWN_ENDED): Turn(Mode.CONTROLLED, (Kind.DOOR_SECURED,)),
}
"""Every mode and each signal that can change it; all other signals leave the mode alone. The last word
counts: a lockdown ends free hours, and freeing a door ends its lockdown."""
