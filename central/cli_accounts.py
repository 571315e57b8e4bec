"""`liuhen-central communities` and `accounts`: who may see what; docs/accounts.md. For the operator.

The first administrator is made here; everybody else by the administrator, on the pages.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from sqlalchemy import Connection

from central.accounts import book, tokens
from central.accounts.who import Role
from central.cli_keys import mendable
from central.identity.vault import Vault
from central.settings import load_settings

_T = TypeVar("_T")
_BY = "operator"

SettingsFile = Annotated[Path, typer.Option("--settings", help="TOML file; see central.example.toml")]
Communities = Annotated[
    list[str] | None, typer.Option("--community", help="its code; once for each that may be seen")
]

communities_app = typer.Typer(no_args_is_help=True, help="Communities, and which sites are theirs.")
accounts_app = typer.Typer(no_args_is_help=True, help="Accounts of people, and tokens of machines.")


@communities_app.command("add")
def add_community(
    code: Annotated[str, typer.Argument(help="as the authorities write it, or one of your own")],
    name: Annotated[str, typer.Argument()],
    settings: SettingsFile,
    site: Annotated[list[str] | None, typer.Option(help="of its gateways; once for each")] = None,
) -> None:
    """A community, and the sites of its gateways."""
    vault = _vault(settings)
    _change(settings, lambda db: book.make_community(db, code, name, site or (), _now_us(), vault=vault))
    typer.echo(f"community {code} is there, with {len(site or ())} sites")


@communities_app.command("add-site")
def add_site(
    code: Annotated[str, typer.Argument(help="of the community")],
    site: Annotated[str, typer.Argument(help="as in the gateways' settings")],
    settings: SettingsFile,
) -> None:
    """A further site of a community; a site never changes hands. Again, once its key is in the key ring: then
    cards that were issued before get their tokens there."""
    vault = _vault(settings)
    _change(settings, lambda db: book.add_site(db, book.community_coded(db, code), site, _now_us(), vault))
    typer.echo(f"site {site} belongs to community {code}")


@communities_app.command("list")
def list_communities(settings: SettingsFile) -> None:
    """A line for each community."""
    for each in _read(settings, book.communities):
        typer.echo(f"{each.code}  {each.name}  {', '.join(each.sites) or 'no sites yet'}")


@accounts_app.command("add")
def add_account(
    login: Annotated[str, typer.Argument(help="lower-case letters, digits, full stops, hyphens")],
    *,
    name: Annotated[str, typer.Option(help="shown to colleagues")],
    role: Annotated[Role, typer.Option()],
    settings: SettingsFile,
    unit: Annotated[str, typer.Option(help="police room or office; nobody approves for their own")] = "-",
    community: Communities = None,
    person: Annotated[int | None, typer.Option(help="of the register, for a resident's account")] = None,
) -> None:
    """An account; prints the code by which its owner sets a password within a day."""
    number, code = _change(
        settings,
        lambda db: book.make_account(
            db,
            login,
            name=name,
            role=role,
            unit=unit,
            communities=_numbers(db, community),
            by=_BY,
            now_us=_now_us(),
            person=person,
        ),
    )
    typer.echo(f"account {number} ({login}, {role}) is there; its owner opens /sign-in/activate and types")
    typer.echo(code)


@accounts_app.command("list")
def list_accounts(settings: SettingsFile) -> None:
    """A line for each account."""
    for each in _read(settings, book.accounts):
        state = "disabled" if each.disabled else "active" if each.active else "not activated yet"
        typer.echo(f"{each.id}  {each.login}  {each.role}  {each.unit}  {state}")


@accounts_app.command("role")
def set_role(
    login: Annotated[str, typer.Argument()],
    role: Annotated[Role, typer.Argument()],
    settings: SettingsFile,
    unit: Annotated[str, typer.Option(help="police room or office; nobody approves for their own")] = "-",
) -> None:
    """Another role and unit; all its sessions end."""
    _change(
        settings,
        lambda db: book.set_role(db, book.number_called(db, login), role, unit, by=_BY, now_us=_now_us()),
    )
    typer.echo(f"{login} is {role}, {unit}")


@accounts_app.command("scope")
def set_scope(
    login: Annotated[str, typer.Argument()], settings: SettingsFile, community: Communities = None
) -> None:
    """The communities that it sees from now on: these and no others."""
    _change(
        settings,
        lambda db: book.set_scope(db, book.number_called(db, login), _numbers(db, community), _BY, _now_us()),
    )
    typer.echo(f"{login} sees {', '.join(community or ()) or 'nothing'}")


@accounts_app.command("disable")
def disable_account(login: Annotated[str, typer.Argument()], settings: SettingsFile) -> None:
    """For good and at once: all its sessions end."""
    _change(settings, lambda db: book.disable(db, book.number_called(db, login), _BY, _now_us()))
    typer.echo(f"{login} is disabled")


@accounts_app.command("unlink")
def unlink_account(login: Annotated[str, typer.Argument()], settings: SettingsFile) -> None:
    """The provider's sign-in stands for its password no more; all its sessions end."""
    _change(settings, lambda db: book.unlink(db, book.number_called(db, login), _BY, _now_us()))
    typer.echo(f"{login} is not linked any more")


@accounts_app.command("reset")
def reset_account(login: Annotated[str, typer.Argument()], settings: SettingsFile) -> None:
    """Password and second factor anew; prints a code as `add` does."""
    typer.echo(_change(settings, lambda db: book.reset(db, book.number_called(db, login), _BY, _now_us())))


@accounts_app.command("token")
def make_token(
    name: Annotated[str, typer.Argument(help="what the machine is called")],
    role: Annotated[Role, typer.Option()],
    settings: SettingsFile,
    community: Communities = None,
    days: Annotated[int, typer.Option(help="how long it is good", min=1, max=tokens.TOKEN_DAYS)] = 90,
) -> None:
    """A token for a machine, printed once: it goes into the header `Authorization: Bearer ...`."""
    typer.echo(
        _change(
            settings,
            lambda db: tokens.make_machine_token(
                db,
                name,
                role=role,
                communities=_numbers(db, community),
                days=days,
                by=_BY,
                now_us=_now_us(),
            ),
        )
    )


@accounts_app.command("end-token")
def end_token(name: Annotated[str, typer.Argument()], settings: SettingsFile) -> None:
    """Tokens of this name are good no more."""
    ended = _change(settings, lambda db: tokens.end_machine_token(db, name, _BY, _now_us()))
    typer.echo(f"{ended} ended")


def _numbers(connection: Connection, codes: list[str] | None) -> list[int]:
    return [book.community_coded(connection, code) for code in codes or ()]


def _vault(path: Path) -> Vault | None:
    from central.identity.wiring import open_vault

    with mendable():
        settings = load_settings(path)
        return open_vault(settings) if settings.identity.key_ring.exists() else None


def _now_us() -> int:
    return time.time_ns() // 1_000


def _change(path: Path, change: Callable[[Connection], _T]) -> _T:
    from central.store.engine import migrate, open_writer, writing

    with mendable():
        engine = open_writer(load_settings(path).database.address)
        try:
            migrate(engine)
            with writing(engine) as connection:
                return change(connection)
        finally:
            engine.dispose()


def _read(path: Path, question: Callable[[Connection], _T]) -> _T:
    return _change(path, question)
