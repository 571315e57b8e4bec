"""Site settings: read whole or refused, with the place named and nothing quoted."""

import json
import random
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fuzz_support import PARTS, inputs, mutated
from hypothesis import given
from hypothesis import strategies as st

from messages.errors import MessageError
from messages.model import AssuranceLevel
from messages.site_settings import (
    MAX_SETTINGS_BYTES,
    Admission,
    Day,
    DoorMode,
    DoorRules,
    DoorWindow,
    Hours,
    Schedule,
    SiteSettings,
    Window,
    decode_site_settings,
    encode_site_settings,
)

EXAMPLE = Path(__file__).parent.parent / "config" / "site-settings.example.json"
KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"  # RFC 8032 section 7.1, test 1
OFFICE = {"windows": [{"days": ["mon"], "from": "08:00", "to": "18:00"}]}


def said(**parts: Any) -> bytes:
    return json.dumps({"v": 1, "revision": 7, "issued_us": 9, **parts}).encode()


def with_schedule(schedule: dict[str, Any], **parts: Any) -> bytes:
    return said(schedules={"office": schedule}, **parts)


def test_the_least_that_may_be_said_changes_nothing() -> None:
    assert decode_site_settings(said()) == SiteSettings(v=1, revision=7, issued_us=9)


def test_what_is_written_is_what_is_meant() -> None:
    settings = decode_site_settings(
        with_schedule(
            {**OFFICE, "on_holidays": {"public": [{"from": "22:00", "to": "02:00"}]}},
            holidays={"public": ["2027-01-01"]},
            doors={
                "lobby": {
                    "mode": "controlled",
                    "windows": [
                        {
                            "schedule": "office",
                            "mode": "free",
                            "admits": ["listed", "pass", "verified_id"],
                            "minimum_assurance": "L2",
                            "asks_pin": True,
                            "first_person": "worker",
                        }
                    ],
                    "outside": "street",
                    "inside": "hall",
                }
            },
        )
    )
    assert settings.holidays == {"public": (date(2027, 1, 1),)}
    assert settings.schedules["office"] == Schedule(
        (Window(begins="08:00", ends="18:00", days=(Day.MON,)),),
        {"public": (Hours(begins="22:00", ends="02:00"),)},
    )
    assert settings.doors["lobby"] == DoorRules(
        mode=DoorMode.CONTROLLED,
        windows=(
            DoorWindow(
                schedule="office",
                mode=DoorMode.FREE,
                admits=(Admission.LISTED, Admission.PASS, Admission.VERIFIED_ID),
                minimum_assurance=AssuranceLevel.L2,
                asks_pin=True,
                first_person="worker",
            ),
        ),
        outside="street",
        inside="hall",
    )


def test_the_example_is_taken_and_comes_back() -> None:
    settings = decode_site_settings(EXAMPLE.read_bytes())
    assert decode_site_settings(encode_site_settings(settings)) == settings


def test_the_keys_of_passes_are_found_by_their_ids() -> None:
    # printf '%s' d75a...511a | xxd -r -p | sha256sum
    assert set(decode_site_settings(said(pass_keys=[KEY])).pass_signers()) == {"21fe31dfa154a261"}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param(b"", "site settings", id="nothing"),
        pytest.param(b"\xff", "site settings", id="not UTF-8"),
        pytest.param(b"[" * 100_000, "site settings", id="endlessly nested"),
        pytest.param(b" " * (MAX_SETTINGS_BYTES + 1), "at most 131072", id="too long"),
        pytest.param(said(v=2), "version 2; this program knows 1", id="a version of the future"),
        pytest.param(said(revision=-1), "$.revision", id="negative revision"),
        pytest.param(said(zhangsan=1), "a field that is not known", id="unknown field"),
        pytest.param(said(doors={"zhangsan": {"zhangsan": 1}}), "$.doors[...]", id="unknown field of a door"),
        pytest.param(said(doors={"ZhangSan": {}}), "$.doors", id="not a door's name"),
        pytest.param(said(doors={"a": {"mode": "zhangsan"}}), "$.doors[...].mode", id="unknown mode"),
        pytest.param(said(doors={"a": {"admits": []}}), "$.doors[...].admits", id="admits nobody"),
        pytest.param(said(groups={"g": ["ZhangSan"]}), "$.groups[...][0]", id="no door in a group"),
        pytest.param(said(holidays={"h": ["2027-02-30"]}), "$.holidays[...][0]", id="no such day"),
        pytest.param(
            with_schedule({"windows": [{"days": ["mon"], "from": "8:00", "to": "9:00"}]}),
            "$.schedules[...].windows[0].from",
            id="one digit",
        ),
        pytest.param(
            with_schedule({"windows": [{"days": ["mon"], "from": "08:00", "to": "24:01"}]}),
            "$.schedules[...].windows[0].to",
            id="later than midnight",
        ),
        pytest.param(
            with_schedule({"windows": [{"days": [], "from": "08:00", "to": "09:00"}]}),
            "$.schedules[...].windows[0].days",
            id="on no day",
        ),
        pytest.param(
            with_schedule({"windows": [{"days": ["mon"], "from": "08:00", "to": "08:00"}]}),
            "hours that end when they begin",
            id="no hours or a whole day",
        ),
        pytest.param(
            with_schedule({"windows": [{"days": ["mon"], "from": "24:00", "to": "08:00"}]}),
            'hours that begin at "24:00"',
            id="begins at 24:00",
        ),
        pytest.param(
            with_schedule({**OFFICE, "on_holidays": {"public": []}}),
            "a set of holidays that `$.holidays` does not have",
            id="unknown holidays",
        ),
        pytest.param(
            with_schedule(
                {**OFFICE, "on_holidays": {"a": [], "b": []}},
                holidays={"a": ["2027-01-01"], "b": ["2027-01-01"]},
            ),
            "one date in two sets",
            id="two sets, one date",
        ),
        pytest.param(
            said(doors={"a": {"windows": [{"schedule": "office"}]}}),
            "a schedule that `$.schedules` does not have",
            id="unknown schedule",
        ),
        pytest.param(
            said(doors={"a": {"inside": "hall"}}), "one of `outside` and `inside`", id="half a passage"
        ),
        pytest.param(
            said(doors={"a": {"inside": "hall", "outside": "hall"}}),
            "a door that leads to where it comes from",
            id="a door to nowhere",
        ),
        pytest.param(said(interlocks=[{"doors": ["a"]}]), "$.interlocks[0].doors", id="half a pair"),
        pytest.param(said(interlocks=[{"doors": ["a", "a"]}]), "paired with itself", id="no pair"),
        pytest.param(said(pass_keys=["zhangsan"]), "$.pass_keys[0]", id="no key"),
        pytest.param(said(pass_keys=[KEY, KEY]), "a key stands there twice", id="a key twice"),
        pytest.param(said(areas={"hall": {"passback": "no"}}), "$.areas[...].passback", id="neither of both"),
        pytest.param(
            said(categories={"worker": {"max_list_age_h": 0}}), "$.categories[...].max_list_age_h", id="0 h"
        ),
        pytest.param(said(sealing_key={"id": "2027-01"}), "$.sealing_key", id="a key without its bytes"),
    ],
)
def test_what_is_wrong_is_named_and_not_quoted(body: bytes, says: str) -> None:
    with pytest.raises(MessageError) as refused:
        decode_site_settings(body)
    assert says in str(refused.value)
    assert "zhangsan" not in str(refused.value).lower()


@given(st.binary(max_size=200))
def test_no_bytes_hurt(body: bytes) -> None:
    with pytest.raises(MessageError):
        decode_site_settings(body)


@pytest.mark.parametrize("part", range(PARTS))
def test_damaged_settings_are_refused_or_understood(part: int) -> None:
    chance = random.Random(part)
    good = EXAMPLE.read_bytes()
    for _ in range(inputs(2_000) // PARTS):
        body = mutated(chance, good, [b"{", b"[", b'"', b"null", b"24:00", b"@", b"-1", b"\xf0\x9f"])
        with suppress(MessageError):
            settings = decode_site_settings(body)
            assert decode_site_settings(encode_site_settings(settings)) == settings
