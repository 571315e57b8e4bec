"""Long lists in numbered pages."""

import pytest

from central.console.paging import Cut, cut


@pytest.mark.parametrize(
    ("page", "things", "at"),
    [
        pytest.param(1, [0, 1, 2], 1, id="the first"),
        pytest.param(3, [6], 3, id="the last, which is shorter"),
        pytest.param(9, [6], 3, id="beyond the last"),
    ],
)
def test_a_page_has_its_share(page: int, things: list[int], at: int) -> None:
    found = cut(range(7), page, most=3)
    assert (list(found.things), found.page, found.pages, found.all) == (things, at, 3, 7)


def test_what_is_too_heavy_for_a_page_has_one_of_its_own() -> None:
    assert [list(cut([5, 1, 1, 9], page, most=4, weight=lambda one: one).things) for page in (1, 2, 3)] == [
        [5],
        [1, 1],
        [9],
    ]


def test_of_nothing_there_is_one_empty_page() -> None:
    found: Cut[int] = cut([], 1)
    assert (list(found.things), found.page, found.pages) == ([], 1, 1)
