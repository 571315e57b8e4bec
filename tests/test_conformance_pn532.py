"""What only a PN532 can meet: the driver on the simulated module, with both types of card and faults."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from conformance_rows import ReaderRow
from conformance_support import DEVICE, Rig, rig

from drivers.base import CardRead, CardRemoved, CardUnreadable, CredentialKind

SETTINGS = {"poll_s": 0.02}
ID_CARDS = ReaderRow("pn532", scene='source = "chip_serial"', settings=SETTINGS)
UIDS = ReaderRow("pn532", scene='source = "uid"', settings=SETTINGS)
each_type = pytest.mark.parametrize("reader", [ID_CARDS, UIDS], ids=["chip_serial", "uid"], indirect=True)
id_card = pytest.mark.parametrize("reader", [ID_CARDS], ids=["chip_serial"], indirect=True)
type_a = pytest.mark.parametrize("reader", [UIDS], ids=["uid"], indirect=True)


@pytest.fixture
def reader(
    request: pytest.FixtureRequest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Iterator[Rig[ReaderRow]]:
    with rig(request.param, tmp_path, caplog) as made:
        yield made


@id_card
def test_an_id_card_is_read_once_and_again_when_laid_again(reader: Rig[ReaderRow]) -> None:
    reader.lay("P0001")
    (read,) = reader.ear.wait(CardRead)
    assert read.kind is CredentialKind.ID_CARD_CHIP
    threading.Event().wait(1.0)  # it lies there, and answers each time
    assert len(reader.ear.of(CardRead)) == 1
    reader.lift()
    reader.ear.wait(CardRemoved)
    reader.read("P0001")
    reader.read("P0002")


@id_card
def test_a_chip_that_hangs_is_read_because_the_field_was_off(reader: Rig[ReaderRow]) -> None:
    reader.sim.fault(DEVICE, "chip_hangs")
    reader.read("P0001")
    reader.read("P0002")
    assert reader.ear.of(CardUnreadable) == []


@each_type
def test_a_restart_of_the_module_is_no_other_card(reader: Rig[ReaderRow]) -> None:
    reader.lay("P0001")
    reader.ear.wait(CardRead)
    reader.sim.fault(DEVICE, "power_dip")
    threading.Event().wait(1.0)
    assert len(reader.ear.of(CardRead)) == 1
    reader.lift()
    reader.ear.wait(CardRemoved)
    reader.read("P0002")


@id_card
def test_an_id_card_lifted_while_it_is_read_is_not_told_as_read(reader: Rig[ReaderRow]) -> None:
    before = reader.sim.last_event
    reader.sim.fault(DEVICE, "lifted", count=1)
    reader.lay("P0001")
    assert reader.sim.wait_for_event("fault_over", device=DEVICE, after=before, timeout_s=10)
    assert reader.tokens() == []  # the fault took the card away
    reader.read("P0002")


@type_a
@pytest.mark.parametrize(
    ("fault", "hint"),
    [("zero_uid", "only zeros"), ("random_uid", "random number")],
)
def test_a_card_without_a_number_of_its_own_is_refused_once(
    reader: Rig[ReaderRow], fault: str, hint: str
) -> None:
    reader.sim.fault(DEVICE, fault)
    reader.lay("P0001")
    reader.ear.wait(CardUnreadable)
    threading.Event().wait(0.5)  # it lies there, and gives perhaps a number anew
    assert [hint in each.cause for each in reader.ear.of(CardUnreadable)] == [True]
    reader.lift()
    reader.sim.clear(DEVICE)
    threading.Event().wait(0.3)
    reader.read("P0002")


@each_type
def test_a_chip_that_is_stuck_is_told_and_reads_when_it_is_over(reader: Rig[ReaderRow]) -> None:
    reader.sim.fault(DEVICE, "stuck_busy")
    assert reader.wait_not_ok() in ("degraded", "lost")
    reader.sim.clear(DEVICE)
    reader.wait_ok()
    reader.read("P0001")


@type_a
def test_of_two_cards_one_is_read_once(reader: Rig[ReaderRow]) -> None:
    reader.sim.fault(DEVICE, "two_in_field")
    reader.lay("P0001")
    reader.ear.wait(CardRead)
    threading.Event().wait(0.5)  # both lie there
    reader.lift()
    reader.ear.wait(CardRemoved)
    assert reader.tokens() == [reader.token("P0001")]
