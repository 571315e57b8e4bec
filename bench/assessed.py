"""An invented impact assessment by which an invented community goes live, through the gate like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from central.assessments import book
from central.assessments.document import Assessment, decoded
from central.register.desk import desk_of

EXAMPLE: Final = Path(__file__).parent.parent / "config" / "assessment.example.json"
OFFICE, SUPERVISOR = 1_001, 1_002
"""Accounts that nobody has, for whoever needs none."""


def an_assessment(*renamed: tuple[str, str]) -> Assessment:
    """`renamed`: words of the example, and what stands in their place."""
    text = EXAMPLE.read_text(encoding="utf-8")
    for was, is_now in renamed:
        text = text.replace(was, is_now)
    return decoded(text)


def goes_live(
    connection: Connection,
    community: int,
    now_us: int,
    *,
    writer: int = OFFICE,
    supervisor: int = SUPERVISOR,
    assessment: Assessment | None = None,
) -> None:
    """One writes it, the other agrees."""
    made = book.write(
        desk_of(connection, None, community, account=writer, now_us=now_us), assessment or an_assessment()
    )
    desk = desk_of(connection, None, community, account=supervisor, now_us=now_us)
    book.agree(desk, made.version, {})
