"""Every word that a page can show stands in both languages, and none stands there for nothing."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import Environment
from jinja2.ext import extract_from_ast

from central.console import words
from central.console.catalogue import LANGUAGES, catalogue_files, load_catalogues, parse_po
from central.ingest.verify import Trouble
from drivers.base import DeviceState
from messages.model import Kind, Reason

CONSOLE = Path(words.__file__).parent
PAGES = sorted(found.parent for found in (CONSOLE / "pages").glob("*/page.py"))
FILES = {path: path.read_text(encoding="utf-8") for path in catalogue_files()}
COMMON = FILES[CONSOLE / "translations" / "zh.po"]
CATALOGUE = "\n\n".join(FILES.values())
CHINESE = re.compile(r"[\u4e00-\u9fff]")
PLACEHOLDER = re.compile(r"%\(\w+\)s")
PUNCTUATION = re.compile(r"[.,;:!?]")
JOINED_BY_A_BLANK = re.compile(
    r"""[.!?]"[^{}]*\)\s*(\}\}[ ](\{%[^%]*%\})?(<span[^>]*>)?\{\{|~\s*"[ ]"\s*~)\s*(_|ngettext)\("""
)


def of_templates(folder: Path) -> Iterator[tuple[str, ...]]:
    """The texts of each call: one, or singular and plural."""
    environment = Environment(extensions=["jinja2.ext.i18n"])  # noqa: S701  parsed, never rendered
    for template in sorted(folder.glob("*.html")):
        parsed = environment.parse(template.read_text(encoding="utf-8"))
        for _, _, texts in extract_from_ast(parsed, babel_style=False):
            yield tuple(text for text in texts or () if text)


def of_code(*files: Path) -> set[str]:
    """What `N_` marks."""
    found = set()
    for file in files:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
        marked = (call.args[0] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "N_")
        found |= {str(text.value) for text in marked if isinstance(text, ast.Constant)}
    return found


def said_by(templates: Path, code: Path) -> set[str]:
    """Texts of the templates of one folder and the modules of another. A call without a text in it,
    `_(name)`, shows what is marked elsewhere."""
    return {texts[0] for texts in of_templates(templates) if texts} | of_code(*sorted(code.glob("*.py")))


def said_of(text: str) -> dict[str, str]:
    return dict(parse_po(text))


@pytest.mark.parametrize(
    ("meant", "known"),
    [
        pytest.param(Kind, words.KINDS, id="kinds"),
        pytest.param(Reason, words.REASONS, id="reasons"),
        pytest.param(Trouble, words.FINDINGS, id="findings"),
        pytest.param(DeviceState, words.CONDITIONS, id="conditions"),
    ],
)
def test_every_word_of_a_record_has_a_sentence_and_no_sentence_is_left_over(
    meant: type[Kind], known: dict[str, str]
) -> None:
    assert set(known) == set(meant)
    assert len(set(known.values())) == len(known)


def test_what_the_frame_says_is_said_in_chinese_and_nothing_else_is() -> None:
    said = said_by(CONSOLE / "templates", CONSOLE)
    assert len(said) > 60
    assert said - set(said_of(COMMON)) == set()
    assert set(said_of(COMMON)) - said == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_says_stands_in_its_own_catalogue_or_the_frame_s(page: Path) -> None:
    said, own = said_by(page / "templates", page), set(said_of(FILES.get(page / "zh.po", "")))
    assert said - own - set(said_of(COMMON)) == set()
    assert own - said == set(), "translated, and said nowhere on this page"


def test_no_template_puts_a_blank_between_two_sentences_which_chinese_does_not_have() -> None:
    """`ui.between()` does."""
    assert JOINED_BY_A_BLANK.search('{{ _("One.") }} {{ _("Two.") }}')
    for template in CONSOLE.rglob("templates/**/*.html"):
        found = JOINED_BY_A_BLANK.search(template.read_text(encoding="utf-8"))
        assert found is None, (template.name, found)


def test_every_sentence_of_the_word_lists_is_marked() -> None:
    lists = [known for name, known in vars(words).items() if name.isupper() and isinstance(known, dict)]
    assert len(lists) > 6
    assert {text for known in lists for text in known.values()} == of_code(Path(words.__file__))


def test_plurals_stand_in_the_catalogue_as_in_the_templates() -> None:
    folders = [CONSOLE / "templates", *(page / "templates" for page in PAGES)]
    plurals = {texts for folder in folders for texts in of_templates(folder) if len(texts) > 1}
    found = re.findall(r'^msgid "(.+)"\nmsgid_plural "(.+)"\nmsgstr\[0\] ".+"$', CATALOGUE, re.MULTILINE)
    assert set(found) == plurals
    assert plurals


def test_no_text_stands_twice_in_a_catalogue_or_is_said_in_two_ways() -> None:
    known: dict[str, str] = {}
    for text in FILES.values():
        pairs = list(parse_po(text))
        assert len(pairs) == len(dict(pairs))
        for english, chinese in pairs:
            assert known.setdefault(english, chinese) == chinese


def faults_of_a_translation(english: str, chinese: str) -> Iterator[str]:
    if not CHINESE.search(chinese):
        yield "is not Chinese"
    if CHINESE.search(english):
        yield "is not English before"
    if sorted(PLACEHOLDER.findall(chinese)) != sorted(PLACEHOLDER.findall(english)):
        yield "fills in something else"
    if PUNCTUATION.search(PLACEHOLDER.sub("", chinese)):
        yield "has no marks of its own: ，。；：！？"


@pytest.mark.parametrize("text", FILES.values(), ids=[path.parent.name for path in FILES])
def test_a_translation_is_chinese_and_keeps_what_is_filled_in(text: str) -> None:
    """All of a catalogue in one test: to one each, the tests took longer than what they ask."""
    pairs = said_of(text)
    assert pairs
    found = {english: list(faults_of_a_translation(english, said)) for english, said in pairs.items()}
    assert {english: faults for english, faults in found.items() if faults} == {}


@pytest.mark.parametrize(
    ("english", "chinese", "fault"),
    [
        ("A door", "A door", "is not Chinese"),
        ("一扇门", "一扇门", "is not English before"),
        ("%(num)s doors", "%(count)s 扇门", "fills in something else"),
        ("A door.", "一扇门.", "has no marks of its own: ，。；：！？"),
    ],
)
def test_what_is_wrong_with_a_translation_is_found(english: str, chinese: str, fault: str) -> None:
    assert list(faults_of_a_translation(english, chinese)) == [fault]


def test_english_tells_one_from_many_and_chinese_does_not() -> None:
    zh, en = (load_catalogues()[language] for language in LANGUAGES)
    one, many = "%(num)s record, none missing", "%(num)s records, none missing"
    assert (en.ngettext(one, many, 1), en.ngettext(one, many, 2), en.ngettext(one, many, 0)) == (
        one,
        many,
        many,
    )
    assert zh.ngettext(one, many, 1) == zh.ngettext(one, many, 2) == "共 %(num)s 条，无缺失"


def test_what_is_not_translated_stays_as_it_is() -> None:
    assert {catalogue.gettext("never written") for catalogue in load_catalogues().values()} == {
        "never written"
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param('msgid "a"\nmsgstr "甲"', [("a", "甲")], id="without an end of line"),
        pytest.param(
            'msgid ""\n"a "\n"b"\nmsgstr ""\n"甲"\n"乙"\n', [("a b", "甲乙")], id="over several lines"
        ),
        pytest.param('msgid "say \\"a\\\\b\\""\nmsgstr "x\\ny"\n', [('say "a\\b"', "x\ny")], id="escapes"),
        pytest.param('msgid ""\nmsgstr "Language: zh\\n"\n', [], id="the head"),
        pytest.param('msgid "a"\nmsgstr ""\n', [], id="not translated yet"),
        pytest.param('# note\n#: here\nmsgid "a"\nmsgstr "甲"\n\n\n', [("a", "甲")], id="comments"),
        pytest.param(
            'msgid "a"\nmsgid_plural "as"\nmsgstr[0] "甲"\n\nmsgid "b"\nmsgstr "乙"\n',
            [("a", "甲"), ("b", "乙")],
            id="plural",
        ),
    ],
)
def test_a_catalogue_is_read(text: str, found: list[tuple[str, str]]) -> None:
    assert list(parse_po(text)) == found


@pytest.mark.parametrize("line", ["msgctxt x", 'msgid "a" "b', "garbage", "msgid", 'msgstr[1] "x"'])
def test_a_line_that_is_no_part_of_a_catalogue_is_named(line: str) -> None:
    with pytest.raises(ValueError, match=r"^line 2: "):
        list(parse_po(f'msgid "a"\n{line}\n'))
