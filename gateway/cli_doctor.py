"""`liuhen-gateway doctor`: for the operator; exit code 1 where something is bad."""

from __future__ import annotations

import time
from typing import Annotated

import msgspec
import typer

from gateway.cli_options import SettingsFile
from gateway.doctor import Finding, Grade, examine, worst

_MARKS = {Grade.OK: "ok  ", Grade.MIND: "mind", Grade.BAD: "BAD "}


def doctor(
    settings: SettingsFile,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="for a program: one JSON object")] = False,
) -> None:
    """Says what is wrong with this gateway and its machine, and what to do. 体检：哪里有问题、怎么办"""
    findings = examine(settings, time.time_ns() // 1_000)
    typer.echo(_as_json(findings) if as_json else _as_text(findings))
    raise typer.Exit(1 if worst(findings) is Grade.BAD else 0)


def _as_text(findings: list[Finding]) -> str:
    lines = []
    for finding in findings:
        lines.append(f"{_MARKS[finding.grade]}  {finding.check}: {finding.what}")
        if finding.do:
            lines.append(f"      -> {finding.do}")
    counts = {grade: sum(finding.grade is grade for finding in findings) for grade in Grade}
    return "\n".join(
        [*lines, f"{counts[Grade.BAD]} bad, {counts[Grade.MIND]} to mind, {counts[Grade.OK]} ok"]
    )


def _as_json(findings: list[Finding]) -> str:
    entries = [
        {"check": each.check, "grade": each.grade.name.lower(), "what": each.what, "do": each.do}
        for each in findings
    ]
    return msgspec.json.encode({"worst": worst(findings).name.lower(), "findings": entries}).decode()
