"""Invented people with cards, from a seed. Nobody here exists, and no number can have been issued.

Area code 000000 is assigned to nobody, nor are province 00, nationality 000 and the letters XXX; the
numbers of type J must begin with 810000, 820000 or 830000 and are invented behind that.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from firmware_sim.cards import Card, Layout, address_item, text_block

UNASSIGNED_AREA = "000000"
PERMIT_AREAS = ("810000", "820000", "830000")
UNASSIGNED_Y_HEAD = "900000"  # 9, province 00, nationality 000
UNASSIGNED_I_HEAD = "XXX0000"  # nationality XXX, region 0000

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # readers.md 3.1
_CHECKS = "10X98765432"
_OLD_WEIGHTS = (7, 3, 1)  # readers.md 3.5

# Out of each twenty people one J, one I, one Y: every layout appears in a small crowd, residents dominate.
_LAYOUT_CYCLE = 20
_SPECIAL = {7: Layout.PERMIT_J, 13: Layout.FOREIGNER_I, 19: Layout.FOREIGNER_Y}
_NEWEST_ADDRESS_SHARE = 0.2
_FINGERPRINT_SHARE = 0.3
_LONG_UID_SHARE = 0.5
_FINGERPRINTS = bytes([0x5A]) * 1024
_FIRST_BIRTH = dt.date(1950, 1, 1)
_LAST_BIRTH = dt.date(2005, 12, 31)
_ISSUED = "20220101"
_EXPIRES = "20420101"
_NO_EXPIRY = "长期"
_NO_EXPIRY_BEFORE = 1970  # born before: such cards have no end date
_MAX_PEOPLE = 100_000  # five digits of reference are enough for every scene

_SURNAMES = "赵钱孙周吴郑冯陈褚卫蒋沈韩杨朱秦许何吕施"
_GIVEN = "安宁明远思源晓晨子涵雨桐文博静怡海天若云书航"
_LATIN = ("ABEL", "BORA", "CLEO", "DARIO", "EDITH", "FARAH", "GUSTAV", "HELGA", "IMRE", "JONAS")


@dataclass(frozen=True, slots=True)
class Person:
    """Someone invented. Only the reference may leave the simulator's memory other than on the card."""

    ref: str
    name: str = field(repr=False)
    id_number: str = field(repr=False)
    card: Card = field(repr=False)


def check_character(first_17: str) -> str:
    """The 18th character by ISO 7064 MOD 11-2 (readers.md 3.1)."""
    return _CHECKS[sum(int(digit) * weight for digit, weight in zip(first_17, _WEIGHTS, strict=True)) % 11]


def old_check_digit(first_14: str) -> str:
    """The 15th character of a 2017 permanent residence number (readers.md 3.5)."""
    values = (int(character, 36) for character in first_14)
    return str(sum(value * _OLD_WEIGHTS[at % 3] for at, value in enumerate(values)) % 10)


def make_people(count: int, seed: int) -> tuple[Person, ...]:
    """The first `count` people of the crowd named by `seed`; a larger count begins with the same people."""
    if not 0 <= count <= _MAX_PEOPLE:
        raise ValueError(f"people: 0 to {_MAX_PEOPLE}, not {count}")
    crowd = _crowd(seed)
    return tuple(next(crowd) for _ in range(count))


def _crowd(seed: int) -> Iterator[Person]:
    rng = Random(f"people:{seed}")
    taken: set[str] = set()
    at = 0
    while True:
        layout = _SPECIAL.get(at % _LAYOUT_CYCLE, Layout.RESIDENT)
        ref = f"P{at + 1:04d}"
        person = _person(ref, layout, rng, Random(f"carried:{seed}:{ref}"))
        if person.id_number not in taken:
            taken.add(person.id_number)
            at += 1
            yield person


def _person(ref: str, layout: Layout, rng: Random, carried: Random) -> Person:
    span = (_LAST_BIRTH - _FIRST_BIRTH).days
    born = (_FIRST_BIRTH + dt.timedelta(days=rng.randrange(span))).strftime("%Y%m%d")
    sequence = rng.randrange(1, 1000)
    name = rng.choice(_SURNAMES) + "".join(rng.choices(_GIVEN, k=rng.randint(1, 2)))
    latin = f"{rng.choice(_LATIN)}, {rng.choice(_LATIN)}"
    number = _number(layout, born, sequence, rng)
    fields = _fields(layout, born, number, rng, name=name, latin=latin)
    card = Card(
        ref=ref,
        layout=layout,
        text=text_block(layout, fields),
        body_number=rng.randbytes(28),
        fingerprints=_FINGERPRINTS if rng.random() < _FINGERPRINT_SHARE else b"",
        newest_address=address_item(_address(rng)) if rng.random() < _NEWEST_ADDRESS_SHARE else None,
        uid=_uid(carried),
        chip_serial=carried.randbytes(8),
        em_tag=b"\x01" + carried.randbytes(4),
        qr_text=f"LH1-{carried.randbytes(12).hex().upper()}",
        pin=f"{carried.randrange(10_000):04d}",
    )
    return Person(ref, latin if layout is Layout.FOREIGNER_I else name, number, card)


def _uid(carried: Random) -> bytes:
    """Half of the cards have 4 bytes, half 7; never a random UID (08) nor a cascade tag (readers.md 4.7)."""
    if carried.random() < _LONG_UID_SHARE:
        return b"\x04" + carried.randbytes(6)
    return bytes((carried.choice((0x26, 0x86, 0xC4)),)) + carried.randbytes(3)


def _number(layout: Layout, born: str, sequence: int, rng: Random) -> str:
    if layout is Layout.FOREIGNER_I:
        first = f"{UNASSIGNED_I_HEAD}{born[2:]}{sequence % 10}"
        return first + old_check_digit(first)
    area = UNASSIGNED_AREA
    if layout is Layout.PERMIT_J:
        area = rng.choice(PERMIT_AREAS)
    elif layout is Layout.FOREIGNER_Y:
        area = UNASSIGNED_Y_HEAD
    first = f"{area}{born}{sequence:03d}"
    return first + check_character(first)


def _fields(layout: Layout, born: str, number: str, rng: Random, *, name: str, latin: str) -> dict[str, str]:
    sequence_digit = number[-2]  # odd: male (readers.md 3.1, 3.4)
    fields = {
        "sex": "1" if int(sequence_digit) % 2 else "2",
        "birth_date": born,
        "id_number": number,
        "valid_from": _ISSUED,
        "valid_to": _EXPIRES,
    }
    if layout is Layout.RESIDENT:
        no_expiry = int(born[:4]) < _NO_EXPIRY_BEFORE
        return fields | {
            "name": name,
            "ethnicity": f"{rng.randint(1, 56):02d}",
            "address": _address(rng),
            "issuing_authority": "示例市公安局",
            "valid_to": _NO_EXPIRY if no_expiry else _EXPIRES,
        }
    if layout is Layout.PERMIT_J:
        return fields | {
            "name": name,
            "address": _address(rng),
            "issuing_authority": "示例市公安局",
            "travel_permit_number": f"X{rng.randrange(100_000_000):08d}",
            "issue_count": "01",
        }
    if layout is Layout.FOREIGNER_I:
        return fields | {
            "latin_name": latin,
            "chinese_name": name,
            "nationality": "XXX",
            "card_version": "01",
            "accepting_authority": "0000",
        }
    return fields | {
        "latin_name": latin,
        "chinese_name": name,
        "nationality": "XXX",
        "renewal_count": "01",
        "previous_number_link": "000",
    }


def _address(rng: Random) -> str:
    return f"示例市样板区留痕路{rng.randrange(1, 1000)}号{rng.randrange(1, 30)}室"
