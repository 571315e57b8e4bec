"""Settings of a centre that is asked faster than people ask: what is measured or drawn must not wait."""

from __future__ import annotations

from typing import Final

UNLIMITED: Final = dict.fromkeys(("an_account_a_minute", "a_token_a_minute", "an_address_a_minute"), 10**9)
IN_A_FILE: Final = "\n".join(["\n[limits]", *(f"{name} = {value}" for name, value in UNLIMITED.items()), ""])
