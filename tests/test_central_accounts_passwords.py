"""Passwords: what is refused, what is kept, and what counts as the same one."""

import pytest

from central.accounts import passwords, second_factor
from central.errors import BadQuestion, IdentityDamaged, SettingsError


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("short7!", id="seven characters"),
        pytest.param("x" * 129, id="too long"),
        pytest.param("aaaaaaaaaaaa", id="one letter"),
        pytest.param("abababababab", id="two letters"),
        pytest.param("Password123", id="guessed first"),
        pytest.param("PASSWORD1234567", id="with numbers behind it"),
        pytest.param("woaini1314", id="guessed first, in pinyin"),
        pytest.param("officer-1!", id="the login"),
        pytest.param("liuhen2026", id="the product"),
    ],
)
def test_what_is_guessed_first_is_refused(password: str) -> None:
    with pytest.raises(BadQuestion) as caught:
        passwords.refuse_weak(password, "officer-1", "周警官")
    assert caught.value.field == "password"
    assert password not in str(caught.value)


@pytest.mark.parametrize(
    "password",
    [
        "swallows",
        "春天来了燕子飞回北方",
        "no digits, no capitals",
        "liuhen opens no door by itself",
        "x" * 59 + "abcde",
    ],
)
def test_no_rule_says_which_characters_to_use(password: str) -> None:
    passwords.refuse_weak(password, "officer-1", "周警官")


def test_a_password_is_known_by_its_hash_however_it_is_typed() -> None:
    kept = passwords.hashed("ｓｗａｌｌｏｗｓ come")
    assert "swallows" not in kept
    assert passwords.matches(kept, "swallows come")
    assert not passwords.matches(kept, "swallows came")
    assert not passwords.matches(None, "swallows come")
    assert not passwords.matches("no hash at all", "swallows come")


def test_what_stands_for_no_account_costs_what_an_account_costs() -> None:
    assert not passwords._HASHER.check_needs_rehash(passwords._NOBODY)
    assert passwords.hashed("swallows come").rsplit("$", 2)[0] == passwords._NOBODY.rsplit("$", 2)[0]


def test_a_second_factor_is_sealed_for_its_account_alone(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("keys")
    sealer = second_factor.sealer_of(folder / "accounts.key")
    secret = second_factor.new_secret()
    sealed = sealer.sealed(1, secret)
    assert secret.encode() not in sealed
    assert second_factor.sealer_of(folder / "accounts.key").opened(1, sealed) == secret
    with pytest.raises(IdentityDamaged):
        sealer.opened(2, sealed)
    with pytest.raises(SettingsError, match="put that file back"):
        second_factor.sealer_of(folder / "other.key").opened(1, sealed)


def test_a_key_that_others_can_read_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("keys") / "accounts.key"
    second_factor.sealer_of(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        second_factor.sealer_of(path)
    path.chmod(0o600)
    path.write_text("not a key")
    with pytest.raises(SettingsError, match="something else"):
        second_factor.sealer_of(path)
