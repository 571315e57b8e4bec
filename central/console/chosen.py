"""Which community a page is about, for those who work in several."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from central.accounts.who import Who
from central.console.centre import Centre
from central.errors import NotThere
from central.register.communities import Community, communities

CommunityAsked = Annotated[int | None, Query(ge=1, le=2**53)]


async def mine(centre: Centre, who: Who) -> list[Community]:
    return await centre.questions.ask(lambda db: communities(db, who.communities))


async def chosen(centre: Centre, who: Who, community: int | None) -> tuple[Community, list[Community]]:
    """The community that was asked for, or the first one; beside it all that they may choose from. Raises
    NotThere for somebody who works in none, or not in that one."""
    all_mine = await mine(centre, who)
    for each in all_mine:
        if community in {None, each.id}:
            return each, all_mine
    raise NotThere("no such community")
