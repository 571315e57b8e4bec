"""Which key gateways seal for, and a register key that is changed under load."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from central_support import GATEWAY, SITE, START_US
from identity_support import COMMUNITY, MONTH, NOON_US, a_registers_vault, a_vault
from sqlalchemy import Column, Connection, Engine, LargeBinary, MetaData, Table, insert, select

from central.errors import IdentityGone
from central.fleet.orders import note_settings
from central.identity.keyfiles import sealed_for
from central.identity.periods import ends_us
from central.identity.retention_rules import SHANGHAI
from central.identity.rotation import reseal, sealed_as
from central.identity.sealing import SealingKeys
from central.identity.suites import COMMERCIAL, INTERNATIONAL, key_named
from central.identity.vault import Vault
from central.store.engine import reading, writing
from central.store.tables import Whole, sent_settings
from messages.site_settings import SiteSettings, decode_site_settings, encode_site_settings


def of_our_site(_connection: Connection, site: str) -> int | None:
    return COMMUNITY if site == SITE else None


def noted(engine: Engine, name: str, revision: int, site: str = SITE) -> None:
    body = encode_site_settings(SiteSettings(1, revision, START_US, pass_keys=("ab" * 32,)))
    with writing(engine) as connection:
        note_settings(connection, site, name, body, START_US, by="test")


def renew(engine: Engine, vault: Vault, now_us: int = NOON_US, *, may_seal: bool = True) -> int:
    with writing(engine) as connection:
        return SealingKeys(vault, of_our_site, may_seal=may_seal).renew(connection, now_us)


def in_force(engine: Engine, site: str = SITE) -> list[tuple[str, SiteSettings]]:
    """Oldest first, as they are sent."""
    columns = sent_settings.c
    with reading(engine) as connection:
        rows = connection.execute(select(sent_settings).where(columns.site == site).order_by(columns.id))
        return [(row.gateway, decode_site_settings(row.body)) for row in rows]


def test_a_site_gets_its_communitys_key_of_the_month_and_keeps_all_else(
    engine: Engine, tmp_path: Path
) -> None:
    vault = a_vault(tmp_path)
    noted(engine, "*", 4)
    assert renew(engine, vault) == 1
    (_, before), (name, after) = in_force(engine)
    assert (name, after.revision, after.pass_keys) == ("*", 5, before.pass_keys)
    assert after.sealing_key == vault.sealing_key(COMMUNITY, NOON_US)
    assert renew(engine, vault) == 0


def test_another_month_brings_another_key(engine: Engine, tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    noted(engine, "*", 1)
    renew(engine, vault)
    assert renew(engine, vault, ends_us(MONTH, SHANGHAI) - 1) == 0
    assert renew(engine, vault, ends_us(MONTH, SHANGHAI)) == 1
    key = in_force(engine)[-1][1].sealing_key
    assert key is not None
    assert sealed_for(key.id) == (COMMUNITY, "2026-12")


def test_without_a_legal_basis_the_key_is_taken_back(engine: Engine, tmp_path: Path) -> None:
    vault = a_vault(tmp_path)
    noted(engine, "*", 1)
    assert renew(engine, vault, may_seal=False) == 0
    renew(engine, vault)
    assert renew(engine, vault, may_seal=False) == 1
    assert in_force(engine)[-1][1].sealing_key is None


def test_a_site_of_no_community_seals_nothing(engine: Engine, tmp_path: Path) -> None:
    """Not for a key that somebody wrote into its settings either."""
    vault = a_vault(tmp_path)
    written = SiteSettings(1, 1, START_US, sealing_key=vault.sealing_key(COMMUNITY, NOON_US))
    with writing(engine) as connection:
        note_settings(connection, "elsewhere", "*", encode_site_settings(written), START_US, by="test")
    assert renew(engine, vault) == 1
    assert in_force(engine, "elsewhere")[-1][1].sealing_key is None
    assert renew(engine, vault) == 0


def test_a_gateway_with_settings_of_its_own_keeps_them(engine: Engine, tmp_path: Path) -> None:
    noted(engine, "*", 1)
    noted(engine, GATEWAY, 2)
    assert renew(engine, a_vault(tmp_path)) == 2
    assert [name for name, _ in in_force(engine)][-2:] == ["*", GATEWAY]


def test_settings_that_the_sites_have_replaced_are_not_brought_back(engine: Engine, tmp_path: Path) -> None:
    noted(engine, GATEWAY, 1)
    noted(engine, "*", 2)
    assert renew(engine, a_vault(tmp_path)) == 1
    assert [name for name, _ in in_force(engine)] == [GATEWAY, "*", "*"]


# --- rotation of a register key


@pytest.fixture
def people(engine: Engine) -> Iterator[Table]:
    """A table of the form that the register's have."""
    own = MetaData()
    table = Table(
        "some_people",
        own,
        Column("id", Whole, primary_key=True),
        Column("community_id", Whole, nullable=False),
        Column("sealed", LargeBinary, info=sealed_as("person")),
    )
    own.create_all(engine)
    yield table
    own.drop_all(engine)


def sealed_again(engine: Engine, vault: Vault, people: Table) -> int:
    """Of community 7, in several pages."""
    return reseal(engine, vault, 7, columns=[people.c.sealed], page=5)


def test_after_a_rotation_everything_opens_with_the_new_key_alone(
    engine: Engine, people: Table, tmp_path: Path
) -> None:
    vault = a_registers_vault(tmp_path, INTERNATIONAL, 8)
    rows = [
        {"id": n, "community_id": c, "sealed": vault.seal_register(c, f"person:{n}", b"%d" % n)}
        for n, c in enumerate([7, 7, 8] * 10, 1)
    ]
    rows[3]["sealed"] = None
    with writing(engine) as connection:
        connection.execute(insert(people), rows)
    vault.suite = COMMERCIAL
    used = vault.rotate_register(7)
    assert sealed_again(engine, vault, people) == 19
    assert sealed_again(engine, vault, people) == 0
    assert vault.drop_former_registers(7) == 1
    with reading(engine) as connection:
        for row in connection.execute(select(people).where(people.c.sealed.is_not(None))):
            assert vault.open_register(row.community_id, f"person:{row.id}", row.sealed) == b"%d" % row.id
            assert (key_named(row.sealed) == used) == (row.community_id == 7)


def test_a_rotation_that_was_cut_off_goes_on_where_it_stopped(
    engine: Engine, people: Table, tmp_path: Path
) -> None:
    vault = a_registers_vault(tmp_path, INTERNATIONAL, 8)
    with writing(engine) as connection:
        for n in range(1, 21):
            sealed = vault.seal_register(7, f"person:{n}", b"x")
            connection.execute(insert(people).values(id=n, community_id=7, sealed=sealed))
        broken = vault.seal_register(7, "person:0", b"x")
        connection.execute(people.update().where(people.c.id == 15).values(sealed=broken))
    vault.rotate_register(7)
    with pytest.raises(Exception, match="sealed for another row"):
        sealed_again(engine, vault, people)
    with writing(engine) as connection:
        sealed = vault.seal_register(7, "person:15", b"x")
        connection.execute(people.update().where(people.c.id == 15).values(sealed=sealed))
    assert sealed_again(engine, vault, people) == 9


def test_a_row_whose_key_is_gone_stops_a_rotation_before_anything_is_dropped(
    engine: Engine, people: Table, tmp_path: Path
) -> None:
    vault, other = a_registers_vault(tmp_path / "one"), a_registers_vault(tmp_path / "two")
    with writing(engine) as connection:
        sealed = other.seal_register(7, "person:1", b"x")
        connection.execute(insert(people).values(id=1, community_id=7, sealed=sealed))
    vault.rotate_register(7)
    with pytest.raises(IdentityGone):
        sealed_again(engine, vault, people)
