"""How both ends speak to a broker that wants certificates: mutual TLS 1.3 (trust.md R-50)."""

from __future__ import annotations

import ssl
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CUT_SHORT: Final = (
    "the broker ends the connection before it says a word; is our certificate over, or of an authority"
    " that it does not know?"
)

_DOUBTS: Final = {
    9: "it holds from a later day on; is our clock right?",
    10: "it is over; have it renewed, or is our clock wrong?",
    18: "its authority is not in ca_file",
    19: "its authority is not in ca_file",
    20: "its authority is not in ca_file",
    21: "its authority is not in ca_file",
    26: "it was made for something else than a broker; make one with --host",
    62: "it is for other names than [mqtt] host",
    64: "it is for other addresses than [mqtt] host",
}
"""By OpenSSL's X509_V_ERR_... (x509_vfy.h), which stay what they are."""

_ALERTS: Final = {
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "our certificate is over",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "our certificate is revoked",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "our certificate is for something else than this",
    "SSLV3_ALERT_BAD_CERTIFICATE": "our certificate does not hold",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "our certificate does not hold",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not know the authority of our certificate",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it wants a certificate",
}
"""What the other end says of our certificate before it goes (RFC 8446, 6.2), in OpenSSL's names."""


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
        context = trusting_nobody()
        try:
            context.load_verify_locations(self.ca)
        except (OSError, ssl.SSLError) as error:
            raise TlsRefused(f"ca_file {self.ca}: {_why(error)}; it has to hold CA certificates") from None
        self._refuse_public_key()
        try:
            context.load_cert_chain(self.certificate, self.key, _no_passphrase)
        except (OSError, ssl.SSLError) as error:
            raise TlsRefused(
                f"certificate_file {self.certificate} and key_file {self.key}: {_why(error)}; they have to"
                " belong together, in PEM, the key without a passphrase"
            ) from None
        return context

    def _refuse_public_key(self) -> None:
        """Whoever reads it can speak in our name (trust.md R-67)."""
        try:
            mode = stat.S_IMODE(self.key.stat().st_mode)
        except OSError as error:
            raise TlsRefused(f"key_file {self.key}: {_why(error)}") from None
        if mode & 0o077:
            raise TlsRefused(
                f"key_file {self.key}: can be read by others (mode {mode:o}); run: chmod 600 {self.key}"
            )


def trusting_nobody() -> ssl.SSLContext:
    """TLS 1.3 that checks name and certificate of the other end, and as yet knows no authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.sslsocket_class = _Socket
    return context


class _Socket(ssl.SSLSocket):
    """Closed where the handshake fails: the MQTT client forgets it then."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002  as it is above
        try:
            super().do_handshake(block)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError:
            self.close()
            raise


def files(ca: Path | None, certificate: Path | None, key: Path | None) -> TlsFiles | None:
    """None: no TLS. Raises ValueError where only some are named."""
    if ca is None and certificate is None and key is None:
        return None
    if ca is None or certificate is None or key is None:
        raise ValueError("ca_file, certificate_file and key_file belong together: name all three, or none")
    return TlsFiles(ca, certificate, key)


def told(error: BaseException | None) -> str | None:
    """What a handshake failed on, or what the other end said after it; None where it was something else."""
    if isinstance(error, ssl.SSLCertVerificationError):
        doubt = _DOUBTS.get(error.verify_code, error.verify_message)
        return f"the broker's certificate is not believed: {doubt}"
    if isinstance(error, ssl.SSLError) and error.reason in _ALERTS:
        return f"the broker turns us away: {_ALERTS[error.reason]}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS comes about: {error.reason or 'the broker speaks none'}"
    return None


def _no_passphrase() -> str:
    return ""


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "cannot be read"
    return getattr(error, "strerror", None) or "cannot be read"
