"""The rules that the whole repository keeps, as pure functions from source text to findings.

They know neither git nor the working tree, so that each can be shown a planted violation. A finding is one
line: what, where, and which rule it breaks.
"""

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

# Direction of imports: whom each package may know beside itself. bench looks at everything.
MAY_KNOW: dict[str, frozenset[str]] = {
    "messages": frozenset(),
    "drivers": frozenset(),
    "gateway": frozenset({"messages", "drivers"}),
    "central": frozenset({"messages"}),
    "firmware_sim": frozenset(),
    "bench": frozenset({"messages", "drivers", "gateway", "central", "firmware_sim"}),
}

# Third parties with one door each, or none beside the tests; a pattern is matched against the file's path.
# bench may use them freely.
ONLY_IN: dict[str, tuple[str, ...]] = {
    "serial": ("drivers/transport.py",),
    "smartcard": ("drivers/pcsc_service.py",),
    "osdp": ("drivers/osdp_panel.py", "firmware_sim/osdp_peer.py"),
    "gpiod": ("drivers/gpio_board.py",),
    "pymodbus": (),
    "paho": ("gateway/mqtt_line.py", "gateway/doctor_broker.py", "central/ingest/*.py"),
    "prometheus_client": ("gateway/metrics_page.py",),
}

# The simulator has the standard library alone, but for these: an independent peer, and ciphers nobody should
# write a second time.
SIMULATOR_MAY_USE: dict[str, tuple[str, ...]] = {
    "osdp": ("firmware_sim/osdp_peer.py",),
    "cryptography": ("firmware_sim/osdp_crypto.py",),
}

CODEC_MAY_KNOW = ("drivers.base", "drivers.errors", "drivers.id_number")
# A codec knows no port, thread, clock, file or chance.
IMPURE = frozenset(
    {"asyncio", "io", "logging", "multiprocessing", "os", "pathlib", "queue", "random", "secrets", "select"}
    | {"selectors", "socket", "sqlite3", "subprocess", "tempfile", "threading", "time"}
)

REGISTRY_HOST = re.compile(
    r"\b(?:pypi|pythonhosted|npmjs|npmmirror|yarnpkg)\.(?:org|com|io)\b"
    r"|\b[\w-]+\.debian\.org\b"
    r"|\b(?:mirrors?|pypi|npm|registry)\.[\w-]+(?:\.[\w-]+)*\.(?:cn|com|org)\b",
    re.IGNORECASE,
)
MACHINE_PATH = re.compile(r"(?<![\w.~/-])/(?:work|root|home|Users)/\w")
# 6 digits of area, 8 of a birth date that can be, 3 of order, 1 check character.
ID_NUMBER = re.compile(
    r"(?<![0-9A-Za-z])(?!000000)\d{6}(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?![0-9A-Za-z])"
)
SKIPS = frozenset({"skip", "skipif", "importorskip", "xfail"})


@dataclass(frozen=True)
class Import:
    """One imported name, in full: `from drivers.base import CardRead` is drivers.base.CardRead."""

    name: str
    line: int

    @property
    def package(self) -> str:
        return self.name.partition(".")[0]

    def lies_in(self, module: str) -> bool:
        return self.name == module or self.name.startswith(f"{module}.")


def imports_of(source: str, path: str) -> Iterator[Import]:
    """Every import anywhere in the file: at the top, inside functions, for the type checker only, by name."""
    for node in ast.walk(ast.parse(source, path)):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, path)
            yield from (Import(f"{base}.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.Call) and (name := _imported_by_call(node)):
            yield Import(name, node.lineno)


def _absolute(node: ast.ImportFrom, path: str) -> str:
    if node.level == 0:
        return node.module or ""
    folder = PurePosixPath(path).parts[: -node.level]
    return ".".join([*folder, *([node.module] if node.module else [])])


def _imported_by_call(node: ast.Call) -> str | None:
    function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
    if function not in ("import_module", "__import__") or not node.args:
        return None
    first = node.args[0]
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


def import_findings(source: str, path: str) -> list[str]:
    """Breaches of the direction of imports in one module of the product; `path` is relative to the top."""
    package = PurePosixPath(path).parts[0]
    return [
        f"{path}:{found.line} imports {found.name}: {reason}"
        for found in imports_of(source, path)
        for reason in _breaches(found, package, PurePosixPath(path))
    ]


def _breaches(found: Import, package: str, path: PurePosixPath) -> Iterator[str]:
    ours = found.package in MAY_KNOW
    if ours and found.package != package and found.package not in MAY_KNOW[package]:
        yield f"{package} may not know {found.package}"
    doors = ONLY_IN.get(found.package) if package != "bench" else None
    if doors is not None and not _is_one_of(path, doors):
        yield f"only {', '.join(doors) or 'tests'} may import {found.package}"
    elif package == "firmware_sim" and not ours and not _simulator_may_use(found.package, path):
        yield "firmware_sim uses the standard library alone"
    if path.match("drivers/*_codec.py"):
        if ours and not any(found.lies_in(module) for module in CODEC_MAY_KNOW):
            yield f"a codec knows of ours only {', '.join(CODEC_MAY_KNOW)}"
        if found.package in IMPURE:
            yield "a codec knows no port, thread, clock, file or chance"


def _simulator_may_use(package: str, path: PurePosixPath) -> bool:
    return package in sys.stdlib_module_names or _is_one_of(path, SIMULATOR_MAY_USE.get(package, ()))


def _is_one_of(path: PurePosixPath, patterns: Sequence[str]) -> bool:
    return any(path.match(pattern) for pattern in patterns)


def text_findings(text: str, path: str) -> list[str]:
    """Addresses, machine paths and identities that must not stand in the repository.

    A found ID number is not repeated in the finding: the test's output is a log like any other.
    """
    findings = []
    for number, line in enumerate(text.splitlines(), start=1):
        if found := REGISTRY_HOST.search(line):
            findings.append(f"{path}:{number} names a package host: {found[0]}")
        if found := MACHINE_PATH.search(line):
            findings.append(f"{path}:{number} names a path of one machine: {found[0]}")
        if not path.startswith("tests/vectors/") and ID_NUMBER.search(line):
            findings.append(f"{path}:{number} holds what looks like a person's ID number; use area 000000")
    return findings


def habit_findings(source: str, path: str) -> list[str]:
    """Swallowed exceptions anywhere, and tests that do not run."""
    findings = []
    for node in ast.walk(ast.parse(source, path)):
        if isinstance(node, ast.ExceptHandler) and all(_says_nothing(step) for step in node.body):
            findings.append(f"{path}:{node.lineno} swallows an exception without a word")
        if isinstance(node, ast.Call) and _suppresses_everything(node):
            findings.append(f"{path}:{node.lineno} suppresses every exception")
        if path.startswith("tests/") and isinstance(node, ast.Attribute) and _skips(node):
            findings.append(f"{path}:{node.lineno} keeps a test from running: {node.attr}")
    return findings


def _says_nothing(step: ast.stmt) -> bool:
    return isinstance(step, ast.Pass) or (isinstance(step, ast.Expr) and isinstance(step.value, ast.Constant))


def _suppresses_everything(node: ast.Call) -> bool:
    function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
    names = {getattr(argument, "id", None) for argument in node.args}
    return function == "suppress" and bool(names & {"Exception", "BaseException"})


def _skips(node: ast.Attribute) -> bool:
    owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", None)
    return node.attr in SKIPS and owner in ("pytest", "mark", "unittest")
