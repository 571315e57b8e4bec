"""A site's authority and a broker that asks for its certificates, as our examples and commands make them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from getpass import getuser
from pathlib import Path

from central_support import Broker

from central.fleet.authority import CERTIFICATE_LIFE, make_authority, make_certificate

CONFIG = Path(__file__).parent.parent / "config"
ACCESS_LIST = CONFIG / "mosquitto.example.acl"
HOST = "127.0.0.1"
LONG_AGO = CERTIFICATE_LIFE + timedelta(days=9)
"""What was made then is over."""


class Authority:
    """`ca` is what both ends trust."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder / name
        self.now = datetime.now(UTC)
        self.ca = make_authority(self._folder, self.now - 2 * LONG_AGO).certificate

    def make(
        self, name: str, *, ago: timedelta = timedelta(0), hosts: Sequence[str] = ()
    ) -> tuple[Path, Path]:
        """Certificate and key, in the place of former ones."""
        for former in self._folder.glob(f"{name}.*"):
            former.unlink()
        made = make_certificate(self._folder, name, self.now - ago, hosts=hosts)
        assert made.key is not None
        return made.certificate, made.key

    def settings(self, name: str, *, ago: timedelta = timedelta(0)) -> dict[str, Path]:
        """What `[mqtt]` names for a new certificate."""
        certificate, key = self.make(name, ago=ago)
        return {"ca_file": self.ca, "certificate_file": certificate, "key_file": key}


def settings_of_the_example(folder: Path) -> str:
    """The lines about certificates of the broker's example, with files in `folder`, without the listener."""
    text = (CONFIG / "mosquitto.example.conf").read_text(encoding="utf-8")
    block = text.partition("# listener 8883\n")[2].partition("\n\n")[0]
    return block.replace("# ", "").replace("/etc/mosquitto/certs", str(folder)) + "\n"


@contextmanager
def a_safe_broker(
    folder: Path,
    authority: Authority,
    *,
    ago: timedelta = timedelta(0),
    hosts: Sequence[str] = (HOST,),
    forbidden: str = "",
) -> Iterator[Broker]:
    """With a certificate of its own and our access list, and more lines of that in `forbidden`."""
    files = folder / "broker"
    files.mkdir(parents=True)
    certificate, key = authority.make("broker", ago=ago, hosts=hosts)
    for file in (certificate, key, authority.ca, ACCESS_LIST):
        shutil.copy(file, files / file.name.replace("mosquitto.example.acl", "liuhen.acl"))
    with (files / "liuhen.acl").open("a", encoding="utf-8") as access_list:
        access_list.write(f"\n{forbidden}\n")
    broker = Broker(folder, f"user {getuser()}\n{settings_of_the_example(files)}")
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()
