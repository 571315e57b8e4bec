"""Somebody in the line between an OSDP panel and its reader, who records, replays, downgrades and injects.

`Saboteur` is pure: bytes of either side in, bytes to both out. `SabotagedLine` puts it between two ports.
He knows no key; everything that he does can be done with a screwdriver and readers.md 6 in hand.
"""

import os
import selectors
import termios
import threading
import tty
from collections import deque
from dataclasses import replace
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from firmware_sim.osdp_packet import Command, Framer, Nak, Packet, Reply
from firmware_sim.ports import PortLost, PtyPort

MAX_SESSION = 1024  # replies kept of one session

_READ_SIZE = 4096
_SECURITY_FUNCTION = 9  # of PDCAP
_HANDSHAKE = frozenset({Command.CHLNG, Command.SCRYPT})


class Mode(Enum):
    """What he does with what comes by."""

    RECORD = "record"  # passes everything on
    REPLAY = "replay"  # the reader is cut off; its old replies answer
    DOWNGRADE = "downgrade"  # the reader seems to know no security


class Onward(NamedTuple):
    """What goes on to each side."""

    to_reader: bytes = b""
    to_panel: bytes = b""


class Saboteur:
    """One line with one reader on it."""

    def __init__(self) -> None:
        self.mode = Mode.RECORD
        self.replayed = 0  # replies of an old session given out as new
        self._panel = Framer()
        self._reader = Framer()
        self._asked: Packet | None = None
        self._plain: dict[int, Packet] = {}  # code of a plain command -> the last reply to it
        self._session: list[Packet] = []  # replies from CCRYPT on
        self._best: list[Packet] = []  # of the longest session so far
        self._waiting: deque[Packet] = deque()  # what is still to be replayed
        self._last: tuple[bytes, bytes] = (b"", b"")  # last replayed: command and reply
        self._injected: deque[tuple[int, bytes]] = deque()

    @property
    def recorded(self) -> int:
        """Replies of the longest session that was seen, from the handshake on."""
        return len(self._longest())

    def inject(self, bits: int, data: bytes) -> None:
        """Answer the next POLL in the reader's place: a card in plain text."""
        self._injected.append((bits, data))

    def from_panel(self, data: bytes) -> Onward:
        """Commands on their way to the reader, in any portions."""
        to_reader, to_panel = b"", b""
        for raw, packet in self._panel.feed(data):
            answer = self._instead(raw, packet)
            if answer is None:
                self._asked = packet
                to_reader += raw
            else:
                to_panel += answer
        return Onward(to_reader, to_panel)

    def from_reader(self, data: bytes) -> Onward:
        """Replies on their way to the panel."""
        to_panel = b""
        for raw, packet in self._reader.feed(data):
            if self.mode is Mode.REPLAY:
                continue
            self._keep(packet)
            to_panel += self._without_security(packet) if self.mode is Mode.DOWNGRADE else raw
        return Onward(to_panel=to_panel)

    def _longest(self) -> list[Packet]:
        return max(self._best, self._session, key=len)

    def _keep(self, reply: Packet) -> None:
        if self._asked is None:
            return
        if self._asked.code == Command.CHLNG:
            self._best = self._longest()
            self._session = [reply]
        elif self._session and len(self._session) < MAX_SESSION:
            self._session.append(reply)
        if self._asked.security is None:
            self._plain[self._asked.code] = reply
        self._asked = None

    def _instead(self, raw: bytes, command: Packet) -> bytes | None:
        """What he says in the reader's place; None: the reader is asked."""
        if self._injected and command.code == Command.POLL:
            bits, data = self._injected.popleft()
            header = bytes((0, 1)) + bits.to_bytes(2, "little")
            return _reply(command, Reply.RAW, header + data)
        if self.mode is Mode.DOWNGRADE and command.code in _HANDSHAKE:
            return _reply(command, Reply.NAK, bytes((Nak.NO_SECURITY,)))
        return self._replay(raw, command) if self.mode is Mode.REPLAY else None

    def _replay(self, raw: bytes, command: Packet) -> bytes:
        """The recorded reply to this command; empty if there is none."""
        if raw == self._last[0]:
            return self._last[1]
        if command.code == Command.CHLNG:
            self._waiting = deque(self._longest())
        if command.security is None:
            known = self._plain.get(command.code)
            said = b"" if known is None else replace(known, sequence=command.sequence).to_bytes()
        elif self._waiting:
            reply = self._waiting.popleft()
            # Only the replies of the handshake carry no MAC over the sequence number.
            fitting = reply if reply.carries_mac else replace(reply, sequence=command.sequence)
            said = fitting.to_bytes()
            self.replayed += 1
        else:
            said = b""
        self._last = (raw, said)
        return said

    def _without_security(self, reply: Packet) -> bytes:
        if reply.code != Reply.PDCAP or reply.security is not None:
            return reply.to_bytes()
        triples = [reply.data[at : at + 3] for at in range(0, len(reply.data), 3)]
        kept = (bytes((each[0], 0, 0)) if each[0] == _SECURITY_FUNCTION else each for each in triples)
        return replace(reply, data=b"".join(kept)).to_bytes()


def _reply(command: Packet, code: Reply, data: bytes) -> bytes:
    packet = Packet(command.address, command.sequence, code, data, reply=True, with_crc=command.with_crc)
    return packet.to_bytes()


class SabotagedLine:
    """A saboteur between the reader's port at `behind` and a pseudo-terminal of his own named `link`.

    `with SabotagedLine(link, behind, rate=9600) as line:` starts his thread; the panel opens `line.address`.
    """

    def __init__(self, link: Path, behind: str, *, rate: int) -> None:
        self._port = PtyPort(link)
        self._behind = _open(behind, rate)
        self._saboteur = Saboteur()
        self._lock = threading.Lock()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="osdp-saboteur")

    @property
    def address(self) -> str:
        """What the panel opens."""
        return self._port.address

    @property
    def recorded(self) -> int:
        """Replies of the longest session that was seen."""
        with self._lock:
            return self._saboteur.recorded

    @property
    def replayed(self) -> int:
        """Replies of an old session given out as new."""
        with self._lock:
            return self._saboteur.replayed

    def set_mode(self, mode: Mode) -> None:
        """What he does from the next packet on."""
        with self._lock:
            self._saboteur.mode = mode

    def inject(self, bits: int, data: bytes) -> None:
        """Answer the next POLL with a card in plain text."""
        with self._lock:
            self._saboteur.inject(bits, data)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        self._port.close()
        os.close(self._behind)
        os.close(self._wake)

    def _run(self) -> None:
        panel = self._port.fds()[0]
        with selectors.DefaultSelector() as selector:
            for fd in (panel, self._behind, self._wake):
                selector.register(fd, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select()}
                if self._wake in ready:
                    return
                try:
                    self._pass_on(from_panel=panel in ready, from_reader=self._behind in ready)
                except (PortLost, OSError):
                    return  # the reader was unplugged: the line is dead, as a cut one

    def _pass_on(self, *, from_panel: bool, from_reader: bool) -> None:
        with self._lock:
            if from_panel:
                self._send(self._saboteur.from_panel(self._port.read(self._port.fds()[0])))
            if from_reader:
                self._send(self._saboteur.from_reader(os.read(self._behind, _READ_SIZE)))

    def _send(self, onward: Onward) -> None:
        if onward.to_reader:
            os.write(self._behind, onward.to_reader)
        if onward.to_panel:
            self._port.write(onward.to_panel)


def _open(path: str, rate: int) -> int:
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(fd)
    settings = termios.tcgetattr(fd)
    settings[4] = settings[5] = getattr(termios, f"B{rate}")
    termios.tcsetattr(fd, termios.TCSAFLUSH, settings)
    return fd
