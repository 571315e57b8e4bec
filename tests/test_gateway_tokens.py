"""Tokens against HMAC values computed with openssl, and the site key's file."""

from pathlib import Path

import pytest

from drivers.base import CredentialKind
from gateway.errors import SettingsError
from gateway.tokens import load_site_key, tokeniser

KEY = bytes(range(32))

# printf 'id_card:00000019491231002X' | openssl dgst -sha256 -mac HMAC -macopt hexkey:000102...1e1f
TOKEN = "ec038eb26d9d8670ab13a37058a398ef"


def key_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "site.key"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_a_token_is_the_first_half_of_the_hmac_that_openssl_makes() -> None:
    assert tokeniser(KEY)(CredentialKind.ID_CARD, "00000019491231002X") == TOKEN


def test_tokens_do_not_depend_on_those_made_before() -> None:
    tokenise = tokeniser(KEY)
    tokenise(CredentialKind.ID_CARD, "000000194912310000")
    assert tokenise(CredentialKind.ID_CARD, "00000019491231002X") == TOKEN


def test_another_key_makes_another_token() -> None:
    assert tokeniser(bytes(32))(CredentialKind.ID_CARD, "00000019491231002X") != TOKEN


@pytest.mark.parametrize("text", [KEY.hex(), KEY.hex().upper(), f"{KEY.hex()}\n"], ids=["hex", "HEX", "line"])
def test_a_key_is_read_from_its_file(tmp_path: Path, text: str) -> None:
    assert load_site_key(key_file(tmp_path, text)) == KEY


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "holds 0 bytes; a site key has 32", id="empty"),
        pytest.param("00" * 31, "holds 31 bytes; a site key has 32", id="short"),
        pytest.param("00" * 33, "holds 33 bytes; a site key has 32", id="long"),
        pytest.param("zz" * 32, "holds something else than hex digits", id="not hex"),
        pytest.param("钥匙", "holds something else than hex digits", id="not ASCII"),
    ],
)
def test_a_file_without_a_key_is_refused_and_not_quoted(tmp_path: Path, text: str, said: str) -> None:
    path = key_file(tmp_path, text)
    with pytest.raises(SettingsError) as refused:
        load_site_key(path)
    assert str(refused.value).startswith(f"gateway.site_key_file: {path} ")
    assert said in str(refused.value)
    assert not text or text not in str(refused.value)


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"site_key_file: .*site\.key cannot be read .*openssl rand -hex 32"
    ):
        load_site_key(tmp_path / "site.key")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660], ids=oct)
def test_a_key_that_others_can_read_is_refused_with_the_command_that_mends_it(
    tmp_path: Path, mode: int
) -> None:
    path = key_file(tmp_path, KEY.hex(), mode)
    with pytest.raises(SettingsError, match=f"run: chmod 600 {path}"):
        load_site_key(path)
