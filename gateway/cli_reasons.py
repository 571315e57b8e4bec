"""`liuhen-gateway reasons`: why a door decided as it did, in words for the person who stands before it."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.errors import GatewayError
from gateway.reasons import EXPLANATIONS, LIGHTS, Explanation, signal_of
from messages.model import Reason

_INDENT = "    "


def reasons(
    reason: Annotated[str, typer.Argument(help="one of them, as records have it; all of them without")] = "",
) -> None:
    """Explains the reasons of decisions: what to say, what to do, what the reader's light means. 原因说明"""
    if not reason:
        typer.echo("\n\n".join(explained(each) for each in EXPLANATIONS))
        return
    try:
        asked = Reason(reason)
    except ValueError:
        raise GatewayError("no such reason; `liuhen-gateway reasons` lists those of decisions") from None
    if asked not in EXPLANATIONS:
        raise GatewayError(f"{asked} is no reason of a decision; `liuhen-gateway reasons` lists those")
    typer.echo(explained(asked))


def explained(reason: Reason) -> str:
    """Some lines, the first with the reason itself and the signal of its reader."""
    signal = signal_of(reason)
    shown = f"{reason}  [{signal}: {LIGHTS[signal].zh} {LIGHTS[signal].en}]"
    return "\n".join([shown, *explanation_lines(EXPLANATIONS[reason])])


def explanation_lines(said: Explanation) -> list[str]:
    """Chinese, then English, each with what can be done."""
    return [
        f"{_INDENT}{said.zh}{said.help_zh}",
        f"{_INDENT}{said.en} {said.help_en}".rstrip(),
    ]
