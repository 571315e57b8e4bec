"""Keys, cryptograms, MAC chain and encryption of OSDP's secure channel (readers.md 6.5). Pure."""

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

DEFAULT_KEY = bytes(range(0x30, 0x40))  # SCBK-D: everyone knows it
KEY_SIZE = 16
RANDOM_SIZE = 8

_BLOCK = 16
_PAD = b"\x80"
_ZERO = bytes(_BLOCK)


def _encrypt(key: bytes, start: bytes, data: bytes) -> bytes:
    encryptor = Cipher(AES(key), CBC(start)).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def _decrypt(key: bytes, start: bytes, data: bytes) -> bytes:
    decryptor = Cipher(AES(key), CBC(start)).decryptor()
    return decryptor.update(data) + decryptor.finalize()


def _one_block(key: bytes, block: bytes) -> bytes:
    return _encrypt(key, _ZERO, block)


def _padded(data: bytes, *, always: bool) -> bytes:
    """With 80 and zeros to a multiple of 16; if it is one already, only where `always` is asked."""
    if not always and len(data) % _BLOCK == 0:
        return data
    data += _PAD
    return data + bytes(-len(data) % _BLOCK)


def _inverted(block: bytes) -> bytes:
    return bytes(byte ^ 0xFF for byte in block)


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """What both sides derive from the base key (SCBK) and the panel's random number."""

    encryption: bytes = field(repr=False)  # S-ENC
    mac_1: bytes = field(repr=False)  # S-MAC1
    mac_2: bytes = field(repr=False)  # S-MAC2

    @classmethod
    def derive(cls, base_key: bytes, random_a: bytes) -> "SessionKeys":
        """The three keys of a session; `random_a` is RND.A of CHLNG."""

        def key(kind: int) -> bytes:
            return _one_block(base_key, bytes((0x01, kind)) + random_a[:6] + bytes(8))

        return cls(encryption=key(0x82), mac_1=key(0x01), mac_2=key(0x02))

    def client_cryptogram(self, random_a: bytes, random_b: bytes) -> bytes:
        """The peripheral's proof that it knows the key."""
        return _encrypt(self.encryption, _ZERO, random_a + random_b)

    def server_cryptogram(self, random_a: bytes, random_b: bytes) -> bytes:
        """The panel's proof that it knows the key."""
        return _encrypt(self.encryption, _ZERO, random_b + random_a)

    def first_mac(self, server_cryptogram: bytes) -> bytes:
        """RMAC_I, which starts the chain."""
        return _one_block(self.mac_2, _one_block(self.mac_1, server_cryptogram))

    def mac(self, message: bytes, start: bytes) -> bytes:
        """All 16 bytes of a packet's MAC; `start` is the full MAC of the packet before, of the other side."""
        padded = _padded(message, always=False)
        if len(padded) > _BLOCK:
            start = _encrypt(self.mac_1, start, padded[:-_BLOCK])[-_BLOCK:]
        return _encrypt(self.mac_2, start, padded[-_BLOCK:])

    def encrypt(self, data: bytes, mac: bytes) -> bytes:
        """Data of a packet; `mac` is what starts its MAC."""
        return _encrypt(self.encryption, _inverted(mac), _padded(data, always=True))

    def decrypt(self, data: bytes, mac: bytes) -> bytes | None:
        """The other way round; None if the length or the padding is none."""
        if not data or len(data) % _BLOCK:
            return None
        head, pad, zeros = _decrypt(self.encryption, _inverted(mac), data).rpartition(_PAD)
        return head if pad and not any(zeros) else None
