"""The access list: which credential may open which doors, and when. A frozen value, made from a file's bytes.

The list holds tokens, opaque holder references and categories; no names and no numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from gateway.errors import AccessListError
from gateway.packed_entries import PackedEntries, Packer
from messages.access_list import MAX_ENTRIES, Entry
from messages.model import Count, Micros

LIST_FORMAT = 1
MAX_LIST_BYTES = 64 * 1024 * 1024


_PIECE_BYTES = 64 * 1024
"""So much is taken apart at once. An object for each entry of a list would leave its place in memory behind,
between others that stay."""

_BETWEEN = re.compile(rb"\}\s*(,)\s*\{")


class _ListFile(Struct, frozen=True, forbid_unknown_fields=True):
    v: int
    version: Count
    issued_us: Micros
    entries: Raw


class _Entries(Struct, frozen=True):
    """To name what is wrong by its place."""

    entries: Annotated[list[Raw], Meta(max_length=MAX_ENTRIES)]


_decode_entry = msgspec.json.Decoder(Entry).decode
_decode_piece = msgspec.json.Decoder(list[Raw]).decode


@dataclass(frozen=True, slots=True)
class AccessList:
    version: int = 0
    issued_us: int = 0
    entries: Mapping[str, Entry] = field(default_factory=PackedEntries, repr=False)

    def find(self, token: str) -> Entry | None:
        return self.entries.get(token)

    def any_limited(self) -> bool:
        """Whether somebody may come in so many times only."""
        if isinstance(self.entries, PackedEntries):
            return self.entries.any_limited()
        return any(entry.uses is not None for entry in self.entries.values())

    def packer(self) -> Packer:
        """To make the next list of this one, which stays as it is: it may go on deciding meanwhile."""
        if isinstance(self.entries, PackedEntries):
            return self.entries.packer()
        packer = Packer()
        packer.put(self.entries.values())
        return packer

    def age_s(self, now_us: int) -> int:
        """Seconds since the list was issued; 0 where the clock stands before that."""
        return max(0, (now_us - self.issued_us) // 1_000_000)


def parse_access_list(data: bytes) -> AccessList:
    """Raises AccessListError naming the place; a list is taken whole or not at all."""
    if len(data) > MAX_LIST_BYTES:
        raise AccessListError(f"too long; an access list has at most {MAX_LIST_BYTES} bytes")
    try:
        parsed = msgspec.json.decode(data, type=_ListFile)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise AccessListError(f"not an access list: {error}") from None
    if parsed.v != LIST_FORMAT:
        raise AccessListError(f"$.v: format {parsed.v}; this program knows {LIST_FORMAT}")
    packer, number = Packer(), 0
    try:
        for piece in _pieces(parsed.entries):
            packer.put(_decoded(piece, number))
            number += len(piece)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise AccessListError(f"not an access list: {error}") from None
    if len(packer) != number:
        raise AccessListError("$.entries: a token stands there twice")
    return AccessList(parsed.version, parsed.issued_us, packer.packed())


def _pieces(entries: Raw) -> Iterator[list[Raw]]:
    """The elements of that array, some hundred at a time. Raises msgspec.MsgspecError."""
    text = memoryview(entries)
    if bytes(text[:1]) != b"[" or bytes(text[-1:]) != b"]":
        yield _all_of(text)
        return
    at, end, number = 1, len(text) - 1, 0
    while (between := _BETWEEN.search(text, at + _PIECE_BYTES, end)) is not None:
        try:
            piece = _decode_piece(b"".join((b"[", text[at : between.start(1)], b"]")))
        except msgspec.MsgspecError:  # it was no place between two entries but one within a text
            break
        at, number = between.end(1), number + len(piece)
        if number > MAX_ENTRIES:
            break
        yield piece
    if number == 0 or number > MAX_ENTRIES:
        yield _all_of(text)
        return
    piece = _decode_piece(b"".join((b"[", text[at:end], b"]")))
    if number + len(piece) > MAX_ENTRIES:
        _all_of(text)
    yield piece


def _all_of(text: memoryview) -> list[Raw]:
    """At once, and no more than a list may have."""
    return msgspec.json.decode(b"".join((b'{"entries":', text, b"}")), type=_Entries).entries


def _decoded(entries: Iterable[Raw], first: int) -> Iterator[Entry]:
    """One by one: all of them at once would be more than the rest of the gateway takes. `first`: the number
    of the first of them."""
    for number, entry in enumerate(entries, first):
        try:
            yield _decode_entry(entry)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            what, _, place = str(error).partition(" - at `$")
            where = f"`$.entries[{number}]{place or '`'}"
            raise AccessListError(f"not an access list: {what} - at {where}") from None


def load_access_list(path: Path) -> AccessList:
    """Raises AccessListError that names the file and what is wrong in it."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_LIST_BYTES + 1)
    except OSError as error:
        raise AccessListError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        return parse_access_list(data)
    except AccessListError as error:
        raise AccessListError(f"{path}: {error}") from None
