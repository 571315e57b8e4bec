"""Access lists: taken whole or not at all."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from gateway.access_list import MAX_LIST_BYTES, AccessList, load_access_list, parse_access_list
from gateway.errors import AccessListError
from messages.access_list import MAX_ENTRIES, Entry

TOKEN = "0123456789abcdef0123456789abcdef"


def an_entry(**changes: Any) -> dict[str, Any]:
    return {"token": TOKEN, "holder": "h-7", "category": "resident", "doors": ["lobby"], **changes}


def a_list(*entries: Any, **changes: Any) -> bytes:
    return json.dumps({"v": 1, "version": 5, "issued_us": 9_000_000, "entries": entries, **changes}).encode()


def test_a_listed_token_is_found_with_its_rights() -> None:
    found = parse_access_list(a_list(an_entry(doors=["*"], until_us=3), an_entry(token="f" * 32))).find(TOKEN)
    assert found is not None
    assert (found.holder, found.category, found.until_us, found.blocked) == ("h-7", "resident", 3, False)
    assert found.doors == ("*",)


def test_another_token_is_not_found() -> None:
    assert parse_access_list(a_list(an_entry())).find("e" * 32) is None


def test_rights_name_their_doors() -> None:
    found = parse_access_list(a_list(an_entry())).find(TOKEN)
    assert found is not None
    assert found.doors == ("lobby",)


@pytest.mark.parametrize(
    ("now_us", "age_s"), [(9_000_000, 0), (10_999_999, 1), (69_000_000, 60), (0, 0)], ids=str
)
def test_a_list_tells_its_age_and_is_never_younger_than_new(now_us: int, age_s: int) -> None:
    assert parse_access_list(a_list()).age_s(now_us) == age_s


def test_before_any_list_nobody_is_on_it() -> None:
    assert AccessList().find(TOKEN) is None
    assert AccessList().version == 0


def test_a_list_does_not_show_its_entries_when_it_is_printed() -> None:
    assert TOKEN not in repr(parse_access_list(a_list(an_entry())))


@pytest.mark.parametrize(
    ("data", "place"),
    [
        pytest.param(b"", "not an access list", id="empty file"),
        pytest.param(b"\xff\xfe", "not an access list", id="not text"),
        pytest.param(b"[" * 100_000, "not an access list", id="endlessly nested"),
        pytest.param(a_list(v=2), "$.v: format 2; this program knows 1", id="newer format"),
        pytest.param(a_list(version=-1), "$.version", id="negative version"),
        pytest.param(a_list(extra=1), "extra", id="unknown field"),
        pytest.param(a_list(an_entry(token="XYZ")), "$.entries[0].token", id="not a token"),
        pytest.param(a_list(an_entry(), an_entry(token=7)), "$.entries[1].token", id="token of another type"),
        pytest.param(a_list(an_entry(holder="Zhang San")), "$.entries[0].holder", id="a name as reference"),
        pytest.param(a_list(an_entry(doors=["Lobby"])), "$.entries[0].doors[0]", id="door with a capital"),
        pytest.param(a_list(an_entry(name="somebody")), "name", id="a field for a name"),
        pytest.param(a_list(an_entry(until_us=1.5)), "$.entries[0].until_us", id="half a microsecond"),
        pytest.param(a_list(an_entry(), {"token": TOKEN}), "`holder` - at `$.entries[1]`", id="no holder"),
        pytest.param(a_list(an_entry(), 7), "`$.entries[1]`", id="no entry"),
        pytest.param(a_list(entries=7), "`$.entries`", id="no entries but a number"),
        pytest.param(a_list(entries={}), "`$.entries`", id="no entries but an object"),
        pytest.param(a_list(*[7] * (MAX_ENTRIES + 1)), "`array` of length <=", id="too many, and all wrong"),
        pytest.param(a_list(an_entry(), an_entry(holder="h-8")), "a token stands there twice", id="twice"),
    ],
)
def test_a_bad_list_is_refused_and_its_place_is_named(data: bytes, place: str) -> None:
    with pytest.raises(AccessListError) as refused:
        parse_access_list(data)
    assert place in str(refused.value)
    assert "Zhang San" not in str(refused.value)
    assert TOKEN not in str(refused.value)


def test_a_list_beyond_every_measure_is_refused_without_being_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    with path.open("wb") as file:
        file.truncate(MAX_LIST_BYTES * 4)
    with pytest.raises(AccessListError, match="an access list has at most 67108864 bytes"):
        load_access_list(path)


def test_a_list_is_loaded_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    path.write_bytes(a_list(an_entry()))
    assert load_access_list(path).version == 5


def test_a_missing_file_and_a_bad_one_are_named(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    with pytest.raises(AccessListError, match=r"list\.json: cannot be read \(No such file or directory\)"):
        load_access_list(path)
    path.write_bytes(a_list(v=2))
    with pytest.raises(AccessListError, match=r"list\.json: \$\.v: format 2"):
        load_access_list(path)


def entry(number: int, holder: str = "h-7") -> Entry:
    return Entry(f"{number:032x}", holder, "resident", ("lobby",))


def changed(
    former: AccessList, put: Iterable[Entry], drop: Iterable[str], version: int, issued_us: int
) -> AccessList:
    packer = former.packer()
    packer.drop(drop)
    packer.put(put)
    return AccessList(version, issued_us, packer.packed())


def test_the_next_list_has_what_was_put_and_not_what_was_dropped() -> None:
    first = changed(AccessList(), [entry(1), entry(2), entry(3)], (), 1, 10)
    second = changed(first, [entry(2, "h-8"), entry(4)], [f"{1:032x}", f"{9:032x}"], 2, 20)
    assert (second.version, second.issued_us) == (2, 20)
    assert second.entries == {one.token: one for one in (entry(2, "h-8"), entry(3), entry(4))}


def test_a_list_stays_as_it_was_when_the_next_is_made_of_it() -> None:
    first = changed(AccessList(), [entry(1)], (), 1, 10)
    changed(first, [entry(1, "h-8"), entry(2)], [f"{1:032x}"], 2, 20)
    assert first == AccessList(1, 10, {f"{1:032x}": entry(1)})


def test_what_is_dropped_and_put_in_one_change_is_there() -> None:
    first = changed(AccessList(), [entry(1)], (), 1, 10)
    assert changed(first, [entry(1, "h-8")], [f"{1:032x}"], 2, 20).find(f"{1:032x}") == entry(1, "h-8")


MANY = 1_500


def many(**of_the_last_thousand: Any) -> list[dict[str, Any]]:
    """More than is taken apart at once."""
    entries = [an_entry(token=f"{number:032x}", holder=f"h-{number}") for number in range(MANY)]
    return [*entries[:-1_000], *({**entry, **of_the_last_thousand} for entry in entries[-1_000:])]


@pytest.mark.parametrize("layout", [{"separators": (",", ":")}, {"indent": 4}, {}], ids=str)
def test_a_long_list_is_taken_whole_however_it_is_laid_out(layout: dict[str, Any]) -> None:
    content = {"v": 1, "version": 5, "issued_us": 9_000_000, "entries": many()}
    taken = parse_access_list(json.dumps(content, **layout).encode())
    assert {token: entry.holder for token, entry in taken.entries.items()} == {
        f"{number:032x}": f"h-{number}" for number in range(MANY)
    }


@pytest.mark.parametrize(
    "wrong", [{"holder": "Zhang San"}, {"holder": "}, {" * 9_000}, {"doors": [{"at": {}}, {}] * 9_000}]
)
def test_what_is_wrong_far_into_a_list_is_named_by_its_place(wrong: dict[str, Any]) -> None:
    """Also where it looks like the end of an entry."""
    with pytest.raises(AccessListError) as refused:
        parse_access_list(a_list(*many(**wrong)[:501]))
    assert f"$.entries[500].{next(iter(wrong))}" in str(refused.value)


def test_of_a_long_list_too_no_token_stands_there_twice() -> None:
    with pytest.raises(AccessListError, match="a token stands there twice"):
        parse_access_list(a_list(*many(), an_entry(token="0" * 32)))
