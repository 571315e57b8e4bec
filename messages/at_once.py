"""Small messages leave at once (TCP_NODELAY): else a second one waits until the other end's system has
confirmed the first, which may take it 40 ms on Linux and up to 500 (RFC 9293 3.7.4, RFC 1122 4.2.3.2).
"""

from __future__ import annotations

import socket


def sends_at_once(connected: socket.socket) -> socket.socket:
    """The same socket."""
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected
