"""The catalogue of faults: complete after readers.md 8.1, and strict about what it is given."""

from pathlib import Path

import pytest

from firmware_sim.errors import RequestError
from firmware_sim.fault_table import CATALOGUE, LC_RELAY, SAM_V
from firmware_sim.faults import FaultSet, check_fault

# Rows of readers.md 8.1 that are no fault of a line: 15 is presenting a card twice, 21 and 22 are OSDP's own.
ELSEWHERE = {15, 21, 22}


def test_every_row_of_the_manual_has_a_fault() -> None:
    assert {fault.number for fault in CATALOGUE.values()} >= set(range(1, 27)) - ELSEWHERE


def test_every_fault_is_exercised_by_a_test() -> None:
    here = Path(__file__).parent
    texts = "".join(path.read_text(encoding="utf-8") for path in here.glob("test_firmware_sim_*.py"))
    at_once = {name for name, fault in CATALOGUE.items() if fault.at_once}
    assert [name for name in CATALOGUE.keys() - at_once if f'"{name}"' not in texts] == []


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_default_is_a_value_that_would_be_accepted(name: str) -> None:
    for key, parameter in CATALOGUE[name].parameters.items():
        if parameter.default is not None:
            assert parameter.check(name, key, parameter.default) == parameter.default


@pytest.mark.parametrize(
    ("kind", "name", "given", "message"),
    [
        (SAM_V, "gremlins", {}, "no fault 'gremlins'; there are answer_status, "),
        (LC_RELAY, "no_sam", {}, "fault no_sam is not for a lc_relay"),
        (SAM_V, "slow", {"speed": 1}, "fault slow has no parameter 'speed'; it has: delay_s, factor"),
        (SAM_V, "slow", {"delay_s": "1"}, "fault slow, parameter delay_s: expects float, not str"),
        (SAM_V, "slow", {"delay_s": -1}, "0.0 to 600.0, not -1.0"),
        (SAM_V, "slow", {"delay_s": float("nan")}, "0.0 to 600.0, not nan"),
        (SAM_V, "cut", {"at": True}, "expects int, not bool"),
        (SAM_V, "cut", {"at": 0}, "1 to 4096, not 0"),
        (SAM_V, "noise_before", {"hex": "XY"}, "expects bytes in hex"),
        (SAM_V, "noise_before", {"hex": ""}, "1 to 4096 bytes"),
        (SAM_V, "noise_before", {"hex": "00" * 4097}, "1 to 4096 bytes"),
        (SAM_V, "wrong_text", {"kind": "haiku"}, "one of lone_surrogate, "),
        (SAM_V, "two_cards", {"status": 1}, "one of 129, 64, not 1"),
        (SAM_V, "wrong_rate", {"rate": 1200}, "one of 115200, "),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    kind: str, name: str, given: dict[str, object], message: str
) -> None:
    with pytest.raises(RequestError, match=message.replace("'", ".")):
        check_fault(kind, name, given)


@pytest.mark.parametrize("count", [0, -1, 1_000_001])
def test_an_impossible_count_is_refused(count: int) -> None:
    with pytest.raises(RequestError, match="count is 1 to 1000000"):
        FaultSet(SAM_V).switch_on("no_answer", {}, count=count)


def test_active_faults_are_described_with_what_is_left_of_them() -> None:
    faults = FaultSet(SAM_V)
    assert not faults
    faults.switch_on("slow", {"factor": 2}, count=3)
    faults.switch_on("stuck_busy", {})
    faults.use("slow")
    assert faults.describe() == {"slow": {"factor": 2.0, "count": 2}, "stuck_busy": {}}
    assert faults.clear("slow") == ("slow",)
    assert faults.clear("slow") == ()
    assert faults.peek("slow") is None
