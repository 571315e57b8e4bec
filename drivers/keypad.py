"""Digits typed at a reader, alone or after a card, until they are one presentation. Pure: time is given.

What is typed stays here and in the token made of it: it is in no text, no log and no `repr`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec.structs import replace
from pydantic import Field

from drivers.base import Assurance, CardRead, CredentialKind, Tokenise, pin_number
from drivers.settings import DeviceSettings

PinMode = Literal["off", "alone", "after_card"]
ENTER = "#"
CLEAR = "*"
_DIGITS = frozenset("0123456789")


class PinSettings(DeviceSettings):
    """What a reader with keys is told; the settings of each such reader begin with these."""

    pin: PinMode = "off"
    """What keys are: nothing, a credential of their own, or part of the card shown before them."""
    pin_max_digits: Annotated[int, Field(strict=True, ge=1, le=16)] = 8
    """A PIN is complete when it has so many digits, or with `#` before that."""
    pin_timeout_s: Annotated[float, Field(ge=1, le=60)] = 10.0
    """How long a person may hesitate between card and key, or between two keys."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One complete presentation: a card, digits, or a card with its digits."""

    card: CardRead | None
    digits: str | None = field(default=None, repr=False)

    def as_read(self, reader: str, tokenise: Tokenise, at_ns: int) -> CardRead:
        """What is emitted. `at_ns`, time.monotonic_ns(), is when the entry became complete."""
        if self.card is None:
            token = tokenise(CredentialKind.PIN, self.digits or "")
            return CardRead(reader, CredentialKind.PIN, token, Assurance.L0, at_ns)
        if self.digits is None:
            return self.card
        pin = tokenise(CredentialKind.PIN, pin_number(self.card.token, self.digits))
        return replace(self.card, pin=pin, at_ns=at_ns)


class PinPad:
    """Keys and cards of one reader in, complete entries out. `now` is time.monotonic() in seconds.

    after_card: a card is held until its PIN is complete; `#` without digits, the time-out and another card
    let it go alone. The same card once more begins its PIN anew. Digits without a card mean nothing.
    alone: a card goes at once, and digits begun before it are forgotten; so are those of the time-out.
    """

    def __init__(self, mode: PinMode, max_digits: int, timeout_s: float) -> None:
        self._mode = mode
        self._max_digits = max_digits
        self._timeout_s = timeout_s
        self._held: CardRead | None = None
        self._digits = ""
        self._until_s: float | None = None  # None: nothing has begun

    @property
    def holds_card(self) -> bool:
        """A card waits here for its PIN and has not been told yet."""
        return self._held is not None

    def wait_s(self, now: float) -> float | None:
        """In how many seconds `tick` has something to do; None if only a key or a card gives it something."""
        return None if self._until_s is None else max(0.0, self._until_s - now)

    def key(self, char: str, now: float) -> list[Entry]:
        """One key: "0" to "9", "#" or "*"; any other is ignored."""
        complete = self.tick(now)
        if self._mode == "off" or (self._mode == "after_card" and self._held is None):
            return complete
        if char == CLEAR:
            self._digits = ""
            self._until_s = now + self._timeout_s if self._held else None
        elif char == ENTER:
            complete += self._finish()
        elif char in _DIGITS:
            self._digits += char
            self._until_s = now + self._timeout_s
            if len(self._digits) >= self._max_digits:
                complete += self._finish()
        return complete

    def card(self, read: CardRead, now: float) -> list[Entry]:
        """One card, once per placement; what it returns is to be told in this order."""
        complete = self.tick(now)
        self._digits = ""
        if self._mode != "after_card":
            self._until_s = None
            return [*complete, Entry(read)]
        if self._held is not None and self._held.token != read.token:
            complete += self._finish()
        self._held = read
        self._until_s = now + self._timeout_s
        return complete

    def tick(self, now: float) -> list[Entry]:
        """To be called when `wait_s` is over: lets a card go without its PIN, forgets half a PIN."""
        if self._until_s is None or now < self._until_s:
            return []
        self._digits = ""
        return self._finish()

    def give_up(self) -> list[Entry]:
        """The reader was lost or stops: a held card is told alone, half a PIN is forgotten."""
        self._digits = ""
        return self._finish()

    def _finish(self) -> list[Entry]:
        card, digits = self._held, self._digits
        self._held, self._digits, self._until_s = None, "", None
        return [Entry(card, digits or None)] if card is not None or digits else []
