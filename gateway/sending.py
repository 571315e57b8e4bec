"""What a gateway sends next, and when: alarms, then what just happened, then older records at their pace.

Between `dispatch` (what) and `uplink` (the connection): no MQTT, no threads; time and chance are arguments,
so that five hundred gateways can be simulated in one thread (trust.md R-23).
"""

from __future__ import annotations

from random import Random
from typing import Final

from gateway.delivery import FRESH_RECORDS
from gateway.dispatch import Dispatch
from gateway.pace import Pace
from messages.topics import Leaf
from messages.wire import Ack

ACK_WAIT_S: Final = 1.0
"""After a connect the centre is given this long to say what it has, before older records are sent again."""

AT_THE_BROKER: Final = 4
"""Blocks that the broker has not confirmed: an alarm waits behind no more than these, also on a slow line."""

IDLE_S: Final = 0.5
"""Overdue messages are noticed in that time."""

NEWEST_SPREAD_S: Final = 1.0
"""Within this time each of many gateways sends its newest records and looks for alarms."""

GATHER_S: Final = 0.02
"""What happens within this time after a message of new records goes out together: on a calm day each record
goes at once, and in the rush of the morning doors do not wait for messages to be made."""

_LOOK_PAUSE_S: Final = 0.005


class Sending:
    """`begin` with each connection, then `next` until it gives None; `due_s` says when to ask again."""

    def __init__(self, dispatch: Dispatch, pace: Pace, spread_s: float, chance: Random) -> None:
        """`spread_s`: within this time each of many gateways, which were cut off together, begins to send
        older records."""
        self._dispatch = dispatch
        self._pace = pace
        self._spread_s = spread_s
        self._chance = chance
        self._settled_s = self._forward_s = self._drain_s = 0.0
        self._block_s = self._look_s = self._idle_until_s = self._fresh_s = 0.0
        self._newest_due = False

    def begin(self, now_s: float, *, together: bool) -> None:
        """There is a connection, or a centre again; what was under way before counts as lost. `together`:
        many other gateways probably find the same at this moment."""
        self._dispatch.recall()
        self._pace.begin()
        self._settled_s = now_s + ACK_WAIT_S
        drain_s, forward_s = self._spread_s, min(NEWEST_SPREAD_S, self._spread_s)
        share = self._chance.uniform(0.0, 1.0) if together else 0.0
        # what the broker kept of the centre's word does not cut the wait short
        self._drain_s = max(self._drain_s, now_s + share * drain_s)
        self._forward_s = max(self._forward_s, now_s + share * forward_s)
        self._block_s = self._look_s = self._idle_until_s = self._fresh_s = 0.0
        self._newest_due = True

    def acknowledged(self, ack: Ack, now_s: float) -> None:
        self._dispatch.acknowledged(ack, now_s)
        self._settled_s = min(self._settled_s, now_s)
        self._idle_until_s = 0.0

    def carried(self, ack: Ack, now_s: float) -> dict[int, int]:
        """One that did not come by the line; see `Dispatch.carried`."""
        licensed = self._dispatch.carried(ack, now_s)
        self._idle_until_s = 0.0
        return licensed

    def next(self, now_s: float, at_the_broker: int) -> tuple[Leaf, bytes] | None:
        """The next message; None while there is nothing to send or it is not time. `at_the_broker`: blocks
        that it has not confirmed."""
        if now_s >= max(self._settled_s, self._forward_s):
            self._bring_forward(now_s)
        if block := self._dispatch.next_urgent(now_s):
            return Leaf.JOURNAL, block
        if block := self._next_fresh(now_s):
            return Leaf.JOURNAL, block
        if now_s < self._block_due_s or at_the_broker >= AT_THE_BROKER:
            return None
        block = self._dispatch.next_block(now_s)
        if block is None:
            self._idle_until_s = now_s + IDLE_S
            return None
        self._block_s = now_s + self._pace.pause_s(self._dispatch.last_count, now_s)
        return Leaf.BACKLOG, block

    @property
    def gathers_until_s(self) -> float:
        """Until then nobody need be told of new records."""
        return self._fresh_s

    def due_s(self, now_s: float, at_the_broker: int) -> float:
        """When to ask `next` again unless something happens before; at most `IDLE_S` from now."""
        block_s = now_s + IDLE_S if at_the_broker >= AT_THE_BROKER else self._block_due_s
        fresh_s = self._fresh_s if self._fresh_s > now_s else block_s
        return min(block_s, fresh_s, max(self._settled_s, self._forward_s, self._look_s), now_s + IDLE_S)

    @property
    def state_due_s(self) -> float:
        """When to say how far the journal goes: at once, but not all gateways at one moment."""
        return self._forward_s

    def _next_fresh(self, now_s: float) -> bytes | None:
        if now_s < self._fresh_s and self._dispatch.fresh_waiting < FRESH_RECORDS:
            return None
        block = self._dispatch.next_fresh(now_s)
        if block is not None:
            self._fresh_s = now_s + GATHER_S
        return block

    @property
    def _block_due_s(self) -> float:
        return max(self._settled_s, self._drain_s, self._block_s, self._idle_until_s)

    def _bring_forward(self, now_s: float) -> None:
        """What must not wait behind older records: the newest ones at once, alarms as they are found."""
        if self._newest_due:
            self._newest_due = False
            self._dispatch.newest_first()
        if now_s >= self._look_s:
            more = self._dispatch.look_for_alarms()
            self._look_s = now_s + (_LOOK_PAUSE_S if more else IDLE_S)
