"""Access list and site settings from files beside the gateway's own settings: for sites without a centre."""

from __future__ import annotations

from pathlib import Path

from gateway.access_list import AccessList, load_access_list
from gateway.errors import SiteSettingsError
from gateway.settings import Settings
from messages.errors import MessageError
from messages.site_settings import MAX_SETTINGS_BYTES, SiteSettings, decode_site_settings


def load_list_file(settings: Settings) -> AccessList | None:
    """None where the settings name no file. Raises AccessListError."""
    path = settings.gateway.access_list
    return None if path is None else load_access_list(path)


def load_settings_file(settings: Settings) -> SiteSettings | None:
    """None where the settings name no file. Raises SiteSettingsError that names the file and the place."""
    path = settings.gateway.site_settings
    return None if path is None else _load_site_settings(path)


def _load_site_settings(path: Path) -> SiteSettings:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SETTINGS_BYTES + 1)
    except OSError as error:
        raise SiteSettingsError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        return decode_site_settings(data)
    except MessageError as error:
        raise SiteSettingsError(f"{path}: {error}") from None
