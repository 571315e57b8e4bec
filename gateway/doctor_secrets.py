"""Doctor: keys and certificates: there, whole, readable by their owner alone, not about to end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.certificates import read_certificates, refuse_unfit
from gateway.doctor import Finding, Grade, Patient
from gateway.errors import SettingsError
from gateway.keys import load_centre_keys, load_device_keys
from gateway.tokens import load_site_key

_SOON = timedelta(days=30)


def site_key(patient: Patient) -> Iterator[Finding]:
    try:
        load_site_key(patient.settings.gateway.site_key_file)
    except SettingsError as error:
        yield Finding("site key", Grade.BAD, str(error), "no door opens without it: restore it from its copy")
        return
    yield Finding("site key", Grade.OK, "whole, and readable by its owner alone")


def keys(patient: Patient) -> Iterator[Finding]:
    named = patient.settings.keys
    if named.device_key_file is None:
        yield Finding(
            "device key",
            Grade.MIND,
            "none: this gateway signs nothing",
            "liuhen-gateway keys make, then name it in [keys]",
        )
    else:
        yield from _loaded("device key", named.device_key_file, load_device_keys)
    if named.centre_keys_file is None:
        yield Finding(
            "centre's keys",
            Grade.MIND,
            "none: lists come from the file alone, settings and commands not at all, and acknowledgements are"
            " taken unsigned: whoever owns the broker could have records deleted",
            "put there what `liuhen-central keys show` prints, and name it in [keys]",
        )
    else:
        yield from _loaded("centre's keys", named.centre_keys_file, load_centre_keys)
    yield from certificates(patient)


def _loaded(check: str, path: Path, load: object) -> Iterator[Finding]:
    try:
        load(path)  # type: ignore[operator]
    except SettingsError as error:
        yield Finding(check, Grade.BAD, str(error))
        return
    yield Finding(check, Grade.OK, f"{path}: whole")


def certificates(patient: Patient) -> Iterator[Finding]:
    """Those that [mqtt] names, whatever they are for; none where the line to the broker has none."""
    mqtt = patient.settings.mqtt
    for name in type(mqtt).model_fields:
        path = getattr(mqtt, name)
        if isinstance(path, Path) and "key" not in name:
            yield from judge_certificates(f"mqtt.{name}", path, patient.now_us)
    if mqtt.tls is None:
        return
    try:
        refuse_unfit(patient.settings)
    except SettingsError as error:
        yield Finding("certificate", Grade.BAD, str(error), "doors open without it, and records wait here")
    else:
        yield Finding("certificate", Grade.OK, "this gateway's own, and its key is for its owner alone")


def judge_certificates(name: str, path: Path, now_us: int) -> Iterator[Finding]:
    """Each certificate of a PEM file: whether it is valid now and for a month from now."""
    try:
        found = read_certificates(path)
    except OSError as error:
        yield Finding("certificate", Grade.BAD, f"{name}: {path} cannot be read ({error.strerror})")
        return
    except ValueError:
        yield Finding("certificate", Grade.BAD, f"{name}: {path} holds something else than certificates")
        return
    now = datetime.fromtimestamp(now_us / 1e6, UTC)
    ends = min(certificate.not_valid_after_utc for certificate in found)
    begins = max(certificate.not_valid_before_utc for certificate in found)
    if now >= ends:
        yield Finding("certificate", Grade.BAD, f"{name}: ended on {ends:%Y-%m-%d}", _RENEW)
    elif now < begins:
        what = f"{name}: holds from {begins:%Y-%m-%d} on"
        yield Finding("certificate", Grade.BAD, what, "is the clock right? else have it made again")
    elif now >= ends - _SOON:
        yield Finding("certificate", Grade.MIND, f"{name}: ends on {ends:%Y-%m-%d}", _RENEW)
    else:
        yield Finding("certificate", Grade.OK, f"{name}: until {ends:%Y-%m-%d}")


_RENEW = "have it renewed by whoever issues this site's certificates"
