"""What devices and inputs say: facts to record, and signals for the doors. For the deciding thread alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from drivers.base import DeviceChanged, DeviceState, InputChanged, InputState
from gateway.doors import AccessPoint
from gateway.portal_table import Signal
from gateway.sensing import LINE_FAULTS, OWN_INPUTS, InputFunction, Sensor, sensed
from messages.model import Kind, Reason

Place = tuple[str, int]
"""Board or reader, and number of its input."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """One fact about one door, or about a board that serves none."""

    kind: Kind
    door: str | None
    reason: Reason | None = None
    reader: str | None = None


@dataclass(slots=True)
class Found:
    """Everything that one event means."""

    noticed: list[Noticed] = field(default_factory=list)
    signals: list[tuple[str, Signal]] = field(default_factory=list)


class Senses:
    def __init__(self, points: Mapping[str, AccessPoint], sensors: Mapping[Place, Sensor]) -> None:
        """`points` by reader; `sensors` by board or reader and number of its input."""
        self._points = points
        self._sensors = sensors
        self._inputs: dict[Place, InputState] = {}
        self._said: dict[Place, InputState] = {}  # last, while its line was whole

    def device_changed(self, event: DeviceChanged) -> Found:
        """One record for each door that the device serves: who asks about a door must find it there. A
        contact behind a board that does not answer says nothing."""
        is_reader = event.device in self._points
        kind, reason = (_READER_KINDS if is_reader else _LOCK_KINDS)[event.state]
        if event.insecure:
            reason = Reason.NOT_SECURE
        reader = event.device if is_reader else None
        found = Found([Noticed(kind, door, reason, reader) for door in self._doors_of(event.device)])
        if (signal := _LINES.get(event.state)) is not None:
            found.signals += [(door, signal) for door in self._contacts_of(event.device)]
        return found

    def input_changed(self, event: InputChanged) -> Found:
        """What the input says now, compared with what it said last: a device that returns tells it again."""
        place = event.device, event.input
        sensor = self.sensor(event)
        if sensor is None:
            return Found()
        news = sensed(sensor.function, self._inputs.get(place), event.state, self._said.get(place))
        self._inputs[place] = event.state
        if event.state not in LINE_FAULTS:
            self._said[place] = event.state
        found = Found(
            [
                Noticed(kind, door, reason, sensor.reader)
                for kind, reason in news.meanings
                for door in sensor.doors
            ]
        )
        if news.signal is not None:
            found.signals += [(door, news.signal) for door in sensor.doors]
        return found

    def sensor(self, event: InputChanged) -> Sensor | None:
        return self._sensors.get((event.device, event.input)) or self._own_sensor(event)

    def _doors_of(self, device: str) -> tuple[str, ...]:
        """The door of a reader, or all doors that a board releases or senses."""
        point = self._points.get(device)
        if point is not None:
            return (point.door,)
        released = [p.door for p in self._points.values() if p.lock_board == device]
        return _once([*released, *self._sensed_by(device, *InputFunction)])

    def _contacts_of(self, device: str) -> tuple[str, ...]:
        return _once(self._sensed_by(device, InputFunction.CONTACT))

    def _sensed_by(self, device: str, *functions: InputFunction) -> list[str]:
        return [
            door
            for (board, _), sensor in self._sensors.items()
            if board == device and sensor.function in functions
            for door in sensor.doors
        ]

    def _own_sensor(self, event: InputChanged) -> Sensor | None:
        function = OWN_INPUTS.get(event.input)
        if function is None:
            return None
        reader = event.device if event.device in self._points else None
        return Sensor(function, self._doors_of(event.device), reader)


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


_READER_KINDS: Mapping[DeviceState, tuple[Kind, Reason | None]] = {
    DeviceState.RECOVERING: (Kind.READER_RECOVERING, None),
    DeviceState.OK: (Kind.READER_RESTORED, Reason.ANSWERS_AGAIN),
    DeviceState.DEGRADED: (Kind.READER_DEGRADED, Reason.DEVICE_FAULT),
    DeviceState.LOST: (Kind.READER_LOST, Reason.NO_ANSWER),
}
_LOCK_KINDS: Mapping[DeviceState, tuple[Kind, Reason | None]] = {
    DeviceState.RECOVERING: (Kind.LOCK_RECOVERING, None),
    DeviceState.OK: (Kind.LOCK_RESTORED, None),  # boards take commands; most of them answer nothing
    DeviceState.DEGRADED: (Kind.LOCK_DEGRADED, Reason.DEVICE_FAULT),
    DeviceState.LOST: (Kind.LOCK_LOST, Reason.NO_ANSWER),
}
_LINES: Mapping[DeviceState, Signal] = {
    DeviceState.LOST: Signal.LINE_LOST,
    DeviceState.OK: Signal.LINE_BACK,
    DeviceState.DEGRADED: Signal.LINE_BACK,  # disturbed, and still tells its inputs
}
