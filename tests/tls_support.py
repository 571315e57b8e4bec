"""A site's authority and the certificates it makes, for tests of safe lines. Keys are made anew each time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)


class Authority:
    """`ca` is what both ends trust."""

    def __init__(self, folder: Path, name: str = "site-ca") -> None:
        self._folder = folder
        self._key = generate_private_key(SECP256R1())
        self._name = _called(name)
        builder = _about(self._name, self._name, self._key, days=(-1, 30))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.ca = folder / f"{name}.pem"
        self.ca.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def make(
        self, name: str, *, days: tuple[int, int] = (-1, 30), file: str | None = None
    ) -> tuple[Path, Path]:
        """Certificate and key; valid from and until so many days from now. Good for 127.0.0.1."""
        key = generate_private_key(SECP256R1())
        local = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        builder = _about(_called(name), self._name, key, days).add_extension(local, critical=False)
        certificate = self._folder / f"{file or name}.pem"
        certificate.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))
        private = certificate.with_suffix(".key")
        private.touch(mode=0o600)
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return certificate, private

    def settings(self, name: str) -> dict[str, Path]:
        """What `[mqtt]` names for a new certificate."""
        certificate, key = self.make(name)
        return {"ca_file": self.ca, "certificate_file": certificate, "key_file": key}


def _called(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _about(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, days: tuple[int, int]
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + days[0] * _DAY)
        .not_valid_after(now + days[1] * _DAY)
    )
