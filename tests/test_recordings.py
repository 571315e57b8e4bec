"""Lines as they were recorded, played to the drivers. What lies in tests/recordings is a test by lying there.

`liuhen-sim record` makes one; its first line says the driver's settings and what is expected.
"""

import json
from pathlib import Path

import pytest
from recordings_support import heard

from firmware_sim.recording import Tape
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
    """Scrubbed once more it stays as it is: no byte in it is one that would be overwritten."""
    recording = load_recording(path)
    tape = Tape(recording.family)
    for chunk in recording.chunks:
        tape.settle(chunk.t_s)
        tape.heard(chunk.t_s, chunk.data, from_device=chunk.from_device)
    assert tape.recording(recording.rate).chunks == recording.chunks
    assert recording.about, "say in line 1 what was recorded: maker, model, what happened"
