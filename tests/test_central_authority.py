"""The site's authority: what it makes is for one name and one end of a line, ends, and replaces nothing."""

import os
import re
import ssl
import subprocess
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError
from program_support import called

from central.cli import main
from central.errors import SettingsError
from central.fleet.authority import make_authority, make_certificate

NOW = datetime(2026, 11, 26, 8, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_authority(tmp_path / "certificates", NOW)
    return tmp_path / "certificates"


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def policy(folder: Path, at: datetime = NOW) -> PolicyBuilder:
    """Of a reader other than ours and OpenSSL."""
    return PolicyBuilder().store(Store([certificate(folder / "authority.pem")])).time(at.replace(tzinfo=None))


def common_name(path: Path) -> str:
    return certificate(path).subject.rfc4514_string()


def handshake(client: ssl.SSLContext, server: ssl.SSLContext, host: str = "127.0.0.1") -> ssl.SSLObject:
    """In memory; returns the server's end. Raises ssl.SSLError as the end that refuses does."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=host)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    undone = {near, far}
    while undone:
        for end in (near, far):
            with suppress(ssl.SSLWantReadError):  # the other end is next
                end.do_handshake()
                undone.discard(end)
    return far


def context(protocol: int, folder: Path, name: str) -> ssl.SSLContext:
    made = ssl.SSLContext(protocol)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.verify_mode = ssl.CERT_REQUIRED
    made.verify_flags |= ssl.VERIFY_X509_STRICT
    made.load_verify_locations(folder / "authority.pem")
    made.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return made


def at_both_ends(folder: Path, client: str, server: str) -> ssl.SSLObject:
    near = context(ssl.PROTOCOL_TLS_CLIENT, folder, client)
    return handshake(near, context(ssl.PROTOCOL_TLS_SERVER, folder, server))


def test_what_it_makes_carries_tls_1_3_between_a_gateway_and_a_broker(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    make_authority(tmp_path, now)
    make_certificate(tmp_path, "east-1", now)
    make_certificate(tmp_path, "broker", now, hosts=["127.0.0.1"])
    far = at_both_ends(tmp_path, "east-1", "broker")
    assert far.version() == "TLSv1.3"
    assert (far.getpeercert() or {})["subject"] == ((("commonName", "east-1"),),)


def test_no_gateway_can_stand_for_the_broker_and_no_broker_for_a_gateway(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    make_authority(tmp_path, now)
    make_certificate(tmp_path, "east-1", now)
    make_certificate(tmp_path, "broker", now, hosts=["127.0.0.1"])
    with pytest.raises(ssl.SSLCertVerificationError, match="unsuitable certificate purpose"):
        at_both_ends(tmp_path, "east-1", "east-1")
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        at_both_ends(tmp_path, "broker", "broker")


def test_a_broker_answers_for_its_own_hosts_alone(folder: Path) -> None:
    made = make_certificate(folder, "broker", NOW, hosts=["broker.example.net", "192.0.2.7", "2001:db8::7"])
    broker = certificate(made.certificate)
    for host in (x509.DNSName("broker.example.net"), x509.IPAddress(ip_address("2001:db8::7"))):
        policy(folder).build_server_verifier(host).verify(broker, [])
    with pytest.raises(VerificationError):
        policy(folder).build_server_verifier(x509.DNSName("other.example.net")).verify(broker, [])


def test_a_certificate_holds_for_ninety_days_and_for_a_clock_that_is_a_little_late(folder: Path) -> None:
    made = make_certificate(folder, "broker", NOW, hosts=["broker.example.net"])
    assert made.until == NOW + 90 * DAY
    host = x509.DNSName("broker.example.net")
    for at in (NOW - DAY, NOW, NOW + 90 * DAY):
        policy(folder, at).build_server_verifier(host).verify(certificate(made.certificate), [])
    for at in (NOW - DAY - timedelta(seconds=1), NOW + 90 * DAY + timedelta(seconds=1)):
        with pytest.raises(VerificationError):
            policy(folder, at).build_server_verifier(host).verify(certificate(made.certificate), [])


def test_no_certificate_outlives_its_authority(folder: Path) -> None:
    end = NOW + 3_650 * DAY
    assert make_certificate(folder, "east-1", end - 30 * DAY).until == end
    with pytest.raises(SettingsError, match=r"authority\.pem: ended on 2036-11-23"):
        make_certificate(folder, "west-1", end)
    assert not list(folder.glob("west-1*"))


def test_all_that_it_writes_is_for_its_owner_alone(folder: Path) -> None:
    mask = os.umask(0)
    try:
        make_certificate(folder, "east-1", NOW)
    finally:
        os.umask(mask)
    files = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert files == dict.fromkeys(("authority.key", "authority.pem", "east-1.key", "east-1.pem"), 0o600)
    assert folder.stat().st_mode & 0o077 == 0


def test_nothing_that_is_there_is_replaced(folder: Path) -> None:
    make_certificate(folder, "east-1", NOW)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(SettingsError, match=r"east-1\.key: exists already"):
        make_certificate(folder, "east-1", NOW)
    (folder / "east-1.key").unlink()
    with pytest.raises(SettingsError, match=r"east-1\.pem: exists already"):
        make_certificate(folder, "east-1", NOW)
    with pytest.raises(SettingsError, match=r"authority\.key: exists already"):
        make_authority(folder, NOW)
    del before[folder / "east-1.key"]
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    "name", ["", "East", "../east-1", "east/1", "east 1", "+", "#", "authority", "e" * 33, "east-1\n", "東"]
)
def test_what_is_no_name_of_a_gateway_gets_none(folder: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="a certificate's name"):
        make_certificate(folder, name, NOW)
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("host", ["", "a b", "10.0.0.0/8", "*.example.net", "a..b", "b" * 254, "東.example"])
def test_what_is_no_host_is_refused(folder: Path, host: str) -> None:
    with pytest.raises(SettingsError, match="--host"):
        make_certificate(folder, "broker", NOW, hosts=[host])


def test_a_key_that_was_made_on_its_device_stays_there(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    wanted = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "centre")])
    alternative = x509.SubjectAlternativeName([x509.DNSName("broker.example.net")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(wanted).add_extension(alternative, False)
    request = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    made = make_certificate(folder, "east-1", NOW, request=request)
    got = certificate(made.certificate)
    assert made.key is None
    assert not (folder / "east-1.key").exists()
    assert got.public_key() == key.public_key()
    assert common_name(made.certificate) == "CN=east-1"  # what the operator says, not what was asked for
    assert not [each for each in got.extensions if isinstance(each.value, x509.SubjectAlternativeName)]


def test_a_request_that_is_none_is_refused(folder: Path) -> None:
    other = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "east-1")])
    foreign = x509.CertificateSigningRequestBuilder().subject_name(name).sign(other, None)
    with pytest.raises(SettingsError, match="P-256"):
        make_certificate(folder, "east-1", NOW, request=foreign.public_bytes(Encoding.PEM))
    for request in (b"", b"nothing", b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE"):
        with pytest.raises(SettingsError, match="not a request"):
            make_certificate(folder, "east-1", NOW, request=request)
    assert len(list(folder.iterdir())) == 2


def test_a_request_that_was_altered_on_its_way_is_refused(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "east-1")])
    whole = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    raw = whole.public_bytes(Encoding.DER).replace(b"east-1", b"west-1")
    altered = x509.load_der_x509_csr(raw).public_bytes(Encoding.PEM)
    with pytest.raises(SettingsError, match="not signed with its own key"):
        make_certificate(folder, "east-1", NOW, request=altered)


def test_an_authority_that_cannot_be_used_is_named_and_not_shown(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere/authority\.pem: cannot be read.*make-authority"):
        make_certificate(tmp_path / "nowhere", "east-1", NOW)
    key = folder / "authority.key"
    key.chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        make_certificate(folder, "east-1", NOW)
    key.chmod(0o600)
    make_authority(tmp_path / "other", NOW)
    key.write_bytes((tmp_path / "other" / "authority.key").read_bytes())
    with pytest.raises(SettingsError, match="do not belong together"):
        make_certificate(folder, "east-1", NOW)
    key.write_bytes(b"x" * 99)
    with pytest.raises(SettingsError, match="are not an authority's") as refused:
        make_certificate(folder, "east-1", NOW)
    assert "xxx" not in str(refused.value)


def liuhen_central(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return called(main, "certificates", *words)


def test_the_command_says_what_it_made_and_until_when(tmp_path: Path) -> None:
    folder = tmp_path / "certificates"
    made = liuhen_central("make-authority", "--folder", folder)
    assert (made.returncode, made.stdout.splitlines()[0].partition(":")[0]) == (0, f"{folder}/authority.pem")
    assert liuhen_central("make", "broker", "--host", "127.0.0.1", "--folder", folder).returncode == 0
    east = liuhen_central("make", "east-1", "--folder", folder)
    assert re.search(r"east-1\.pem: east-1, until 20\d\d-\d\d-\d\d\n.*east-1\.key: its key", east.stdout)
    assert (folder / "east-1.key").read_text().splitlines()[1] not in east.stdout


def test_the_command_refuses_in_one_line(tmp_path: Path) -> None:
    for words in (["make", "east-1"], ["make", "east-1", "--request", str(tmp_path / "nothing.csr")]):
        refused = liuhen_central(*words, "--folder", tmp_path)
        assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
