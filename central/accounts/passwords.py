"""Passwords: what one must be like, and how it is kept (trust.md R-60; NIST SP 800-63B-4, section 3.1.1).

Pure, but slow on purpose: a check takes some 150 ms and 64 MiB, so that it is done beside the event loop.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from central.errors import BadQuestion

LEAST: Final = 8
"""Characters; every account has a second factor. Without one it would be 15."""

MOST: Final = 128
_DISTINCT: Final = 5
_HASHER: Final = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=4, hash_len=32, type=Type.ID)
_NOBODY: Final = (
    "$argon2id$v=19$m=65536,t=3,p=4$5t89qymXQfgMNpGY9K1FYQ$Y6ZUFsQEN4HnCgOXK4EzmdJnhgAu30eAOlDhdgSgLmk"
)
"""Of a password that no account has: compared with where there is no account. Made once, with the settings
above, because making it costs every start of every program as much as a sign-in."""

_COMMON: Final = frozenset(
    [
        "password",
        "passwort",
        "password1",
        "password12",
        "password123",
        "passw0rd",
        "p@ssw0rd",
        "p@ssword",
        "letmein",
        "letmein1",
        "welcome",
        "welcome1",
        "welcome123",
        "iloveyou",
        "sunshine",
        "princess",
        "football",
        "baseball",
        "basketball",
        "superman",
        "batman",
        "trustno1",
        "whatever",
        "qwertyui",
        "qwertyuiop",
        "qwerty123",
        "qwerty1234",
        "1qaz2wsx",
        "1q2w3e4r",
        "1q2w3e4r5t",
        "zaq12wsx",
        "asdfghjk",
        "asdfghjkl",
        "zxcvbnm1",
        "administrator",
        "admin123",
        "admin1234",
        "admin12345",
        "changeme",
        "changeme1",
        "default1",
        "abcd1234",
        "abc12345",
        "abcdefgh",
        "abc123456",
        "a1234567",
        "a12345678",
        "a123456789",
        "woaini1314",
        "5201314a",
        "woaini520",
        "aa123456",
        "aa12345678",
        "qq123456",
        "qq1234567",
        "123456aa",
        "123456ab",
        "123456abc",
        "123qweasd",
        "1234qwer",
        "147258369",
        "987654321",
        "11223344",
        "112233445566",
        "12341234",
        "12344321",
        "123123123",
        "123321123",
        "00000000",
        "11111111",
        "22222222",
        "66666666",
        "88888888",
        "99999999",
        "12345678",
        "123456789",
        "1234567890",
        "12345678910",
        "0123456789",
        "0987654321",
        "87654321",
        "789456123",
        "741852963",
        "963852741",
        "mima123456",
        "mimashi123",
        "woshishui",
        "woaizhongguo",
        "zhongguo",
        "zhongguo123",
        "nihao123",
        "nihao1234",
        "wodemima",
    ]
)
"""Passwords that are guessed first, of eight characters and more; compared without case."""

_OURS: Final = ("liuhen", "留痕")


def normal(password: str) -> str:
    """The same characters typed on another keyboard are the same password."""
    return unicodedata.normalize("NFKC", password)


def refuse_weak(password: str, login: str, name: str) -> None:
    """Raises BadQuestion with the rule that is not met; no rule says which characters to use."""
    text = normal(password)
    plain = text.casefold()
    if not LEAST <= len(text) <= MOST:
        raise BadQuestion("password", f"has {LEAST} to {MOST} characters; a sentence is a good one")
    if len(set(plain)) < _DISTINCT or plain in _COMMON or plain.strip("0123456789!.") in _COMMON:
        raise BadQuestion("password", "is one of those that are guessed first; take another one")
    for said in (login.casefold(), name.casefold(), *_OURS):
        if said and said in plain and len(plain) - len(said) < LEAST:
            raise BadQuestion("password", "is little more than a name that everybody knows; take another one")


def hashed(password: str) -> str:
    return _HASHER.hash(normal(password))


def matches(kept: str | None, password: str) -> bool:
    """Takes as long where nothing is kept: time must not tell whether there is such an account."""
    try:
        _HASHER.verify(kept or _NOBODY, normal(password))
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None
