"""The entries of an access list in a tenth of the memory: packed as bytes, unpacked when one is asked for.

One block instead of hundred thousands of objects: a hash table of buckets, in each its records one behind the
other. What many entries have in common (category, doors, schedule) is kept once. Pure.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from struct import Struct as Layout
from typing import Final

from msgspec import Struct

from messages.access_list import Entry

_BUCKETS: Final = 1 << 11
"""Of 1.3 KB each at 50,000: found in microseconds, and while they are put together too large for Python's own
pools, which do not go back to the system as long as one object in a MiB is used."""

_MASK: Final = _BUCKETS - 1
_TOKEN_BYTES: Final = 16
_TOKEN_DIGITS: Final = 2 * _TOKEN_BYTES

_HEAD: Final = Layout(
    "<16sBIBB"
)  # token, length of the record, place of its rights, length of the holder, marks
_TIME: Final = Layout("<q")
_FROM, _UNTIL, _PIN, _DURESS = 1, 2, 4, 8  # marks: which of them stand behind the holder, in this order

_SPARE_RIGHTS: Final = 1_000
"""So many that no entry has any more are carried along before they are cleared out."""


class _Rights(Struct, frozen=True, gc=False):
    """What many entries have in common."""

    category: str
    doors: tuple[str, ...]
    blocked: bool
    lost: bool
    schedule: str | None
    uses: int | None


class PackedEntries(Mapping[str, Entry]):
    """Tokens and their entries; never changes. Made by a `Packer`."""

    __slots__ = ("_block", "_ends", "_number", "_rights")

    def __init__(
        self,
        buckets: Sequence[bytes] = (b"",) * _BUCKETS,
        rights: tuple[_Rights, ...] = (),
        number: int = 0,
    ) -> None:
        self._block = b"".join(buckets)
        self._ends = array("L", accumulate(map(len, buckets), initial=0))  # and where the first one begins
        self._rights = rights
        self._number = number

    def __getitem__(self, token: str) -> Entry:
        """Some microseconds."""
        key = _key(token)
        if key is None:
            raise KeyError
        number = hash(key) & _MASK
        bucket = self._block[self._ends[number] : self._ends[number + 1]]
        at = _place(bucket, key)
        if at is None:
            raise KeyError
        return self._unpacked(bucket, at)

    def __iter__(self) -> Iterator[str]:
        return (entry.token for entry in self._all())

    def __len__(self) -> int:
        return self._number

    def any_limited(self) -> bool:
        """Whether some entry is good for so many uses only; may also be of one that is gone since."""
        return any(rights.uses is not None for rights in self._rights)

    def packer(self) -> Packer:
        """To make the next ones of these."""
        if len(self._rights) <= self._number + _SPARE_RIGHTS:
            return Packer(self._buckets(), self._rights, self._number)
        anew = Packer()
        anew.put(self._all())
        return anew

    def _buckets(self) -> Iterator[bytes]:
        return (self._block[begin:end] for begin, end in pairwise(self._ends))

    def _all(self) -> Iterator[Entry]:
        at = 0
        while at < len(self._block):
            yield self._unpacked(self._block, at)
            at += self._block[at + _TOKEN_BYTES]

    def _unpacked(self, block: bytes, at: int) -> Entry:
        token, _, place, holder_bytes, marks = _HEAD.unpack_from(block, at)
        rights = self._rights[place]
        at += _HEAD.size + holder_bytes
        holder = block[at - holder_bytes : at].decode("ascii")
        from_us = until_us = pin = duress_pin = None
        if marks & _FROM:
            (from_us,) = _TIME.unpack_from(block, at)
            at += _TIME.size
        if marks & _UNTIL:
            (until_us,) = _TIME.unpack_from(block, at)
            at += _TIME.size
        if marks & _PIN:
            pin = block[at : at + _TOKEN_BYTES].hex()
            at += _TOKEN_BYTES
        if marks & _DURESS:
            duress_pin = block[at : at + _TOKEN_BYTES].hex()
        return Entry(
            token.hex(),
            holder,
            rights.category,
            rights.doors,
            from_us,
            until_us,
            rights.blocked,
            rights.lost,
            rights.schedule,
            rights.uses,
            pin,
            duress_pin,
        )


class Packer:
    """Puts entries together, for one thread. What it was made of stays as it is."""

    def __init__(
        self,
        buckets: Iterable[bytes] = (b"",) * _BUCKETS,
        rights: Iterable[_Rights] = (),
        number: int = 0,
    ) -> None:
        self._buckets = list(buckets)
        self._places = {each: place for place, each in enumerate(rights)}
        self._number = number

    def __len__(self) -> int:
        return self._number

    def put(self, entries: Iterable[Entry]) -> None:
        """Each new, or in another's place. They must be as a decoder lets them through."""
        buckets = self._buckets
        for entry in entries:
            key = bytes.fromhex(entry.token)
            number = hash(key) & _MASK
            bucket = buckets[number]
            if key in bucket:
                bucket = self._without(bucket, key)
            buckets[number] = bucket + self._packed(key, entry)
            self._number += 1

    def drop(self, tokens: Iterable[str]) -> None:
        """Those that are there."""
        for token in tokens:
            key = _key(token)
            if key is not None:
                number = hash(key) & _MASK
                self._buckets[number] = self._without(self._buckets[number], key)

    def packed(self) -> PackedEntries:
        return PackedEntries(self._buckets, tuple(self._places), self._number)

    def _without(self, bucket: bytes, key: bytes) -> bytes:
        at = _place(bucket, key)
        if at is None:
            return bucket
        self._number -= 1
        return bucket[:at] + bucket[at + bucket[at + _TOKEN_BYTES] :]

    def _packed(self, key: bytes, entry: Entry) -> bytes:
        rights = _Rights(entry.category, entry.doors, entry.blocked, entry.lost, entry.schedule, entry.uses)
        place = self._places.setdefault(rights, len(self._places))
        holder = entry.holder.encode("ascii")
        marks, tail = 0, holder
        if entry.from_us is not None:
            marks |= _FROM
            tail += _TIME.pack(entry.from_us)
        if entry.until_us is not None:
            marks |= _UNTIL
            tail += _TIME.pack(entry.until_us)
        if entry.pin is not None:
            marks |= _PIN
            tail += bytes.fromhex(entry.pin)
        if entry.duress_pin is not None:
            marks |= _DURESS
            tail += bytes.fromhex(entry.duress_pin)
        return _HEAD.pack(key, _HEAD.size + len(tail), place, len(holder), marks) + tail


def _key(token: str) -> bytes | None:
    """None for what can be no token of a list."""
    if len(token) != _TOKEN_DIGITS:
        return None
    try:
        key = bytes.fromhex(token)
    except ValueError:
        return None
    return key if key.hex() == token else None  # capitals and gaps are read as well


def _place(bucket: bytes, key: bytes) -> int | None:
    """Where the record of that token begins. A token's bytes may also stand elsewhere, as somebody's PIN."""
    if key not in bucket:  # a tenth of the time that the walk takes
        return None
    at = 0
    while at < len(bucket):
        if bucket.startswith(key, at):
            return at
        at += bucket[at + _TOKEN_BYTES]
    return None
