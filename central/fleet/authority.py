"""The site's own authority: who gateways, broker and centre are to each other in mutual TLS (trust.md R-50).

Files in one folder, no database: `authority.pem` is what every end trusts, `authority.key` signs and never
leaves this folder. Certificates hold 90 days (trust.md R-51), and each for one end of a line: what names a
gateway cannot stand for the broker, nor the other way round (RFC 5280, 4.2.1.12). Times are arguments, UTC.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from central.errors import SettingsError
from central.fleet.keys import refuse_public, write_new
from messages.model import NAME

AUTHORITY: Final = "authority"
"""The stem of its two files; nobody else may be called so."""

CERTIFICATE_LIFE: Final = timedelta(days=90)
AUTHORITY_LIFE: Final = timedelta(days=3_650)
BEGINS_EARLIER: Final = timedelta(days=1)
"""A gateway whose clock is late by less does not take a new certificate for one that is still to come."""

MAX_HOSTS: Final = 16
_MAX_BYTES: Final = 65_536
_HOST: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Made:
    """`key` is None where the key stayed with whoever asked."""

    certificate: Path
    key: Path | None
    until: datetime


def make_authority(folder: Path, now: datetime) -> Made:
    """Raises SettingsError where one exists: every end trusts it."""
    key = generate_private_key(SECP256R1())
    name = _called(f"Liuhen authority of {now:%Y-%m-%d}")
    until = now + AUTHORITY_LIFE
    builder = _begun(name, key.public_key(), now, until, issuer=name, signer=key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    return _kept(folder, AUTHORITY, certificate, key)


def make_certificate(
    folder: Path, name: str, now: datetime, *, hosts: Sequence[str] = (), request: bytes | None = None
) -> Made:
    """For the gateway or centre `name`, or with `hosts` (names, addresses) for the broker that answers there.

    `request`: a PKCS #10 request in PEM, whose key then never leaves its device (trust.md R-51); only the key
    is taken from it. Never later than the authority itself. Raises SettingsError; then nothing was made.
    """
    if not re.fullmatch(NAME, name) or name == AUTHORITY:
        raise SettingsError(
            "a certificate's name is that of its gateway: lower-case letters, digits and hyphens, 32 at most,"
            f" and not {AUTHORITY}"
        )
    alternatives = [_host(host) for host in hosts]
    if len(alternatives) > MAX_HOSTS:
        raise SettingsError(f"{len(alternatives)} hosts; a certificate takes at most {MAX_HOSTS}")
    issuer, signing = _load(folder)
    if now >= issuer.not_valid_after_utc:
        raise SettingsError(
            f"{folder / AUTHORITY}.pem: ended on {issuer.not_valid_after_utc:%Y-%m-%d}; make an authority in"
            " another folder, and let every end trust both until all certificates are from the new one"
        )
    key = generate_private_key(SECP256R1()) if request is None else None
    public = key.public_key() if key else _asked(request or b"")
    until = min(now + CERTIFICATE_LIFE, issuer.not_valid_after_utc)
    builder = _begun(_called(name), public, now, until, issuer=issuer.subject, signer=signing.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return _kept(folder, name, builder.sign(signing, hashes.SHA256()), key)


def _begun(
    subject: x509.Name,
    key: EllipticCurvePublicKey,
    now: datetime,
    until: datetime,
    *,
    issuer: x509.Name,
    signer: EllipticCurvePublicKey,
) -> x509.CertificateBuilder:
    """What every certificate has; strict readers want both key identifiers (RFC 5280, 4.2.1.1)."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BEGINS_EARLIER)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _called(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    with suppress(ValueError):  # then it is a name
        return x509.IPAddress(ipaddress.ip_address(host))
    if not _HOST.fullmatch(host):
        raise SettingsError(
            "--host: takes a name such as broker.example.net or an address, as it stands in [mqtt] host"
        )
    return x509.DNSName(host)


def _asked(request: bytes) -> EllipticCurvePublicKey:
    """Raises SettingsError where whoever asks does not hold the key that it names."""
    try:
        asked = x509.load_pem_x509_csr(request[:_MAX_BYTES])
        key, whole = asked.public_key(), asked.is_signature_valid
    except (ValueError, InvalidSignature, UnsupportedAlgorithm):
        raise SettingsError(
            "not a request for a certificate in PEM, as `openssl req -new` writes it"
        ) from None
    if not whole or not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise SettingsError(
            "the request is not signed with its own key, or that is not one on P-256; make it with: openssl"
            " req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256"
        )
    return key


def _load(folder: Path) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
    """Raises SettingsError that names the file and never its content."""
    path, key_path = folder / f"{AUTHORITY}.pem", folder / f"{AUTHORITY}.key"
    try:
        text, key_text = path.read_bytes(), key_path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"{error.filename}: cannot be read ({error.strerror}); make it with: liuhen-central certificates"
            " make-authority"
        ) from None
    refuse_public(key_path, str(key_path))
    try:
        certificate = x509.load_pem_x509_certificate(text)
        key = load_pem_private_key(key_text, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SettingsError(f"{path} and {key_path} are not an authority's certificate and key") from None
    if not isinstance(key, EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
        raise SettingsError(f"{path} and {key_path} do not belong together")
    return certificate, key


def _kept(
    folder: Path, name: str, certificate: x509.Certificate, key: EllipticCurvePrivateKey | None
) -> Made:
    path, key_path = folder / f"{name}.pem", folder / f"{name}.key"
    pieces = [(path, certificate.public_bytes(Encoding.PEM))]
    if key is not None:
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        pieces.insert(0, (key_path, secret))
    for there in (each for each, _ in pieces if each.exists()):
        raise SettingsError(f"{there}: exists already; nothing was changed. For a new one move it away first")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each, text in pieces:
            write_new(each, text)
    except OSError as error:
        raise SettingsError(f"{error.filename}: cannot be made ({error.strerror})") from None
    return Made(path, key_path if key else None, certificate.not_valid_after_utc)
