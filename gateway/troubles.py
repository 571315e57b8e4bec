"""What an operator should see to on the way to the centre: told once, until it is over.

Time is an argument. Knows no connection: `uplink` says what the broker said, `broker` what to do about it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from gateway.broker import NO_MATCHING_SUBSCRIBERS, remedy

log = logging.getLogger(__name__)

UNACKNOWLEDGED_S = 90.0
"""Looked at every second, so that the alarm comes within two minutes (trust.md R-09)."""

STEADY_S: Final = 60.0
"""A connection that lasted so long was a good one."""

_SHORT_LIVED: Final = 5
"""So many connections in a row that did not last are told of: a 3.1.1 broker does not say why."""

NOT_HEARD: Final = "lets us not hear the centre"
_STALL = "nobody acknowledges"
_SILENCE = "nobody answers"
_UNSAFE = "no safe line"
_UNHEARD = "nobody hears"
_FORGED = "acknowledgements are not the centre's"


@dataclass(frozen=True, slots=True)
class UplinkStatus:
    """For health pages and metrics. `troubles`: what an operator should see to; none: all is well."""

    connected: bool = False
    centre_away: bool = False
    waiting: int = 0  # records that are still to be sent
    unacknowledged_s: float = 0.0  # how long nobody has acknowledged anything although there is something
    troubles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Complaint:
    """A reason code of the broker and what it was about: a topic, or the connection ("")."""

    code: int
    name: str
    about: str = ""


class Troubles:
    def __init__(self, address: str) -> None:
        self._address = address
        self._told: dict[str, None] = {}
        self._waiting: tuple[tuple[int, int], ...] = ()
        self._waiting_since_s = 0.0
        self._short_lived = 0
        self._unsafe: str | None = None  # why there was no safe line at the last try

    @property
    def now(self) -> tuple[str, ...]:
        return tuple(self._told)

    def tell(self, short: str, text: str) -> None:
        if short not in self._told:
            self._told[short] = None
            log.error("uplink: %s", text)

    def connected(self) -> None:
        """What the last connection suffered from may be over."""
        self._told = {short: None for short in self._told if short in (_STALL, _UNHEARD, _FORGED)}

    def acknowledged(self) -> None:
        self._told.pop(_UNHEARD, None)
        self._told.pop(_FORGED, None)

    def not_the_centres(self) -> None:
        """Of an acknowledgement; whoever refused it has told why."""
        self._told[_FORGED] = None

    def heard(self) -> None:
        """The broker has taken our subscriptions."""
        self._told.pop(NOT_HEARD, None)

    def nobody_answers(self, why: str | None = None) -> None:
        """`why`: what kept TLS from coming about."""
        if why is None:
            text = f"nobody answers at {self._address}; records wait here. Is the broker running, and are"
            self.tell(_SILENCE, f"{text} [mqtt] host and port right?")
        else:
            if why != self._unsafe:
                self._told.pop(_UNSAFE, None)
            self._unsafe = why
            text = f"no safe line to {self._address}; records wait here: {why}"
            self.tell(_UNSAFE, f"{text}. See the files in [mqtt], and liuhen-gateway doctor")

    def shortcomings(self, found: list[str]) -> None:
        for text in found:
            self.tell(text.partition(",")[0], text)

    def turned_away(self, what: str, complaint: Complaint) -> None:
        """The broker's word on a connection or on our subscriptions."""
        self._told[what] = None
        log.error("uplink: %s %s: %s; %s", self._address, what, complaint.name, remedy(complaint.code))

    def complained(self, complaint: Complaint) -> None:
        """The broker's word on a message."""
        unheard = complaint.code == NO_MATCHING_SUBSCRIBERS
        self.tell(
            _UNHEARD if unheard else f"{complaint.name} on {complaint.about}",
            f"the broker answers to a message on {complaint.about}: {complaint.name};"
            f" {remedy(complaint.code)}. Records stay here until the centre acknowledges them",
        )

    def lasted(self, seconds: float) -> bool:
        """Whether a connection that has ended was a good one."""
        if seconds >= STEADY_S:
            self._short_lived = 0
            return True
        self._short_lived += 1
        if self._short_lived >= _SHORT_LIVED:
            self.tell(
                "connections do not last",
                f"the broker has ended {self._short_lived} connections in a row within a minute. Does another"
                " gateway use the same [gateway] site and name, or does the broker refuse our messages? See"
                " its log",
            )
        return False

    def watch(self, waiting: tuple[tuple[int, int], ...], now_s: float, *, listening: bool) -> float:
        """`waiting`: how far the centre is with what it does not have whole. Returns for how long nobody has
        acknowledged anything; a broker may confirm what nobody hears, so only that tells (trust.md R-09)."""
        if not waiting or waiting != self._waiting or not listening:
            self._waiting, self._waiting_since_s = waiting, now_s
            self._told.pop(_STALL, None)
        stalled_s = now_s - self._waiting_since_s
        if stalled_s >= UNACKNOWLEDGED_S:
            self.tell(
                _STALL,
                f"the broker takes records, but for {stalled_s:.0f} s nobody has acknowledged any; they stay"
                " here. Is the centre running, and may both sides use liuhen/v1/# at the broker?",
            )
        return stalled_s
