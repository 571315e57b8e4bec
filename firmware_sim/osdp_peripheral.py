"""An OSDP reader as bytes in, bytes out (readers.md 6). Knows no port, thread, clock or file.

Sequence, repeats and the secure channel are here; what the reader does is in `osdp_body`.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from firmware_sim.cards import Card
from firmware_sim.device import Frame, Notice
from firmware_sim.faults import FaultSet
from firmware_sim.osdp_body import BadRecord, Bits, Body, Event, Identity, uid_bits
from firmware_sim.osdp_channel import SecureChannel
from firmware_sim.osdp_crypto import DEFAULT_KEY, KEY_SIZE, RANDOM_SIZE
from firmware_sim.osdp_packet import BROADCAST, Command, Framer, Nak, Packet, Reply, Scs

FACTORY_RATE = 9600
RATES = (9600, 19200, 38400, 57600, 115200, 230400)
OFFLINE_S = 8.0  # without a valid exchange the channel is gone
RECEIVE_BUFFER = 1024
PACKET_GAP_S = 0.1  # 20 ms on a real line; a busy machine may read a packet in two portions

_USUAL_S = 0.003  # a reply's usual delay
_MAX_REPLAY = 256  # replies of a session that are kept
_MARK = b"\xff"
_OWN_KEY = 1
_PLAIN = frozenset({Command.POLL, Command.ID, Command.CAP, Command.CHLNG, Command.SCRYPT})
_KEY_CODES = {"*": 0x7F, "#": 0x0D}
_COMSET_SIZE = 5
_KEYSET_HEAD = bytes((0x01, KEY_SIZE))
_MAX_ADDRESS = 0x7E


@dataclass(slots=True)
class _Answer:
    """One reply as it went out, for repeats."""

    data: bytes = field(repr=False)
    card: str | None = None


class OsdpPeripheral:
    """One reader on a line. `random_bytes(n)` gives its share of each handshake.

    `key` None: it was never given one, and takes SCBK-D and a KEYSET. `secure`: it says nothing in plain text
    but who it is.
    """

    def __init__(
        self,
        faults: FaultSet,
        *,
        address: int,
        random_bytes: Callable[[int], bytes],
        key: bytes | None = None,
        secure: bool = True,
        rate: int = FACTORY_RATE,
        identity: Identity | None = None,
        client_id: bytes | None = None,
        card_bits: Callable[[Card], Bits] = uid_bits,
        outputs: int = 2,
        inputs: int = 2,
        keys_together: bool = False,
        answer_s: float = 0.0,
        boot_s: float = 0.0,
        mark: bool = False,
    ) -> None:
        if not 0 <= address <= _MAX_ADDRESS:
            raise ValueError(f"an OSDP address is 0 to {_MAX_ADDRESS}, not {address}")
        if key is not None and len(key) != KEY_SIZE:
            raise ValueError(f"a key has {KEY_SIZE} bytes, not {len(key)}")
        if rate not in RATES:
            raise ValueError(f"an OSDP rate is one of {', '.join(map(str, RATES))}, not {rate}")
        self._faults = faults
        self._random_bytes = random_bytes
        self._address = address
        self._rate = rate
        self._key = key
        self._secure = secure
        self._identity = identity or Identity()
        self._client_id = client_id or self._identity.client_id()
        self._card_bits = card_bits
        self._keys_together = keys_together
        self._answer_s = answer_s
        self._boot_s = boot_s
        self._mark = _MARK if mark else b""
        self.body = Body(outputs=outputs, inputs=inputs)
        self._card: Card | None = None
        self._framer = Framer()
        self._last_byte_s = 0.0
        self._ready_s = 0.0
        self._frames: deque[Frame] = deque()
        self._channel = SecureChannel()
        self._valid_s = 0.0
        self._sequence: int | None = None
        self._asked = b""  # the last command and its reply, bit for bit
        self._answered: _Answer | None = None
        self._session: list[_Answer] = []  # replies from CCRYPT on
        self._old_session: list[_Answer] = []
        self._replaying: deque[_Answer] | None = None

    # Device

    @property
    def rate(self) -> int:
        return self._rate

    @property
    def address(self) -> int:
        return self._address

    @property
    def channel_up(self) -> bool:
        """Whether a secure channel is open."""
        return self._channel.up

    @property
    def relays(self) -> tuple[bool, ...]:
        """Position of each output, output 0 first."""
        return tuple(output.on for output in self.body.outputs)

    def describe(self, now: float) -> dict[str, Any]:  # noqa: ARG002 - the same at all times
        """What `status` says of it."""
        return {"ignored_bytes": self.ignored, "osdp_address": self._address, "secure": self._channel.up}

    @property
    def has_own_key(self) -> bool:
        return self._key is not None

    @property
    def ignored(self) -> int:
        """Bytes that belonged to no packet."""
        return self._framer.dropped

    def feed(self, data: bytes, now: float) -> None:
        """Take bytes in any portions; after a silence an unfinished packet is forgotten."""
        if now < self._ready_s:
            return
        if self._framer.waiting and now - self._last_byte_s > PACKET_GAP_S:
            self._framer.reset()
        self._last_byte_s = now
        self.body.tick(now)
        for raw, packet in self._framer.feed(data):
            if not packet.reply and packet.address in (self._address, BROADCAST):
                self._hear(raw, packet, now)

    def take(self, now: float) -> list[Frame]:
        self.body.tick(now)
        due: list[Frame] = []
        while self._frames and self._frames[0].due_s <= now:
            due.append(self._frames.popleft())
        return due

    def next_due(self) -> float | None:
        moments = [frame.due_s for frame in self._frames]
        if (tick := self.body.next_tick()) is not None:
            moments.append(tick)
        return min(moments, default=None)

    def notices(self) -> list[Notice]:
        return self.body.notices()

    def power_cycle(self, now: float) -> None:
        """Sequence, channel, lights and waiting events are gone; key, address and rate stay."""
        self._ready_s = now + self._boot_s
        self._framer.reset()
        self._frames.clear()
        self._forget_session()
        self.body.power_off()

    # People

    @property
    def card(self) -> Card | None:
        return self._card

    def present(self, card: Card, now: float) -> None:  # noqa: ARG002 - told at the next POLL
        """Lay a card down; it is told once, if the reader can read such cards."""
        self._card = card
        self.body.note(Notice("presented", card=card.ref))
        bits, data = self._card_bits(card)
        if bits:
            self.show_bits(bits, data, card=card.ref)

    def show_bits(self, bits: int, data: bytes, *, card: str | None = None) -> None:
        """A card of so many bits, the first one in bit 7 of the first byte."""
        header = bytes((0, 1)) + bits.to_bytes(2, "little")
        self.body.tell(Event(Reply.RAW, header + data, card))

    def remove(self, now: float) -> None:  # noqa: ARG002 - the reader tells nobody
        if self._card is not None:
            self.body.note(Notice("removed", card=self._card.ref))
            self._card = None

    def press(self, keys: str, now: float) -> None:  # noqa: ARG002 - told at the next POLLs
        """Type keys of 0 to 9, * and #; ValueError: another key."""
        if not set(keys) <= set("0123456789*#"):
            raise ValueError("a reader has the keys 0 to 9, * and #")
        codes = [_KEY_CODES.get(key, ord(key)) for key in keys]
        groups = [codes] if self._keys_together else [[code] for code in codes]
        for group in groups:
            self.body.tell(Event(Reply.KEYPAD, bytes((0, len(group), *group))))
        self.body.note(Notice("keys", detail=f"{len(keys)} keys"))

    def set_input(self, number: int, state: str, now: float) -> None:  # noqa: ARG002 - told at the next POLL
        self.body.set_input(number, state)

    def leave_at(self, rate: int) -> None:
        """Set the rate as another program would have."""
        self._rate = rate

    # Packets

    def _hear(self, raw: bytes, packet: Packet, now: float) -> None:
        if now - self._valid_s > OFFLINE_S:
            self._forget_session()
        if len(raw) > RECEIVE_BUFFER:
            self._send(self._nak(packet, Nak.LENGTH), now)
            return
        if packet.sequence == 0:
            self._forget_session()
            self.body.forget_events()
        elif raw == self._asked and self._answered is not None:
            self._valid_s = now
            self._send(self._answered, now)
            return
        elif self._sequence is None or packet.sequence != self._sequence % 3 + 1:
            self._send(self._nak(packet, Nak.SEQUENCE), now)
            return
        if self._faults.use("stuck_busy") is not None:
            self._send(_Answer(self._reply(packet, Reply.BUSY, sequence=0).to_bytes()), now)
            return
        self._valid_s = now
        self._sequence = packet.sequence
        self._asked = raw
        sent_rate = self._rate
        answer = self._replayed(packet) or self._answer(packet, now)
        self._answered = answer
        self._keep(packet, answer)
        self._send(answer, now, rate=sent_rate)

    def _forget_session(self) -> None:
        self._sequence = None
        self._asked = b""
        self._answered = None
        self._channel.drop()
        self._replaying = None

    def _send(self, answer: _Answer, now: float, *, rate: int | None = None) -> None:
        frame = Frame(
            data=self._mark + answer.data,
            due_s=now + self._answer_s,
            asked_s=now,
            rate=rate or self._rate,
            usual_s=_USUAL_S,
            read_of=answer.card,
        )
        self._frames.append(frame)

    def _reply(self, packet: Packet, code: int, data: bytes = b"", *, sequence: int | None = None) -> Packet:
        return Packet(
            address=packet.address,  # a new one holds after the reply
            sequence=packet.sequence if sequence is None else sequence,
            code=code,
            data=data,
            reply=True,
            with_crc=packet.with_crc,
        )

    def _nak(self, packet: Packet, why: Nak) -> _Answer:
        return _Answer(self._reply(packet, Reply.NAK, bytes((why,))).to_bytes())

    # A session played back: what a thief in the line does with what he recorded

    def _keep(self, packet: Packet, answer: _Answer) -> None:
        if packet.code == Command.CHLNG:
            self._old_session = self._longest_session()
            self._session = [answer]
        elif self._session and self._replaying is None and len(self._session) < _MAX_REPLAY:
            self._session.append(answer)

    def _longest_session(self) -> list[_Answer]:
        return max(self._session, self._old_session, key=len)

    def _replayed(self, packet: Packet) -> _Answer | None:
        if packet.code == Command.CHLNG and self._faults.use("replays_session") is not None:
            self._replaying = deque(self._longest_session())
        return self._replaying.popleft() if self._replaying else None

    # Commands

    @property
    def _speaks_plain(self) -> bool:
        return not self._secure or self._faults.peek("plain_text") is not None

    def _answer(self, packet: Packet, now: float) -> _Answer:
        if packet.security is not None and self._faults.use("plain_text") is not None:
            return self._nak(packet, Nak.NO_SECURITY)
        if packet.carries_mac:
            return self._answer_secured(packet, now)
        if packet.code == Command.CHLNG:
            return self._challenged(packet)
        if packet.code == Command.SCRYPT:
            return self._confirmed(packet)
        if self._channel.up or not (self._speaks_plain or packet.code in _PLAIN):
            self._channel.drop()
            return self._nak(packet, Nak.SECURITY_NEEDED)
        code, data, card = self._do(packet.code, packet.data, now, secured=False)
        return _Answer(self._reply(packet, code, data).to_bytes(), card)

    def _answer_secured(self, packet: Packet, now: float) -> _Answer:
        clear = self._channel.open(packet)
        if clear is None:
            return self._nak(packet, Nak.SECURITY_NEEDED)
        code, data, card = self._do(packet.code, clear, now, secured=True)
        return _Answer(self._channel.seal(self._reply(packet, code, data)).to_bytes(), card)

    def _challenged(self, packet: Packet) -> _Answer:
        block = packet.security or b""
        if len(block) < 2 or block[0] != Scs.CHLNG or len(packet.data) != RANDOM_SIZE:  # noqa: PLR2004
            return self._nak(packet, Nak.NO_SECURITY)
        key = self._key_for(own=block[1] == _OWN_KEY)
        if key is None:
            self._channel.drop()
            return self._nak(packet, Nak.SECURITY_NEEDED)
        random_b = self._random_bytes(RANDOM_SIZE)
        cryptogram = self._channel.challenge(key, packet.data, random_b)
        reply = self._reply(packet, Reply.CCRYPT, self._client_id + random_b + cryptogram)
        return self._in_handshake(reply, Scs.CCRYPT, block[1])

    def _key_for(self, *, own: bool) -> bytes | None:
        if self._faults.peek("default_key") is not None:
            self._faults.use("default_key")
            return None if own else DEFAULT_KEY
        if not own:
            return DEFAULT_KEY if self._key is None else None
        if self._key is not None and self._faults.use("wrong_key") is not None:
            return bytes(byte ^ 0xFF for byte in self._key)
        return self._key

    def _confirmed(self, packet: Packet) -> _Answer:
        first_mac = self._channel.confirm(packet.data)
        if first_mac is None:
            return self._nak(packet, Nak.SECURITY_NEEDED)
        self.body.note(Notice("channel_up"))
        return self._in_handshake(self._reply(packet, Reply.RMAC_I, first_mac), Scs.RMAC_I, 1)

    def _in_handshake(self, reply: Packet, block: Scs, value: int) -> _Answer:
        return _Answer(replace(reply, security=bytes((block, value))).to_bytes())

    def _do(self, code: int, data: bytes, now: float, *, secured: bool) -> tuple[Reply, bytes, str | None]:
        """Reply code, its data, and the card it tells of."""
        if code == Command.POLL:
            event = self.body.next_event() if secured or self._speaks_plain else None
            return (Reply.ACK, b"", None) if event is None else (event.reply, event.data, event.card)
        try:
            return (*self._command(code, data, now, secured=secured), None)
        except BadRecord:
            return Reply.NAK, bytes((Nak.RECORD,)), None

    def _command(self, code: int, data: bytes, now: float, *, secured: bool) -> tuple[Reply, bytes]:
        match code:
            case Command.ID:
                return Reply.PDID, self._identity.pdid()
            case Command.CAP:
                secure = self._faults.peek("plain_text") is None
                return Reply.PDCAP, self.body.capabilities(buffer=RECEIVE_BUFFER, secure=secure)
            case Command.COMSET:
                return Reply.COM, self._set_line(data)
            case Command.KEYSET if not secured:
                return Reply.NAK, bytes((Nak.SECURITY_NEEDED,))
            case Command.KEYSET:
                self._set_key(data)
            case Command.ACURXSIZE | Command.KEEPACTIVE | Command.ABORT:
                return Reply.ACK, b""
            case _:
                unknown = Reply.NAK, bytes((Nak.UNKNOWN_COMMAND,))
                return self.body.do(code, data, now, follows=self._follows) or unknown
        return Reply.ACK, b""

    def _follows(self, channel: int) -> bool:
        """Whether this relay, from 1, does what it is told now."""
        stuck = self._faults.peek("does_not_follow")
        if stuck is None or stuck["channel"] not in (None, channel):
            return True
        self._faults.use("does_not_follow")
        return False

    def _set_line(self, data: bytes) -> bytes:
        """COMSET: the reply says what will hold, and leaves at the old rate."""
        if len(data) != _COMSET_SIZE:
            raise BadRecord
        address, rate = data[0], int.from_bytes(data[1:], "little")
        if address <= _MAX_ADDRESS:
            self._address = address
        if rate in RATES:
            self._rate = rate
        self.body.note(Notice("line_set", detail=f"address {self._address}, {self._rate} bit/s"))
        return bytes((self._address,)) + self._rate.to_bytes(4, "little")

    def _set_key(self, data: bytes) -> None:
        """KEYSET: for the next handshake; the open channel goes on with the old key."""
        if not data.startswith(_KEYSET_HEAD) or len(data) != len(_KEYSET_HEAD) + KEY_SIZE:
            raise BadRecord
        self._key = data[len(_KEYSET_HEAD) :]
        self.body.note(Notice("key_set"))
