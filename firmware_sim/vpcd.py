"""The card's end of the virtual PC/SC driver of vsmartcard: a TCP client for each slot.

Frames both ways are a length of two bytes, most significant first, and the data. One byte from the driver is
a control: off, on, reset, send the ATR; anything longer is an APDU. Connecting inserts the card.
"""

import select
import socket
import threading
import time
from collections.abc import Callable
from enum import IntEnum
from typing import Protocol, TypeVar

from firmware_sim.device import Notice
from firmware_sim.errors import RequestError
from firmware_sim.vpcd_card import Answer, ContactlessCard, ContactlessReader

T = TypeVar("T")

HOST = "127.0.0.1"
RETRY_S = 0.02  # while no daemon listens
_LENGTH_SIZE = 2
_CHUNK = 4096
_STEP_S = 0.05  # how often a slow or silent card looks whether it was taken away


class Control(IntEnum):
    """What the driver says in one byte."""

    OFF = 0
    ON = 1
    RESET = 2
    ATR = 4


class Deframer:
    """Bytes in, whole frames out. Holds less than one frame: 65,537 bytes at most."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        self._buffer += data
        frames = []
        while len(self._buffer) >= _LENGTH_SIZE:
            end = _LENGTH_SIZE + int.from_bytes(self._buffer[:_LENGTH_SIZE], "big")
            if len(self._buffer) < end:
                break
            frames.append(bytes(self._buffer[_LENGTH_SIZE:end]))
            del self._buffer[:end]
        return frames


def enframe(data: bytes) -> bytes:
    """One frame of up to 65,535 bytes."""
    return len(data).to_bytes(_LENGTH_SIZE, "big") + data


class Recorder(Protocol):
    """Where a slot's events go; called on the slot's threads. `t_ns` is time.monotonic_ns()."""

    def notice(self, notice: Notice, t_ns: int) -> None:
        """Something happened in the reader."""

    def read_sent(self, card: str, t_before_ns: int, t_ns: int) -> None:
        """An answer with the card's number was written between the two stamps."""

    def exchanged(self) -> None:
        """An APDU was answered, or nobody waits for its answer any more."""


class Nudge(Protocol):
    """Tells the daemon to look at its slots now."""

    def __call__(self) -> None: ...


class VpcdSlot:
    """One slot of the virtual driver and the reader behind it. Its methods may be called from any thread.

    While a card lies there, the slot connects again whenever the daemon ended and came back.
    """

    def __init__(
        self,
        port: int,
        reader: ContactlessReader,
        *,
        recorder: Recorder | None = None,
        nudge: Nudge | None = None,
    ) -> None:
        self.port = port
        self.reader = reader
        self._recorder = recorder
        self._nudge = nudge
        self._lock = threading.Lock()  # of the reader
        self._laying = threading.Lock()  # one hand at a time
        self._gone = threading.Event()
        self._connection: socket.socket | None = None
        self._thread: threading.Thread | None = None

    @property
    def connected(self) -> bool:
        """Whether the driver holds the card, or will at its next look."""
        return self._connection is not None

    def insert(self, card: ContactlessCard) -> None:
        """Lay a card on the reader. RequestError: another lies there.

        A daemon that is not nudged looks every 400 ms: what lies there for less is missed.
        """
        with self._laying:
            self.change(self._refuse_a_second)
            self._end_the_last()  # before the next card lies there: it would take that for its own
            self.change(lambda: self.reader.present(card))
            self._report()
            self._gone = threading.Event()
            self._thread = threading.Thread(
                target=self._serve, args=(self._gone,), name=f"virtual-card-{self.port}", daemon=True
            )
            self._thread.start()

    def remove(self) -> bool:
        """Take the card away; False if none lay there. A read in progress fails."""
        with self._laying:
            lay_there = self.change(self._remove)
            self._end_the_last()
            self._report()
            if lay_there:
                self._tell_daemon()
            return lay_there

    def change(self, do: Callable[[], T]) -> T:
        """Run `do` while nobody else uses the reader or its faults, and give its result."""
        with self._lock:
            return do()

    def power_cycle(self) -> None:
        """The reader restarts, the card stays: the daemon sees it go and come back."""
        self.change(self.reader.power_cycle)
        self._hang_up()

    def close(self) -> None:
        """No card lies there afterwards, and no thread is left."""
        self.remove()

    def _refuse_a_second(self) -> None:
        if self.reader.card is not None:
            raise RequestError("a card lies on this reader; remove it first")

    def _remove(self) -> bool:
        lay_there = self.reader.card is not None
        self.reader.remove()
        return lay_there

    def _end_the_last(self) -> None:
        """The placement that is over; also one whose card was lifted while it was read."""
        self._gone.set()
        self._hang_up()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def _hang_up(self) -> None:
        connection = self._connection
        if connection is None:
            return
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other end was quicker

    def _serve(self, gone: threading.Event) -> None:
        """One placement: ends when the card has left."""
        while not gone.is_set() and self.reader.card is not None:
            try:
                with socket.create_connection((HOST, self.port), timeout=_STEP_S) as connection:
                    self._connection = connection
                    self._tell_daemon()
                    self._talk(connection, gone)
            except OSError:
                gone.wait(RETRY_S)  # the daemon is away, or went: it may come back
            finally:
                self._connection = None
        if not gone.is_set():  # lifted while it was read
            self._tell_daemon()

    def _talk(self, connection: socket.socket, gone: threading.Event) -> None:
        """Until the card or the daemon has left."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        deframer = Deframer()
        while not gone.is_set():
            # Anew for each read, as the kernel forgets it; without it an exchange costs 40 ms.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            try:
                data = connection.recv(_CHUNK)
            except TimeoutError:
                continue
            if not data:
                gone.wait(RETRY_S)
                return
            for frame in deframer.feed(data):
                if not self._handle(connection, frame, gone):
                    return

    def _handle(self, connection: socket.socket, frame: bytes, gone: threading.Event) -> bool:
        """Whether card and daemon are still there."""
        if len(frame) == 1:
            return frame[0] != Control.ATR or self._send_atr(connection)
        try:
            return self._exchange(connection, frame, gone)
        finally:
            if self._recorder is not None:
                self._recorder.exchanged()

    def _exchange(self, connection: socket.socket, apdu: bytes, gone: threading.Event) -> bool:
        with self._lock:
            card = self.reader.card
            answer = self.reader.transmit(apdu)
        if not _wait(answer, connection, gone):
            return False
        assert answer.data is not None
        before_ns = time.monotonic_ns()
        connection.sendall(enframe(answer.data))
        if answer.gives_identity and card is not None and self._recorder is not None:
            self._recorder.read_sent(card.ref, before_ns, time.monotonic_ns())
        self._report()
        return not answer.card_left

    def _send_atr(self, connection: socket.socket) -> bool:
        atr = self.change(self.reader.atr)
        if atr:
            connection.sendall(enframe(atr))
        return bool(atr)

    def _report(self) -> None:
        with self._lock:
            notices = self.reader.notices()
        if self._recorder is not None:
            t_ns = time.monotonic_ns()
            for notice in notices:
                self._recorder.notice(notice, t_ns)

    def _tell_daemon(self) -> None:
        if self._nudge is not None:
            self._nudge()


def _wait(answer: Answer, connection: socket.socket, gone: threading.Event) -> bool:
    """Let a slow reader's time pass, or a silent one's; False if card or daemon went meanwhile."""
    end_s = float("inf") if answer.data is None else time.monotonic() + answer.delay_s
    while not gone.is_set():
        left_s = end_s - time.monotonic()
        if left_s <= 0:
            return True
        if select.select([connection], [], [], min(left_s, _STEP_S))[0]:
            # The driver asks one thing at a time: what comes now is its end.
            return bool(connection.recv(1, socket.MSG_PEEK)) and left_s <= 0
    return False
