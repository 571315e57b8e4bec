"""The process that outlives a gateway by a second and brings each lock to its safe state.

Run as a script by lock_guard.py, with nothing but the standard library. Standard input is one end of a pair
of sockets; what comes through it are messages of JSON, with the file descriptor of a port beside some:

    {"keep": 7, "orders": [[pause_s, "A00100A1"], [pause_s, ioctl number, "hex"], ...]}    and a descriptor
    {"drop": 7}      forget it, close the descriptor
    {"act": 7}       carry out its orders, then forget it

each answered by {"done": 7}. When the other end is closed, killed or not, all orders are carried out: each
port's in their order, with their pauses, several ports side by side. A port that another program has taken by
then is left alone: a gateway that was started again tells each relay anew before anything else, and must not
find its releases undone. Knows no protocol and no device.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import sys
import time
from typing import Any

WRITE_LIMIT_S = 0.25  # for one order: a port that takes nothing for so long is stuck
MESSAGE_LIMIT = 1 << 17
Orders = list[list[Any]]


def main() -> None:
    # The gateway's end is the only reason to end: a service manager stops all processes of a unit at once.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    kept: dict[int, tuple[int, Orders]] = {}
    with socket.socket(fileno=0) as gateway:
        with contextlib.suppress(ConnectionError):
            _serve(gateway, kept)
        carry_out(list(kept.values()))
    if kept:
        sys.stderr.write(f"lock guard: the gateway is gone; wrote the safe state at {len(kept)} ports\n")


def _serve(gateway: socket.socket, kept: dict[int, tuple[int, Orders]]) -> None:
    while True:
        descriptors = array.array("i")
        data, extra, _, _ = gateway.recvmsg(MESSAGE_LIMIT, socket.CMSG_LEN(descriptors.itemsize))
        for level, kind, content in extra:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
        if not data:
            return
        key = _obey(json.loads(data), list(descriptors), kept)
        gateway.send(json.dumps({"done": key}).encode())


def _obey(message: dict[str, Any], descriptors: list[int], kept: dict[int, tuple[int, Orders]]) -> int:
    key = next(int(message[word]) for word in ("keep", "drop", "act") if word in message)
    former = kept.pop(key, None)
    if former is not None:
        if "act" in message:
            carry_out([former])
        os.close(former[0])
    if "keep" in message:
        kept[key] = (descriptors[0], message["orders"])
    return key


def carry_out(kept: list[tuple[int, Orders]]) -> None:
    """Everything that is to be written, each port as fast as its pauses allow."""
    waiting = [
        (_due_s(orders, time.monotonic()), descriptor, orders) for descriptor, orders in kept if orders
    ]
    for _, descriptor, _ in waiting:
        _unlock(descriptor)
    while waiting:
        waiting.sort(key=lambda each: each[0])
        due_s, descriptor, (order, *rest) = waiting.pop(0)
        time.sleep(max(0.0, due_s - time.monotonic()))
        if _carry_out(descriptor, order) and rest:
            waiting.append((_due_s(rest, time.monotonic()), descriptor, rest))


def _due_s(orders: Orders, now: float) -> float:
    return now + float(orders[0][0])


def _carry_out(descriptor: int, order: list[Any]) -> bool:
    """Whether the port still takes orders; one that does not is left alone, there is nobody to tell."""
    if not _lock(descriptor):
        return False
    try:
        if len(order) == 3:  # noqa: PLR2004 - pause, number, argument
            fcntl.ioctl(descriptor, int(order[1]), bytes.fromhex(order[2]))
            return True
        return _write(descriptor, bytes.fromhex(order[1]))
    except OSError:
        return False
    finally:
        _unlock(descriptor)


def _lock(descriptor: int) -> bool:
    """Whether nobody else has taken the port. Ports that know no such lock are always ours."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _unlock(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _write(descriptor: int, data: bytes) -> bool:
    os.set_blocking(descriptor, False)
    deadline_s = time.monotonic() + WRITE_LIMIT_S
    while data and (left_s := deadline_s - time.monotonic()) > 0:
        if select.select([], [descriptor], [], left_s)[1]:
            with contextlib.suppress(BlockingIOError):
                data = data[os.write(descriptor, data) :]
    return not data


if __name__ == "__main__":
    main()
