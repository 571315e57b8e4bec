"""Which drivers there are: name in the settings file -> what it takes and how it is made.

A row is a function, so that a driver is imported only when it is configured: a gateway carries no more than
its devices need. Adding a driver means adding its function and its line in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from drivers.base import LockDriver, ReaderDriver, Seal, Tokenise
from drivers.settings import DeviceSettings

S = TypeVar("S", bound=DeviceSettings)


@dataclass(frozen=True, slots=True)
class DriverKind(Generic[S]):
    settings: type[S]


@dataclass(frozen=True, slots=True)
class ReaderKind(DriverKind[S]):
    make: Callable[[str, S, Tokenise], ReaderDriver]
    """name, its settings, the token maker -> the driver, not yet running. Raises ConfigurationError."""
    make_sealing: Callable[[str, S, Tokenise, Seal], ReaderDriver] | None = None
    """The same, of a driver that reads who somebody is and has it sealed."""


@dataclass(frozen=True, slots=True)
class LockBoardKind(DriverKind[S]):
    make: Callable[[str, S], LockDriver]
    """name, its settings -> the driver, not yet running. Raises ConfigurationError."""


def _sam_v() -> ReaderKind[Any]:
    from drivers.sam_reader import SamReader, SamVSettings

    return ReaderKind(SamVSettings, SamReader, SamReader)


def _rdm6300() -> ReaderKind[Any]:
    from drivers.em_reader import Rdm6300Settings, rdm6300_reader

    return ReaderKind(Rdm6300Settings, rdm6300_reader)


def _id12() -> ReaderKind[Any]:
    from drivers.em_reader import Id12Settings, id12_reader

    return ReaderKind(Id12Settings, id12_reader)


def _wiegand() -> ReaderKind[Any]:
    from drivers.wiegand_reader import WiegandSettings, wiegand_reader

    return ReaderKind(WiegandSettings, wiegand_reader)


def _text() -> ReaderKind[Any]:
    from drivers.text_reader import TextSettings, text_reader

    return ReaderKind(TextSettings, text_reader)


def _qr() -> ReaderKind[Any]:
    from drivers.text_reader import QrSettings, qr_reader

    return ReaderKind(QrSettings, qr_reader)


def _osdp() -> ReaderKind[Any]:
    from drivers.osdp_reader import OsdpReader, OsdpReaderSettings

    return ReaderKind(OsdpReaderSettings, OsdpReader)


def _pcsc() -> ReaderKind[Any]:
    from drivers.pcsc_reader import PcscReader, PcscSettings

    return ReaderKind(PcscSettings, PcscReader)


def _pn532() -> ReaderKind[Any]:
    from drivers.pn532_reader import Pn532Reader, Pn532Settings

    return ReaderKind(Pn532Settings, Pn532Reader)


def _lc_relay() -> LockBoardKind[Any]:
    from drivers.lc_board import LcBoard, LcRelaySettings

    return LockBoardKind(LcRelaySettings, LcBoard)


def _modbus() -> LockBoardKind[Any]:
    from drivers.modbus_board import ModbusBoard
    from drivers.modbus_settings import ModbusSettings

    return LockBoardKind(ModbusSettings, ModbusBoard)


def _gpio() -> LockBoardKind[Any]:
    from drivers.gpio_board import GpioBoard
    from drivers.gpio_chip import GpioSettings

    return LockBoardKind(GpioSettings, GpioBoard)


def _osdp_out() -> LockBoardKind[Any]:
    from drivers.osdp_output import OsdpOutput, OsdpOutputSettings

    return LockBoardKind(OsdpOutputSettings, OsdpOutput)


READERS: Mapping[str, Callable[[], ReaderKind[Any]]] = {
    "sam_v": _sam_v,
    "rdm6300": _rdm6300,
    "id12": _id12,
    "wiegand": _wiegand,
    "text": _text,
    "qr": _qr,
    "osdp": _osdp,
    "pcsc": _pcsc,
    "pn532": _pn532,
}
LOCK_BOARDS: Mapping[str, Callable[[], LockBoardKind[Any]]] = {
    "lc_relay": _lc_relay,
    "modbus": _modbus,
    "gpio": _gpio,
    "osdp_out": _osdp_out,
}
