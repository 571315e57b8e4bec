"""Scenes are read once, into frozen values, and say by key what does not fit."""

from pathlib import Path

import pytest
from firmware_sim_support import SCENE

from firmware_sim.errors import SceneError
from firmware_sim.kinds import Role
from firmware_sim.lock_board import LockBoardOptions, Spacing
from firmware_sim.profiles import INSTANT, REAL
from firmware_sim.sam_module import SamOptions
from firmware_sim.scene import (
    CommunityPlan,
    DevicePlan,
    DoorPlan,
    Scene,
    load_scene,
    parse_scene,
)


def test_a_scene_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "scene.toml"
    path.write_text(
        """
        seed = 9
        people = 200
        profile = "real"
        [[reader]]
        name = "east-1"
        rate = 9600
        [[reader]]
        name = "east-2"
        transport = "tcp"
        [[lock_board]]
        name = "east-locks"
        channels = 4
        spacing = "tight"
        answers_query = false
        [[door]]
        name = "east"
        reader = "east-1"
        lock_board = "east-locks"
        channel = 4
        [community]
        swipes_per_minute = 40
        unknown_share = 0.05
        peaks = true
        """,
        encoding="utf-8",
    )
    assert load_scene(path) == Scene(
        seed=9,
        people=200,
        profile=REAL,
        readers=(
            DevicePlan("east-1", Role.READER, "sam_v", SamOptions(9600)),
            DevicePlan("east-2", Role.READER, "sam_v", SamOptions(), transport="tcp"),
        ),
        lock_boards=(
            DevicePlan(
                "east-locks",
                Role.LOCK_BOARD,
                "lc_relay",
                LockBoardOptions(4, spacing=Spacing.TIGHT, answers_query=False),
            ),
        ),
        doors=(DoorPlan("east", "east-1", "east-locks", 4),),
        community=CommunityPlan(swipes_per_minute=40.0, unknown_share=0.05, peaks=True),
    )


def test_an_empty_scene_is_a_scene_with_nobody_in_it() -> None:
    assert parse_scene("") == Scene()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sead = 1", "key sead is not known"),
        ("seed = 'one'", "key seed: expects a whole number, not 'one'"),
        ("seed = true", "key seed: expects a whole number, not True"),
        ("people = -1", "key people: 0 to 50000, not -1"),
        ("profile = 'fast'", "key profile: one of real, instant, not 'fast'"),
        ("reader = 1", r"key reader: expects \[\[reader\]\] tables"),
        ("reader = [1]", r"key reader: expects \[\[reader\]\] tables"),
        ("[[reader]]\nrate = 9600", r"key reader\[0\]\.name is missing"),
        ("[[reader]]\nname = 'a'\ncolour = 1", r"key reader\[0\]\.colour is not known"),
        ("[[reader]]\nname = 'a/b'", r"key reader\[0\]\.name: 'a/b' is no name"),
        ("[[reader]]\nname = 'events.jsonl'", "is no name"),
        ("[[reader]]\nname = 'a'\nrate = 14400", r"key reader\[0\]\.rate: one of 115200"),
        ("[[reader]]\nname = 'a'\ntransport = 'usb'", "one of pty, tcp"),
        (
            "[[reader]]\nname = 'a'\n[[lock_board]]\nname = 'a'",
            "reader, lock_board or bus 'a' is there twice",
        ),
        ("[[lock_board]]\nname = 'a'\nchannels = 9", r"key lock_board\[0\]\.channels: 1 to 8, not 9"),
        ("[community]\nunknown_share = 2", r"key community\.unknown_share: 0.0 to 1.0, not 2.0"),
        ("[community]\npeaks = 1", r"key community\.peaks: expects true or false, not 1"),
        ("[community]\nswipes_per_minute = nan", r"key community\.swipes_per_minute: 0.0 to"),
        ("[community]\nswipes_per_minute = 1", "need people and at least one door"),
        ("community = 3", "key community: expects a table, not 3"),
        ("seed = ", "no valid TOML"),
    ],
)
def test_what_does_not_fit_is_named_by_its_key(text: str, message: str) -> None:
    with pytest.raises(SceneError, match=message):
        parse_scene(text)


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ('reader = "east-1"', 'reader = "west"', "door 'east', key reader: no reader 'west'"),
        ('lock_board = "east-locks"', 'lock_board = "west"', "key lock_board: no lock board 'west'"),
        ("channel = 1", "channel = 5", "key channel: east-locks has 4 channels, not 5"),
    ],
)
def test_a_door_that_names_what_is_not_there_is_refused(good: str, bad: str, message: str) -> None:
    with pytest.raises(SceneError, match=message):
        parse_scene(SCENE.replace(good, bad))


def test_a_door_names_who_comes_to_it_and_where_its_journal_is() -> None:
    text = SCENE + 'used_by = ["P0001", "P0020"]\njournal = "/var/lib/liuhen/journal.db"\n'
    [door] = parse_scene(text).doors
    assert door.used_by == {"P0001", "P0020"}
    assert door.journal == Path("/var/lib/liuhen/journal.db")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ('["P0021"]', "door 'east', key used_by: no person 'P0021' of `people`"),
        ('"P0001"', "key door\\[0\\].used_by: expects a list of texts"),
        ("[1]", "key door\\[0\\].used_by: expects a list of texts"),
    ],
)
def test_whoever_is_not_there_cannot_come_to_a_door(said: str, message: str) -> None:
    with pytest.raises(SceneError, match=message):
        parse_scene(SCENE + f"used_by = {said}\n")


def test_two_doors_cannot_share_a_reader() -> None:
    second = '[[door]]\nname = "b"\nreader = "east-1"\nlock_board = "east-locks"\nchannel = 2\n'
    with pytest.raises(SceneError, match="key reader: 'east-1' is there twice"):
        parse_scene(SCENE + second)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match=r"nowhere\.toml cannot be read"):
        load_scene(tmp_path / "nowhere.toml")


def test_strangers_are_people_beyond_the_enrolled() -> None:
    scene = parse_scene(SCENE + "[community]\nunknown_share = 0.5\n")
    assert (len(scene.enrolled()), len(scene.everyone()), scene.strangers) == (20, 30, 10)
    assert scene.everyone()[:20] == scene.enrolled()
    assert parse_scene(SCENE).strangers == 0
    assert parse_scene(SCENE + "[community]\nunknown_share = 0.01\n").strangers == 5
    assert parse_scene(SCENE).profile is INSTANT
