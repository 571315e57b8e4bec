"""The centre's keys and the gateways it trusts: made once, private, nobody takes another's place unseen."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from program_support import called

from central.cli import main
from central.errors import SettingsError
from central.fleet.keys import gateway_keys, load_centre_keys, make_centre_keys, trust_gateway
from messages.keys import CentrePublic, decode_keys
from messages.signing import Purpose, opened, sign

SECRET = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"  # RFC 8032, 7.1, test 1
PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
OTHER = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"  # test 2
KEYS = f'{{"v":1,"signing":["{SECRET}","{"1" * 64}"],"opening":["{"2" * 64}"]}}'
GATEWAY = f'{{"v":1,"site":"north","gateway":"east-1","signing":"{PUBLIC}","opening":"{PUBLIC}"}}'.encode()


def a_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "centre.key"
    path.write_text(text)
    path.chmod(mode)
    return path


def liuhen_central(*words: str, given: bytes = b"") -> subprocess.CompletedProcess[str]:
    return called(main, *words, said=given.decode())


def test_keys_are_made_once_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "centre.key"
    made = make_centre_keys(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_centre_keys(path).public() == made.public()
    with pytest.raises(SettingsError, match="exists already"):
        make_centre_keys(path)


def test_the_first_key_signs_and_all_are_shown(tmp_path: Path) -> None:
    keys = load_centre_keys(a_file(tmp_path, KEYS))
    public = keys.public()
    assert public.signing[0] == PUBLIC
    assert (len(public.signing), len(public.opening)) == (2, 1)
    message = sign(keys.signing[0], Purpose.LIST, "north", "east-1", b"{}")
    assert opened(message, public.signers(), Purpose.LIST, "north", "east-1") == b"{}"


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        (KEYS, 0o644, "chmod 600"),
        (KEYS.replace("1", "2", 1), 0o600, "something else"),
        ('{"v":1,"signing":[],"opening":[]}', 0o600, "something else"),
        (SECRET, 0o600, "something else"),
    ],
)
def test_an_unfit_key_file_is_named_and_not_repeated(tmp_path: Path, text: str, mode: int, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as refusal:
        load_centre_keys(a_file(tmp_path, text, mode))
    assert SECRET not in str(refusal.value)


def test_a_gateway_is_known_by_what_it_printed(tmp_path: Path) -> None:
    assert gateway_keys(tmp_path, "north", "east-1") is None
    trust_gateway(tmp_path, GATEWAY)
    trust_gateway(tmp_path, GATEWAY)  # once more is nothing new
    known = gateway_keys(tmp_path, "north", "east-1")
    assert known is not None
    assert known.signing == PUBLIC
    assert gateway_keys(tmp_path, "north", "west-1") is None


def test_nobody_takes_a_known_gateways_place(tmp_path: Path) -> None:
    trust_gateway(tmp_path, GATEWAY)
    with pytest.raises(SettingsError, match="known by other keys"):
        trust_gateway(tmp_path, GATEWAY.replace(PUBLIC.encode(), OTHER.encode()))
    known = gateway_keys(tmp_path, "north", "east-1")
    assert known is not None
    assert known.signing == PUBLIC


def test_a_file_under_another_gateways_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "north.west-1.json").write_bytes(GATEWAY)
    with pytest.raises(SettingsError, match="another gateway"):
        gateway_keys(tmp_path, "north", "west-1")


@given(st.binary(max_size=400))
def test_any_text_is_keys_or_a_settings_error(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    folder = tmp_path_factory.getbasetemp() / "nobody"
    with pytest.raises(SettingsError):
        trust_gateway(folder, text)
    assert not folder.exists()


def test_the_commands_make_show_and_trust(tmp_path: Path) -> None:
    settings = tmp_path / "central.toml"
    settings.write_text('[database]\npath = "central.sqlite"\n')
    at = ("--settings", str(settings))
    made, shown = liuhen_central("keys", "make", *at), liuhen_central("keys", "show", *at)
    assert (made.returncode, shown.returncode, made.stdout) == (0, 0, shown.stdout)
    public = decode_keys(shown.stdout.encode(), CentrePublic)
    assert public == load_centre_keys(tmp_path / "centre.key").public()
    again = liuhen_central("keys", "make", *at)
    assert (again.returncode, "exists already" in again.stderr) == (2, True)
    trusted = liuhen_central("keys", "trust", *at, given=GATEWAY)
    assert trusted.returncode == 0, trusted.stderr
    assert gateway_keys(tmp_path / "gateway-keys", "north", "east-1") is not None
    refused = liuhen_central("keys", "trust", *at, given=b"nonsense")
    assert (refused.returncode, "liuhen-gateway keys show" in refused.stderr) == (2, True)
