"""The API keeps to its own document, and the campaign that says so would find it out."""

from pathlib import Path

import pytest
from fastapi import Response

from bench.contract import look
from bench.contract_world import a_world
from central.accounts.guard import open_to_all


@pytest.mark.timeout(240)  # half a minute on an idle machine
def test_every_endpoint_answers_as_the_document_says_and_a_planted_one_is_found(tmp_path: Path) -> None:
    with a_world(f"sqlite:///{tmp_path / 'central.sqlite'}", tmp_path) as world:

        async def planted() -> Response:
            return Response(status_code=418)

        world.app.add_api_route(
            "/api/v1/planted",
            planted,
            dependencies=[open_to_all()],
            summary="Not in the document",
            tags=["x"],
        )
        found = look(world, seed=1, examples=1, phases=["examples", "fuzzing"])
    assert {name.partition(": ")[0] for name in found.failures} == {"GET /api/v1/planted"}, found.failures
    assert found.answers["200"] > 20
    assert found.answers["201"] > 5
