"""A gateway's certificate has to be its own, whole, private and in time: `check` and the doctor say so."""

from dataclasses import replace
from pathlib import Path

import pytest
from gateway_support import DEADLINE_S, install
from program_support import called
from tls_support import LONG_AGO, Authority, a_safe_broker

from gateway import doctor_broker, doctor_secrets
from gateway.certificates import refuse_unfit
from gateway.cli import main
from gateway.doctor import Finding, Grade, Patient
from gateway.errors import SettingsError
from gateway.settings import Settings, load_settings

NOW_US = 1_700_000_000_000_000


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def settings_with(folder: Path, files: dict[str, Path], port: int = 1) -> Path:
    """Of gateway east-1."""
    path = install(folder, mqtt_port=port)
    named = "".join(f'{key} = "{file}"\n' for key, file in files.items())
    path.write_text(path.read_text("utf-8").replace("[mqtt]\n", f"[mqtt]\n{named}"), encoding="utf-8")
    return path


def loaded(folder: Path, files: dict[str, Path], port: int = 1) -> Settings:
    return load_settings(settings_with(folder, files, port))


def test_a_gateway_with_its_own_certificate_may_start(tmp_path: Path, authority: Authority) -> None:
    settings = settings_with(tmp_path, authority.settings("east-1"))
    refuse_unfit(load_settings(settings))
    assert called(main, "check", "--settings", settings).returncode == 0


def test_without_certificates_there_is_nothing_to_refuse(tmp_path: Path) -> None:
    refuse_unfit(loaded(tmp_path, {}))


def test_check_refuses_the_certificate_of_another_gateway(tmp_path: Path, authority: Authority) -> None:
    settings = settings_with(tmp_path, authority.settings("west-1"))
    done = called(main, "check", "--settings", settings)
    assert done.returncode == 2
    assert "mqtt.certificate_file" in done.stderr
    assert "its common name is not 'east-1'" in done.stderr
    assert "liuhen-central certificates make east-1" in done.stderr


def test_a_gateway_starts_all_the_same_because_doors_need_no_broker(
    tmp_path: Path, authority: Authority
) -> None:
    files = authority.settings("west-1")
    files["key_file"].unlink()
    assert loaded(tmp_path, files).mqtt.tls is not None


def test_what_cannot_be_used_is_named_with_its_key_in_the_settings(
    tmp_path: Path, authority: Authority
) -> None:
    files = authority.settings("east-1")
    other = authority.settings("west-1")
    files["key_file"].chmod(0o644)
    with pytest.raises(SettingsError, match=r"mqtt\.key_file .*mode 644.*chmod 600"):
        refuse_unfit(loaded(tmp_path, files))
    files["key_file"].chmod(0o600)
    with pytest.raises(SettingsError, match=r"mqtt\.certificate_file .* have to belong together"):
        refuse_unfit(loaded(tmp_path, files | {"key_file": other["key_file"]}))
    with pytest.raises(SettingsError, match=r"mqtt\.ca_file .*nowhere.pem: No such file"):
        refuse_unfit(loaded(tmp_path, files | {"ca_file": tmp_path / "nowhere.pem"}))


def test_paths_are_taken_from_where_the_settings_lie(tmp_path: Path, authority: Authority) -> None:
    files = {key: file.relative_to(tmp_path) for key, file in authority.settings("east-1").items()}
    refuse_unfit(loaded(tmp_path, files))


def test_one_file_alone_is_a_mistake_in_the_settings(tmp_path: Path, authority: Authority) -> None:
    files = authority.settings("east-1")
    del files["key_file"]
    with pytest.raises(SettingsError, match=r"gateway\.toml: mqtt: .*name all three, or none"):
        loaded(tmp_path, files)


def test_no_gateway_has_the_centres_name_at_the_broker(tmp_path: Path) -> None:
    settings = install(tmp_path)
    settings.write_text(settings.read_text("utf-8").replace('"east-1"', '"centre"'), encoding="utf-8")
    with pytest.raises(SettingsError, match=r"gateway\.name: the centre itself is called so"):
        load_settings(settings)


# The doctor.


def a_patient(settings: Settings) -> Patient:
    return Patient(settings, NOW_US, broker_limit_s=DEADLINE_S)


def certificates(settings: Settings, now_us: int) -> list[tuple[Grade, str]]:
    rows = doctor_secrets.certificates(replace(a_patient(settings), now_us=now_us))
    return [(row.grade, row.what) for row in rows]


def test_the_doctor_says_until_when_they_hold_and_that_they_are_ours(
    tmp_path: Path, authority: Authority
) -> None:
    settings = loaded(tmp_path, authority.settings("east-1"))
    rows = certificates(settings, int(authority.now.timestamp() * 1e6))
    assert [grade for grade, _ in rows] == [Grade.OK] * 3
    assert rows[0][1].startswith("mqtt.ca_file: until 20")
    assert rows[1][1].startswith("mqtt.certificate_file: until 20")
    assert rows[2][1] == "this gateway's own, and its key is for its owner alone"


def test_the_doctor_names_what_is_over_and_what_is_anothers(tmp_path: Path, authority: Authority) -> None:
    settings = loaded(tmp_path, authority.settings("west-1", ago=LONG_AGO))
    rows = certificates(settings, int(authority.now.timestamp() * 1e6))
    assert [grade for grade, _ in rows] == [Grade.OK, Grade.BAD, Grade.BAD]
    assert rows[1][1].startswith("mqtt.certificate_file: ended on 20")
    assert "its common name is not 'east-1'" in rows[2][1]


def at_the_broker(settings: Settings) -> Finding:
    return next(row for row in doctor_broker.broker(a_patient(settings)) if row.check == "broker")


def test_the_doctor_calls_the_broker_as_the_gateway_would(tmp_path: Path, authority: Authority) -> None:
    foreign = Authority(tmp_path, "foreign")
    with a_safe_broker(tmp_path, authority) as broker:

        def found(files: dict[str, Path]) -> Finding:
            return at_the_broker(loaded(tmp_path, files, broker.port))

        well = found(authority.settings("east-1"))
        assert (well.grade, well.what) == (Grade.OK, f"127.0.0.1:{broker.port}: MQTT 5, mutual TLS")
        unknown = found(authority.settings("east-1") | {"ca_file": foreign.ca})
        assert (unknown.grade, "its authority is not in ca_file" in unknown.what) == (Grade.BAD, True)
        over = found(authority.settings("east-1", ago=LONG_AGO))
        assert (over.grade, "is our certificate over" in over.what) == (Grade.BAD, True)
        broken = found(authority.settings("east-1") | {"key_file": tmp_path / "nowhere.key"})
        assert (broken.grade, "no safe line: key_file" in broken.what) == (Grade.BAD, True)
        plain = found({})
        assert (plain.grade, "does not speak MQTT" in plain.what) == (Grade.BAD, True)
