"""What a page is made from: the centre's services, and the frame around what the page shows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi.responses import HTMLResponse

from central.accounts.identify import Identify
from central.accounts.who import Who
from central.assessments.book import KeptDays
from central.console.demo_accounts import DemoAccount
from central.console.provider_pages import ProviderPages
from central.console.views import Views
from central.fleet.commanding import Commands
from central.fleet.site_settings import SettingsOffice
from central.identity.retention_rules import RetentionRules
from central.identity.vault import Vault
from central.lookup.service import LookUps
from central.register.office import Office
from central.store.changes import Changes
from central.store.questions import Questions
from central.visitors.passes import Desk
from central.visitors.receipts_api import Receipts


@dataclass(frozen=True, slots=True)
class RetentionSaid:
    """How long the settings keep what, and the rules that they cite for longer times."""

    rules: RetentionRules
    visitor_rule: str | None
    entry_rule: str | None


@dataclass(frozen=True)
class Centre:
    """`vault`, `signing`, `desk`: None where the centre has no keys. `stopping` ends event streams.
    `kept_days`: what the settings keep of visitors. `address`: where people find the centre, as the
    settings name it; else empty, for whoever guesses sends a visitor astray. `demo`: accounts
    that everybody may use; there are none but in the demo."""

    questions: Questions
    changes: Changes
    views: Views
    identify: Identify
    office: Office
    look_ups: LookUps
    commands: Commands
    site_settings: SettingsOffice
    desk: Desk | None
    vault: Vault | None
    signing: Ed25519PrivateKey | None
    zone: tzinfo
    now_us: Callable[[], int]
    stopping: threading.Event
    kept_days: KeptDays
    receipts: Receipts
    provider: ProviderPages
    retention: RetentionSaid
    address: str
    demo: Sequence[DemoAccount] = ()

    def show(
        self, who: Who, lang: str | None, template: str, here: str, *, status: int = 200, **values: Any
    ) -> HTMLResponse:
        """A whole page: `template` within the frame. `here`: the name of the page in the registry."""
        shown = self.views.render(
            lang, template, {"who": who, "here": here, "our_address": self.address, **values}
        )
        return HTMLResponse(shown, status)

    def part(self, lang: str | None, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """A part of a page, for a script that puts it into one."""
        return HTMLResponse(self.views.render(lang, template, values), status)
