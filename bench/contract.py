"""Whether the API keeps to its own document: schemathesis with all of its checks, as somebody of each role.

It finds an answer that the document does not know, a fault of the server, what is taken though the document
forbids it, and what is refused though the document allows it.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema

from bench import report
from bench.contract_world import COOKIE, HERE, World, a_world
from bench.postgres import Postgres
from bench.verdict import conclude
from central.accounts.matrix import routes_of
from central.accounts.who import Role

_CHECKS = """
# A schema says nothing about what lies between two fields, and nothing about the register as it is: "until"
# after "from", a window of a week at most, a number with the right check character. That is 422 as well.
# 410: the identity was there once, and its key is destroyed.
positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "410", "422", "429"]
"""


@dataclass
class Findings:
    cases: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)


def look(
    world: World, *, seed: int, examples: int, phases: Sequence[str], only: str | None = None
) -> Findings:
    """Every operation, as somebody who may call it. `examples`: how many are drawn of each; `phases` of
    schemathesis' own; `only`: paths in which this expression is found."""
    schema: Any = schemathesis.openapi.from_dict(world.app.openapi(), config=_config(seed, examples, phases))
    if only is not None:
        schema = schema.include(path_regex=only)
    schema.app = world.app
    roles = {
        (route.method, route.path): _one_of(route.roles)
        for route in routes_of(world.app)
        if route.roles is not None
    }

    @schema.auth(refresh_interval=None)
    class AsSomebody:
        """Also signed in half: what stands before the second factor takes those who gave it already."""

        def get(self, case: Any, _context: Any) -> str:
            operation = case.operation
            role = roles.get((operation.method.upper(), operation.path), Role.OFFICER)
            return world.token(role)

        def set(self, case: Any, data: str, _context: Any) -> None:
            case.cookies = {**(case.cookies or {}), COOKIE: data}
            case.headers = {**(case.headers or {}), "Sec-Fetch-Site": "same-origin"}

    found = Findings()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            _count(found, event)
        elif isinstance(event, events.NonFatalError):
            found.failures[f"{event.label}: {type(event.value).__name__}"] = str(event.value)
    return found


def _one_of(roles: frozenset[Role]) -> Role:
    return min(roles)


def _count(found: Findings, event: events.ScenarioFinished) -> None:
    recorder = event.recorder
    found.cases += len(recorder.interactions)
    for case, interaction in recorder.interactions.items():
        if interaction.response is not None:
            found.answers[str(interaction.response.status_code)] += 1
        for check in recorder.checks.get(case, ()):
            if check.status is Status.FAILURE and check.failure_info is not None:
                failure = check.failure_info.failure
                name = f"{recorder.label}: {check.name}: {failure.title}"
                request = interaction.request
                body = "" if request.body is None else f" {request.body[:200]!r}"
                said = "" if interaction.response is None else interaction.response.text[:300]
                found.failures.setdefault(
                    name, f"{failure.message[:300]} | {request.method} {request.uri}{body} -> {said}"
                )


def _config(seed: int, examples: int, phases: Sequence[str]) -> SchemathesisConfig:
    chosen = "\n".join(
        f"{name}.enabled = {str(name in phases).lower()}"
        for name in ("examples", "coverage", "fuzzing", "stateful")
    )
    return SchemathesisConfig.from_str(
        f'seed = {seed}\nbase-url = "{HERE}"\ncontinue-on-failure = true\n'
        f"[generation]\nmax-examples = {examples}\ndatabase = 'none'\nno-shrink = true\n"
        f"[phases]\n{chosen}\n[checks]\n{_CHECKS}"
    )


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="./liuhen bench contract", description=__doc__)
    parser.add_argument("--examples", type=int, default=50, help="drawn for each operation")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument(
        "--phases", nargs="+", default=["examples", "coverage", "fuzzing", "stateful"], metavar="PHASE"
    )
    parser.add_argument("--only", help="paths in which this regular expression is found")
    asked = parser.parse_args(words)
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="liuhen-contract-")))
        address = f"sqlite:///{folder / 'central.sqlite'}"
        if asked.engine == "postgresql":
            folder.chmod(0o755)  # the server's own user has to get through
            server = Postgres(folder / "postgresql")
            opened.callback(server.stop)
            address = server.start("contract")
        world = opened.enter_context(a_world(address, folder))
        found = look(world, seed=asked.seed, examples=asked.examples, phases=asked.phases, only=asked.only)
    report.show("answers", ["status", "times"], sorted(found.answers.items()))
    report.save(
        "contract",
        {"engine": asked.engine, "cases": found.cases, "seed": asked.seed, "failures": found.failures},
    )
    return conclude([f"{name}\n    {why}" for name, why in sorted(found.failures.items())])
