"""What each change of an input means, as tables."""

import pytest

from drivers.base import InputState
from gateway.sensing import InputFunction, Meaning, meanings
from messages.model import Kind, Reason

NORMAL, ACTIVE = InputState.NORMAL, InputState.ACTIVE
SHORTED, CUT = InputState.SHORTED, InputState.CUT


@pytest.mark.parametrize(
    ("function", "begun", "ended"),
    [
        (InputFunction.CONTACT, Kind.DOOR_OPENED, Kind.DOOR_CLOSED),
        (InputFunction.REX, Kind.REX, None),
        (InputFunction.TAMPER, Kind.TAMPER, Kind.TAMPER_RESTORED),
        (InputFunction.FIRE, Kind.FIRE_INPUT, Kind.FIRE_INPUT_RESTORED),
        (InputFunction.MAINS, Kind.MAINS_FAILED, Kind.MAINS_RESTORED),
        (InputFunction.BATTERY, Kind.BATTERY_LOW, Kind.BATTERY_RESTORED),
    ],
    ids=str,
)
def test_each_function_has_its_words_for_begin_and_end(
    function: InputFunction, begun: Kind, ended: Kind | None
) -> None:
    assert meanings(function, NORMAL, ACTIVE) == [(begun, None)]
    assert meanings(function, ACTIVE, NORMAL) == ([] if ended is None else [(ended, None)])


@pytest.mark.parametrize("state", list(InputState), ids=str)
@pytest.mark.parametrize("function", list(InputFunction), ids=str)
def test_what_stays_as_it_is_is_no_news(function: InputFunction, state: InputState) -> None:
    assert meanings(function, state, state) == []


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        pytest.param(None, NORMAL, [], id="a closed door at the start is no news"),
        pytest.param(None, ACTIVE, [(Kind.DOOR_OPENED, None)], id="an open door at the start is"),
        pytest.param(NORMAL, CUT, [(Kind.TAMPER, Reason.LINE_CUT)], id="a cut line"),
        pytest.param(ACTIVE, SHORTED, [(Kind.TAMPER, Reason.LINE_SHORTED)], id="a shorted line"),
        pytest.param(CUT, SHORTED, [(Kind.TAMPER, Reason.LINE_SHORTED)], id="first cut, then shorted"),
        pytest.param(None, CUT, [(Kind.TAMPER, Reason.LINE_CUT)], id="cut from the start"),
        pytest.param(CUT, NORMAL, [(Kind.TAMPER_RESTORED, None)], id="mended, and the door is closed"),
        pytest.param(
            SHORTED,
            ACTIVE,
            [(Kind.TAMPER_RESTORED, None), (Kind.DOOR_OPENED, None)],
            id="mended, and the door is open",
        ),
    ],
)
def test_a_contact_on_a_supervised_line(
    before: InputState | None, now: InputState, found: list[Meaning]
) -> None:
    assert meanings(InputFunction.CONTACT, before, now) == found


@pytest.mark.parametrize(
    ("said", "now", "found"),
    [
        pytest.param(ACTIVE, NORMAL, [Kind.TAMPER_RESTORED, Kind.DOOR_CLOSED], id="closed meanwhile"),
        pytest.param(ACTIVE, ACTIVE, [Kind.TAMPER_RESTORED], id="open all the time"),
        pytest.param(NORMAL, ACTIVE, [Kind.TAMPER_RESTORED, Kind.DOOR_OPENED], id="opened meanwhile"),
        pytest.param(NORMAL, NORMAL, [Kind.TAMPER_RESTORED], id="closed all the time"),
    ],
)
def test_a_line_that_is_whole_again_is_compared_with_what_it_said_before(
    said: InputState, now: InputState, found: list[Kind]
) -> None:
    assert [kind for kind, _ in meanings(InputFunction.CONTACT, CUT, now, said)] == found
