"""A pair of keys that was lost and not destroyed: nobody is accused, nothing is thrown away early."""

import shutil
from pathlib import Path

import pytest
from identity_support import (
    COMMUNITY,
    DAY_US,
    MONTH,
    NOON_US,
    VISITOR,
    a_vault,
    arrive,
    opener_of,
    visits,
)
from sqlalchemy import Engine, select

from central.identity.retention import open_waiting
from central.identity.vault import Vault
from central.store.engine import reading
from central.store.identity_tables import envelope
from central.store.tables import finding


def waits(engine: Engine) -> list[int]:
    with reading(engine) as connection:
        return list(connection.execute(select(envelope.c.waits)).scalars())


def findings(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return list(connection.execute(select(finding.c.kind)).scalars())


def without_its_pair(tmp_path: Path, vault: Vault, *, made_anew: bool) -> Path:
    """The pair's copy; the ring has none, or another one."""
    pair = tmp_path / "ring" / "periods" / str(COMMUNITY) / f"{MONTH}.pair"
    shutil.move(pair, tmp_path / "copy")
    if made_anew:
        vault.sealing_key(COMMUNITY, NOON_US)
    return pair


@pytest.mark.parametrize("made_anew", [False, True], ids=["missing", "another one in its place"])
def test_an_envelope_whose_key_is_lost_waits_for_it_and_is_told_of(
    engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture, *, made_anew: bool
) -> None:
    vault = a_vault(tmp_path)
    payload = visits(vault.sealing_key(COMMUNITY, NOON_US), NOON_US, VISITOR)
    pair = without_its_pair(tmp_path, vault, made_anew=made_anew)
    opener = opener_of(vault)
    arrive(engine, payload, opener, NOON_US)
    open_waiting(engine, opener)
    assert (waits(engine), findings(engine)) == ([1], [])
    assert caplog.text.count("is not in the key ring, and was not destroyed; bring it back") == 1
    shutil.move(tmp_path / "copy", pair)
    open_waiting(engine, opener)
    assert waits(engine) == [0]


@pytest.mark.parametrize("period", [MONTH, "2026-11-04"])
def test_an_envelope_whose_key_was_destroyed_waits_for_nothing(
    engine: Engine, tmp_path: Path, period: str
) -> None:
    vault = a_vault(tmp_path)
    payload = visits(vault.sealing_key(COMMUNITY, NOON_US), NOON_US, VISITOR)
    vault.destroy_period(COMMUNITY, period)
    arrive(engine, payload, opener_of(vault), NOON_US + DAY_US)
    assert (waits(engine), findings(engine)) == ([], [])
