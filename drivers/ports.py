"""Which serial ports there are, by the names that stay: reads /dev/serial and sysfs, opens nothing.

A name under by-id holds the maker's serial number. An adapter without one shares its name with every other of
its kind, so its place on the machine (by-path) is the steadier name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_NO_UART = "0"  # sysfs: the kernel reserves a name for a UART that is not there
_MAKERS = {
    "0403": "FTDI",
    "04d8": "Microchip",
    "067b": "Prolific",
    "072f": "ACS",
    "10c4": "Silicon Labs",
    "1a86": "QinHeng",
    "2341": "Arduino",
}
"""Makers of serial adapters by USB number, for those whose chips do not say their maker themselves."""


@dataclass(frozen=True, slots=True)
class SerialPort:
    """One port. `path` is what to write into a settings file, `device` the kernel's changing name."""

    path: str
    device: str
    vendor: str  # maker and product in words, with the USB numbers; what kind of port it is otherwise
    mind: str = ""  # what to know of the name, if anything


def list_ports(root: Path = Path("/")) -> list[SerialPort]:
    """All serial ports below `root`, sorted by the name to use. Empty where there is no sysfs."""
    names = sorted(path.name for path in (root / "sys/class/tty").glob("*") if _is_port(path))
    by_id, by_path = _links(root, "by-id"), _links(root, "by-path")
    ports = [_port(root / "sys/class/tty" / name, by_id.get(name), by_path.get(name)) for name in names]
    return sorted(ports, key=lambda port: port.path)


def _is_port(entry: Path) -> bool:
    """Terminals without a device behind them are consoles; a UART of type 0 is only a reserved name."""
    return (entry / "device").exists() and _text(entry / "type") != _NO_UART


def _links(root: Path, kind: str) -> dict[str, str]:
    """Kernel name -> stable name, the shortest where there are several."""
    found: dict[str, str] = {}
    for link in sorted((root / "dev/serial" / kind).glob("*"), key=lambda path: (-len(path.name), path.name)):
        if link.is_symlink():
            found[link.readlink().name] = f"/dev/serial/{kind}/{link.name}"
    return found


def _port(entry: Path, by_id: str | None, by_path: str | None) -> SerialPort:
    device = f"/dev/{entry.name}"
    usb = _usb(entry / "device")
    if usb is None:
        return SerialPort(by_path or device, device, "built-in port")
    vendor = _vendor(usb)
    if by_id and _text(usb / "serial"):
        return SerialPort(by_id, device, vendor)
    if by_path:
        return SerialPort(by_path, device, vendor, "no serial number: the name goes with the socket")
    mind = "this name may change when devices are plugged in another order"
    return SerialPort(by_id or device, device, vendor, mind)


def _usb(device: Path) -> Path | None:
    """The USB device that a port belongs to: the nearest folder upwards that has a vendor number."""
    at = device.resolve()
    return next((folder for folder in (at, *at.parents) if (folder / "idVendor").is_file()), None)


def _vendor(usb: Path) -> str:
    number = _text(usb / "idVendor")
    maker = _text(usb / "manufacturer") or _MAKERS.get(number, "unknown maker")
    words = f"{maker} {_text(usb / 'product')}".strip()
    return f"{words} ({number}:{_text(usb / 'idProduct')})"


def _text(path: Path) -> str:
    """The attribute's text; empty if it is not there or the device has just left."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
