"""Checks of ID numbers: shape, check character, calendar day (readers.md section 3). Pure.

There is no table of regions: codes are retired and new ones given, and a number on a genuine card is genuine.
No error text repeats a number.
"""

from __future__ import annotations

import re
from datetime import date

from stdnum.iso7064 import mod_11_2

from drivers.errors import ProtocolViolation

_CITIZEN = re.compile(r"[0-9]{17}[0-9X]")
_LEGACY = re.compile(r"[0-9]{15}")
_PERMANENT_2017 = re.compile(r"[A-Z]{3}[0-9]{12}")
_CHECKSUM_OF_GOOD = 1
_MRZ_WEIGHTS = (7, 3, 1)
_BORN_IN_18XX = frozenset({"996", "997", "998", "999"})  # sequence numbers kept for people over a hundred


def check_citizen_number(text: str) -> str:
    """Returns an 18-character number (resident card, types J and Y) in its one form, X upper case.

    Raises ProtocolViolation if shape, check character (ISO 7064 MOD 11-2) or birth date are impossible.
    """
    number = text.upper()
    if _CITIZEN.fullmatch(number) is None:
        raise ProtocolViolation("the ID number is not 17 digits and a check character")
    if mod_11_2.checksum(number) != _CHECKSUM_OF_GOOD:
        raise ProtocolViolation("the ID number's check character is wrong")
    born_on(number)
    return number


def check_permanent_number(text: str) -> str:
    """Returns a 15-character number of the 2017 permanent residence card (type I), letters upper case.

    Raises ProtocolViolation if shape, check digit (weights 7-3-1) or birth date are impossible.
    """
    number = text.upper()
    if _PERMANENT_2017.fullmatch(number) is None:
        raise ProtocolViolation("the permanent residence number is not 3 letters and 12 digits")
    if mrz_check_digit(number[:-1]) != number[-1]:
        raise ProtocolViolation("the permanent residence number's check digit is wrong")
    if not any(calendar_day(century + number[7:13]) for century in ("19", "20")):
        raise ProtocolViolation("the permanent residence number holds a birth date that no calendar has")
    return number


def from_legacy(text: str) -> str:
    """Converts a 15-digit number of old data into the 18 characters it became (readers.md 3.2)."""
    if _LEGACY.fullmatch(text) is None:
        raise ProtocolViolation("the old ID number is not 15 digits")
    century = "18" if text[-3:] in _BORN_IN_18XX else "19"
    body = text[:6] + century + text[6:]
    return check_citizen_number(body + mod_11_2.calc_check_digit(body))


def born_on(number: str) -> date:
    """The birth date within an 18-character number."""
    day = calendar_day(number[6:14])
    if day is None:
        raise ProtocolViolation("the ID number holds a birth date that no calendar has")
    return day


def mrz_check_digit(text: str) -> str:
    """The check digit of machine-readable travel documents over 0-9, A-Z and `<`."""
    values = (0 if char == "<" else int(char, 36) for char in text)
    return str(sum(value * _MRZ_WEIGHTS[at % 3] for at, value in enumerate(values)) % 10)


def calendar_day(text: str) -> date | None:
    """The day that YYYYMMDD names; None if it is none."""
    if len(text) != len("YYYYMMDD") or not (text.isascii() and text.isdigit()):
        return None  # the parser below would take weeks as well
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
