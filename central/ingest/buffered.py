"""A paho client that reads its socket in large pieces and whose network thread does not end unheard.

paho asks the socket for one byte, then for another one or two, then for the rest of each packet. Every such
call hands the interpreter to the worker thread and waits to get it back: with single records that was most of
the time. paho's loop already knows sockets that hold bytes back (TLS, WebSocket): `pending` tells it so.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Any, Final

from paho.mqtt.enums import MQTTErrorCode

from central.ingest.safe_line import SafeClient

log = logging.getLogger(__name__)

_PIECE: Final = 65_536


class BufferedSocket:
    """A connected socket whose `recv` answers from memory while it can."""

    def __init__(self, inner: socket.socket) -> None:
        self._inner = inner
        self._buffer = memoryview(b"")

    def recv(self, size: int) -> bytes:
        if not self._buffer:
            self._buffer = memoryview(self._inner.recv(max(size, _PIECE)))
        piece, self._buffer = bytes(self._buffer[:size]), self._buffer[size:]
        return piece

    def pending(self) -> int:
        inner = getattr(self._inner, "pending", None)
        return len(self._buffer) + (inner() if inner else 0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class BufferedClient(SafeClient):
    on_end: Callable[[], None]
    """Called last of all by the network thread, whatever ended it; the socket is closed by then."""

    def loop_forever(self, *args: Any, **kwargs: Any) -> MQTTErrorCode:
        """The thread's outermost frame: a message over which it stumbles ends this connection only."""
        try:
            return super().loop_forever(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  its text may repeat what was in the packet
            log.error("ingest: the network thread fails on a message (%s)", type(error).__name__)
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        finally:
            self._sock_close()
            self.on_end()

    def _create_socket(self) -> Any:
        return BufferedSocket(super()._create_socket())  # type: ignore[arg-type]
