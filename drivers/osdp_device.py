"""One OSDP device: its panel, what is wished of it, and when its sessions begin and end.

Belongs to its line's thread. What the library may say and hear passes a guard. Source: readers.md 6.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from drivers.errors import ConfigurationError, DeviceUnavailable
from drivers.health import BACK_OFF_S
from drivers.osdp_codec import SOM, Capability, Command, Identity, Packet, Reply, packet_from
from drivers.osdp_guard import FELL_BACK, Failure, Guard
from drivers.osdp_keys import Key, KeyRing, ReaderKey
from drivers.osdp_line import Line
from drivers.osdp_panel import Panel, contacts_wish, local_wish, outputs_wish, tells_output
from drivers.osdp_seat import (
    BUSY,
    SECURITY,
    Blip,
    Fine,
    Installed,
    Item,
    Local,
    Offline,
    Online,
    Outputs,
    Trouble,
    Wish,
)
from drivers.osdp_settings import Place

if TYPE_CHECKING:
    from drivers.osdp_bus import Seat

PATIENCE_S = 1.2  # a device that answered before may be silent so long
POLL_S = 0.05  # the library's own pause between two polls
LOCAL_S = 2.0  # how often tamper and power are asked for,
CONTACTS_S = 0.2  # and the inputs, where a driver has some,
OUTPUTS_S = 2.0  # and the outputs likewise, beside after each command to one
STEP_S = 0.002  # while a session is opened or commands wait
BUSY_S = 5.0  # a device may be busy so long before it is a fault
STEADY_S = 5.0  # what ends a session that held so long was an accident
PAUSES_S = (0.0, 0.2, *BACK_OFF_S)  # before the next session: a device that only was slow is soon taken up
REFUSAL_S = 5.0  # so long after the last refused packet the line is taken for clean
SPARED = frozenset({Command.LSTAT, Command.ISTAT, Command.OSTAT, Command.LED, Command.BUZ})
REFUSALS_UNTIL_SPARED = 2
MOST_WISHES = 32
MOST_URGENT = 128  # a board has 64 outputs
REFRESHES = 4  # the library goes through some states without sending

NOT_THERE = "no answer from the device; is it powered, wired, and set to this address and speed?"
NOISE = "noise on the line"

RING = KeyRing()


class Device:
    """One device and the drivers that use it; all but `wish` and the seats belong to the line's thread."""

    def __init__(self, place: Place, key: ReaderKey) -> None:
        self.place = place
        self.key = key
        self.seats: list[Seat] = []
        self._urgent: deque[Wish] = deque()  # in their order: a later pulse is longer, and an end comes last
        self._wishes: deque[Wish] = deque(maxlen=MOST_WISHES)
        self._guard = Guard(place.address)
        self._panel: Panel | None = None
        self._used: Key | None = None  # what the panel was made with
        self._is_open = False  # a session is held or being opened
        self.is_online = False
        self.fallen = 0  # sessions that have ended
        self._pending: bytes | None = None  # the library's packet that has not gone out yet
        self._not_before_s = 0.0
        self._polled_s = 0.0
        self._online_s = -math.inf
        self._attempts = 0
        self._ask_local_s = self._ask_contacts_s = self._ask_outputs_s = 0.0
        self._refusals: Counter[int] = Counter()  # of commands that can be done without
        self._who: Identity | None = None  # who refused them
        self._busy_s: float | None = None
        self._silent_s: float | None = None  # since when one packet waits for its answer
        self._refused_s: float | None = None
        self._online_as: Online | None = None
        self._greeted: list[Seat] = []
        self._retired = False
        self._lock = threading.Lock()  # held for one step
        self._wishing = threading.Condition()  # told when a wish may have been carried out

    # --- from any thread

    def tell(self, item: Item) -> None:
        """To all who use the device; its tamper contact and power are the reader's, where there is one."""
        seats = list(self.seats)
        if isinstance(item, Local):
            seats = [seat for seat in seats if seat.is_reader] or seats
        elif isinstance(item, Outputs):
            seats = [seat for seat in seats if seat.wants_outputs]
        for seat in seats:
            seat.inbox.put(item)

    def wish(self, wish: Wish, *, urgent: bool) -> bool:
        """Whether the device is there to be asked. What is urgent is never pushed out by later wishes."""
        with self._wishing:
            if not self.is_online or (urgent and len(self._urgent) >= MOST_URGENT):
                return False
            (self._urgent if urgent else self._wishes).append(wish)
        return True

    def settle(self, limit_s: float) -> None:
        """Until every wish was answered, or the device is not there any more, or the time is over."""
        with self._wishing:
            self._wishing.wait_for(self._has_no_wish, limit_s)

    def _has_no_wish(self) -> bool:
        in_flight = self._panel is not None and self._panel.in_flight is not None
        return not self.is_online or not (self._urgent or self._wishes or in_flight)

    def retire(self) -> None:
        """Its last driver has left; waits until a step that has begun is over."""
        with self._lock:
            self._retired = True
            self._close()
            self._close_panel()
            RING.give_up(str(self.place))

    # --- the line's thread

    def due_s(self, now: float) -> float:
        """When this device is to be stepped next."""
        if not self._is_open:
            return self._not_before_s
        in_flight = self._panel is not None and self._panel.in_flight is not None
        waits = self._urgent or self._wishes or in_flight or self._pending is not None
        settled = self.is_online and not waits
        return self._polled_s + POLL_S if settled and now < self._polled_s + POLL_S else now + STEP_S

    def step(self, line: Line, now: float) -> None:
        """At most one exchange. Raises DeviceUnavailable."""
        with self._lock:
            if not self._retired and (self._is_open or (now >= self._not_before_s and self._open())):
                self._step(line, now)

    def _step(self, line: Line, now: float) -> None:
        assert self._panel is not None
        self._submit(self._panel, now)
        if not self._is_open:
            return
        frame = self._pending or self._next_packet(self._panel)
        self._pending = None
        if frame is not None:
            self._exchange(self._panel, line, frame)
        if self._is_open:
            self._look(self._panel)
        self._greet()
        with self._wishing:
            self._wishing.notify_all()

    def _greet(self) -> None:
        """A driver that comes to a device which another one uses already."""
        if self._online_as is not None and len(self._greeted) != len(self.seats):
            for seat in [seat for seat in list(self.seats) if seat not in self._greeted]:
                self._greeted.append(seat)
                seat.inbox.put(self._online_as)

    def line_is_lost(self, error: DeviceUnavailable) -> None:
        with self._lock:
            self._close()
            self._not_before_s = 0.0
        self.tell(Offline(error.cause, gone=error.gone))

    def _open(self) -> bool:
        try:
            key = self.key.current(datetime.now(UTC))
            RING.claim(key.value, str(self.place))
        except ConfigurationError as error:
            self._fail(Failure(str(error)))
            return False
        if self._panel is None or key != self._used:
            self._close_panel()
            self._panel, self._used = Panel(self.place.address, key), key
        self._guard.begin()
        self._guard.may_install = key.is_new
        self._panel.begin()
        self._is_open = True
        return True

    def _close(self) -> None:
        if self._is_open and self._panel is not None:
            self._panel.end()
        self._is_open = self.is_online = False
        self.fallen += 1
        self._pending = self._online_as = None
        self._busy_s = self._refused_s = self._silent_s = None
        with self._wishing:
            self._urgent.clear()
            self._wishes.clear()
            self._wishing.notify_all()

    def _close_panel(self) -> None:
        if self._panel is not None:
            self._panel.close()
            self._panel = None

    def _submit(self, panel: Panel, now: float) -> None:
        """One command at a time: a refused one takes the session with it."""
        if not self.is_online or panel.in_flight is not None:
            return
        with self._wishing:  # who waits for all wishes sees each either waiting or in flight
            wishes = self._urgent or self._wishes
            if wishes:
                wish = wishes.popleft()
                if tells_output(wish):
                    self._ask_outputs_s = now
                if not panel.submit(wish):  # in a new session whoever still waits for a pulse is told again
                    self._fail(Failure("the OSDP library took no command", is_soft=True))
                return
        self._ask_status(panel, now)

    def _ask_status(self, panel: Panel, now: float) -> None:
        """Many devices tell neither tamper nor inputs by themselves."""
        wants_contacts = any(seat.wants_contacts for seat in list(self.seats))
        wants_outputs = any(seat.wants_outputs for seat in list(self.seats))
        if wants_outputs and now >= self._ask_outputs_s and self._knows(Command.OSTAT):
            self._ask_outputs_s = now + OUTPUTS_S
            panel.submit(outputs_wish())
        elif now >= self._ask_local_s:
            self._ask_local_s = now + LOCAL_S
            if self._knows(Command.LSTAT):
                panel.submit(local_wish())
        elif wants_contacts and now >= self._ask_contacts_s and self._knows(Command.ISTAT):
            self._ask_contacts_s = now + CONTACTS_S
            panel.submit(contacts_wish())

    def _next_packet(self, panel: Panel) -> bytes | None:
        for _ in range(REFRESHES):
            if (frame := panel.refresh()) is not None or panel.gave_up:
                return frame
        return None

    def _exchange(self, panel: Panel, line: Line, frame: bytes) -> None:
        packet = packet_from(frame[frame.index(SOM) :])
        if not self._guard.sends(packet):
            self._fail(Failure(self._guard.insecure or FELL_BACK, insecure=True))
            return
        if packet.code == Command.POLL:
            self._polled_s = time.monotonic()
        begun_s = time.monotonic()
        answer = line.ask(frame, self._guard)
        self._note_refusal(line)
        if answer is None:
            self._note_silence(frame, begun_s)
            return
        self._silent_s = None
        if line.was_noisy and self.is_online:
            self.tell(Blip(NOISE))
        self._note_busy(packet_from(answer))
        self._pending = panel.deliver(answer)

    def _note_silence(self, frame: bytes, begun_s: float) -> None:
        """The same bytes go out again (readers.md 6.2) when all others on the line have had their turn."""
        self._silent_s = self._silent_s or begun_s
        if self._guard.identity is not None and time.monotonic() - self._silent_s < PATIENCE_S:
            self._pending = frame
        else:
            self._fail(Failure(self._guard.insecure or NOT_THERE, insecure=bool(self._guard.insecure)))

    def _note_refusal(self, line: Line) -> None:
        """Somebody may speak beside the device: it is used on, for it proves each of its own packets."""
        now = time.monotonic()
        if line.refused and self._guard.insecure:
            self._refused_s = now
            self.tell(Trouble(SECURITY, self._guard.insecure, insecure=True))
        elif self.is_online and self._refused_s is not None and now - self._refused_s >= REFUSAL_S:
            self._refused_s = None
            self.tell(Fine(SECURITY))

    def _note_busy(self, answer: Packet) -> None:
        now = time.monotonic()
        if answer.code != Reply.BUSY:
            if self._busy_s is not None:
                self._busy_s = None
                self.tell(Fine(BUSY))
            return
        self._busy_s = self._busy_s or now
        if now - self._busy_s >= BUSY_S:
            self.tell(Trouble(BUSY, "the device says that it is busy and does nothing else"))

    def _look(self, panel: Panel) -> None:
        """What the library has made of it."""
        if panel.gave_up:
            self._fail(self._guard.failure())
            return
        if not self.is_online and panel.is_secure and not self._guard.on_default_key:
            self._is_there()
        reports = panel.take_reports()
        if self.is_online:
            for report in reports:
                if not isinstance(report, Outputs) or not self._is_telling_outputs(panel):
                    self.tell(report)

    def _is_telling_outputs(self, panel: Panel) -> bool:
        """What outputs do says nothing of a command that has not come to them yet."""
        with self._wishing:
            ahead = [*self._urgent, *([panel.in_flight] if panel.in_flight is not None else [])]
        return any(tells_output(wish) for wish in ahead)

    def _is_there(self) -> None:
        now = time.monotonic()
        if self._used is not None and self._used.is_unproved:
            self._confirm_key(now)
            return
        if self._guard.identity != self._who:
            self._who = self._guard.identity
            self._refusals.clear()
        self.is_online = True
        self._online_s = now
        self._ask_local_s = self._ask_contacts_s = self._ask_outputs_s = now
        who = self._who
        what = f"vendor {who.vendor}, model {who.model}.{who.version}, firmware {who.firmware}" if who else ""
        self._online_as = Online(
            what=f"{what}, secure channel at {self.place}",
            outputs=self._number_of(Capability.OUTPUTS),
            inputs=self._number_of(Capability.CONTACTS),
            leds=self._number_of(Capability.LED) if self._knows(Command.LED) else 0,
            buzzers=self._number_of(Capability.BUZZER) if self._knows(Command.BUZ) else 0,
        )
        self._greeted.clear()

    def _confirm_key(self, now: float) -> None:
        try:
            self.key.confirm()
        except ConfigurationError as error:
            self._fail(Failure(str(error)))
            return
        self.tell(Installed())
        self._close()  # the next session enforces the key
        self._not_before_s = now

    def _knows(self, command: Command) -> bool:
        """Whether the device may be told this: each refusal costs a session, and one may be an accident."""
        return self._refusals[command] < REFUSALS_UNTIL_SPARED

    def _number_of(self, function: Capability) -> int:
        able = self._guard.abilities.get(function)
        return able.number if able is not None and able.compliance else 0

    def _fail(self, failure: Failure) -> None:
        now = time.monotonic()
        was_online = self.is_online
        self._close()
        is_spared = failure.unknown in SPARED
        if is_spared and failure.unknown is not None:
            self._refusals[failure.unknown] += 1
        if was_online and failure.is_soft and (is_spared or now - self._online_s >= STEADY_S):
            self.tell(Blip(failure.cause))
            self._not_before_s = now
            return
        self.tell(Offline(failure.cause, insecure=failure.insecure))
        if was_online and now - self._online_s >= STEADY_S:
            self._attempts = 0
        self._not_before_s = now + PAUSES_S[min(self._attempts, len(PAUSES_S) - 1)]
        self._attempts += 1
