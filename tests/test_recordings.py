"""Lines as they were recorded, played to the drivers. What lies in tests/recordings is a test by lying there.

`liuhen-sim record` makes one; its first line says the driver's settings and what is expected.
"""

import json
from pathlib import Path

import pytest
from recordings_support import heard

from firmware_sim.recording import FAMILIES, parse_recording, scrubber
from firmware_sim.replay import load_recording

RECORDINGS = sorted((Path(__file__).parent / "recordings").glob("*.jsonl"))


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_recorded_line_is_understood(path: Path, tmp_path: Path) -> None:
    recording = load_recording(path)
    told = heard(recording, tmp_path)
    wanted = f'say in line 1 what is right; this was told: "expect": {json.dumps(told, ensure_ascii=False)}'
    assert recording.expect is not None, wanted
    assert told == list(recording.expect)


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_recording_was_scrubbed(path: Path) -> None:
    """Scrubbed once more it has the same shape, and it is of a family that can be scrubbed."""
    recording = parse_recording(path.read_text(encoding="utf-8"))
    assert recording.family in FAMILIES
    line = scrubber(recording.family)
    for from_device in (True, False):
        said = b"".join(chunk.data for chunk in recording.chunks if chunk.from_device is from_device)
        again = line.feed(said, from_device=from_device) + line.flush(from_device=from_device)
        assert len(again) == len(said)
        assert recording.about
