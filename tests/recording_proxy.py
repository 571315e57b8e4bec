"""Stands between a client and a server on the loopback, and keeps every byte that passes, either way."""

import socket
import threading
from types import TracebackType
from typing import Self


class RecordingProxy:
    def __init__(self, towards: int) -> None:
        """`towards`: the server's port."""
        self._towards = towards
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._heard = bytearray()
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    @property
    def heard(self) -> bytes:
        with self._lock:
            return bytes(self._heard)

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            _end(connection)
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._towards))
            except OSError:  # we are closed, or the server is away
                if self._listener.fileno() < 0:
                    return
                continue
            with self._lock:
                self._connections += [client, server]
            self._start(self._carry, client, server)
            self._start(self._carry, server, client)

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65_536):
                with self._lock:
                    self._heard += data
                target.sendall(data)
        except OSError:  # one side is gone: so is the other
            _end(target)
        _end(source)
        _end(target)

    def _start(self, work: object, *arguments: socket.socket) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()


def _end(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # it has ended already
        connection.close()
        return
    connection.close()
