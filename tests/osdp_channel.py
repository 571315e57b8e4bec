"""The device's side of OSDP's secure channel (readers.md 6.5), for a device that misbehaves at will."""

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

from drivers.osdp_codec import Packet


def aes(key: bytes, block: bytes) -> bytes:
    return Cipher(AES(key), ECB()).encryptor().update(block)  # noqa: S305 - single blocks, as the standard has it


def cbc(key: bytes, start: bytes, data: bytes) -> bytes:
    return Cipher(AES(key), CBC(start)).encryptor().update(data)


def padded(data: bytes, *, always: bool) -> bytes:
    if len(data) % 16 == 0 and not always:
        return data
    return data + b"\x80" + bytes(-(len(data) + 1) % 16)


class Channel:
    """Keys and MAC chain of one session."""

    def __init__(self, key: bytes, rnd_a: bytes, rnd_b: bytes) -> None:
        self.s_enc = aes(key, b"\x01\x82" + rnd_a[:6] + bytes(8))
        self.s_mac1 = aes(key, b"\x01\x01" + rnd_a[:6] + bytes(8))
        self.s_mac2 = aes(key, b"\x01\x02" + rnd_a[:6] + bytes(8))
        self.client = aes(self.s_enc, rnd_a + rnd_b)
        self.server = aes(self.s_enc, rnd_b + rnd_a)
        self.first_mac = aes(self.s_mac2, aes(self.s_mac1, self.server))
        self.mac = self.first_mac

    def hear(self, command: Packet) -> None:
        """Takes the chain on over a command."""
        self.mac = self._mac_of(command)

    def say(self, command: Packet, code: int, data: bytes) -> bytes:
        """A reply with data, encrypted and with its MAC."""
        secret = (
            cbc(self.s_enc, bytes(byte ^ 0xFF for byte in self.mac), padded(data, always=True))
            if data
            else b""
        )
        block = 0x18 if data else 0x16
        reply = Packet(
            command.address,
            code,
            secret,
            command.sequence,
            is_reply=True,
            block=block,
            mac=bytes(4),
            with_crc=command.with_crc,
        )
        self.mac = self._mac_of(reply)
        return Packet(
            reply.address,
            code,
            secret,
            reply.sequence,
            is_reply=True,
            block=block,
            mac=self.mac[:4],
            with_crc=reply.with_crc,
        ).to_bytes()

    def _mac_of(self, packet: Packet) -> bytes:
        check = 2 if packet.with_crc else 1
        message = padded(packet.to_bytes()[: -check - 4], always=False)
        chained = cbc(self.s_mac1, self.mac, message[:-16]) if len(message) > 16 else b""
        start = chained[-16:] or self.mac
        return cbc(self.s_mac2, start, message[-16:])
