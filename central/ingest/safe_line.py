"""paho's client with mutual TLS whose files are read anew for each connection (trust.md R-50)."""

from __future__ import annotations

import logging
import socket
import ssl

import paho.mqtt.client as mqtt

from messages.at_once import sends_at_once
from messages.tls import TlsFiles, TlsRefused, told, trusting_nobody

log = logging.getLogger(__name__)


class SafeClient(mqtt.Client):
    turned_away: str | None = None
    """What the broker said of our certificate: in TLS 1.3 that comes when our end is through already."""

    def speak_tls(self, files: TlsFiles | None) -> None:
        """Before the first connect; None: without TLS. While the files cannot be used the former ones hold,
        and where there are none nobody is trusted."""
        if files is None:
            return
        self.tls_set_context(trusting_nobody())

        def renew(*_: object) -> None:
            self.turned_away = None
            try:
                self._ssl_context = files.context()
            except TlsRefused as error:
                log.error("[mqtt] %s", error)

        self.on_pre_connect = renew

    def _create_socket_connection(self) -> socket.socket:
        return sends_at_once(super()._create_socket_connection())

    def _sock_recv(self, bufsize: int) -> bytes:
        try:
            return super()._sock_recv(bufsize)
        except ssl.SSLError as error:
            self.turned_away = told(error)
            raise


class NoLine:
    """Why there is no connection: said once for each reason, until there is one."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._said = ""

    def say(self, unsafe: str | None) -> None:
        """`unsafe`: what TLS failed on; None: nobody answered."""
        if unsafe is None:
            text = (
                f"no broker answers at {self._address}; gateways keep their records. Is it running, and are"
                " [mqtt] host and port right?"
            )
        else:
            text = (
                f"no safe line to {self._address}; gateways keep their records: {unsafe}. See [mqtt]'s files"
            )
        if text != self._said:
            self._said = text
            log.warning("ingest: %s", text)

    def over(self) -> None:
        self._said = ""
