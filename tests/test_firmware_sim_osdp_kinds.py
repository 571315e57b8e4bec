"""OSDP devices in scenes: their keys, the settings they ask a gateway for, and what a card is to them."""

import pytest

from firmware_sim.catalogue import number_at, settings_of
from firmware_sim.errors import SceneError
from firmware_sim.scene import DevicePlan, Scene, parse_scene

KEY = "10 11 12 13 14 15 16 17 18 19 1A 1B 1C 1D 1E 1F"
HEAD = 'seed = 1\npeople = 1\n[[bus]]\nname = "line"\n'


def reader(more: str = "", name: str = "east") -> str:
    return f'[[reader]]\nname = "{name}"\nkind = "osdp"\nbus = "line"\n{more}\n'


def board(more: str = "") -> str:
    return f'[[lock_board]]\nname = "out"\nkind = "osdp_out"\nbus = "line"\n{more}\n'


def scene(*tables: str) -> Scene:
    return parse_scene(HEAD + "".join(tables))


def settings(plan: DevicePlan) -> dict[str, object]:
    return settings_of(plan.name, plan.kind, plan.options, "/dev/line")


def test_a_reader_and_a_board_on_one_line_name_their_settings() -> None:
    made = scene(reader(f'address = 3\nrate = 38400\nkey = "{KEY}"\nbits = 26'), board("channels = 2"))
    assert settings(made.device("east")) == {
        "name": "east",
        "driver": "osdp",
        "port": "/dev/line",
        "address": 3,
        "rate": 38400,
        "key_file": "osdp-3.key",
        "card": "number",
    }
    out = settings(made.device("out"))
    assert (out["driver"], out["channels"], out["key_file"]) == ("osdp_out", 2, "osdp-1.key")


@pytest.mark.parametrize(
    ("more", "kind", "size"),
    [
        ("", "card_uid", 14),
        ("bits = 26", "card_number", 9),
        ('bits = 34\nsource = "em_tag"', "card_number", 11),
    ],
)
def test_a_card_is_to_a_reader_what_its_options_say(more: str, kind: str, size: int) -> None:
    plan = scene(reader(more)).device("east")
    card = scene(reader(more)).everyone()[0].card
    found = number_at(plan.kind, plan.options, card)
    assert found is not None
    assert found[0] == kind
    if kind == "card_uid":
        assert found[1] == card.uid.hex().upper()
    else:
        assert len(found[1]) == size


def test_a_key_shows_nowhere() -> None:
    made = scene(reader(f'key = "{KEY}"'))
    shown = repr(made)
    assert "key_file" in shown
    assert bytes.fromhex(KEY).hex() not in shown
    assert repr(bytes.fromhex(KEY)) not in shown


@pytest.mark.parametrize("key", ["10", "no hex", KEY + " 20"])
def test_a_key_of_another_size_stops_the_start_without_being_repeated(key: str) -> None:
    with pytest.raises(SceneError, match="16 bytes in hex") as raised:
        scene(reader(f'key = "{key}"'))
    assert key not in str(raised.value)


def test_two_devices_at_one_address_of_a_line_stop_the_start() -> None:
    with pytest.raises(SceneError, match="address 4"):
        scene(reader("address = 4"), board("address = 4"))
