"""Whether the file system under a journal keeps what it has confirmed (trust.md R-04).

The parser of /proc/self/mountinfo and the judgement are pure; `examine` alone looks at the machine.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gateway.errors import JournalRefused

_MOUNTS = Path("/proc/self/mountinfo")
_LEAST_FIELDS = 6
_MAX_TEXT = 4_000_000
"""Some ten thousand mounts; more is no machine of ours."""


class StorageRule(StrEnum):
    """`[journal] storage`: which file systems a journal may lie on."""

    SAFE_ONLY = "safe_only"
    ANY = "any"  # for trying out: what is confirmed may be lost with the power


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of mountinfo (proc(5)); options of the mount and of its file system together."""

    number: int
    parent: int
    device: str  # major:minor
    point: str  # absolute path
    kind: str
    options: frozenset[str]


_MEMORY = frozenset({"tmpfs", "ramfs", "devtmpfs", "hugetlbfs", "rootfs"})
_LAYERED = frozenset({"overlay", "overlayfs", "aufs", "unionfs"})
_NETWORK = frozenset(
    {
        "9p",
        "afs",
        "ceph",
        "cifs",
        "coda",
        "gfs2",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "prl_fs",
        "smb3",
        "smbfs",
        "vboxsf",
        "virtiofs",
        "vmhgfs",
    }
)
_WITHOUT_A_JOURNAL = frozenset({"exfat", "ext2", "hfs", "minix", "msdos", "ntfs", "ntfs3", "vfat"})
_SAFE = frozenset({"bcachefs", "btrfs", "ext3", "ext4", "f2fs", "nilfs2", "ubifs", "xfs", "zfs"})
"""Local, with a journal or copy-on-write of their own, and they wait for the disk when asked to."""

_EXT = frozenset({"ext3", "ext4"})
_NO_BARRIER = frozenset({"nobarrier", "barrier=0", "barrier=none", "fsync_mode=nobarrier"})


def parse_mounts(text: str) -> list[Mount]:
    """The mounts that a mountinfo file names; a line that is not of its form is left out."""
    lines = text[:_MAX_TEXT].splitlines()
    return [mount for mount in map(_parse_line, lines) if mount is not None]


def _parse_line(line: str) -> Mount | None:
    head, separator, tail = line.partition(" - ")
    fields, (kind, _, super_options) = head.split(" "), (tail.split(" ") + [""] * 3)[:3]
    if not separator or len(fields) < _LEAST_FIELDS or not kind:
        return None
    number, parent, device, _, point, options = fields[:_LEAST_FIELDS]
    if not (_is_number(number) and _is_number(parent) and re.fullmatch(r"\d{1,9}:\d{1,9}", device, re.ASCII)):
        return None
    together = frozenset(options.split(",")) | frozenset(super_options.split(","))
    return Mount(int(number), int(parent), device, _unescaped(point), kind, together)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\d{1,18}", text, re.ASCII) is not None


def _unescaped(point: str) -> str:
    return re.sub(r"\\([0-3][0-7]{2})", lambda found: chr(int(found[1], 8)), point)


def mount_of(path: str, mounts: Sequence[Mount]) -> Mount | None:
    """The mount that the absolute, resolved `path` lies on; None where the list does not tell.

    Found as the kernel finds it, from the root through each mount on the way: of several at one place the
    last one counts, and a mount that another one covers does not.
    """
    numbers = {mount.number for mount in mounts}
    roots = [m for m in mounts if m.point == "/" and (m.parent not in numbers or m.parent == m.number)]
    here = roots[0] if roots else None
    passed: set[int] = set()
    while here is not None and here.number not in passed:
        passed.add(here.number)
        on_the_way = [m for m in mounts if m.parent == here.number and _is_under(path, m.point)]
        next_one = min(on_the_way, key=lambda m: len(m.point), default=None)
        if next_one is None or next_one.number in passed:
            return here
        here = next_one
    return here


def _is_under(path: str, point: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")


def unsafe(mount: Mount, effective: frozenset[str] | None = None) -> str | None:
    """Why a journal must not lie on `mount`; None when it may.

    `effective` are the options that the file system really works with, its formatted-in defaults included,
    where the kernel tells them (ext3 and ext4 do); mountinfo leaves defaults out.
    """
    if mount.kind in _MEMORY:
        return f"{mount.kind} is memory: everything on it is gone with the power"
    if mount.kind in _LAYERED:
        return f"{mount.kind} is the layer of a container or live system: it may be thrown away"
    if mount.kind in _NETWORK or mount.kind.startswith("fuse"):
        return f"{mount.kind} is a network share or another program: it may confirm what no disk holds yet"
    if mount.kind in _WITHOUT_A_JOURNAL:
        return f"{mount.kind} keeps no journal of its own: a power cut can spoil it"
    if mount.kind not in _SAFE:
        return f"{mount.kind[:40]} is not known to keep what it has confirmed"
    return _unsafe_options(mount.kind, mount.options | (effective or frozenset()), effective)


def _unsafe_options(kind: str, options: frozenset[str], effective: frozenset[str] | None) -> str | None:
    if options & _NO_BARRIER:
        return f"{kind} is mounted without write barriers"
    if "data=writeback" in options:
        return f"{kind} works with data=writeback: after a power cut files can hold old or foreign data"
    if kind in _EXT and effective and not any(option.startswith("data=") for option in effective):
        return f"{kind} was made without a journal of its own: a power cut can spoil it"
    return None


def examine(path: Path) -> str | None:
    """Why the journal at `path` must not be kept there; None when it may. The file need not exist yet."""
    try:
        mounts = parse_mounts(_MOUNTS.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        return f"{_MOUNTS} cannot be read ({error.strerror}), so nobody knows on what it lies"
    mount = mount_of(os.path.realpath(path), mounts)
    if mount is None:
        return f"{_MOUNTS} does not say on what it lies"
    return unsafe(mount, _effective_options(mount))


def refuse_unsafe(path: Path, rule: StorageRule) -> str | None:
    """Raises JournalRefused where `rule` forbids the storage; returns the doubt that it lets pass."""
    if (doubt := examine(path)) is None or rule is StorageRule.ANY:
        return doubt
    raise JournalRefused(
        f"{path}: {doubt}; put [journal] path on a local disk with ext4, xfs or btrfs"
        ' (for trying out only: [journal] storage = "any")'
    )


def _effective_options(mount: Mount) -> frozenset[str] | None:
    """As /proc/fs/ext4 tells them; None for other file systems and where the kernel does not tell."""
    if mount.kind not in _EXT:
        return None
    try:
        name = Path("/sys/dev/block", mount.device).resolve(strict=True).name
        text = Path("/proc/fs", mount.kind, name, "options").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    return frozenset(text.split())
