"""A PC/SC client for tests: one JSON list a line on stdin, one JSON value a line on stdout.

A process of its own, because libpcsclite reads the daemon's place from its environment once.

["list"]                      names of the readers
["await", READER, PRESENT]    waits until a card lies there (true) or not; gives the ATR in hex, null if none
["send", READER, HEX...]      connects, sends APDUs; gives the answers in hex, or the code of an error in hex
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from smartcard import scard

DEADLINE_S = 10.0
_SLICE_MS = 200


@contextmanager
def context() -> Iterator[Any]:
    """A context of a daemon that may be about to start, given back at the end: a daemon has 200 to give."""
    end_s = time.monotonic() + DEADLINE_S
    result, handle = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    while result != scard.SCARD_S_SUCCESS:
        if time.monotonic() > end_s:
            raise SystemExit(scard.SCardGetErrorMessage(result))
        time.sleep(0.01)
        result, handle = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    try:
        yield handle
    finally:
        scard.SCardReleaseContext(handle)


def list_readers() -> list[str]:
    with context() as handle:
        result, readers = scard.SCardListReaders(handle, [])
    return list(readers) if result == scard.SCARD_S_SUCCESS else []


def await_card(reader: str, present: bool) -> str | None:
    end_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < end_s:
        with context() as handle:
            atr = watch(handle, reader, present, end_s)
        if atr is not None:
            return atr or None
        time.sleep(0.01)
    raise SystemExit(f"never {'present' if present else 'empty'}: {reader}")


def watch(handle: Any, reader: str, present: bool, end_s: float) -> str | None:
    """The ATR in hex, empty if no card lies there as wanted; None if the daemon went or time is up."""
    known, result = scard.SCARD_STATE_UNAWARE, scard.SCARD_S_SUCCESS
    while result in (scard.SCARD_S_SUCCESS, scard.SCARD_E_TIMEOUT) and time.monotonic() < end_s:
        result, states = scard.SCardGetStatusChange(handle, _SLICE_MS, [(reader, known)])
        if result == scard.SCARD_S_SUCCESS:
            _, known, atr = states[0]
            if present == bool(known & scard.SCARD_STATE_PRESENT):
                return bytes(atr).hex() if present else ""
    return None


def send(reader: str, apdus: Sequence[str]) -> list[str] | str:
    with context() as handle:
        result, card, protocol = scard.SCardConnect(
            handle, reader, scard.SCARD_SHARE_SHARED, scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        )
        answers = []
        for apdu in apdus:
            if result == scard.SCARD_S_SUCCESS:
                result, answer = scard.SCardTransmit(card, protocol, list(bytes.fromhex(apdu)))
                answers.append(bytes(answer).hex())
        if result != scard.SCARD_S_SUCCESS:
            return f"{result & 0xFFFFFFFF:08X}"
        scard.SCardDisconnect(card, scard.SCARD_LEAVE_CARD)
        return answers


def obey(words: Sequence[Any]) -> Any:
    match words:
        case ["list"]:
            return list_readers()
        case ["await", str(reader), bool(present)]:
            return await_card(reader, present)
        case ["send", str(reader), *apdus]:
            return send(reader, apdus)
    raise SystemExit(f"no such command: {words}")


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(f"{json.dumps(obey(json.loads(line)))}\n")
        sys.stdout.flush()
