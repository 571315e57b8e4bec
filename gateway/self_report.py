"""What a gateway says of itself in its `state` and `about` messages; signed where it has a device key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from gateway.clock import Clock
from gateway.journal_view import Holdings
from messages.heads import tell_state
from messages.wire import WIRE_VERSION, About, State, encode


@dataclass(frozen=True, slots=True)
class Report:
    """What a state message says beside the journal's heads. `settings_revision`: of the signed site settings
    in force, 0 without any, None where that cannot be known now."""

    list_version: int
    devices: dict[str, str]
    unrecorded: int = 0  # facts in memory that the journal could not take
    recorded_until_us: int = 2**53  # nothing that happened before is missing in the journal
    settings_revision: int | None = None


class Held(Protocol):
    """What is here, and what the centre has of it."""

    @property
    def acked(self) -> int: ...
    def listing(self) -> Holdings: ...


class SelfReport:
    def __init__(
        self, site: str, gateway: str, about: About, clock: Clock, device_key: Ed25519PrivateKey | None
    ) -> None:
        self._site, self._gateway = site, gateway
        self._about = about
        self._clock = clock
        self._key = device_key

    def about(self) -> bytes:
        if self._key is None:
            return encode(self._about)
        return encode(replace(self._about, device_key=self._key.public_key().public_bytes_raw().hex()))

    def here(self, session: str, held: Held, report: Report, limit: int | None) -> bytes:
        """`limit`: bytes that the broker takes; how far the journal goes counts more than the devices."""
        listing = held.listing()
        state = State(
            v=WIRE_VERSION,
            online=True,
            boot=self._clock.boot,
            session=session,
            at=min(self._clock.now_us(), report.recorded_until_us),
            epochs=listing.heads,
            acked=held.acked,
            list_version=report.list_version,
            devices=report.devices,
            journal="ok" if report.unrecorded == 0 else "not_recording",
            whole=listing.whole,
            uptime_us=self._clock.uptime_us(),
            settings_revision=report.settings_revision,
        )
        payload = self._signed(state)
        if limit is not None and len(payload) > limit:
            payload = self._signed(replace(state, devices=None))
        return payload

    def gone(self, session: str) -> bytes:
        """The will, and the goodbye."""
        return self._signed(State(v=WIRE_VERSION, online=False, boot=self._clock.boot, session=session))

    def _signed(self, state: State) -> bytes:
        return tell_state(state, self._key, self._site, self._gateway)
