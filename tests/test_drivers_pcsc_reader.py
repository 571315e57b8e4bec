"""The PC/SC driver on real PC/SC daemons with virtual readers."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest
from drivers_support import DEADLINE_S
from pcsc_support import Office, office
from pydantic import ValidationError

from drivers import pcsc_card, pcsc_service, uid
from drivers.apdu_codec import HOLD_STILL
from drivers.base import Assurance, CardRead, CardRemoved, CardUnreadable, CredentialKind, Indication
from drivers.pcsc_reader import PcscSettings

RESTARTS = int(os.environ.get("LIUHEN_PCSCD_RESTARTS", "3"))
BACK_WITHIN_S = 5.0
QUICK_HANDS = 8  # the service's looks fall between two hands now and then only
LONG_S = 0.8  # a card lies there: longer than a reader's pause between two looks
VIRTUAL = "Virtual PCD 1 00 00"


def test_two_readers_in_one_process_read_each_its_own_cards() -> None:
    with office("", "") as place:
        drivers = place.start()
        for name, ref in (("r1", "P0001"), ("r2", "P0002"), ("r1", "P0003")):
            read = place.read(drivers, name, ref)
            assert (read.reader, read.token) == (name, place.uid_token(ref))
            assert (read.kind, read.assurance) == (CredentialKind.CARD_UID, Assurance.L0)
        drivers.stop()


def test_a_resident_id_card_is_read_by_its_chip_s_serial() -> None:
    with office('source = "chip_serial"') as place:
        drivers = place.start()
        read = place.read(drivers, "r1", "P0001")
        assert (read.kind, read.token) == (CredentialKind.ID_CARD_CHIP, place.chip_token("P0001"))


def test_a_reader_that_does_not_pass_the_id_card_s_command_on_is_told_once_for_each_card() -> None:
    with office('source = "chip_serial"\npasses_raw = false') as place:
        drivers = place.start()
        for count in (1, 2):
            place.sim.present("r1", "P0001")
            drivers.ear.wait(CardUnreadable, count)
            threading.Event().wait(LONG_S)
            place.sim.remove("r1")
            threading.Event().wait(LONG_S)
        causes = [each.cause for each in drivers.ear.of(CardUnreadable)]
        assert causes == [pcsc_card.NOT_PASSED_ON] * 2
        assert drivers.ear.of(CardRead) == []


@pytest.mark.parametrize(
    ("fault", "cause"), [("zero_uid", uid.ALL_ZERO), ("random_uid", uid.RANDOM)], ids=["zeros", "random"]
)
def test_a_uid_that_is_nobody_s_own_is_refused_once_and_the_next_card_is_read(fault: str, cause: str) -> None:
    with office("") as place:
        drivers = place.start()
        place.sim.fault("r1", fault)
        place.sim.present("r1", "P0001")
        drivers.ear.wait(CardUnreadable)
        threading.Event().wait(LONG_S)
        place.sim.remove("r1")
        place.sim.clear("r1")
        place.read(drivers, "r1", "P0002")
        assert [each.cause for each in drivers.ear.of(CardUnreadable)] == [cause]
        assert [each.token for each in drivers.ear.of(CardRead)] == [place.uid_token("P0002")]


def test_a_card_lifted_while_it_is_read_is_to_be_laid_again_and_is_read_however_quickly_that_is_done() -> (
    None
):
    with office("") as place:
        drivers = place.start()
        for count in range(1, QUICK_HANDS + 1):
            place.sim.fault("r1", "lifted", count=1)
            place.sim.present("r1", "P0001")
            assert drivers.ear.wait(CardUnreadable, count)[-1].cause == HOLD_STILL
            assert place.read(drivers, "r1", "P0001").token == place.uid_token("P0001")


def test_a_card_out_of_sight_for_a_moment_is_one_presentation() -> None:
    with office("") as place:
        drivers = place.start(removal_s=3.0)
        place.sim.present("r1", "P0001")
        drivers.ear.wait(CardRead)
        for _ in range(3):
            place.sim.remove("r1")
            place.sim.present("r1", "P0001")
            threading.Event().wait(0.2)
        assert len(drivers.ear.of(CardRead)) == 1
        assert drivers.ear.of(CardRemoved) == []
        place.sim.remove("r1")
        place.sim.present("r1", "P0002")  # another card is another one at once
        drivers.ear.wait(CardRead, 2)
        assert len(drivers.ear.of(CardRemoved)) == 1


@pytest.mark.parametrize("signal", list(Indication), ids=str)
def test_what_is_indicated_is_shown_while_the_card_lies(signal: Indication) -> None:
    with office("") as place:
        drivers = place.start(feedback="acr122")
        place.sim.present("r1", "P0001")
        drivers.ear.wait(CardRead)
        before = place.sim.last_event
        started_s = time.monotonic()
        drivers.indicate("r1", signal)
        assert place.sim.wait_for_event("shown", device="r1", after=before, timeout_s=5) is not None
        assert time.monotonic() - started_s < 1.0
        place.sim.remove("r1")
        drivers.ear.wait(CardRemoved)
        drivers.indicate("r1", signal)  # this reader's driver has no way to it without a card
        assert place.read(drivers, "r1", "P0002").token == place.uid_token("P0002")


def test_a_reader_of_another_make_is_sent_no_lights() -> None:
    with office("") as place:
        drivers = place.start()
        place.sim.present("r1", "P0001")
        drivers.ear.wait(CardRead)
        before = place.sim.last_event
        drivers.indicate("r1", Indication.GRANTED)
        assert place.sim.wait_for_event("shown", device="r1", after=before, timeout_s=0.6) is None


def test_reading_goes_on_each_time_the_service_was_killed_and_a_card_that_stays_is_no_new_one() -> None:
    with office("", "") as place:
        drivers = place.start()
        place.sim.present("r2", "P0010")
        drivers.ear.wait(CardRead)
        handles = len(list(Path(f"/proc/{drivers.pid}/fd").iterdir()))
        for number in range(1, RESTARTS + 1):
            before = drivers.ear.states().count("ok")
            place.sim.fault("r1", "service_gone")
            drivers.ear.wait_until(lambda: drivers.ear.states()[-2:] == ["lost", "lost"], "the loss")
            place.sim.fault("r1", "service_back")
            started_s = time.monotonic()
            drivers.ear.wait_until(
                lambda count=before + 2: drivers.ear.states().count("ok") >= count,  # type: ignore[misc]
                "both",
            )
            assert time.monotonic() - started_s < BACK_WITHIN_S
            ref = f"P{number % 9 + 1:04d}"
            assert place.read(drivers, "r1", ref).token == place.uid_token(ref)
        assert len([each for each in drivers.ear.of(CardRead) if each.reader == "r2"]) == 1
        assert [each for each in drivers.ear.of(CardRemoved) if each.reader == "r2"] == []
        assert len(list(Path(f"/proc/{drivers.pid}/fd").iterdir())) == handles
        drivers.stop()


def test_a_service_that_does_not_run_is_waited_for() -> None:
    with office("") as place:
        place.sim.fault("r1", "service_gone")
        drivers = place.start(reader=VIRTUAL)
        drivers.ear.wait_state("lost")
        place.sim.fault("r1", "service_back")
        drivers.ear.wait_until(lambda: drivers.ear.states()[-1] == "ok", "ok", BACK_WITHIN_S)


@pytest.mark.parametrize(
    ("written", "cause"),
    [("ACR122U", "no such PC/SC reader"), ("Virtual PCD", "several PC/SC readers fit")],
)
def test_a_name_that_fits_no_reader_or_two_is_told(written: str, cause: str) -> None:
    with office("", "") as place:
        drivers = place.start(["r1"], reader=written)
        drivers.ear.wait_state("lost")
        assert cause in repr(drivers.ear.events[-1])
        threading.Event().wait(LONG_S)
        assert len(drivers.ear.events) == 1
        drivers.stop()


def test_a_part_of_a_name_that_only_one_reader_has_is_enough() -> None:
    with office("", "") as place:
        drivers = place.start(["r2"], reader="00 01")
        drivers.ear.wait_until(lambda: drivers.ear.states()[-1:] == ["ok"], "ok")
        assert place.read(drivers, "r2", "P0001").token == place.uid_token("P0001")


def test_a_wedged_card_holds_up_neither_the_other_readers_nor_a_stop() -> None:
    with office("", "", "") as place:
        drivers = place.start()
        place.sim.fault("r1", "no_answer")
        place.sim.present("r1", "P0001")
        drivers.ear.wait_until(lambda: "lost" in drivers.ear.states(), "that it is told")
        assert [each.reader for each in drivers.ear.wait(CardUnreadable)] == ["r1"]
        assert place.read(drivers, "r3", "P0002").token == place.uid_token("P0002")
        drivers.stop()


def test_a_reader_that_answers_again_is_told_and_reads() -> None:
    with office("") as place:
        drivers = place.start()
        place.sim.fault("r1", "no_answer")
        place.sim.present("r1", "P0001")
        drivers.ear.wait_until(lambda: drivers.ear.states()[-1] == "lost", "the loss")
        place.sim.clear("r1")
        place.sim.remove("r1")
        drivers.ear.wait_until(lambda: drivers.ear.states()[-1] == "ok", "ok", BACK_WITHIN_S)
        assert place.read(drivers, "r1", "P0002").token == place.uid_token("P0002")


def test_a_service_that_hangs_is_told_and_used_again_and_never_holds_up_a_stop() -> None:
    with office("") as place:
        drivers, other = place.start(), place.start(removal_s=1.0)
        socket = Path(place.sim.environment["PCSCLITE_CSOCK_NAME"])
        daemon = int(socket.with_name("pcscd.pid").read_text(encoding="ascii").strip("\n\0"))
        os.kill(daemon, SIGSTOP)
        try:
            drivers.ear.wait_until(lambda: drivers.ear.states()[-1] == "lost", "the loss")
            other.stop()
        finally:
            os.kill(daemon, SIGCONT)
        drivers.ear.wait_until(lambda: drivers.ear.states()[-1] == "ok", "ok", BACK_WITHIN_S)
        assert place.read(drivers, "r1", "P0001").token == place.uid_token("P0001")


HOLDER = """
import sys
from smartcard import scard
_, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
while scard.SCardConnect(context, sys.argv[1], scard.SCARD_SHARE_EXCLUSIVE, 3)[0] != 0:
    scard.SCardGetStatusChange(context, 100, [(sys.argv[1], scard.SCARD_STATE_EMPTY)])
print("held", flush=True)
sys.stdin.read()
"""


def test_a_card_that_another_program_holds_is_read_when_that_ends() -> None:
    with office("") as place:
        place.sim.present("r1", "P0001")
        with holding(place) as holder:
            drivers = place.start()
            drivers.ear.wait_until(lambda: drivers.ear.states()[-1] == "degraded", "that it is held")
            assert pcsc_service.HELD in repr(drivers.ear.events[-1])
            holder.communicate(timeout=DEADLINE_S)
        (read,) = drivers.ear.wait(CardRead)
        assert read.token == place.uid_token("P0001")
        drivers.ear.wait_until(lambda: drivers.ear.states()[-1] == "ok", "ok")


def holding(place: Office) -> "subprocess.Popen[str]":
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, place.address("r1")],
        env={**os.environ, **place.sim.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_more_contexts_than_the_service_has_may_be_used_one_after_another() -> None:
    program = (
        "from contextlib import closing\nfrom drivers.pcsc_service import Service\n"
        "for _ in range(250):\n  with closing(Service()) as service: names = service.readers()\nprint(*names)"
    )
    with office("") as place:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, **place.sim.environment},
            capture_output=True,
            text=True,
            check=True,
        )
        assert VIRTUAL in done.stdout


def test_without_pyscard_it_is_said_what_to_install() -> None:
    program = (
        "import sys; sys.modules['smartcard'] = None\n"
        "from drivers.catalogue import READERS; from drivers.errors import ConfigurationError\n"
        "kind = READERS['pcsc']()\n"
        "try: kind.make('r1', kind.settings(reader='ACR122U'), lambda kind, number: '')\n"
        "except ConfigurationError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f"{pcsc_service.MISSING}\n"


def test_a_reader_s_name_is_its_place() -> None:
    assert PcscSettings(reader=" ACS ACR122U ").place == "ACS ACR122U"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"reader": ""},
        {"reader": " "},
        {"reader": "x", "port": "/dev/ttyUSB0"},
        {"reader": "x", "feedback": "loud"},
        {"reader": "x", "removal_s": 0},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PcscSettings.model_validate(wrong)
