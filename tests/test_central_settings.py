"""Settings say by the key's path what is wrong with them, and the example is good."""

from pathlib import Path

import pytest

from central.errors import SettingsError
from central.settings import Settings, load_settings

EXAMPLE = Path(__file__).parent.parent / "config" / "central.example.toml"
GOOD = '[database]\npath = "central.sqlite"\n'


def load(folder: Path, text: str) -> Settings:
    file = folder / "central.toml"
    file.write_text(text)
    return load_settings(file)


def test_the_example_is_good_and_holds_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, EXAMPLE.read_text()) == load(tmp_path, GOOD)


def test_the_database_lies_beside_the_settings(tmp_path: Path) -> None:
    assert load(tmp_path, GOOD).database.address == f"sqlite:///{tmp_path / 'central.sqlite'}"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_this_machine_may_be_listened_to(tmp_path: Path, host: str) -> None:
    assert load(tmp_path, f'{GOOD}[listen]\nhost = "{host}"\n').listen.host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "centre.example", ""])  # noqa: S104
def test_any_other_address_is_refused_with_the_reason(tmp_path: Path, host: str) -> None:
    with pytest.raises(SettingsError, match=r"\[listen\] host: .*read on the way.*127\.0\.0\.1"):
        load(tmp_path, f'{GOOD}[listen]\nhost = "{host}"\n')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "database: is missing"),
        ("[database]\n", "database: write either path or url"),
        (f'{GOOD}url = "sqlite:///x"\n', "database: write either path or url"),
        (
            f"{GOOD}[mqtt]\nprot = 1\n",
            "[mqtt] prot: no such key; known here: host, port, protocol, client_id",
        ),
        (
            f"{GOOD}[mqqt]\nport = 1\n",
            "mqqt: no such key; known here: database, listen, mqtt, console, accounts, keys",
        ),
        (f'{GOOD}[mqtt]\nport = "1883"\n', "[mqtt] port"),
        (f"{GOOD}[mqtt]\nport = 0\n", "[mqtt] port"),
        (f'{GOOD}[mqtt]\nprotocol = "4"\n', "[mqtt] protocol: Input should be '5' or '3.1.1'"),
        (f'{GOOD}[mqtt]\nclient_id = "a b"\n', "[mqtt] client_id"),
        (f'{GOOD}[console]\ntimezone = "Mars/Base"\n', "[console] timezone: no such time zone"),
        (f'{GOOD}[console]\nlanguage = "fr"\n', "[console] language"),
        (f"{GOOD}[identity]\nentry_days = 181\n", "more than 180 entry_days need the rule that demands them"),
        (f"{GOOD}[identity]\nentry_days = 89\n", "[identity] entry_days"),
        (
            f'{GOOD}[identity]\nentry_days = 1096\nentry_days_rule = "invented rule"\n',
            "[identity] entry_days",
        ),
        ("[database\n", "not TOML"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    assert said in str(caught.value)
    assert str(tmp_path / "central.toml") in str(caught.value)


def test_entries_are_kept_longer_by_a_rule_that_is_cited(tmp_path: Path) -> None:
    text = f'{GOOD}[identity]\nentry_days = 365\nentry_days_rule = "invented rule"\n'
    assert load(tmp_path, text).identity.entry_days == 365


def test_everything_wrong_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, f"{GOOD}[mqtt]\nport = 0\nprot = 1\n[listen]\nport = -1\n")
    assert len(str(caught.value).splitlines()) == 3


def test_a_password_in_an_address_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, '[database]\nurl = "mysql://u:canary@host/db"\n')
    assert "canary" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml: cannot be read"):
        load_settings(tmp_path / "nowhere.toml")
