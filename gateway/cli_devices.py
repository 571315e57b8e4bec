"""`liuhen-gateway devices` and `probe`: what is plugged in, and what hangs there. For the installer."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from drivers.probe import Outcome

NEW_NAME = "new-device"
NOTHING_KNOWN = """\
not known: nothing came that says what is there. Try this:
  - show a card or code while it looks, and again each time it asks: readers that only send are silent until
    then; --seconds 60 gives more time
  - has the device power, are its two data wires the right way round, is its ground on the adapter's?
  - stop other programs that use the line, and leave one device on it
  - a relay board that answers nothing cannot be told from an empty line: see docs/probe.md"""


def devices() -> None:
    """Lists ports and PC/SC readers, by the names to write into the settings file. 列出端口和读卡器"""
    from drivers.ports import list_ports

    ports = list_ports()
    for port in ports:
        now = "" if port.device == port.path else f"; now {port.device}"
        typer.echo(f"{port.path}\n    {port.vendor}{now}")
        if port.mind:
            typer.echo(f"    mind: {port.mind}")
    if not ports:
        typer.echo("no serial ports; plug an adapter in and look again")
    for line in _pcsc_readers():
        typer.echo(line)


def _pcsc_readers() -> list[str]:
    """One line each, or why there are none to be seen."""
    from drivers.errors import DriverError
    from drivers.pcsc_service import Service

    try:
        with closing(Service()) as service:
            names = service.readers()
    except DriverError as error:
        return [f"PC/SC readers cannot be listed: {error}"]
    return [f'PC/SC reader, driver "pcsc": {name}' for name in names] or ["no PC/SC readers"]


def probe(
    port: Annotated[
        str, typer.Argument(help="a device such as /dev/serial/by-id/..., or socket://HOST:PORT")
    ],
    *,
    seconds: Annotated[float, typer.Option(min=3, max=600, help="how long to look")] = 14.0,
    live: Annotated[bool, typer.Option("--live", help="show what passes on the line")] = False,
) -> None:
    """Finds out what hangs on a port. Sends nothing that could release a lock. 识别端口上的设备"""
    from drivers.probe import Probe
    from drivers.probe_plan import ASK_RATES
    from drivers.transport import open_transport

    with closing(open_transport(port, ASK_RATES[0])) as transport:
        outcome = Probe(transport, Terminal(live=live), limit_s=seconds).run()
    for line in report(outcome, port):
        typer.echo(line)
    raise typer.Exit(0 if outcome.findings else 1)


class Terminal:
    """A `Watcher` for a person at a terminal; results go to standard output, progress to standard error."""

    def __init__(self, *, live: bool) -> None:
        self._live = live

    def step(self, text: str) -> None:
        typer.echo(f"... {text}", err=True)

    def show_card(self, text: str) -> None:
        typer.echo(f">>> {text}", err=True)

    def bytes_seen(self, rate: int | None, shown: str, meaning: str, *, sent: bool) -> None:
        if self._live:
            typer.echo(f"{rate or '':>7} {'->' if sent else '<-'} {shown}   {meaning}", err=True)


def report(outcome: Outcome, port: str) -> list[str]:
    """What was found, and the tables to paste; what to try when nothing was."""
    from drivers.probe_finding import settings_block

    lines: list[str] = []
    for number, finding in enumerate(outcome.findings, start=1):
        at = f", at {finding.rate} baud" if finding.rate else ""
        name = NEW_NAME if len(outcome.findings) == 1 else f"{NEW_NAME}-{number}"
        lines += [f"{finding.sureness}: {finding.what}{at}: {finding.reason}", ""]
        lines += [settings_block(finding, port, name)]
    if outcome.note:
        lines.append(outcome.note)
    return lines if outcome.findings else [*lines, NOTHING_KNOWN]
