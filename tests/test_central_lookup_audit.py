"""The register of look-ups: it only grows, and whatever is altered in it is named with its place."""

import subprocess
import sys
from pathlib import Path

import pytest
from central_support import DEADLINE_S
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from database_support import alter, forbid, new_database
from sqlalchemy import Engine, delete, select, update

from central.errors import BadQuestion, RowRefused
from central.lookup import audit
from central.lookup.words import Happened
from central.store.engine import reading, writing
from central.store.lookup_tables import look_up, look_up_event
from messages.signing import trusted

COMMUNITY, OFFICER, NOW_US = 7, 41, 1_793_764_800_000_000
ROW = {
    "community_id": COMMUNITY,
    "at": NOW_US,
    "account": OFFICER,
    "role": "officer",
    "unit": "东湖所",
    "question": "person",
    "purpose": "missing_person",
    "basis": "peoples_police_law",
    "case_number": "A-2026-1",
    "emergency": 0,
    "from_at": NOW_US - 1,
    "until_at": NOW_US,
    "parameters": "{}",
    "subject": b"\x01" * 16,
}


def ask(engine: Engine, count: int = 1) -> None:
    """Look-ups, each with its answer."""
    for _ in range(count):
        with writing(engine) as connection:
            number, _digest = audit.append_look_up(connection, ROW)
            answered(connection, number)


def answered(connection: object, number: int | None, kind: Happened = Happened.ANSWERED) -> None:
    audit.append(
        connection,  # type: ignore[arg-type]
        kind,
        look_up=number,
        community=COMMUNITY,
        at_us=NOW_US,
        account=OFFICER,
        facts={"count": 3, "more": False},
    )


def flaws(engine: Engine, *heads: audit.Head) -> list[str]:
    with reading(engine) as connection:
        return [str(flaw) for flaw in audit.verify(connection, heads)]


def as_intruder(engine: Engine, *statements: str) -> None:
    """Somebody with the database's own tools, who takes away what refuses first."""
    away = [f"DROP TRIGGER {table}_no_{verb}" for table in TABLES for verb in ("update", "delete")]
    if engine.dialect.name == "postgresql":
        away = [f"DROP TRIGGER {table}_only_grows ON {table}" for table in TABLES]
    alter(engine, *away, *statements)


TABLES = ("look_up", "look_up_event")


def test_numbers_are_gapless_and_a_whole_register_is_good(engine: Engine) -> None:
    ask(engine, 3)
    with reading(engine) as connection:
        assert list(connection.execute(select(look_up_event.c.id)).scalars()) == [1, 2, 3, 4, 5, 6]
        assert list(connection.execute(select(look_up.c.id)).scalars()) == [1, 2, 3]
    assert flaws(engine) == []


def test_a_row_that_was_rolled_back_leaves_no_gap(engine: Engine) -> None:
    ask(engine)
    with engine.connect() as connection:
        audit.append_look_up(connection, ROW)
        connection.rollback()
    ask(engine)
    assert flaws(engine) == []


@pytest.mark.parametrize("table", [look_up, look_up_event], ids=TABLES)
def test_the_database_refuses_to_change_or_delete_a_row(engine: Engine, table: object) -> None:
    ask(engine)
    for statement in (update(table).values(account=1), delete(table)):  # type: ignore[arg-type]
        with pytest.raises(RowRefused, match="look-ups only grow"), writing(engine) as connection:
            connection.execute(statement)
    assert flaws(engine) == []


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (
            "UPDATE look_up_event SET account = 1 WHERE id = 4",
            "row 4: altered: its columns say something else",
        ),
        ("UPDATE look_up_event SET hash = x'00' WHERE id = 3", "row 3: altered"),
        ("UPDATE look_up_event SET body = x'7b7d' WHERE id = 2", "row 2: altered: it cannot be read"),
        ("DELETE FROM look_up_event WHERE id = 4", "row 4: missing (4)"),
        ("DELETE FROM look_up_event WHERE id IN (3, 4)", "row 3: missing (3 to 4)"),
        ("UPDATE look_up_event SET id = 99 WHERE id = 6", "row 6: missing (6 to 98)"),
        ("UPDATE look_up SET case_number = 'B' WHERE id = 2", "look-up 2: altered"),
        ("UPDATE look_up SET subject = x'02' WHERE id = 3", "look-up 3: altered"),
        ("DELETE FROM look_up WHERE id = 1", "look-up 1: its row is missing"),
    ],
)
def test_what_an_intruder_alters_is_named_with_its_place(engine: Engine, statement: str, found: str) -> None:
    ask(engine, 3)
    as_intruder(engine, statement)
    assert flaws(engine)[0].startswith(found)


def test_one_altered_row_is_told_of_once(engine: Engine) -> None:
    ask(engine, 5)
    as_intruder(engine, "UPDATE look_up_event SET account = 1 WHERE id = 4")
    assert len(flaws(engine)) == 1


def test_a_look_up_that_nobody_registered_is_named(engine: Engine) -> None:
    ask(engine)
    with writing(engine) as connection:
        event = connection.execute(select(look_up_event.c.id).order_by(look_up_event.c.id.desc())).scalar()
        connection.execute(look_up.insert().values({**ROW, "id": 9, "event_id": event}))
    assert flaws(engine) == ["look-up 9: has no row in the register"]


def test_a_signed_head_shows_what_was_cut_off_or_written_anew(engine: Engine) -> None:
    signing = Ed25519PrivateKey.generate()
    ask(engine, 2)
    with writing(engine) as connection:
        answered(connection, 2, Happened.EXPLAINED)
    with reading(engine) as connection:
        head = audit.head(connection, signing, NOW_US)
    assert flaws(engine, head) == []
    as_intruder(engine, "DELETE FROM look_up_event WHERE id = 5")
    assert flaws(engine) == []  # the chain alone cannot tell
    assert flaws(engine, head) == ["row 5: missing, and a signed head names it"]
    with writing(engine) as connection:
        answered(connection, 2, Happened.APPROVED)
    assert flaws(engine, head) == ["row 5: not the one that a signed head names"]


def test_a_head_is_believed_only_with_the_centre_s_signature() -> None:
    signing, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    signers = trusted(signing.public_key())
    text = b'{"v":1,"number":1,"hash":"%s","at":5,"signer":"%s","signature":"%s"}'
    known = next(iter(signers)).encode()
    for wrong in (b"{}", b"[", text % (b"00", known, b"00"), text % (b"0x", known, b"00")):
        with pytest.raises(BadQuestion):
            audit.read_head(wrong, signers)
    unknown = next(iter(trusted(other.public_key()))).encode()
    with pytest.raises(BadQuestion, match="not known here"):
        audit.read_head(text % (b"00", unknown, b"00"), signers)


def test_where_the_register_cannot_be_written_the_caller_is_told(engine: Engine) -> None:
    forbid(engine, "INSERT", "look_up_event", "the disk is tired")
    with pytest.raises(RowRefused, match="the disk is tired"):
        ask(engine)
    assert flaws(engine) == []


def program(*words: str | Path) -> subprocess.CompletedProcess[str]:
    start = [sys.executable, "-c", "from central.cli import main; main()", *map(str, words)]
    return subprocess.run(start, capture_output=True, text=True, timeout=DEADLINE_S, check=False)


def test_the_command_says_where_and_ends_with_1(tmp_path: Path) -> None:
    settings = tmp_path / "central.toml"
    settings.write_text('[database]\npath = "central.sqlite"\n')
    engine = new_database(tmp_path / "central.sqlite")
    ask(engine, 2)
    assert program("keys", "make", "--settings", settings).returncode == 0
    assert program("audit", "head", "--settings", settings, "--out", tmp_path / "head").returncode == 0
    good = program("audit", "verify", "--settings", settings, "--head", tmp_path / "head")
    assert (good.returncode, good.stdout) == (0, "look-ups: 4 rows; good\n")
    as_intruder(engine, "UPDATE look_up_event SET at = 1 WHERE id = 3")
    engine.dispose()
    bad = program("audit", "verify", "--settings", settings)
    assert bad.returncode == 1
    assert bad.stdout.splitlines()[0].startswith("row 3: altered")
