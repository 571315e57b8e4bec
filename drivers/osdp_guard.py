"""What may pass between the OSDP library and the line, and why a device was given up. Pure.

The library checks cryptograms and MACs. This guard sees packets from outside and keeps what the library would
let through: plain text where a secure channel belongs, the default key outside an installation, packets that
answer nothing, and data too long for it. A line tapper can delay us; a card it invents never gets past here.
Source: readers.md 6.2, 6.5, 6.8.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from drivers.errors import ProtocolViolation
from drivers.osdp_codec import (
    BROADCAST,
    MAX_PACKET,
    Ability,
    Block,
    Command,
    Identity,
    Packet,
    Reply,
    capabilities_from,
    is_able_to_encrypt,
    nak_meaning,
)

MAX_REPORT = 64  # bytes of one encrypted reply; the library's own fields hold as many
_PLAIN_SIZES: dict[int, range] = {  # of data; more overruns the library's buffer, or is no such reply
    Reply.PDID: range(12, 13),
    Reply.PDCAP: range(3, 121),
    Reply.CCRYPT: range(32, 33),
    Reply.RMAC_I: range(16, 17),
    Reply.NAK: range(1, 9),
    Reply.BUSY: range(1),
}

_BEFORE_THE_CHANNEL = frozenset({Command.ID, Command.CAP, Command.CHLNG, Command.SCRYPT})
_ANSWERS = {
    Command.ID: (Reply.PDID, None),
    Command.CAP: (Reply.PDCAP, None),
    Command.CHLNG: (Reply.CCRYPT, Block.CLIENT),
    Command.SCRYPT: (Reply.RMAC_I, Block.FIRST_MAC),
}
_REPORTS = frozenset(
    {
        Reply.ACK,
        Reply.NAK,
        Reply.LSTATR,
        Reply.ISTATR,
        Reply.OSTATR,
        Reply.RSTATR,
        Reply.RAW,
        Reply.FMT,
        Reply.KEYPAD,
        Reply.MFGREP,
    }
)

PLAIN = "it answers in plain text, or someone else does"
DEFAULT_KEY = "it still has the default key: give it its own in an installation"
WRONG_KEY = "it does not prove our key: it has another one, or someone plays back a recording"
CANNOT = "it says that it cannot encrypt: only a reader with a secure channel is used"
FORGED = "a packet in its secure channel was forged or malformed"
FELL_BACK = "it could not be spoken to in a secure channel"


class Verdict(Enum):
    PASS = auto()
    IGNORE = auto()  # an echo, a late answer, somebody else's
    REFUSE = auto()  # somebody does what may not be; `Guard.insecure` says what


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a session ended. `unknown`: the command that the device refused."""

    cause: str
    insecure: bool = False
    is_soft: bool = False  # nobody's fault and over with a new session
    unknown: int | None = None


class Guard:
    """One device's door between library and line. `may_install`: the default key may carry a new key."""

    def __init__(self, address: int, *, may_install: bool = False) -> None:
        self._address = address
        self.may_install = may_install
        self.identity: Identity | None = None
        self.abilities: dict[int, Ability] = {}
        self._begin()

    def begin(self) -> None:
        """A new session: nothing of the last one counts. What the device can is asked again, too."""
        self.identity = None
        self.abilities = {}
        self._begin()

    def _begin(self) -> None:
        self.insecure: str | None = None  # what somebody did that may not be, in this session
        self.on_default_key = False
        self._sent: Packet | None = None
        self._heard: Packet | None = None

    def sends(self, packet: Packet) -> bool:
        """Whether the library's packet may go out."""
        self._sent, self._heard = packet, None
        if packet.is_reply or packet.address not in (self._address, BROADCAST):
            return False
        if packet.code in _BEFORE_THE_CHANNEL:
            if packet.code == Command.CHLNG:
                self.on_default_key = packet.uses_default_key
            return self.may_install or not packet.uses_default_key
        if packet.code == Command.KEYSET:
            return self.may_install and packet.is_encrypted
        return packet.is_secured and not self.on_default_key

    def hears(self, packet: Packet) -> Verdict:
        """Whether what is on the line is the answer to what was sent last."""
        sent = self._sent
        if sent is None or not packet.is_reply or packet.address != self._address:
            return Verdict.IGNORE
        if packet.with_crc != sent.with_crc:
            return Verdict.IGNORE
        plain_excuse = packet.code in (Reply.NAK, Reply.BUSY) and not packet.is_secured
        if packet.sequence != sent.sequence and not plain_excuse:
            return Verdict.IGNORE
        if not packet.is_secured and len(packet.data) not in _PLAIN_SIZES.get(packet.code, range(MAX_PACKET)):
            return Verdict.IGNORE
        verdict = Verdict.PASS if plain_excuse else self._judge(packet, sent)
        if verdict is Verdict.PASS:
            self._heard = packet
        return verdict

    def failure(self) -> Failure:
        """Why the library gave the device up, by the last exchange."""
        sent, heard = self._sent, self._heard
        if sent is None or heard is None:
            return Failure(self.insecure or FELL_BACK, insecure=True)
        is_nak = heard.code == Reply.NAK
        if sent.is_secured:
            return self._failed_inside(sent, heard)
        if self.abilities and not is_able_to_encrypt(self.abilities):
            return Failure(CANNOT, insecure=True)
        if sent.code in (Command.ID, Command.CAP):
            why = f" ({nak_meaning(heard.data)})" if is_nak else ""
            return Failure(f"it does not say what it is{why}")
        if is_nak and sent.code == Command.CHLNG:
            return Failure(f"it refuses a secure channel ({nak_meaning(heard.data)})", insecure=True)
        return Failure(self.insecure or WRONG_KEY, insecure=True)

    def _failed_inside(self, sent: Packet, heard: Packet) -> Failure:
        if heard.code == Reply.NAK and heard.is_secured:
            name = Command(sent.code).name if sent.code in Command.__members__.values() else "a command"
            return Failure(f"it does not know {name}", is_soft=True, unknown=sent.code)
        if heard.code == Reply.NAK:
            return Failure("it lost its secure channel", is_soft=True)
        return Failure(FORGED, insecure=True)

    def _judge(self, packet: Packet, sent: Packet) -> Verdict:
        if sent.is_secured:
            return self._judge_inside(packet)
        code, block = _ANSWERS[Command(sent.code)]
        if packet.code != code or packet.block != block:
            return self._refuse(PLAIN) if packet.code in _REPORTS else Verdict.IGNORE
        if packet.code == Reply.CCRYPT and packet.uses_default_key and not self.on_default_key:
            # in an installation the library finds that out itself and goes on to the default key
            return Verdict.PASS if self.may_install else self._refuse(DEFAULT_KEY)
        return self._note_what_it_is(packet)

    def _judge_inside(self, packet: Packet) -> Verdict:
        if not packet.is_secured:
            return self._refuse(PLAIN)
        if packet.block not in (Block.REPLY_PLAIN, Block.REPLY_SECRET):
            return self._refuse(FORGED)
        if packet.code not in _REPORTS or len(packet.data) > MAX_REPORT:
            return Verdict.IGNORE
        return Verdict.PASS

    def _note_what_it_is(self, packet: Packet) -> Verdict:
        try:
            if packet.code == Reply.PDID:
                self.identity = Identity.from_bytes(packet.data)
            elif packet.code == Reply.PDCAP:
                self.abilities = capabilities_from(packet.data)
        except ProtocolViolation:
            return Verdict.IGNORE
        return Verdict.PASS

    def _refuse(self, cause: str) -> Verdict:
        self.insecure = cause
        return Verdict.REFUSE
