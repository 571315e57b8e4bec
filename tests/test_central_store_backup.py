"""Backups: whole, checked, sealed, restored into an empty place only; without what has ended meanwhile."""

import json
import subprocess
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from central_support import GATEWAY, SITE, a_block, a_chain, topic
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from database_support import new_database
from identity_support import COMMUNITY, DAY_US, NOON_US, VISITOR, a_vault, arrive, opener_of, visits
from postgres_support import Postgres
from program_support import called
from register_support import an_estate
from sqlalchemy import Engine, insert, select

from central.cli import main
from central.errors import IdentityGone, SettingsError, StoreRefused
from central.identity.opening import row_name
from central.identity.retention import Retention
from central.identity.retention_rules import RetentionRules
from central.ingest.intake import examine, take_in
from central.store.backup import load_manifest, make_backup, remove_old
from central.store.chains import verify_all
from central.store.contents import Amount, amount_of, shapes
from central.store.engine import migrate, open_reader, open_writer, reading, writing
from central.store.identity_tables import envelope
from central.store.restore import restore
from central.store.sealed_files import CHUNK, Opening, Sealing, load_private, load_public, make_backup_key
from central.store.tables import gateway, record
from messages.topics import Leaf

NOW = datetime(2026, 11, 5, 2, tzinfo=UTC)
DAY = "2026-11-04"
CENTRE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = X25519PrivateKey.from_private_bytes(bytes(range(1, 33)))

NewUrl = Callable[[], str]


@pytest.fixture
def new_url(engine_name: str, request: pytest.FixtureRequest, tmp_path: Path) -> NewUrl:
    """Addresses of empty places."""
    if engine_name == "sqlite":
        names = iter(range(100))
        return lambda: f"sqlite:///{tmp_path / f'restored-{next(names)}' / 'central.sqlite'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database


def backed_up(url: str, into: Path, key: X25519PrivateKey | None = None) -> Path:
    reader = open_reader(url)
    made = make_backup(reader, into, NOW, key.public_key() if key else None)
    reader.dispose()
    return made


def held(url: str) -> dict[str, Amount]:
    reader = open_reader(url)
    with reading(reader) as connection:
        found = {shape.name: amount_of(connection, shape) for shape in shapes(connection)}
    reader.dispose()
    return found


def with_records(engine: Engine, count: int = 300) -> None:
    blocks = [examine(topic(Leaf.BACKLOG), a_block(a_chain(count)))]
    with writing(engine) as connection:
        take_in(connection, blocks, NOON_US)


def test_what_was_backed_up_is_there_again_and_goes_on(
    engine: Engine, database_url: str, new_url: NewUrl, tmp_path: Path
) -> None:
    with_records(engine)
    estate = an_estate(engine, tmp_path)
    estate.resident("安娜", "101", "04A1B2C3")
    before = held(database_url)
    folder = backed_up(database_url, tmp_path / "backups")
    with_records(engine, 301)
    url = new_url()
    manifest = restore(folder, url, None)
    assert {each.shape.name: each.amount for each in manifest.tables} == held(url) == before
    assert before["record"].rows == 300
    again = open_writer(url)
    migrate(again)
    assert [good for _, good in verify_all(again)] == [True]
    with_records(again, 301)  # numbers of new rows follow those that are there
    with writing(again) as connection:
        connection.execute(insert(gateway).values(site="n", name="n", first_heard_at=1))
    again.dispose()
    assert held(url)["record"].rows == 301


def test_no_backup_reads_a_period_that_has_ended(
    engine: Engine, database_url: str, new_url: NewUrl, tmp_path: Path
) -> None:
    """Every one that was ever made, restored beside the key ring of today."""
    vault = a_vault(tmp_path)
    arrive(engine, visits(vault.sealing_key(COMMUNITY, NOON_US), NOON_US, VISITOR), opener_of(vault), NOON_US)
    backups = [backed_up(database_url, tmp_path / "first"), backed_up(database_url, tmp_path / "sealed", KEY)]
    for folder in backups:
        files = [path.read_bytes() for path in folder.rglob("*")]
        ring = [path.read_bytes() for path in (tmp_path / "ring").rglob("*") if path.is_file()]
        assert not any(secret in file for secret in ring for file in files)
    urls = []
    for folder in backups:
        urls.append(new_url())
        restore(folder, urls[-1], KEY)

    def opened(url: str) -> bytes:
        restored = open_reader(url)
        with reading(restored) as connection:
            sealed = connection.execute(select(envelope.c.sealed)).scalar_one()
        restored.dispose()
        return vault.open_period(COMMUNITY, DAY, row_name(SITE, GATEWAY, 1, 1), sealed)

    assert all(VISITOR.number.encode() in opened(url) for url in urls), "before the end they can"
    Retention(engine, vault, CENTRE, RetentionRules(30)).run(NOON_US + 31 * DAY_US)
    for url in urls:
        with pytest.raises(IdentityGone):
            opened(url)


def test_a_backup_is_as_of_one_moment_while_records_come_in(
    engine: Engine, database_url: str, new_url: NewUrl, tmp_path: Path
) -> None:
    """Records and what is settled of them are of one transaction: no backup may hold the one alone."""
    bodies = a_chain(4_000)
    began, stop = threading.Event(), threading.Event()

    def ingest() -> None:
        for first in range(0, 4_000, 20):
            block = a_block(bodies[first : first + 20], first + 1)
            with writing(engine) as connection:
                take_in(connection, [examine(topic(Leaf.JOURNAL), block)], NOON_US)
            began.set()
            if stop.is_set():
                return

    writer = threading.Thread(target=ingest)
    writer.start()
    began.wait(10)
    folders = [backed_up(database_url, tmp_path / str(turn)) for turn in range(2)]
    stop.set()
    writer.join()
    for folder in folders:
        url = new_url()
        restore(folder, url, None)
        restored = open_reader(url)
        assert [good for _, good in verify_all(restored)] == [True]
        restored.dispose()


def test_nothing_is_restored_over_something(
    engine: Engine, database_url: str, tmp_path: Path, new_url: NewUrl
) -> None:
    folder = backed_up(database_url, tmp_path / "backups")
    with_records(engine)
    with pytest.raises(StoreRefused, match="empty"):
        restore(folder, database_url, None)
    assert held(database_url)["record"].rows == 300


@pytest.mark.parametrize("what", ["altered", "cut off", "missing"])
def test_a_damaged_backup_leaves_the_place_empty(tmp_path: Path, what: str) -> None:
    writer = new_database(tmp_path / "central.sqlite")
    writer.dispose()
    folder = backed_up(str(writer.url), tmp_path / "backups")
    largest = max(folder.iterdir(), key=lambda path: path.stat().st_size * path.name.endswith(".gz"))
    content = bytearray(largest.read_bytes())
    if what == "altered":
        content[len(content) // 2] ^= 1
    largest.write_bytes(content[:-1] if what == "cut off" else content)
    if what == "missing":
        largest.unlink()
    with pytest.raises(StoreRefused, match=largest.name):
        restore(folder, f"sqlite:///{tmp_path / 'place' / 'central.sqlite'}", None)
    assert not (tmp_path / "place").exists()


def test_rows_that_are_not_those_of_the_manifest_are_not_taken(
    engine: Engine, database_url: str, new_url: NewUrl, tmp_path: Path
) -> None:
    with_records(engine)
    folder = backed_up(database_url, tmp_path / "backups")
    said = json.loads((folder / "manifest.json").read_text())
    (records,) = (each for each in said["tables"] if each["shape"]["name"] == "record")
    records["amount"]["rows"] -= 1
    (folder / "manifest.json").write_text(json.dumps(said))
    url = new_url()
    with pytest.raises(StoreRefused, match="record: does not hold what the manifest says"):
        restore(folder, url, None)
    place = open_writer(url)
    with reading(place) as connection:
        assert shapes(connection) == []
    place.dispose()


def test_a_sealed_backup_opens_with_its_own_key_alone(
    engine: Engine, database_url: str, new_url: NewUrl, tmp_path: Path
) -> None:
    with_records(engine)
    folder = backed_up(database_url, tmp_path / "backups", KEY)
    assert all(path.read_bytes()[:3] != b"\x1f\x8b\x08" for path in folder.iterdir()), "none is plain gzip"
    for key in (None, X25519PrivateKey.generate()):
        with pytest.raises(StoreRefused, match="sealed for the public key"):
            restore(folder, new_url(), key)
    url = new_url()
    restore(folder, url, KEY)
    assert held(url) == held(database_url)


def test_a_backup_of_the_other_engine_is_sent_the_right_way(tmp_path: Path) -> None:
    writer = new_database(tmp_path / "central.sqlite")
    writer.dispose()
    folder = backed_up(f"sqlite:///{tmp_path / 'central.sqlite'}", tmp_path / "backups")
    with pytest.raises(StoreRefused, match="copy-to-postgres"):
        restore(folder, "postgresql+psycopg://nobody@/nowhere", None)


def test_a_database_without_tables_is_no_backup(tmp_path: Path) -> None:
    (tmp_path / "central.sqlite").touch()
    with pytest.raises(StoreRefused, match="no tables of ours"):
        backed_up(f"sqlite:///{tmp_path / 'central.sqlite'}", tmp_path / "backups")
    assert [path.name for path in (tmp_path / "backups").iterdir()] == ["2026-11-05T02-00-00Z.part"]


def test_a_database_that_is_not_there_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="is not there"):
        backed_up(f"sqlite:///{tmp_path / 'none.sqlite'}", tmp_path / "backups")


def test_old_backups_go_and_nothing_else(tmp_path: Path) -> None:
    names = ["2026-10-01T02-00-00Z", "2026-10-02T02-00-00Z", "2026-11-05T02-00-00Z", "photos"]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").touch()
    (tmp_path / "2026-01-01T00-00-00Z").mkdir()  # like a backup, but none
    assert [path.name for path in remove_old(tmp_path, NOW + timedelta(hours=1))] == names[:1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2026-01-01T00-00-00Z", *names[1:]]


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5])
def test_what_is_sealed_opens_at_every_size(tmp_path: Path, size: int) -> None:
    plain = bytes(range(256)) * (size // 256 + 1)
    path = tmp_path / "sealed"
    with path.open("wb") as file, Sealing(file, KEY.public_key()) as sealing:
        for begin in range(0, size, 300_001):
            sealing.write(plain[begin : min(begin + 300_001, size)])
    with path.open("rb") as sealed:
        assert Opening(sealed, KEY).read() == plain[:size]
    whole = path.read_bytes()
    for damaged in (
        whole[:-1],
        whole[: -17 if size < CHUNK else -(CHUNK + 16)],
        whole[:50] + bytes([whole[50] ^ 1]) + whole[51:],
    ):
        path.write_bytes(damaged)
        with path.open("rb") as sealed, pytest.raises(StoreRefused):
            Opening(sealed, KEY).read()


def test_keys_of_backups_are_files_that_are_never_replaced(tmp_path: Path) -> None:
    private, public = tmp_path / "backup.key", tmp_path / "backup.pub"
    make_backup_key(private, public)
    assert private.stat().st_mode & 0o077 == 0
    assert load_private(private).public_key() == load_public(public)
    with pytest.raises(SettingsError, match="exists"):
        make_backup_key(private, tmp_path / "other.pub")
    with pytest.raises(SettingsError, match="not the public key"):
        load_public(private)


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "central.toml"
    path.write_text('[database]\npath = "data/central.sqlite"\n')
    return path


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return called(main, *words)


def test_the_commands_of_an_operator(settings: Path, tmp_path: Path) -> None:
    made = run("migrate", "--settings", settings)
    assert (made.returncode, made.stdout.split()[-2:]) == (0, ["was", "empty"])
    assert "as it was" in run("migrate", "--settings", settings).stdout
    assert run("backup-key", tmp_path / "b.key", tmp_path / "b.pub").returncode == 0
    to = ("--to", tmp_path / "backups")
    refused = run("backup", "--settings", settings, *to)
    assert (refused.returncode, "--in-clear" in refused.stderr) == (2, True)
    done = run("backup", "--settings", settings, *to, "--for", tmp_path / "b.pub")
    folder = Path(done.stdout.strip())
    assert load_manifest(folder).engine == "sqlite"
    assert "record: 0 rows" in done.stderr
    begin = ("restore", "--settings", settings, "--from", folder)
    assert "empty place" in run(*begin, "--key-file", tmp_path / "b.key").stderr
    (tmp_path / "data" / "central.sqlite").unlink()
    assert "--key-file" in run(*begin).stderr
    done = run(*begin, "--key-file", tmp_path / "b.key")
    assert (done.returncode, "gateways send again" in done.stdout) == (0, True)
    assert "as it was" in run("migrate", "--settings", settings).stdout
    engine = open_writer(f"sqlite:///{tmp_path / 'data' / 'central.sqlite'}")
    with reading(engine) as connection:
        assert connection.execute(select(record.c.id)).all() == []
    engine.dispose()
