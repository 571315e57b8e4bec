"""`doctor`: what is wrong with this gateway and its machine, and what to do about each thing.

It works beside a running gateway and where none can start: it takes no lock, changes nothing, and goes on
after a check that fails. A finding names parts, paths and figures; never a person, a token or a key.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from gateway.crash_text import said_of
from gateway.errors import GatewayError, SettingsError
from gateway.settings import Settings, load_settings

log = logging.getLogger(__name__)


class Grade(IntEnum):
    """`BAD`: something does not work, or will not for long. `MIND`: it works, and should not stay so."""

    OK = 0
    MIND = 1
    BAD = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: which check, what is so, and what to do where it should not be."""

    check: str
    grade: Grade
    what: str
    do: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """What checks are told: the settings, and what is known of a gateway that runs with them."""

    settings: Settings
    now_us: int
    pid: int | None = None  # of the running gateway, as the journal's lock tells; None: none runs
    broker_limit_s: float = 5.0


Check = Callable[[Patient], Iterable[Finding]]


def examine(settings_file: Path, now_us: int) -> list[Finding]:
    """Everything, in the order in which an operator would mend it; some seconds where nobody answers."""
    from gateway import (
        doctor_broker,
        doctor_journal,
        doctor_machine,
        doctor_ports,
        doctor_rights,
        doctor_secrets,
    )

    found = list(doctor_machine.versions())
    try:
        settings = load_settings(settings_file)
    except SettingsError as error:
        lines = str(error).splitlines()
        return [*found, *(Finding("settings", Grade.BAD, line, "mend that line") for line in lines)]
    found.append(Finding("settings", Grade.OK, f"{settings_file}: {len(settings.doors)} doors"))
    patient = Patient(settings, now_us, doctor_machine.running_gateway(settings.journal.path))
    checks: tuple[Check, ...] = (
        doctor_machine.process,
        doctor_secrets.site_key,
        doctor_secrets.keys,
        doctor_ports.ports,
        doctor_journal.storage,
        doctor_journal.journal,
        doctor_journal.delivery,
        doctor_rights.rights,
        doctor_journal.access_list,
        doctor_journal.site_settings,
        doctor_journal.devices,
        doctor_machine.clock,
        doctor_broker.broker,
    )
    for check in checks:
        found += _made(check, patient)
    return found


def worst(findings: Iterable[Finding]) -> Grade:
    return max((finding.grade for finding in findings), default=Grade.OK)


def _made(check: Check, patient: Patient) -> list[Finding]:
    """A check that fails is a finding like any other, and the next one is made."""
    try:
        return list(check(patient))
    except GatewayError as error:
        return [Finding(check.__name__, Grade.BAD, str(error))]
    except Exception as error:  # whatever it stumbled over, the others are wanted
        log.debug("doctor: %s", check.__name__, exc_info=True)
        what = f"could not be looked at: {said_of(error)}"
        return [Finding(check.__name__, Grade.MIND, what, "run doctor as the gateway's user, or as root")]
