"""libosdp's own peripherals on a pseudo-terminal: a line of several, each byte heard by all, with a tap.

The library knows nothing of our driver. A tap sees every packet in both directions and may change, drop or
add what the panel hears.
"""

import contextlib
import ctypes
import os
import pty
import secrets
import select
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, Self

from drivers_support import DEADLINE_S, tokenise
from osdp.control_panel import osdp_sys

from drivers.osdp_output import OsdpOutput, OsdpOutputSettings
from drivers.osdp_reader import OsdpReader, OsdpReaderSettings

KEY = bytes.fromhex("10 21 32 43 54 65 76 87 98 A9 BA CB DC ED FE 0F")
CARD_26 = bytes.fromhex("51 B2 0E 80")  # 163,25629 (readers.md 6.6)
CAPABILITIES = {1: (1, 2), 2: (1, 2), 3: (1, 0), 4: (1, 1), 5: (1, 1), 8: (1, 0), 9: (1, 1), 10: (128, 0)}

osdp_sys.set_loglevel(osdp_sys.LOG_EMERG)


_keep = ctypes.pythonapi.Py_IncRef
_keep.argtypes = [ctypes.py_object]
_keep.restype = None


class Pd:
    """One peripheral. `commands` are what the panel made it do, in order."""

    def __init__(
        self,
        address: int = 1,
        key: bytes | None = KEY,
        *,
        install: bool = False,
        capabilities: dict[int, tuple[int, int]] | None = None,
    ) -> None:
        self.id = address + 1000
        self.address = address
        self.key = key
        self.install = install
        self.capabilities = CAPABILITIES if capabilities is None else capabilities
        self.commands: list[dict[str, Any]] = []
        self.is_silent = False
        self._rx = bytearray()
        self.sent: Callable[[bytes], None] = lambda _: None
        self.restart()

    def restart(self) -> None:
        """As after a power cut: sequence and channel are gone."""
        self._rx.clear()
        about = {"version": 1, "model": 1, "vendor_code": 0xCAFE, "serial_number": 7, "firmware_version": 1}
        flags = osdp_sys.FLAG_INSTALL_MODE if self.install else osdp_sys.FLAG_ENFORCE_SECURE
        self._pd = osdp_sys.PeripheralDevice(
            {
                "name": "pd",
                "address": self.address,
                "flags": flags,
                "scbk": self.key,
                "channel": self,
                **about,
            },
            capabilities=[
                {"function_code": code, "compliance_level": level, "num_items": number}
                for code, (level, number) in self.capabilities.items()
            ],
        )
        self._pd.set_command_callback(self._obey)

    def hear(self, data: bytes) -> None:
        self._rx += data

    def work(self) -> None:
        if not self.is_silent:
            self._pd.refresh()

    def event(self, **event: Any) -> None:
        assert self._pd.submit_event(event)

    # the library's channel

    def read(self, at_most: int) -> bytes:
        data = bytes(self._rx[:at_most])
        del self._rx[:at_most]
        return data

    def write(self, data: bytes) -> int:
        self.sent(data)
        return len(data)

    def flush(self) -> None:
        self._rx.clear()

    def _obey(self, command: dict[str, Any]) -> tuple[int, dict[str, Any] | None]:
        code, report = self._answer_to(command)
        _keep(report)  # the library's binding gives up a reference to it that it never had
        return code, report

    def _answer_to(self, command: dict[str, Any]) -> tuple[int, dict[str, Any] | None]:
        kind = command["command"]
        if kind == osdp_sys.CMD_KEYSET:
            self.key, self.install = command["data"], False
        if kind != osdp_sys.CMD_STATUS:
            self.commands.append(command)
            return 0, None
        return 0, {"command": kind, "type": command["type"], "report": bytes(2)}


class Peripheral(Protocol):
    sent: Callable[[bytes], None]

    def hear(self, data: bytes) -> None: ...

    def work(self) -> None: ...


class Line:
    """The cable, and a thread that lets the peripherals live on it."""

    def __init__(self, path: Path, *pds: Peripheral) -> None:
        self.path = path
        self.pds = list(pds)
        self.heard: list[bytes] = []  # what the panel sent
        self.said: list[bytes] = []  # what peripherals sent
        self.tap: Callable[[bytes], bytes] = lambda data: data
        """From what peripherals sent to what the panel hears."""
        self.cut: Callable[[bytes], bool] = lambda _: False
        """Whether what the panel sent is lost."""
        self.in_single_bytes = False
        self.babble = b""
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.plug()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    def plug(self) -> None:
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path.symlink_to(os.ttyname(self._slave))
        for pd in self.pds:
            pd.sent = self._say
        self._ended.clear()
        self._thread = threading.Thread(target=self._live)
        self._thread.start()

    def unplug(self) -> None:
        if self._thread is None:
            return
        self._ended.set()
        self._thread.join(DEADLINE_S)
        self._thread = None
        self.path.unlink()
        os.close(self._slave)
        os.close(self._master)

    def inject(self, data: bytes) -> None:
        os.write(self._master, data)

    def do(self, act: Callable[[], None]) -> None:
        """Something with a peripheral, while none is at work."""
        with self._lock:
            act()

    def card(self, pd: Pd, data: bytes = CARD_26, bits: int = 26) -> None:
        card = {"reader_no": 0, "format": 1, "direction": 0, "length": bits, "data": data}
        self.do(lambda: pd.event(event=osdp_sys.EVENT_CARDREAD, **card))

    def status(self, pd: Pd, kind: int, report: bytes) -> None:
        self.do(lambda: pd.event(event=osdp_sys.EVENT_STATUS, type=kind, report=report))

    def keys(self, pd: Pd, data: bytes) -> None:
        self.do(lambda: pd.event(event=osdp_sys.EVENT_KEYPRESS, reader_no=0, data=data))

    def _live(self) -> None:
        while not self._ended.is_set():
            if select.select([self._master], [], [], 0.002)[0]:
                data = os.read(self._master, 4096)
                self.heard.append(data)
                if not self.cut(data):
                    for pd in self.pds:
                        pd.hear(data)
            if self.babble and select.select([], [self._master], [], 0)[1]:
                with contextlib.suppress(BlockingIOError):
                    os.write(self._master, self.babble)
            with self._lock:
                for pd in self.pds:
                    pd.work()

    def _say(self, data: bytes) -> None:
        self.said.append(data)
        heard = self.tap(data)
        size = 1 if self.in_single_bytes else max(1, len(heard))
        for at in range(0, len(heard), size):
            os.write(self._master, heard[at : at + size])


def write_key(folder: Path, key: bytes = KEY, name: str = "reader.key") -> Path:
    file = folder / name
    file.write_text(key.hex().upper() + "\n", encoding="ascii")
    file.chmod(0o600)
    return file


def reader(line: Line, key_file: Path, *, name: str = "unit-1", **settings: Any) -> OsdpReader:
    values = {"port": str(line.path), "address": 1, "key_file": key_file, "rate": 115200} | settings
    return OsdpReader(name, OsdpReaderSettings(**values), tokenise)


def output(line: Any, key_file: Path, *, name: str = "locks", **settings: Any) -> OsdpOutput:
    values = {"port": str(line.path), "address": 1, "key_file": key_file, "rate": 115200} | settings
    return OsdpOutput(name, OsdpOutputSettings(**values))


def until(met: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    end_s = time.monotonic() + deadline_s
    pause = threading.Event()
    while not met():
        assert time.monotonic() < end_s, f"never came: {what}"
        pause.wait(0.005)


def fresh_key() -> bytes:
    return secrets.token_bytes(16)
