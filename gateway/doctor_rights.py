"""Doctor: what the centre has signed, on this gateway's disk: whether it is sound, in force and writable."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing

from gateway.doctor import Finding, Grade, Patient
from gateway.rights_file import RightsFile, lost_files

_NAMED = "rights"


def rights(patient: Patient) -> Iterator[Finding]:
    """Raises GatewayError where the file cannot be read at all. A site without a centre has an empty one."""
    settings = patient.settings
    path, gateway = settings.rights_path, settings.gateway
    if lost := lost_files(path):
        what = f"{len(lost)} damaged files were set aside, the newest {lost[-1].name}"
        yield Finding(_NAMED, Grade.MIND, what, "look at the disk; what the centre signed must come again")
    if not path.exists():
        yield Finding(_NAMED, Grade.MIND, f"{path}: not there yet", "it is made by the first start")
        return
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        what = f"{path}: cannot be written; what is in force stays so, commands and new lists are refused"
        yield Finding(_NAMED, Grade.BAD, what, "look at the disk; the gateway goes on by itself")
    file = RightsFile(path, gateway.site, gateway.name, lambda: 0)
    with closing(file.open_for_reading()) as connection:
        found = connection.execute("SELECT version, digest FROM list").fetchone()
    if found is None:
        yield Finding(_NAMED, Grade.OK, f"{path}: sound; no list of the centre")
        return
    version, digest = found
    if digest:
        yield Finding(_NAMED, Grade.OK, f"{path}: sound; list {version} of the centre")
        return
    instead = gateway.access_list
    holds = "nobody is on a list" if instead is None else f"{instead} is in force instead"
    yield Finding(
        _NAMED,
        Grade.BAD if instead is None else Grade.MIND,
        f"the list of the centre was lost, {holds}; the next one must be newer than {version}",
        "see `broker` and `keys`; the centre sends its list again once it hears this gateway",
    )
