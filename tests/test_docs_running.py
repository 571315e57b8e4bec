"""What the page on running says of certificates is typed here, command by command."""

import re
import shlex
import shutil
import subprocess
from getpass import getuser
from pathlib import Path

import pytest
from central_support import Broker
from gateway_support import DEADLINE_S, install
from program_support import called
from tls_support import ACCESS_LIST, settings_of_the_example

import central.cli
import gateway.cli
from gateway.doctor import Grade, Patient
from gateway.doctor_broker import broker as look_at_the_broker
from gateway.settings import load_settings

PAGE = (Path(__file__).parent.parent / "docs" / "running.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## Certificates on the line\n")[2].partition("\n## ")[0]
PROGRAMS = {"liuhen-central": central.cli.main, "liuhen-gateway": gateway.cli.main}


def commands() -> list[str]:
    return [line for block in re.findall(r"```\n(.*?)```", SECTION, re.DOTALL) for line in block.splitlines()]


def here(line: str, folder: Path) -> list[str]:
    """On this machine: its folders below `folder`, its address, its user."""
    words = line.replace("broker.example.net", "127.0.0.1").replace("/etc/", f"{folder}/etc/")
    return shlex.split(re.sub(r"-o \S+ ", "", words))


def write_settings(folder: Path, port: int) -> Path:
    """Those of the page, for the gateway that the tests install."""
    folder.mkdir(parents=True)
    settings = install(folder)
    block = re.search(r"```toml\n\[mqtt\]\n(.*?)```", SECTION, re.DOTALL)
    assert block
    mqtt = block[1].replace("broker.example.net", "127.0.0.1").replace("8883", str(port))
    text = settings.read_text(encoding="utf-8").replace("[mqtt]\nport = 1\n", f"[mqtt]\n{mqtt}")
    settings.write_text(text, encoding="utf-8")
    return settings


def test_ten_commands_bring_a_gateway_to_a_broker_over_mutual_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    broker = Broker(
        tmp_path, f"user {getuser()}\n{settings_of_the_example(tmp_path / 'etc/mosquitto/certs')}"
    )
    settings = write_settings(tmp_path / "etc" / "liuhen", broker.port)
    said = ""
    assert len(commands()) == 10
    try:
        for line in commands():
            program, *words = here(line, tmp_path)
            if program in PROGRAMS:
                done = called(PROGRAMS[program], *words)
                said = done.stdout
                assert done.returncode == (1 if "doctor" in words else 0), line + done.stderr
            elif program == "install":
                shutil.copy(ACCESS_LIST, tmp_path / "certificates")
                subprocess.run([program, *words], cwd=tmp_path / "certificates", check=True)
            else:
                assert line == "systemctl restart mosquitto"
                broker.start()
        assert "ok    certificate: this gateway's own" in said
        patient = Patient(load_settings(settings), 0, broker_limit_s=DEADLINE_S)
        row = next(iter(look_at_the_broker(patient)))
        assert (row.grade, row.what) == (Grade.OK, f"127.0.0.1:{broker.port}: MQTT 5, mutual TLS")
    finally:
        broker.kill()


def test_a_key_made_on_its_device_gets_a_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    request, make = re.findall(r"`(openssl req[^`]*|liuhen-central[^`]*--request[^`]*)`", SECTION)
    subprocess.run(shlex.split(request), check=True, capture_output=True)
    assert called(central.cli.main, "certificates", "make-authority").returncode == 0
    assert called(central.cli.main, *shlex.split(make)[1:]).returncode == 0
    certificate = subprocess.run(
        ["openssl", "x509", "-in", "certificates/east-1.pem", "-noout", "-subject", "-pubkey"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    key = subprocess.run(
        ["openssl", "pkey", "-in", "east-1.key", "-pubout"], check=True, capture_output=True, text=True
    ).stdout
    assert sorted(certificate.splitlines()) == sorted(["subject=CN = east-1", *key.splitlines()])
