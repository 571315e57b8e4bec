"""Which register keys are in use, noted in the database: a key that is lost is told of, never made anew.

The key ring alone cannot tell a community that never had a key from one whose key was lost; the database,
whose rows are sealed with it, can. A note is made in the transaction that first needs the key, and the key is
durable before that transaction commits.
"""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from central.errors import SettingsError
from central.identity.vault import Vault, register_name
from central.store.identity_tables import register_key


def begin_register(connection: Connection, vault: Vault, community: int, now_us: int) -> None:
    """Before a community's first row is sealed; does nothing where its key is there and noted. Within the
    caller's transaction. Raises SettingsError where its key was lost."""
    if lost := _lost_of(connection, vault, community):
        raise SettingsError(_told({community: lost}))
    vault.make_register(community)
    note_key_in_use(connection, vault, community, now_us)


def note_key_in_use(connection: Connection, vault: Vault, community: int, now_us: int) -> None:
    """After a rotation too, before anything is sealed again."""
    columns, key_id = register_key.c, _used(vault, community)
    here = (columns.community_id == community) & (columns.key_id == key_id)
    # One that was given up and found again counts again.
    if not connection.execute(update(register_key).where(here).values(ended_at=None)).rowcount:
        row = {"community_id": community, "key_id": key_id, "begun_at": now_us}
        connection.execute(insert(register_key).values(row))


def end_former_keys(connection: Connection, vault: Vault, community: int, now_us: int) -> None:
    """Nothing is sealed with them any more; before they are dropped from the key ring."""
    former = _in_force(connection).get(community, set()) - {_used(vault, community)}
    _end(connection, community, former, now_us)


def check_registers(connection: Connection, vault: Vault | None) -> None:
    """At a start. Raises SettingsError, one line for each community of which a key that is in use is not in
    the key ring. `vault`: None where there is no key ring."""
    lost = {
        community: missing
        for community, keys in sorted(_in_force(connection).items())
        if (missing := keys - _held(vault, community))
    }
    if lost:
        raise SettingsError(_told(lost))


def give_up(connection: Connection, vault: Vault, community: int, now_us: int) -> int:
    """What is sealed with a community's lost keys is lost, and somebody said so: how many keys there were.
    From then on another one may be made."""
    lost = _lost_of(connection, vault, community)
    _end(connection, community, lost, now_us)
    return len(lost)


def _in_force(connection: Connection) -> dict[int, set[str]]:
    """Ids of keys by community."""
    columns = register_key.c
    found: dict[int, set[str]] = {}
    for row in connection.execute(select(register_key).where(columns.ended_at.is_(None))):
        found.setdefault(row.community_id, set()).add(row.key_id)
    return found


def _lost_of(connection: Connection, vault: Vault, community: int) -> set[str]:
    return _in_force(connection).get(community, set()) - _held(vault, community)


def _held(vault: Vault | None, community: int) -> set[str]:
    return set() if vault is None else {each.hex() for each in vault.register_key_ids(community)}


def _used(vault: Vault, community: int) -> str:
    return vault.register_key_id(community).hex()


def _end(connection: Connection, community: int, keys: set[str], now_us: int) -> None:
    columns = register_key.c
    here = (columns.community_id == community) & columns.key_id.in_(keys)
    connection.execute(update(register_key).where(here).values(ended_at=now_us))


def _told(lost: dict[int, set[str]]) -> str:
    return "\n".join(
        f"[identity] key_ring: {register_name(community)} is missing or older than the database: key"
        f" {', '.join(sorted(keys))} of community {community} is in use and not there. Bring lasting/ back"
        " from its copy; if there is none, what is sealed with it is lost: liuhen-central identity give-up"
        for community, keys in lost.items()
    )
