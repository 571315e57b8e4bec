"""Every page where nothing can be reached but the centre: the browser's machine has no other network."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from mounts_support import ROOT, tool

from central.console.registry import Page, all_pages

LONGEST_S = 300
FIRST_LOAD_BYTES = 300_000


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What `cut_off.py` saw, in a network namespace of its own."""
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    done = subprocess.run(
        [
            *(tool("unshare", "util-linux"), "--net", *as_root),
            *(sys.executable, ROOT / "tests/cut_off.py", tmp_path_factory.mktemp("cut-off")),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
        timeout=LONGEST_S,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return json.loads(done.stdout)


def test_there_is_no_network_but_the_machine_itself(seen: Any) -> None:
    assert seen["networks"] == ["lo"]
    assert not seen["reaches_elsewhere"]


def test_every_page_is_whole_without_any_network(seen: Any) -> None:
    whole = {"status": 200, "headings": 1, "styled": True, "failed": [], "complaints": []}
    without_bytes = {
        name: {key: value for key, value in page.items() if key != "bytes"}
        for name, page in seen["pages"].items()
    }
    assert without_bytes == {page.name: whole for page in all_pages()}


@pytest.mark.parametrize("page", all_pages(), ids=lambda page: page.name)
def test_a_page_weighs_less_than_the_limit_at_its_first_load(seen: Any, page: Page) -> None:
    assert 1_000 < seen["pages"][page.name]["bytes"] < FIRST_LOAD_BYTES
