"""Runs of records that were here and have been ended: what they leave in an epoch's chain. Pure, but for
`ended_ranges`, which reads them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, select

from central.store.retention_tables import ended_range
from messages.signing import key_id

Place = tuple[int, int]
"""Gateway and epoch."""


class EndedRange(Struct, frozen=True):
    """Records `first`..`last`: `first_prev` is what the first one named as the one before it, empty where
    nobody knows, and `last_hash` the `prev` of the one behind them. All had arrived by `arrived_by`. The
    order of the fields is that of the columns."""

    first: int
    last: int
    first_prev: bytes
    last_hash: bytes
    arrived_by: int
    signer: str = ""
    signature: bytes = b""

    @property
    def count(self) -> int:
        return self.last - self.first + 1


def joined(ranges: Iterable[EndedRange]) -> list[EndedRange]:
    """Those that touch or overlap as one, in their order. One that has changed is to be signed anew."""
    found: list[EndedRange] = []
    for each in sorted(ranges, key=lambda known: (known.first, known.last)):
        if found and each.first <= found[-1].last + 1:
            before = found[-1]
            end = each if each.last > before.last else before
            arrived_by = max(before.arrived_by, each.arrived_by)
            found[-1] = replace(before, last=end.last, last_hash=end.last_hash, arrived_by=arrived_by)
        else:
            found.append(each)
    return found


def signed(signing: Ed25519PrivateKey, place: Place, each: EndedRange) -> EndedRange:
    """With the centre's word that these have been ended: nobody else can make up a run or stretch one."""
    signature = signing.sign(_what_is_signed(place, each))
    return replace(each, signer=key_id(signing.public_key()), signature=signature)


def is_signed(place: Place, each: EndedRange, signers: Mapping[str, Ed25519PublicKey]) -> bool:
    signer = signers.get(each.signer)
    if signer is None:
        return False
    try:
        signer.verify(each.signature, _what_is_signed(place, each))
    except InvalidSignature:
        return False
    return True


def _what_is_signed(place: Place, each: EndedRange) -> bytes:
    """No other message of the centre begins so (`messages.signing`)."""
    said = (*place, each.first, each.last, each.first_prev.hex(), each.last_hash.hex(), each.arrived_by)
    return b"liuhen/v1\0ended-range\0" + msgspec.json.encode(said)


def holding(ranges: Sequence[EndedRange], seq: int) -> EndedRange | None:
    """The one in which that record lay; `ranges` in their order."""
    at = bisect_right(ranges, seq, key=lambda known: known.first)
    return ranges[at - 1] if at and ranges[at - 1].last >= seq else None


def ended_ranges(
    connection: Connection, gateway_id: int, epoch: int, first: int = 1, last: int | None = None
) -> list[EndedRange]:
    """Those of an epoch that reach into `first`..`last`, in their order."""
    columns = ended_range.c
    fields = [columns[name] for name in EndedRange.__struct_fields__]
    here = [columns.gateway_id == gateway_id, columns.epoch == epoch, columns.last >= first]
    here += [] if last is None else [columns.first <= last]
    query = select(*fields).where(*here)
    return [EndedRange(*row) for row in connection.execute(query.order_by(columns.first))]
