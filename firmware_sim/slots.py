"""PC/SC readers of a scene: slots of a real PC/SC daemon of their own, with the virtual driver.

They have no line: a program reaches them through the daemon, by PCSCLITE_CSOCK_NAME in its environment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from firmware_sim.cards import Card
from firmware_sim.device import Notice
from firmware_sim.errors import CardThere, RequestError
from firmware_sim.events import EventLog
from firmware_sim.faults import FaultSet
from firmware_sim.kinds import PCSC, Credential, Kind, Role
from firmware_sim.pcscd import Pcscd
from firmware_sim.scene_table import Table
from firmware_sim.vpcd import VpcdSlot
from firmware_sim.vpcd_card import ContactlessCard, ContactlessReader, id_card, type_a_card

FOLDER_NAME = "pcscd"

_EXCHANGE_S = 0.005  # our guess: an APDU through a USB reader


@dataclass(frozen=True, slots=True)
class SlotOptions:
    """Keys of a scene's [[reader]] of kind pcsc."""

    source: str = "uid"  # which of a person's cards is laid on it: "uid", or the ID card by its "chip_serial"
    acr122: bool = True  # it knows the commands of that family: light and sound
    passes_raw: bool = True  # the ID card's own command reaches the card (readers.md 4.3)


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """One PC/SC reader to build."""

    name: str
    options: SlotOptions
    door: str | None
    usual_s: float
    seed: str


class SlotPlace:
    """One slot; see `places.Place`."""

    kind = PCSC

    def __init__(self, plan: SlotPlan, service: "SlotService", events: EventLog) -> None:
        self._plan = plan
        self._service = service
        self._events = events
        self._faults = FaultSet(PCSC)
        self._slot: VpcdSlot | None = None

    def open(self, port: int, nudge: Any) -> None:
        """Take the slot of the running daemon."""
        options = self._plan.options
        reader = ContactlessReader(
            Random(self._plan.seed),
            faults=self._faults,
            acr122=options.acr122,
            passes_raw=options.passes_raw,
            usual_s=self._plan.usual_s,
        )
        self._slot = VpcdSlot(port, reader, recorder=self, nudge=nudge)

    def close(self) -> None:
        if self._slot is not None:
            self._slot.close()

    def notice(self, notice: Notice, t_ns: int) -> None:
        self._events.append(
            self._plan.name,
            notice.event,
            t_ns=t_ns,
            card=notice.card,
            detail=notice.detail,
            door=self._plan.door,
        )

    def read_sent(self, card: str, t_before_ns: int, t_ns: int) -> None:
        self._events.append(
            self._plan.name,
            "read_sent",
            t_ns=t_ns,
            card=card,
            t_before_ns=t_before_ns,
            door=self._plan.door,
        )

    def exchanged(self) -> None:
        for name in self._live().change(self._faults.spent):
            self._events.append(self._plan.name, "fault_over", detail=name)

    def address(self) -> str:
        """The reader's name as PC/SC gives it."""
        return self._service.reader_name(self._plan.name)

    def present(self, card: Card) -> None:
        lain = self._lain()
        if lain is not None:
            raise CardThere(f"{lain} lies on {self._plan.name}; remove it first")
        carried = _contactless(self._plan.options, card)
        if carried is None:
            self._events.append(self._plan.name, "unseen", card=card.ref, door=self._plan.door)
            return
        self._live().insert(carried)

    def remove(self) -> bool:
        return self._live().remove()

    def press(self, keys: str) -> None:  # noqa: ARG002 - the shape of a Place
        raise RequestError(f"{self._plan.name} has no keys")

    def set_input(self, number: int, state: str) -> None:  # noqa: ARG002 - the shape of a Place
        raise RequestError(f"{self._plan.name} has no inputs")

    def relays(self) -> tuple[bool, ...]:
        return ()

    def switch_on(self, fault: str, given: Mapping[str, object], count: int | None) -> None:
        self._live().change(lambda: self._faults.switch_on(fault, given, count=count))
        self._events.append(self._plan.name, "fault", detail=fault)

    def at_once(self, fault: str, parameters: Mapping[str, Any]) -> None:  # noqa: ARG002
        if fault == "power_dip":
            self.power_cycle()
        else:
            self._service.set_running(on=fault == "service_back")
            self._events.append(self._plan.name, "fault", detail=fault)

    def clear(self, fault: str | None) -> tuple[str, ...]:
        names = self._live().change(lambda: self._faults.clear(fault))
        for name in names:
            self._events.append(self._plan.name, "fault_over", detail=name)
        return names

    def unplug(self) -> None:
        raise RequestError(f"{self._plan.name} has no plug; stop its daemon with fault service_gone")

    def replug(self, name: str | None) -> str:  # noqa: ARG002 - the shape of a Place
        raise RequestError(f"{self._plan.name} has no plug; start its daemon with fault service_back")

    def power_cycle(self) -> None:
        self._live().power_cycle()
        self._events.append(self._plan.name, "power_cycled")

    def describe(self) -> dict[str, Any]:
        slot = self._live()
        return {
            "kind": PCSC,
            "plugged": self._service.running,
            "address": self.address(),
            "environment": dict(self._service.environment),
            "faults": slot.change(self._faults.describe),
            "card": self._lain(),
        }

    def _live(self) -> VpcdSlot:
        assert self._slot is not None, "the simulator was started"
        return self._slot

    def _lain(self) -> str | None:
        card = self._live().reader.card
        return None if card is None else card.ref


class SlotService:
    """The daemon of a scene and its readers. Without plans it starts nothing."""

    def __init__(self, plans: Sequence[SlotPlan], folder: Path, events: EventLog) -> None:
        self.places = {plan.name: SlotPlace(plan, self, events) for plan in plans}
        self._folder = folder
        self._daemon: Pcscd | None = None

    def start(self) -> None:
        """SceneError or PcscdFailed: the daemon cannot be had."""
        if not self.places:
            return
        daemon = Pcscd(self._folder, len(self.places))
        daemon.start()
        self._daemon = daemon
        for port, place in zip(daemon.ports, self.places.values(), strict=True):
            place.open(port, daemon.nudge)

    def stop(self) -> None:
        for place in self.places.values():
            place.close()
        if self._daemon is not None:
            self._daemon.stop()

    @property
    def running(self) -> bool:
        return self._daemon is not None and self._daemon.pid is not None

    @property
    def environment(self) -> Mapping[str, str]:
        """What a client's environment needs."""
        return {} if self._daemon is None else self._daemon.environment

    def reader_name(self, name: str) -> str:
        assert self._daemon is not None, "the simulator was started"
        return self._daemon.reader_names[list(self.places).index(name)]

    def set_running(self, *, on: bool) -> None:
        """Kill the daemon as the system might, or start it again on the same ports."""
        assert self._daemon is not None, "the simulator was started"
        if on and not self.running:
            self._daemon.start()
        elif not on:
            self._daemon.kill()


def _contactless(options: SlotOptions, card: Card) -> ContactlessCard | None:
    if options.source == "chip_serial":
        return id_card(card.ref, card.chip_serial) if card.chip_serial else None
    return type_a_card(card.ref, card.uid) if card.uid else None


def _read(table: Table) -> SlotOptions:
    return SlotOptions(
        source=table.choice("source", "uid", ("uid", "chip_serial")),
        acr122=table.flag("acr122", default=True),
        passes_raw=table.flag("passes_raw", default=True),
    )


def _number_at(options: SlotOptions, card: Card) -> Credential | None:
    if options.source == "uid":
        return ("card_uid", card.uid.hex().upper()) if card.uid else None
    return ("id_card_chip", card.chip_serial.hex().upper()) if card.chip_serial else None


def usual_s(*, paced: bool) -> float:
    """What an exchange takes beside the daemon's own time."""
    return _EXCHANGE_S if paced else 0.0


KIND = Kind(
    role=Role.READER,
    read=_read,
    make=None,
    number_at=_number_at,
    transports=(PCSC,),
    address_key="reader",
)
