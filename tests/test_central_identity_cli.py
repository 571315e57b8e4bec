"""`liuhen-central identity`, as an operator runs it."""

import re
import subprocess
from pathlib import Path

import pytest
from central_support import SITE
from database_support import new_database
from identity_support import COMMUNITY, DAY, MONTH, NOON_US, VISITOR, a_vault, arrive, opener_of, visits
from program_support import called
from sqlalchemy import select

from central.cli import main
from central.identity.ring import KeyRing
from central.identity.suites import COMMERCIAL
from central.identity.vault import Vault
from central.store.engine import open_writer, reading
from central.store.identity_tables import envelope


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "central.toml"
    path.write_text(
        '[database]\npath = "central.sqlite"\n[identity]\nkey_ring = "ring"\nsuite = "commercial"\n'
    )
    return path


def run(settings: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return called(main, *words, "--settings", settings)


def good(settings: Path, *words: str) -> str:
    done = run(settings, *words)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_ring_is_made_once_and_shows_no_secret(settings: Path, tmp_path: Path) -> None:
    good(settings, "identity", "make")
    assert run(settings, "identity", "make").returncode == 2
    vault = Vault(KeyRing(tmp_path / "ring"), COMMERCIAL)
    vault.make_register(COMMUNITY)
    vault.seal_period(COMMUNITY, DAY, "row", b"")
    key = vault.sealing_key(COMMUNITY, NOON_US)
    shown = good(settings, "identity", "show")
    assert key.id in shown
    assert key.public in shown
    assert f"{DAY} keys of the day" in shown
    master = re.search(r'"secret":"([0-9a-f]+)"', (tmp_path / "ring" / "master.key").read_text())
    assert master is not None
    assert master[1] not in shown


def test_without_a_ring_every_command_says_how_to_make_one(settings: Path) -> None:
    done = run(settings, "identity", "show")
    assert done.returncode == 2
    assert "liuhen-central identity make" in done.stderr


def test_a_sites_key_goes_both_ways_and_is_never_exchanged(settings: Path, tmp_path: Path) -> None:
    good(settings, "identity", "make")
    first = tmp_path / "site.key"
    good(settings, "identity", "site", SITE, "--key-file", str(first))
    assert first.stat().st_mode & 0o777 == 0o600
    second = tmp_path / "again.key"
    good(settings, "identity", "site", SITE, "--key-file", str(second))
    assert second.read_text() == first.read_text()
    second.write_text("00" * 32)
    refused = run(settings, "identity", "site", SITE, "--key-file", str(second))
    assert (refused.returncode, "another key" in refused.stderr) == (2, True)
    vault = Vault(KeyRing(tmp_path / "ring"), COMMERCIAL)
    assert vault.site_key(SITE).hex() == first.read_text().strip()


def test_a_period_is_destroyed_only_when_meant_and_its_certificate_verifies(
    settings: Path, tmp_path: Path
) -> None:
    vault = a_vault(tmp_path, COMMERCIAL)
    good(settings, "keys", "make")
    engine = new_database(tmp_path / "central.sqlite")
    arrive(engine, visits(vault.sealing_key(COMMUNITY, NOON_US), NOON_US, VISITOR), opener_of(vault), NOON_US)
    words = ("identity", "destroy", "--community", str(COMMUNITY), "--period", MONTH)
    assert run(settings, *words).returncode == 2
    assert vault.periods(COMMUNITY) == (MONTH, DAY)
    good(settings, *words, "--yes")
    assert vault.periods(COMMUNITY) == ()
    with reading(engine) as connection:
        assert connection.execute(select(envelope.c.id)).all() == []
    engine.dispose()
    shown = good(settings, "identity", "certificates").splitlines()
    assert [line.split(":")[0] for line in shown] == ["1", "2"]
    assert f"periods/{COMMUNITY}/{DAY}.keys; 1 rows" in shown[0]


def test_certificates_that_were_tampered_with_end_in_exit_code_1(settings: Path, tmp_path: Path) -> None:
    vault = a_vault(tmp_path, COMMERCIAL)
    good(settings, "keys", "make")
    vault.seal_period(COMMUNITY, "2020-01-01", "row", b"")
    said = good(settings, "identity", "retain")
    assert "2020-01-01" in said
    assert "entries: the time by gateways' clocks is unknown" in said
    engine = open_writer(f"sqlite:///{tmp_path / 'central.sqlite'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE deletion_certificate SET made_at = 1")
    engine.dispose()
    assert run(settings, "identity", "certificates").returncode == 1
