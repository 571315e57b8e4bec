"""`liuhen-central communities` and `accounts`, as an operator types them."""

from pathlib import Path

import pytest
from program_support import called

from central.cli import main


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "central.toml"
    path.write_text('[database]\npath = "central.sqlite"\n')
    return path


def said(settings: Path, *words: str) -> tuple[int, str]:
    done = called(main, *words, "--settings", settings)
    return done.returncode, done.stdout + done.stderr


def test_from_nothing_to_the_first_administrator(settings: Path) -> None:
    code, text = said(settings, "communities", "add", "310101001001", "枫园社区", "--site", "maple-court")
    assert (code, text) == (0, "community 310101001001 is there, with 1 sites\n")
    assert said(settings, "communities", "list")[1] == "310101001001  枫园社区  maple-court\n"
    code, text = said(settings, "accounts", "add", "wang", "--name", "王主任", "--role", "administrator")
    assert code == 0
    assert len(text.splitlines()[-1]) == 20
    assert said(settings, "accounts", "list")[1] == "1  wang  administrator  -  not activated yet\n"


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("communities", "add", "one two", "x"), "code"),
        (("communities", "add-site", "7", "maple-court"), "no community of this code"),
        (("accounts", "add", "A B", "--name", "x", "--role", "officer"), "login"),
        (("accounts", "add", "li", "--name", "x", "--role", "officer", "--community", "7"), "no community"),
        (("accounts", "disable", "nobody"), "no account of this login"),
        (("accounts", "reset", "nobody"), "no account of this login"),
        (("accounts", "token", "Wall Display", "--role", "operator"), "lower-case"),
    ],
)
def test_what_cannot_be_is_said_and_changes_nothing(
    settings: Path, words: tuple[str, ...], what: str
) -> None:
    code, text = said(settings, *words)
    assert code == 2
    assert what in text
    assert "Traceback" not in text


def test_role_and_scope_are_set_again(settings: Path) -> None:
    said(settings, "communities", "add", "310101001001", "枫园社区")
    said(settings, "accounts", "add", "li", "--name", "李警官", "--role", "officer")
    assert (
        said(settings, "accounts", "role", "li", "approver", "--unit", "督察")[1] == "li is approver, 督察\n"
    )
    assert said(settings, "accounts", "list")[1] == "1  li  approver  督察  not activated yet\n"
    shown = said(settings, "accounts", "scope", "li", "--community", "310101001001")[1]
    assert shown == "li sees 310101001001\n"
    assert said(settings, "accounts", "scope", "li")[1] == "li sees nothing\n"
    assert said(settings, "accounts", "role", "li", "resident")[0] == 2


def test_a_login_or_site_is_taken_once(settings: Path) -> None:
    assert said(settings, "communities", "add", "1", "x", "--site", "a")[0] == 0
    assert said(settings, "communities", "add", "1", "y")[0] == 2
    assert said(settings, "communities", "add", "2", "y", "--site", "a")[0] == 2
    assert "2  y" not in said(settings, "communities", "list")[1]
    assert said(settings, "accounts", "add", "li", "--name", "x", "--role", "worker")[0] == 0
    assert said(settings, "accounts", "add", "li", "--name", "x", "--role", "worker")[0] == 2


def test_a_disabled_account_stays_so(settings: Path) -> None:
    said(settings, "accounts", "add", "li", "--name", "x", "--role", "worker", "--unit", "u")
    assert said(settings, "accounts", "disable", "li") == (0, "li is disabled\n")
    assert said(settings, "accounts", "reset", "li")[0] == 2
    assert said(settings, "accounts", "list")[1] == "1  li  worker  u  disabled\n"


def test_a_token_is_printed_once_and_ended_by_its_name(settings: Path) -> None:
    code, token = said(settings, "accounts", "token", "wall", "--role", "operator")
    assert (code, len(token.strip())) == (0, 43)
    assert said(settings, "accounts", "end-token", "wall") == (0, "1 ended\n")
    assert said(settings, "accounts", "end-token", "wall") == (0, "0 ended\n")


def test_the_check_finds_what_a_provider_lacks(settings: Path) -> None:
    oidc = (
        'issuer = "https://login.example"\nclient_id = "x"\nname = "x"\nclient_secret_file = "oidc.secret"\n'
    )
    settings.write_text(f"{settings.read_text()}[oidc]\n{oidc}")
    code, text = said(settings, "check")
    assert (code, "[oidc] client_secret_file" in text) == (2, True)
    secret = settings.parent / "oidc.secret"
    secret.write_text("x")
    secret.chmod(0o600)
    assert said(settings, "check")[0] == 0


def test_an_account_that_is_not_linked_cannot_be_unlinked(settings: Path) -> None:
    said(settings, "accounts", "add", "wang", "--name", "王主任", "--role", "administrator")
    code, text = said(settings, "accounts", "unlink", "wang")
    assert (code, "is linked to the provider" in text) == (2, True)
