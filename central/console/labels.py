"""What gateways and doors are called, for pages that know them by their names alone."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, select

from central.accounts.book import sites_of
from central.register.place_tree import doors_lead, paths
from central.register.words import PlaceKind
from central.store.register_tables import community, site
from central.store.tables import gateway


@dataclass(frozen=True, slots=True)
class Labels:
    """`gateways` by site and name; `doors` by site, gateway and name; `sites` by name, as the register calls
    the place. What said nothing of itself yet is called by its name."""

    gateways: Mapping[tuple[str, str], str]
    doors: Mapping[tuple[str, str, str], str]
    sites: Mapping[str, str] = field(default_factory=dict)

    def site(self, name: str) -> str:
        return self.sites.get(name, name)

    def place(self, site: str | None, name: str | None = None, door: str | None = None) -> list[str]:
        """Building and door, as far as they are said; or the site alone."""
        if site is None:
            return []
        if name is None:
            return [self.site(site)]
        called = [self.gateways.get((site, name), name)]
        return called if door is None else [*called, self.doors.get((site, name, door), door)]

    def called(self, text: str) -> list[tuple[tuple[str, str], str]]:
        """Gateways of whose label or name each word of the text is a part; in their order."""
        words = text.casefold().split()
        return sorted(
            (each, label)
            for each, label in self.gateways.items()
            if words and all(word in f"{label} {each[1]}".casefold() for word in words)
        )

    def doors_of(self, site: str, names: Sequence[str]) -> list[str]:
        """Of a pass's doors: each with its building; with the door's label alone where an older pass names no
        gateway, and each of those once."""
        anywhere = {door: label for (at, _, door), label in self.doors.items() if at == site}
        called = []
        for each in names:
            name, _, door = each.rpartition("/")
            called.append(" ".join(self.place(site, name, door)) if name else anywhere.get(each, each))
        return list(dict.fromkeys(called))


def labels_of(connection: Connection, communities: Collection[int]) -> Labels:
    """Of these communities' gateways."""
    columns = gateway.c
    asked = select(columns.site, columns.name, columns.label, columns.doors).where(
        columns.site.in_(sites_of(connection, communities))
    )
    gateways: dict[tuple[str, str], str] = {}
    doors: dict[tuple[str, str, str], str] = {}
    for row in connection.execute(asked):
        gateways[row.site, row.name] = row.label or row.name
        for each in json.loads(row.doors or "[]"):
            doors[row.site, row.name, each["door"]] = each["label"]
    return Labels(gateways, doors, sites_called(connection, communities))


_NO_ESTATE: Final = (0, "")
"""Where a door leads that leads into none."""


def sites_called(connection: Connection, communities: Collection[int]) -> dict[str, str]:
    """What the register calls the places of these communities' sites: the estate that all doors of a site
    lead into; where there is no such level, the community, if it has no other site. Of two that are called
    the same each has its own name beside it."""
    leads = doors_lead(connection, communities)
    ways = paths(connection, leads.values())
    estates: dict[str, set[tuple[int, str]]] = defaultdict(set)
    for (name, _, _), place in leads.items():
        step = next((each for each in ways.get(place, ()) if each.kind == PlaceKind.ESTATE), None)
        estates[name].add(_NO_ESTATE if step is None else (step.id, step.name))
    theirs: dict[int, list[str]] = defaultdict(list)
    columns = site.c
    asked = select(columns.name, columns.community_id, community.c.name.label("community")).join(
        community, community.c.id == columns.community_id
    )
    rows = connection.execute(asked.where(columns.community_id.in_(communities))).all() if communities else []
    for row in rows:
        theirs[row.community_id].append(row.name)
    called: dict[str, str] = {}
    for row in rows:
        found = estates.get(row.name, set())
        if len(found) == 1 and _NO_ESTATE not in found:
            [(_, called[row.name])] = found
        elif found <= {_NO_ESTATE} and len(theirs[row.community_id]) == 1:
            called[row.name] = row.community
    twice = {label for label, count in Counter(called.values()).items() if count > 1}
    return {name: f"{label} ({name})" if label in twice else label for name, label in called.items()}
