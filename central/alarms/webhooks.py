"""Alarms told to other programs: signed messages over HTTP, tried again until they are taken.

The body is JSON (`message_of`). Three headers go with it: `Liuhen-Time` (seconds since 1970), `Liuhen-Key`
(the centre's public key, hex) and `Liuhen-Signature`: Ed25519 over time, a full stop and the body, hex.
Whoever receives it checks the signature with the key that was handed over by hand, refuses times that are not
of now, and tells repeats apart by `id`: a message comes at least once.
"""

from __future__ import annotations

import http.client
import json
import logging
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Engine, Row, delete, insert, select, update

from central.alarms.book import SEEN, UNSEEN
from central.alarms.kinds import AlarmKind
from central.alarms.rules import EVERYWHERE, Lasting
from central.errors import BadQuestion, NotThere, RowRefused, StoreUnavailable
from central.settings import is_this_machine
from central.store.alarm_tables import alarm, webhook, webhook_message
from central.store.engine import reading, writing
from central.store.tables import gateway
from central.times import utc_text

log = logging.getLogger(__name__)

BEGAN, OVER = "began", "over"
MAX_WEBHOOKS: Final = 50
MAX_URL: Final = 500

_PAUSES_S: Final = (5, 15, 60, 300, 900, 3_600, *(4 * 3_600,) * 12)
"""After each try that was not taken; then it is given up, two days later."""

_TIMEOUT_S: Final = 10.0
_TOGETHER: Final = 20
_EVERY_S: Final = 1.0
_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Webhook:
    id: int
    site: str
    url: str
    kinds: tuple[AlarmKind, ...]
    """Empty: of every kind."""


def checked_url(url: str) -> str:
    """Raises BadQuestion: what is told there must not be read on the way."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadQuestion("url", "is no address; write one such as https://desk.example/alarms") from None
    if len(url) > MAX_URL or parts.username is not None or parts.fragment or not parts.hostname or port == 0:
        raise BadQuestion(
            "url", f"an address of at most {MAX_URL} characters without a name or password in it"
        )
    if parts.scheme == "https" or (parts.scheme == "http" and is_this_machine(parts.hostname)):
        return url
    raise BadQuestion("url", "begins with https://; only to this machine itself http:// will do")


def add_webhook(
    connection: Connection, site: str, url: str, *, kinds: tuple[AlarmKind, ...], made_by: str, now_us: int
) -> Webhook:
    """Raises BadQuestion."""
    if len(webhooks(connection, [site, EVERYWHERE])) >= MAX_WEBHOOKS:
        raise BadQuestion("url", f"there are {MAX_WEBHOOKS} webhooks already; end one first")
    values = {
        "site": site,
        "url": checked_url(url),
        "kinds": json.dumps(sorted(kinds)),
        "from_at": now_us,
        "made_by": made_by,
    }
    number = connection.execute(insert(webhook).values(values)).inserted_primary_key
    assert number is not None
    return Webhook(int(number[0]), site, url, tuple(sorted(kinds)))


def end_webhook(connection: Connection, number: int, sites: list[str], now_us: int) -> None:
    """What waits for it is not sent any more. Raises NotThere."""
    here = (webhook.c.id == number) & webhook.c.until_at.is_(None) & webhook.c.site.in_(sites)
    if connection.execute(update(webhook).where(here).values(until_at=now_us)).rowcount == 0:
        raise NotThere("there is no such webhook")
    waiting = (webhook_message.c.webhook_id == number) & webhook_message.c.next_try_at.is_not(None)
    connection.execute(update(webhook_message).where(waiting).values(next_try_at=None))


def webhooks(connection: Connection, sites: list[str]) -> list[Webhook]:
    query = select(webhook).where(webhook.c.until_at.is_(None), webhook.c.site.in_(sites))
    return [_webhook(row) for row in connection.execute(query.order_by(webhook.c.id))]


def announce(connection: Connection, number: int, found: Lasting, now_us: int) -> None:
    """Puts down what is to be told of an alarm that was just noted; what is put down already stays."""
    for each in _told_of(connection, found.gateway_id, found.rule.kind):
        if found.counts:
            _put(connection, each, number, BEGAN, now_us=now_us, due_us=max(now_us, found.counts_from_us))
        if found.over_us is not None and found.over_us > found.began_us:
            _take_back(connection, each, number)
            if found.counts:
                _put(connection, each, number, OVER, now_us=now_us)


def announce_over(connection: Connection, number: int, now_us: int) -> None:
    """By a declaration."""
    row = connection.execute(select(alarm.c.gateway_id, alarm.c.kind).where(alarm.c.id == number)).one()
    for each in _told_of(connection, row.gateway_id, AlarmKind(row.kind)):
        _put(connection, each, number, OVER, now_us=now_us)


def announce_seen(connection: Connection, number: int, now_us: int) -> None:
    _announce_instead(connection, number, SEEN, UNSEEN, now_us)


def announce_unseen(connection: Connection, number: int, now_us: int) -> None:
    """That somebody saw to it was taken back."""
    _announce_instead(connection, number, UNSEEN, SEEN, now_us)


def _announce_instead(connection: Connection, number: int, event: str, former: str, now_us: int) -> None:
    """What of the former was told stays on record; what was not goes, but only once the new one has its
    number, which therefore was never told before."""
    row = connection.execute(select(alarm.c.gateway_id, alarm.c.kind).where(alarm.c.id == number)).one()
    for each in _told_of(connection, row.gateway_id, AlarmKind(row.kind)):
        _put(connection, each, number, event, now_us=now_us, again=True)
        columns = webhook_message.c
        here = (columns.webhook_id == each.id) & (columns.alarm_id == number) & (columns.event == former)
        connection.execute(delete(webhook_message).where(here, columns.delivered_at.is_(None)))


def _told_of(connection: Connection, gateway_id: int, kind: AlarmKind) -> list[Webhook]:
    site = connection.execute(select(gateway.c.site).where(gateway.c.id == gateway_id)).scalar_one()
    return [each for each in webhooks(connection, [site, EVERYWHERE]) if not each.kinds or kind in each.kinds]


def _put(
    connection: Connection,
    to: Webhook,
    number: int,
    event: str,
    *,
    now_us: int,
    due_us: int | None = None,
    again: bool = False,
) -> None:
    """Once; `again`: also after it was told."""
    here = (
        (webhook_message.c.webhook_id == to.id)
        & (webhook_message.c.alarm_id == number)
        & (webhook_message.c.event == event)
    )
    if again:
        here &= webhook_message.c.delivered_at.is_(None)
    if connection.execute(select(webhook_message.c.id).where(here)).first() is None:
        values = {"webhook_id": to.id, "alarm_id": number, "event": event}
        due = {"made_at": now_us, "tries": 0, "next_try_at": now_us if due_us is None else due_us}
        connection.execute(insert(webhook_message).values({**values, **due}))


def _take_back(connection: Connection, to: Webhook, number: int) -> None:
    """It was over before it counted, and before anybody was told."""
    counted = select(alarm.c.id).where(alarm.c.id == number, alarm.c.over_at < alarm.c.counts_from)
    here = (
        (webhook_message.c.webhook_id == to.id)
        & (webhook_message.c.alarm_id.in_(counted))
        & (webhook_message.c.tries == 0)
    )
    connection.execute(update(webhook_message).where(here).values(next_try_at=None))


def _webhook(row: Row[Any]) -> Webhook:
    return Webhook(row.id, row.site, row.url, tuple(AlarmKind(kind) for kind in json.loads(row.kinds)))


# --- on the way ------------------------------------------------------------------------------------------


def message_of(row: Row[Any]) -> bytes:
    """What is told: where, what and when. Nobody's identity is in an alarm."""
    told = {
        "id": row.id,
        "event": row.event,
        "alarm": {
            "id": row.alarm_id,
            "kind": row.kind,
            "urgency": row.urgency,
            "site": row.site,
            "gateway": row.gateway,
            "door": row.door,
            "device": row.device,
            "began_at": utc_text(row.began_at),
            "over_at": None if row.over_at is None else utc_text(row.over_at),
            "count": row.times,
        },
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def signed_headers(key: Ed25519PrivateKey, body: bytes, now_s: int) -> dict[str, str]:
    return {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "liuhen",
        "Liuhen-Time": str(now_s),
        "Liuhen-Key": key.public_key().public_bytes_raw().hex(),
        "Liuhen-Signature": key.sign(b"%d." % now_s + body).hex(),
    }


def send(url: str, body: bytes, headers: dict[str, str]) -> tuple[bool, str]:
    """Whether it was taken (2xx), and what was answered; no redirect is followed."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = make(parts.hostname, parts.port, timeout=_TIMEOUT_S)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, body, headers)
        status = connection.getresponse().status
    except ssl.SSLError:
        return False, "no safe connection: its certificate is not trusted here"
    except TimeoutError:
        return False, "no answer in time"
    except socket.gaierror:
        return False, "no such host"
    except (OSError, http.client.HTTPException) as error:
        return False, f"not reached ({type(error).__name__})"
    finally:
        connection.close()
    return http.client.OK <= status < http.client.MULTIPLE_CHOICES, str(status)


class WebhookService:
    """Sends what is due, in a thread of its own, until `stop`."""

    def __init__(
        self, writer: Engine, reader: Engine, key: Ed25519PrivateKey, now_us: Callable[[], int]
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._key = key
        self._now_us = now_us
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def send_what_is_due(self) -> int:
        """How many were tried. Raises StoreUnavailable, RowRefused: then it is tried once more than noted."""
        with reading(self._reader) as connection:
            rows = connection.execute(_due(self._now_us())).all()
        silent: set[int] = set()
        for row in rows:
            if self._stopping.is_set():
                break
            if row.webhook_id in silent:
                continue
            body = message_of(row)
            taken, answer = send(row.url, body, signed_headers(self._key, body, self._now_us() // _US))
            self._note(row, answer, taken=taken)
            if not taken:
                silent.add(row.webhook_id)
        return len(rows)

    def _note(self, row: Row[Any], answer: str, *, taken: bool) -> None:
        now_us = self._now_us()
        again = None if taken or row.tries >= len(_PAUSES_S) else now_us + _PAUSES_S[row.tries] * _US
        if not taken and again is None:
            log.error(
                "webhook %d: message %d is given up after %d tries", row.webhook_id, row.id, row.tries + 1
            )
        values = {
            "tries": row.tries + 1,
            "next_try_at": again,
            "delivered_at": now_us if taken else None,
            "last_answer": answer,
        }
        with writing(self._writer) as connection:
            connection.execute(update(webhook_message).where(webhook_message.c.id == row.id).values(values))
            if again is not None:  # whoever does not answer keeps nobody else waiting
                of_it = webhook_message.c.webhook_id == row.webhook_id
                due = of_it & (webhook_message.c.next_try_at < again)
                connection.execute(update(webhook_message).where(due).values(next_try_at=again))

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                tried = self.send_what_is_due()
            except (StoreUnavailable, RowRefused) as error:
                log.warning("webhooks: %s", error)
                tried = 0
            if tried < _TOGETHER:
                self._stopping.wait(_EVERY_S)


def _due(now_us: int) -> Any:
    return (
        select(
            webhook_message,
            webhook.c.url,
            alarm.c.kind,
            alarm.c.urgency,
            alarm.c.door,
            alarm.c.device,
            alarm.c.began_at,
            alarm.c.over_at,
            alarm.c.times,
            gateway.c.site,
            gateway.c.name.label("gateway"),
        )
        .join_from(webhook_message, webhook)
        .join(alarm, alarm.c.id == webhook_message.c.alarm_id)
        .join(gateway, gateway.c.id == alarm.c.gateway_id)
        .where(webhook_message.c.next_try_at <= now_us)
        .order_by(webhook_message.c.next_try_at, webhook_message.c.id)
        .limit(_TOGETHER)
    )
