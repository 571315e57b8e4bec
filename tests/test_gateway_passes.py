"""The pass book between readers and decisions: what was signed is kept, all else only with its reason."""

import threading

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from drivers.base import CredentialKind
from gateway.passes import MAX_KEPT, PassBook
from gateway.tokens import tokeniser
from messages.model import Reason
from messages.signing import trusted
from messages.visitor_pass import VisitorPass, encode_pass

ISSUER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
KEYS = trusted(ISSUER.public_key())
PASS = VisitorPass("0123456789abcdef", "north", 0, 86_400_000_000, ("lobby",))
TEXT = encode_pass(PASS, ISSUER)
SITE_KEY = bytes(32)
TOKEN = "ab" * 16


def a_book() -> PassBook:
    book = PassBook("north", "east")
    book.trust(KEYS)
    return book


def test_a_pass_is_found_by_its_token() -> None:
    book = a_book()
    book.take(TOKEN, TEXT)
    assert book.find(TOKEN) == PASS


def test_what_was_never_shown_is_not_found() -> None:
    assert a_book().find(TOKEN) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(encode_pass(PASS, OTHER), Reason.PASS_FORGED, id="signed by somebody else"),
        pytest.param(TEXT[:-1], Reason.PASS_FORGED, id="cut"),
        pytest.param("LH1:", Reason.PASS_FORGED, id="empty"),
        pytest.param("LH1:\ud800", Reason.PASS_FORGED, id="no text at all"),
        pytest.param(
            encode_pass(VisitorPass("f" * 16, "south", 0, 60_000_000, ("*",)), ISSUER),
            Reason.NO_RIGHT,
            id="of another site",
        ),
    ],
)
def test_why_a_pass_is_none_is_kept_too(text: str, reason: Reason) -> None:
    book = a_book()
    book.take(TOKEN, text)
    assert book.find(TOKEN) is reason


def test_without_keys_no_pass_is_genuine() -> None:
    book = PassBook("north", "east")
    book.take(TOKEN, TEXT)
    assert book.find(TOKEN) is Reason.PASS_FORGED


def test_when_keys_change_everything_is_judged_anew() -> None:
    book = a_book()
    book.take(TOKEN, TEXT)
    book.trust(trusted(OTHER.public_key()))
    assert book.find(TOKEN) is None
    book.take(TOKEN, TEXT)
    assert book.find(TOKEN) is Reason.PASS_FORGED


def test_the_book_keeps_the_newest_only() -> None:
    book = a_book()
    for number in range(MAX_KEPT + 1):
        book.take(f"{number:032x}", "LH1:")
    assert book.find(f"{0:032x}") is None
    assert book.find(f"{1:032x}") is Reason.PASS_FORGED
    assert book.find(f"{MAX_KEPT:032x}") is Reason.PASS_FORGED


def test_readers_may_take_passes_at_the_same_time() -> None:
    book = a_book()
    all_at_once = threading.Barrier(4)

    def take(reader: int) -> None:
        all_at_once.wait()
        for number in range(50):
            book.take(f"{reader:016x}{number:016x}", TEXT)

    readers = [threading.Thread(target=take, args=(reader,)) for reader in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert all(
        book.find(f"{reader:016x}{number:016x}") == PASS for reader in range(4) for number in range(50)
    )


def test_the_text_of_a_pass_goes_into_the_book_while_its_token_is_made() -> None:
    book = a_book()
    token = tokeniser(SITE_KEY, book)(CredentialKind.QR_CODE, TEXT)
    assert token == tokeniser(SITE_KEY)(CredentialKind.QR_CODE, TEXT)
    assert book.find(token) == PASS


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        pytest.param(CredentialKind.QR_CODE, "member-7", id="another code"),
        pytest.param(CredentialKind.CARD_NUMBER, TEXT, id="a pass that is no code"),
        pytest.param(CredentialKind.PIN, "1234", id="a PIN"),
    ],
)
def test_nothing_else_goes_into_the_book(kind: CredentialKind, text: str) -> None:
    book = a_book()
    assert book.find(tokeniser(SITE_KEY, book)(kind, text)) is None


def test_the_book_shows_no_text_when_it_is_printed() -> None:
    book = a_book()
    book.take(TOKEN, TEXT)
    assert TEXT not in repr(book)
    assert TEXT not in repr(vars(book))
