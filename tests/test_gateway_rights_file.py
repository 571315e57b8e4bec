"""Rights on a disk that takes no writes are read all the same; of a lost file its floor is kept."""

import logging
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest
from gateway_support import files_limited_to, written_by_nobody
from orders_support import CENTRE, GATEWAY, SITE, digest_of, entries

from gateway.commanded import Turn
from gateway.errors import RightsUnavailable
from gateway.rights_file import lost_files
from gateway.rights_store import RightsStore
from messages.access_list import LIST_VERSION, ListManifest, encode_manifest
from messages.signing import Purpose, sign
from messages.site_settings import SiteSettings, encode_site_settings

Stuck = Callable[[Path], AbstractContextManager[None]]
UNWRITABLE = [
    pytest.param(written_by_nobody, id="read only"),
    pytest.param(lambda _: files_limited_to(0), id="full"),
]


def a_store(folder: Path, known_version: int = 0) -> RightsStore:
    return RightsStore(folder / "rights.db", SITE, GATEWAY, lambda: known_version)


def put_list(store: RightsStore, version: int, size: int) -> None:
    whole = entries(size).values()
    manifest = ListManifest(LIST_VERSION, version, 7, (), size, digest_of(whole))
    store.stage(list(whole))
    store.put_in_force(manifest, sign(CENTRE, Purpose.LIST, SITE, GATEWAY, encode_manifest(manifest)))


def put_settings(store: RightsStore, revision: int) -> None:
    body = encode_site_settings(SiteSettings(v=1, revision=revision, issued_us=7))
    store.keep_settings(revision, sign(CENTRE, Purpose.SETTINGS, SITE, GATEWAY, body))


def filled(folder: Path) -> RightsStore:
    store = a_store(folder)
    put_list(store, 4, 3)
    put_settings(store, 9)
    store.use("a" * 32, 10, 5)
    store.keep_turn(Turn("lobby", "locked_down", 99))
    return store


@pytest.fixture(params=["ended", "killed"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """With the rights of a gateway that has ended, or that was killed and left all of it in its log."""
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    with closing(filled(before)):
        if request.param == "killed":
            shutil.copytree(before, after)
    if request.param == "ended":
        shutil.copytree(before, after)
    assert (after / "rights.db-wal").exists() == (request.param == "killed")
    return after


@pytest.mark.parametrize("stuck", UNWRITABLE)
def test_what_is_in_force_is_read_where_nothing_can_be_written(folder: Path, stuck: Stuck) -> None:
    with stuck(folder), closing(a_store(folder)) as store:
        stored = store.load_list()
        assert stored is not None
        assert (stored.access_list.version, stored.access_list.entries) == (4, entries(3))
        assert store.settings() is not None
        assert store.turns() == [Turn("lobby", "locked_down", 99)]


@pytest.mark.parametrize("stuck", UNWRITABLE)
def test_no_command_and_nothing_new_is_taken_until_it_can_be_kept(
    folder: Path, stuck: Stuck, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)  # a log of pytest's own may lie on a disk that is full
    with stuck(folder):
        store = a_store(folder)
        for _ in range(2):
            with pytest.raises(RightsUnavailable, match=r"rights\.db"):
                store.use("b" * 32, 10, 5)
            with pytest.raises(RightsUnavailable, match=r"rights\.db"):
                put_settings(store, 10)
        assert store.version == 4
    with closing(store):
        assert not store.use("a" * 32, 10, 6)  # used before
        assert store.use("b" * 32, 10, 6)
        put_settings(store, 10)
        while store.clean():
            continue
        put_list(store, 5, 6)
    with closing(a_store(folder)) as again:
        assert (again.version, again.settings_revision()) == (5, 10)
        assert not again.use("b" * 32, 10, 7)


def test_a_store_that_was_open_when_the_disk_filled_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with closing(filled(tmp_path)) as store:
        size = (tmp_path / "rights.db-wal").stat().st_size
        with files_limited_to(size):
            with pytest.raises(RightsUnavailable):
                store.use("b" * 32, 10, 5)
            assert store.load_list() is not None
        assert store.use("b" * 32, 10, 5)


def test_a_list_that_is_not_sound_is_not_decided_on_either_and_may_come_again(tmp_path: Path) -> None:
    with closing(filled(tmp_path)) as store:
        store._connection.execute("DELETE FROM entries WHERE token = ?", (f"{2:032x}",))
    with written_by_nobody(tmp_path):
        store = a_store(tmp_path)
        assert store.load_list() is None
        assert store.version == 3
    with closing(store):
        while store.clean():
            continue
        put_list(store, 4, 3)
        assert store.version == 4


# What is lost.


def spoil_header(folder: Path) -> None:
    with (folder / "rights.db").open("r+b") as file:
        file.write(bytes(100))


def spoil_entries(folder: Path) -> None:
    """All pages that hold nothing but entries: the tables of list and settings stay."""
    path = folder / "rights.db"
    content = bytearray(path.read_bytes())
    spoilt = content.replace(b"h-1", b"\xff\xff\xff")
    at = spoilt.index(b"\xff\xff\xff") // 4096 * 4096
    spoilt[at : at + 16] = bytes(16)
    path.write_bytes(spoilt)


def test_of_a_file_that_cannot_be_read_at_all_the_version_known_elsewhere_is_the_floor(
    tmp_path: Path,
) -> None:
    filled(tmp_path).close()
    spoil_header(tmp_path)
    with closing(a_store(tmp_path, known_version=4)) as store:
        assert store.begun_again
        assert store.load_list() is None
        assert (store.version, store.settings(), store.settings_revision()) == (3, None, None)
    with closing(a_store(tmp_path)) as again:
        assert not again.begun_again
        assert again.version == 3


def test_what_a_damaged_file_still_tells_of_is_a_floor_too(tmp_path: Path) -> None:
    filled(tmp_path).close()
    spoil_entries(tmp_path)
    with closing(a_store(tmp_path)) as store:
        assert store.begun_again
        assert (store.version, store.settings(), store.settings_revision()) == (3, None, 8)


def test_a_second_damage_does_not_lower_the_floor(tmp_path: Path) -> None:
    filled(tmp_path).close()
    spoil_entries(tmp_path)
    a_store(tmp_path, known_version=7).close()
    spoil_header(tmp_path)
    with closing(a_store(tmp_path, known_version=2)) as store:
        assert (store.version, store.settings_revision()) == (3, 8)
    assert len(lost_files(tmp_path / "rights.db")) == 2


def test_where_the_floor_cannot_be_told_now_no_file_is_begun_without_it(tmp_path: Path) -> None:
    def not_now() -> int:
        raise RightsUnavailable("the journal cannot be read")

    filled(tmp_path).close()
    spoil_header(tmp_path)
    with pytest.raises(RightsUnavailable):
        RightsStore(tmp_path / "rights.db", SITE, GATEWAY, not_now)
    with closing(a_store(tmp_path, known_version=4)) as store:
        assert store.version == 3


def test_a_new_file_has_no_floor(tmp_path: Path) -> None:
    with closing(a_store(tmp_path, known_version=4)) as store:
        assert (store.version, store.settings_revision(), store.begun_again) == (0, None, False)
