"""Who sees which rows, said to PostgreSQL itself: a second wall behind the scope checks of the code (R-63).

Questions from the web are asked in the role READER, which is bound by a policy for each table: it sees rows
of the communities that stand in the setting `liuhen.communities` of its transaction, and none where it is not
set; and the pass whose receipt stands in `liuhen.receipt`. What writes (ingest, changes, migrations) owns the
tables and is not bound.

A new table with a column `community_id`, `gateway_id` or `site` has its policy by that. Any other one has to
stand in VIA or in FREE; what stands nowhere, the web cannot read.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from sqlalchemy import Connection, Table, text
from sqlalchemy.exc import DBAPIError

from central.errors import StoreRefused
from central.store.schema import metadata

READER: Final = "liuhen_reader"
SETTING: Final = "liuhen.communities"
RECEIPT: Final = "liuhen.receipt"

FREE: Final = {
    "account": "whoever signs in is looked for before it is known what they may see",
    "account_community": "says what they may see",
    "account_event": "of accounts; for administrators",
    "account_person": "which person of the register an account is for; asked for before the scope is known",
    "activation": "of accounts",
    "alarm_cursor": "one number",
    "arrival_mark": "times and numbers",
    "entry_tally": "one number",
    "machine_token": "as an account",
    "machine_token_community": "says what it may see",
    "record_mark": "days and numbers",
    "passkey": "of accounts",
    "passkey_challenge": "of somebody who is signing in",
    "provider_link": "of accounts",
    "provider_visit": "of somebody who is signing in",
    "session": "of accounts",
}
"""Tables whose rows are no community's, each with why."""

_SCOPE: Final = f"(SELECT string_to_array(current_setting('{SETTING}', true), ',')::bigint[])::bigint[]"
"""Worked out once for each question."""

_RECEIPT: Final = f"(SELECT current_setting('{RECEIPT}', true))"
"""Of the one pass whose receipt somebody holds who has no account."""

_OWN: Final = "{column} = ANY ({scope})"
_SITES: Final = "SELECT name FROM site"  # those that the policy of `site` shows
_GATEWAYS: Final = "SELECT id FROM gateway"

VIA: Final = {
    "community": _OWN.format(column="id", scope=_SCOPE),
    "alarm_event": "alarm_id IN (SELECT id FROM alarm)",
    "alarm_record": "alarm_id IN (SELECT id FROM alarm)",
    "alarm_rule": f"site = '*' OR site IN ({_SITES})",
    "visitor_pass": f"{_OWN.format(column='community_id', scope=_SCOPE)} OR receipt = {_RECEIPT}",
    "visitor_pass_event": "pass_id IN (SELECT id FROM visitor_pass)",
    "webhook": f"site = '*' OR site IN ({_SITES})",
    "webhook_message": "webhook_id IN (SELECT id FROM webhook) AND alarm_id IN (SELECT id FROM alarm)",
}
"""Tables that know their community through another one, or not by that alone."""

_BY_COLUMN: Final = {
    "community_id": _OWN.format(column="community_id", scope=_SCOPE),
    "gateway_id": f"gateway_id IN ({_GATEWAYS})",
    "site": f"site IN ({_SITES})",
}
_NOBODY: Final = "false"
_POLICY: Final = "liuhen_communities"
_THERE: Final = text("""
    SELECT c.relname, c.relrowsecurity, has_table_privilege(:reader, c.oid, 'SELECT'),
        (SELECT obj_description(p.oid, 'pg_policy') FROM pg_policy p
         WHERE p.polrelid = c.oid AND p.polname = :policy)
    FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace
""")
_MAKE_ROLE: Final = f"""
    DO $$ BEGIN CREATE ROLE {READER} NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$
"""


def condition_of(table: Table) -> str | None:
    """Which rows of a table somebody sees; None: all of them, the table is free of communities."""
    if table.name in FREE:
        return None
    if table.name in VIA:
        return VIA[table.name]
    return next((said for column, said in _BY_COLUMN.items() if column in table.columns), _NOBODY)


def undeclared() -> list[str]:
    """Tables of which nobody has said whose rows are whose, and names here that are no table."""
    known = {*FREE, *VIA}
    by_column = {table.name for table in metadata.tables.values() if _BY_COLUMN.keys() & table.columns.keys()}
    return sorted((metadata.tables.keys() - known - by_column) | (known - metadata.tables.keys()))


def bind(connection: Connection, communities: frozenset[int]) -> None:
    """For this transaction: the connection sees rows of these communities, and changes none."""
    if connection.dialect.name == "postgresql":
        connection.execute(
            text("SELECT set_config('role', :role, true), set_config(:setting, :communities, true)"),
            {"role": READER, "setting": SETTING, "communities": ",".join(map(str, sorted(communities)))},
        )


def admit_receipt(connection: Connection, receipt: str) -> None:
    """For the rest of this transaction, which is bound already: the pass of exactly that receipt is seen."""
    if connection.dialect.name == "postgresql":
        connection.execute(
            text("SELECT set_config(:setting, :receipt, true)"), {"setting": RECEIPT, "receipt": receipt}
        )


def apply_policies(connection: Connection) -> None:
    """So that the database has what stands here; changes only what differs. Raises StoreRefused."""
    _make_reader(connection)
    there = {name: rest for name, *rest in connection.execute(_THERE, {"reader": READER, "policy": _POLICY})}
    for table in metadata.sorted_tables:
        condition = condition_of(table)
        wanted = None if condition is None else sha256(condition.encode()).hexdigest()
        if there[table.name] != [condition is not None, True, wanted]:
            for statement in _statements(table.name, condition, wanted):
                connection.exec_driver_sql(statement)


def _statements(table: str, condition: str | None, digest: str | None) -> list[str]:
    # Names and conditions are those of this module; DDL takes no parameters.
    bound = f'ALTER TABLE "{table}" {"DISABLE" if condition is None else "ENABLE"} ROW LEVEL SECURITY'
    made = [f'GRANT SELECT ON "{table}" TO {READER}', bound, f'DROP POLICY IF EXISTS {_POLICY} ON "{table}"']
    if condition is not None:
        made += [
            f'CREATE POLICY {_POLICY} ON "{table}" FOR SELECT TO {READER} USING ({condition})',
            f"COMMENT ON POLICY {_POLICY} ON \"{table}\" IS '{digest}'",
        ]
    return made


def _make_reader(connection: Connection) -> None:
    """The role, of which we are a member. Raises StoreRefused where we may not see to it."""
    version = connection.dialect.server_version_info or (0,)
    may_become = text(f"SELECT pg_has_role(:reader, '{'SET' if version >= (16,) else 'MEMBER'}')")
    reader = {"reader": READER}
    try:
        with connection.begin_nested():
            there = text("SELECT 1 FROM pg_roles WHERE rolname = :reader")
            if connection.execute(there, reader).first() is None:
                connection.exec_driver_sql(_MAKE_ROLE)
            if not connection.execute(may_become, reader).scalar():
                connection.exec_driver_sql(f"GRANT {READER} TO CURRENT_USER")
    except DBAPIError:
        raise StoreRefused(
            f"PostgreSQL needs a role {READER}, which keeps communities apart, and this user may not make it;"
            f" as its administrator write: CREATE ROLE {READER} NOLOGIN; GRANT {READER} TO this user"
        ) from None
