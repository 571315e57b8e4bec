"""`liuhen-gateway keys`: this gateway's own keys, and what to tell the centre of them. For the installer."""

from __future__ import annotations

from pathlib import Path

import typer

from gateway.cli_options import SettingsFile
from gateway.errors import SettingsError
from gateway.keys import DeviceKeys, load_device_keys, make_device_keys
from gateway.settings import Settings, load_settings
from messages.keys import encode_keys

keys_app = typer.Typer(no_args_is_help=True, help="This gateway's keys. 网关密钥")


@keys_app.command("make")
def make(settings: SettingsFile) -> None:
    """Makes them once, and prints the public ones for the centre. 生成本机密钥"""
    loaded = load_settings(settings)
    _print(loaded, make_device_keys(_file(loaded)))


@keys_app.command("show")
def show(settings: SettingsFile) -> None:
    """Prints the public ones, which `liuhen-central keys trust` takes. 显示公钥"""
    loaded = load_settings(settings)
    _print(loaded, load_device_keys(_file(loaded)))


def _file(settings: Settings) -> Path:
    path = settings.keys.device_key_file
    if path is None:
        raise SettingsError('keys.device_key_file: is missing; write for example "device.key" into [keys]')
    return path


def _print(settings: Settings, keys: DeviceKeys) -> None:
    typer.echo(encode_keys(keys.public(settings.gateway.site, settings.gateway.name)), nl=False)
