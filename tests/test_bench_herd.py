"""Fifty gateways with a backlog each find a killed broker again at one moment, with a real centre."""

from pathlib import Path

from bench.herd import stampede


def test_nothing_is_lost_and_nobody_storms(tmp_path: Path) -> None:
    outcome = stampede(tmp_path, gateways=50, records=250, seed=1)
    assert outcome.wrong == ""
    assert outcome.messages <= 3 * outcome.needed
    assert len(outcome.alarms_s) == 50
    assert outcome.most_calls <= 25  # in a tenth of a second, of fifty
