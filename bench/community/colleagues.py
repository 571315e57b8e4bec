"""Who else works there, beside the accounts of the sign-in page: so that registers name more than one of each
role. Nobody signs in as them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Engine

from bench.console import DemoAccounts
from central.accounts import book
from central.accounts.who import Role
from central.store.engine import writing

SECOND_OFFICER, THIRD_OFFICER, SECOND_WORKER, SECOND_OPERATOR = "he", "ma", "zhang", "feng"
COLLEAGUES: Final = (
    (SECOND_OFFICER, "何警官", Role.OFFICER, "二号警务室"),
    (THIRD_OFFICER, "马警官", Role.OFFICER, "刑侦中队"),
    (SECOND_WORKER, "张社工", Role.WORKER, "滨河社区居委会"),
    (SECOND_OPERATOR, "冯工", Role.OPERATOR, "运维组"),
)
_LEFT: Final = ("xu", "许师傅", Role.INSTALLER, "安装队")
"""Was there while the gateways were put up."""


def make_colleagues(
    accounts: DemoAccounts, engine: Engine, administrator: int, left_us: int
) -> Mapping[str, int]:
    """Their numbers, by login. `left_us`: when the account of one was closed."""
    numbers = {about[0]: accounts.make_other(*about) for about in COLLEAGUES}
    gone = accounts.make_other(*_LEFT)
    with writing(engine) as connection:
        book.disable(connection, gone, str(administrator), left_us)
    return numbers
