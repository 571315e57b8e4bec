"""What gateways and doors are called, for pages that know them by their names alone."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from central.accounts.book import sites_of
from central.store.tables import gateway


@dataclass(frozen=True, slots=True)
class Labels:
    """`gateways` by site and name; `doors` by site, gateway and name. What said nothing of itself yet is
    called by its name."""

    gateways: Mapping[tuple[str, str], str]
    doors: Mapping[tuple[str, str, str], str]

    def place(self, site: str | None, name: str | None = None, door: str | None = None) -> list[str]:
        """Building and door, as far as they are said; a site alone is called by its name."""
        if site is None:
            return []
        if name is None:
            return [site]
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
    return Labels(gateways, doors)
