"""The access list: which credential may open which doors, and when; whole, or what changed, in signed parts.

A list holds tokens, opaque holder references and categories; no names and no numbers. It travels as a signed
manifest and chunks that the manifest names by their hashes: applied whole or not at all.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from messages.model import NAME, Count, HashHex, Micros, Name, Reference, TokenHex

LIST_VERSION: Final = 1
MAX_ENTRIES: Final = 100_000
MAX_CHUNK_ENTRIES: Final = 500
"""Some 100 KB: decoded in a few milliseconds, so that no swipe waits for a list."""

MAX_CHUNKS: Final = 2_000
EVERY_DOOR: Final = "*"
GROUP_MARK: Final = "@"

DoorOrGroup = Annotated[str, Meta(pattern=rf"^(\*|@?{NAME})\Z")]
"""A door's name, `@` and the name of a group of doors (site settings), or `*` for every door."""


class Entry(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """One credential's rights; times are UTC microseconds, `until_us` is exclusive, None is without end."""

    token: TokenHex
    holder: Reference
    category: Reference
    doors: tuple[DoorOrGroup, ...]
    from_us: Micros | None = None
    until_us: Micros | None = None
    blocked: bool = False  # withdrawn
    lost: bool = False  # reported lost
    schedule: Name | None = None  # of the site settings; None: at any hour
    uses: Annotated[int, Meta(ge=1, le=1_000)] | None = None  # at each gateway; None: as often as wanted
    pin: TokenHex | None = None  # of the PIN typed after this card, where a door asks for both
    duress_pin: TokenHex | None = None  # opens like the other, and raises a silent alarm


class ListManifest(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The signed part (Purpose.LIST): what the list is, and the SHA-256 of each chunk's bytes, in order."""

    v: int
    version: Count
    issued_us: Micros
    chunks: Annotated[tuple[HashHex, ...], Meta(max_length=MAX_CHUNKS)]
    entries: Annotated[int, Meta(ge=0, le=MAX_ENTRIES)]  # how many stand in all chunks together
    base: Count | None = None  # a delta: what it changes; None: a snapshot


class ListChunk(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Some of a list's entries: put in, or put in another's place; and, in a delta, tokens that go."""

    v: int
    version: Count
    index: Annotated[int, Meta(ge=0, lt=MAX_CHUNKS)]
    put: Annotated[tuple[Entry, ...], Meta(max_length=MAX_CHUNK_ENTRIES)] = ()
    drop: Annotated[tuple[TokenHex, ...], Meta(max_length=MAX_CHUNK_ENTRIES)] = ()
