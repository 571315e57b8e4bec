"""PostgreSQL: records in one partition a month, so that a month can be dropped as one.

There the place of a record is unique within its month only, which the ledger of what is settled makes up for.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

from central.store.months import make_months

revision = "0004"
down_revision = "0003"

_INTO_MONTHS = """
ALTER TABLE record RENAME TO record_whole;
ALTER TABLE record_whole DROP CONSTRAINT record_by_place, DROP CONSTRAINT record_pkey;
DROP INDEX record_by_door;
CREATE TABLE record (LIKE record_whole INCLUDING DEFAULTS) PARTITION BY RANGE (at);
ALTER SEQUENCE record_id_seq OWNED BY record.id;
ALTER TABLE record
    ADD CONSTRAINT record_pkey PRIMARY KEY (id, at),
    ADD CONSTRAINT record_by_place UNIQUE (gateway_id, epoch, seq, at),
    ADD FOREIGN KEY (gateway_id) REFERENCES gateway (id);
CREATE INDEX record_by_door ON record (gateway_id, door, at);
CREATE TABLE record_other PARTITION OF record DEFAULT;
"""
_MOVE = """
INSERT INTO record SELECT * FROM record_whole;
DROP TABLE record_whole;
"""


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    op.execute(_INTO_MONTHS)
    make_months(connection, connection.execute(text("SELECT DISTINCT at FROM record_whole")).scalars())
    op.execute(_MOVE)
