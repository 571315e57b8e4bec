"""The parts of ./liuhen that decide: what is current, what must be installed, what is said on failure."""

import fcntl
import importlib.machinery
import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PINNED = re.compile(r"^([a-z0-9][a-z0-9.-]*)==([^ ;\\]+)", re.MULTILINE)
PYPROJECT = """
[build-system]
requires = ["hatchling"]
[project]
name = "liuhen"
dependencies = ["msgspec"]
[tool.hatch.build.targets.wheel]
packages = ["messages"]
[tool.ruff]
line-length = 110
"""


def load_launcher() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("liuhen_launcher", str(ROOT / "liuhen"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[loader.name] = module  # dataclasses look their module up
    loader.exec_module(module)
    return module


launcher = load_launcher()


def clone_below(folder: Path) -> Path:
    """The files of a clone on which a set-up's stamp depends."""
    (folder / "requirements").mkdir()
    for name in ("run", "dev", "uv", "pcsc", "pcsc-build"):
        (folder / "requirements" / f"{name}.txt").write_text(f"{name}==1\n")
    (folder / "pyproject.toml").write_text(PYPROJECT)
    return folder


def pins(name: str) -> dict[str, str]:
    return dict(PINNED.findall((ROOT / "requirements" / name).read_text(encoding="utf-8")))


# What counts as installed ----------------------------------------------------------------------------


def test_the_stamp_changes_with_pins_dependencies_level_and_place(tmp_path: Path) -> None:
    clone = clone_below(tmp_path)
    before = launcher.wanted_stamp("run", pcsc=False, root=clone)
    assert launcher.wanted_stamp("run", pcsc=False, root=clone) == before
    assert launcher.wanted_stamp("dev", pcsc=False, root=clone) != before
    (clone / "requirements" / "run.txt").write_text("run==2\n")
    assert launcher.wanted_stamp("run", pcsc=False, root=clone)["pins"] != before["pins"]
    (clone / "pyproject.toml").write_text(PYPROJECT.replace('"msgspec"', '"msgspec>=1"'))
    assert launcher.wanted_stamp("run", pcsc=False, root=clone)["project"] != before["project"]
    assert before["root"] == str(clone)


@pytest.mark.parametrize("name", ["pcsc", "pcsc-build"])
def test_the_pins_of_pcsc_count_only_where_it_is_installed(tmp_path: Path, name: str) -> None:
    clone = clone_below(tmp_path)
    before = [launcher.wanted_stamp("run", pcsc=pcsc, root=clone) for pcsc in (False, True)]
    assert before[0]["pins"] != before[1]["pins"]
    (clone / "requirements" / f"{name}.txt").write_text(f"{name}==2\n")
    after = [launcher.wanted_stamp("run", pcsc=pcsc, root=clone) for pcsc in (False, True)]
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False]


def test_a_changed_linter_rule_installs_nothing(tmp_path: Path) -> None:
    clone = clone_below(tmp_path)
    before = launcher.wanted_stamp("dev", pcsc=True, root=clone)
    (clone / "pyproject.toml").write_text(PYPROJECT.replace("110", "100"))
    assert launcher.wanted_stamp("dev", pcsc=True, root=clone) == before


def test_the_digest_knows_where_one_file_ends_and_the_next_begins(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("ab")
    second.write_text("c")
    before = launcher.digest_files([first, second])
    first.write_text("a")
    second.write_text("bc")
    assert launcher.digest_files([first, second]) != before


@pytest.mark.parametrize(
    ("stamp", "version", "expected"),
    [
        pytest.param({"root": "/clone", "python": "3.11.7"}, "3.11.7", True, id="finished here"),
        pytest.param({}, "3.11.7", False, id="interrupted before its stamp"),
        pytest.param({"root": "/elsewhere", "python": "3.11.7"}, "3.11.7", False, id="clone was moved"),
        pytest.param({"root": "/clone", "python": "3.11.7"}, "3.12.1", False, id="made anew by other hands"),
        pytest.param({"root": "/clone", "python": "3.11.7"}, None, False, id="its Python is gone"),
        pytest.param({"root": "/clone"}, None, False, id="half a stamp and no Python"),
    ],
)
def test_a_virtual_environment_is_used_only_when_it_was_finished_here(
    stamp: dict[str, str], version: str | None, expected: bool
) -> None:
    assert launcher.usable(stamp, root=Path("/clone"), version=version) is expected


@pytest.mark.parametrize(
    ("asked", "have", "expected"),
    [("run", None, "run"), ("dev", "run", "dev"), ("run", "dev", "dev"), ("run", "unheard of", "run")],
)
def test_a_level_once_reached_is_kept(asked: str, have: str | None, expected: str) -> None:
    stamp = {} if have is None else {"level": have}
    assert launcher.level_to_install(asked, stamp) == expected


def package(*, missing: bool) -> Any:
    return launcher.DebianPackage(
        "example", file=(str(ROOT), "no such file" if missing else "pyproject.toml")
    )


@pytest.mark.parametrize(
    ("stamp", "lacks_a_package", "expected"),
    [
        pytest.param({}, False, True, id="it can be built"),
        pytest.param({"pcsc": "no"}, False, True, id="it can be built since then"),
        pytest.param({"pcsc": "no"}, True, False, id="a package is missing"),
        pytest.param({"pcsc": "yes"}, True, True, id="it is there and kept"),
    ],
)
def test_pcsc_is_installed_where_the_machine_can_build_it(
    monkeypatch: pytest.MonkeyPatch, stamp: dict[str, str], lacks_a_package: bool, expected: bool
) -> None:
    monkeypatch.setattr(launcher, "PCSC_BUILD", (package(missing=False), package(missing=lacks_a_package)))
    assert launcher.pcsc_to_install(stamp) is expected


@pytest.mark.parametrize("pcsc", [False, True])
def test_the_installer_gets_pcsc_with_its_pinned_build_tools_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pcsc: bool
) -> None:
    steps: list[list[str]] = []
    monkeypatch.setattr(launcher, "UV", ROOT / "liuhen")  # there, so that it is not installed first
    monkeypatch.setattr(launcher, "run_step", lambda argv, **_: steps.append([str(word) for word in argv]))
    launcher.install_pins("run", 0, pcsc=pcsc)
    (step,) = steps
    assert "--require-hashes" in step
    assert str(ROOT / "requirements" / "run.txt") in step
    build = ["--build-constraints", str(ROOT / "requirements" / "pcsc-build.txt")]
    assert (str(ROOT / "requirements" / "pcsc.txt") in step) is pcsc
    assert (step[-2:] == build) is pcsc


@pytest.mark.parametrize("content", [None, "", "{", "[]", "\x00\x01"])
def test_a_missing_or_damaged_stamp_reads_as_none(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "stamp.json"
    if content is not None:
        path.write_text(content)
    assert launcher.read_stamp(path) == {}


def test_a_stamp_is_read_back_as_written_and_leaves_no_partial_file(tmp_path: Path) -> None:
    path = tmp_path / "stamp.json"
    launcher.write_whole(path, json.dumps({"level": "run"}))
    assert launcher.read_stamp(path) == {"level": "run"}
    assert list(tmp_path.iterdir()) == [path]


def test_a_half_made_virtual_environment_has_no_version(tmp_path: Path) -> None:
    assert launcher.venv_version(tmp_path) is None
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\n")
    assert launcher.venv_version(tmp_path) is None
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.2\n")
    assert launcher.venv_version(tmp_path) == "3.11.2"


def test_a_second_set_up_cannot_enter_while_one_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "WORK", tmp_path / "work")
    path = tmp_path / "work" / "setup.lock"
    with launcher.setup_lock(), path.open("w") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with path.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


# What is said ----------------------------------------------------------------------------------------


def test_a_failed_step_says_what_where_and_what_to_do() -> None:
    script = "import sys; print('\\n'.join(map(str, range(100)))); sys.exit('no space left')"
    with pytest.raises(launcher.SetupError) as failure:
        launcher.run_step([sys.executable, "-c", script], hint="Make room.")
    text = str(failure.value)
    assert "code 1" in text
    assert "no space left" in text
    assert text.endswith("Make room.")
    assert len(text.splitlines()) < 2 * launcher.OUTPUT_TAIL_LINES


def test_a_program_that_is_not_there_is_a_set_up_error(tmp_path: Path) -> None:
    with pytest.raises(launcher.SetupError, match="cannot start"):
        launcher.run_step([tmp_path / "absent"], hint="Install it.")


def test_without_apt_the_one_command_to_type_is_printed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert launcher.apt_prefix() is None
    with pytest.raises(launcher.SetupError, match="apt-get install -y --no-install-recommends python3-venv"):
        launcher.apt_install(["python3-venv"])


def test_a_package_is_missing_until_its_program_or_file_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    program = launcher.DebianPackage("liuhen-example", program="liuhen-example")
    font = launcher.DebianPackage("fonts-example", file=(str(tmp_path), "*CJK*"))
    assert program.missing()
    assert font.missing()
    (tmp_path / "liuhen-example").touch(mode=0o755)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "ExampleCJK.ttc").touch()
    assert not program.missing()
    assert not font.missing()


def test_the_demo_goes_on_without_pcsc_and_names_what_would_add_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    installed: list[list[str]] = []
    monkeypatch.setattr(launcher, "apt_install", installed.append)
    lacking, there = package(missing=True), package(missing=False)
    command = launcher.Command("", ("python",), named=(there, lacking))
    launcher.provide_packages(command)
    assert installed == []
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("liuhen: going on without PC/SC")
    assert line.endswith("apt-get install -y --no-install-recommends example")
    launcher.provide_packages(launcher.Command("", ("python",), named=(there,)))
    assert capsys.readouterr().err == ""


def test_the_demo_only_names_what_the_tests_install() -> None:
    demo, test = launcher.COMMANDS["demo"], launcher.COMMANDS["test"]
    names = {package.name for package in demo.named}
    assert {"pcscd", "vsmartcard-vpcd", "libpcsclite-dev", "gcc", "libc6-dev", "pkg-config"} <= names
    assert set(demo.named) <= set(test.needed)
    assert set(demo.named).isdisjoint(demo.needed + demo.wanted)


def test_help_lists_every_command_and_asks_for_nothing() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "liuhen", "--help"], capture_output=True, text=True, check=True
    )
    assert all(f"  {name} " in done.stdout for name in launcher.COMMANDS)
    assert done.stderr == ""


@pytest.mark.parametrize(("args", "where"), [([], "COMMAND"), (["opne"], "no command 'opne'")])
def test_a_missing_or_unknown_command_exits_with_2(args: list[str], where: str) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "liuhen", *args], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert where in done.stdout + done.stderr


# What is handed on -----------------------------------------------------------------------------------


def test_uv_gets_the_mirror_and_certificates_that_pip_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "pip_mirror", lambda: "https://configured.example/simple")
    given = {"PIP_INDEX_URL": "https://mirror.example/simple", "PIP_CERT": "/etc/ca.pem"}
    result = launcher.uv_environment(given)
    assert result["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert result["SSL_CERT_FILE"] == "/etc/ca.pem"
    assert launcher.uv_environment({})["UV_DEFAULT_INDEX"] == "https://configured.example/simple"
    own = launcher.uv_environment({**given, "UV_DEFAULT_INDEX": "https://own.example/simple"})
    assert own["UV_DEFAULT_INDEX"] == "https://own.example/simple"


@pytest.mark.parametrize(
    ("version", "expected"), [((3, 10), False), ((3, 11), True), ((3, 13), True), ((3, 14), False)]
)
def test_supported_pythons_are_those_of_the_project(version: tuple[int, int], expected: bool) -> None:
    assert launcher.supported(version) is expected
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=3.11,<3.14"


def test_the_checked_packages_are_the_installed_ones() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == list(launcher.PACKAGES)


# The pins --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["run.txt", "dev.txt", "uv.txt", "node.txt", *launcher.PCSC_PINS])
def test_every_pin_has_a_hash_and_the_file_names_no_source(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=[a-z0-9])", text)[1:]
    named = [block.partition("==")[0] for block in blocks]
    assert set(named) == set(pins(name)) != set()
    twice = [block for block in blocks if named.count(block.partition("==")[0]) > 1]
    assert all(" ; python_full_version " in block.splitlines()[0] for block in twice)
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert re.search(r"https?:|file:|--index|--find-links", text) is None


def test_what_runs_in_the_demo_is_what_is_tested() -> None:
    assert pins("run.txt").items() <= pins("dev.txt").items()


def test_every_dependency_of_the_project_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[\[<>=]", wanted)[0].lower() for wanted in project["dependencies"]}
    assert names - set(pins("run.txt")) == set()


def test_every_extra_is_pinned_where_it_is_installed() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    for level, names in launcher.EXTRAS.items():
        wanted = {re.split(r"[\[<>=]", each)[0].lower() for name in names for each in extras[name]}
        assert wanted - set(pins(f"{level}.txt")) == set()
    assert set(extras) == {name for names in launcher.EXTRAS.values() for name in names} | {"pcsc"}
    assert set(pins("pcsc.txt")) == {"pyscard"}
    assert set(pins("pcsc-build.txt")) == set(launcher.PCSC_BUILD_REQUIREMENTS)


def test_the_lock_of_the_page_assets_has_checksums_and_no_addresses() -> None:
    lock = json.loads((ROOT / "central/console/assets/package-lock.json").read_text(encoding="utf-8"))
    packages = {name: facts for name, facts in lock["packages"].items() if name}
    assert {"node_modules/htmx.org", "node_modules/htmx-ext-sse"} <= set(packages)
    assert all("integrity" in facts and "resolved" not in facts for facts in packages.values())
