"""API: a receipt, typed by whoever holds it: what was recorded of that visit, and when it is gone.

For everybody, since a visitor has no account; slowly, since nobody is to try receipts. That one was asked for
stands in the register of look-ups, as when residents read their own entries. The answer is signed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import APIRouter, Request
from limits import RateLimitItemPerMinute
from pydantic import BaseModel, Field, SecretStr
from sqlalchemy import Connection

from central.accounts.backoff import Counter
from central.accounts.guard import open_to_all
from central.accounts.identify import address_of
from central.assessments.words import DataKind
from central.errors import NotThere
from central.given import In
from central.identity.retention_rules import RetentionRules
from central.lookup import audit
from central.lookup.service import LookUps
from central.lookup.words import Happened
from central.problems import RESPONSES, documented
from central.receipts import LONGEST
from central.times import utc_text
from central.visitors.receipts import UNKNOWN, Kept, Recorded, is_known, recorded
from central.visitors.words import KeptState
from messages.signing import key_id

_AN_ADDRESS: Final = RateLimitItemPerMinute(10)
_NOBODY: Final = 0
_TOO_OFTEN: Final = "too many receipts from this address; wait"


class Receipts:
    """`signing`: the centre's key; without one answers are not signed."""

    def __init__(self, look_ups: LookUps, rules: RetentionRules, signing: Ed25519PrivateKey | None) -> None:
        self._look_ups = look_ups
        self._rules = rules
        self.signing = signing
        self._counter = Counter()

    async def told(self, receipt: str, address: str) -> Recorded:
        """Raises TooOften, NotThere, StoreUnavailable."""
        self._counter.hit(_AN_ADDRESS, f"receipt from {address}", _TOO_OFTEN)
        if not await self._look_ups.questions.ask(lambda db: is_known(db, receipt)):
            raise NotThere(UNKNOWN)
        now_us = self._look_ups.now_us()

        def read(db: Connection) -> Recorded:
            found = recorded(db, receipt, self._rules, now_us)
            facts = {"what": "receipt", "pass": found.pass_id, "by": {"role": "visitor", "unit": None}}
            audit.append(
                db,
                Happened.OWN_READ,
                look_up=None,
                community=found.community,
                at_us=now_us,
                account=_NOBODY,
                facts=facts,
            )
            return found

        return await self._look_ups.record(read)

    @property
    def now_us(self) -> Callable[[], int]:
        return self._look_ups.now_us


class ReceiptIn(In):
    receipt: Annotated[SecretStr, Field(min_length=1, max_length=LONGEST, examples=["7K3M-Q9TX-2BHD"])]


class KeptOut(BaseModel):
    """`door` of entries; `until`: when the program destroys it at the latest. `set_days` is what the
    community has set for entries, and `rule` says by which rule. `certificate`: that of the deletion of all
    that was kept of that day."""

    kind: DataKind
    day: str = Field(examples=["2026-11-23"])
    site: str | None
    gateway: str | None
    door: str | None
    until: str | None = Field(description="UTC")
    state: KeptState
    certificate: int | None = Field(examples=[17])
    set_days: int | None = Field(description="of entries, by the assessment in force", examples=[180])
    rule: str = Field(
        description="of entries, by the assessment in force", examples=["由物业服务中心按期删除"]
    )

    @classmethod
    def of(cls, found: Kept) -> KeptOut:
        site, gateway, door = found.place or (None, None, None)
        values = {**asdict(found), "site": site, "gateway": gateway, "door": door}
        until = None if found.until_us is None else utc_text(found.until_us)
        return cls(**{name: values[name] for name in cls.model_fields if name in values}, until=until)


class ReceiptOut(BaseModel):
    """`signature`: Ed25519 by the centre's key `signer` over `at` and `kept` as JSON with sorted keys and
    without spaces, in UTF-8; null where the centre has no key."""

    at: str = Field(description="UTC")
    kept: list[KeptOut]
    signer: str | None = Field(examples=["5f5f5f5f5f5f5f5f"])
    signature: str | None = Field(examples=["5f" * 64])

    @classmethod
    def of(cls, found: Recorded, now_us: int, signing: Ed25519PrivateKey | None) -> ReceiptOut:
        kept = [KeptOut.of(each) for each in found.kept]
        at = utc_text(now_us)
        if signing is None:
            return cls(at=at, kept=kept, signer=None, signature=None)
        signed = signing.sign(statement(at, [each.model_dump(mode="json") for each in kept]))
        return cls(at=at, kept=kept, signer=key_id(signing.public_key()), signature=signed.hex())


def statement(at: str, kept: list[dict[str, Any]]) -> bytes:
    """What is signed."""
    said = {"at": at, "kept": kept}
    return json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def router(receipts: Receipts) -> APIRouter:
    api = APIRouter(tags=["receipts"])
    answers: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (422, 503)}

    @api.post(
        "/receipts",
        dependencies=[open_to_all()],
        responses={**answers, 404: documented("No visit has this receipt")},
        summary="What was recorded of a visit, and when it is gone",
    )
    async def told(asked: ReceiptIn, request: Request) -> ReceiptOut:
        """Ten a minute from one address."""
        found = await receipts.told(asked.receipt.get_secret_value(), address_of(request))
        return ReceiptOut.of(found, receipts.now_us(), receipts.signing)

    return api
