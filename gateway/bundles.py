"""Carrying by hand: records out of the journal into a bundle, and a bundle of the centre's into the spool.

Both are done by programs beside the running gateway: they read the journal and never write to it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from msgspec import Struct

from gateway.errors import CarryError
from gateway.journal_reader import JournalReader
from gateway.keys import DeviceKeys
from gateway.spool import Spool
from messages.access_list import CHUNK_START
from messages.bundle import Bundle, BundleError, Cargo, Contents, Header, Part, checked, opener_id
from messages.bundle_writer import BundleWriter
from messages.errors import MessageError
from messages.keys import CentrePublic
from messages.signing import trusted
from messages.topics import Leaf
from messages.wire import MAX_EPOCHS, About, Ack, EpochHead, decode, encode, join_block

BLOCK_RECORDS: Final = 100
"""Also at a record's greatest length below what one message may hold."""

LEAST_RECORD_BYTES: Final = 40
"""A packed record is never shorter: the 32 bytes of its link to the one before are chance to any packer."""

_PRIVATE: Final = 0o600
_LEAVES: Final = {Part.ACK: Leaf.ACK, Part.SETTINGS: Leaf.SETTINGS, Part.LIST: Leaf.LIST}


@dataclass(frozen=True, slots=True)
class Own:
    """Whose journal it is, and with which keys it speaks to the centre."""

    site: str
    gateway: str
    device: DeviceKeys
    centre: CentrePublic


@dataclass(frozen=True, slots=True)
class Exported:
    """Times are the first and last in the records, in microseconds, None without any. `unreadable` ones are
    carried too: the centre sets them aside at their place."""

    path: Path
    size: int
    records: int
    unreadable: int
    from_us: int | None
    until_us: int | None


@dataclass(frozen=True, slots=True)
class Imported:
    made_us: int
    acknowledgements: int
    lists: int  # manifests and chunks
    settings: int


def file_name(gateway: str, made_us: int, cargo: Cargo) -> str:
    """Tells whoever finds it of gateway and time alone."""
    return f"{gateway}-{datetime.fromtimestamp(made_us / 1e6, UTC):%Y%m%dT%H%M%SZ}.{cargo}"


def export(
    reader: JournalReader, to: Path, own: Own, about: About, now_us: int, *, everything: bool = False
) -> Exported:
    """Writes what the centre has not acknowledged, or everything, sealed for the centre.

    `to` is a folder, where the file is named after gateway and time, or a file that does not exist yet. When
    this returns the file is durable and was read back. Raises CarryError or JournalUnavailable; then there is
    no file of that name.
    """
    path = to / file_name(own.gateway, now_us, Cargo.RECORDS) if to.is_dir() else to
    held = reader.epoch_heads()
    acknowledged = reader.acknowledged()  # asked for in any case: raises where a file cannot be read
    spans = list(_spans(reader, held, {} if everything else acknowledged))
    part = path.with_name(f".{path.name}.part")
    try:
        if path.exists():
            raise CarryError(f"{path}: is there already; name another file, or a folder")
        _find_room(path.parent, sum(last - first + 1 for _, first, last in spans))
        try:
            tally = _write(part, _Load(reader, spans, tuple(held[-MAX_EPOCHS:])), own, about, now_us)
            _read_back(part, own)
            size = part.stat().st_size
            part.rename(path)
            _sync_folder(path.parent)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise CarryError(f"{path}: cannot be written ({error.strerror})") from error
    except MessageError as error:
        raise CarryError(
            f"{path}: read back, and not what was written: {error}; use another stick"
        ) from error
    return Exported(path, size, tally.records, tally.unreadable, *(tally.times or (None, None)))


def import_bundle(path: Path, own: Own, spool: Spool, *, again: bool = False) -> Imported:
    """Takes what the centre sent into the spool, once all of the bundle is verified.

    `again`: also one that is not newer than the newest taken so far. Raises CarryError; then nothing of it
    was taken.
    """
    try:
        with path.open("rb") as file:
            bundle = Bundle(file, lambda header: _centre_for(own, header), _openers(own.device))
            made_us = bundle.header.made_us
            if made_us <= spool.newest_us() and not again:
                raise CarryError(
                    f"{path}: this one or a newer one was taken already; nothing was changed. If it must be"
                    " taken all the same, give --again"
                )
            parts = list(bundle.parts())
            for part, payload in parts:
                if part is Part.ACK:
                    decode(payload, Ack)
    except OSError as error:
        raise CarryError(f"{path}: cannot be read ({error.strerror})") from error
    except MessageError as error:
        raise CarryError(f"{path}: not taken: {error}") from error
    parts.sort(key=lambda each: each[1].startswith(CHUNK_START))  # a chunk without its manifest is nobody's
    spool.put([(_LEAVES[part], payload) for part, payload in parts], made_us)
    kinds = [part for part, _ in parts]
    return Imported(made_us, kinds.count(Part.ACK), kinds.count(Part.LIST), kinds.count(Part.SETTINGS))


def _centre_for(own: Own, header: Header) -> Mapping[str, Ed25519PublicKey]:
    if (header.site, header.gateway) != (own.site, own.gateway):
        raise BundleError(
            f"it belongs to gateway {header.gateway} of {header.site}; this is {own.gateway} of {own.site}"
        )
    if header.cargo is not Cargo.RIGHTS:
        raise BundleError("it holds records for the centre; there `liuhen-central take` takes it")
    return own.centre.signers()


def _openers(device: DeviceKeys) -> dict[str, X25519PrivateKey]:
    return {opener_id(device.opening.public_key()): device.opening}


@dataclass(frozen=True, slots=True)
class _Load:
    reader: JournalReader
    spans: Sequence[tuple[int, int, int]]  # epoch, first, last
    heads: tuple[EpochHead, ...]


class _At(Struct):
    at: int


_times = msgspec.json.Decoder(list[_At])


@dataclass(slots=True)
class _Tally:
    records: int = 0  # all of them
    unreadable: int = 0
    times: tuple[int, int] | None = None  # the earliest and the latest

    def add(self, count: int, bodies: bytes) -> bool:
        """Whether all of them can be read; else nothing is counted."""
        try:
            found = [each.at for each in _times.decode(b"[%b]" % bodies)]
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return False
        if len(found) != count:
            return False
        self.records += count
        self.times = (min(*found, *(self.times or found)), max(*found, *(self.times or found)))
        return True


def _spans(
    reader: JournalReader, held: Sequence[EpochHead], acknowledged: Mapping[int, int]
) -> Iterator[tuple[int, int, int]]:
    """A salvaged epoch has holes: each part by itself. What is newer than the heads goes another time."""
    for head in held:
        after = acknowledged.get(head.epoch, 0)
        for first, last in reader.held(head.epoch):
            if max(first, after + 1) <= min(last, head.head):
                yield head.epoch, max(first, after + 1), min(last, head.head)


def _write(part: Path, load: _Load, own: Own, about: About, now_us: int) -> _Tally:
    tally = _Tally()
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE), "wb") as file:  # noqa: PTH123
        writer = BundleWriter(
            file,
            Cargo.RECORDS,
            own.site,
            own.gateway,
            now_us,
            signer=own.device.signing,
            receiver=own.centre.opening_key(),
        )
        writer.put(Part.ABOUT, encode(about))
        for block in _blocks(load, tally):
            writer.put(Part.BLOCK, block)
        from_us, until_us = tally.times or (None, None)
        writer.close(Contents(tally.records, from_us, until_us, load.heads))
        file.flush()
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # so that it is the stick that is read
    return tally


def _blocks(load: _Load, tally: _Tally) -> Iterator[bytes]:
    """Joined as the uplink joins them. Where one cannot be read, each of its block goes alone."""
    for epoch, first, last in load.spans:
        for start in range(first, last + 1, BLOCK_RECORDS):
            end = min(start + BLOCK_RECORDS - 1, last)
            bodies, count = load.reader.joined(epoch, start, end)
            if count == end - start + 1 and tally.add(count, bodies):
                yield join_block(epoch, start, count, bodies, load.reader.envelopes(epoch, start, end))
            else:
                yield from _singly(load.reader, epoch, start, end, tally)


def _singly(reader: JournalReader, epoch: int, first: int, last: int, tally: _Tally) -> Iterator[bytes]:
    """What is gone meanwhile is left out: the centre sees by the heads that it is missing."""
    for seq in range(first, last + 1):
        body, count = reader.joined(epoch, seq, seq)
        if not count:
            continue
        if not tally.add(1, body):
            tally.records += 1
            tally.unreadable += 1
        yield join_block(epoch, seq, 1, body, reader.envelopes(epoch, seq, seq))


def _read_back(part: Path, own: Own) -> None:
    signers = trusted(own.device.signing.public_key())
    with part.open("rb") as file:
        checked(file, lambda _: signers)


def _find_room(folder: Path, records: int) -> None:
    there = os.statvfs(folder)
    if lacking := lacking_room(there.f_bavail * there.f_frsize, records):
        raise CarryError(f"{folder}: {lacking}; make room, or use another stick")


def lacking_room(free_bytes: int, records: int) -> str | None:
    """Why so many records cannot fit, told before half of them are written; None where they may."""
    needed = records * LEAST_RECORD_BYTES
    if free_bytes >= needed:
        return None
    return f"{free_bytes / 1e6:.1f} MB are free, {needed / 1e6:.1f} MB at least are needed"


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems of sticks cannot; the file itself is durable
            raise
    finally:
        os.close(handle)
