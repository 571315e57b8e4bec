"""Doctor: the ports of readers and lock boards: there, permitted, and used by nobody else."""

from __future__ import annotations

import os
import re
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from gateway.doctor import Finding, Grade, Patient
from gateway.settings import Settings

_PROC = Path("/proc")
_DIAL_S = 3.0


@dataclass(frozen=True, slots=True)
class User:
    """Whom the kernel asks for rights."""

    uid: int
    groups: frozenset[int]

    def may_use(self, status: os.stat_result) -> bool:
        """Whether this user may read and write such a device; root may, whatever its mode is."""
        if self.uid == 0:
            return True
        mode = status.st_mode
        if status.st_uid == self.uid:
            return bool(mode & stat.S_IRUSR and mode & stat.S_IWUSR)
        if status.st_gid in self.groups:
            return bool(mode & stat.S_IRGRP and mode & stat.S_IWGRP)
        return bool(mode & stat.S_IROTH and mode & stat.S_IWOTH)


def ports(patient: Patient) -> Iterator[Finding]:
    """One finding for each port; several devices of a bus share one."""
    user = user_of(patient.pid)
    for port, names in ports_of(patient.settings).items():
        who = f"{', '.join(names)}: {port}"
        if port.startswith("/"):
            yield _device_port(Path(port), who, user, patient.pid)
        elif (
            "://" in port and patient.pid is None
        ):  # many converters take one connection only, and that is the gateway's
            yield _network_port(port, who)


def ports_of(settings: Settings) -> dict[str, list[str]]:
    """Names of devices by port."""
    found: dict[str, list[str]] = {}
    for part in (*settings.readers, *settings.lock_boards):
        for key in ("port", "chip"):
            if isinstance(port := getattr(part.options, key, None), str) and port:
                found.setdefault(port, []).append(part.name)
    return found


def user_of(pid: int | None, proc: Path = _PROC) -> User:
    """The user that the running gateway is; ours where none runs, or where it cannot be seen."""
    ours = User(os.geteuid(), frozenset({os.getegid(), *os.getgroups()}))
    if pid is None:
        return ours
    try:
        text = (proc / str(pid) / "status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ours
    uids, gids, groups = (_numbers(text, key) for key in ("Uid", "Gid", "Groups"))
    return User(uids[1], frozenset({gids[1], *groups})) if uids and gids else ours


def _numbers(status: str, key: str) -> list[int]:
    found = re.search(rf"^{key}:\s*([\d \t]*)$", status, re.MULTILINE)
    return [int(number) for number in found[1].split()] if found else []


def _device_port(path: Path, who: str, user: User, pid: int | None) -> Finding:
    try:
        status = path.stat()
    except PermissionError:
        return Finding("port", Grade.BAD, f"{who} lies in a folder that is closed to us", _GROUP)
    except OSError:
        return Finding("port", Grade.BAD, f"{who} is not there", _PLUG)
    if not stat.S_ISCHR(status.st_mode):
        return Finding("port", Grade.BAD, f"{who} is no device", _PLUG)
    if not user.may_use(status):
        return Finding("port", Grade.BAD, f"{who} is closed to user {user.uid}", _GROUP)
    others = [(each, name) for each, name in holders_of(path) if not _is_the_gateways(each, pid)]
    if others:
        named = ", ".join(f"{name} ({each})" for each, name in others)
        return Finding("port", Grade.BAD, f"{who} is also used by {named}", "stop that program")
    return Finding("port", Grade.OK, who)


def _is_the_gateways(process: int, pid: int | None, proc: Path = _PROC) -> bool:
    """The gateway itself, or its lock guard: a child that has to be able to write when it no longer can."""
    if process == pid:
        return True
    try:
        text = (proc / str(process) / "status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return pid is not None and _numbers(text, "PPid") == [pid]


def holders_of(path: Path, proc: Path = _PROC) -> list[tuple[int, str]]:
    """Processes that have the device open, with their names; of other users' only root learns."""
    device = os.path.realpath(path)
    processes = [each for each in proc.iterdir() if each.name.isdecimal()]
    return sorted((int(each.name), _name_of(each)) for each in processes if _has_open(each, device))


def _has_open(process: Path, device: str) -> bool:
    try:
        return any(_leads_to(each, device) for each in (process / "fd").iterdir())
    except OSError:  # it has ended, or is another user's
        return False


def _leads_to(descriptor: Path, device: str) -> bool:
    try:
        return str(descriptor.readlink()) == device
    except OSError:  # closed meanwhile
        return False


def _name_of(process: Path) -> str:
    try:
        return (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "a process that has ended"


def _network_port(port: str, who: str) -> Finding:
    address = urlsplit(port)
    if address.hostname is None or address.port is None:
        return Finding(
            "port", Grade.MIND, f"{who} is of a kind that is not looked at", "see its reader's page"
        )
    try:
        socket.create_connection((address.hostname, address.port), timeout=_DIAL_S).close()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return Finding("port", Grade.BAD, f"{who}: nobody answers ({reason})", _CONVERTER)
    return Finding("port", Grade.OK, who)


_PLUG = "plug it in; see what `liuhen-gateway devices` lists, and write that name into the settings"
_GROUP = "add the service's user to the port's group (dialout, plugdev, gpio), and start the gateway again"
_CONVERTER = "is the converter switched on and in this network, and is its address right in the settings?"
