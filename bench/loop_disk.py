"""A small disk of our own: ext4 on a loop image, whose power can be cut.

The cut is the file system's shutdown call without a flush of its log: what had not been made durable by then
is gone, as after a power failure (trust.md section 6). Needs root and loop devices. Everything is mounted in
a mount namespace of this process and its children: nobody else can hold a disk that was unmounted, and when
we fall, it goes with us.
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import os
import shutil
import struct
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN, _IOR('X', 125, __u32)
_WITHOUT_LOG_FLUSH = struct.pack("I", 2)  # EXT4_GOING_FLAGS_NOLOGFLUSH
_SYSTEM_PATHS = "/usr/sbin:/sbin:/usr/bin:/bin"
_NEW_MOUNTS = 0x00020000  # unshare(2): CLONE_NEWNS
_SMALLEST_MB = 8
_LET_GO_S = 10.0
_LOOK_AGAIN_S = 0.05


class DiskMissing(Exception):
    """This machine cannot make such a disk; the text says why."""


class LoopDisk:
    """Use as a context manager; `path` is where the disk's content stands while it is mounted."""

    def __init__(self, folder: Path, size_mb: int, at: Path | None = None) -> None:
        """Nothing is touched yet. `folder` holds the image, and the mount point unless that is `at`."""
        self._image = folder / "disk.img"
        self._size_mb = size_mb
        self.path = at or folder / "disk"
        self._mounted = False

    def __enter__(self) -> Self:
        self.make()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unmount()
        self._image.unlink(missing_ok=True)

    def make(self) -> None:
        """An empty file system, mounted. Raises DiskMissing."""
        self.unmount()
        self.path.mkdir(parents=True, exist_ok=True)
        self._image.unlink(missing_ok=True)
        with self._image.open("wb") as image:
            image.truncate(self._size_mb * 1024 * 1024)
        _run("mkfs.ext4", "-q", "-F", str(self._image))
        self.mount()

    def mount(self) -> None:
        """Also replays the file system's own log, as at a start of the machine. Raises DiskMissing."""
        _run("mount", "-o", "loop", str(self._image), str(self.path))
        self._mounted = True

    def unmount(self) -> None:
        """Raises DiskMissing where somebody still has a file of it open."""
        if self._mounted:
            self._unmount_when_let_go()
            self._mounted = False

    def _unmount_when_let_go(self) -> None:
        """The kernel may close the files of a killed process a moment after that was waited for, and a
        database that was found broken is held by its error until that is swept up."""
        until_s = time.monotonic() + _LET_GO_S
        while True:
            try:
                return _run("umount", str(self.path))
            except DiskMissing:
                if time.monotonic() > until_s:
                    raise
            gc.collect()
            time.sleep(_LOOK_AGAIN_S)

    def cut(self) -> None:
        """The power fails now: whatever is written from here on fails, until `unmount` and `mount`."""
        handle = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, _SHUTDOWN, _WITHOUT_LOG_FLUSH)
        finally:
            os.close(handle)


def missing() -> str | None:
    """What this machine lacks for such disks, None where it can do everything; tried, not guessed.

    To be called first, by the main thread: from then on, what this process mounts is its own.
    """
    if os.geteuid() != 0:
        return "it needs root, to mount a loop image and to shut its file system down"
    folder = Path(tempfile.mkdtemp(prefix="liuhen-disk-"))
    try:
        _keep_mounts_to_ourselves()
        with LoopDisk(folder, _SMALLEST_MB) as disk:
            return _lack_of_a_cut(disk)
    except DiskMissing as error:
        return str(error)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _keep_mounts_to_ourselves() -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_MOUNTS) != 0:
        raise DiskMissing(f"no mount namespace of our own ({os.strerror(ctypes.get_errno())})")
    _run("mount", "--make-rprivate", "/")


def _lack_of_a_cut(disk: LoopDisk) -> str | None:
    """A cut has to keep what was synced and to lose what was not, or it is none."""
    (disk.path / "kept").write_bytes(b"kept")
    os.sync()
    (disk.path / "lost").write_bytes(b"lost")
    try:
        disk.cut()
    except OSError as error:
        return f"this kernel's ext4 knows no shutdown call ({error.strerror})"
    disk.unmount()
    disk.mount()
    left = sorted(path.name for path in disk.path.iterdir() if path.name != "lost+found")
    return None if left == ["kept"] else "the shutdown call of this kernel's ext4 does not lose what it must"


def _run(program: str, *words: str) -> None:
    found = shutil.which(program, path=_SYSTEM_PATHS)
    if found is None:
        raise DiskMissing(f"there is no {program} here")
    done = subprocess.run([found, *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DiskMissing(f"{program} failed: {done.stderr.strip() or done.returncode}")
