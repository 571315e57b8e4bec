"""What kind of estate to build: buildings, doors, and which readers and lock boards stand there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Door:
    """One door with one reader, called as the door is."""

    name: str
    label: str
    reader: str = "sam_v"  # its kind in the catalogues
    scene: str = ""  # more keys of the reader's table in the scene
    asks_pin: bool = False  # the reader has keys, and whoever is on the list types a PIN after the card
    board_kind: str = ""  # of a lock board of its own; empty: it is on its building's
    when_not_recordable: str = "admit_listed"


@dataclass(frozen=True, slots=True)
class Board:
    """One lock board; the first of its doors is at channel 1, and so on."""

    name: str
    kind: str
    doors: tuple[Door, ...]


@dataclass(frozen=True, slots=True)
class Building:
    """One gateway and its doors: each with one reader, on one lock board unless they have their own."""

    name: str
    label: str
    doors: tuple[Door, ...]
    board_kind: str = "lc_relay"
    contacts: bool = False  # a board feels each door's leaf, at the input of its relay's number

    @property
    def boards(self) -> tuple[Board, ...]:
        """The one that doors share, if any do, and those of single doors."""
        shared = tuple(door for door in self.doors if not door.board_kind)
        single = (
            Board(f"{door.name}-lock", door.board_kind, (door,)) for door in self.doors if door.board_kind
        )
        return ((Board(f"{self.name}-locks", self.board_kind, shared),) if shared else ()) + tuple(single)


def _three_doors(name: str, label: str) -> Building:
    named = (("unit-1", "1 单元门"), ("unit-2", "2 单元门"), ("garage", "车库门"))
    return Building(name, label, tuple(Door(f"{name}-{door}", text) for door, text in named))


BUILDINGS = (_three_doors("east", "东楼"), _three_doors("west", "西楼"))


def mixed_buildings(*, with_pcsc: bool) -> tuple[Building, ...]:
    """Six families of readers and two of lock boards, as a district that grew over the years has them."""
    second = Door("east-unit-2", "2 单元门", "pcsc" if with_pcsc else "id12")
    return (
        Building(
            "east", "东楼", (Door("east-unit-1", "1 单元门"), second, Door("east-garage", "车库门", "qr"))
        ),
        Building(
            "west",
            "西楼",
            (
                Door("west-unit-1", "1 单元门", "osdp"),
                Door("west-unit-2", "2 单元门", "wiegand", scene="key_bits = 4", asks_pin=True),
                Door("west-garage", "车库门", "rdm6300"),
            ),
            board_kind="modbus",
            contacts=True,
        ),
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """What kind of estate to build."""

    buildings: tuple[Building, ...] = BUILDINGS
    people: int = 200
    seed: int = 1
    profile: str = "real"
    swipes_per_minute: float = 0.0
    unknown_share: float = 0.0
    pulse_s: float = 3.0
    command_gap_s: float = 0.12
    reader_extra: str = ""  # more settings for every reader
    admits: tuple[str, ...] = ("listed",)
    listed_only: tuple[str, ...] = ()  # doors that admit nobody else, whatever `admits` says
    keep_acknowledged_days: int = 7
    centre_port: int = 0
    embedded_broker: bool = False
    demo_accounts: bool = False  # one for each role, shown on the sign-in page
    keys: bool = False  # gateways take lists, settings and commands of the centre, which knows each of them
    broker_extra: str = ""
    state_every_s: float = 10.0
    gateway_program: tuple[str, ...] = ()  # instead of liuhen-gateway: the campaigns' saboteurs
    centre_program: tuple[str, ...] = ()
    used_by: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By door: references of who comes to it; one that is not named is everybody's."""
