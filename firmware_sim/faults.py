"""What is switched on for one device, out of the faults there are. Knows no bytes, no port, no clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from firmware_sim.errors import RequestError
from firmware_sim.fault_table import CATALOGUE, MAX_COUNT, Value


@dataclass(slots=True)
class _Active:
    parameters: Mapping[str, Value | None]
    left: int | None  # uses left, None: until cleared
    used: int = 0


class FaultSet:
    """What is wrong with one device now. Belongs to the thread that owns the device."""

    def __init__(self, device_kind: str) -> None:
        self._kind = device_kind
        self._active: dict[str, _Active] = {}
        self._spent: list[str] = []

    def switch_on(self, name: str, parameters: Mapping[str, object], *, count: int | None = None) -> None:
        """From now on, for `count` uses or until cleared. RequestError: unknown, unfit, bad parameter."""
        checked = check_fault(self._kind, name, parameters)
        if count is not None and not 1 <= count <= MAX_COUNT:
            raise RequestError(f"fault {name}: count is 1 to {MAX_COUNT}")
        self._active[name] = _Active(checked, count)

    def use(self, name: str) -> Mapping[str, Any] | None:
        """Parameters if the fault is on, and one use counted; None if it is off."""
        active = self._active.get(name)
        if active is None:
            return None
        active.used += 1
        if active.left is not None:
            active.left -= 1
            if active.left == 0:
                del self._active[name]
                self._spent.append(name)
        return active.parameters

    def peek(self, name: str) -> Mapping[str, Any] | None:
        """As `use`, without counting."""
        active = self._active.get(name)
        return None if active is None else active.parameters

    def used(self, name: str) -> int:
        """How often an active fault was used."""
        active = self._active.get(name)
        return 0 if active is None else active.used

    def clear(self, name: str | None = None) -> tuple[str, ...]:
        """Switch one or all off; gives the names that were on."""
        names = tuple(self._active) if name is None else tuple(n for n in (name,) if n in self._active)
        for each in names:
            del self._active[each]
        return names

    def spent(self) -> tuple[str, ...]:
        """Names whose count ran out since the last call."""
        if not self._spent:
            return ()
        spent, self._spent = tuple(self._spent), []
        return spent

    def __bool__(self) -> bool:
        return bool(self._active)

    def describe(self) -> dict[str, dict[str, Any]]:
        """Active faults with their parameters and what is left of their count."""
        return {
            name: {key: value for key, value in active.parameters.items() if value is not None}
            | ({} if active.left is None else {"count": active.left})
            for name, active in self._active.items()
        }


def check_fault(device_kind: str, name: str, parameters: Mapping[str, object]) -> Mapping[str, Value | None]:
    """All parameters of the fault, defaults filled in. RequestError names what does not fit."""
    fault = CATALOGUE.get(name)
    if fault is None:
        raise RequestError(f"no fault {name!r}; there are {', '.join(sorted(CATALOGUE))}")
    if device_kind not in fault.devices:
        raise RequestError(f"fault {name} is not for a {device_kind}")
    for key in parameters:
        if key not in fault.parameters:
            known = ", ".join(fault.parameters) or "none"
            raise RequestError(f"fault {name} has no parameter {key!r}; it has: {known}")
    checked: dict[str, Value | None] = {}
    for key, parameter in fault.parameters.items():
        given = parameters.get(key)
        checked[key] = parameter.default if given is None else parameter.check(name, key, given)
    return checked
