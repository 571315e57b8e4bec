"""Ports are named so that the name still fits after a restart, and by what a person sees on the table."""

from pathlib import Path

import pytest

from drivers.ports import SerialPort, list_ports

CH340 = {"idVendor": "1a86", "idProduct": "7523", "product": "USB2.0-Serial"}
FTDI = {
    "idVendor": "0403",
    "idProduct": "6001",
    "manufacturer": "FTDI",
    "product": "FT232R USB UART",
    "serial": "A10LXYZ1",
}


class Machine:
    """A folder that looks like /dev and /sys of a machine with these ports."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "sys/class/tty").mkdir(parents=True)

    def usb(self, name: str, place: str, attributes: dict[str, str]) -> None:
        device = self.root / f"sys/devices/pci0000:00/usb1/{place}"
        port = device / f"{place}:1.0/{name}"
        (port / "tty" / name).mkdir(parents=True)
        for key, value in attributes.items():
            (device / key).write_text(f"{value}\n")
        self._class(name, port)
        self.link("by-path", f"pci-0000:00:14.0-usb-0:{place}:1.0-port0", name)

    def built_in(self, name: str, uart: str) -> None:
        port = self.root / f"sys/devices/platform/{name}"
        port.mkdir(parents=True)
        self._class(name, port)
        (self.root / "sys/class/tty" / name / "type").write_text(f"{uart}\n")

    def console(self, name: str) -> None:
        (self.root / "sys/class/tty" / name).mkdir()

    def link(self, kind: str, link: str, name: str) -> None:
        folder = self.root / "dev/serial" / kind
        folder.mkdir(parents=True, exist_ok=True)
        (folder / link).unlink(missing_ok=True)
        (folder / link).symlink_to(f"../../{name}")

    def _class(self, name: str, port: Path) -> None:
        entry = self.root / "sys/class/tty" / name
        entry.mkdir()
        (entry / "device").symlink_to(port)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_an_adapter_with_a_serial_number_is_named_by_it(machine: Machine) -> None:
    machine.usb("ttyUSB0", "1-1", FTDI)
    machine.link("by-id", "usb-FTDI_FT232R_USB_UART_A10LXYZ1-if00-port0", "ttyUSB0")
    assert list_ports(machine.root) == [
        SerialPort(
            "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A10LXYZ1-if00-port0",
            "/dev/ttyUSB0",
            "FTDI FT232R USB UART (0403:6001)",
        )
    ]


def test_two_adapters_that_share_one_name_are_told_apart_by_their_place(machine: Machine) -> None:
    for name, place in (("ttyUSB0", "1-1"), ("ttyUSB1", "1-2")):
        machine.usb(name, place, CH340)
        machine.link("by-id", "usb-1a86_USB2.0-Serial-if00-port0", name)  # the second takes the name
    ports = list_ports(machine.root)
    assert [port.path for port in ports] == [
        "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1-1:1.0-port0",
        "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1-2:1.0-port0",
    ]
    assert {port.vendor for port in ports} == {"QinHeng USB2.0-Serial (1a86:7523)"}
    assert all("no serial number" in port.mind for port in ports)


def test_a_name_that_may_change_is_said_to(machine: Machine) -> None:
    machine.usb("ttyACM0", "1-1", CH340)
    for link in (machine.root / "dev/serial/by-path").iterdir():
        link.unlink()
    (port,) = list_ports(machine.root)
    assert port.path == "/dev/ttyACM0"
    assert "may change" in port.mind


def test_a_uart_that_is_not_there_and_a_console_are_no_ports(machine: Machine) -> None:
    machine.built_in("ttyS0", uart="4")
    machine.built_in("ttyS1", uart="0")
    machine.console("tty1")
    assert list_ports(machine.root) == [SerialPort("/dev/ttyS0", "/dev/ttyS0", "built-in port")]


def test_a_machine_without_ports_lists_none(tmp_path: Path) -> None:
    assert list_ports(tmp_path) == []


def test_this_machine_can_be_listed() -> None:
    assert all(port.path.startswith("/dev/") and port.vendor for port in list_ports())
