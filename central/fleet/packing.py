"""Packs what a gateway without a line is to be brought: acknowledgement, access list, site settings.

Lists and settings are the signed messages that would go by MQTT: the newest noted for the gateway, always
whole, as nobody knows which list it has by the time the stick arrives.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, func, select

from central.errors import BundleRefused
from central.fleet.keys import CentreKeys
from central.fleet.lists import messages_for
from central.fleet.orders import settings_for
from central.ingest.ledger import Ledger
from central.store.engine import writing
from central.store.tables import sent_list
from messages.access_list import CHUNK_START
from messages.bundle import BundleError, Cargo, Part
from messages.bundle_writer import BundleWriter
from messages.errors import MessageError
from messages.keys import GatewayPublic
from messages.signing import EVERY_GATEWAY, Purpose, opened
from messages.topics import GatewayTopic, Leaf
from messages.wire import MAX_PAYLOAD_BYTES, WIRE_VERSION, Ack, encode

_PRIVATE: Final = 0o600


@dataclass(frozen=True, slots=True)
class Packed:
    """`through`: (epoch, up to which record) for each epoch that the acknowledgement speaks of."""

    path: Path
    through: tuple[tuple[int, int], ...]
    lists: int
    settings: int


def pack(
    engine: Engine,
    to: Path,
    keys: CentreKeys,
    receiver: GatewayPublic,
    *,
    files: Sequence[Path],
    now_us: int,
) -> Packed:
    """Writes one bundle for one gateway. `files` are carried instead of what is noted for it: signed lists
    (manifest, then chunks) and settings, checked, so that nobody carries what the gateway would refuse.

    `to` is a folder, where the file is named after gateway and time, or a file that does not exist yet. When
    this returns it is durable. Raises BundleRefused; then no file of that name is there; StoreUnavailable.
    """
    stamp = datetime.fromtimestamp(now_us / 1e6, UTC).strftime("%Y%m%dT%H%M%SZ")
    path = to / f"{receiver.gateway}-{stamp}.{Cargo.RIGHTS}" if to.is_dir() else to
    if path.exists():
        raise BundleRefused(f"{path}: is there already; name another file, or a folder")
    carried = [_signed(file, keys, receiver) for file in files]
    with writing(engine) as connection:
        carried = carried or _noted(connection, keys, receiver)
        ack = _acknowledgement(connection, receiver, now_us)
    parts = [*carried, *([(Part.ACK, encode(ack))] if ack.epochs else [])]
    try:
        _write(path, parts, keys, receiver, now_us)
    except OSError as error:
        raise BundleRefused(f"{path}: cannot be written ({error.strerror})") from error
    except BundleError as error:
        raise BundleRefused(f"{path}: cannot be written: {error}") from error
    kinds = [part for part, _ in parts]
    through = tuple((epoch.epoch, epoch.through) for epoch in ack.epochs)
    return Packed(path, through, kinds.count(Part.LIST), kinds.count(Part.SETTINGS))


def _noted(connection: Connection, keys: CentreKeys, receiver: GatewayPublic) -> list[tuple[Part, bytes]]:
    key, place = keys.signing[0], (receiver.site, receiver.gateway)
    settings = settings_for(connection, key, *place)
    here = (sent_list.c.site == place[0]) & sent_list.c.gateway.in_([place[1], EVERY_GATEWAY])
    newest: int | None = connection.execute(select(func.max(sent_list.c.id)).where(here)).scalar()
    lists = [] if newest is None else messages_for(connection, key, *place, newest, has=None)
    return [
        *([] if settings is None else [(Part.SETTINGS, settings)]),
        *((Part.LIST, message) for message in lists),
    ]


def _acknowledgement(connection: Connection, receiver: GatewayPublic, now_us: int) -> Ack:
    """As a connected gateway would be told now: what is committed."""
    known = Ledger(connection, [(receiver.site, receiver.gateway)], now_us)
    owner = known.get(GatewayTopic(receiver.site, receiver.gateway, Leaf.ACK))
    return owner.acknowledgement() if owner else Ack(WIRE_VERSION, [])


def _signed(file: Path, keys: CentreKeys, receiver: GatewayPublic) -> tuple[Part, bytes]:
    try:
        with file.open("rb") as source:
            payload = source.read(MAX_PAYLOAD_BYTES + 1)
    except OSError as error:
        raise BundleRefused(f"{file}: cannot be read ({error.strerror})") from error
    if payload.startswith(CHUNK_START):
        return Part.LIST, payload  # the manifest vouches for it
    signers = keys.public().signers()
    for purpose, part in ((Purpose.LIST, Part.LIST), (Purpose.SETTINGS, Part.SETTINGS)):
        try:
            opened(payload, signers, purpose, receiver.site, receiver.gateway)
        except MessageError:
            continue
        return part, payload
    raise BundleRefused(
        f"{file}: neither a list nor settings that this centre has signed for {receiver.gateway} of"
        f" {receiver.site}"
    )


def _write(
    path: Path, parts: Sequence[tuple[Part, bytes]], keys: CentreKeys, receiver: GatewayPublic, now_us: int
) -> None:
    unfinished = path.with_name(f".{path.name}.part")
    try:
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE), "wb") as file:  # noqa: PTH123
            writer = BundleWriter(
                file,
                Cargo.RIGHTS,
                receiver.site,
                receiver.gateway,
                now_us,
                signer=keys.signing[0],
                receiver=receiver.opening_key(),
            )
            for part, payload in parts:
                writer.put(part, payload)
            writer.close()
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
        _sync_folder(path.parent)
    finally:
        unfinished.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems of sticks cannot; the file itself is durable
            raise
    finally:
        os.close(handle)
