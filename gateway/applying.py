"""A complete access list, from its chunks into force: on disk first, then as the value decisions are made on.

Done part by part, so that whoever stands at a door meanwhile is decided on in between.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

from gateway.access_list import AccessList
from gateway.packed_entries import PackedEntries, Packer
from gateway.rights_store import RightsStore
from gateway.transfer import Announced
from messages.access_list import MAX_ENTRIES, Entry, ListChunk, ListManifest, decode_chunk
from messages.errors import MessageError


class NotWhole(MessageError):
    """The parts are genuine, and together not the list that was meant."""


def apply(
    store: RightsStore, current: AccessList, announced: Announced, chunks: Sequence[bytes]
) -> Generator[None, None, AccessList]:
    """Yields after each part and returns the new list once it is in force, durably.

    Raises MessageError (NotWhole where parts do not belong together) or RightsUnavailable; `current` then
    stays in force.
    """
    if announced.manifest.base is None:
        entries = yield from _whole(store, announced, chunks)
    else:
        entries = yield from _changes(store, current, announced, chunks)
    return AccessList(announced.manifest.version, announced.manifest.issued_us, entries)


def _whole(
    store: RightsStore, announced: Announced, chunks: Sequence[bytes]
) -> Generator[None, None, PackedEntries]:
    manifest, packer = announced.manifest, Packer()
    while store.clean():  # of an attempt that was interrupted
        yield
    for index, payload in enumerate(chunks):
        chunk = _chunk(manifest, index, payload)
        if chunk.drop:
            raise NotWhole("a whole list that takes entries away")
        store.stage(chunk.put)
        packer.put(chunk.put)
        yield
    _check_number(manifest, len(packer))
    if (yield from store.staged_digest()) != manifest.digest:
        raise NotWhole("the list is not what its manifest says")
    store.put_in_force(manifest, announced.signed)
    return packer.packed()


def _changes(
    store: RightsStore, current: AccessList, announced: Announced, chunks: Sequence[bytes]
) -> Generator[None, None, PackedEntries]:
    manifest, packer = announced.manifest, current.packer()
    put: dict[str, Entry] = {}
    drop: set[str] = set()
    for index, payload in enumerate(chunks):
        chunk = _chunk(manifest, index, payload)
        put.update((entry.token, entry) for entry in chunk.put)
        drop.update(chunk.drop)
        yield
    if not drop.isdisjoint(put):
        raise NotWhole("an entry both put in and taken away")
    packer.drop(drop)
    packer.put(put.values())
    _check_number(manifest, len(packer))
    yield
    if not store.change(manifest, announced.signed, list(put.values()), list(drop)):
        raise NotWhole("the changed list is not what its manifest says")
    return packer.packed()


def _chunk(manifest: ListManifest, index: int, payload: bytes) -> ListChunk:
    chunk = decode_chunk(payload)
    if (chunk.version, chunk.index) != (manifest.version, index):
        raise NotWhole("a chunk of another list")
    return chunk


def _check_number(manifest: ListManifest, number: int) -> None:
    if number != manifest.entries or number > MAX_ENTRIES:
        raise NotWhole("not as many entries as the manifest says")
