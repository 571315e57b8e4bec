"""The page on access names every key of site settings and says of every reason what is said at the door."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from drivers.base import Indication
from gateway.reasons import EXPLANATIONS, LIGHTS
from gateway.tries import MAX_TRIES, PAUSE_US
from messages.model import Reason
from messages.signing import Purpose, opened, sign, trusted
from messages.site_settings import Admission, Day, DoorMode, Passback, SiteSettings, decode_site_settings

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "access.md").read_text(encoding="utf-8")
EXAMPLE = (ROOT / "config" / "site-settings.example.json").read_bytes()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line[:1] == "|"
]


def keys_of(kind: msgspec.inspect.Type) -> set[str]:
    """Every key that may stand anywhere below, as it is written."""
    if isinstance(kind, msgspec.inspect.StructType):
        below = [keys_of(field.type) for field in kind.fields]
        return {field.encode_name for field in kind.fields}.union(*below)
    inner = [getattr(kind, name, None) for name in ("item_type", "value_type")]
    several = [*getattr(kind, "types", ()), *getattr(kind, "item_types", ())]
    return set().union(*(keys_of(each) for each in [*inner, *several] if each is not None))


KEYS = keys_of(msgspec.inspect.type_info(SiteSettings))


def test_the_keys_are_those_that_one_would_write() -> None:
    assert {"v", "from", "to", "on_holidays", "first_person", "forget_after_min", "public"} <= KEYS
    assert not {"begins", "ends"} & KEYS


@pytest.mark.parametrize("key", sorted(KEYS))
def test_every_key_is_explained(key: str) -> None:
    assert any(f"`{key}`" in cell for row in ROWS for cell in row), key


@pytest.mark.parametrize("word", [*Admission, *DoorMode, *Passback, *Day])
def test_every_word_is_named(word: str) -> None:
    assert f"`{word}`" in PAGE


@pytest.mark.parametrize("reason", EXPLANATIONS, ids=str)
def test_every_reason_has_its_row_with_what_is_said_at_the_door(reason: Reason) -> None:
    said = EXPLANATIONS[reason]
    helped = f"{said.help_zh} {said.help_en}".strip() or "-"
    assert [f"`{reason}`", f"{said.zh} {said.en}", helped] in ROWS


@pytest.mark.parametrize("signal", Indication)
def test_the_page_says_what_each_light_means(signal: Indication) -> None:
    said = LIGHTS[signal]
    helped = f"{said.help_zh} {said.help_en}".strip() or "-"
    assert [f"{said.zh} {said.en}", helped] in [
        row[3:5] for row in ROWS if row[1:2] and row[0] == f"`{signal}`"
    ]


OF_KEYS = {"pass_keys", "sealing_key", "id", "public"}
"""An example of them would be in force somewhere some day: whoever has its private half makes passes."""


def test_the_example_shows_everything_but_keys() -> None:
    settings = decode_site_settings(EXAMPLE)
    assert [key for key in KEYS - OF_KEYS if f'"{key}":' not in EXAMPLE.decode()] == []
    assert (settings.pass_keys, settings.sealing_key) == ((), None)


@pytest.mark.parametrize("around", [b"", b"\n", b" \r\n\t"])
def test_the_example_is_believed_as_an_editor_leaves_it(around: bytes) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    told = sign(key, Purpose.SETTINGS, "north", "east-1", around + EXAMPLE.strip() + around)
    body = opened(told, trusted(key.public_key()), Purpose.SETTINGS, "north", "east-1")
    assert decode_site_settings(body) == decode_site_settings(EXAMPLE)


def test_what_the_page_shows_is_taken() -> None:
    shown: dict[str, Any] = {}
    for block in re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        for key, value in json.loads("{" + block + "}").items():
            shown[key] = {**shown.get(key, {}), **value}
    shown["schedules"]["night"] = {"windows": [{"days": ["mon"], "from": "22:00", "to": "06:00"}]}
    decode_site_settings(json.dumps({"v": 1, "revision": 1, "issued_us": 0, **shown}).encode())
    assert shown.keys() == {"holidays", "schedules", "doors", "areas"}


def test_the_page_tells_how_many_tries_there_are() -> None:
    assert (MAX_TRIES, PAUSE_US) == (5, 5 * 60_000_000)
    assert "After five wrong PINs, each within five minutes" in PAGE
