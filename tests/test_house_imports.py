"""The direction of imports, and that the checker sees a breach when there is one."""

from pathlib import Path

import pytest
from house_rules import MAY_KNOW, import_findings

ROOT = Path(__file__).resolve().parent.parent


def findings_below(root: Path) -> list[str]:
    return [
        finding
        for package in MAY_KNOW
        for path in sorted((root / package).rglob("*.py"))
        if "node_modules" not in path.parts
        for finding in import_findings(path.read_text(encoding="utf-8"), path.relative_to(root).as_posix())
    ]


def test_every_package_is_there_to_be_checked() -> None:
    assert [package for package in MAY_KNOW if not (ROOT / package / "__init__.py").is_file()] == []


def test_no_module_imports_against_the_direction() -> None:
    assert findings_below(ROOT) == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        pytest.param("messages/wire.py", "import gateway.journal", id="messages knows the gateway"),
        pytest.param("messages/wire.py", "from drivers import base", id="messages knows drivers"),
        pytest.param("drivers/base.py", "from messages.model import Record", id="drivers know messages"),
        pytest.param(
            "gateway/cli.py", "from central.app import create_app", id="the gateway knows the centre"
        ),
        pytest.param("gateway/cli.py", "from firmware_sim import card", id="the gateway knows the simulator"),
        pytest.param(
            "central/ingest/intake.py", "from gateway import journal", id="the centre knows the gateway"
        ),
        pytest.param("central/ingest/intake.py", "from drivers.base import CardRead", id="and drivers"),
        pytest.param(
            "firmware_sim/line.py", "from drivers import lc_codec", id="the simulator knows a codec"
        ),
        pytest.param("firmware_sim/line.py", "import msgspec", id="the simulator uses a third party"),
        pytest.param("central/app.py", "import bench.oracle", id="the product knows its benchmarks"),
        pytest.param("drivers/sam_reader.py", "import serial", id="a driver opens ports itself"),
        pytest.param("drivers/osdp_bus.py", "import osdp", id="OSDP beside its panel"),
        pytest.param("firmware_sim/osdp_peripheral.py", "import osdp", id="our own peripheral leans on it"),
        pytest.param("drivers/pn532_reader.py", "import smartcard.scard", id="PC/SC beside its driver"),
        pytest.param("gateway/daemon.py", "import gpiod", id="the gateway moves pins itself"),
        pytest.param("drivers/modbus_board.py", "import pymodbus", id="the tests' Modbus peer in a driver"),
        pytest.param("firmware_sim/osdp_packet.py", "import cryptography", id="ciphers beside their module"),
        pytest.param("gateway/controller.py", "import paho.mqtt.client", id="MQTT beside the uplink"),
        pytest.param("central/app.py", "from paho.mqtt import client", id="MQTT beside the ingest"),
        pytest.param(
            "drivers/sam_codec.py", "from drivers.transport import open_transport", id="codec does I/O"
        ),
        pytest.param("drivers/sam_codec.py", "from .transport import open_transport", id="relative import"),
        pytest.param("drivers/sam_codec.py", "import time", id="codec reads a clock"),
        pytest.param(
            "drivers/sam_codec.py", "def f() -> None:\n    import threading", id="inside a function"
        ),
        pytest.param(
            "messages/wire.py", "import importlib\nimportlib.import_module('gateway')", id="by name"
        ),
    ],
)
def test_a_planted_breach_is_found(tmp_path: Path, path: str, line: str) -> None:
    module = tmp_path / path
    module.parent.mkdir(parents=True)
    module.write_text(f"{line}\n")
    assert len(findings_below(tmp_path)) == 1
    assert findings_below(tmp_path)[0].startswith(f"{path}:")


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("gateway/controller.py", "from drivers.base import CardRead\nfrom messages.model import Record"),
        ("gateway/mqtt_line.py", "import paho.mqtt.client as mqtt"),
        ("central/ingest/subscriber.py", "from paho.mqtt.client import Client"),
        ("drivers/transport.py", "import serial"),
        ("drivers/osdp_panel.py", "import osdp"),
        ("firmware_sim/osdp_peer.py", "import osdp"),
        ("firmware_sim/osdp_crypto.py", "from cryptography.hazmat.primitives.ciphers import Cipher"),
        ("drivers/gpio_board.py", "import gpiod"),
        ("drivers/pcsc_service.py", "from smartcard import scard"),
        ("bench/modbus.py", "import pymodbus"),
        ("drivers/sam_codec.py", "from functools import reduce\nfrom drivers.base import CardRead"),
        ("drivers/sam_codec.py", "from .id_number import checked\nfrom drivers import errors"),
        ("firmware_sim/line.py", "import threading\nfrom firmware_sim.card import Card"),
        ("bench/oracle.py", "import serial, paho.mqtt.client, central.store, firmware_sim"),
    ],
)
def test_what_the_design_allows_is_not_reported(tmp_path: Path, path: str, line: str) -> None:
    module = tmp_path / path
    module.parent.mkdir(parents=True)
    module.write_text(f"{line}\n")
    assert findings_below(tmp_path) == []
