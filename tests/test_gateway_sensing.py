"""What each change of an input means, as tables."""

import pytest

from drivers.base import InputState
from gateway.portal_table import Signal
from gateway.sensing import InputFunction, Meaning, Sensed, meanings, sensed
from messages.model import Kind, Reason

NORMAL, ACTIVE = InputState.NORMAL, InputState.ACTIVE
SHORTED, CUT = InputState.SHORTED, InputState.CUT


@pytest.mark.parametrize(
    ("function", "begun", "ended"),
    [
        (InputFunction.CONTACT, Kind.DOOR_OPENED, Kind.DOOR_CLOSED),
        (InputFunction.REX, Kind.REX, None),
        (InputFunction.TAMPER, Kind.TAMPER, Kind.TAMPER_RESTORED),
        (InputFunction.DURESS, Kind.DURESS, None),
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


CUT_LINE, MENDED = (Kind.TAMPER, Reason.LINE_CUT), (Kind.TAMPER_RESTORED, None)


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        pytest.param(NORMAL, ACTIVE, Sensed(signal=Signal.OPENED), id="opened"),
        pytest.param(ACTIVE, NORMAL, Sensed(signal=Signal.CLOSED), id="closed"),
        pytest.param(None, NORMAL, Sensed(signal=Signal.CLOSED), id="the first word"),
        pytest.param(ACTIVE, ACTIVE, Sensed(signal=Signal.OPENED), id="said again after a loss"),
        pytest.param(NORMAL, CUT, Sensed((CUT_LINE,), Signal.LINE_LOST), id="cut"),
        pytest.param(CUT, CUT, Sensed(signal=Signal.LINE_LOST), id="still cut"),
        pytest.param(CUT, ACTIVE, Sensed((MENDED,), Signal.OPENED), id="mended, and open"),
        pytest.param(CUT, NORMAL, Sensed((MENDED,), Signal.CLOSED), id="mended, and shut"),
    ],
)
def test_a_contact_is_a_signal_and_its_broken_wires_are_tamper(
    before: InputState | None, now: InputState, found: Sensed
) -> None:
    assert sensed(InputFunction.CONTACT, before, now) == found


@pytest.mark.parametrize(
    ("before", "now", "said", "found"),
    [
        pytest.param(NORMAL, ACTIVE, NORMAL, Sensed(signal=Signal.REX), id="pressed"),
        pytest.param(ACTIVE, NORMAL, ACTIVE, Sensed(), id="let go"),
        pytest.param(ACTIVE, ACTIVE, ACTIVE, Sensed(), id="still pressed"),
        pytest.param(NORMAL, CUT, NORMAL, Sensed((CUT_LINE,)), id="cut"),
        pytest.param(CUT, NORMAL, NORMAL, Sensed((MENDED,)), id="mended"),
        pytest.param(CUT, ACTIVE, NORMAL, Sensed((MENDED,), Signal.REX), id="mended, and pressed"),
        pytest.param(CUT, ACTIVE, ACTIVE, Sensed((MENDED,)), id="mended, and pressed all the time"),
    ],
)
def test_an_exit_button_is_a_signal_when_it_is_pressed(
    before: InputState, now: InputState, said: InputState, found: Sensed
) -> None:
    assert sensed(InputFunction.REX, before, now, said) == found


def test_a_fire_is_recorded_and_a_signal_as_well() -> None:
    fire, over = (Kind.FIRE_INPUT, None), (Kind.FIRE_INPUT_RESTORED, None)
    assert sensed(InputFunction.FIRE, NORMAL, ACTIVE) == Sensed((fire,), Signal.FIRE)
    assert sensed(InputFunction.FIRE, ACTIVE, NORMAL) == Sensed((over,), Signal.FIRE_OVER)
    assert sensed(InputFunction.FIRE, ACTIVE, CUT) == Sensed((CUT_LINE,))


@pytest.mark.parametrize(
    "function",
    [InputFunction.TAMPER, InputFunction.DURESS, InputFunction.MAINS, InputFunction.BATTERY],
    ids=str,
)
@pytest.mark.parametrize("now", list(InputState), ids=str)
@pytest.mark.parametrize("before", [None, *InputState], ids=str)
def test_what_is_no_matter_of_the_portal_is_recorded_as_it_is(
    function: InputFunction, before: InputState | None, now: InputState
) -> None:
    assert sensed(function, before, now) == Sensed(tuple(meanings(function, before, now)))
