"""Many gateways in one thread as far as access lists go: each proves what comes, applies it whole or not at
all, and says which list it has. Bare MQTT 3.1.1 beneath; nothing is written to a disk.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bench import thin_mqtt
from bench.centre_alone import SITE
from messages.access_list import (
    CHUNK_START,
    Entry,
    ListDigest,
    ListManifest,
    decode_chunk,
    decode_manifest,
    encode_entry,
)
from messages.signing import Purpose, opened
from messages.topics import GatewayTopic, Leaf
from messages.wire import WIRE_VERSION, State, encode

_READ_BYTES = 262_144
_SUBACK = 0x90
_BOOT, _SESSION = "0123456789abcdef", "00000000000000aa"


class ListTaker:
    def __init__(self, name: str, keys: Mapping[str, Ed25519PublicKey]) -> None:
        self.name = name
        self.version = 0
        self.applied_s = 0.0  # when that list came into force
        self.entries: dict[str, Entry] = {}
        self._bodies: dict[str, bytes] = {}
        self._keys = keys
        self._manifest: ListManifest | None = None
        self._chunks: dict[str, bytes] = {}
        self._state = str(GatewayTopic(SITE, name, Leaf.STATE))
        self._in, self._mid = bytearray(), 0

    def connect(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        mine = thin_mqtt.subscribe(str(GatewayTopic(SITE, self.name, Leaf.LIST)))
        self.socket.sendall(thin_mqtt.connect(f"lists-{self.name}") + mine)

    def greet(self) -> None:
        """Once the broker sends it lists: that it is there, and has none."""
        while not any(kind == _SUBACK for kind, _ in thin_mqtt.packets(self._in)):
            self._in += self.socket.recv(_READ_BYTES)
        self._say_state()

    def receive(self) -> None:
        """Raises MessageError where what came is not the centre's, RuntimeError where it does not fit."""
        self._in += self.socket.recv(_READ_BYTES)
        for kind, body in thin_mqtt.packets(self._in):
            if kind & 0xF0 == thin_mqtt.PUBLISH:
                _, mid, payload = thin_mqtt.published(kind, body)
                if mid:
                    self.socket.sendall(thin_mqtt.confirm(mid))
                self._take(payload)

    def _take(self, payload: bytes) -> None:
        if payload.startswith(CHUNK_START):
            self._chunks[sha256(payload).hexdigest()] = payload
        else:
            body = opened(payload, self._keys, Purpose.LIST, SITE, self.name)
            self._manifest, self._chunks = decode_manifest(body), {}
        manifest = self._manifest
        if manifest is not None and set(manifest.chunks) <= set(self._chunks):
            self._apply(manifest)

    def _apply(self, manifest: ListManifest) -> None:
        self._manifest = None
        if manifest.version <= self.version:
            return
        if manifest.base not in (None, self.version):
            return  # a delta for somebody else: the centre sends the whole
        entries, bodies = ({}, {}) if manifest.base is None else (dict(self.entries), dict(self._bodies))
        for name in manifest.chunks:
            chunk = decode_chunk(self._chunks[name])
            for token in chunk.drop:
                entries.pop(token, None)
                bodies.pop(token, None)
            entries |= {entry.token: entry for entry in chunk.put}
            bodies |= {entry.token: encode_entry(entry) for entry in chunk.put}
        digest = ListDigest()
        digest.take(bodies[token] for token in sorted(bodies))
        if str(digest) != manifest.digest or len(entries) != manifest.entries:
            raise RuntimeError(f"{self.name}: list {manifest.version} is not what its manifest says")
        self.entries, self._bodies, self.version = entries, bodies, manifest.version
        self.applied_s = time.monotonic()
        self._say_state()

    def _say_state(self) -> None:
        self._mid = self._mid % 65_535 + 1
        state = State(WIRE_VERSION, online=True, boot=_BOOT, session=_SESSION, list_version=self.version)
        self.socket.sendall(thin_mqtt.publish(self._state, self._mid, encode(state), retain=True))


class ListTakers(AbstractContextManager["ListTakers"]):
    def __init__(self, takers: Sequence[ListTaker], port: int) -> None:
        self.takers = takers
        self._selector = selectors.DefaultSelector()
        for taker in takers:
            taker.connect(port)
        for taker in takers:
            taker.greet()
            self._selector.register(taker.socket, selectors.EVENT_READ, taker)

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        for taker in self.takers:
            taker.socket.close()

    def serve(self, seconds: float) -> None:
        """Takes what comes for so long."""
        for key, _ in self._selector.select(seconds):
            key.data.receive()
