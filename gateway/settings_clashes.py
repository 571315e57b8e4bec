"""What single settings allow and the whole of them does not: names twice, absent parts, shared ports.

Each function says what is wrong, one line for each clash, and nothing when all is well.
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.settings import DevicePart, Settings


def twice(settings: Settings) -> list[str]:
    readers = [name for door in settings.doors for name in door.readers]
    names = {
        "readers": [part.name for part in settings.readers],
        "lock_boards": [part.name for part in settings.lock_boards],
        "doors": [part.name for part in settings.doors],
    }
    found = [f"{key}: two have the name {name!r}" for key, ns in names.items() for name in _repeated(ns)]
    found += [
        f"lock_boards: {name!r} is a reader's name already"
        for name in sorted({*names["readers"]} & {*names["lock_boards"]})
    ]
    return found + [f"doors: reader {name!r} belongs to two doors" for name in _repeated(readers)]


def _repeated(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def one_journal_twice(settings: Settings) -> list[str]:
    if settings.journal.second_path == settings.journal.path:
        return ["journal.second_path: is journal.path; name a file on another disk"]
    return []


def dangling(settings: Settings) -> list[str]:
    readers = {part.name for part in settings.readers}
    boards = {part.name for part in settings.lock_boards}
    found = []
    for number, door in enumerate(settings.doors):
        found += [
            f"doors[{number}].readers: there is no reader {name!r}; known: {', '.join(sorted(readers))}"
            for name in door.readers
            if name not in readers
        ]
        if door.lock.board not in boards:
            known = ", ".join(sorted(boards))
            found.append(f"doors[{number}].lock.board: there is no {door.lock.board!r}; known: {known}")
    for number, wired in enumerate(settings.inputs):
        if wired.board not in readers | boards:
            known = ", ".join(sorted(readers | boards))
            found.append(f"inputs[{number}].board: there is no {wired.board!r}; known: {known}")
        if wired.door not in {door.name for door in settings.doors}:
            found.append(f"inputs[{number}].door: there is no door {wired.door!r}")
    places = [f"{wired.board!r} channel {wired.channel}" for wired in settings.inputs]
    return found + [f"inputs: {place} stands there twice" for place in _repeated(places)]


def misfelt(settings: Settings) -> list[str]:
    """Doors with two contacts that would contradict each other, and exits that would look like force."""
    found = []
    seen: set[str] = set()
    for number, wired in enumerate(settings.inputs):
        if wired.function == "contact" and wired.door in seen:
            found.append(
                f"inputs[{number}].function: door {wired.door!r} has a contact already; wire several contacts"
                " of one door in series to one input"
            )
        seen |= {wired.door} if wired.function == "contact" else set()
    heard = {wired.door for wired in settings.inputs if wired.function == "rex"}
    locks = {door.lock for door in settings.doors if door.name in heard}
    return found + [
        f"doors[{number}].exit: no input with the function 'rex' is wired to this door, so that everybody who"
        ' leaves would be reported as forcing it; name its input under [[inputs]], or write "handle"'
        for number, door in enumerate(settings.doors)
        if door.exit == "button" and door.lock not in locks
    ]


def too_public(settings: Settings) -> list[str]:
    """A metrics page beyond the loopback has to be wanted: it tells when people come and go."""
    metrics = settings.metrics
    try:
        address = ipaddress.ip_address(metrics.host)
    except ValueError:
        return ["metrics.host: is not an IP address; write one in quotes, such as '127.0.0.1'"]
    if metrics.port is None or metrics.beyond_loopback or address.is_loopback:
        return []
    wrong = "metrics.host: other machines could read the page there, and nothing asks who they are;"
    return [f"{wrong} write '127.0.0.1', or beyond_loopback = true where the network is yours"]


def unwired(settings: Settings) -> list[str]:
    """Inputs that the board's own settings do not name: its driver would not look at them."""
    options = {part.name: part.options for part in (*settings.readers, *settings.lock_boards)}
    found = []
    for number, wired in enumerate(settings.inputs):
        known = sorted(each.channel for each in getattr(options[wired.board], "inputs", ()))
        if wired.channel not in known:
            have = f"its inputs are {', '.join(map(str, known))}" if known else "it has no inputs"
            found.append(f"inputs[{number}].channel: {wired.board!r} has no input {wired.channel}; {have}")
    return found


def beyond_the_board(settings: Settings) -> list[str]:
    """Boards whose driver says how many channels they have."""
    channels = {part.name: getattr(part.options, "channels", None) for part in settings.lock_boards}
    return [
        f"doors[{number}].lock.channel: {door.lock.board!r} has channels 1 to {limit}; write one"
        " of these, or mend the board's own setting"
        for number, door in enumerate(settings.doors)
        if (limit := channels[door.lock.board]) is not None and door.lock.channel > limit
    ]


def without_pins(settings: Settings) -> list[str]:
    """Doors that ask for a PIN whose readers would never bring one: nobody on the list would get in."""
    options = {part.name: part.options for part in settings.readers}
    return [
        f"doors[{number}].asks_pin: reader {name!r} takes no PIN after a card; if it has keys, write"
        ' pin = "after_card" in its table'
        for number, door in enumerate(settings.doors)
        if door.asks_pin
        for name in door.readers
        if getattr(options[name], "pin", "off") != "after_card"
    ]


def _differing(device: DevicePart, first: DevicePart) -> str | None:
    """What two devices of one line set apart, and cannot."""
    line = ("rate", "parity")
    apart = [key for key in line if getattr(device.options, key, None) != getattr(first.options, key, None)]
    return apart[0] if apart else None


def _real(port: str) -> str:
    """The device that a path leads to: by-id and by-path may name one and the same."""
    return os.path.realpath(port) if port.startswith("/") else port


def one_key_twice(settings: Settings) -> list[str]:
    """Each device that proves itself by a key has one of its own; drivers of one device share it."""
    owners: dict[Path, tuple[str, object]] = {}
    found = []
    for device in (*settings.readers, *settings.lock_boards):
        key_file = getattr(device.options, "key_file", None)
        if key_file is None:
            continue
        where = getattr(device.options, "on_line", device.options.place)
        first, place = owners.setdefault(key_file, (device.name, where))
        if place != where:
            found.append(f"{device.name}: key_file {key_file} is that of {first}; give each device its own")
    return found


def one_port_twice(settings: Settings) -> list[str]:
    """Devices of one bus share its port; all others have one each, and every device a place of its own."""
    ports: dict[str, DevicePart] = {}
    places: dict[str, str] = {}
    found = []
    for device in (*settings.readers, *settings.lock_boards):
        port, place = str(getattr(device.options, "port", "")), device.options.place
        first = ports.setdefault(_real(port), device)
        shared = device.options.bus is not None and device.options.bus == first.options.bus
        if port and first is not device and not shared:
            found.append(f"{device.name}: port {port} is that of {first.name}; give each its own")
        elif port and first is not device and (key := _differing(device, first)):
            found.append(f"{device.name}: {key} differs from that of {first.name} on one line; give both one")
        elif place in places:
            found.append(f"{device.name}: {place} is that of {places[place]}; give each its own")
        places.setdefault(place, device.name)
    return found
