"""The peripheral's side of OSDP's secure channel: handshake, then one sealed packet after another. Pure."""

from dataclasses import replace

from firmware_sim.osdp_crypto import SessionKeys
from firmware_sim.osdp_packet import MAC_SIZE, Packet, Scs


class SecureChannel:
    """Down until `confirm` has accepted the panel; a packet that does not fit the chain takes it down."""

    def __init__(self) -> None:
        self._keys: SessionKeys | None = None
        self._randoms = (b"", b"")
        self._mac = b""
        self.up = False

    def drop(self) -> None:
        """Forget the keys; only a new handshake helps."""
        self._keys = None
        self.up = False

    def challenge(self, base_key: bytes, random_a: bytes, random_b: bytes) -> bytes:
        """Begin a handshake; gives the client cryptogram."""
        self.up = False
        self._keys = SessionKeys.derive(base_key, random_a)
        self._randoms = (random_a, random_b)
        return self._keys.client_cryptogram(random_a, random_b)

    def confirm(self, cryptogram: bytes) -> bytes | None:
        """The panel's answer: RMAC_I, and the channel is up. None: it does not know the key."""
        keys = self._keys
        if keys is None or self.up or cryptogram != keys.server_cryptogram(*self._randoms):
            self.drop()
            return None
        self._mac = keys.first_mac(cryptogram)
        self.up = True
        return self._mac

    def open(self, packet: Packet) -> bytes | None:
        """The clear data of a secured command. None: the MAC or the padding is wrong, the channel is down."""
        keys = self._keys
        if keys is None or not self.up or packet.security is None:
            return None
        mac = keys.mac(packet.before_mac(), self._mac)
        encrypted = packet.security[0] == Scs.COMMAND_DATA
        clear = keys.decrypt(packet.data, self._mac) if encrypted else packet.data
        if mac[:MAC_SIZE] != packet.mac or clear is None or (not encrypted and packet.data):
            self.drop()
            return None
        self._mac = mac
        return clear

    def seal(self, reply: Packet) -> Packet:
        """A reply as it goes through the open channel."""
        keys = self._keys
        assert keys is not None, "only an open channel seals"
        if reply.data:
            reply = replace(
                reply,
                security=bytes((Scs.REPLY_DATA,)),
                data=keys.encrypt(reply.data, self._mac),
            )
        else:
            reply = replace(reply, security=bytes((Scs.REPLY,)))
        self._mac = keys.mac(reply.before_mac(), self._mac)
        return replace(reply, mac=self._mac[:MAC_SIZE])
