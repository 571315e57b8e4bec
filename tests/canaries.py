"""Canaries: texts and keys that must turn up nowhere, in every dress that a careless program puts on them."""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from firmware_sim.cards import field_at
from firmware_sim.people import Person

_ENCODINGS = ("utf-8", "gb18030", "utf-16-le", "utf-16-be")
_FEWEST_BYTES = 6
"""Shorter forms turn up by chance in any megabyte."""


@dataclass(frozen=True)
class Canary:
    """`what` may be told in a failure; the forms may not."""

    what: str
    forms: frozenset[bytes]

    def found_in(self, content: bytes) -> bool:
        return any(form in content for form in self.forms)


def of_text(what: str, text: str) -> Canary:
    forms: set[bytes] = set()
    for each in (text, text[::-1]):
        for encoding in _ENCODINGS:
            forms |= set(_dressed(each.encode(encoding)))
        forms.add(each.encode("unicode_escape"))  # as JSON and repr write it
    return _canary(what, forms)


def of_bytes(what: str, secret: bytes) -> Canary:
    forms: set[bytes] = set()
    for each in (secret, secret[::-1]):
        forms |= set(_dressed(each))
        for text in (each.hex(), each.hex().upper(), each.hex()[::-1], str(int.from_bytes(each, "big"))):
            forms |= {*_dressed(text.encode()), text.encode("utf-16-le")}
    return _canary(what, forms)


def _canary(what: str, forms: Iterable[bytes]) -> Canary:
    long_enough = frozenset(form for form in forms if len(form) >= _FEWEST_BYTES)
    assert long_enough, f"{what} has no form that is long enough to look for"
    return Canary(what, long_enough)


def _dressed(secret: bytes) -> Iterator[bytes]:
    """Itself, in hex and in base64 at each of the three places where it can begin."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded = encode(bytes(before) + secret)
            skipped = (0, 2, 3)[before]  # characters that also hold bits of what stands before
            kept = len(encoded.rstrip(b"=")) - (0 if (before + len(secret)) % 3 == 0 else 1)
            yield encoded[skipped:kept]


def of_person(person: Person) -> list[Canary]:
    """Everything that a reader could learn of them, and nobody behind it may."""
    card, ref = person.card, person.ref
    texts = {"name": person.name, "number": person.id_number, "QR text": card.qr_text}
    secrets = {"UID": card.uid, "chip": card.chip_serial, "tag": card.em_tag, "body": card.body_number}
    found = [of_text(f"{what} of {ref}", text) for what, text in texts.items()]
    found += [of_bytes(f"{what} of {ref}", secret) for what, secret in secrets.items()]
    try:
        address = card.text[field_at(card.layout, "address")].decode("utf-16-le").strip()
    except ValueError:  # this layout has none
        return found
    return [*found, of_text(f"address of {ref}", address)]
