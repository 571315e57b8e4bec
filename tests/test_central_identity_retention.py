"""Retention: after its time nothing reads a visitor's identity, not from a restored backup either; and it is
certified."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from central_support import GATEWAY, SITE, START_US, a_chain, a_state, free_port, topic, until
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from database_support import new_database
from identity_support import (
    COMMUNITY,
    DAY,
    DAY_US,
    MONTH,
    NOON_US,
    VISITOR,
    a_vault,
    arrive,
    opener_of,
    visits,
)
from msgspec.structs import replace
from sqlalchemy import Engine, delete, select, text, update

from central.errors import IdentityGone, StoreUnavailable
from central.fleet.orders import note_settings
from central.identity.certificates import DataClass, verify_certificates
from central.identity.opening import row_name
from central.identity.periods import days_between, ends_us
from central.identity.retention import Retention
from central.identity.retention_rules import LONGEST_WAIT_US, SHANGHAI, RetentionRules
from central.identity.ring import KeyRing
from central.identity.suites import INTERNATIONAL
from central.identity.vault import Vault
from central.ingest.intake import examine, take_in
from central.store.chains import verify_all
from central.store.engine import migrate, open_reader, open_writer, reading, writing
from central.store.identity_tables import deletion_certificate, envelope
from messages.chain import record_hash
from messages.signing import trusted
from messages.site_settings import SealingKey, SiteSettings, encode_site_settings
from messages.topics import Leaf
from messages.wire import encode

HOUR_US = DAY_US // 24
CENTRE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
DAY_BEGAN_US = NOON_US - 12 * HOUR_US
LAST_US = DAY_BEGAN_US + 31 * DAY_US
"""24 hours after a visit at the very beginning of the day is 30 days old."""


def job(engine: Engine, vault: Vault, days: int = 30) -> Retention:
    return Retention(engine, vault, CENTRE, RetentionRules(days))


def a_visit(engine: Engine, vault: Vault, at_us: int = NOON_US) -> bytes:
    """Arrived; what the centre keeps of it."""
    arrive(engine, visits(vault.sealing_key(COMMUNITY, at_us), at_us, VISITOR), opener_of(vault), at_us)
    with reading(engine) as connection:
        return bytes(connection.execute(select(envelope.c.sealed)).scalar_one())


def rows(engine: Engine, *columns: Any) -> list[Any]:
    with reading(engine) as connection:
        return [tuple(row) for row in connection.execute(select(*columns))]


def flaws(engine: Engine, *signers: Ed25519PrivateKey) -> list[str | None]:
    publics = trusted(*(each.public_key() for each in signers or (CENTRE,)))
    with reading(engine) as connection:
        return [wrong for _, wrong in verify_certificates(connection, publics)]


def test_nothing_goes_before_its_time_and_all_within_a_day_after_it(engine: Engine, tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    sealed = a_visit(engine, vault)
    assert job(engine, vault).run(DAY_BEGAN_US + 30 * DAY_US) == []
    assert vault.open_period(COMMUNITY, DAY, row_name(SITE, GATEWAY, 1, 1), sealed)
    (made,) = job(engine, vault).run(LAST_US)
    assert (made.data_class, made.period, made.rows) == (DataClass.VISITOR_IDENTITY, DAY, 1)
    assert made.keys == (f"periods/{COMMUNITY}/{DAY}.keys",)
    assert rows(engine, envelope.c.id) == []
    with pytest.raises(IdentityGone):
        vault.open_period(COMMUNITY, DAY, row_name(SITE, GATEWAY, 1, 1), sealed)
    with pytest.raises(IdentityGone):
        vault.period_index(COMMUNITY, DAY, VISITOR.number)


def test_a_restored_backup_of_the_database_cannot_be_read_and_is_emptied_again(tmp_path: Path) -> None:
    """Also by a newly started centre with the whole key ring, and by somebody who keeps the pair of keys."""
    vault, path = a_vault(tmp_path), tmp_path / "central.sqlite"
    engine = new_database(path)
    a_visit(engine, vault)
    engine.dispose()
    shutil.copy(path, tmp_path / "backup.sqlite")
    engine = open_writer(f"sqlite:///{path}")
    job(engine, vault).run(LAST_US)
    engine.dispose()

    shutil.copy(tmp_path / "backup.sqlite", path)
    restored = open_writer(f"sqlite:///{path}")
    again = Vault(KeyRing(tmp_path / "ring"), INTERNATIONAL)
    (sealed,) = rows(restored, envelope.c.sealed)[0]
    with pytest.raises(IdentityGone):
        again.open_period(COMMUNITY, DAY, row_name(SITE, GATEWAY, 1, 1), sealed)
    assert MONTH in again.periods(COMMUNITY), "the gateways' pair is still there, and does not help"
    (made,) = job(restored, again).run(LAST_US)
    assert (made.rows, rows(restored, envelope.c.id), flaws(restored)) == (1, [], [None])
    restored.dispose()


def test_no_file_of_the_ring_holds_what_opened_it(engine: Engine, tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    a_visit(engine, vault)
    before = (tmp_path / "ring" / "periods" / str(COMMUNITY) / f"{DAY}.keys").read_bytes()
    job(engine, vault).run(LAST_US)
    left = [path.read_bytes() for path in (tmp_path / "ring").rglob("*") if path.is_file()]
    assert not any(before in each for each in left)


def test_what_was_longer_in_coming_than_it_may_be_kept_is_gone_too(engine: Engine, tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    job(engine, vault).run(LAST_US)
    a_late = visits(vault.sealing_key(COMMUNITY, NOON_US), NOON_US, VISITOR)
    arrive(engine, a_late, opener_of(vault), LAST_US)
    assert rows(engine, envelope.c.id) == []


def test_the_chain_of_records_stays_whole_without_identity(tmp_path: Path) -> None:
    vault, url = a_vault(tmp_path), f"sqlite:///{tmp_path / 'central.sqlite'}"
    engine = open_writer(url)
    migrate(engine)
    a_visit(engine, vault)
    job(engine, vault).run(LAST_US)
    engine.dispose()
    assert all(good for _, good in verify_all(open_reader(url)))


RETAINING = """
import sys
from pathlib import Path
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from central.errors import StoreUnavailable
from central.identity.retention import Retention
from central.identity.retention_rules import RetentionRules
from central.identity.ring import KeyRing
from central.identity.suites import INTERNATIONAL
from central.identity.vault import Vault
from central.store.engine import open_writer
url, ring, now_us = sys.argv[1:]
centre = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
job = Retention(open_writer(url), Vault(KeyRing(Path(ring)), INTERNATIONAL), centre, RetentionRules(30))
while True:
    try:
        job.run(int(now_us))
    except StoreUnavailable:
        continue
    break
"""
"""As the serving centre's thread: where the database is busy it tries again."""


def killed_at(url: str, ring: Path, holder: Engine, table: str) -> None:
    """The job runs as a process of its own until it wants to change `table`, which somebody else holds (with
    SQLite the whole database); there it gets SIGKILL."""
    day = ring / "periods" / str(COMMUNITY) / f"{DAY}.keys"
    with writing(holder) as connection:
        if holder.dialect.name == "postgresql":
            connection.exec_driver_sql(f"LOCK TABLE {table} IN SHARE MODE")
        command = [sys.executable, "-c", RETAINING, url, str(ring), str(LAST_US)]
        with subprocess.Popen(command) as process:
            try:
                until(lambda: not day.exists(), "end of the day's keys")
                if holder.dialect.name == "postgresql":
                    waiting = text(
                        "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = to_regclass(:name)"
                    )
                    until(lambda: connection.execute(waiting, {"name": table}).all(), f"job at {table}")
            finally:
                process.kill()
    assert process.returncode == -signal.SIGKILL


def test_a_job_that_is_killed_anywhere_is_finished_by_the_next(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    """After the keys are destroyed, and (where that is another moment) after the rows are deleted."""
    vault = a_vault(tmp_path)
    a_visit(engine, vault)
    for table in ("envelope", "deletion_certificate")[: 2 if engine.dialect.name == "postgresql" else 1]:
        killed_at(database_url, tmp_path / "ring", engine, table)
        assert (rows(engine, deletion_certificate.c.id), len(rows(engine, envelope.c.id))) == ([], 1)
    (made,) = job(engine, vault).run(LAST_US)
    assert (made.rows, made.keys) == (1, (f"periods/{COMMUNITY}/{DAY}.keys",))
    assert job(engine, vault).run(LAST_US) == []


def test_a_database_that_is_away_delays_the_certificate_and_not_the_end(
    engine: Engine, tmp_path: Path
) -> None:
    vault = a_vault(tmp_path)
    sealed = a_visit(engine, vault)
    away = open_writer(f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/away")
    with pytest.raises(StoreUnavailable):
        job(away, vault).run(LAST_US)
    away.dispose()
    with pytest.raises(IdentityGone):
        vault.open_period(COMMUNITY, DAY, row_name(SITE, GATEWAY, 1, 1), sealed)
    (made,) = job(engine, vault).run(LAST_US)
    assert made.rows == 1


def test_certificates_are_chained_and_signed(engine: Engine, tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    for day in ("2026-11-01", "2026-11-02", "2026-11-03"):
        vault.seal_period(COMMUNITY, day, "row", b"")
    made = job(engine, vault).run(LAST_US)
    assert [each.number for each in made] == [1, 2, 3]
    assert flaws(engine) == [None, None, None]
    assert flaws(engine, Ed25519PrivateKey.generate())[0] == "signed by a key that is not known here"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (delete(deletion_certificate).where(deletion_certificate.c.id == 2), "one is missing before it"),
        (update(deletion_certificate).values(period="2026-11-09"), "something else than what was signed"),
        (update(deletion_certificate).values(signature=bytes(64)), "signature does not fit"),
        (update(deletion_certificate).values(body=b"{}"), "cannot be read"),
    ],
    ids=["taken out", "its row altered", "not signed", "emptied"],
)
def test_an_altered_or_missing_certificate_is_found(
    engine: Engine, tmp_path: Path, change: Any, expected: str
) -> None:
    vault = a_vault(tmp_path)
    for day in ("2026-11-01", "2026-11-02", "2026-11-03"):
        vault.seal_period(COMMUNITY, day, "row", b"")
    job(engine, vault).run(LAST_US)
    with writing(engine) as connection:
        connection.execute(change)
    assert any(expected in (wrong or "") for wrong in flaws(engine))


def test_a_certificate_says_nothing_of_anybody(engine: Engine, tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    a_visit(engine, vault)
    job(engine, vault).run(LAST_US)
    (body,) = rows(engine, deletion_certificate.c.body)[0]
    assert VISITOR.number.encode() not in body
    assert set(replace(job(engine, vault).destroy(COMMUNITY, DAY, LAST_US), rows=9).__struct_fields__) == {
        "v",
        "number",
        "community",
        "data_class",
        "period",
        "due",
        "made_at",
        "keys",
        "rows",
        "stragglers",
        "prev",
    }


# --- the months' pairs of keys


def settings_in_force(engine: Engine, key: SealingKey | None, revision: int) -> None:
    """The gateway's site has them, and the gateway says so."""
    body = encode_site_settings(SiteSettings(1, revision, START_US, sealing_key=key))
    state = replace(a_state(1, record_hash(a_chain(1)[0])), settings_revision=revision)
    with writing(engine) as connection:
        note_settings(connection, SITE, "*", body, START_US, by="test")
        take_in(connection, [examine(topic(Leaf.STATE), encode(state))], START_US)


def test_a_months_pair_goes_once_every_gateway_has_moved_on(engine: Engine, tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    settings_in_force(engine, vault.sealing_key(COMMUNITY, NOON_US), 1)
    over_us = ends_us(MONTH, SHANGHAI) + 30 * DAY_US
    assert job(engine, vault).run(over_us) == []
    settings_in_force(engine, vault.sealing_key(COMMUNITY, over_us), 2)
    (made,) = job(engine, vault).run(over_us)
    assert (made.data_class, made.period, made.stragglers) == (DataClass.VISITOR_KEY_PAIR, MONTH, ())
    assert vault.is_gone(COMMUNITY, MONTH)


def test_a_gateway_that_never_moves_on_does_not_keep_it_for_ever(engine: Engine, tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    settings_in_force(engine, vault.sealing_key(COMMUNITY, NOON_US), 1)
    over_us = ends_us(MONTH, SHANGHAI) + 30 * DAY_US
    assert job(engine, vault).run(over_us + LONGEST_WAIT_US - DAY_US) == []
    (made,) = job(engine, vault).run(over_us + LONGEST_WAIT_US)
    assert made.stragglers == (f"{SITE}/{GATEWAY}",)


def test_a_straggler_of_another_community_holds_up_nothing_here(engine: Engine, tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    vault.sealing_key(COMMUNITY, NOON_US)
    settings_in_force(engine, vault.sealing_key(COMMUNITY + 1, NOON_US), 1)
    made = job(engine, vault).run(ends_us(MONTH, SHANGHAI) + 30 * DAY_US)
    assert [(each.community, each.period) for each in made] == [(COMMUNITY, MONTH)]


def test_whoever_still_seals_for_an_old_months_key_loses_nobody_meanwhile(
    engine: Engine, tmp_path: Path
) -> None:
    vault = a_vault(tmp_path)
    old = vault.sealing_key(COMMUNITY, NOON_US)
    settings_in_force(engine, old, 1)
    late_us = ends_us(MONTH, SHANGHAI) + 29 * DAY_US
    job(engine, vault).run(late_us)
    arrive(engine, visits(old, late_us, VISITOR, first=2), opener_of(vault), late_us)
    assert rows(engine, envelope.c.period) == [("2026-12-30",)]


def test_a_month_destroyed_by_hand_takes_its_days_along(engine: Engine, tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    a_visit(engine, vault)
    made = job(engine, vault).destroy(COMMUNITY, MONTH, NOON_US)
    assert (made.number, made.period) == (2, MONTH)
    assert (rows(engine, envelope.c.id), vault.periods(COMMUNITY)) == ([], ())
    assert job(engine, vault).run(NOON_US) == []


def test_what_is_certified_is_forgotten_in_the_key_ring_in_the_end(engine: Engine, tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    a_visit(engine, vault)
    job(engine, vault).run(LAST_US)
    assert (COMMUNITY, DAY) in vault.all_gone()
    job(engine, vault).run(LAST_US + 62 * DAY_US)
    assert (COMMUNITY, DAY) not in vault.all_gone()


def test_longer_retention_keeps_longer(engine: Engine, tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    a_visit(engine, vault)
    assert job(engine, vault, 90).run(LAST_US) == []
    assert len(job(engine, vault, 90).run(LAST_US + 60 * DAY_US)) == 1


def test_every_day_of_a_window_is_named_once_across_months_and_years() -> None:
    new_year_us = ends_us("2026-12-31", SHANGHAI)
    days = list(days_between(new_year_us - 1, new_year_us, SHANGHAI))
    assert days == ["2026-12-31", "2027-01-01"]
    assert ends_us("2026-12", SHANGHAI) == new_year_us
