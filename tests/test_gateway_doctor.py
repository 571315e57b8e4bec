"""The doctor finds each broken thing, says what to do, and itself breaks nothing."""

import dataclasses
import datetime as dt
import fcntl
import json
import os
import pty
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID
from gateway_support import (
    DAY_US,
    DEADLINE_S,
    EPOCH_S,
    READER,
    Centre,
    Mosquitto,
    TurnedClock,
    a_fact,
    free_port,
    install,
    opened,
)
from msgspec.structs import replace
from program_support import called

from gateway import doctor_broker, doctor_journal, doctor_machine, doctor_ports, doctor_secrets
from gateway.cli import main
from gateway.doctor import Check, Finding, Grade, Patient, examine, worst
from gateway.doctor_machine import KernelClock, judge_clock, running_gateway
from gateway.doctor_ports import User, holders_of
from gateway.doctor_secrets import judge_certificates
from gateway.keys import make_device_keys
from gateway.settings import load_settings
from gateway.storage import StorageRule
from messages.acks import tell_ack
from messages.keys import KEYS_VERSION, CentrePublic, encode_keys
from messages.model import Kind
from messages.topics import Leaf
from messages.wire import WIRE_VERSION, Ack

NOW_US = EPOCH_S * 1_000_000
TOKEN = "a" * 32


def patient(folder: Path, **fields: object) -> Patient:
    settings = load_settings(install(folder, TOKEN, **fields))  # type: ignore[arg-type]
    return Patient(settings, NOW_US, broker_limit_s=DEADLINE_S)


def found(check: Check, ill: Patient, named: str = "") -> list[Finding]:
    return [finding for finding in check(ill) if not named or finding.check == named]


def only(check: Check, ill: Patient, named: str = "") -> Finding:
    (finding,) = found(check, ill, named)
    return finding


# The program.


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return called(main, "doctor", *words)


def test_each_thing_that_is_wrong_is_named_with_what_to_do_and_the_exit_code_is_1(tmp_path: Path) -> None:
    done = run("--settings", install(tmp_path, TOKEN))
    assert done.returncode == 1
    assert f"BAD   port: {READER}: /dev/serial/by-id/no-reader is not there" in done.stdout
    assert "      -> plug it in" in done.stdout
    assert "BAD   broker: 127.0.0.1:1: nobody answers (Connection refused)" in done.stdout
    assert "ok    site key" in done.stdout
    assert done.stderr == ""


def test_settings_that_cannot_be_read_are_findings_too(tmp_path: Path) -> None:
    settings = install(tmp_path, TOKEN)
    settings.write_text(settings.read_text(encoding="utf-8") + "\nspeed = 9\n", encoding="utf-8")
    done = run("--settings", settings)
    assert done.returncode == 1
    assert "BAD   settings:" in done.stdout
    assert "ok    python" in done.stdout
    missing = run("--settings", tmp_path / "none.toml")
    assert missing.returncode == 1
    assert "cannot be read (No such file or directory)" in missing.stdout


def test_for_a_program_it_is_one_object(tmp_path: Path) -> None:
    report = json.loads(run("--json", "--settings", install(tmp_path, TOKEN)).stdout)
    assert report["worst"] == "bad"
    assert {"check", "grade", "what", "do"} == set(report["findings"][0])
    assert {entry["grade"] for entry in report["findings"]} == {"ok", "mind", "bad"}


def test_it_names_no_token_and_no_holder_and_no_key(tmp_path: Path) -> None:
    settings = install(tmp_path, TOKEN)
    with opened(tmp_path / "data" / "journal.db") as journal:
        journal.append([a_fact()])
    text = run("--settings", settings).stdout
    assert TOKEN not in text
    assert "holder-0" not in text
    assert (tmp_path / "site.key").read_text() not in text


def test_what_it_looks_at_it_leaves_as_it_was(tmp_path: Path) -> None:
    settings = install(tmp_path, TOKEN)
    with opened(tmp_path / "data" / "journal.db") as journal:
        journal.append([a_fact()])
        before = journal.head
        examine(settings, NOW_US)
        assert journal.append([a_fact()]) == [before.seq + 1]


def test_a_check_that_stumbles_is_a_finding_and_the_others_are_made(tmp_path: Path) -> None:
    settings = install(tmp_path, TOKEN)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "journal.db").mkdir()  # a folder where a file belongs
    findings = examine(settings, NOW_US)
    assert worst(findings) is Grade.BAD
    assert [f for f in findings if f.check == "broker"]
    assert [f for f in findings if f.check == "delivery" and f.grade is not Grade.OK]


# Ports.


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """A pseudo-terminal: our end, and the path of the other."""
    ours, theirs = pty.openpty()
    path = os.ttyname(theirs)
    os.close(theirs)
    yield ours, path
    os.close(ours)


def test_a_port_that_is_there_and_free_is_well(tmp_path: Path, terminal: tuple[int, str]) -> None:
    ill = patient(tmp_path, reader_port=terminal[1])
    (reader, _) = found(doctor_ports.ports, ill)
    assert (reader.grade, reader.what) == (Grade.OK, f"{READER}: {terminal[1]}")


def test_a_port_that_another_program_uses_is_named_with_that_program(
    tmp_path: Path, terminal: tuple[int, str]
) -> None:
    hold = "import sys; port = open(sys.argv[1], 'rb'); print('open', flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", hold, terminal[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    assert other.stdout.readline() == b"open\n"
    try:
        ill = patient(tmp_path, reader_port=terminal[1])
        (reader, _) = found(doctor_ports.ports, ill)
        assert reader.grade is Grade.BAD
        assert f"({other.pid})" in reader.what
        (own, _) = found(doctor_ports.ports, dataclasses.replace(ill, pid=other.pid))
        assert own.grade is Grade.OK  # the gateway itself uses it
        (guards, _) = found(doctor_ports.ports, dataclasses.replace(ill, pid=os.getpid()))
        assert guards.grade is Grade.OK  # its lock guard does, a child of it
    finally:
        other.communicate(timeout=DEADLINE_S)


def test_a_port_that_is_a_file_is_no_device(tmp_path: Path) -> None:
    (tmp_path / "ttyUSB0").write_bytes(b"")
    (reader, _) = found(doctor_ports.ports, patient(tmp_path, reader_port=str(tmp_path / "ttyUSB0")))
    assert "is no device" in reader.what
    assert reader.grade is Grade.BAD


@pytest.mark.parametrize(
    ("mode", "uid", "groups", "may"),
    [
        (0o600, 1000, (), True),
        (0o400, 1000, (), False),
        (0o660, 1001, (20,), True),
        (0o660, 1001, (21,), False),
        (0o640, 1001, (20,), False),
        (0o606, 1001, (21,), True),
        (0o060, 1000, (20,), False),  # the owner's rights count for the owner, not the group's
        (0o000, 0, (), True),
    ],
)
def test_rights_are_told_as_the_kernel_would(
    tmp_path: Path, mode: int, uid: int, groups: tuple[int, ...], may: bool
) -> None:
    file = tmp_path / "port"
    file.touch()
    os.chown(file, 1000, 20)
    file.chmod(mode)
    assert User(uid, frozenset(groups)).may_use(file.stat()) is may


def test_the_kernel_agrees_about_rights(tmp_path: Path, terminal: tuple[int, str]) -> None:
    """A user without the group cannot open what the doctor says is closed to them."""
    Path(terminal[1]).chmod(0o600)
    code = "import os,sys; os.setgroups([]); os.setgid(65534); os.setuid(65534); open(sys.argv[1], 'r+b', 0)"
    done = subprocess.run([sys.executable, "-c", code, terminal[1]], capture_output=True, check=False)
    assert done.returncode != 0
    assert not User(65_534, frozenset({65_534})).may_use(Path(terminal[1]).stat())


def test_the_running_gateways_rights_count_and_not_the_operators() -> None:
    sleeper = subprocess.Popen(
        ["cat"],  # which everybody may start
        stdin=subprocess.PIPE,
        user=65_534,
        group=65_534,
        extra_groups=[20],
    )
    try:
        assert doctor_ports.user_of(sleeper.pid) == User(65_534, frozenset({65_534, 20}))
    finally:
        sleeper.communicate(timeout=DEADLINE_S)
    assert doctor_ports.user_of(None).uid == os.geteuid()


def test_a_converter_in_the_network_is_called_and_left_alone_while_the_gateway_uses_it(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        there = patient(tmp_path, reader_port=f"socket://127.0.0.1:{server.getsockname()[1]}")
        assert found(doctor_ports.ports, there)[0].grade is Grade.OK
        assert len(found(doctor_ports.ports, dataclasses.replace(there, pid=os.getpid()))) == 1
    gone = found(doctor_ports.ports, there)[0]
    assert gone.grade is Grade.BAD
    assert "nobody answers (Connection refused)" in gone.what


def test_holders_are_found_by_what_the_port_leads_to(tmp_path: Path, terminal: tuple[int, str]) -> None:
    link = tmp_path / "by-id"
    link.symlink_to(terminal[1])
    with open(terminal[1], "rb", buffering=0):  # noqa: PTH123  a device
        assert [pid for pid, _ in holders_of(link)] == [os.getpid()]
    assert holders_of(link) == []


# Keys and certificates.


def test_the_site_key_must_be_there_whole_and_private(tmp_path: Path) -> None:
    ill = patient(tmp_path)
    assert only(doctor_secrets.site_key, ill).grade is Grade.OK
    (tmp_path / "site.key").chmod(0o644)
    assert "can be read by others (mode 644)" in only(doctor_secrets.site_key, ill).what
    (tmp_path / "site.key").chmod(0o600)
    (tmp_path / "site.key").write_text("no key")
    assert only(doctor_secrets.site_key, ill).grade is Grade.BAD
    (tmp_path / "site.key").unlink()
    assert only(doctor_secrets.site_key, ill).grade is Grade.BAD


def test_missing_device_keys_are_minded_and_bad_ones_are_bad(tmp_path: Path) -> None:
    ill = patient(tmp_path)
    assert [f.grade for f in doctor_secrets.keys(ill)] == [Grade.MIND, Grade.MIND]
    path = tmp_path / "device.keys"
    make_device_keys(path)
    named = ill.settings.keys.model_copy(update={"device_key_file": path, "centre_keys_file": tmp_path / "x"})
    with_keys = dataclasses.replace(ill, settings=ill.settings.model_copy(update={"keys": named}))
    device, centre = doctor_secrets.keys(with_keys)
    assert device.grade is Grade.OK
    assert (centre.check, centre.grade) == ("centre's keys", Grade.BAD)
    path.chmod(0o640)
    assert "chmod 600" in next(iter(doctor_secrets.keys(with_keys))).what


def a_certificate(path: Path, begins_us: int, ends_us: int) -> Path:
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "east-1")])
    begins, ends = (dt.datetime.fromtimestamp(us / 1e6, dt.UTC) for us in (begins_us, ends_us))
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(begins).not_valid_after(ends)
    path.write_bytes(builder.sign(key, None).public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize(
    ("begins_days", "ends_days", "grade", "said"),
    [
        (-10, 80, Grade.OK, "until"),
        (-60, 29, Grade.MIND, "ends on"),
        (-90, -1, Grade.BAD, "ended on"),
        (1, 90, Grade.BAD, "holds from"),
    ],
)
def test_a_certificates_end_is_told_in_time(
    tmp_path: Path, begins_days: int, ends_days: int, grade: Grade, said: str
) -> None:
    path = a_certificate(tmp_path / "x.pem", NOW_US + begins_days * DAY_US, NOW_US + ends_days * DAY_US)
    (finding,) = judge_certificates("mqtt.certificate_file", path, NOW_US)
    assert finding.grade is grade
    assert said in finding.what


def test_a_certificate_that_is_none_or_not_there_is_bad(tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("no certificate")
    for name in ("x.pem", "y.pem"):
        (finding,) = judge_certificates("mqtt.ca_file", tmp_path / name, NOW_US)
        assert finding.grade is Grade.BAD


# Storage, journal, delivery, list, devices.


def test_a_journal_in_memory_is_bad(tmp_path: Path) -> None:
    ill = patient(tmp_path)
    in_memory = ill.settings.journal.model_copy(
        update={"path": Path("/dev/shm/liuhen/journal.db"), "storage": StorageRule.SAFE_ONLY}
    )
    settings = ill.settings.model_copy(update={"journal": in_memory})
    storage = found(doctor_journal.storage, dataclasses.replace(ill, settings=settings), "storage")
    assert storage[0].grade is Grade.BAD
    assert "memory" in storage[0].what


def test_a_reserve_that_is_used_up_is_bad_and_none_at_all_is_minded(tmp_path: Path) -> None:
    ill = patient(tmp_path)

    def told(**fields: object) -> Finding:
        journal = ill.settings.journal.model_copy(update=fields)
        settings = ill.settings.model_copy(update={"journal": journal})
        return only(doctor_journal.storage, dataclasses.replace(ill, settings=settings), "reserve")

    with opened(tmp_path / "data" / "journal.db"):
        pass
    assert told(reserve_mib=64).grade is Grade.BAD
    (tmp_path / "data" / "journal.db.reserve").write_bytes(bytes(1 << 20))
    assert told(reserve_mib=1).grade is Grade.OK
    assert told(reserve_mib=0).grade is Grade.MIND


def test_storage_that_is_wanted_all_the_same_is_only_minded(tmp_path: Path) -> None:
    ill = patient(tmp_path)
    in_memory = {"path": Path("/dev/shm/liuhen/journal.db"), "storage": StorageRule.ANY}
    journal = ill.settings.journal.model_copy(update=in_memory)
    settings = ill.settings.model_copy(update={"journal": journal})
    assert (
        only(doctor_journal.storage, dataclasses.replace(ill, settings=settings), "storage").grade
        is Grade.MIND
    )


def test_a_site_settings_file_that_cannot_be_taken_is_bad(tmp_path: Path) -> None:
    ill = patient(tmp_path)
    assert found(doctor_journal.site_settings, ill) == []
    path = tmp_path / "site.json"
    path.write_text("no settings")
    gateway = ill.settings.gateway.model_copy(update={"site_settings": path})
    named = dataclasses.replace(ill, settings=ill.settings.model_copy(update={"gateway": gateway}))
    assert only(doctor_journal.site_settings, named).grade is Grade.BAD


def test_room_is_told_with_how_long_it_will_do(tmp_path: Path) -> None:
    ill, clock = patient(tmp_path), TurnedClock()
    path = tmp_path / "data" / "journal.db"
    with opened(path, clock) as journal:
        for hour in range(48):
            at_us = (EPOCH_S + hour * 3_600) * 1_000_000
            journal.append([replace(a_fact(), at_us=at_us) for _ in range(80)])
    room = found(doctor_journal.storage, ill, "room")
    assert len(room) == 2
    assert "MiB free" in room[0].what
    assert "days without a centre" in room[1].what


def test_a_journal_that_is_sound_spoilt_or_not_there_yet(tmp_path: Path) -> None:
    ill, path = patient(tmp_path), tmp_path / "data" / "journal.db"
    assert only(doctor_journal.journal, ill).grade is Grade.MIND
    with opened(path) as journal:
        for _ in range(50):
            journal.append([a_fact()])
    assert only(doctor_journal.journal, ill).grade is Grade.OK
    path.chmod(0o644)
    assert "can be used by others" in found(doctor_journal.journal, ill)[1].what
    path.chmod(0o600)
    spoilt = bytearray(path.read_bytes())
    spoilt[4_096:] = os.urandom(len(spoilt) - 4_096)
    path.write_bytes(spoilt)
    assert found(doctor_journal.journal, ill)[0].grade is Grade.BAD


def test_a_damaged_file_that_was_set_aside_is_not_forgotten(tmp_path: Path) -> None:
    ill = patient(tmp_path)
    with opened(tmp_path / "data" / "journal.db"):
        (tmp_path / "data" / "journal.db.damaged-20261123").touch()
    assert "set aside" in found(doctor_journal.journal, ill)[1].what


@pytest.mark.parametrize(
    ("age_us", "grade"), [(60_000_000, Grade.OK), (DAY_US // 12, Grade.MIND), (2 * DAY_US, Grade.BAD)]
)
def test_records_that_wait_are_counted_and_since_when(tmp_path: Path, age_us: int, grade: Grade) -> None:
    ill = patient(tmp_path)
    with opened(tmp_path / "data" / "journal.db") as journal:
        journal.append([a_fact()] * 9)
        journal.acknowledge(journal.head.epoch, journal.head.seq - 3)
    waiting = only(doctor_journal.delivery, dataclasses.replace(ill, now_us=NOW_US + age_us))
    assert waiting.what == "3 records wait for the centre, the oldest since 2023-11-14 22:13 UTC"
    assert waiting.grade is grade


def test_a_centre_that_has_everything_is_well(tmp_path: Path) -> None:
    ill = patient(tmp_path)
    with opened(tmp_path / "data" / "journal.db") as journal:
        journal.append([a_fact()])
        journal.acknowledge(journal.head.epoch, journal.head.seq)
    assert only(doctor_journal.delivery, ill).grade is Grade.OK


def test_the_lists_age_and_what_is_in_force(tmp_path: Path) -> None:
    ill = patient(tmp_path)
    with opened(tmp_path / "data" / "journal.db") as journal:
        journal.append([replace(a_fact(), list_version=7, list_age_s=3 * 86_400)])
    file, force = doctor_journal.access_list(ill)
    assert file.what.endswith("version 1, 1 credentials, 0 days old")
    assert force.what == "in force by the newest record: version 7, 3 days old"
    assert [file.grade, force.grade] == [Grade.OK, Grade.OK]
    later = dataclasses.replace(ill, now_us=NOW_US + 5 * DAY_US)
    assert [f.grade for f in doctor_journal.access_list(later)] == [Grade.OK, Grade.MIND]
    (tmp_path / "list.json").write_text("no list")
    assert found(doctor_journal.access_list, ill)[0].grade is Grade.BAD


def test_readers_that_are_lost_are_named_while_the_gateway_runs(tmp_path: Path) -> None:
    ill = dataclasses.replace(patient(tmp_path), pid=os.getpid())
    with opened(tmp_path / "data" / "journal.db") as journal:
        journal.append(
            [
                replace(a_fact(Kind.READER_LOST), reader="lobby-in"),
                replace(a_fact(Kind.READER_LOST), reader="yard-in"),
                replace(a_fact(Kind.READER_RESTORED), reader="yard-in"),
            ]
        )
    lost = only(doctor_journal.devices, ill)
    assert lost.what == "lobby-in: reader lost since 2023-11-14 22:13 UTC"
    assert found(doctor_journal.devices, dataclasses.replace(ill, pid=None)) == []


# The machine.


def test_a_running_gateway_is_found_by_its_lock_and_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "data" / "journal.db"
    assert running_gateway(path) is None
    with opened(path):
        assert running_gateway(path) == os.getpid()
        with path.with_name("journal.db.lock").open("rb") as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert running_gateway(path) is None


def test_whether_it_runs_is_said_and_whether_it_could_leave_cores(tmp_path: Path) -> None:
    ill = patient(tmp_path)
    assert only(doctor_machine.process, ill).grade is Grade.MIND
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_CORE, (99, 99)); print(flush=True); input()"
    )
    soft = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert soft.stdout is not None
    soft.stdout.readline()
    try:
        runs, cores = doctor_machine.process(dataclasses.replace(ill, pid=soft.pid))
    finally:
        soft.communicate("\n", timeout=DEADLINE_S)
    assert runs.grade is Grade.OK
    assert "core files" in cores.what


@pytest.mark.parametrize(
    ("clock", "now_us", "grade", "said"),
    [
        (KernelClock(True, 20_000), NOW_US + 4 * 365 * DAY_US, Grade.OK, "at most 0.02 s off"),
        (KernelClock(True, 5_000_000), NOW_US + 4 * 365 * DAY_US, Grade.MIND, "may be 5 s off"),
        (KernelClock(False, 20_000), NOW_US + 4 * 365 * DAY_US, Grade.MIND, "nothing keeps it right"),
        (None, NOW_US + 4 * 365 * DAY_US, Grade.MIND, "does not tell"),
        (KernelClock(True, 20_000), 0, Grade.BAD, "1970-01-01, which cannot be"),
    ],
)
def test_the_clock_is_judged(clock: KernelClock | None, now_us: int, grade: Grade, said: str) -> None:
    (finding,) = judge_clock(clock, now_us)
    assert finding.grade is grade
    assert said in finding.what


def test_a_clock_that_the_host_keeps_is_said_to_be_that_alone() -> None:
    now_us = NOW_US + 4 * 365 * DAY_US
    (finding,) = judge_clock(KernelClock(False, 20_000), now_us, kept_by_host=True)
    assert (finding.grade, "the kernel does not know" in finding.what) == (Grade.MIND, True)
    (known,) = judge_clock(KernelClock(True, 20_000), now_us, kept_by_host=True)
    assert known.grade is Grade.OK


def test_the_kernel_is_asked_and_nothing_set() -> None:
    before = time.time()
    now = doctor_machine.ask_kernel()
    assert now is None or now.max_error_us >= 0
    assert abs(time.time() - before) < 60


# Broker and centre.


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    mosquitto = Mosquitto(tmp_path)
    mosquitto.start()
    yield mosquitto
    mosquitto.stop()


def test_a_broker_without_a_centre_then_with_one_then_without(tmp_path: Path, mosquitto: Mosquitto) -> None:
    ill = patient(tmp_path, mqtt_port=mosquitto.port)
    assert [f.what for f in doctor_broker.broker(ill)] == [
        f"127.0.0.1:{mosquitto.port}: MQTT 5",
        "has never been at this broker; records wait here",
    ]
    with closing(Centre(mosquitto.port)) as centre:
        centre.is_there(online=True)
        assert [f.grade for f in doctor_broker.broker(ill)] == [Grade.OK, Grade.OK]
        centre.is_there(online=False)
        assert found(doctor_broker.broker, ill, "centre")[0].what == "is away; records wait here"


def test_it_is_told_whether_the_kept_acknowledgement_is_the_centres(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    key, file = Ed25519PrivateKey.generate(), tmp_path / "centre.json"
    public = key.public_key().public_bytes_raw().hex()
    file.write_bytes(encode_keys(CentrePublic(KEYS_VERSION, (public,), ("00" * 32,))))
    ill = patient(tmp_path, mqtt_port=mosquitto.port)
    named = ill.settings.keys.model_copy(update={"centre_keys_file": file})
    knowing = dataclasses.replace(ill, settings=ill.settings.model_copy(update={"keys": named}))
    with closing(Centre(mosquitto.port)) as centre:
        centre.is_there(online=True)
        assert found(doctor_broker.broker, knowing, "acknowledgements") == []
        centre.acknowledges()
        assert found(doctor_broker.broker, ill, "acknowledgements") == []
        [finding] = found(doctor_broker.broker, knowing, "acknowledgements")
        assert (finding.grade, "keys show" in finding.do) == (Grade.MIND, True)
        gateway = ill.settings.gateway
        centre.says(Leaf.ACK, tell_ack(Ack(WIRE_VERSION, []), key, gateway.site, gateway.name, 1))
        [finding] = found(doctor_broker.broker, knowing, "acknowledgements")
        assert finding.grade is Grade.OK


def test_a_running_gateways_connection_outlives_the_visit(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Were the doctor to use its name, the broker would cut the gateway off."""
    ill = patient(tmp_path, mqtt_port=mosquitto.port)
    ended = threading.Event()
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    gateway = Client(CallbackAPIVersion.VERSION2, client_id="liuhen-north-east-1")
    gateway.on_disconnect = lambda *_: ended.set()
    gateway.connect("127.0.0.1", mosquitto.port)
    gateway.loop_start()
    list(doctor_broker.broker(ill))
    assert not ended.is_set()
    gateway.disconnect()
    gateway.loop_stop()


def test_a_broker_that_refuses_is_quoted_with_a_remedy(tmp_path: Path) -> None:
    strict = Mosquitto(tmp_path)
    settings = tmp_path / "mosquitto.conf"
    settings.write_text(settings.read_text().replace("allow_anonymous true", "allow_anonymous false"))
    strict.start()
    try:
        finding = only(doctor_broker.broker, patient(tmp_path, mqtt_port=strict.port))
    finally:
        strict.stop()
    assert finding.grade is Grade.BAD
    assert "refuses: Not authorized" in finding.what
    assert finding.do


def test_nobody_there_a_stranger_there_and_no_such_name(tmp_path: Path) -> None:
    closed = only(doctor_broker.broker, patient(tmp_path, mqtt_port=free_port()))
    assert "nobody answers (Connection refused)" in closed.what
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = dataclasses.replace(patient(tmp_path, mqtt_port=silent.getsockname()[1]), broker_limit_s=1.0)
        assert "does not speak MQTT" in only(doctor_broker.broker, mute).what
    ill = patient(tmp_path)
    nowhere = ill.settings.mqtt.model_copy(update={"host": "broker.invalid"})
    settings = ill.settings.model_copy(update={"mqtt": nowhere})
    assert "leads nowhere" in only(doctor_broker.broker, dataclasses.replace(ill, settings=settings)).what


def test_somebody_who_speaks_in_the_centres_name_is_told_of(tmp_path: Path, mosquitto: Mosquitto) -> None:
    from paho.mqtt import publish

    publish.single(
        "liuhen/v1/centre/state",
        b"\xff no state",
        qos=1,
        retain=True,
        port=mosquitto.port,
        hostname="127.0.0.1",
    )
    finding = found(doctor_broker.broker, patient(tmp_path, mqtt_port=mosquitto.port), "centre")[0]
    assert finding.grade is Grade.BAD
