"""What gateways say of themselves, into their rows."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, update

from central.store.tables import gateway
from messages.wire import About, State


def note_state(connection: Connection, gateway_id: int, state: State, now_us: int) -> None:
    """An offline state (a will, a goodbye) leaves standing what was said before."""
    values: dict[str, Any] = {
        "online": int(state.online),
        "boot": state.boot,
        "session": state.session,
        "state_received_at": now_us,
    }
    if state.online:
        values |= {
            "state_at": state.at,
            "acked": state.acked,
            "list_version": state.list_version,
            "settings_revision": state.settings_revision,
            "devices": _json(state.devices or {}),
            "journal": state.journal,
        }
    connection.execute(update(gateway).where(gateway.c.id == gateway_id).values(values))


def note_about(
    connection: Connection, gateway_id: int, about: About, now_us: int, *, signed_acks: bool
) -> None:
    """`signed_acks`: whether it is sent signed ones, whatever was said just now."""
    values = {
        "about_received_at": now_us,
        "software": about.software,
        "label": about.label,
        "doors": _json(about.doors),
        "signed_acks": int(signed_acks),
    }
    connection.execute(update(gateway).where(gateway.c.id == gateway_id).values(values))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
