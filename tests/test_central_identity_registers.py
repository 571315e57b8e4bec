"""A register key that was lost is told of at the start, and never made anew in silence."""

import shutil
from pathlib import Path

import pytest
from central_support import Central, a_broker
from database_support import new_database
from identity_support import COMMUNITY, NOON_US, a_vault
from program_support import called
from sqlalchemy import Engine, select

from central.cli import main
from central.errors import SettingsError
from central.identity.registers import (
    begin_register,
    check_registers,
    end_former_keys,
    give_up,
    note_key_in_use,
)
from central.identity.vault import Vault
from central.store.engine import reading, writing
from central.store.identity_tables import register_key

PLAIN = "李业主|000000198512120021".encode()


def begun(engine: Engine, vault: Vault, community: int = COMMUNITY) -> None:
    with writing(engine) as connection:
        begin_register(connection, vault, community, NOON_US)


def checked(engine: Engine, vault: Vault | None) -> None:
    with reading(engine) as connection:
        check_registers(connection, vault)


def notes(engine: Engine) -> list[tuple[str, bool]]:
    """Each key's id, and whether it is in use."""
    columns = register_key.c
    asked = select(columns.key_id, columns.ended_at).order_by(columns.begun_at)
    with reading(engine) as connection:
        return [(row.key_id, row.ended_at is None) for row in connection.execute(asked)]


def key_file(folder: Path, community: int = COMMUNITY) -> Path:
    return folder / "ring" / "lasting" / "registers" / f"{community}.keys"


def test_a_community_begins_with_one_key_which_is_noted_once(engine: Engine, tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    begun(engine, vault)
    begun(engine, vault)
    assert notes(engine) == [(vault.register_key_id(COMMUNITY).hex(), True)]
    checked(engine, vault)


def test_a_centre_without_a_key_ring_and_without_residents_starts(engine: Engine) -> None:
    checked(engine, None)


def test_a_lost_key_is_told_of_with_its_community_and_what_to_do(engine: Engine, tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    begun(engine, vault)
    begun(engine, vault, COMMUNITY + 1)
    key_id = vault.register_key_id(COMMUNITY).hex()
    key_file(tmp_path).unlink()
    with pytest.raises(SettingsError, match=f"key {key_id} of community {COMMUNITY} is in use") as told:
        checked(engine, vault)
    assert len(str(told.value).splitlines()) == 1, "the other community has lost nothing"
    with pytest.raises(SettingsError, match="is in use"):
        begun(engine, vault)
    assert not key_file(tmp_path).exists()


def test_a_key_ring_that_is_away_is_told_of_where_something_is_sealed(engine: Engine, tmp_path: Path) -> None:
    begun(engine, a_vault(tmp_path))
    with pytest.raises(SettingsError, match="is in use"):
        checked(engine, None)


def test_a_copy_from_before_a_rotation_is_too_old(engine: Engine, tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    begun(engine, vault)
    shutil.copy(key_file(tmp_path), tmp_path / "copy")
    vault.rotate_register(COMMUNITY)
    with writing(engine) as connection:
        note_key_in_use(connection, vault, COMMUNITY, NOON_US + 1)
    checked(engine, vault)
    shutil.copy(tmp_path / "copy", key_file(tmp_path))
    with pytest.raises(SettingsError, match="older than the database"):
        checked(engine, vault)


def test_after_a_rotation_the_former_key_may_go(engine: Engine, tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    begun(engine, vault)
    vault.rotate_register(COMMUNITY)
    with writing(engine) as connection:
        note_key_in_use(connection, vault, COMMUNITY, NOON_US + 1)
        end_former_keys(connection, vault, COMMUNITY, NOON_US + 2)
    vault.drop_former_registers(COMMUNITY)
    checked(engine, vault)
    assert [used for _, used in notes(engine)] == [False, True]


def test_what_was_given_up_may_begin_again_and_a_copy_found_later_counts(
    engine: Engine, tmp_path: Path
) -> None:
    vault = a_vault(tmp_path)
    begun(engine, vault)
    sealed = vault.seal_register(COMMUNITY, "person:1", PLAIN)
    key_file(tmp_path).rename(tmp_path / "copy")
    with writing(engine) as connection:
        assert give_up(connection, vault, COMMUNITY, NOON_US) == 1
    checked(engine, vault)
    (tmp_path / "copy").rename(key_file(tmp_path))
    begun(engine, vault)
    assert [used for _, used in notes(engine)] == [True]
    assert vault.open_register(COMMUNITY, "person:1", sealed) == PLAIN


def test_the_serving_centre_does_not_start_without_a_key_until_it_is_given_up(tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    with a_broker(tmp_path) as broker:
        central = Central(tmp_path, broker.port)
        with central.settings.open("a") as settings:
            settings.write('[identity]\nkey_ring = "ring"\n')
        engine = new_database(central.database)
        begun(engine, vault)
        engine.dispose()
        key_file(tmp_path).unlink()
        refused = called(main, "serve", "--settings", central.settings)
        assert (refused.returncode, "is in use and not there" in refused.stderr) == (2, True)
        words = ("identity", "give-up", "--community", str(COMMUNITY), "--settings", str(central.settings))
        assert called(main, *words).returncode == 2
        done = called(main, *words, "--yes")
        assert (done.returncode, done.stdout) == (0, f"community {COMMUNITY}: 1 lost keys given up\n")
        central.start()
        assert central.stop() == 0
