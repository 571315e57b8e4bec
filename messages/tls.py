"""How both ends speak to a broker that wants certificates: mutual TLS 1.3 (trust.md R-50)."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path


class TlsRefused(ValueError):
    """The files cannot be used; the text names the one at fault and what to do. The operator must act."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: who signs brokers' certificates, our own certificate, and its key."""

    ca: Path
    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """Read anew for each connection, so that renewed ones are taken up. Raises TlsRefused."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        try:
            context.load_verify_locations(self.ca)
        except (OSError, ssl.SSLError) as error:
            raise TlsRefused(f"ca_file {self.ca}: {_why(error)}; it has to hold CA certificates") from None
        try:
            context.load_cert_chain(self.certificate, self.key, _no_passphrase)
        except (OSError, ssl.SSLError) as error:
            raise TlsRefused(
                f"certificate_file {self.certificate} and key_file {self.key}: {_why(error)}; they have to"
                " belong together, in PEM, the key without a passphrase"
            ) from None
        return context


def files(ca: Path | None, certificate: Path | None, key: Path | None) -> TlsFiles | None:
    """None: no TLS. Raises ValueError where only some are named."""
    if ca is None and certificate is None and key is None:
        return None
    if ca is None or certificate is None or key is None:
        raise ValueError("ca_file, certificate_file and key_file belong together: name all three, or none")
    return TlsFiles(ca, certificate, key)


def told(error: BaseException | None) -> str | None:
    """What a failed handshake was about, for whoever has to act; None where it was none."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the broker's certificate is not believed: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS comes about: {error.reason or 'the broker speaks none'}"
    return None


def _no_passphrase() -> str:
    return ""


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "cannot be read"
    return getattr(error, "strerror", None) or "cannot be read"
