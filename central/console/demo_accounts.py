"""The accounts of the demo, whose passwords stand on its sign-in page: everybody there is invented."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from central.accounts.who import Role
from central.errors import SettingsError


class DemoSubject(Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody invented, whom a look-up finds: by the number, by the card, or by the room."""

    number: str
    card: str
    room: str

    def __repr__(self) -> str:
        return "DemoSubject()"


class DemoAccount(Struct, frozen=True, forbid_unknown_fields=True):
    """`secret`: of the second factor; the page shows the code of now. `subject`: whom to look up with it."""

    login: str
    name: str
    role: Role
    password: str
    secret: str
    subject: DemoSubject | None = None

    def __repr__(self) -> str:
        return f"DemoAccount({self.login})"


_Accounts = Annotated[list[DemoAccount], Meta(max_length=20)]


def load_demo_accounts(path: Path | None) -> tuple[DemoAccount, ...]:
    """None: there are none. Raises SettingsError."""
    if path is None:
        return ()
    try:
        return tuple(msgspec.json.decode(path.read_bytes(), type=_Accounts))
    except (OSError, msgspec.MsgspecError, UnicodeError) as error:
        raise SettingsError(
            f"[console] demo_accounts: {path} cannot be used ({type(error).__name__}); leave it out"
        ) from None
