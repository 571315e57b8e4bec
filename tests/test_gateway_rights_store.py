"""What is in force, on disk: whole or not at all, never a mix, also when the process is killed."""

import random
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from gateway_support import files_limited_to
from orders_support import an_entry, digest_of, entries

from gateway.commanded import Turn
from gateway.errors import RightsRefused, RightsUnavailable
from gateway.rights_store import RightsStore
from messages.access_list import LIST_VERSION, Entry, ListManifest
from messages.errors import MessageError

MONTH_US = 31 * 86_400_000_000
LOCKED = Turn("lobby", "locked_down", 99, 5, "b" * 16, 1_099)
FREED = Turn("garage", "free", 77, 5, "b" * 16, 1_077)


def a_store(folder: Path) -> RightsStore:
    return RightsStore(folder / "rights.db", "north", "east-1")


def a_manifest(version: int, whole: dict[str, Entry], base: int | None = None) -> ListManifest:
    return ListManifest(LIST_VERSION, version, 7, (), len(whole), digest_of(whole.values()), base)


def put(store: RightsStore, version: int, whole: dict[str, Entry]) -> None:
    while store.clean():
        continue
    store.stage(list(whole.values()))
    store.put_in_force(a_manifest(version, whole), b"signed %d" % version)


def stage_without_end(store: RightsStore) -> None:
    for start in range(1, 100_000, 500):
        store.stage([an_entry(number) for number in range(start, start + 500)])


def test_at_first_nothing_is_in_force(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    assert (store.version, store.load_list(), store.settings()) == (0, None, None)
    assert (tmp_path / "rights.db").stat().st_mode & 0o777 == 0o600


def test_a_list_is_there_again_after_the_end(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    put(store, 4, entries(1_200))
    store.close()
    stored = a_store(tmp_path).load_list()
    assert stored is not None
    assert (stored.access_list.version, stored.access_list.issued_us, stored.signed) == (4, 7, b"signed 4")
    assert stored.access_list.entries == entries(1_200)


def test_what_is_only_staged_is_not_in_force_and_goes_away(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    put(store, 1, entries(3))
    store.stage(list(entries(700).values()))
    store.close()
    again = a_store(tmp_path)
    stored = again.load_list()
    assert stored is not None
    assert stored.access_list.entries == entries(3)
    while again.clean():
        continue
    with sqlite3.connect(tmp_path / "rights.db") as connection:
        assert connection.execute("SELECT count(*) FROM entries").fetchone() == (3,)
    connection.close()


def test_a_token_cannot_stand_in_a_list_twice(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.stage([an_entry(1)])
    with pytest.raises(MessageError, match="twice"):
        store.stage([an_entry(2), an_entry(1)])
    store.stage([an_entry(2)])


def test_a_delta_changes_puts_in_and_takes_away_in_one(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    put(store, 1, entries(3))
    after = {**entries(4), an_entry(2).token: an_entry(2, blocked=True)}
    del after[an_entry(1).token]
    changed = [an_entry(2, blocked=True), an_entry(4)]
    assert store.change(a_manifest(2, after, base=1), b"signed 2", changed, [an_entry(1).token])
    stored = store.load_list()
    assert stored is not None
    assert (stored.access_list.version, stored.access_list.entries) == (2, after)


def test_a_delta_that_does_not_lead_to_what_was_meant_changes_nothing(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    put(store, 1, entries(3))
    assert not store.change(a_manifest(2, entries(9), base=1), b"signed 2", [an_entry(4)], [])
    stored = store.load_list()
    assert stored is not None
    assert (stored.access_list.version, stored.access_list.entries) == (1, entries(3))


def test_a_list_altered_on_the_disk_is_not_decided_on_and_may_come_again(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    put(store, 5, entries(3))
    store.close()
    with sqlite3.connect(tmp_path / "rights.db") as connection:
        connection.execute("DELETE FROM entries WHERE token = ?", (an_entry(2).token,))
    connection.close()
    again = a_store(tmp_path)
    assert again.load_list() is None
    assert again.version == 4  # so that 5 is taken, and none before it


@pytest.mark.parametrize("seed", range(8))
def test_a_spoilt_file_is_set_aside_or_serves_what_was_in_force(tmp_path: Path, seed: int) -> None:
    store = a_store(tmp_path)
    put(store, 5, entries(900))
    store.close()
    path = tmp_path / "rights.db"
    chance, content = random.Random(seed), bytearray(path.read_bytes())
    for _ in range(64):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    again = a_store(tmp_path)
    stored = again.load_list()
    assert stored is None or stored.access_list.entries == entries(900)
    put(again, 6, entries(2))
    assert again.version == 6


def test_a_file_of_another_gateway_or_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    a_store(tmp_path).close()
    with pytest.raises(RightsRefused, match="another gateway"):
        RightsStore(tmp_path / "rights.db", "north", "west-1")
    with sqlite3.connect(tmp_path / "rights.db") as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('rights', 'm999', '')"
        )
    connection.close()
    with pytest.raises(RightsRefused, match="m999"):
        a_store(tmp_path)


def test_a_full_disk_changes_nothing_and_says_so(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    put(store, 1, entries(3))
    with files_limited_to(400_000), pytest.raises(RightsUnavailable, match=r"rights\.db"):
        stage_without_end(store)
    stored = store.load_list()
    assert stored is not None
    assert stored.access_list.entries == entries(3)
    put(store, 2, entries(4))
    assert store.version == 2


def test_settings_are_kept_as_they_came(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.keep_settings(1, b"one")
    store.keep_settings(2, b"two")
    store.close()
    assert a_store(tmp_path).settings() == b"two"


def test_a_command_is_used_once_also_after_a_restart(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    assert store.use("a" * 32, expires_us=10, now_us=5)
    assert not store.use("a" * 32, expires_us=10, now_us=6)
    store.close()
    again = a_store(tmp_path)
    assert not again.use("a" * 32, expires_us=10, now_us=7)
    assert again.use("b" * 32, expires_us=10, now_us=7)


def test_what_a_command_makes_of_a_door_is_known_after_a_restart_until_another_undoes_it(
    tmp_path: Path,
) -> None:
    store = a_store(tmp_path)
    store.keep_turn(replace(FREED, door="lobby"))
    store.keep_turn(LOCKED)
    store.keep_turn(FREED)
    store.close()
    again = a_store(tmp_path)
    assert again.turns() == [FREED, LOCKED]
    again.keep_turn(Turn("lobby", None))
    assert again.turns() == [FREED]
    again.close()


def test_used_commands_are_forgotten_a_month_after_they_could_have_been_good(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.use("a" * 32, expires_us=10, now_us=5)
    assert not store.use("a" * 32, expires_us=10, now_us=MONTH_US)
    assert store.use("a" * 32, expires_us=MONTH_US + 99, now_us=MONTH_US + 11)


_APPLYING = """
import sys
from pathlib import Path
from orders_support import digest_of, entries
from gateway.commanded import Turn
from gateway.rights_store import RightsStore
from messages.access_list import LIST_VERSION, ListManifest

store = RightsStore(Path(sys.argv[1]), "north", "east-1")
size = int(sys.argv[2])
whole = entries(size)
manifest = lambda version, of, base=None: ListManifest(
    LIST_VERSION, version, 7, (), len(of), digest_of(of.values()), base)
print("ready", flush=True)
version = store.version
while True:
    version += 1
    while store.clean():
        pass
    some = list(whole.values())[: size - version % 7]
    for start in range(0, len(some), 100):
        store.stage(some[start : start + 100])
    of = {entry.token: entry for entry in some}
    store.put_in_force(manifest(version, of), b"signed")
    last = some[-1].token
    version += 1
    shorter = {token: entry for token, entry in of.items() if token != last}
    assert store.change(manifest(version, shorter, version - 1), b"signed", [], [last])
    print(version, flush=True)
"""


def test_a_process_killed_at_any_moment_leaves_the_old_list_or_the_new_one(tmp_path: Path) -> None:
    path, chance, versions = tmp_path / "rights.db", random.Random(4), []
    tests = Path(__file__).parent
    for _ in range(12):
        process = subprocess.Popen(
            [sys.executable, "-c", _APPLYING, str(path), "400"], cwd=tests, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        told = int(process.stdout.readline())
        threading.Event().wait(chance.uniform(0.0, 0.08))  # any moment
        process.kill()
        rest = process.communicate(timeout=20)[0].split()
        store = RightsStore(path, "north", "east-1")
        stored = store.load_list()  # None if it were a mix: its digest would not fit
        store.close()
        assert stored is not None
        assert stored.access_list.version >= max([told, *map(int, rest)])
        versions.append(stored.access_list.version)
    assert versions == sorted(versions)
