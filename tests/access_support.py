"""Helpers of the tests of access: one small site, credentials to show there, and the time of day."""

import json
from typing import Any
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from drivers.base import Assurance, CredentialKind
from gateway.access import Access
from gateway.access_list import AccessList
from gateway.clock import Moment
from gateway.decision import Decision, DoorPolicy, Presented
from gateway.passes import PassBook
from gateway.tokens import tokeniser
from messages.access_list import Entry
from messages.model import ClockQuality, Direction
from messages.site_settings import decode_site_settings
from messages.visitor_pass import VisitorPass, encode_pass

SHANGHAI = ZoneInfo("Asia/Shanghai")
SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
DAY_US = 24 * HOUR_US
MIDNIGHT_US = 1_795_017_600_000_000  # Thursday 19 November 2026, 00:00 in Shanghai
NOON_US = MIDNIGHT_US + 12 * HOUR_US
ISSUED_US = MIDNIGHT_US - DAY_US

ISSUER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
CARD, SECOND_CARD = "ab" * 16, "cd" * 16
PIN, OTHER_PIN, DURESS_PIN = "1" * 32, "2" * 32, "3" * 32
EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def entry(token: str = CARD, holder: str = "h-1", category: str = "resident", **rights: Any) -> Entry:
    return Entry(token, holder, category, rights.pop("doors", ("lobby",)), **rights)


def a_pass(**says: Any) -> VisitorPass:
    plain = {"id": "0123456789abcdef", "site": "north", "doors": ("lobby",)}
    times = {"from_us": NOON_US - HOUR_US, "until_us": NOON_US + HOUR_US}
    return VisitorPass(**{**plain, **times, **says})


def hours(begins: str, ends: str) -> dict[str, Any]:
    return {"windows": [{"days": EVERY_DAY, "from": begins, "to": ends}]}


class Site:
    """One gateway's access with its list and settings; doors lobby and yard, without contacts."""

    def __init__(self, *listed: Entry, contacts: tuple[str, ...] = (), **settings: Any) -> None:
        self.passes = PassBook("north", "east")
        doors = {"lobby": DoorPolicy(), "yard": DoorPolicy()}
        self.access = Access(doors, SHANGHAI, self.passes, contacts=contacts)
        self.tokenise = tokeniser(bytes(32), self.passes)
        self.say(**settings)
        self.list(*listed)

    def say(self, **settings: Any) -> None:
        keys = [ISSUER.public_key().public_bytes_raw().hex()]
        said = {"v": 1, "revision": 1, "issued_us": ISSUED_US, "pass_keys": keys, **settings}
        self.access.take_settings(decode_site_settings(json.dumps(said).encode()))

    def list(self, *listed: Entry, issued_us: int = ISSUED_US) -> None:
        self.access.take_list(AccessList(1, issued_us, {one.token: one for one in listed}))

    def shows(
        self,
        shown: Presented,
        door: str = "lobby",
        direction: Direction = Direction.IN,
        at_us: int = NOON_US,
        clock: ClockQuality = ClockQuality.SYNCED,
    ) -> Decision:
        """What is decided; a grant is carried out."""
        moment = Moment(at_us, clock)
        decision = self.access.decide(shown, door, direction, moment)
        if decision.granted:
            self.access.granted(decision, door, direction, moment)
        return decision

    def qr(self, text: str) -> Presented:
        """A code held before a scanner."""
        token = self.tokenise(CredentialKind.QR_CODE, text)
        return Presented(Assurance.L0, token=token, kind=CredentialKind.QR_CODE)

    def visitor(self, key: Ed25519PrivateKey = ISSUER, **says: Any) -> Presented:
        return self.qr(encode_pass(a_pass(**says), key))


def card(token: str = CARD, **shown: Any) -> Presented:
    return Presented(**{"assurance": Assurance.L1, "token": token, "kind": CredentialKind.CARD_UID, **shown})


def document(**shown: Any) -> Presented:
    return card(assurance=Assurance.L3, kind=CredentialKind.ID_CARD, **shown)


def typed(token: str) -> Presented:
    return card(token, assurance=Assurance.L0, kind=CredentialKind.PIN)
