"""Whether the certificate for the line to the broker is this gateway's own, and can be used (trust.md R-50).

Not asked at the start: a renewal that went wrong must not keep doors shut. `check` and the doctor ask.
"""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from gateway.errors import SettingsError
from gateway.settings import Settings
from messages.tls import TlsRefused

MAX_CERTIFICATE_BYTES = 1 << 20


def refuse_unfit(settings: Settings) -> None:
    """Raises SettingsError that names the file; nothing is to be refused where the line has no TLS."""
    files = settings.mqtt.tls
    if files is None:
        return
    try:
        files.context()
    except TlsRefused as error:
        raise SettingsError(f"mqtt.{error}") from None
    name = settings.gateway.name
    if _common_name(files.certificate) != name:
        raise SettingsError(
            f"mqtt.certificate_file {files.certificate}: its common name is not {name!r}, so the"
            " broker would take this gateway for another; have one made at the centre: liuhen-central"
            f" certificates make {name}"
        )


def read_certificates(path: Path) -> list[x509.Certificate]:
    """Of a PEM file, one at least. Raises OSError, and ValueError for anything else."""
    with path.open("rb") as file:
        return x509.load_pem_x509_certificates(file.read(MAX_CERTIFICATE_BYTES))


def _common_name(path: Path) -> object:
    """The first one of the first certificate, which is what the broker goes by; None: there is none."""
    try:
        subject = read_certificates(path)[0].subject
    except (OSError, ValueError):
        return None
    names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return names[0].value if names else None
