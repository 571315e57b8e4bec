"""What a line of text says of the reader that sent it. Pure (readers.md 5.2, 5.4).

No check proves a line. Its form does as far as only one kind of reader sends it; its length says whether it
can be noise, or what another speed makes of something else.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drivers.probe_finding import Finding, Heard, Sureness, Value, unusual
from drivers.probe_meaning import Piece, line_parts

BYTE_ORDER = "byte_order: compare a number with the one printed on its card"
_LEAST_BITS = 18.0  # so much less likely, in powers of two, are the same bytes as noise
_STRONG_BITS = 26.0
_LIKELY_BITS = 40.0
_BITS_OF = (  # log2(256 / how many bytes would fit)
    (re.compile(rb"[0-9]+"), 4.7),
    (re.compile(rb"[0-9,.:;/ -]+"), 3.9),
    (re.compile(rb"[0-9A-Fa-f]+"), 3.5),
    (re.compile(rb".+", re.DOTALL), 1.4),
)
_BITS_OF_END = 5.4
_MOST_NOISE = 0.6  # share of bytes around a line; at a wrong speed nearly all are in none
_MOST_NOISE_OF_STRONG = 0.9


@dataclass(frozen=True, slots=True)
class _Form:
    """A way to write a card's number, and what reads it so."""

    pattern: re.Pattern[bytes]
    ends: frozenset[bytes]
    driver: str
    what: str
    options: Mapping[str, Value]
    mind: tuple[str, ...] = ()
    decimal_digits: int = 0  # where the digits may also be hex ones without a letter
    hex_digits: int = 0


_CR, _CRLF = frozenset({b"\r"}), frozenset({b"\r\n"})
_ANY_END = frozenset({b"\r\n", b"\r", b"\n", b"\t", b"\x03", b"\0", b""})


def _form(
    pattern: bytes,
    ends: frozenset[bytes],
    driver: str,
    what: str,
    options: Mapping[str, Value],
    *mind: str,
    decimal_digits: int = 0,
    hex_digits: int = 0,
) -> _Form:
    expression = re.compile(pattern + rb"\Z")
    return _Form(expression, ends, driver, what, options, mind, decimal_digits, hex_digits)


_HEX = rb"[0-9A-Fa-f]"
_NOT_MORE = rb"(?<![0-9A-Fa-f])"
_AS_TEXT = 'an ASCII-line reader may send the same: then take driver "text"'
_AS_WIEGAND = 'a Wiegand converter may send the same: then take driver "wiegand"'
_FORMS = (
    _form(
        _NOT_MORE + _HEX + rb"{6}",
        _CR,
        "wiegand",
        "Wiegand converter, hex digits and CR",
        {"framing": "hex_line", "bits": 26},
        BYTE_ORDER,
    ),
    _form(
        _NOT_MORE + rb"(?=\d*[A-Fa-f])" + _HEX + rb"{8}",
        _CR,
        "wiegand",
        "Wiegand converter, hex digits and CR",
        {"framing": "hex_line", "bits": 34},
        "bits: cards of 35 bits have as many digits",
        BYTE_ORDER,
        _AS_TEXT,
        hex_digits=8,
    ),
    _form(
        _NOT_MORE + _HEX + rb"{9}",
        _CR,
        "wiegand",
        "Wiegand converter, hex digits and CR",
        {"framing": "hex_line", "bits": 37},
        _AS_TEXT,
    ),
    _form(
        rb"(?<!\d)\d{10}",
        _CRLF,
        "wiegand",
        "Wiegand converter, decimal digits and CR LF",
        {"framing": "decimal_line"},
        BYTE_ORDER,
        _AS_TEXT,
    ),
    _form(
        rb"(?<![01])[01]{26}|(?<![01])[01]{34}|(?<![01])[01]{35}|(?<![01])[01]{37}",
        _ANY_END,
        "wiegand",
        "Wiegand converter, bits as text",
        {"framing": "bits_line"},
        BYTE_ORDER,
    ),
    _form(
        rb"(?<!\d)\d{3},\d{5}",
        _ANY_END,
        "text",
        "ASCII-line reader, facility and card",
        {"pattern": "{facility},{card}", "base": "decimal", "bits": 26},
    ),
    _form(
        rb"(?<!\d)\d{10}",
        _ANY_END,
        "text",
        "ASCII-line reader, decimal digits",
        {"base": "decimal", "bits": 34},
        "bits: 26 if no number is larger than 16777215",
        BYTE_ORDER,
        decimal_digits=10,
    ),
    _form(
        rb"(?<!\d)\d{8}",
        _ANY_END,
        "text",
        "ASCII-line reader, decimal digits",
        {"base": "decimal", "bits": 26, "digits": 8},
        "digits: 8 decimal ones may also be hex digits without a letter: show another card",
        BYTE_ORDER,
        decimal_digits=8,
    ),
    _form(
        _NOT_MORE + rb"(?:" + _HEX + rb"{14}|" + _HEX + rb"{20})",
        _ANY_END,
        "text",
        "ASCII-line reader, UID in hex",
        {"kind": "card_uid"},
        BYTE_ORDER,
    ),
    _form(
        _NOT_MORE + _HEX + rb"{10}",
        _ANY_END,
        "text",
        "ASCII-line reader, hex digits",
        {"kind": "em_tag"},
        'kind: "em_tag" for 125 kHz tags, "card_number" with their bits otherwise',
        hex_digits=10,
    ),
    _form(
        _NOT_MORE + _HEX + rb"{8}",
        _ANY_END,
        "text",
        "ASCII-line reader, hex digits",
        {"bits": 34},
        'kind: "card_uid" if these are the UIDs of contactless cards',
        BYTE_ORDER,
        hex_digits=8,
    ),
    _form(
        _NOT_MORE + _HEX + rb"{6}",
        _ANY_END,
        "text",
        "ASCII-line reader, hex digits",
        {"bits": 26},
        BYTE_ORDER,
    ),
)
_QR_WHAT = "QR or barcode scanner"


def reader_of_lines(heard: Heard, lines: Sequence[Piece]) -> list[Finding]:
    """The one reader that may have sent these lines."""
    parts = [line_parts(piece.raw) for piece in lines]
    weighed = [(_weight(content, end), prefix, content, end) for prefix, content, end in parts]
    among_bits = math.log2(max(len(heard.data), 1))
    strong = [each for each in weighed if each[0] - among_bits >= _LEAST_BITS]
    if not strong:
        return []
    is_strong = max(strong)[0] - among_bits >= _STRONG_BITS
    if _noise(heard, strong) > (_MOST_NOISE_OF_STRONG if is_strong else _MOST_NOISE):
        return []
    forms = [_form_of(content, end) for _, _, content, end in strong]
    form = _most_frequent(forms)
    ours = [each for each, its_form in zip(strong, forms, strict=True) if its_form is form]
    votes = len(ours)
    best = max(each[0] for each in ours) - among_bits
    sureness = Sureness.LIKELY if votes > 1 or best >= _LIKELY_BITS else Sureness.GUESS
    ends = Counter(end for _, _, _, end in ours)
    if form is None:
        return [_scanner(heard.rate, [content for _, _, content, _ in ours], ends, sureness)]
    reason = f"{votes} line{'s' if votes > 1 else ''} of this form, which no check proves"
    options = dict(form.options) | _options_by_content(form, [content for _, _, content, _ in ours])
    if form.driver == "text":
        options |= _suffix(ends)
    mind = form.mind
    if form.driver == "text" and form.ends is _ANY_END and _twin(ours[0][2], ours[0][3]):
        mind = (*mind, _AS_WIEGAND)
    sure = Sureness.GUESS if _AS_TEXT in mind else sureness
    return [Finding(form.driver, heard.rate, sure, form.what, reason, options | unusual(heard.rate), mind)]


def _most_frequent(forms: Sequence[_Form | None]) -> _Form | None:
    """The first of those that came most often; decimal digits are hex digits if only once a letter came."""
    votes = max(forms.count(form) for form in forms)
    form = next(form for form in forms if forms.count(form) == votes)
    if form is None or form.options.get("base") != "decimal":
        return form
    return next((each for each in forms if each and each.hex_digits == form.decimal_digits != 0), form)


def _form_of(content: bytes, end: bytes) -> _Form | None:
    """How this line writes a number, None if it is other text. Noise may stand before the number."""
    return next((form for form in _FORMS if end in form.ends and _is_number(form, content)), None)


def _is_number(form: _Form, content: bytes) -> bool:
    found = form.pattern.search(content)
    return found is not None and len(content) - len(found[0]) <= len(found[0]) // 2


def _twin(content: bytes, end: bytes) -> bool:
    """FFFCCCCC of a converter, or eight digits of a reader: the same bytes."""
    return end == b"\r\n" and re.fullmatch(rb"\d{8}", content) is not None


def _options_by_content(form: _Form, contents: Sequence[bytes]) -> dict[str, Value]:
    numbers = [found[0] for content in contents if (found := form.pattern.search(content))]
    if form.options.get("framing") == "decimal_line":
        return {"bits": 26 if all(int(number) < 1 << 24 for number in numbers) else 34}
    if form.options.get("framing") == "bits_line":
        return {"bits": len(numbers[0])}
    return {}


def _scanner(
    rate: int | None, contents: Sequence[bytes], ends: Counter[bytes], sureness: Sureness
) -> Finding:
    mind = "" if any(re.search(rb"[^0-9A-Za-z]", content) for content in contents) else _NUMBER_LIKE
    return Finding(
        "qr",
        rate,
        Sureness.GUESS if mind else sureness,
        _QR_WHAT,
        f"{len(contents)} line{'s' if len(contents) > 1 else ''} of text that is no card's number",
        _suffix(ends) | unusual(rate),
        (mind,) if mind else (),
    )


_NUMBER_LIKE = 'if these are the numbers of cards, take driver "text" and say their form'


def _suffix(ends: Counter[bytes]) -> dict[str, Value]:
    """What ends a line, where the drivers' "auto" would not do."""
    return {"suffix": "tab"} if ends.most_common(1)[0][0] == b"\t" else {}


def _weight(content: bytes, end: bytes) -> float:
    """How much less likely these bytes are as noise, in powers of two."""
    a_character = next(bits for alphabet, bits in _BITS_OF if alphabet.fullmatch(content))
    return len(content) * a_character + len(end) * _BITS_OF_END


def _noise(heard: Heard, lines: Sequence[tuple[float, bytes, bytes, bytes]]) -> float:
    """Share of the bytes that are in no such line."""
    inside = sum(len(prefix) + len(content) + len(end) for _, prefix, content, end in lines)
    return 1 - inside / max(len(heard.data), 1)
