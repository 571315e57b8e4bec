"""A gateway's keys: made once, readable by their owner alone, and never told."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gateway_support import install
from typer.testing import CliRunner

from gateway.cli_app import app
from gateway.errors import SettingsError
from gateway.keys import Keys, load_centre_keys, load_device_keys, load_keys, make_device_keys
from gateway.settings import load_settings
from messages.errors import MessageError
from messages.keys import CentrePublic, GatewayPublic, decode_keys, encode_keys
from messages.signing import Purpose, opened, sign

SECRET = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"  # RFC 8032, 7.1, test 1
PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
OPENING = "77076d0a7318a57d3c16c17251b26645c6bff4ae8bd5d1b3f5b2aa4d6c9c3a51"  # made up
CENTRE_FILE = f'{{"v":1,"signing":["{PUBLIC}"],"opening":["{PUBLIC}"]}}'.encode()


def a_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "device.key"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_new_keys_are_its_owners_alone_and_read_back_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "device.key"
    made = make_device_keys(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_device_keys(path).public("north", "east-1") == made.public("north", "east-1")


def test_keys_that_exist_are_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "device.key"
    make_device_keys(path)
    before = path.read_bytes()
    with pytest.raises(SettingsError, match="exists already"):
        make_device_keys(path)
    assert path.read_bytes() == before


def test_a_gateway_is_known_by_the_keys_of_the_standard(tmp_path: Path) -> None:
    path = a_file(tmp_path, f'{{"v":1,"signing":"{SECRET}","opening":"{OPENING}"}}')
    public = load_device_keys(path).public("north", "east-1")
    assert (public.site, public.gateway, public.signing) == ("north", "east-1", PUBLIC)


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        (f'{{"v":1,"signing":"{SECRET}","opening":"{OPENING}"}}', 0o640, "chmod 600"),
        (f'{{"v":2,"signing":"{SECRET}","opening":"{OPENING}"}}', 0o600, "something else"),
        (f'{{"v":1,"signing":"{SECRET}"}}', 0o600, "something else"),
        (SECRET, 0o600, "something else"),
        ("", 0o600, "something else"),
    ],
)
def test_an_unfit_key_file_is_named_and_its_content_not_repeated(
    tmp_path: Path, text: str, mode: int, said: str
) -> None:
    path = a_file(tmp_path, text, mode)
    with pytest.raises(SettingsError, match=said) as refusal:
        load_device_keys(path)
    assert str(path) in str(refusal.value)
    assert SECRET not in str(refusal.value)


def test_keys_show_nothing_of_themselves(tmp_path: Path) -> None:
    path = a_file(tmp_path, f'{{"v":1,"signing":"{SECRET}","opening":"{OPENING}"}}')
    assert "object at" not in repr(load_device_keys(path))
    assert SECRET not in repr(load_device_keys(path))


def test_the_centre_is_trusted_by_its_keys_and_by_none_before_there_are_any(tmp_path: Path) -> None:
    path = tmp_path / "centre.json"
    path.write_bytes(CENTRE_FILE)
    centre = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(SECRET))
    message = sign(centre, Purpose.LIST, "north", "east-1", b"{}")
    keys = load_keys(None, path)
    assert opened(message, keys.signers, Purpose.LIST, "north", "east-1") == b"{}"
    assert Keys().signers == {}


def test_without_settings_there_are_no_keys_and_missing_files_are_named(tmp_path: Path) -> None:
    assert load_keys(None, None) == Keys()
    with pytest.raises(SettingsError, match="liuhen-gateway keys make"):
        load_device_keys(tmp_path / "nothing")
    with pytest.raises(SettingsError, match="liuhen-central keys show"):
        load_centre_keys(tmp_path / "nothing")


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[]", CENTRE_FILE.replace(b"1", b"2", 1), CENTRE_FILE[:-9], b" " * 20_000, b"\xff"]
)
def test_what_are_no_keys_of_the_centre_is_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "centre.json"
    path.write_bytes(text)
    with pytest.raises(SettingsError, match=r"keys\.centre_keys_file"):
        load_centre_keys(path)


def test_keys_are_one_readable_text() -> None:
    text = encode_keys(GatewayPublic(1, "north", "east-1", PUBLIC, PUBLIC))
    assert text.splitlines()[1:4] == [b'  "v": 1,', b'  "site": "north",', b'  "gateway": "east-1",']
    assert decode_keys(text, GatewayPublic).gateway == "east-1"
    with pytest.raises(MessageError):
        decode_keys(text, CentrePublic)


def test_the_command_makes_keys_once_and_prints_only_public_ones(tmp_path: Path) -> None:
    settings = install(tmp_path)
    settings.write_text(settings.read_text() + '[keys]\ndevice_key_file = "device.key"\n')
    made = CliRunner().invoke(app, ["keys", "make", "--settings", str(settings)])
    shown = CliRunner().invoke(app, ["keys", "show", "--settings", str(settings)])
    assert (made.exit_code, shown.exit_code) == (0, 0)
    assert made.stdout == shown.stdout
    public = decode_keys(shown.stdout.encode(), GatewayPublic)
    assert (public.site, public.gateway) == ("north", "east-1")
    keys = load_device_keys(tmp_path / "device.key")
    assert keys.signing.private_bytes_raw().hex() not in shown.stdout
    assert keys.opening.private_bytes_raw().hex() not in shown.stdout


def test_the_command_says_which_setting_is_missing(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["keys", "make", "--settings", str(install(tmp_path))])
    assert isinstance(said.exception, SettingsError)
    assert "keys.device_key_file" in str(said.exception)


def test_paths_of_keys_are_taken_from_where_the_settings_lie(tmp_path: Path) -> None:
    settings = install(tmp_path)
    settings.write_text(settings.read_text() + '[keys]\ncentre_keys_file = "centre.json"\n')
    found = load_settings(settings).keys
    assert (found.device_key_file, found.centre_keys_file) == (None, tmp_path / "centre.json")
