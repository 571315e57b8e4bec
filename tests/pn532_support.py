"""What the tests of the PN532's driver share: documented frames, and a chip that answers with them."""

import threading
from functools import cache

from drivers_support import vectors


@cache
def sent(name: str) -> bytes:
    """A documented command."""
    return next(bytes.fromhex(each["hex"]) for each in vectors("pn532")["command"] if each["name"] == name)


@cache
def said(name: str) -> bytes:
    """A documented answer, or frame without content, of the chip."""
    both = vectors("pn532")["answer"] + vectors("pn532")["signal"]
    return next(bytes.fromhex(each["hex"]) for each in both if each["name"] == name)


COMMANDS: dict[bytes, str] = {sent(each["name"]): each["name"] for each in vectors("pn532")["command"]}
WAKE_UP = bytes.fromhex(vectors("pn532")["wake_up"]["hex"])
ACK = said("ACK")
SILENT = b""

ID_CARD = {"REQB": "ATQB", "ATTRIB": "ATTRIB", "chip serial": "chip serial"}
OTHER_TYPE_B = {"REQB": "ATQB of another card"}


def type_a(answer: str = "type A, 4 bytes") -> dict[str, str]:
    return {"list type A": answer}


class ScriptedChip:
    """A PN532 as far as a driver's test needs it: asleep until woken, then each command has an answer."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.card: dict[str, str] = {}  # command -> the answer's name, where a card changes it
        self.overrides: dict[str, list[bytes]] = {}  # command -> all that comes of it, to be said first
        self.breaks = 0  # ACKs of the host
        self.asleep = True
        self.mute = False
        self._heard = bytearray()
        self._changed = threading.Condition()

    def lose_power(self) -> None:
        self.asleep = True
        self._heard.clear()

    def wait_asked(self, name: str, more: int = 1, deadline_s: float = 10.0) -> None:
        """Until the command has come so often from now on."""
        with self._changed:
            until = self.asked.count(name) + more
            assert self._changed.wait_for(lambda: self.asked.count(name) >= until, deadline_s), self.asked

    def __call__(self, data: bytes) -> bytes:
        self._heard += data
        if self.mute or (self.asleep and WAKE_UP[:2] not in self._heard):
            return SILENT
        self.asleep = False
        answers = bytearray()
        while (found := self._next_command()) is not None:
            answers += self._answer(found)
        return bytes(answers)

    def _next_command(self) -> str | None:
        """Takes the first whole command out of what was heard."""
        places = {self._heard.find(frame): frame for frame in [*COMMANDS, ACK]}
        at = min((place for place in places if place >= 0), default=None)
        if at is None:
            return None
        frame = places[at]
        del self._heard[: at + len(frame)]
        return COMMANDS.get(frame, "break")

    def _answer(self, name: str) -> bytes:
        if name == "break":
            self.breaks += 1
            return SILENT
        with self._changed:
            self.asked.append(name)
            self._changed.notify_all()
        if self.overrides.get(name):
            return self.overrides[name].pop(0)
        return ACK + said(self.card.get(name, _EMPTY[name]))


_EMPTY = {
    "normal mode": "normal mode",
    "firmware version": "firmware version",
    "retries": "RF configuration",
    "field off": "RF configuration",
    "field on": "RF configuration",
    "list type A": "no card",
    "registers for type B": "registers",
    "REQB": "card silent",
    "ATTRIB": "card silent",
    "chip serial": "card silent",
}
