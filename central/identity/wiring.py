"""What the settings say of identity, as objects."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine

from central.identity.opening import Opener
from central.identity.registers import check_registers
from central.identity.retention import Retention
from central.identity.retention_rules import RetentionRules
from central.identity.sealing import SealingKeys
from central.identity.service import EndsWhatIsDue, IdentityService
from central.identity.sites import community_of
from central.identity.suites import SUITES, SuiteName
from central.identity.vault import Vault
from central.settings import Settings
from central.store.engine import reading

log = logging.getLogger(__name__)


def vault_of(settings: Settings, reader: Engine) -> Vault | None:
    """None, and a word about it, where no key ring was ever made. Raises SettingsError for one that cannot be
    used, or that lacks a key with which something in the database is sealed."""
    vault = open_vault(settings) if settings.identity.key_ring.exists() else None
    with reading(reader) as connection:
        check_registers(connection, vault)
    if vault is None:
        log.warning(
            "no key ring: nobody's identity can be kept or read; make it with liuhen-central identity make"
        )
    return vault


def open_vault(settings: Settings) -> Vault:
    """Raises SettingsError."""
    suite = SUITES[SuiteName(settings.identity.suite)]
    return Vault.of(settings.identity.key_ring, suite, ZoneInfo(settings.console.timezone))


def rules_of(settings: Settings) -> RetentionRules:
    part = settings.identity
    return RetentionRules(part.visitor_days, ZoneInfo(settings.console.timezone), part.entry_days)


def identity_service(
    settings: Settings,
    engine: Engine,
    vault: Vault,
    opener: Opener,
    signing: Ed25519PrivateKey,
    *,
    also: Sequence[EndsWhatIsDue] = (),
) -> IdentityService:
    retention = Retention(engine, vault, signing, rules_of(settings))
    sealing = SealingKeys(vault, community_of, may_seal=settings.identity.visitor_basis is not None)
    return IdentityService(engine, opener, retention, sealing, also)
