"""What tests with real mounts share. Mounting takes root and a kernel that lets us: a container may not.

`LIUHEN_MOUNTS=required` makes a machine that cannot mount a failure; elsewhere such a test says on standard
error that nothing was tried. Everything is mounted in a namespace of its own and goes with it.
"""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

MIB = 1 << 20
ROOT = Path(__file__).resolve().parents[1]
_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"


def tool(name: str, package: str) -> str:
    found = shutil.which(name, path=_PATH)
    assert found is not None, f"{name} is not installed: apt install {package}"
    return found


@cache
def _missing() -> str | None:
    if os.geteuid() != 0:
        return "only root may mount"
    trial = 'mount -t tmpfs none "$0" && umount "$0" && losetup --find'
    found = in_a_namespace(trial, Path("/mnt"))
    return None if found.returncode == 0 else found.stderr.strip() or "there are no loop devices"


def can_mount() -> bool:
    reason = _missing()
    if reason is None:
        return True
    said = f"nothing was mounted, so this was not tested: {reason}"
    assert os.environ.get("LIUHEN_MOUNTS") != "required", said
    sys.stderr.write(f"{said}\n")
    return False


def in_a_namespace(script: str, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs a shell script in a mount namespace; `$0` is `folder`, `$1` and on are `arguments`."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{_PATH}"}
    return subprocess.run(
        [tool("unshare", "util-linux"), "-m", "/bin/sh", "-ec", script, str(folder), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=environment,
    )


def ext4_image(folder: Path, *options: str, mib: int = 16) -> Path:
    image = folder / "disk.img"
    with image.open("wb") as file:
        file.truncate(mib * MIB)
    subprocess.run([tool("mkfs.ext4", "e2fsprogs"), "-q", *options, image], check=True)
    return image
